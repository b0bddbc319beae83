"""Where compiled kernels are kept, and by which key they are found again.

The key is a hash of everything that the machine code follows from: the function with all that it refers to, the types
of its arguments, compiler, settings and processor. So what is found is right, and what is not right is never found.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import secrets
import sys
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

# What makes code of kernels, and calls it.
_MAKERS = ("compiler", "linking", "machine_code", "object_file")
_FOLDER = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).parent


def key(function: FunctionType, kinds: object) -> str:
    """Give the key of a function's code for arguments of some kinds."""
    parts = [repr(kinds), *_surroundings(), *_made_of(function, set())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def find(name: str) -> Iterator[bytes]:
    """Give what is kept under a name, from each place where something is."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            yield (folder / name).read_bytes()


def keep(name: str, kept: bytes) -> None:
    """Keep something in the first place that can be written to, if there is one; whole or not at all."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            draft = folder / f".{name}.{secrets.token_hex(8)}"
            try:
                draft.write_bytes(kept)
                draft.replace(folder / name)
            finally:
                draft.unlink(missing_ok=True)
            return


def _folders() -> list[Path]:
    """Name where kernels are kept: where it is said, or beside the modules, or else in the user's cache."""
    if os.environ.get(_FOLDER):
        return [Path(os.environ[_FOLDER]) / "assay"]
    folders = [_PACKAGE / "__pycache__"]
    with contextlib.suppress(RuntimeError):  # a user without a home
        base = os.environ.get("XDG_CACHE_HOME")
        folders.append((Path(base) if base else Path.home() / ".cache") / "assay")
    return folders


def _made_of(function: FunctionType, seen: set[FunctionType]) -> Iterator[str]:
    """Describe a function's instructions, and whatever they name."""
    if function in seen:
        return
    seen.add(function)
    named: list[str] = []
    for code in _codes(function.__code__):
        constants = [c for c in code.co_consts if not isinstance(c, CodeType)]
        yield repr((code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars))
        named += code.co_names
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    values = {name: cell.cell_contents for name, cell in cells}
    values |= {name: function.__globals__[name] for name in named if name in function.__globals__}
    for name in sorted(values):
        value = getattr(values[name], "__wrapped__", values[name])  # of another kernel
        if isinstance(value, FunctionType):
            yield name
            yield from _made_of(value, seen)
        else:
            yield f"{name}={_value(value)}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _value(value: Any) -> str:
    if isinstance(value, ModuleType):
        return _module(value.__name__)
    if isinstance(value, np.ndarray):
        return repr((value.dtype, value.shape, value.tobytes()))
    return repr(value) if isinstance(value, int | float | np.generic) else getattr(value, "__qualname__", repr(value))


@cache
def _module(name: str) -> str:
    """Describe a module: one of ours by all of what it has, with the operations that `lanes` stands for."""
    if not name.startswith(f"{__package__}."):
        return name
    names = [name, f"{__package__}.lane_operations"] if name == f"{__package__}.lanes" else [name]
    return repr([_source(name) for name in names])


def _source(name: str) -> bytes:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).read_bytes() if spec and spec.origin else b""


@cache
def _surroundings() -> tuple[str, ...]:
    """Describe compiler, settings and processor, without loading the compiler."""
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
    told = [setting for setting in settings if not setting.startswith((_FOLDER, "NUMBA_DEBUG_CACHE", "NUMBA_NUM_"))]
    compilers = [_version("numba"), _version("llvmlite")]
    makers = [repr(_source(f"{__package__}.{name}")) for name in _MAKERS]
    tag = sys.implementation.cache_tag or ""
    return (tag, sys.platform, platform.machine(), *makers, *compilers, *told, _processor())


def _version(package: str) -> str:
    """Read what a package says of its version, where it stands; asking its metadata would take a tenth of a second."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    said = Path(spec.origin).parent / "_version.py"
    return said.read_text() if said.exists() else repr(Path(spec.origin).stat().st_mtime_ns)


def _processor() -> str:
    """Describe the first processor, unless code is compiled for one that is named: then for any that can run it."""
    named = os.environ.get("NUMBA_CPU_NAME")
    if named and (named.lower() == "generic" or "NUMBA_CPU_FEATURES" in os.environ):
        return ""
    told = ("vendor_id", "cpu family", "model", "stepping", "flags", "CPU", "Features")
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0]
    except OSError:
        return ""
    return "\n".join(line for line in first.splitlines() if line.startswith(told))
