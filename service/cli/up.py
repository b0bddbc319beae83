"""`assay up`: everything in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.cli.options import with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings


@click.command()
@with_settings(serving=True)
def up(settings: Settings) -> None:
    """Run everything in one process: database, API, marketplace and pipeline.

    Nothing needs to be set up: without DATABASE_URL it starts a Postgres of its own in the data folder, and at the
    first start it makes an API key and shows it once.
    """
    # The settings are checked by now: what is wrong with them is said before all of Assay is imported.
    from service.cli.running.panel import announce_up  # noqa: PLC0415
    from service.cli.running.processes import run_up  # noqa: PLC0415
    from service.cli.running.start import run  # noqa: PLC0415

    run(settings, run_up(settings, announce_up))
