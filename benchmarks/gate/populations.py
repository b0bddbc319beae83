"""The crowds: honest workers, and a share of one kind of trouble."""

from __future__ import annotations

HONEST = {"expert": 0.25, "ordinary": 0.75}
SPAM = {"random_spammer": 0.5, "constant_spammer": 0.5}
GOOD = frozenset(HONEST)


def mixed(trouble: dict[str, float], share: float) -> dict[str, float]:
    """Mix a share of trouble into honest workers."""
    mix = {kind: part * (1 - share) for kind, part in HONEST.items()}
    return mix | {kind: part * share for kind, part in trouble.items() if share}


POPULATIONS = {
    "no spammers": mixed(SPAM, 0.0),
    "10% spammers": mixed(SPAM, 0.1),
    "20% spammers": mixed(SPAM, 0.2),
    "30% spammers": mixed(SPAM, 0.3),
    "40% spammers": mixed(SPAM, 0.4),
    "50% spammers": mixed(SPAM, 0.5),
    "30% biased": mixed({"biased": 1.0}, 0.3),
    "30% drifting": mixed({"drifting": 1.0}, 0.3),
    "30% colluding": mixed({"colluder": 1.0}, 0.3),
    "30% turncoats": mixed({"turncoat": 1.0}, 0.3),
}
QUICK = ("no spammers", "30% spammers", "30% turncoats")
