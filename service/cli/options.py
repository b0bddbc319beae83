"""The options that every command that runs something on this machine has."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foundation.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

_CONFIG = click.option("--config", type=click.Path(path_type=Path), help="The settings file; otherwise ./assay.toml.")
_DATA = click.option("--data", type=click.Path(path_type=Path), help="The data folder.")
_HOST = click.option("--host", help="The address to listen on; 0.0.0.0 for all.")
_PORT = click.option("--port", type=int, help="The port to listen on.")
_PUBLIC_URL = click.option("--public-url", help="Where others reach this process, if not at host and port.")


def with_settings(*, serving: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of settings, and the settings, gathered and checked, as its first argument."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(*, config: Path | None, data: Path | None, **rest: Any) -> Any:
            named = {name: rest.pop(name) for name in ("host", "port", "public_url") if name in rest}
            settings: Settings = load_settings(config, data=data, **named)
            return command(settings, **rest)

        for option in reversed([_CONFIG, _DATA, *([_HOST, _PORT, _PUBLIC_URL] if serving else [])]):
            run = option(run)
        return run

    return decorate
