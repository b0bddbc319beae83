"""Money in integer US cents, and what a market takes on top of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_USD = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?\Z", re.ASCII)

_MANY_ASSIGNMENTS = 10
"""From this many assignments on, Mechanical Turk adds a second fee to a HIT."""


def parse_usd(text: str) -> int:
    """Read an amount such as ``"0.05"`` as cents.

    Raises
    ------
    ValueError
        Where it is not digits with at most two decimals, is negative, or is a billion dollars or more.
    """
    match = _USD.match(text)
    if match is None:
        msg = f"expected US dollars with at most 2 decimals, such as '0.05', got {text!r}"
        raise ValueError(msg)
    dollars, decimals = match.groups()
    return int(dollars) * 100 + int((decimals or "").ljust(2, "0"))


def format_usd(cents: int) -> str:
    """Write cents as dollars: 5 as ``"0.05"``."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """What a market takes per assignment and per bonus.

    Parameters
    ----------
    name : str
        ``"mturk"``: 20 % of reward and of bonus, 20 % more of the reward where the HIT has 10 or more
        assignments, 5 % more where only masters may accept it, at least one cent each
        (https://www.mturk.com/pricing), rounded half up. ``"none"``: nothing.
    percent, many_percent, masters_percent : int
        The share of reward or bonus; what is added for 10 or more assignments; what is added for masters.
    minimum_cents : int
        The least that is taken for each.
    """

    name: str
    percent: int
    many_percent: int
    masters_percent: int
    minimum_cents: int

    def assignment_fee(self, reward_cents: int, max_assignments: int, *, masters: bool = False) -> int:
        """Return the fee, in cents, for one of a HIT's assignments."""
        _refuse_negative(reward_cents)
        if max_assignments < 1:
            msg = f"a HIT has at least one assignment, not {max_assignments}"
            raise ValueError(msg)
        many = self.many_percent if max_assignments >= _MANY_ASSIGNMENTS else 0
        return self._share(reward_cents, self.percent + many + (self.masters_percent if masters else 0))

    def bonus_fee(self, cents: int) -> int:
        """Return the fee, in cents, for one bonus; none is taken where no bonus is paid."""
        _refuse_negative(cents)
        return self._share(cents, self.percent) if cents else 0

    def _share(self, cents: int, percent: int) -> int:
        half_up = (cents * percent + 50) // 100
        return max(half_up, self.minimum_cents)


FEE_SCHEDULES: Final = {
    "mturk": FeeSchedule("mturk", percent=20, many_percent=20, masters_percent=5, minimum_cents=1),
    "none": FeeSchedule("none", percent=0, many_percent=0, masters_percent=0, minimum_cents=0),
}


def _refuse_negative(cents: int) -> None:
    if cents < 0:
        msg = f"an amount is not negative: {cents} cents"
        raise ValueError(msg)
