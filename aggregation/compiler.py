"""The compiler of the inner loops: numba, which is imported only where something has yet to be compiled.

Importing numba takes 75 MB and the better part of a second, and taking kernels from its cache as much again. So
machine code is kept apart from it, see `code_cache`, and called without it, see `machine_code`. What cannot be kept,
or is called with arrays that are not contiguous, is run by numba itself.
"""

from __future__ import annotations

import importlib
import struct
import sys
import threading
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from aggregation import code_cache
from aggregation.interrupts import held_back
from aggregation.machine_code import MachineCode, runs_here
from aggregation.watching import tell_compiling

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

    from aggregation.machine_code import Native

    Loaded = tuple[Callable[..., bytes], Native]

F = TypeVar("F", bound="Callable[..., Any]")

_OPTIONS = {"nogil": True, "error_model": "numpy"}
_BLAS = "scipy.linalg.cython_blas"
_ARRAYS = "numba.np.arraymath"
# Of an array's flags: that its rows stand one behind the other, that numbers are aligned, that it may be written to.
_CONTIGUOUS, _ALIGNED, _WRITABLE = 0x1, 0x100, 0x400
_MATTERS = _CONTIGUOUS | _ALIGNED | _WRITABLE
_NUMBERS = {int: "q", float: "d", bool: "q"}  # as `struct` has them
# What is kept in place of code that cannot be linked.
_BY_NUMBA = b"numba runs this kernel"
_one_at_a_time = threading.RLock()


def compiled(function: F) -> F:
    """
    Compile a function, for threads, when it is first called; keep the machine code where a folder for it can be found.

    A kernel makes no arrays: whoever calls it gives it rows to work in.
    """
    return cast("F", Kernel(cast("FunctionType", function)))


class Kernel:
    """A function that is compiled for each combination of types that it is called with."""

    __module__: str
    __qualname__: str

    def __init__(self, function: FunctionType) -> None:
        update_wrapper(self, function)
        self._function = function
        self._loaded: dict[tuple[Any, ...], Loaded | None] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Call the machine code for such arguments; where there is none yet, it is loaded or compiled."""
        kinds: list[Any] = []
        words: list[Any] = []
        for argument in arguments:
            kind = type(argument)
            if kind is np.ndarray:
                kinds += argument.dtype, argument.ndim, argument.flags.num & _MATTERS
                words.append(id(argument))
            elif kind in _NUMBERS:
                kinds.append(kind)
                words.append(argument)
            else:
                return self(*map(_plain, arguments))
        key = tuple(kinds)
        loaded = self._loaded[key] if key in self._loaded else self._prepare(key, arguments)
        if loaded is None:
            return self._by_numba(*arguments)
        pack, native = loaded
        return native(pack(*words))

    @property
    def _numba_type_(self) -> Any:
        """Say to numba, where another kernel calls this one, that it is one of its own functions."""
        return _numba().types.Dispatcher(self._bare)

    @cached_property
    def _bare(self) -> Any:
        """The function as numba compiles it for callers that are compiled themselves."""
        numba = _numba()
        options = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        if hasattr(numba.core.options.DefaultOptions, "_nrt"):  # to leave out what manages the memory of arrays
            options["_nrt"] = False
        return numba.njit(**options)(self._function)

    @cached_property
    def _by_numba(self) -> Any:
        """The function as numba itself runs and keeps it."""
        try:
            return _numba().njit(cache=True, **_OPTIONS)(self._function)
        except RuntimeError:  # neither the package nor the user's cache folder can be written to
            return _numba().njit(**_OPTIONS)(self._function)

    def _prepare(self, kinds: tuple[Any, ...], arguments: tuple[Any, ...]) -> Loaded | None:
        """Load code for such arguments, once; give None where numba is to run it."""
        expected = self._function.__code__.co_argcount
        if len(arguments) != expected:
            raise TypeError(f"{self.__qualname__} takes {expected} arguments, not {len(arguments)}")
        with _one_at_a_time, held_back():  # LLVM calls back, and what is raised there is lost
            if kinds not in self._loaded:
                self._loaded[kinds] = self._load(kinds, arguments) if _passable(arguments) else None
            return self._loaded[kinds]

    def _load(self, kinds: tuple[Any, ...], arguments: tuple[Any, ...]) -> Loaded | None:
        name = f"{self.__module__}.{self.__qualname__}".replace("<locals>.", "")
        name = f"{name}-{code_cache.key(self._function, kinds)}.kernel"
        found = list(code_cache.find(name))
        code = next((code for code in map(MachineCode.from_bytes, found) if code is not None), None)
        if code is None:
            code = None if _BY_NUMBA in found else self._compile(name, arguments)
        if code is None:
            return None
        letters = [_NUMBERS.get(type(argument), "q") for argument in arguments]
        try:
            return struct.Struct("=" + "".join(letters)).pack, code.load()
        except OSError:  # numba has other ways to have it executed
            return None

    def _compile(self, name: str, arguments: tuple[Any, ...]) -> MachineCode | None:
        """Compile for such arguments, and keep the code, or that numba is to run it."""
        numba = _numba()
        if numba.config.DISABLE_JIT:
            return None
        tell_compiling(self.__qualname__)
        types = tuple(numba.typeof(argument) for argument in arguments)
        self._bare.compile(types)
        try:
            code: MachineCode = importlib.import_module("aggregation.linking").link(self._bare, types)
        except Exception:  # noqa: BLE001 - whatever another numba does otherwise, it can run its own function itself
            code_cache.keep(name, _BY_NUMBA)
            return None
        code_cache.keep(name, code.to_bytes())
        return code


def _passable(arguments: tuple[Any, ...]) -> bool:
    """Say if machine code can be given such arguments, here; numba takes arrays that are laid out otherwise."""
    arrays = [argument for argument in arguments if isinstance(argument, np.ndarray)]
    plain = all(array.dtype.kind in "biuf" and array.dtype.isnative for array in arrays)
    return plain and all(array.flags.c_contiguous and array.flags.aligned for array in arrays) and runs_here()


def _plain(argument: Any) -> Any:
    """Give an argument as an array or number of the plain kind; raise TypeError where it is something else."""
    if isinstance(argument, np.ndarray):
        return np.asarray(argument)
    if isinstance(argument, np.bool | np.integer | np.floating):
        return argument.item()
    if type(argument) in _NUMBERS:
        return argument
    raise TypeError(f"a kernel takes arrays and numbers, not {type(argument).__name__}")


def _numba() -> Any:
    """Import numba, without the parts of it that no kernel needs and with the operations on `lanes`."""
    with _one_at_a_time:
        _load_without_blas()
        importlib.import_module("aggregation.lane_operations")
        return importlib.import_module("numba")


def _load_without_blas() -> None:
    """
    Import numba's array functions without all of scipy.linalg: a fifth of a second and 15 MB.

    They import it only to note whether it is there, for the inner products of `numpy.convolve`. The note is put right
    afterwards, so that whoever compiles these in the same process finds them as ever.
    """
    if _ARRAYS in sys.modules or _BLAS in sys.modules:
        return
    sys.modules[_BLAS] = None  # type: ignore[assignment]  # what is None there is not found
    try:
        arrays = importlib.import_module(_ARRAYS)
    finally:
        del sys.modules[_BLAS]
    vars(arrays)["_HAVE_BLAS"] = True  # scipy is a requirement of ours
