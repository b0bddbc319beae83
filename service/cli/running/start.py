"""From a command to a running process: logging first, then the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from foundation.telemetry import configure_logging

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from foundation.settings import Settings


def run(settings: Settings, process: Coroutine[Any, Any, None]) -> None:
    """Run a process until it ends."""
    configure_logging(level=settings.log_level, format=settings.log_format)
    asyncio.run(process)
