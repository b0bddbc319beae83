"""What a browser sees on a page of the worker site, and on the page inside its frame.

Only what the HTML shows is read: links, forms, frames, fieldsets and the texts and pictures in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

if TYPE_CHECKING:
    from collections.abc import Container

NOT_CONTENT = "legend, label, option, select, button, input, textarea, script, style, template"
"""What a fieldset holds besides the item itself."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form: where it is sent, and what it carries before anyone fills it in."""

    action: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Group:
    """A line of the list of HIT groups."""

    title: str
    link: str


@dataclass(frozen=True, slots=True)
class Question:
    """One fieldset of a work page.

    Attributes
    ----------
    name
        The name under which the answer is sent.
    content
        The visible texts and picture addresses of the item, in the order in which they stand.
    choices
        Visible text of each label value, in order, to the value that is sent for it.
    """

    name: str
    content: tuple[str, ...]
    choices: dict[str, str] = field(compare=False)

    def recognise(self, known: Container[str]) -> str | None:
        """Say which of the known contents is shown; None where none is, or more than one."""
        shown = {piece for piece in self.content if piece in known}
        if len(shown) == 1:
            return shown.pop()
        whole = " ".join(self.content)
        return whole if whole in known else None


@dataclass(frozen=True, slots=True)
class WorkPage:
    """The page inside a frame: its form, its questions and where answers go."""

    form: Form
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page as a browser holds it."""

    url: str
    status: int
    html: str

    def tree(self) -> LexborHTMLParser:
        """Parse the page."""
        return LexborHTMLParser(self.html)

    def form(self, selector: str) -> Form | None:
        """Find a form on the page."""
        node = self.tree().css_first(selector)
        return None if node is None else _form(node, self.url)

    def links(self, selector: str) -> list[str]:
        """List the absolute addresses of the links that match."""
        return [urljoin(self.url, _attribute(node, "href")) for node in self.tree().css(selector)]

    def groups(self) -> list[Group]:
        """List the HIT groups of the page."""
        return [
            Group(visible(node), urljoin(self.url, _attribute(node, "href"))) for node in self.tree().css("a.group")
        ]

    def frame(self) -> str | None:
        """Find the address of the page in the frame."""
        node = self.tree().css_first("iframe")
        return None if node is None else urljoin(self.url, _attribute(node, "src"))

    def headline(self) -> str:
        """Read the page's heading: on a refusal, the reason in few words."""
        node = self.tree().css_first("h1")
        return "" if node is None else visible(node)

    def work(self) -> WorkPage | None:
        """Read the page as the page inside a frame; None where it has no form.

        What the page's script does in a browser is done here: the assignment's id and the form's destination
        come from the page's own address.
        """
        tree = self.tree()
        node = tree.css_first("form#work") or tree.css_first("form")
        if node is None:
            return None
        form = _form(node, self.url)
        query = parse_qs(urlsplit(self.url).query)
        fields = dict(form.fields)
        if assignment := query.get("assignmentId"):
            fields["assignmentId"] = assignment[0]
        action = form.action
        if destination := query.get("turkSubmitTo"):
            action = destination[0].rstrip("/") + "/mturk/externalSubmit"
        questions = [_question(fieldset) for fieldset in node.css("fieldset")]
        return WorkPage(Form(action, fields), tuple(question for question in questions if question))


def visible(node: LexborNode) -> str:
    """Return the text that a node shows, with white space as a browser collapses it."""
    return collapse(node.text())


def collapse(text: str) -> str:
    """Collapse white space as a browser does."""
    return " ".join(text.split())


def _attribute(node: LexborNode, name: str) -> str:
    return node.attributes.get(name) or ""


def _form(node: LexborNode, base: str) -> Form:
    fields = {
        _attribute(box, "name"): _attribute(box, "value")
        for box in node.css("input")
        if _attribute(box, "name") and _attribute(box, "type") not in {"radio", "checkbox", "submit"}
    }
    return Form(urljoin(base, _attribute(node, "action")), fields)


def _question(fieldset: LexborNode) -> Question | None:
    choices = _radio_choices(fieldset) or _list_choices(fieldset)
    chooser = fieldset.css_first("input[type=radio]") or fieldset.css_first("select")
    if chooser is None or not choices:
        return None
    name = _attribute(chooser, "name")
    for node in fieldset.css(NOT_CONTENT):
        node.decompose()
    bare = collapse(fieldset.text(deep=False))
    return Question(name, tuple([bare] * bool(bare) + _content(fieldset)), choices)


def _radio_choices(fieldset: LexborNode) -> dict[str, str]:
    texts = {_attribute(label, "for"): visible(label) for label in fieldset.css("label[for]")}
    choices = {}
    for radio in fieldset.css("input[type=radio]"):
        text = texts.get(_attribute(radio, "id"))
        parent = radio.parent
        while text is None and parent is not None and parent.tag != "fieldset":
            if parent.tag == "label":
                text = visible(parent)
            parent = parent.parent
        if text is not None:
            choices[text] = _attribute(radio, "value")
    return choices


def _list_choices(fieldset: LexborNode) -> dict[str, str]:
    return {
        visible(option): _attribute(option, "value")
        for option in fieldset.css("select option")
        if _attribute(option, "value")
    }


INLINE = {"a", "abbr", "b", "bdi", "bdo", "br", "cite", "code", "em", "i", "mark", "q", "s", "small", "span"}
INLINE |= {"strong", "sub", "sup", "u", "wbr"}


def _content(node: LexborNode) -> list[str]:
    """List what is visible of the item: each run of text as it reads, and each picture's address."""
    pieces = []
    for child in node.iter():
        if child.tag == "img":
            pieces.append(_attribute(child, "src"))
        elif all(inner.tag in INLINE for inner in child.css("*") if inner != child):
            # As one reads it, and without what stands out in it, which may be a heading of its own.
            pieces += dict.fromkeys((visible(child), collapse(child.text(deep=False))))
        else:
            pieces += [collapse(child.text(deep=False)), *_content(child)]
    return [piece for piece in pieces if piece]
