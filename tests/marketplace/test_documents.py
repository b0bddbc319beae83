"""The XML that comes in as questions and goes out as answers."""

from __future__ import annotations

import string
from xml.etree import ElementTree as ET

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from marketplace.answers import NAMESPACE, encode_answers
from marketplace.question import (
    EXTERNAL_NAMESPACE,
    HTML_NAMESPACE,
    MAXIMUM_BYTES,
    ExternalQuestion,
    HtmlQuestion,
    parse_question,
)
from marketplace.refusal import Refused


def html(content="<p>Hi</p>", height="<FrameHeight>450</FrameHeight>", namespace=HTML_NAMESPACE):
    return f'<HTMLQuestion xmlns="{namespace}"><HTMLContent><![CDATA[{content}]]></HTMLContent>{height}</HTMLQuestion>'


def external(url, namespace=EXTERNAL_NAMESPACE):
    return (
        f'<ExternalQuestion xmlns="{namespace}"><ExternalURL>{url}</ExternalURL>'
        "<FrameHeight>0</FrameHeight></ExternalQuestion>"
    )


@pytest.mark.parametrize("declaration", ["", "ASCII", "UTF-16", "nonsense"])
def test_html_is_read_whatever_encoding_is_declared_for_what_is_text_already(declaration):
    opening = f'<?xml version="1.0" encoding="{declaration}"?>' if declaration else ""
    assert parse_question(opening + html("<p>é</p>")) == HtmlQuestion("<p>é</p>", 450)


@pytest.mark.parametrize(
    "url",
    ["https://tasks.example/a?b=1&amp;c=2", "http://localhost:9000/x", "http://127.0.0.1/", "http://[::1]:80/",
     "http://tasks.lan:8800/work"],
)  # fmt: skip
def test_a_page_is_read(url):
    question = parse_question(external(url), plain_origins={"http://tasks.lan:8800"})
    assert question == ExternalQuestion(url.replace("&amp;", "&"), 0)


@pytest.mark.parametrize(
    "url",
    ["http://tasks.example/", "http://tasks.lan:8801/", "javascript:alert(1)", "/work", "https://", "ftp://a/",
     "https://user@a.example/", "http://[::1", "http://localhost.evil.example/", "data:text/html,hi"],
)  # fmt: skip
def test_a_page_elsewhere_needs_https(url):
    with pytest.raises(Refused, match="ExternalURL must be an https address"):
        parse_question(external(url), plain_origins={"http://tasks.lan:8800"})


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("", "not well-formed"),
        ("<HTMLQuestion>", "not well-formed"),
        (BOMB + html(), "a document type is not allowed"),
        ("<!DOCTYPE html>" + html(), "a document type is not allowed"),
        ("<QuestionForm/>", "Question is a QuestionForm, which this marketplace does not show"),
        ("<p/>", "Question is a p, which"),
        (html(namespace="urn:x"), "must be in the namespace"),
        (html(content=" "), "has no HTMLContent"),
        (html(height=""), "has no FrameHeight"),
        (html(height="<FrameHeight>-1</FrameHeight>"), "FrameHeight must be a number"),
        (html(height="<FrameHeight>1.5</FrameHeight>"), "FrameHeight must be a number"),
        (external(" "), "has no ExternalURL"),
        (html("é" * (MAXIMUM_BYTES // 2)), "longer than 65535 bytes"),
    ],
)
def test_a_question_that_cannot_be_shown_is_refused(xml, said):
    with pytest.raises(Refused, match=said):
        parse_question(xml)


TEXT = st.text(st.characters(codec=None))


@given(st.lists(st.tuples(st.one_of(st.text(string.ascii_letters, min_size=1, max_size=3), TEXT), TEXT)))
def test_whatever_was_posted_becomes_a_document_that_parses_and_says_the_same(fields):
    root = fromstring(encode_answers(fields).encode(), forbid_dtd=True)
    names = {"q": NAMESPACE}
    read = [
        (answer.findtext("q:QuestionIdentifier", namespaces=names), answer.findtext("q:FreeText", namespaces=names))
        for answer in root.findall("q:Answer", names)
    ]
    expected: dict[str, list[str]] = {}
    for name, value in fields:
        if name not in ("", "assignmentId"):
            expected.setdefault(name, []).append(value)
    assert read == [(kept(name), kept("|".join(values))) for name, values in expected.items()]


def kept(text):
    """Return what is left of a text in XML: each character that a parser takes, as it is; any other as U+FFFD."""
    return "".join(character if representable(character) else "\ufffd" for character in text)


def representable(character):
    try:
        read = ET.fromstring(f"<a>&#{ord(character)};</a>".encode())
    except (ET.ParseError, UnicodeEncodeError):
        return False
    return read.text == character
