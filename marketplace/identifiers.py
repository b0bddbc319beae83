"""Ids in the alphabet of Mechanical Turk: ``^[A-Z0-9]+$``, at most 64 characters."""

from __future__ import annotations

import base64
import secrets


def _draw(size: int) -> str:
    """Write `size` random bytes in capitals and digits (RFC 4648's base 32)."""
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=")


def new_id() -> str:
    """Make the id of a HIT type, a HIT, an assignment or a bonus: 30 characters, 144 of their bits random."""
    return "3" + _draw(18)


def new_person_id() -> str:
    """Make the id of a worker or a requester: ``^A[A-Z0-9]+$``, as the service model has it."""
    return "A" + _draw(8)


def new_access_key() -> str:
    """Make the public half of a requester key."""
    return "AK" + _draw(11)


def new_secret() -> str:
    """Make the secret half of a requester key (240 bits)."""
    return secrets.token_urlsafe(30)
