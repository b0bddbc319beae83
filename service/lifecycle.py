"""The states of a job, what may be asked of it in each, and where that leads.

    draft ── launch ──▶ running ──(pipeline)──▶ done
      │                 │  ▲  │
      │           pause │  │ resume
      │                 ▼  │  │
      │                paused │ cancel
      │                  │    ▼
      └── cancel ─┐      └▶ cancelling ──(pipeline)──▶ cancelled
                  └───────────────────────────────────────▲

The pipeline alone ends a job that was launched: it knows when all accepted work is in and paid.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["draft", "running", "paused", "cancelling", "cancelled", "done"]
Action: TypeAlias = Literal["launch", "pause", "resume", "cancel"]

TRANSITIONS: Final[dict[tuple[State, Action], State]] = {
    ("draft", "launch"): "running",
    ("draft", "cancel"): "cancelled",
    ("running", "pause"): "paused",
    ("running", "cancel"): "cancelling",
    ("paused", "resume"): "running",
    ("paused", "cancel"): "cancelling",
}

TAKES_ITEMS: Final[frozenset[State]] = frozenset({"draft", "running", "paused"})
"""The states in which items and gold may be added or withdrawn, and the budget changed."""

OVER: Final[frozenset[State]] = frozenset({"cancelled", "done"})
"""The states of a job that the pipeline has ended, or that never began."""


class NotPossibleError(Exception):
    """What was asked cannot be done in the job's state; the message says what can."""


def after(state: State, action: Action) -> State:
    """Return the state that an action leads to.

    Raises
    ------
    NotPossibleError
        Where the action is not possible in this state.
    """
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise NotPossibleError(f"The job is {state}, so it cannot {action}; {_possible(state)}.") from None


def require_takes_items(state: State, what: str) -> None:
    """Refuse to change what a job is made of once it is ending.

    Raises
    ------
    NotPossibleError
        In the states cancelling, cancelled and done.
    """
    if state not in TAKES_ITEMS:
        raise NotPossibleError(f"The job is {state}, so {what}; {_possible(state)}.")


def possible(state: State) -> list[Action]:
    """Return the actions that a job in this state can take."""
    return [action for (origin, action) in TRANSITIONS if origin == state]


def _possible(state: State) -> str:
    actions = possible(state)
    return f"it can {' or '.join(actions)}" if actions else "nothing more can be asked of it"
