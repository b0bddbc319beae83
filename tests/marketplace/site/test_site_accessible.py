"""Pages that everyone can use: landmarks, labels, names, contrast."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest
from selectolax.lexbor import LexborHTMLParser

from marketplace.site.rendering import duration, static_file


def faults(html: str) -> list[str]:
    """List what a person with a screen reader would stumble over."""
    tree = LexborHTMLParser(html)
    found = []
    if tree.css_first("html").attributes.get("lang") != "en":
        found.append("no language")
    if not any(node.text().strip() for node in tree.css("title")):
        found.append("no title")
    counts = {landmark: len(tree.css(landmark)) for landmark in ("header", "main", "h1")}
    found += [f"{count} {landmark}" for landmark, count in counts.items() if count != 1]
    labelled = {label.attributes.get("for") for label in tree.css("label")}
    found += [
        f"no label for {box.html}"
        for box in tree.css("input:not([type=hidden])")
        if box.attributes.get("id") not in labelled and not any(node.tag == "label" for node in ancestors(box))
    ]
    found += [f"no name for {node.html}" for node in tree.css("a, button") if not node.text().strip()]
    found += [f"no title for {node.html}" for node in tree.css("iframe") if not node.attributes.get("title")]
    ids = Counter(node.attributes["id"] for node in tree.css("[id]"))
    found += [f"{count} elements with the id {name}" for name, count in ids.items() if count > 1]
    found += [f"twice an attribute in {tag}" for tag in re.findall(r"<[^>]*>", html) if repeats_an_attribute(tag)]
    levels = [int(node.tag[1]) for node in tree.css("h1, h2, h3, h4")]
    found += [f"h{lower} after h{upper}" for upper, lower in pairwise(levels) if lower > upper + 1]
    found += [
        f"a table without {part}" for table in tree.css("table") for part in ("caption", "th") if not table.css(part)
    ]
    return found


def ancestors(node):
    while (node := node.parent) is not None:
        yield node


def repeats_an_attribute(tag: str) -> bool:
    names = re.findall(r"\s([a-z-]+)=\"", tag)
    return len(names) != len(set(names))


async def test_every_page_can_be_used_without_seeing_it(live, people, ann):
    hit = await live.create_hit()
    assignment = await ann.accept(hit["HITId"])
    await live.create_hit(Title="Another")
    stranger = await people.invite("Cid")
    pages = {
        path: (await ann.get(path)).text
        for path in (
            "/worker",
            f"/worker/groups/{hit['HITTypeId']}",
            f"/worker/hits/{hit['HITId']}",
            f"/worker/assignments/{assignment}",
            "/worker/earnings",
            "/worker/hits/NOSUCH",
            f"/worker/join/{ann.token}",
        )
    }
    for path in ("/worker/sign-in", f"/worker/join/{stranger.token}"):
        pages[path] = (await stranger.get(path)).text
    assert {path: wrong for path, html in pages.items() if (wrong := faults(html))} == {}


def test_a_fault_is_found():
    html = "<html><body><h1></h1><h3>x</h3><input id=a><a href=x></a><p id=a></p></body></html>"
    assert faults(html) == [
        "no language",
        "no title",
        "0 header",
        "0 main",
        'no label for <input id="a">',
        'no name for <a href="x"></a>',
        "2 elements with the id a",
        "h3 after h1",
    ]


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG 2.2 defines it."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(scheme):
    block = re.findall(r":root \{(.*?)\}", static_file("site.css").decode(), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    pairs = [(text, behind) for text in ("ink", "soft", "accent") for behind in ("page", "card")]
    pairs += [
        ("on-accent", "accent"),
        ("ink", "accent-soft"),
        ("accent", "accent-soft"),
        ("bad", "bad-soft"),
        ("bad", "card"),
    ]
    poor = {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 4.5}
    assert poor == {}, "WCAG 2.2 asks for 4.5 (1.4.3)"


def test_durations_are_said_as_people_say_them():
    said = {0: "0 seconds", 1: "1 second", 59.9: "59 seconds", 60: "1 minute", 3_601: "1 hour", -5: "0 seconds"}
    said |= {3_660: "1 hour 1 minute", 90_000: "1 day 1 hour", 86_460: "1 day"}
    assert {seconds: duration(seconds) for seconds in said} == said
