"""Ids in the alphabet of Mechanical Turk: ``^[A-Z0-9]+$``, at most 64 characters."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.digits + string.ascii_uppercase


def _draw(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_id() -> str:
    """Make the id of a HIT type, a HIT, an assignment or a bonus: 30 characters that nobody can guess."""
    return "3" + _draw(29)


def new_person_id() -> str:
    """Make the id of a worker or a requester: ``^A[A-Z0-9]+$``, as the service model has it."""
    return "A" + _draw(13)


def new_access_key() -> str:
    """Make the public half of a requester key."""
    return "AK" + _draw(18)


def new_secret() -> str:
    """Make the secret half of a requester key (240 bits)."""
    return secrets.token_urlsafe(30)
