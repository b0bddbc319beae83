"""The compiler of the inner loops: numba, without the parts of it that no loop here needs."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

_BLAS = "scipy.linalg.cython_blas"
_ARRAYS = "numba.np.arraymath"


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


_load_without_blas()

import numba  # noqa: E402


def compiled(function: F) -> F:
    """Compile a function for threads, and keep the machine code where a folder for it can be found."""
    try:
        return cast("F", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # neither the package nor the user's cache folder can be written to
        return cast("F", numba.njit(nogil=True, error_model="numpy")(function))
