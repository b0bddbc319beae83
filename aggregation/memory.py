"""Arrays in memory that is used again.

The system hands out large arrays page by page, each cleared when it is first touched, and takes them back as soon as
they are gone. An inference of a million answers works in 30 MB and waited a third of its time for them. So the memory
of large arrays is kept when nothing refers to them any more, up to a limit, and given to the next that fit.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Floats

    Room = npt.NDArray[np.uint8]

CACHE_LINE = 64
# In bytes. Smaller arrays are not worth it: malloc keeps their memory by itself.
LEAST = 1 << 17
# Of memory that is kept while nothing uses it, in bytes.
MOST = 1 << 26

_kept: deque[Room] = deque()  # the longest unused first


def empty(*shape: int, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """Make an array, with anything in it, that begins where a cache line does."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    room = _take(_rounded(size + CACHE_LINE)) if size >= LEAST else np.empty(size + CACHE_LINE, dtype=np.uint8)
    first = -room.ctypes.data % CACHE_LINE
    if size >= LEAST:
        # A view refers to the last array that others were made from: to this one, as it is made from what is no array.
        given = np.frombuffer(memoryview(cast("Any", room)), dtype=np.uint8)
        weakref.finalize(given, _keep, room).atexit = False
        room = given
    return room[first : first + size].view(kind).reshape(shape)


def zeros(*shape: int) -> Floats:
    """Make an array of zeros that begins where a cache line does, so that rows of a power of two stand within lines."""
    array = empty(*shape)
    array.fill(0.0)
    return array


def _rounded(size: int) -> int:
    """Round up by an eighth or less, so that arrays of nearly one size can stand in one another's memory."""
    step = 1 << max(size.bit_length() - 4, 0)
    return -(-size // step) * step


def _take(size: int) -> Room:
    """Take kept memory of just this size, or new; threads may take and keep at once, as a deque allows."""
    for _ in range(len(_kept)):
        try:
            room = _kept.popleft()
        except IndexError:  # another thread took it
            break
        if room.size == size:
            return room
        _kept.append(room)
    return np.empty(size, dtype=np.uint8)


def _keep(room: Room) -> None:
    _kept.append(room)
    while sum(kept.size for kept in tuple(_kept)) > MOST:
        try:
            _kept.popleft()
        except IndexError:
            return
