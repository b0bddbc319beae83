"""Read QuestionFormAnswers: XML from strangers."""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from service.markets.market import Unreadable

_LARGEST = 1_000_000


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
