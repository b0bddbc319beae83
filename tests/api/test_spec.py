"""A spec as people write it: what is wrong is said by field and in plain words, all of it at once."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation import METHODS
from service.shape import Wrong, differences, unstorable
from service.spec import Method, Spec, SpecError, read_spec
from service.spec_reading import LARGEST_SPEC, check_spec, decode_spec
from tests.api.conftest import SPEC

YAML = b"""
name: Pets
task:
  type: choice
  question: What is it?
  labels: [yes, no, 12:30, 2020-01-01, on]
  template: [{field: text}]
reward: 0.10
budget: 25
"""


def wrong(raw: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        check_spec(raw)
    return [str(one) for one in caught.value.wrong]


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the spec with one field changed."""
    spec: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(SPEC))
    *parents, last = path.split(".")
    branch = spec
    for parent in parents:
        branch = branch.setdefault(parent, {})
    branch[last] = value
    return spec


def test_yaml_keeps_label_values_and_money_as_they_are_written() -> None:
    spec = check_spec(decode_spec(YAML, is_yaml=True))
    assert spec.task.labels == ("yes", "no", "12:30", "2020-01-01", "on"), "nothing is a boolean, a time or a date"
    assert (spec.reward, spec.reward_cents, spec.budget_cents) == ("0.10", 10, 2500)


def test_a_spec_comes_back_from_json_as_it_was() -> None:
    spec = check_spec(SPEC)
    assert read_spec(msgspec.json.decode(msgspec.json.encode(spec))) == spec


def test_everything_that_is_wrong_is_named_at_once() -> None:
    assert wrong({"name": "", "task": {"type": "choise", "labels": ["a", 3]}, "reward": 0.05, "guidlines": "x"}) == [
        "name: expected text of 1 to 200 characters, got the text ''",
        "task.type: expected 'choice', got the text 'choise'",
        "task.question: is missing; expected text of 1 to 2000 characters",
        "task.labels[1]: expected text of 1 to 200 characters, got the number 3",
        "task.template: is missing; expected a list of 1 to 20",
        "reward: expected US dollars, as text, such as 0.05, got the number 0.05",
        "budget: is missing; expected US dollars, as text, such as 0.05",
        "guidlines: is not known here; did you mean guidelines?",
    ]


def test_a_job_may_name_every_method_of_inference_and_takes_auto_where_it_names_none() -> None:
    assert set(get_args(Method)) == set(METHODS)
    assert check_spec(changed("consensus", {"method": "wawa"})).consensus.method == "wawa"
    assert check_spec(changed("consensus", {})).consensus.method == "auto"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("reward", "0.051", "reward: expected US dollars, as text, such as 0.05, got the text '0.051'"),
        ("reward", "-1", "reward: expected US dollars, as text, such as 0.05, got the text '-1'"),
        ("reward", "0.05\n", "reward: expected US dollars, as text, such as 0.05, got the text '0.05\\n'"),
        ("reward", "10000.01", "reward: expected at most 10000 US dollars an assignment"),
        ("budget", "0.04", "budget: expected at least the reward of one assignment, 0.05, got 0.04"),
        ("name", " ", "name: expected more than spaces"),
        ("name", "a\x00b", "name: holds a NUL character, which cannot be stored"),
        ("name", "\ud800", "name: holds half of a surrogate pair, which is no character"),
        ("task.labels", ["a"], "task.labels: expected a list of 2 to 100, got 1"),
        (
            "task.labels",
            ["a", "b", "a"],
            "task.labels[2]: expected label values that differ; this is task.labels[0] again",
        ),
        (
            "task.labels",
            ["caf\u00e9", "cafe\u0301"],
            "task.labels[1]: expected label values that differ; this is task.labels[0] again",
        ),
        (
            "task.labels",
            ["a", "b "],
            "task.labels[1]: expected no spaces around it, no line breaks and no control characters",
        ),
        (
            "task.template",
            [{"field": "text"}, {"field": "text", "show": "link"}],
            "task.template[1].field: expected each field once; task.template[0] shows 'text' already",
        ),
        (
            "task.template",
            [{"field": "x", "show": "sound"}],
            "task.template[0].show: expected one of image, link, text, got the text 'sound'",
        ),
        ("redundancy", {"minimum": 4, "maximum": 3}, "redundancy.minimum: expected at most the maximum, 3, got 4"),
        ("redundancy.minimum", True, "redundancy.minimum: expected a whole number from 1 to 100, got true"),
        ("redundancy.minimum", 2.0, "redundancy.minimum: expected a whole number from 1 to 100, got the number 2.0"),
        (
            "redundancy.target_confidence",
            0,
            "redundancy.target_confidence: expected a number above 0 and up to 1, got the number 0",
        ),
        ("trust", {"good_accuracy": 1}, "trust.good_accuracy: expected a number above 0 and below 1, got the number 1"),
        ("trust", {"rest": "x"}, "trust.rest: expected a number from 0 to 1, got the text 'x'"),
        ("trust", {"gate": 1}, "trust.gate: expected true or false, got the number 1"),
        ("redundancy.target_confidence", float("nan"), "redundancy.target_confidence: expected a finite number"),
        (
            "consensus",
            {"method": "dawid-skene"},
            (
                "consensus.method: expected one of auto, bcc, dawid_skene, ebcc, glad, hierarchical, mace, majority, "
                "maximum_likelihood, one_coin, wawa, got the text 'dawid-skene'"
            ),
        ),
        ("bundle.items", 51, "bundle.items: expected a whole number from 1 to 50, got the number 51"),
        ("seed", 2**64, "seed: expected a whole number of at most 64 bits; write larger ones as text"),
        ("keywords", ["a,b"], "keywords[0]: expected a word or words without a comma"),
        ("keywords", ["x" * 100] * 11, "keywords: expected at most 1000 characters in all"),
        (
            "requirements",
            [{"qualification": "ABC", "comparator": "Exists", "values": [1]}],
            "requirements[0]: expected neither values nor locales with Exists",
        ),
        (
            "requirements",
            [{"qualification": "ABC", "comparator": "EqualTo"}],
            "requirements[0]: expected one value or one locale with EqualTo, got 0",
        ),
        (
            "requirements",
            [{"qualification": "ABC", "comparator": "GreaterThan", "locales": ["US"]}],
            "requirements[0].comparator: expected EqualTo, NotEqualTo, In or NotIn with locales",
        ),
        (
            "requirements",
            [{"qualification": "ABC", "comparator": "In"}],
            "requirements[0]: expected values or locales with In",
        ),
    ],
)
def test_a_field_that_is_wrong_is_named_with_what_was_expected(path: str, value: Any, expected: str) -> None:
    assert wrong(changed(path, value)) == [expected]


