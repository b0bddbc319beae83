"""How much more memory this process may take: by the machine, its control group and its own limits."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_LIMIT = 1 << 62
_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
# Of version 2 and of version 1 of control groups: limit, what is taken, and what of it is files that can be dropped.
_NAMES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(proc: Path = _PROC, groups: Path = _GROUPS) -> int:
    """Give the bytes that can still be taken; where nobody says how many, no limit."""
    return min(max(room, 0) for room in (NO_LIMIT, *_rooms(proc, groups)))


def _rooms(proc: Path, groups: Path) -> Iterator[int]:
    available = _named(proc / "meminfo", "MemAvailable:")
    if available is not None:
        yield available * 1024
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit - (_named(proc / "self/status", "VmSize:") or 0) * 1024
    for folder in _folders(proc, groups):
        for most, taken, droppable in _NAMES:
            allowed, used = _number(folder / most), _number(folder / taken)
            if allowed is not None and used is not None:
                yield allowed - used + (_named(folder / "memory.stat", droppable) or 0)


def _folders(proc: Path, groups: Path) -> Iterator[Path]:
    """Name the control group's folder, and those above it, whose limits hold too."""
    for line in _text(proc / "self/cgroup").splitlines():
        number, kinds, path = line.split(":", 2)
        if number == "0" or "memory" in kinds.split(","):
            root = groups / "memory" if kinds else groups
            within = root / path.lstrip("/")
            yield from (folder for folder in (within, *within.parents) if folder.is_relative_to(root))


def _named(path: Path, name: str) -> int | None:
    """Read the number that stands behind a name."""
    rows = (line.split() for line in _text(path).splitlines())
    return next((int(row[1]) for row in rows if row[:1] == [name] and row[1].isdigit()), None)


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None  # "max" is none


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
