"""The spec of a job: what is asked, of whom, how often and for how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

from foundation.money import parse_usd
from service.shape import Wrong

Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Count = Annotated[int, Meta(ge=1, le=100)]
_USD = "US dollars, as text, such as 0.05"
Usd = Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$", description=_USD, extra={"expected": _USD})]

MASTERS = "2F1QJWKUDD8XADTFD2Q0G6UTO95ALH"
"""The qualification of Mechanical Turk's masters."""

MANY_ASSIGNMENTS = 10
"""A HIT made with fewer assignments than this can never reach it, and one with as many costs more."""


class SpecError(ValueError):
    """A spec that cannot be used; each of `wrong` names a field and what was expected there."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        super().__init__("; ".join(map(str, wrong)))
        self.wrong = tuple(wrong)


class Show(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One payload field and how a worker sees it."""

    field: Annotated[str, Meta(min_length=1, max_length=100)]
    show: Literal["text", "image", "link"] = "text"
    title: Annotated[str, Meta(max_length=200)] | None = None


class Choice(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="choice"):
    """Ask to choose one of the job's ordered label values."""

    question: Text
    labels: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(min_length=2, max_length=100, extra_json_schema={"uniqueItems": True}),
    ]
    template: Annotated[tuple[Show, ...], Meta(min_length=1, max_length=20)]


class Bundle(Struct, frozen=True, forbid_unknown_fields=True):
    """What one HIT carries: so many items, and so many gold items besides, mixed among them."""

    items: Annotated[int, Meta(ge=1, le=50)] = 1
    gold: Annotated[int, Meta(ge=0, le=20)] = 0


_BANK_NAME = "a name of 1 to 100 letters, digits, dots, underscores and dashes, which begins with a letter or digit"
BankName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", max_length=100, extra={"expected": _BANK_NAME})
]


class FromBank(Struct, frozen=True, forbid_unknown_fields=True):
    """Gold from one of the team's banks: so many items, or as many as the job lacks."""

    bank: BankName
    count: Annotated[int, Meta(ge=1, le=100_000)] | None = None


class Redundancy(Struct, frozen=True, forbid_unknown_fields=True):
    """How many workers' answers an item gets: settled at target_confidence from minimum on, at maximum anyway."""

    minimum: Count = 3
    maximum: Count = 5
    target_confidence: Annotated[float, Meta(gt=0, le=1)] = 0.95


