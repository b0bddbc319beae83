"""What a method can be asked for, checked before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from aggregation.prior import Prior
from aggregation.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The least that whole numbers may be. Seeds are hashed as words of the machine, and more than these would not fit.
LEAST = {"seed": 0, "restarts": 1, "subtypes": 1, "max_iter": 1, "threads": 1}
MOST = (1 << 63) - 1
KINDS = {"prior": Prior, "start": Result, "accelerate": bool}


def check(method: str, model: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """
    Raise where a method has no such option, or cannot take what it is given; crowd-kit's own are for it to judge.

    Raises
    ------
    TypeError
        An option is of another kind.
    ValueError
        The method has no such option, or a number is out of its range.

    """
    taken = {
        name: option.kind for name, option in signature(model).parameters.items() if name not in {"table", "clamp"}
    }
    if Parameter.VAR_KEYWORD in taken.values():
        return
    strange = sorted(options.keys() - taken.keys())
    if strange:
        raise ValueError(f"{method} takes no {' or '.join(strange)}: its options are {', '.join(taken) or 'none'}")
    for name, value in options.items():
        if value is None:
            continue
        if name in KINDS and not isinstance(value, KINDS[name]):
            raise TypeError(f"{name} must be a {KINDS[name].__name__}, not {type(value).__name__}")
        if name in LEAST:
            _check_whole(name, value)
        if name == "tol" and (not isinstance(value, Real) or isinstance(value, bool)):
            raise TypeError(f"tol must be a number, not {value!r}")
        if name == "pool" and not (isinstance(value, Sequence) and all(isinstance(one, Integral) for one in value)):
            raise TypeError(f"pool must hold whole numbers of subtypes, such as [1, 3], not {value!r}")


def _check_whole(name: str, value: object) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if not LEAST[name] <= int(value) <= MOST:
        raise ValueError(f"{name} must be at least {LEAST[name]} and below 2^63, not {value}")
