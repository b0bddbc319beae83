"""The assay command.

Its subcommands are imported when they are asked for, so that `assay --help` answers at once. A traceback never reaches
the person at the keyboard: what they can mend is one line and exit code 2, and what they cannot is one line that says
where the traceback is.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from foundation.errors import PlainError
from service.cli.kernel_cache import provide_kernel_cache

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_USAGE: Final = 2
EXIT_UNEXPECTED: Final = 70  # EX_SOFTWARE of sysexits.h

_COMMANDS: Final = {
    "up": ("service.cli.up:up", "Run everything in one process: the way to start."),
    "serve": ("service.cli.serve:serve", "Serve the API against DATABASE_URL."),
    "work": ("service.cli.work:work", "Run the pipeline against DATABASE_URL."),
    "marketplace": ("marketplace.cli:marketplace", "Run a marketplace, and see to its workers, keys and deposits."),
    "key": ("service.cli.key:key", "Make, list and revoke API keys."),
    "job": ("service.cli.job:job", "Check, create, launch, watch and end jobs."),
    "items": ("service.cli.items:items", "Bring items and gold into a job."),
    "gold": ("service.cli.gold:gold", "See, correct and retire gold, find more, and keep it in banks."),
    "labels": ("service.cli.labels:labels", "Take labels out of a job."),
    "workers": ("service.cli.workers:workers", "See what a job's workers are worth."),
    "agreement": ("service.cli.agreement:agreement", "See how far a job's workers agree, and where they do not."),
    "trust": ("service.cli.trust:trust", "See why workers are trusted or not, suspend them, and try rules."),
    "aggregate": ("service.cli.aggregate:aggregate", "Infer labels from a file of answers, without any service."),
    "demo": ("service.cli.demo:demo", "See a job go from items to labels, with a made-up crowd."),
    "replay": ("service.cli.replay:replay", "Send recorded answers through the whole of Assay, and compare."),
}


class LazyGroup(click.Group):
    """A group that knows its subcommands by name, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names, in the order in which a newcomer meets them."""
        return [*_COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a subcommand and take the command out of it."""
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        provide_kernel_cache()
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def main(self, args: Sequence[str] | None = None, *rest: Any, **named: Any) -> Any:
        """Run a command, and keep tracebacks from the person who asked for it."""
        args = sys.argv[1:] if args is None else args
        try:
            return super().main(args, *rest, **named)
        except PlainError as error:
            click.echo(f"assay: {error}", err=True)
            sys.exit(EXIT_USAGE)
        except MemoryError:  # nothing more is imported, as that takes memory
            click.echo(
                "assay: this needs more memory than is free: give it less at once, or a larger machine", err=True
            )
            sys.exit(EXIT_USAGE)
        except Exception as error:
            if "--debug" in args:
                raise
            from service.cli.unexpected import keep_traceback  # noqa: PLC0415 - where nothing went wrong, not needed

            click.echo(f"assay: {keep_traceback(error)}", err=True)
            sys.exit(EXIT_UNEXPECTED)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="assay", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
def main(debug: bool) -> None:
    """Turn a crowd's answers into labels that can be trusted."""
    del debug  # LazyGroup.main looks for it: an error may come before it is parsed
