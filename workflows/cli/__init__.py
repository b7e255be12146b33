"""The command ``bumphunt``: one verb a stage, ``run`` for all that is out of date, and questions about the results.

The verbs import what they need when they run, so that ``bumphunt --help`` answers at once.

=============  ========================================================================
file           what it is for
=============  ========================================================================
``terminal``   lines, tables, progress bars, Ctrl-C
``options``    the options that verbs share; who does the work
``work``       what a verb does: stages that are out of date, in a folder that it holds
``making``     verbs that make stages: check, process, ..., report, run, simulate
``studying``   verbs that ask what a mass or the search is worth: fit, impacts, global, study
``looking``    verbs that look, or copy: status, verify, channels, repack
=============  ========================================================================
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.logging import RichHandler

from bumphunt import __version__
from bumphunt.errors import BumphuntError
from workflows.cli import looking, making, studying
from workflows.cli.terminal import BAD_INPUT, INTERRUPTED, NOT_VERIFIED, err, say

__all__ = ["BAD_INPUT", "INTERRUPTED", "NOT_VERIFIED", "app", "main"]

app = typer.Typer(
    name="bumphunt",
    help="Searches for narrow dark-sector resonances at e+e- B-factories, from ntuples to a limit table.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for panel, verbs in (
    ("The chain", making.VERBS),
    ("What a result is worth", studying.VERBS),
    ("What is there", looking.VERBS),
):
    for name, verb in verbs.items():
        app.command(name, rich_help_panel=panel)(verb)


def _version(value: bool) -> None:
    if value:
        say(f"bumphunt {__version__}")
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is being done.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Set up logging."""
    del version  # answered by its callback
    handler = RichHandler(console=err, show_path=False, show_time=False)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a lost scheduler is said in a line


def main() -> None:
    """Run the command line: exit status 1 for results that are not verified, 2 for bad input, 130 after Ctrl-C."""
    try:
        app()
    except (BumphuntError, OSError) as error:  # OSError: a full disk, a folder that is not ours
        err.print(f"bumphunt: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        sys.exit(BAD_INPUT)
