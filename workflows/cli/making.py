"""The verbs that make stages, each with the stages before it that are out of date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.options import (
    Address,
    AllowMissing,
    AnalysisFile,
    Asked,
    ExecutorName,
    Output,
    Workers,
    command,
    folder_of,
    workers_of,
)
from workflows.cli.terminal import at_work, say, show
from workflows.cli.work import held, make, make_step

if TYPE_CHECKING:
    from workflows.running.workers import Workers as WorkersOf

__all__ = ["VERBS"]


def _verb(name: str, text: str) -> Callable[..., None]:
    """Return the command of one stage."""

    def stage(asked: Asked) -> None:
        make(asked, name)

    stage.__doc__ = f"{text} (with the stages before it that are out of date)."
    return command(stage)


@command
def process(
    asked: Asked,
    part: Annotated[
        str | None, typer.Option(metavar="K/N", help="Only part K of N, for batch systems; then 'bumphunt merge'.")
    ] = None,
) -> None:
    """Read every ntuple once: cutflow, N-1, spectra, and the events that pass (with the stages before it)."""
    if part is None:
        make(asked, "process")
        return
    from workflows import chain
    from workflows.running.parts import Part

    wanted = Part.parse(part)
    with held(asked, shared=True) as job:
        chain.process_part(job, wanted)
    say(f"part {part} is kept in {asked.folder}; when all are there: bumphunt merge {asked.analysis}")


def merge(
    analysis: AnalysisFile,
    parts: Annotated[list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="Folders of other parts.")] = None,
    output: Output = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Put the parts of 'bumphunt process --part K/N' together: those in the results, and those in other folders."""
    from workflows import chain

    asked = Asked(analysis=analysis, folder=folder_of(analysis, output), workers=1, allow_missing=allow_missing)
    with held(asked) as job:
        chain.hide_unblinded(job)
        make_step(chain.merge(job, parts or ()))


def simulate(
    analysis: Annotated[Path | None, typer.Argument(metavar="ANALYSIS.yaml", help="The analysis.")] = None,
    output: Output = None,
    workers: Workers = 1,
    executor: ExecutorName = "local",
    scheduler: Address = None,
    validate: Annotated[
        bool, typer.Option("--validate", help="Compare the Monte Carlo with references instead; needs no YAML.")
    ] = False,
) -> None:
    """Simulate the backgrounds, signals and pseudo-data that the YAML asks for; --validate compares with references."""
    if validate == (analysis is not None):
        msg = "give either an analysis (ANALYSIS.yaml) to simulate, or --validate"
        raise typer.BadParameter(msg)
    who = workers_of(workers, executor, scheduler)
    if analysis is None:
        _validate(output if output is not None else Path("results") / "validation", who)
        return
    from workflows.simulation.table import printed_rows

    asked = Asked(analysis=analysis, folder=folder_of(analysis, output), workers=who, allow_missing=False)
    job = make(asked, "simulate")
    header, rows = printed_rows(job.of("simulate"))
    title = f"samples at {job.analysis.about.luminosity:g} fb^-1; expected and effective numbers of rows"
    show(title, header, rows, text=header[:1])


def _validate(folder: Path, workers: WorkersOf) -> None:
    """Write the validation page of the Monte Carlo and show its table."""
    from workflows.stages.studying.validate import validate

    with at_work(folder, "; the validation page is that of before") as progress:
        checks = validate(folder, workers=workers, progress=progress)
    rows = [
        (c.quantity, f"{c.value:.4g} +- {c.error:.1g} {c.unit}".rstrip(), f"{c.reference:.4g}", f"{c.ratio:.3f}")
        for c in checks
    ]
    show("Monte Carlo against references", ("quantity", "value", "reference", "ratio"), rows, text=("quantity",))
    say(f"validation page: {folder / 'validation.html'}")


@command
def run(asked: Asked) -> None:
    """Make every stage that is out of date, in order, and show the result."""
    from workflows.chain import fits_of_excesses, known_global
    from workflows.products.global_table import global_sentence
    from workflows.products.limit_table import summarise

    job = make(asked, "report", after=fits_of_excesses)
    about = job.analysis.about
    known = known_global(job)
    summary = summarise(
        job.of("limits"),
        coordinates=about.search.coordinates,
        blinded=about.blinded,
        whole=None if known is None else global_sentence(known),
    )
    figures = ", ".join(sorted(path.name for path in job.of("report").glob("*.png")))
    show("limit table (head)", tuple(summary.head), zip(*summary.head.values(), strict=True))
    kind = "mass hypotheses" if "mass" in summary.head else "hypotheses"
    say(f"limit table:  {summary.table} ({summary.rows} {kind})")
    say(f"figures:      {job.of('report')}: {figures}")
    say(summary.most_significant)


@command
def correct(asked: Asked) -> None:
    """Measure factors between data and simulation in control samples, as files for the section 'corrections'."""
    from workflows import chain
    from workflows.products.factor_files import factor_rows

    job = make(asked, "check", extra=lambda job: [chain.correct(job)])
    folder = job.of("correct")
    names = ("factor", "region", "bin", "value", "data", "simulation", "luminosity")
    show("factors from control samples: data / simulation", names, factor_rows(folder), text=names[:3])
    say(f"to apply one, name its file under 'corrections': {{file: {folder}/NAME.json}}")


VERBS: dict[str, Callable[..., None]] = {
    "run": run,
    "check": _verb("check", "Open every input and list what would be processed"),
    "simulate": simulate,
    "process": process,
    "merge": merge,
    "optimise": _verb("optimise", "Choose the optimised cuts in every mass bin"),
    "spectra": _verb("spectra", "Apply the optimised cuts, at the luminosity of the data"),
    "scan": _verb("scan", "Fit a signal at every mass hypothesis"),
    "limits": _verb("limits", "Set upper limits on yield, cross section and coupling"),
    "report": _verb("report", "Draw the figures"),
    "correct": correct,
}
"""The verbs by name, in the order of the help."""
