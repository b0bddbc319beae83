"""The installation key, under which the secrets of requesters are kept.

To verify a signature one has to know the secret, so it cannot be hashed. Whoever has the database alone, a backup
say, does not have the secrets.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken

from foundation.errors import PlainError

if TYPE_CHECKING:
    from pathlib import Path

KEY_FILE = "installation.key"


class InstallationKeyError(PlainError):
    """The installation key is missing, malformed or not the one that was used; the message says what to do."""


class InstallationKey:
    """Encrypts with Fernet (AES-128-CBC and HMAC-SHA256, https://github.com/fernet/spec)."""

    def __init__(self, key: str) -> None:
        try:
            self._fernet = Fernet(key.strip())
        except ValueError:
            raise InstallationKeyError(
                "the installation key must be 32 bytes in URL-safe base64: 44 characters, as in the data folder's "
                f"{KEY_FILE}"
            ) from None

    def encrypt(self, secret: str) -> bytes:
        """Make what the database keeps."""
        return self._fernet.encrypt(secret.encode())

    def decrypt(self, kept: bytes) -> str:
        """Read it back.

        Raises
        ------
        InstallationKeyError
            Where it was encrypted under another key.
        """
        try:
            return self._fernet.decrypt(kept).decode()
        except InvalidToken:
            raise InstallationKeyError(
                "a requester's secret was encrypted under another installation key; restore that key, or make new "
                "requester keys with 'assay marketplace key create'"
            ) from None


def load_installation_key(data: Path, given: str | None = None) -> InstallationKey:
    """Take the key that is given, or the data folder's, which is made where there is none.

    The file's mode is 0600 from the start. Of several processes that start together one makes it.
    """
    if given:
        return InstallationKey(given)
    path = data / KEY_FILE
    try:
        if not path.exists():
            _make(data, path)
        return InstallationKey(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise InstallationKeyError(f"cannot read the installation key {path}: {error}") from None


def _make(data: Path, path: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    mine = data / f".{KEY_FILE}.{os.getpid()}"
    handle = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(Fernet.generate_key().decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(mine, path)  # fails where another process was first, and never shows a half-written key
    except FileExistsError:
        pass
    finally:
        mine.unlink()
