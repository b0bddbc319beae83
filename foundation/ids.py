"""Public ids: a type prefix and a UUIDv7 in 26 lower-case Crockford base32 characters.

A UUIDv7 (RFC 9562, section 5.7) opens with 48 bits of milliseconds, so ids sort by the time they were made, as
text and as index keys. Within one process and one millisecond they sort by the order they were made in, as the
RFC's section 6.2 (method 2) has it: the random part of the next is the last one's plus a random step.
"""

from __future__ import annotations

import re
import secrets
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.clock import Clock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_PREFIX = re.compile(r"[a-z][a-z0-9]*\Z")
_CODED = re.compile(rf"[0-7][{_ALPHABET}]{{25}}\Z")  # 26 characters hold 130 bits, of which 128 are used
_RANDOM_BITS = 74
_STEP_BITS = 48

_lock = threading.Lock()
_last = (0, 0)  # millisecond and random part of the id made last


def new_id(prefix: str, clock: Clock) -> str:
    """Make an id such as ``job_01kd…``.

    Parameters
    ----------
    prefix : str
        The type of what is named: lower-case letters and digits.
    clock : Clock
        Where the time within the id comes from.
    """
    if not _PREFIX.match(prefix):
        msg = f"an id's prefix is lower-case letters and digits, not {prefix!r}"
        raise ValueError(msg)
    millisecond = int(clock.now().timestamp() * 1000)
    return f"{prefix}_{_encode(_uuid7(millisecond))}"


def is_id(prefix: str, text: str) -> bool:
    """Tell whether `text` is shaped as an id of this prefix."""
    return text.startswith(prefix + "_") and _CODED.match(text, len(prefix) + 1) is not None


def _uuid7(millisecond: int) -> int:
    random = _random_part(millisecond)
    high, low = random >> 62, random & (1 << 62) - 1
    return (millisecond & (1 << 48) - 1) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low


def _random_part(millisecond: int) -> int:
    global _last  # noqa: PLW0603 - order within a millisecond is the process's, guarded by the lock
    with _lock:
        same = _last[0] == millisecond
        random = _last[1] + secrets.randbits(_STEP_BITS) + 1 if same else secrets.randbits(_RANDOM_BITS - 1)
        if random >> _RANDOM_BITS:  # 2**25 ids within a millisecond at the least: order is given up, not uniqueness
            random = secrets.randbits(_RANDOM_BITS)
        _last = (millisecond, random)
        return random


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
