// Everything works without this but moving on by itself: pages are plain HTML.
(function () {
  "use strict";
  var main = document.querySelector("main");
  var frame = document.getElementById("question");
  var remembered = "assay-go-on";
  var accept = document.getElementById("accept");
  // One who asked to go on by itself, and comes from a HIT just submitted, has accepted the next one.
  if (accept && location.hash === "#go-on" && sessionStorage.getItem(remembered)) {
    accept.submit();
    return;
  }
  if (!main.dataset.next) { return; }

  var choice = document.getElementById("go-on");
  choice.parentNode.hidden = false;
  choice.checked = Boolean(sessionStorage.getItem(remembered));
  choice.addEventListener("change", function () {
    if (choice.checked) { sessionStorage.setItem(remembered, "1"); } else { sessionStorage.removeItem(remembered); }
  });

  // The frame's origin is opaque, so only the window that speaks can be checked. All it can do is to move us on.
  window.addEventListener("message", function (event) {
    if (event.source !== frame.contentWindow || !event.data || event.data.type !== "assay:submitted") { return; }
    document.getElementById("done").textContent = "Submitted. Thank you.";
    location.replace(main.dataset.next + (choice.checked ? "#go-on" : ""));
  });

  var over = Date.now() + 1000 * Number(main.dataset.left);
  var left = document.getElementById("left");
  var timer = setInterval(function () {
    var seconds = Math.max(0, Math.round((over - Date.now()) / 1000));
    var hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
    var two = function (number) { return String(number).padStart(2, "0"); };
    left.textContent = (hours ? hours + ":" + two(minutes) : minutes) + ":" + two(seconds % 60);
    left.classList.toggle("soon", seconds < 60);
    if (!seconds) {
      clearInterval(timer);
      document.getElementById("done").textContent = "The time for this HIT is over. It is offered to others now.";
    }
  }, 1000);
})();
