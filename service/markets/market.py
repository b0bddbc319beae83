"""What the service asks of a market, whoever stands behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from service.spec import Requirement


class MarketError(Exception):
    """A call to a market that did not succeed."""


class Unavailable(MarketError):
    """The market did not answer, or not with sense: the call may or may not have happened. Ask again."""


class Throttled(Unavailable):
    """The market wants fewer calls."""


class NotYet(MarketError):
    """The market says that the time for it has not come: ask again later."""


class Refused(MarketError):
    """The market will never do this; message and code (lower case, without prefix) are its own."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Gone(Refused):
    """What it is about is no longer on the market: somebody has deleted or disposed of it."""


class RejectedElsewhere(MarketError):
    """The assignment has been rejected, by somebody and not by us."""


class OutOfFunds(Refused):
    """The account's balance does not cover it."""


class Unreadable(ValueError):
    """What a worker handed in cannot be read as answers."""


class HitProperties(Struct, frozen=True):
    """What workers see HITs grouped by. Money in cents, times in seconds."""

    title: str
    description: str
    keywords: str
    reward_cents: int
    assignment_seconds: int
    auto_approval_seconds: int
    requirements: tuple[Requirement, ...] = ()


class HitRequest(Struct, frozen=True):
    """A HIT to create. `annotation` finds it again; `token` makes a second request harmless for a day."""

    hit_type_id: str
    question: str
    lifetime_seconds: int
    max_assignments: int
    annotation: str
    token: str


class ListedHit(Struct, frozen=True):
    """A HIT as the market lists it."""

    market_hit_id: str
    annotation: str
    max_assignments: int
    available: int
    pending: int
    expires_at: datetime

    @property
    def handed_in(self) -> int:
        """How many assignments have been handed in, reviewed or not."""
        return self.max_assignments - self.available - self.pending


class HandedIn(Struct, frozen=True):
    """One assignment as the market gives it."""

    market_assignment_id: str
    market_worker_id: str
    accepted_at: datetime | None
    submitted_at: datetime
    approve_by: datetime | None
    state: Literal["submitted", "approved", "rejected"]
    raw: str


class Market(Protocol):
    """A configured place where workers come from. Every call may raise Unavailable, Throttled or Refused."""

    name: str
    fees: str

    async def hit_type(self, properties: HitProperties) -> str:
        """Return the id of the HIT type with these properties, made if there is none."""

    async def create_hit(self, request: HitRequest, *, in_doubt_since: datetime | None) -> ListedHit:
        """Create a HIT, or return the one that the same token or annotation made before."""

    async def extend_hit(self, market_hit_id: str, *, to: int, token: str) -> None:
        """Raise a HIT's MaxAssignments to `to`; nothing where it is there already."""

    async def expire_hit(self, market_hit_id: str) -> None:
        """Take a HIT from the workers' view; nothing where it is already."""

    async def renew_hit(self, market_hit_id: str, until: datetime) -> None:
        """Offer a HIT again until then."""

    async def delete_hit(self, market_hit_id: str) -> None:
        """Delete a HIT whose assignments are all reviewed; NotYet where they are not."""

    async def find_hit(self, market_hit_id: str) -> ListedHit | None:
        """Look one HIT up; None where it is no longer on the market."""

    def list_hits(self) -> AsyncIterator[Sequence[ListedHit]]:
        """Page through all HITs of the account: not a snapshot, so one may come twice or not at all."""

    async def handed_in(self, market_hit_id: str) -> Sequence[HandedIn]:
        """Return all assignments of a HIT that have been handed in; of one that is gone too, or Gone."""

    async def worker_of(self, market_assignment_id: str) -> str:
        """Look up whose work an assignment is."""

    async def approve(self, market_assignment_id: str) -> None:
        """Approve an assignment; nothing where it is already. May raise NotYet, RejectedElsewhere or Gone."""

    async def qualification(self, name: str, description: str) -> str:
        """Return the id of our qualification of this name, made if there is none."""

    async def give_qualification(self, qualification_id: str, market_worker_id: str) -> None:
        """Give a worker a qualification without a word to them; nothing where they have it or are gone."""

    async def take_qualification(self, qualification_id: str, market_worker_id: str) -> None:
        """Take a qualification from a worker; nothing where they do not have it."""

    def read_answers(self, raw: str) -> Mapping[str, str]:
        """Return the fields of what a worker handed in, or raise Unreadable."""

    async def close(self) -> None:
        """Let go of connections and threads."""
