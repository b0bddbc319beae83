"""Name the array types that the package speaks in."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CACHE_LINE = 64


def zeros(*shape: int) -> Floats:
    """Make an array of zeros that begins where a cache line does, so that rows of a power of two stand within lines."""
    size = math.prod(shape)
    room = np.zeros(size + CACHE_LINE // 8)
    first = -room.ctypes.data % CACHE_LINE // 8
    return room[first : first + size].reshape(shape)
