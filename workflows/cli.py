"""The command ``bumphunt``: one verb a stage, and ``run`` for all that is out of date.

The verbs import what they need when they run, so that ``bumphunt --help`` answers at once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars
from rich.table import Table

from bumphunt import __version__
from bumphunt.errors import BumphuntError, ConfigError

if TYPE_CHECKING:
    from workflows.provenance.step import Step
    from workflows.running.progress import Progress
    from workflows.running.workers import Workers as WorkersOf
    from workflows.stages.stage import Job

__all__ = ["app", "main"]

app = typer.Typer(
    name="bumphunt",
    help="Searches for narrow dark-sector resonances at e+e- B-factories, from ntuples to a limit table.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)

NOT_VERIFIED, BAD_INPUT, INTERRUPTED = 1, 2, 130
GIVES_WAY = ("quantity",)
"""Columns that are wrapped on a narrow screen."""
_PROCESS = "Read every ntuple once: cutflow, N-1, spectra, and the events that pass."
_GOES_ON = "; what is finished is kept, and the next run goes on from there"
_IMPACT_NUMBERS = ("n_sig", "n_sig_error", "limit_obs", "limit_exp", "statistical")

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


def _who(workers: int, executor: str, scheduler: str | None) -> WorkersOf:
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


@contextmanager
def _progress() -> Iterator[Progress]:
    """Yield a function (task, done, total) that moves progress bars; silent when standard error is no terminal."""
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn())
    with ProgressBars(*columns, *times, console=err, disable=not err.is_terminal, transient=True) as bars:
        tasks: dict[str, int] = {}

        def advance(task: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total)
            bars.update(tasks[task], completed=done, total=total, visible=done < total)  # type: ignore[arg-type]

        yield advance


@contextmanager
def _at_work(folder: Path, message: str, *, shared: bool = False) -> Iterator[Progress]:
    """Hold a folder, show progress, and leave with a message after Ctrl-C."""
    from workflows.results import lock

    try:
        with lock(folder, shared=shared), _progress() as progress:
            yield progress
    except KeyboardInterrupt:
        err.print(f"bumphunt: interrupted{message}", style="red", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None


def _say(text: str) -> None:
    """Print a line as it is."""
    out.print(text, highlight=False, soft_wrap=True, markup=False)


def _show(title: str, names: Sequence[str], rows: Iterable[Sequence[str]], *, text: Sequence[str] = ()) -> None:
    """Print a table; columns named in `text` hold words, the others numbers."""
    table = Table(title=escape(title), title_justify="left", box=None)
    for name in names:
        table.add_column(escape(name), justify="left" if name in text else "right", no_wrap=name not in GIVES_WAY)
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)


def _folder(analysis: Path, output: Path | None) -> Path:
    """Return where the results of an analysis are."""
    return output if output is not None else Path("results") / analysis.stem


def _make(
    analysis: Path,
    output: Path | None,
    workers: WorkersOf,
    allow_missing: bool,
    verb: str,
    extra: Callable[[Job], Sequence[Step]] = lambda _: (),
    after: Callable[[Job], Sequence[Step]] = lambda _: (),
) -> Job:
    """Make the stages up to `verb` that are out of date, those of `extra`, then those of `after`; return the job."""
    from workflows.chain import hide_unblinded, prepare, up_to
    from workflows.config.file import load

    resolved = load(analysis)
    folder = _folder(analysis, output)
    with _at_work(folder, _GOES_ON) as progress:
        job = prepare(resolved, folder, workers=workers, allow_missing=allow_missing, progress=progress)
        hide_unblinded(job)
        for step in (*up_to(job, verb), *extra(job)):
            _run(step)
        for step in after(job):  # which stages there are hangs on what the others gave
            _run(step)
    return job


def _run(step: Step) -> None:
    """Make a stage if it is out of date, and say so."""
    state = "made" if step.run() else "up to date"
    _say(f"{step.name:<9} {state}: {step.folder}")


def _verb(name: str, text: str) -> None:
    """Register the command of one stage."""

    @app.command(name, help=f"{text} (with the stages before it that are out of date)")
    def command(
        analysis: AnalysisFile,
        output: Output = None,
        workers: Workers = 1,
        executor: ExecutorName = "local",
        scheduler: Address = None,
        allow_missing: AllowMissing = False,
    ) -> None:
        _make(analysis, output, _who(workers, executor, scheduler), allow_missing, name)


_verb("check", "Open every input and list what would be processed.")


@app.command(help=f"{_PROCESS} (with the stages before it that are out of date)")
def process(
    analysis: AnalysisFile,
    output: Output = None,
    workers: Workers = 1,
    executor: ExecutorName = "local",
    scheduler: Address = None,
    allow_missing: AllowMissing = False,
    part: Annotated[
        str | None, typer.Option(metavar="K/N", help="Only part K of N, for batch systems; then 'bumphunt merge'.")
    ] = None,
) -> None:
    """Make the stage, or keep a part of it for `merge`."""
    who = _who(workers, executor, scheduler)
    if part is None:
        _make(analysis, output, who, allow_missing, "process")
        return
    from workflows import chain
    from workflows.config.file import load
    from workflows.running.parts import Part

    wanted, resolved, folder = Part.parse(part), load(analysis), _folder(analysis, output)
    with _at_work(folder, _GOES_ON, shared=True) as progress:
        job = chain.prepare(resolved, folder, workers=who, allow_missing=allow_missing, progress=progress)
        chain.process_part(job, wanted)
    _say(f"part {part} is kept in {folder}; when all are there: bumphunt merge {analysis}")


@app.command()
def merge(
    analysis: AnalysisFile,
    parts: Annotated[list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="Folders of other parts.")] = None,
    output: Output = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Put the parts of 'bumphunt process --part K/N' together: those in the results, and those in other folders."""
    from workflows import chain
    from workflows.config.file import load

    resolved, folder = load(analysis), _folder(analysis, output)
    with _at_work(folder, _GOES_ON) as progress:
        job = chain.prepare(resolved, folder, allow_missing=allow_missing, progress=progress)
        chain.hide_unblinded(job)
        step = chain.merge(job, parts or ())
        _say(f"{step.name:<9} {'made' if step.run() else 'up to date'}: {step.folder}")


