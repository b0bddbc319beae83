"""Money: read, written and charged as the market's stated rules have it."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.money import FEE_SCHEDULES, format_usd, parse_usd

MTURK = FEE_SCHEDULES["mturk"]
cents = st.integers(min_value=0, max_value=99_999_999_999)


def test_amounts_are_read_in_cents():
    read = [parse_usd(text) for text in ("0.05", "0.5", "0", "12", "12.34", "999999999.99")]
    assert read == [5, 50, 0, 1200, 1234, 99_999_999_999]


@pytest.mark.parametrize(
    "text", ["-1", "0.001", "", ".5", "1.", "1e3", "NaN", "$1", "1,000", " 1", "1\n", "1000000000", "٣"]
)
def test_what_is_no_amount_is_refused_with_what_was_expected(text):
    with pytest.raises(ValueError, match="expected US dollars with at most 2 decimals"):
        parse_usd(text)


@given(cents)
def test_an_amount_survives_being_written_and_read(amount):
    assert parse_usd(format_usd(amount)) == amount


def test_a_debt_is_written_with_its_sign():
    assert format_usd(-5) == "-0.05"


def stated_share(amount: int, rate: str) -> int:
    """The stated rule in decimal arithmetic: a share, rounded half up, of at least one cent."""
    exact = Decimal(amount) * Decimal(rate)
    return max(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)), 1)


@given(cents, st.integers(min_value=1, max_value=1_000_000))
def test_an_assignment_costs_20_percent_and_from_10_assignments_40(reward, assignments):
    expected = stated_share(reward, "0.40" if assignments >= 10 else "0.20")
    assert MTURK.assignment_fee(reward, assignments) == expected


@given(cents.filter(bool))
def test_a_bonus_costs_20_percent(amount):
    assert MTURK.bonus_fee(amount) == stated_share(amount, "0.20")


@pytest.mark.parametrize(
    ("reward", "assignments", "fee"),
    [(0, 1, 1), (2, 9, 1), (7, 9, 1), (8, 9, 2), (5, 10, 2), (100, 9, 20), (100, 10, 40)],
)
def test_fees_at_the_edges(reward, assignments, fee):
    assert MTURK.assignment_fee(reward, assignments) == fee


@given(cents, st.integers(min_value=1, max_value=100))
def test_one_s_own_staff_cost_no_fee(reward, assignments):
    assert FEE_SCHEDULES["none"].assignment_fee(reward, assignments) == 0
    assert FEE_SCHEDULES["none"].bonus_fee(reward) == 0


def test_no_bonus_is_no_fee():
    assert MTURK.bonus_fee(0) == 0


@pytest.mark.parametrize(
    "charge", [lambda: MTURK.assignment_fee(-1, 1), lambda: MTURK.assignment_fee(1, 0), lambda: MTURK.bonus_fee(-1)]
)
def test_what_cannot_be_charged_is_refused(charge):
    with pytest.raises(ValueError, match="not"):
        charge()
