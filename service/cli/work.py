"""`assay work`: the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.cli.options import with_settings

if TYPE_CHECKING:
    from foundation.settings import Settings


@click.command()
@with_settings(serving=True)
@click.option("--probes", is_flag=True, help="Serve /health, /ready and /metrics, and nothing else, at host and port.")
def work(settings: Settings, probes: bool) -> None:
    """Run the pipeline against DATABASE_URL. Any number may run."""
    # The settings are checked by now: what is wrong with them is said before all of Assay is imported.
    from service.cli.running.panel import announce_work  # noqa: PLC0415
    from service.cli.running.processes import run_work  # noqa: PLC0415
    from service.cli.running.start import run  # noqa: PLC0415

    run(settings, run_work(settings, announce_work, probes=probes))
