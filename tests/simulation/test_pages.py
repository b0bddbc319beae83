"""What a browser sees: items by their visible texts and pictures, labels by their words."""

from __future__ import annotations

from simulation.pages import Page

WORK = """
<form method=post id=work><input type=hidden name=assignmentId value="">
<fieldset><legend>Is it 7?</legend><div class=shown>the cast &amp; <i>crew</i>
  are fine</div><div class=labels><label><input type=radio name=q1 value=0> no  </label>
  <label><input type=radio name=q1 value=1> yes</label></div></fieldset>
<fieldset><legend>Is it 7?</legend><div class=shown><b>Photo</b><img src="data:image/png;base64,AAAA" alt="x"></div>
  <input type=radio id=r0 name=q2 value=0><label for=r0>no</label>
  <input type=radio id=r1 name=q2 value=1><label for=r1>yes</label></fieldset>
<fieldset>bare words<select name=q3><option value="">Choose…</option><option value=0>no<option value=1>yes</select>
</fieldset><fieldset><legend>Nothing to choose here</legend></fieldset></form>
"""
FRAME = "http://x/worker/frames/H?assignmentId=A1&turkSubmitTo=http%3A%2F%2Fx%2F"


def test_questions_are_read_as_they_are_seen():
    first, second, third = Page(FRAME, 200, WORK).work().questions
    assert first.name == "q1"
    assert "the cast & crew are fine" in first.content
    assert first.choices == second.choices == third.choices == {"no": "0", "yes": "1"}
    assert second.content == ("Photo", "data:image/png;base64,AAAA")
    assert third.content == ("bare words",)


def test_what_the_pages_script_does_comes_from_its_address():
    form = Page(FRAME, 200, WORK).work().form
    assert form.action == "http://x/mturk/externalSubmit"
    assert form.fields == {"assignmentId": "A1"}


def test_an_item_is_recognised_by_one_of_its_pieces():
    question = Page(FRAME, 200, WORK).work().questions[1]
    assert question.recognise({"data:image/png;base64,AAAA", "other"}) == "data:image/png;base64,AAAA"
    assert question.recognise({"other"}) is None
    assert question.recognise({"Photo", "data:image/png;base64,AAAA"}) is None, "two known contents are none"


def test_a_heading_beside_the_text_does_not_hide_it():
    html = (
        "<form><fieldset><div><b>Tweet</b>so it rains</div><select name=q><option value=0>a</select></fieldset></form>"
    )
    assert Page(FRAME, 200, html).work().questions[0].recognise({"so it rains"}) == "so it rains"


def test_label_values_are_no_content():
    html = "<form><fieldset><p>it</p><label><input type=radio name=q value=0>yes</label></fieldset></form>"
    assert Page(FRAME, 200, html).work().questions[0].recognise({"yes"}) is None
