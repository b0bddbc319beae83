"""One made-up worker: how it errs, how fast it is, when it comes and when it gives up.

Everything here is pure and seeded: a worker's draws depend on its own seed and its own history alone, so that
a crowd is the same crowd however its requests happen to interleave. Nothing here knows of HTTP; benchmarks
may use the same workers without a server.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Intention = Literal["work", "give_back", "walk_off"]


@dataclass(frozen=True, slots=True)
class Turn:
    """From this many answers on, the worker answers by another confusion matrix."""

    after: int
    confusion: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ring:
    """Workers who share answers: with probability ``loyalty`` each gives the ring's answer, not its own."""

    secret: str
    loyalty: float

    def answer(self, item: str, n_labels: int) -> int:
        """Give the label that the whole ring agrees on for an item, whatever is true."""
        digest = hashlib.sha256(f"{self.secret}|{item}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % n_labels


@dataclass(frozen=True, slots=True)
class Traits:
    """What makes one worker that worker.

    Attributes
    ----------
    kind
        The name of its kind, see ``simulation.workers.KINDS``.
    confusion
        (K, K), P(answer given true label): rows true, columns answered.
    seconds
        Median active seconds for one answer.
    spread
        Standard deviation of the logarithm of those seconds.
    arrives
        Seconds after the crowd's opening at which the worker first looks for work.
    gives_back, walks_off
        Probability that an accepted HIT is returned, and that it is left lying until its time is over.
    stays
        HITs after which the worker leaves for good; None for one who stays to the end.
    turns
        Later confusion matrices, by growing ``after``: drift, or turning bad after having passed.
    ring
        The ring that the worker belongs to, if it colludes.
    """

    kind: str
    confusion: NDArray[np.float64]
    seconds: float = 6.0
    spread: float = 0.4
    arrives: float = 0.0
    gives_back: float = 0.0
    walks_off: float = 0.0
    stays: int | None = None
    turns: tuple[Turn, ...] = ()
    ring: Ring | None = None

    def __post_init__(self) -> None:
        for matrix in (self.confusion, *(turn.confusion for turn in self.turns)):
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 2:
                raise ValueError(f"a confusion matrix is square over 2 or more labels, not {matrix.shape}")
            if (matrix < 0).any() or not np.allclose(matrix.sum(axis=1), 1):
                raise ValueError("each row of a confusion matrix holds probabilities that sum to 1")
        if self.gives_back < 0 or self.walks_off < 0 or self.gives_back + self.walks_off > 1:
            raise ValueError("gives_back and walks_off are probabilities that sum to at most 1")

    @property
    def n_labels(self) -> int:
        """The number of labels K that the worker chooses from."""
        return int(self.confusion.shape[0])

    def confusion_after(self, answers: int) -> NDArray[np.float64]:
        """Return the (K, K) matrix in force once the worker has given so many answers."""
        matrix = self.confusion
        for turn in self.turns:
            if answers >= turn.after:
                matrix = turn.confusion
        return matrix


@dataclass(slots=True)
class Worker:
    """A made-up worker at work: traits, a random stream of its own, and what it has done so far."""

    name: str
    traits: Traits
    rng: np.random.Generator
    answers: int = field(default=0, init=False)
    hits: int = field(default=0, init=False)

    def answer(self, truth: int | None, item: str = "") -> int:
        """Answer an item whose true label is ``truth``; one whose truth is unknown gets a guess.

        ``item`` is what is visible of the item; only rings look at it.
        """
        traits = self.traits
        own = self.rng.random()  # drawn whatever happens next, so that a ring does not shift the stream
        swayed = self.rng.random()
        row = (
            np.full(traits.n_labels, 1 / traits.n_labels)
            if truth is None
            else traits.confusion_after(self.answers)[truth]
        )
        self.answers += 1
        if traits.ring is not None and swayed < traits.ring.loyalty:
            return traits.ring.answer(item, traits.n_labels)
        label = int(np.searchsorted(np.cumsum(row), own, side="right"))
        return min(label, traits.n_labels - 1)  # the row may sum to a hair under 1

    def active_seconds(self, questions: int) -> float:
        """Draw the active time, in seconds, that so many questions take."""
        drawn = self.rng.lognormal(np.log(self.traits.seconds), self.traits.spread, size=questions)
        return float(drawn.sum())

    def intention(self) -> Intention:
        """Decide what becomes of a HIT just accepted."""
        drawn = self.rng.random()
        if drawn < self.traits.gives_back:
            return "give_back"
        if drawn < self.traits.gives_back + self.traits.walks_off:
            return "walk_off"
        return "work"

    def finish_hit(self) -> None:
        """Count one HIT as dealt with."""
        self.hits += 1

    @property
    def has_left(self) -> bool:
        """Whether the worker has done all the HITs it came for."""
        return self.traits.stays is not None and self.hits >= self.traits.stays
