"""The question of a HIT: HTML of the requester's own, or a page of theirs to open in a frame.

Schemas: http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2011-11-11/HTMLQuestion.xsd and
http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from marketplace.refusal import INVALID_PARAMETER, XML_PARSE_ERROR, Refused

if TYPE_CHECKING:
    from collections.abc import Collection
    from xml.etree.ElementTree import Element

SCHEMAS: Final = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/"
HTML_NAMESPACE: Final = SCHEMAS + "2011-11-11/HTMLQuestion.xsd"
EXTERNAL_NAMESPACE: Final = SCHEMAS + "2006-07-14/ExternalQuestion.xsd"
MAXIMUM_BYTES: Final = 65_535

_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class HtmlQuestion:
    """HTML to show; a frame height of 0 lets the page size itself."""

    html: str
    frame_height: int


@dataclass(frozen=True, slots=True)
class ExternalQuestion:
    """A page to open, with the assignment's particulars in its query string."""

    url: str
    frame_height: int


Question = HtmlQuestion | ExternalQuestion


def parse_question(xml: str, *, plain_origins: Collection[str] = ()) -> Question:
    """Read and check the XML of a question.

    Parameters
    ----------
    xml : str
        As the requester sent it.
    plain_origins : collection of str
        Origins such as ``http://tasks.lan:8800`` that an ExternalQuestion may use without TLS; this machine's
        own are always allowed.

    Raises
    ------
    Refused
        Where it is too long, no XML, declares a document type, or is no question that can be shown here.
    """
    if len(xml.encode()) > MAXIMUM_BYTES:
        raise Refused(INVALID_PARAMETER, f"Question is longer than {MAXIMUM_BYTES} bytes.")
    try:
        root = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        reason = "a document type is not allowed" if isinstance(error, DefusedXmlException) else error
        raise Refused(XML_PARSE_ERROR, f"Question is not well-formed XML: {reason}.") from None
    if root.tag == f"{{{HTML_NAMESPACE}}}HTMLQuestion":
        return HtmlQuestion(_text(root, HTML_NAMESPACE, "HTMLContent"), _height(root, HTML_NAMESPACE))
    if root.tag == f"{{{EXTERNAL_NAMESPACE}}}ExternalQuestion":
        url = _text(root, EXTERNAL_NAMESPACE, "ExternalURL").strip()
        _check_url(url, plain_origins)
        return ExternalQuestion(url, _height(root, EXTERNAL_NAMESPACE))
    raise _unknown_kind(root)


def _unknown_kind(root: Element) -> Refused:
    name = root.tag.rpartition("}")[2]
    if name in ("HTMLQuestion", "ExternalQuestion"):
        expected = HTML_NAMESPACE if name == "HTMLQuestion" else EXTERNAL_NAMESPACE
        return Refused(XML_PARSE_ERROR, f"{name} must be in the namespace {expected}.")
    return Refused(
        INVALID_PARAMETER,
        f"Question is a {name}, which this marketplace does not show; send an HTMLQuestion or an ExternalQuestion.",
    )


def _text(root: Element, namespace: str, name: str) -> str:
    text = root.findtext(f"{{{namespace}}}{name}")
    if text is None or not text.strip():
        raise Refused(XML_PARSE_ERROR, f"Question has no {name}.")
    return text


def _height(root: Element, namespace: str) -> int:
    text = root.findtext(f"{{{namespace}}}FrameHeight")
    if text is None:
        raise Refused(XML_PARSE_ERROR, "Question has no FrameHeight.")
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise Refused(XML_PARSE_ERROR, f"FrameHeight must be a number of pixels, got {text[:20]!r}.")
    return int(text)


def _check_url(url: str, plain_origins: Collection[str]) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        origin = f"{parts.scheme}://{parts.netloc}".lower()
    except ValueError:
        host = None
    if host and parts.username is None:
        if parts.scheme == "https":
            return
        if parts.scheme == "http" and (host in _LOCAL_HOSTS or origin in plain_origins):
            return
    raise Refused(INVALID_PARAMETER, f"ExternalURL must be an https address, got {url[:200]!r}.")
