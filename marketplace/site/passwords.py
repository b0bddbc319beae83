"""Passwords: argon2id, hashed off the event loop and a few at a time.

Parameters: OWASP Password Storage Cheat Sheet, argon2id with 19 MiB, 2 passes and 1 lane.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 10, 200

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Two at a time bound both the memory and the processor that strangers can make us spend.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")


def complaint(password: str, again: str) -> str | None:
    """Say what is wrong with a password that somebody chose; None where nothing is."""
    if len(password) < SHORTEST:
        return f"The password is too short: choose one of {SHORTEST} characters or more."
    if len(password) > LONGEST:
        return f"The password is too long: choose one of at most {LONGEST} characters."
    if password != again:
        return "The two passwords are not the same: type them again."
    return None


async def hash_password(password: str) -> str:
    """Hash a password with a salt of its own."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, _bytes(password))


async def is_password(password: str, hashed: str | None) -> bool:
    """Tell whether this is the password; where there is none it takes as long to say no."""
    verify = asyncio.get_running_loop().run_in_executor(_threads, _verify, hashed or _decoy(), password)
    return await verify and hashed is not None


def _verify(hashed: str, password: str) -> bool:
    if len(password) > LONGEST:
        return False
    try:
        return _hasher.verify(hashed, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


@cache
def _decoy() -> str:
    return _hasher.hash("nobody has this password")


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
