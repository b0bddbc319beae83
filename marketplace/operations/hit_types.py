"""HIT types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from foundation.money import parse_usd
from marketplace.refusal import INVALID_PARAMETER, Refused
from marketplace.requirements import read_requirements
from marketplace.store import hit_types, qualification_types
from marketplace.store.hit_types import Properties

if TYPE_CHECKING:
    from marketplace.operations.call import Call
    from marketplace.store.hit_types import HitType

YEAR_SECONDS: Final = 365 * 86_400
AUTO_APPROVAL_SECONDS: Final = 30 * 86_400
HIGHEST_REWARD_CENTS: Final = 1_000_000


async def create_hit_type(call: Call) -> dict[str, Any]:
    """Return the id of the type with these properties, whether it is new or not."""
    return {"HITTypeId": (await register(call)).hit_type_id}


async def register(call: Call) -> HitType:
    """Take the properties out of a call, and return their type.

    Raises
    ------
    Refused
        Where a property is outside the limits.
    """
    requirements = read_requirements(call.params.get("QualificationRequirements", []))
    if requirements:
        types = [requirement["QualificationTypeId"] for requirement in requirements]
        await qualification_types.refuse_unusable(call.conn, types)
    properties = Properties(
        title=call.text("Title", shortest=1, longest=128),
        description=call.text("Description", shortest=1, longest=2000),
        keywords=call.text("Keywords", longest=1000),
        reward_cents=read_amount(call.params["Reward"], "Reward", highest=HIGHEST_REWARD_CENTS),
        assignment_duration_seconds=call.number("AssignmentDurationInSeconds", low=30, high=YEAR_SECONDS),
        auto_approval_delay_seconds=call.number(
            "AutoApprovalDelayInSeconds", low=0, high=AUTO_APPROVAL_SECONDS, default=AUTO_APPROVAL_SECONDS
        ),
        qualification_requirements=requirements,
    )
    return await hit_types.register(call.conn, requester_id=call.requester_id, properties=properties, now=call.now)


def read_amount(text: str, name: str, *, highest: int) -> int:
    """Read an amount of money as the wire has it (``5``, ``5.``, ``0.05``), in cents.

    Raises
    ------
    Refused
        Where it is more than the highest.
    """
    try:
        cents = parse_usd(text.removesuffix("."))
    except ValueError as error:
        raise Refused(INVALID_PARAMETER, f"{name}: {error}.") from None
    if cents > highest:
        raise Refused(INVALID_PARAMETER, f"{name} must be at most {highest // 100} US dollars, and is {text}.")
    return cents
