"""What the person who started a process is told, once it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from foundation.settings import Settings


def announce_up(settings: Settings, key: str | None) -> None:
    """Say where everything is, how a worker gets in, and the first key."""
    base = settings.base_url
    rows = [
        ("API", f"{base}/v1"),
        ("API documentation", f"{base}/v1/docs"),
        ("Worker site", f"{base}/worker"),
        ("Invite a worker", f"{_command(f'assay marketplace --public-url {base}', settings)} invite"),
        ("Health", f"{base}/health, {base}/ready, {base}/metrics"),
        ("Database", "DATABASE_URL" if settings.database_url else f"{settings.data / 'postgres'}"),
    ]
    if key is not None:
        rows.append(("API key", f"{key}  (shown this once: export ASSAY_API_KEY={key})"))
    else:
        rows.append(("API key", _command("assay key create", settings)))
    _show("Assay is up. Ctrl-C stops it.", rows)


def announce_serve(settings: Settings, _key: str | None) -> None:
    """Say where the API is."""
    base = settings.base_url
    rows = [("API", f"{base}/v1"), ("API documentation", f"{base}/v1/docs"), ("Health", f"{base}/health, {base}/ready")]
    _show("Assay serves its API. Ctrl-C stops it.", rows)


def announce_work(settings: Settings, _key: str | None) -> None:
    """Say which markets the pipeline works on."""
    rows = [(f"Market {name}", market.endpoint) for name, market in settings.markets.items()]
    _show("Assay runs the pipeline. Ctrl-C stops it.", rows)


def _command(command: str, settings: Settings) -> str:
    return command if settings.database_url else f"{command} --data {settings.data}"


def _show(title: str, rows: list[tuple[str, str]]) -> None:
    console = Console(soft_wrap=True)
    if not console.is_terminal:  # plain lines, which a script or a container's log can take apart
        console.print(title, *(f"{name}: {text}" for name, text in rows), sep="\n", highlight=False, markup=False)
        return
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name, style="bold"), Text(text))
    console.print(Panel(table, title=title, expand=False))
