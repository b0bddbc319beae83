"""Read QuestionFormAnswers: XML from strangers."""

from __future__ import annotations

import re
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from service.markets.market import Unreadable

_LARGEST = 1_000_000
# Nearly every document is of this shape to the letter: digits in named fields, with nothing in it to expand, escape or
# nest. Reading it without a parser saves more than half the time of collecting; all else goes to the parser.
_FIELD = r"<Answer><QuestionIdentifier>(\w{1,64})</QuestionIdentifier><FreeText>(\d{1,9})</FreeText></Answer>"
_PLAIN = re.compile(
    r"<\?xml version=\"1\.0\" encoding=\"(?:UTF-8|ASCII)\"\?>\s*<QuestionFormAnswers xmlns=\"[\w:/.-]{1,200}\">"
    rf"(?:{_FIELD})*</QuestionFormAnswers>",
    re.ASCII,
)
_FIELDS = re.compile(_FIELD, re.ASCII)


def read_answer_xml(raw: str) -> dict[str, str]:
    """Return the free-text fields of a QuestionFormAnswers document; the last of two with one name counts.

    Parsed from text, as such documents often declare an encoding that they are not in.

    Raises
    ------
    Unreadable
        Where it is too large, no XML, has a DTD, or is another kind of document.
    """
    if len(raw) > _LARGEST:
        raise Unreadable(f"{len(raw)} characters of XML, and {_LARGEST} is the most that is read")
    if _PLAIN.fullmatch(raw):
        return dict(_FIELDS.findall(raw))
    text = raw.lstrip("\ufeff \t\r\n")
    if text.startswith("<?xml"):
        _, _, text = text.partition("?>")
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Unreadable(f"not XML that can be read: {type(error).__name__}: {error}"[:300]) from None
    if _local(root.tag) != "QuestionFormAnswers":
        raise Unreadable(f"expected QuestionFormAnswers, got {_local(root.tag)!r}"[:300])
    fields: dict[str, str] = {}
    for answer in root:
        parts = {_local(part.tag): part.text or "" for part in answer}
        if "QuestionIdentifier" in parts and "FreeText" in parts:
            fields[parts["QuestionIdentifier"].strip()] = parts["FreeText"]
    return fields


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