def test_ten_or_more_must_be_allowed_as_they_cost_more() -> None:
    spec = changed("redundancy", {"minimum": 3, "maximum": 10})
    assert wrong(spec)[0].startswith("redundancy.maximum: expected at most 9, or allow_ten_or_more: true")
    assert check_spec(spec | {"allow_ten_or_more": True}).redundancy.maximum == 10


def test_a_page_must_have_room_for_items() -> None:
    labels = [f"{'long label value ' * 5}{n}" for n in range(100)]
    spec = changed("task.labels", labels) | {"guidelines": "word " * 3999}
    assert check_spec(spec | {"bundle": {"items": 2}}).bundle.items == 2
    assert wrong(spec | {"bundle": {"items": 10}})[0].startswith("bundle: expected a page with room for items: ")


def test_a_market_must_be_a_configured_one() -> None:
    with pytest.raises(SpecError, match="market: expected one of house, vendor, got the text 'elsewhere'"):
        check_spec(SPEC | {"market": "elsewhere"}, markets={"vendor", "house"})


@pytest.mark.parametrize(
    ("text", "is_yaml", "expected"),
    [
        (b"{", False, "is not valid JSON: Input data was truncated"),
        (b"\xff{}", True, "is not UTF-8: byte 1 is not"),
        (b"name: a\nname: b", True, "is not valid YAML: line 2, column 1: 'name' stands here twice"),
        (b"a: &x [1]\nb: *x", True, "is not valid YAML: line 2, column 4: expected no alias (*); write it out"),
        (b"a: !!python/name:os.system", True, "expected no tag such as tag:yaml.org,2002:python/name:os.system"),
        (b"? [a]\n: 1", True, "is not valid YAML: line 1, column 3: expected text as a name"),
        (b"[" * 5000, True, "is not valid YAML: line 1, column 31: expected at most 30 levels of nesting"),
        (b"[" * 5000, False, "is nested too deeply"),
        (b"a: \x01", True, "is not valid YAML: the character 0x0001 is not allowed"),
        (b'a: "\\UFFFFFFFF"', True, "is not valid YAML: an escape names no character"),
        (b"a: " + b"9" * 5000, True, "expected a number of at most 40 digits"),
        (b"x" * (LARGEST_SPEC + 1), True, f"expected at most {LARGEST_SPEC} bytes"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(text: bytes, is_yaml: bool, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        decode_spec(text, is_yaml=is_yaml)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    path=st.sampled_from([*Spec.__struct_fields__, "task.labels", "task.template", "times.assignment"]),
    value=JSON_VALUES,
)
def test_whatever_stands_in_a_field_is_refused_by_name_or_accepted(path: str, value: Any) -> None:
    """Nothing raises anything else, and our own words and msgspec agree on what is valid."""
    raw = changed(path, value)
    with contextlib.suppress(SpecError):
        assert check_spec(raw) == msgspec.convert(raw, Spec)


@given(JSON_VALUES)
def test_differences_are_found_exactly_where_msgspec_finds_one(value: Any) -> None:
    try:
        msgspec.convert(value, dict[str, list[int] | str])
        fits = True
    except msgspec.ValidationError:
        fits = False
    assert (not differences(dict[str, list[int] | str], value)) == fits or list(unstorable(value))


@given(st.binary(max_size=200))
def test_no_bytes_make_yaml_raise_anything_but_a_spec_error(text: bytes) -> None:
    message = ""
    try:
        decode_spec(text, is_yaml=True)
    except SpecError as error:
        message = str(error)
    assert "\n" not in message


def test_a_wrong_place_reads_as_one_line() -> None:
    assert str(Wrong("task.labels[1]", "expected text")) == "task.labels[1]: expected text"