class Times(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds that a worker has for a HIT, that a HIT stays open, and after which the market approves by itself."""

    assignment: Annotated[int, Meta(ge=30, le=31_536_000)] = 1800
    lifetime: Annotated[int, Meta(ge=30, le=31_536_000)] = 604_800
    auto_approval: Annotated[int, Meta(ge=60, le=2_592_000)] = 259_200


class Requirement(Struct, frozen=True, forbid_unknown_fields=True):
    """A qualification that a worker must have, in the market's own terms."""

    qualification: Annotated[str, Meta(pattern="^[A-Z0-9]+$", max_length=64)]
    comparator: Literal[
        "LessThan",
        "LessThanOrEqualTo",
        "GreaterThan",
        "GreaterThanOrEqualTo",
        "EqualTo",
        "NotEqualTo",
        "Exists",
        "DoesNotExist",
        "In",
        "NotIn",
    ]
    values: Annotated[tuple[Annotated[int, Meta(ge=0, le=2**31 - 1)], ...], Meta(max_length=15)] = ()
    locales: Annotated[
        tuple[Annotated[str, Meta(pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], ...], Meta(max_length=30)
    ] = ()
    guards: Annotated[
        Literal["accept", "preview", "discover"],
        Meta(description="what a worker without it may not do: accept HITs; nor preview them; nor even see them"),
    ] = "accept"


Method: TypeAlias = Literal[
    "auto",
    "majority",
    "wawa",
    "dawid_skene",
    "maximum_likelihood",
    "hierarchical",
    "bcc",
    "ebcc",
    "one_coin",
    "glad",
    "mace",
]


class Consensus(Struct, frozen=True, forbid_unknown_fields=True):
    """How labels are inferred: auto averages models by how well they foresee answers, and is the most accurate."""

    method: Method = "auto"


_LEAST = 1e-30  # of a share of errors: of less, the reciprocals that the test goes by are no numbers
Chance = Annotated[float, Meta(gt=0, lt=1)]


class TrustRules(Struct, frozen=True, forbid_unknown_fields=True):
    """The error rates of the test by which workers are judged, and what else decides about it."""

    good_accuracy: Annotated[Chance, Meta(description="a worker who is right this often is good")] = 0.85
    wrongly_suspended: Annotated[
        float, Meta(ge=_LEAST, le=0.5, description="at most this share of good workers is suspended over the horizons")
    ] = 0.01
    on_gold: Annotated[
        float,
        Meta(
            ge=_LEAST, lt=1, description="so much of that share is spent on gold alone, the rest on gold with agreement"
        ),
    ] = 0.8
    missed: Annotated[
        float, Meta(ge=_LEAST, le=0.5, description="at most this share of random clickers is ever trusted")
    ] = 0.05
    gold_horizon: Annotated[
        int, Meta(ge=1, le=100_000, description="gold answers of a worker over which the errors hold")
    ] = 50
    horizon: Annotated[int, Meta(ge=1, le=1_000_000, description="answers of a worker over which the errors hold")] = (
        500
    )
    corroboration: Annotated[
        float,
        Meta(ge=1, le=1_000_000, description="agreement suspends nobody before gold alone is so many to one against"),
    ] = 5.0


class Trust(TrustRules, frozen=True, forbid_unknown_fields=True):
    """How workers are judged, at which errors, and whether those who are suspended are kept from the job's HITs."""

    gate: Annotated[bool, Meta(description="keep suspended workers from the job's HITs by a qualification")] = True
    suspend: Annotated[
        bool, Meta(description="let the policy suspend; without it, it watches, and a person alone suspends")
    ] = True
    earlier: Annotated[
        bool, Meta(description="let the team's earlier jobs lean on whom to watch; they suspend nobody")
    ] = True
    rest: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="workers whose answers tell less than this share of the median's get no new HITs; 0: all do",
        ),
    ] = 0.0
    rest_patience: Annotated[
        int, Meta(ge=60, le=604_800, description="seconds without an answer, after which nobody rests any more")
    ] = 900


class Spec(Struct, frozen=True, forbid_unknown_fields=True):
    """A job's spec; reward and budget are dollars with at most two decimals, as text."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    task: Choice
    reward: Usd
    budget: Usd
    title: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    description: Text | None = None
    keywords: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=20)] = ()
    guidelines: Annotated[str, Meta(max_length=20_000)] = ""
    bundle: Bundle = field(default_factory=Bundle)
    gold: Annotated[FromBank | None, Meta(description="gold that is copied from a bank at launch")] = None
    redundancy: Redundancy = field(default_factory=Redundancy)
    times: Times = field(default_factory=Times)
    requirements: Annotated[tuple[Requirement, ...], Meta(max_length=9)] = ()
    trust: Trust = field(default_factory=Trust)
    consensus: Consensus = field(default_factory=Consensus)
    market: Annotated[str, Meta(min_length=1, max_length=64)] = "house"
    allow_ten_or_more: bool = False
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(
            description="makes the slicing repeatable, as trials need; who knows it can foresee where gold stands. "
            "Left out, nobody can"
        ),
    ] = None

    @property
    def reward_cents(self) -> int:
        """The reward of one assignment, in cents."""
        return parse_usd(self.reward)

    @property
    def masters_only(self) -> bool:
        """Whether it asks for masters, for which Mechanical Turk takes more."""
        return any(asked.qualification == MASTERS and asked.comparator == "Exists" for asked in self.requirements)

    @property
    def budget_cents(self) -> int:
        """The most that the job may cost, fees included, in cents."""
        return parse_usd(self.budget)


def read_spec(raw: Any) -> Spec:
    """Return the spec that stored JSON stands for; what a person wrote goes through `spec_reading.check_spec`.

    Raises
    ------
    SpecError
        Where it is no spec: it was stored by another version.
    """
    try:
        return msgspec.convert(raw, Spec)
    except msgspec.ValidationError as error:
        raise SpecError([Wrong("", str(error))]) from None
