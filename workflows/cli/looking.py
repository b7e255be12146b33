"""The verbs that look at what is there, or copy it: results, searches, ntuples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bumphunt.errors import ConfigError
from workflows.cli.options import AllowMissing, AnalysisFile, Output, folder_of
from workflows.cli.terminal import NOT_VERIFIED, interrupted, progress_bars, say

__all__ = ["VERBS"]


def status(analysis: AnalysisFile, output: Output = None, allow_missing: AllowMissing = False) -> None:
    """Say of every stage whether it is up to date, and what has changed where it is not; nothing is made."""
    from workflows import chain
    from workflows.config.file import load

    resolved = load(analysis)
    for stage in chain.status(chain.prepare(resolved, folder_of(analysis, output), allow_missing=allow_missing)):
        after = [f"after {', '.join(stage.follows)}, if these have other results then"] if stage.follows else []
        state = "stale: " if stage.reasons else "may be stale: " if after else "up to date"
        say(f"{stage.name:<9} {state}" + f"\n{'':<10}".join([*stage.reasons, *after]))


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the results of an analysis.")],
) -> None:
    """Read every byte of the results and look at every input: whether tables and figures belong to what is on disk.

    Exit status 0 if they do, 1 if not. What settings and code have to say is the matter of 'bumphunt status'.
    """
    from workflows.provenance.verify import verify as look

    problems = 0
    for stage in look(folder):
        good = f"{stage.outputs} outputs as they were written, {stage.files} inputs as they were read"
        say(f"{stage.stage:<9} " + (f"\n{'':<10}".join(stage.problems) or good))
        problems += len(stage.problems)
    if problems:
        say(f"{problems} problem{'s' if problems > 1 else ''}: these results do not belong to the inputs on disk")
        raise typer.Exit(NOT_VERIFIED)
    say("the results belong to the inputs on disk")


def repack(
    source: Annotated[Path, typer.Argument(metavar="IN.root", help="An ntuple with small baskets.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.root", help="The copy.")],
    tree: Annotated[str, typer.Option(help="Name of the TTree.")] = "events",
    skip: Annotated[bool, typer.Option("--skip", help="Leave out branches that are no numbers.")] = False,
) -> None:
    """Copy an ntuple with baskets that are read fast: those of basf2 hold 1600 bytes."""
    from workflows.ntuples.repack import repack as copy

    with interrupted(f"; {target} is that of before"), progress_bars() as progress:
        made = copy(source, target, tree=tree, skip=skip, progress=lambda n, total: progress("repack", n, total))
    say(f"{target}: {made.rows:,} rows, {made.branches} branches")
    if made.left_out:
        say(f"left out: {', '.join(made.left_out)}")


def channels(
    name: Annotated[str | None, typer.Argument(help="One of them, or file.py:NAME.")] = None,
    variables: Annotated[
        bool, typer.Option("--variables", help="Every variable that it reads: meaning, unit, and what needs it.")
    ] = False,
) -> None:
    """List the searches: those that are shipped, and those of installed packages."""
    from workflows.config.described import described
    from workflows.config.searches import find_search, installed_searches, registry_of

    if name is not None or variables:
        if name is None:
            msg = "--variables needs the name of a search: bumphunt channels zprime-invisible --variables"
            raise ConfigError(msg)
        loaded = find_search(name, Path())
        found = described(loaded.search, registry_of(loaded) if variables else None)
    else:
        found = (line for search in installed_searches().values() for line in described(search, None))
    for line in found:
        say(line)


VERBS: dict[str, Callable[..., None]] = {"status": status, "verify": verify, "channels": channels, "repack": repack}
"""The verbs by name, in the order of the help."""
