"""Where climbs begin beside the first: from votes weighed by a trust in each worker that is drawn at random.

Where half of a crowd opposes the other half, majority vote can lie at the foot of a lower summit. A trust that differs
much from worker to worker, with tails so heavy that a few decide, begins on other sides. It is drawn by what was
answered and a seed, not by how workers are numbered; see `fingerprint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aggregation.fingerprint import fingerprints, uniforms
from aggregation.wawa import weighted_shares

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aggregation.arrays import Floats
    from aggregation.gold import Clamp
    from aggregation.table import LabelTable


class Restarts(NamedTuple):
    """
    How many climbs there are, and the seed of where all but the first begin.

    Attributes
    ----------
    restarts : int
        At least 1: the first begins from majority vote or an earlier result.
    seed : int

    """

    restarts: int = 1
    seed: int = 0

    def begins(self, table: LabelTable, clamp: Clamp) -> Iterator[Floats]:
        """Give where each climb but the first begins, (n_items, n_labels), gold clamped."""
        if self.restarts < 2:
            return
        _, workers = fingerprints(table)
        for draw in range(1, self.restarts):
            trust = 1 / uniforms(workers, self.seed, draw)
            yield weighted_shares(table, clamp, trust)[0]
