"""A row of numbers in one register: what the innermost loops are made of.

numba keeps a row of a few numbers in memory, where each access may touch any other array's, so that nothing stays
in registers; a row here is one value of LLVM's vector type, of just as many lanes as there are labels. Measured on
five labels, fused expectation and counting took 3.6 ns an answer with these and 13 with arrays.

The operations are those of `lane_operations`, which is imported with the compiler, and so only where something is to
be compiled. ``index`` counts rows of ``size`` numbers from the beginning of a contiguous array.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# With more labels than this, a row of them is an array.
MOST_LANES = 8


def width(n_labels: int) -> int:
    """Say how many numbers a row of labels has room for: as many as fill registers and cache lines."""
    return 1 << (n_labels - 1).bit_length() if n_labels <= MOST_LANES else -(-n_labels // MOST_LANES) * MOST_LANES


def __getattr__(name: str) -> Any:
    """Find an operation: the compiler looks it up where a kernel names it."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(import_module("aggregation.lane_operations"), name)