_verb("optimise", "Choose the optimised cuts in every mass bin.")
_verb("spectra", "Apply the optimised cuts, at the luminosity of the data.")
_verb("scan", "Fit a signal at every mass hypothesis.")
_verb("limits", "Set upper limits on yield, cross section and coupling.")
_verb("report", "Draw the figures.")


@app.command()
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
    if analysis is None:
        folder = output if output is not None else Path("results") / "validation"
        _validate(folder, _who(workers, executor, scheduler))
        return
    from workflows.simulation.table import printed_rows

    job = _make(analysis, output, _who(workers, executor, scheduler), False, "simulate")
    header, rows = printed_rows(job.of("simulate"))
    title = f"samples at {job.analysis.about.luminosity:g} fb^-1; expected and effective numbers of rows"
    _show(title, header, rows, text=header[:1])


def _validate(folder: Path, workers: WorkersOf) -> None:
    """Write the validation page of the Monte Carlo and show its table."""
    from workflows.stages.studying.validate import validate

    with _at_work(folder, "; the validation page is that of before") as progress:
        checks = validate(folder, workers=workers, progress=progress)
    rows = [
        (c.quantity, f"{c.value:.4g} +- {c.error:.1g} {c.unit}".rstrip(), f"{c.reference:.4g}", f"{c.ratio:.3f}")
        for c in checks
    ]
    _show("Monte Carlo against references", ("quantity", "value", "reference", "ratio"), rows, text=("quantity",))
    _say(f"validation page: {folder / 'validation.html'}")


