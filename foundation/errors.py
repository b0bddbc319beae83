"""Errors that are told to whoever started a command, and are nobody's bug."""

from __future__ import annotations


class PlainError(Exception):
    """Something that the reader can mend; the message is one line that says what it is and what to do."""
