"""Made-up workers: the kinds there are, and whole populations of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from simulation.traits import Ring, Traits, Turn, Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ARRIVAL_SECONDS = 60.0
"""Mean seconds after the opening at which a worker arrives, where a population does not say otherwise."""

DEMO_POPULATION: dict[str, float] = {
    "expert": 0.15,
    "ordinary": 0.50,
    "biased": 0.10,
    "random_spammer": 0.15,
    "constant_spammer": 0.10,
}
"""A crowd of which a quarter spams, as crowds without a gate have been found to be."""


class Kind(Protocol):
    """Draws the traits of one worker of a kind."""

    def __call__(self, n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
        """Draw one worker's traits over ``n_labels`` labels."""
        ...


def noisy(n_labels: int, accuracy: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Make a (K, K) matrix with this mean diagonal and errors spread unevenly, as people's are."""
    matrix = np.empty((n_labels, n_labels))
    for true in range(n_labels):
        right = float(np.clip(rng.normal(accuracy, 0.03), 1 / n_labels, 0.995))
        errors = rng.dirichlet(np.full(n_labels - 1, 0.8))
        matrix[true] = np.insert(errors * (1 - right), true, right)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix


def expert(n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
    """Be right 96% of the time, and not in a hurry."""
    return Traits("expert", noisy(n_labels, 0.96, rng), seconds=7, arrives=arrives, gives_back=0.01)


def ordinary(n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
    """Be right 72 to 92% of the time; now and then give a HIT back or forget one."""
    confusion = noisy(n_labels, float(rng.uniform(0.72, 0.92)), rng)
    return Traits("ordinary", confusion, seconds=6, arrives=arrives, gives_back=0.02, walks_off=0.01)


def biased(n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
    """See one label where about half of the time another is true: consistent, so still worth money."""
    confusion = noisy(n_labels, 0.9, rng)
    favourite = int(rng.integers(n_labels))
    confusion = 0.55 * confusion + 0.45 * np.eye(n_labels)[favourite]
    return Traits("biased", confusion, seconds=6, arrives=arrives, gives_back=0.02)


def random_spammer(n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
    """Click anywhere, quickly."""
    del rng
    even = np.full((n_labels, n_labels), 1 / n_labels)
    return Traits("random_spammer", even, seconds=2.5, spread=0.3, arrives=arrives)


def constant_spammer(n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
    """Click the same label nearly always, quicker still."""
    favourite = int(rng.integers(n_labels))
    confusion = np.full((n_labels, n_labels), 0.03 / n_labels)
    confusion[:, favourite] += 0.97
    return Traits("constant_spammer", confusion, seconds=1.5, spread=0.2, arrives=arrives)


def drifting(n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
    """Begin well and tire: a step worse at every 40 answers, down to three parts of chance in four."""
    fresh = noisy(n_labels, 0.92, rng)
    chance = np.full((n_labels, n_labels), 1 / n_labels)
    turns = tuple(Turn(40 * step, (1 - share) * fresh + share * chance) for step, share in DRIFT)
    return Traits("drifting", fresh, seconds=6, arrives=arrives, turns=turns)


DRIFT = ((1, 0.15), (2, 0.3), (3, 0.45), (4, 0.6), (5, 0.75))


def turncoat(n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
    """Work well until trusted, then click at random."""
    chance = np.full((n_labels, n_labels), 1 / n_labels)
    turns = (Turn(int(rng.integers(25, 60)), chance),)
    return Traits("turncoat", noisy(n_labels, 0.93, rng), seconds=5, arrives=arrives, turns=turns)


def colluder(n_labels: int, rng: np.random.Generator, arrives: float) -> Traits:
    """Give the ring's answer nine times of ten: agree with one's fellows, not with the truth."""
    confusion = noisy(n_labels, 0.7, rng)
    return Traits("colluder", confusion, seconds=2, arrives=arrives, ring=Ring("ring", 0.9))


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        expert,
        ordinary,
        biased,
        random_spammer,
        constant_spammer,
        drifting,
        turncoat,
        colluder,
    )
}


def population(
    spec: Mapping[str, float], n: int, n_labels: int, seed: int, *, arrival_seconds: float = ARRIVAL_SECONDS
) -> list[Worker]:
    """Make a crowd.

    Parameters
    ----------
    spec
        Share of each kind; the shares need not sum to 1.
    n
        Number of workers. Shares are apportioned by largest remainder, so the mix is exact, not drawn.
    n_labels
        Number of labels K that they choose from.
    seed
        The same seed makes the same crowd.
    arrival_seconds
        Mean of the exponential arrival times; 0 for a crowd that is there at the opening.

    Raises
    ------
    ValueError
        For an unknown kind, a share that is negative, or shares that are all 0.
    """
    root = np.random.SeedSequence(seed)
    shape = np.random.default_rng(root.spawn(1)[0])
    mix = [kind for kind, count in apportion(spec, n).items() for _ in range(count)]
    shape.shuffle(mix)
    crowd = []
    for number, (kind, stream) in enumerate(zip(mix, root.spawn(n), strict=True)):
        rng = np.random.default_rng(stream)
        arrives = float(rng.exponential(arrival_seconds)) if arrival_seconds else 0.0
        crowd.append(Worker(f"{kind}-{number}", KINDS[kind](n_labels, rng, arrives), rng))
    return crowd


def apportion(spec: Mapping[str, float], n: int) -> dict[str, int]:
    """Share out ``n`` workers over the kinds by largest remainder."""
    unknown = sorted(set(spec) - set(KINDS))
    if unknown:
        raise ValueError(f"unknown kind of worker {unknown[0]!r}; there are {', '.join(KINDS)}")
    total = sum(spec.values())
    if any(share < 0 for share in spec.values()) or total <= 0:
        raise ValueError("the shares of a population are 0 or more, and not all 0")
    exact = {kind: n * share / total for kind, share in spec.items()}
    counts = {kind: int(share) for kind, share in exact.items()}
    by_remainder = sorted(spec, key=lambda kind: counts[kind] - exact[kind])
    for kind in by_remainder[: n - sum(counts.values())]:
        counts[kind] += 1
    return counts
