"""`assay serve`: the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.cli.options import with_settings
from service.cli.running.panel import announce_serve
from service.cli.running.processes import run_serve
from service.cli.running.start import run

if TYPE_CHECKING:
    from foundation.settings import Settings


@click.command()
@with_settings(serving=True)
def serve(settings: Settings) -> None:
    """Serve the API against DATABASE_URL. Any number may run."""
    run(settings, run_serve(settings, announce_serve))
