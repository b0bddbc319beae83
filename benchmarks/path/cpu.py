"""CPU seconds of processes, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Return the CPU seconds that a living process has used, its children's left out; 0 for one that is gone."""
    return sum(_times(pid)[:2])


def seconds_of_tree(pid: int) -> float:
    """Return the CPU seconds of a process, of the children it has waited for, and of those that live."""
    return sum(_times(pid)) + sum(seconds_of(child) for child in _children(pid))


def _times(pid: int) -> tuple[float, float, float, float]:
    """Return user and system seconds, its own and those of children that have ended: proc(5), fields 14 to 17."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0, 0.0, 0.0
    own_user, own_system, ended_user, ended_system = (int(field) / _TICKS for field in fields[11:15])
    return own_user, own_system, ended_user, ended_system


def _children(pid: int) -> Iterable[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return _children_by_parent(pid)


def _children_by_parent(pid: int) -> Iterable[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == pid:
                yield int(folder.name)
