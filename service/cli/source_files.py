"""Files as people have them: packed or not, on disk or from a pipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from foundation.errors import PlainError
from service.cli.free_memory import free_memory

# How files begin that are packed; their names may say otherwise.
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
_PARQUET, _ARCHIVE, _WORKBOOK = b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# Bytes of memory that a byte of a file takes while it is read, at most.
_GROWTH, _GROWTH_PACKED = 4, 12
_HEADER, _LONGEST_HEADER = 1 << 16, 1 << 24
_AT_ONCE = 1 << 24  # bytes that are read from a pipe between two looks at what memory is left


@dataclass(frozen=True)
class Source:
    """A file to read, any number of times: a path, or what came through a pipe."""

    name: str
    suffix: str
    place: Path | bytearray
    start: bytes
    packed: str | None

    @property
    def is_parquet(self) -> bool:
        """Say whether it is Parquet, by how it begins or by its name."""
        return self.start == _PARQUET or self.suffix in {".parquet", ".pq"}

    def open(self) -> pa.NativeFile:
        """Open it from its start, unpacked."""
        place = pa.py_buffer(self.place) if isinstance(self.place, bytearray) else str(self.place)
        return pa.input_stream(place, compression=self.packed)

    def seekable(self) -> Path | pa.BufferReader:
        """Give it as Parquet is read: not from start to end."""
        return pa.BufferReader(self.place) if isinstance(self.place, bytearray) else self.place

    def header(self) -> bytes:
        """Read the first line that is not empty, and what more came with it."""
        head = b""
        with self.open() as file:
            while chunk := file.read(_HEADER):
                head += chunk
                line = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n ")
                if b"\n" in line or b"\r" in line or len(head) > _LONGEST_HEADER:
                    break
        return head


def find(path: Path) -> Source:
    """
    Look at how a file begins; ``-`` is standard input.

    Raises
    ------
    PlainError
        It is a folder, empty, of a kind that is no table, or larger than the memory that is free.
    OSError
        It cannot be read.

    """
    name = "standard input" if str(path) == "-" else str(path)
    if path.is_dir():
        raise PlainError(f"{name} is a folder: name a file in it")
    place: Path | bytearray = path
    if str(path) == "-":
        place = _drained(sys.stdin.buffer, name)
    elif path.exists() and not path.is_file():  # a pipe can be read once
        with path.open("rb") as pipe:
            place = _drained(pipe, name)
    start = bytes(place[:4]) if isinstance(place, bytearray) else _first_bytes(place)
    if not start:
        raise PlainError(f"{name} is empty")
    if start in {_ARCHIVE, _WORKBOOK}:
        raise PlainError(f"{name} is an archive or a workbook, not CSV or Parquet: save what is in it as CSV")
    packed = next((kind for magic, kind in _PACKED.items() if start.startswith(magic)), None)
    growth = _GROWTH_PACKED if packed or start == _PARQUET else _GROWTH
    if isinstance(place, Path) and place.stat().st_size * growth > free_memory():
        raise PlainError(too_large(name))
    return Source(name, path.suffix.lower(), place, start, packed)


def too_large(name: str) -> str:
    """Say what to do with a file that does not fit in memory."""
    return f"{name} is larger than the memory that is free: split it, or use a larger machine"


def _drained(pipe: BinaryIO, name: str) -> bytearray:
    """Read a pipe to its end, as long as there is memory to work on what comes."""
    held = bytearray()
    while chunk := pipe.read(_AT_ONCE):
        held += chunk
        if len(held) * (_GROWTH - 1) > free_memory():
            raise PlainError(too_large(name))
    return held


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)
