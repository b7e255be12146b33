"""The options that verbs share, and who does the work that they ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from workflows.running.workers import Workers as WorkersOf

__all__ = [
    "Address",
    "AllowMissing",
    "AnalysisFile",
    "Asked",
    "At",
    "ExecutorName",
    "Output",
    "Workers",
    "command",
    "coordinates",
    "folder_of",
    "workers_of",
]

AnalysisFile = Annotated[Path, typer.Argument(metavar="ANALYSIS.yaml", help="The analysis; see examples/.")]
Output = Annotated[Path | None, typer.Option(help="Folder of the results; results/<name of the YAML> unless given.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes to use; results do not depend on it.")]
At = Annotated[
    list[str] | None, typer.Option(help="Other coordinate, as NAME=VALUE; once for each that the search has.")
]
AllowMissing = Annotated[
    bool,
    typer.Option("--allow-missing", help="Go on when rows cannot be read: luminosity is scaled, results are marked."),
]


ExecutorName = Annotated[
    Literal["local", "dask"], typer.Option("--executor", help="Local processes, or the workers of a Dask scheduler.")
]
Address = Annotated[
    str | None, typer.Option("--scheduler", metavar="ADDRESS", help="The Dask scheduler, such as tcp://host:8786.")
]


def workers_of(workers: int, executor: str, scheduler: str | None) -> WorkersOf:
    """Return who does the work; a scheduler answers now, before minutes are spent.

    Raises
    ------
    typer.BadParameter
        If the options contradict each other.
    """
    from workflows.running.workers import Scheduler, pool

    if (executor == "dask") != (scheduler is not None):
        msg = "--executor dask and --scheduler ADDRESS go together; 'dask scheduler' starts one and prints its address"
        raise typer.BadParameter(msg)
    if scheduler is None:
        return workers
    if workers != 1:
        msg = "--workers is for local processes; a Dask scheduler has its own"
        raise typer.BadParameter(msg)
    there = Scheduler(address=scheduler)
    with pool(there):
        return there


def folder_of(analysis: Path, output: Path | None) -> Path:
    """Return where the results of an analysis are."""
    return output if output is not None else Path("results") / analysis.stem


def coordinates(texts: Sequence[str] | None) -> dict[str, float]:
    """Return the values by name of texts such as ``NAME=VALUE``.

    Raises
    ------
    typer.BadParameter
        If a text is none.
    """
    found = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            msg = f"--at {text}: want NAME=VALUE, such as lifetime=10"
            raise typer.BadParameter(msg) from None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What most verbs are asked in common.

    Parameters
    ----------
    analysis
        The YAML.
    folder
        Where its results are.
    workers
        Who does the work.
    allow_missing
        Whether to go on when rows cannot be read.
    """

    analysis: Path
    folder: Path
    workers: WorkersOf
    allow_missing: bool


def _shared(
    analysis: AnalysisFile,
    output: Output = None,
    workers: Workers = 1,
    executor: ExecutorName = "local",
    scheduler: Address = None,
    allow_missing: AllowMissing = False,
) -> Asked:
    """Return what was asked with the options that most verbs have."""
    return Asked(
        analysis=analysis,
        folder=folder_of(analysis, output),
        workers=workers_of(workers, executor, scheduler),
        allow_missing=allow_missing,
    )


def command(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb as a command: the arguments of `_shared` stand in the place of its argument ``asked``.

    The YAML stands where that does, and the options behind those of the verb.
    """
    shared = inspect.signature(_shared, eval_str=True).parameters
    own = inspect.signature(verb, eval_str=True).parameters
    analysis, *options = shared.values()
    mine = [analysis if name == "asked" else parameter for name, parameter in own.items()]

    def made(**given: Any) -> None:
        common = {name: given.pop(name) for name in shared}
        verb(asked=_shared(**common), **given)

    made.__doc__ = verb.__doc__
    keyword = inspect.Parameter.KEYWORD_ONLY  # which may have defaults in any order
    made.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=keyword) for parameter in [*mine, *options]]
    )
    return made
