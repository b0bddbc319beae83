"""Cut a table into blocks of items and map a function over them on as many threads as there are cores.

How the blocks are cut depends on the table alone and their counts are merged in order, so a result does not
depend on the number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from aggregation.threads import Threads, cores

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from aggregation.table import LabelTable

T = TypeVar("T")

MOST_BLOCKS = 32
LEAST_ANSWERS = 20_000  # of a block: with fewer, handing it to a thread costs more than it saves


class Blocks:
    """Blocks of about equally many answers, and the threads that work on them."""

    def __init__(
        self, table: LabelTable, cells: int, *, least: int = LEAST_ANSWERS, threads: int | None = None
    ) -> None:
        """
        Cut ``table`` into blocks; each keeps ``cells`` counts, so more are not always better.

        Parameters
        ----------
        least : int
            Answers of a block, at least: the less is done with each, the more.
        threads : int, optional
            By default as many as there are cores that this process may use.

        """
        per_block = max(least, 4 * cells)
        n_blocks = max(1, min(MOST_BLOCKS, table.n_answers // per_block))
        n_blocks = 1 << (n_blocks.bit_length() - 1)  # as many for each of two, four or eight cores
        targets = np.linspace(0, table.n_answers, n_blocks + 1)[1:-1]
        cuts = np.searchsorted(table.offsets, targets)
        self.bounds = [int(cut) for cut in (0, *cuts, table.n_items)]
        self._threads = Threads(min(threads or cores(), n_blocks))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.__exit__(kind, error, trace)

    def map(self, function: Callable[[int, int, int], T]) -> list[T]:
        """Call ``function(block, first item, last item)`` for every block; results keep the blocks' order."""
        return self._threads.map(function, range(len(self)), self.bounds[:-1], self.bounds[1:])

    def share(self, count: int, function: Callable[[int, int], T]) -> list[T]:
        """Call ``function(first, last)`` for ranges that make up ``range(count)``, as many as there are blocks."""
        cuts = [count * block // len(self) for block in range(len(self) + 1)]
        return self._threads.map(function, cuts[:-1], cuts[1:])
