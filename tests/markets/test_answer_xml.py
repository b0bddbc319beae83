"""Answers' XML: what is read without a parser reads as it would with one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.answers import encode_answers
from service.markets.answer_xml import read_answer_xml
from service.markets.market import Unreadable

NAMES = st.from_regex(r"\A[A-Za-z0-9_]{1,12}\Z")
FIELDS = st.lists(st.tuples(NAMES, st.one_of(st.from_regex(r"\A[0-9]{1,9}\Z"), st.text(max_size=8))), max_size=6)


@given(FIELDS)
def test_a_document_reads_the_same_whether_or_not_it_needs_a_parser(fields):
    whole = encode_answers(fields)
    parsed = read_answer_xml(whole.replace("</QuestionFormAnswers>", "<!-- --></QuestionFormAnswers>"))
    assert read_answer_xml(whole) == parsed


def test_a_plain_document_that_is_too_large_is_not_read_either():
    with pytest.raises(Unreadable, match="the most that is read"):
        read_answer_xml(encode_answers([(f"q{number}", "1") for number in range(20_000)]))
