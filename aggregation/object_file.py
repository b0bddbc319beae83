"""Link an object file of one function by laying it out as bytes that run wherever they stand: ELF, for x86-64.

Its sections are laid one behind the other, and references between them are filled in. What is called of the C library
is jumped to by way of a slot, where the address is put when the image is loaded. System V Application Binary Interface,
AMD64 Architecture Processor Supplement, chapter 4, tells the format.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from aggregation.machine_code import NEEDED

# Types of sections, and flags.
_CONTENT, _SYMBOLS, _RELOCATIONS = 1, 2, 4
_WRITABLE, _IN_MEMORY = 1, 2
# Types of relocations: the distance to a place, and to the slot that has the address of one.
_DISTANCE = {2, 4}  # R_X86_64_PC32, R_X86_64_PLT32
_DISTANCE_OF_SLOT = {9, 41, 42}  # R_X86_64_GOTPCREL, R_X86_64_GOTPCRELX, R_X86_64_REX_GOTPCRELX
# jmp *2(%rip), two bytes of nothing, and the slot with the address to jump to.
_JUMP = bytes.fromhex("ff25020000006690")
_SLOT = bytes(8)


class UnlinkableError(Exception):
    """There is something in an object file that cannot be linked here."""


class _Section(NamedTuple):
    """A header of a section, as it stands in the file."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


class _Symbol(NamedTuple):
    """What a symbol names: a place in a section, or with section 0 something of the outside."""

    name: str
    section: int
    value: int


class ObjectFile:
    """An object file, and the image that is made of it."""

    def __init__(self, made: bytes) -> None:
        self._made = made
        begin, size, count, names = struct.unpack_from("<40xQ10xHHH", made)
        self._sections = [_Section(*struct.unpack_from("<IIQQQQIIQQ", made, begin + size * n)) for n in range(count)]
        self._names = self._sections[names]
        self._symbols = [
            _Symbol(self._text(self._sections[table.link], name), section, value)
            for table in self._sections
            if table.kind == _SYMBOLS
            for name, _, section, value, _ in struct.iter_unpack("<IHHQQ", self._bytes(table))
        ]
        self._bases: dict[int, int] = {}
        self._image = bytearray()
        self._needs: dict[str, int] = {}

    def link(self, entry: str) -> tuple[bytes, int, dict[str, int]]:
        """Give the image, where in it ``entry`` is, and where the addresses of the C library's functions go."""
        for number, section in enumerate(self._sections):
            if self._is_kept(section):
                self._image += bytes(-len(self._image) % max(section.alignment, 1))
                self._bases[number] = len(self._image)
                self._image += self._bytes(section)
        for section in self._sections:
            if section.kind == _RELOCATIONS and section.info in self._bases:
                for offset, info, addend in struct.iter_unpack("<QQq", self._bytes(section)):
                    place = self._bases[section.info] + offset
                    target = self._target(self._symbols[info >> 32], info & 0xFFFFFFFF)
                    struct.pack_into("<i", self._image, place, target + addend - place)
        found = next(symbol for symbol in self._symbols if symbol.name == entry)
        return bytes(self._image), self._bases[found.section] + found.value, self._needs

    def _is_kept(self, section: _Section) -> bool:
        if self._text(self._names, section.name) == ".eh_frame":  # nothing is ever thrown through a kernel
            return False
        return section.kind == _CONTENT and section.flags & (_IN_MEMORY | _WRITABLE) == _IN_MEMORY

    def _target(self, symbol: _Symbol, kind: int) -> int:
        """Find the place that a relocation wants the distance to."""
        if kind not in _DISTANCE | _DISTANCE_OF_SLOT:
            raise UnlinkableError(f"a relocation of type {kind}")
        if symbol.section in self._bases and kind in _DISTANCE:
            return self._bases[symbol.section] + symbol.value
        if symbol.section or symbol.name not in NEEDED:
            raise UnlinkableError(f"a kernel needs {symbol.name or 'what can be written to'}")
        if symbol.name not in self._needs:
            self._image += bytes(-len(self._image) % len(_SLOT)) + _JUMP + _SLOT
            self._needs[symbol.name] = len(self._image) - len(_SLOT)
        slot = self._needs[symbol.name]
        return slot if kind in _DISTANCE_OF_SLOT else slot - len(_JUMP)

    def _bytes(self, section: _Section) -> bytes:
        return self._made[section.offset : section.offset + section.size]

    def _text(self, table: _Section, at: int) -> str:
        begin = table.offset + at
        return self._made[begin : self._made.index(b"\0", begin)].decode()