@app.command()
def run(
    analysis: AnalysisFile,
    output: Output = None,
    workers: Workers = 1,
    executor: ExecutorName = "local",
    scheduler: Address = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Make every stage that is out of date, in order, and show the result."""
    from workflows.chain import fits_of_excesses, known_global
    from workflows.products.global_table import global_sentence
    from workflows.products.limit_table import summarise

    job = _make(analysis, output, _who(workers, executor, scheduler), allow_missing, "report", after=fits_of_excesses)
    about = job.analysis.about
    known = known_global(job)
    summary = summarise(
        job.of("limits"),
        coordinates=about.search.coordinates,
        blinded=about.blinded,
        whole=None if known is None else global_sentence(known),
    )
    figures = ", ".join(sorted(path.name for path in job.of("report").glob("*.png")))
    _show("limit table (head)", tuple(summary.head), zip(*summary.head.values(), strict=True))
    _say(f"limit table:  {summary.table} ({summary.rows} mass hypotheses)")
    _say(f"figures:      {job.of('report')}: {figures}")
    _say(summary.most_significant)


@app.command()
def status(analysis: AnalysisFile, output: Output = None, allow_missing: AllowMissing = False) -> None:
    """Say of every stage whether it is up to date, and what has changed where it is not; nothing is made."""
    from workflows import chain
    from workflows.config.file import load

    resolved = load(analysis)
    for stage in chain.status(chain.prepare(resolved, _folder(analysis, output), allow_missing=allow_missing)):
        after = [f"after {', '.join(stage.follows)}, if these have other results then"] if stage.follows else []
        state = "stale: " if stage.reasons else "may be stale: " if after else "up to date"
        _say(f"{stage.name:<9} {state}" + f"\n{'':<10}".join([*stage.reasons, *after]))


@app.command()
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
        _say(f"{stage.stage:<9} " + (f"\n{'':<10}".join(stage.problems) or good))
        problems += len(stage.problems)
    if problems:
        _say(f"{problems} problem{'s' if problems > 1 else ''}: these results do not belong to the inputs on disk")
        raise typer.Exit(NOT_VERIFIED)
    _say("the results belong to the inputs on disk")


@app.command()
def impacts(
    analysis: AnalysisFile,
    mass: Annotated[list[float], typer.Option(help="Mass [GeV]; may be given several times.")],
    at: At = None,
    output: Output = None,
    workers: Workers = 1,
    executor: ExecutorName = "local",
    scheduler: Address = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Show what each source of uncertainty does to the signal and to its limit at a mass."""
    from workflows import chain
    from workflows.results import read_json

    beside = _coordinates(at)

    def wanted(job: Job) -> list[Step]:
        return [chain.impacts(job, m, beside) for m in mass]

    who = _who(workers, executor, scheduler)
    for step in wanted(_make(analysis, output, who, allow_missing, "scan", extra=wanted)):
        found = read_json(step.folder / "impacts.json")
        columns = ("source", "n_sig_up", "n_sig_down", "n_sig_error", "limit_obs", "limit_exp")
        # a number that could not be worked out is null
        number = {name: "none" if found[name] is None else f"{found[name]:.4g}" for name in _IMPACT_NUMBERS}
        where = " ".join([f"{found['mass']:g} GeV", *(at or ())])
        title = f"impacts at {where}: n_sig = {number['n_sig']} +- {number['n_sig_error']} events,"
        title += f" limit {number['limit_obs']} (expected {number['limit_exp']}) at {found['cl']:.0%}"
        rows = zip(*(found["sources"][name] for name in columns), strict=True)
        printed = [[v if isinstance(v, str) else "" if v is None else f"{v:.3g}" for v in row] for row in rows]
        _show(title, columns, printed, text=("source",))
        _say(f"statistical error: {number['statistical']} events; table and figure: {step.folder}")


@app.command("fit")
def fit_window(
    analysis: AnalysisFile,
    mass: Annotated[list[float], typer.Option(help="Mass [GeV]; may be given several times.")],
    at: At = None,
    output: Output = None,
    workers: Workers = 1,
    executor: ExecutorName = "local",
    scheduler: Address = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Fit the window of a mass and draw it: data, components, pulls, likelihood, parameters."""
    from workflows import chain
    from workflows.results import read_json

    beside = _coordinates(at)

    def wanted(job: Job) -> list[Step]:
        return [chain.fit(job, m, beside) for m in mass]

    who = _who(workers, executor, scheduler)
    for step in wanted(_make(analysis, output, who, allow_missing, "scan", extra=wanted)):
        found = read_json(step.folder / "fit.json")
        columns = ("parameter", "constraint", "centre", "width", "value", "error")
        rows = zip(*(found["parameters"][name] for name in columns), strict=True)
        printed = [[v if isinstance(v, str) else "" if v is None else f"{v:.4g}" for v in row] for row in rows]
        where = " ".join([f"{found['mass']:g} GeV", *(at or ())])
        _show(f"fit at {where}", columns, printed, text=columns[:2])
        _say(found["said"])
        _say(f"tables and figure: {step.folder}")


def _coordinates(texts: Sequence[str] | None) -> dict[str, float]:
    """Return the values by name of texts such as ``NAME=VALUE``."""
    found = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            msg = f"--at {text}: want NAME=VALUE, such as lifetime=10"
            raise typer.BadParameter(msg) from None
    return found


@app.command(name="global")
def global_(
    analysis: AnalysisFile,
    toys: Annotated[int, typer.Option(help="Toys of the complete spectra; those that are there are kept.")] = 1000,
    output: Output = None,
    workers: Workers = 1,
    executor: ExecutorName = "local",
    scheduler: Address = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Say what the largest local significance is worth: the complete scan on toys of the complete spectra."""
    from workflows import chain
    from workflows.products.global_table import largest_excess

    job = _make(
        analysis,
        output,
        _who(workers, executor, scheduler),
        allow_missing,
        "scan",
        extra=lambda job: [chain.global_significance(job, toys)],
    )
    folder = job.of("global")
    _say(f"table and figure: {folder}")
    _say(largest_excess(folder))


@app.command()
def correct(
    analysis: AnalysisFile,
    output: Output = None,
    workers: Workers = 1,
    executor: ExecutorName = "local",
    scheduler: Address = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Measure factors between data and simulation in control samples, as files for the section 'corrections'."""
    from workflows import chain
    from workflows.products.factor_files import factor_rows

    who = _who(workers, executor, scheduler)
    job = _make(analysis, output, who, allow_missing, "check", extra=lambda job: [chain.correct(job)])
    folder = job.of("correct")
    names = ("factor", "region", "bin", "value", "data", "simulation", "luminosity")
    _show("factors from control samples: data / simulation", names, factor_rows(folder), text=names[:3])
    _say(f"to apply one, name its file under 'corrections': {{file: {folder}/NAME.json}}")


@app.command()
def repack(
    source: Annotated[Path, typer.Argument(metavar="IN.root", help="An ntuple with small baskets.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.root", help="The copy.")],
    tree: Annotated[str, typer.Option(help="Name of the TTree.")] = "events",
    skip: Annotated[bool, typer.Option("--skip", help="Leave out branches that are no numbers.")] = False,
) -> None:
    """Copy an ntuple with baskets that are read fast: those of basf2 hold 1600 bytes."""
    from workflows.ntuples.repack import repack as copy

    try:
        with _progress() as progress:
            made = copy(source, target, tree=tree, skip=skip, progress=lambda n, total: progress("repack", n, total))
    except KeyboardInterrupt:
        err.print(f"bumphunt: interrupted; {target} is that of before", style="red", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    _say(f"{target}: {made.rows:,} rows, {made.branches} branches")
    if made.left_out:
        _say(f"left out: {', '.join(made.left_out)}")


@app.command()
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
        _say(line)


def _version(value: bool) -> None:
    if value:
        _say(f"bumphunt {__version__}")
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
