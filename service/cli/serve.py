"""`assay serve`: the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.cli.options import with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings


@click.command()
@with_settings(serving=True)
def serve(settings: Settings) -> None:
    """Serve the API against DATABASE_URL. Any number may run."""
    # The settings are checked by now: what is wrong with them is said before all of Assay is imported.
    from service.cli.running.panel import announce_serve  # noqa: PLC0415
    from service.cli.running.processes import run_serve  # noqa: PLC0415
    from service.cli.running.start import run  # noqa: PLC0415

    run(settings, run_serve(settings, announce_serve))
