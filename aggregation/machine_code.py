"""Kernels as machine code: what is kept of a compiled one, and how it is called without any compiler.

The code is a stretch of bytes that runs wherever it stands. All it needs of the outside are a few functions of the C
library, whose addresses are filled in when it is loaded. It has one way in, ``int entry(words, result)``: there is a
word of eight bytes for each argument, the number itself or where numpy's object of an array is; what the kernel
returns is put down at ``result``.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import mmap
import platform
import struct
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Number = int | float | bool
    Native = Callable[[bytes], Number | tuple[Number, ...] | None]

# The C library's functions that a kernel may call.
NEEDED = frozenset({"cos", "exp", "fmod", "log", "log10", "log1p", "memcpy", "memmove", "memset", "pow", "sin", "tanh"})
MOST_RESULTS = 4
# Where in numpy's object of an array its data are named, its shape and its strides: its binary interface fixes that.
DATA = object.__basicsize__
SHAPE, STRIDES = DATA + 16, DATA + 24
_WORD = struct.Struct("=Q")
_Result = ctypes.c_uint64 * MOST_RESULTS
_Entry = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint64))  # without the GIL


@dataclass(frozen=True)
class MachineCode:
    """
    A compiled kernel.

    Attributes
    ----------
    image : bytes
        Instructions and constants.
    entry : int
        Where in the image the way in is.
    needs : dict of str to int
        Functions of the C library, and where in the image their addresses go.
    result : str
        What the kernel returns: a letter of `struct` for each number, and none for None.

    """

    image: bytes
    entry: int
    needs: dict[str, int]
    result: str

    def to_bytes(self) -> bytes:
        """Write the code down, with a hash that shows whether it is still what it was."""
        facts = {"entry": self.entry, "needs": self.needs, "result": self.result}
        body = json.dumps(facts).encode() + b"\n" + self.image
        return hashlib.sha256(body).digest() + body

    @staticmethod
    def from_bytes(kept: bytes) -> MachineCode | None:
        """Read what `to_bytes` wrote; give None where it is anything else."""
        digest, body = kept[:32], kept[32:]
        if hashlib.sha256(body).digest() != digest:
            return None
        facts, _, image = body.partition(b"\n")
        return MachineCode(image=image, **json.loads(facts))

    def load(self) -> Native:
        """Put the code where it can be executed, and give what calls it; raise OSError where the system refuses."""
        memory = mmap.mmap(-1, len(self.image), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.write(self.image)
        for name, place in self.needs.items():
            memory[place : place + _WORD.size] = _WORD.pack(_address(name))
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))  # from here on it stays as long as the process
        if _library().mprotect(ctypes.c_void_p(start), ctypes.c_size_t(len(memory)), mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "memory cannot be made executable")
        entry, numbers, kind = _Entry(start + self.entry), struct.Struct(f"={self.result}"), self.result

        def call(words: bytes, _: mmap.mmap = memory) -> Number | tuple[Number, ...] | None:
            result = _Result()
            if entry(words, result):
                raise RuntimeError("a compiled kernel failed")
            if not kind:
                return None
            found = numbers.unpack_from(result)
            return found if len(kind) > 1 else found[0]

        return call


@cache
def runs_here() -> bool:
    """Say if there is machine code for this system, and arrays are objects of the form that it takes them to be."""
    if (sys.platform, platform.machine(), sys.implementation.name) != ("linux", "x86_64", "cpython"):
        return False
    probe = np.zeros((2, 3, 5))[:, :2]

    def word(at: int) -> int:
        return ctypes.c_uint64.from_address(at).value

    axes = range(probe.ndim)
    shape, strides = ([word(word(id(probe) + field) + 8 * axis) for axis in axes] for field in (SHAPE, STRIDES))
    return (word(id(probe) + DATA), shape, strides) == (probe.ctypes.data, list(probe.shape), list(probe.strides))


@cache
def _library() -> ctypes.CDLL:
    """Open what this process has loaded already, the C library with it."""
    return ctypes.CDLL(None, use_errno=True)


def _address(name: str) -> int:
    """Find a function of the C library; raise OSError where there is none, or it is not one for kernels."""
    if name not in NEEDED or not hasattr(_library(), name):
        raise OSError(f"there is no function {name} for kernels")
    return ctypes.cast(getattr(_library(), name), ctypes.c_void_p).value or 0
