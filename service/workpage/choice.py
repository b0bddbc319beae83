"""The page on which a worker chooses a label value for each item of a bundle.

It holds positional slots and the template's fields, and nothing that differs between a gold item and another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from service.spec import Choice, Show, Spec
from service.workpage.guidelines import guidelines_html

LARGEST_QUESTION = 65_535
_RADIOS = 20
_DATA_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)
# XML 1.0 has no way to write these; a worker would see nothing in their place either.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:46rem;padding:1rem;color:#1b1b1f;background:#fff}
fieldset{border:1px solid #c9c9d1;border-radius:.5rem;margin:0 0 1rem;padding:.75rem 1rem}
legend{font-weight:600;padding:0 .35rem}
.shown{margin:.25rem 0 .75rem;overflow-wrap:anywhere;white-space:pre-wrap}
.shown img{display:block;max-width:100%;min-width:8rem;max-height:24rem;image-rendering:auto}
.shown b{display:block;font-size:.8rem;color:#55555f}
.labels{display:flex;flex-wrap:wrap;gap:.35rem 1rem}
.labels label{padding:.25rem .4rem;border-radius:.3rem;cursor:pointer}
.labels label:focus-within{outline:2px solid #2457c5}
button{font:inherit;font-weight:600;padding:.55rem 1.4rem;border:0;border-radius:.4rem;background:#2457c5;color:#fff}
button:disabled{background:#6f6f7a}
@media (prefers-color-scheme:dark){body{color:#ececf1;background:#17171b}
fieldset{border-color:#4a4a55}.shown b{color:#b0b0bb}}
"""

# MTurk and its like tell the page who is asking by the query string; in a preview nothing can be handed in.
_SCRIPT = """
(function(){var p=new URLSearchParams(location.search),a=p.get("assignmentId"),f=document.getElementById("work"),
b=document.getElementById("send");if(a&&a!=="ASSIGNMENT_ID_NOT_AVAILABLE"){f.elements.assignmentId.value=a;
f.action=(p.get("turkSubmitTo")||"").replace(/\\/+$/,"")+"/mturk/externalSubmit";}
else{b.disabled=true;b.textContent="Accept the HIT to answer";}
f.addEventListener("submit",function(){b.disabled=true;});})();
"""


def question_xml(spec: Spec, payloads: Sequence[Mapping[str, Any]]) -> str:
    """Return the HTMLQuestion that asks about these payloads, in this order, as q1 to qn."""
    return (
        '<HTMLQuestion xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2011-11-11/HTMLQuestion.xsd">'
        f"<HTMLContent><![CDATA[{page_html(spec, payloads)}]]></HTMLContent><FrameHeight>0</FrameHeight></HTMLQuestion>"
    )


def page_html(spec: Spec, payloads: Sequence[Mapping[str, Any]]) -> str:
    """Return the page itself, self-contained."""
    before, after = _frame(spec.title or spec.name, spec.guidelines)
    slots = [_slot(spec.task, n, payload) for n, payload in enumerate(payloads, start=1)]
    # ]]> would end the CDATA section early; escaped text cannot hold it, and this keeps it so.
    return _UNWRITABLE.sub("\ufffd", "".join((before, *slots, after))).replace("]]>", "]]&gt;")


# A job's HITs differ in what they show and in nothing else; what they share is written once. A page is put together
# from plain strings, each escaped where it is made: adding Markup to Markup checks each again.
@lru_cache(maxsize=64)
def _frame(title: str, guidelines: str) -> tuple[str, str]:
    """Return what stands before a page's slots, and after them."""
    before = Markup(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        "<style>{style}</style></head><body>{guidelines}"
        '<form method="post" id="work"><input type="hidden" name="assignmentId">'
    ).format(
        title=title,
        style=Markup(_STYLE.replace("\n", "")),  # noqa: S704 - ours
        guidelines=Markup("<details open><summary>Guidelines</summary>{}</details>").format(guidelines_html(guidelines))
        if guidelines.strip()
        else "",
    )
    after = Markup(
        '<button type="submit" id="send">Submit</button></form><script>{script}</script></body></html>'
    ).format(script=Markup(_SCRIPT.replace("\n", "")))  # noqa: S704 - ours
    return str(before), str(after)


def _slot(task: Choice, number: int, payload: Mapping[str, Any]) -> str:
    before, after = _slot_frame(task.question, tuple(task.labels), number)
    return "".join((before, *[_shown(show, payload.get(show.field)) for show in task.template], after))


@lru_cache(maxsize=1024)
def _slot_frame(question: str, labels: tuple[str, ...], number: int) -> tuple[str, str]:
    """Return what stands before the item of a slot, and after it."""
    before = Markup("<fieldset><legend>{}</legend>").format(question)
    after = Markup('<div class="labels">{}</div></fieldset>').format(_labels(labels, f"q{number}"))
    return str(before), str(after)


def _shown(show: Show, value: Any) -> str:
    if value is None or value == "":
        return ""
    text = _text(value)
    content = safe = str(escape(text))
    if show.show == "image" and _may_show(text):
        content = f'<img src="{safe}" alt="{escape(show.title or "the item to label")}">'
    elif show.show == "link" and _is_web(text):
        content = f'<a href="{safe}" target="_blank" rel="noopener noreferrer">{safe}</a>'
    title = f"<b>{escape(show.title)}</b>" if show.title else ""
    return f'<div class="shown">{title}{content}</div>'


def _text(value: Any) -> str:
    """Write a value in one way, however it was written in the file that it came from.

    Gold often comes from another file than the items, by another program: its line ends, its way to compose accents,
    the blanks around its cells or a `.0` behind its numbers would be seen in the page's source.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return unicodedata.normalize("NFC", str(value)).replace("\r\n", "\n").replace("\r", "\n").strip()


def _labels(labels: Sequence[str], name: str) -> Markup:
    if len(labels) > _RADIOS:
        options = Markup("").join(
            Markup('<option value="{}">{}</option>').format(index, label) for index, label in enumerate(labels)
        )
        return Markup(
            '<select name="{}" required aria-label="Answer"><option value="">Choose…</option>{}</select>'
        ).format(name, options)
    return Markup("").join(
        Markup('<label><input type="radio" name="{}" value="{}" required> {}</label>').format(name, index, label)
        for index, label in enumerate(labels)
    )


def _is_web(text: str) -> bool:
    try:
        return urlsplit(text).scheme in {"http", "https"}
    except ValueError:
        return False


def _may_show(text: str) -> bool:
    return _is_web(text) or _DATA_IMAGE.fullmatch(text) is not None
