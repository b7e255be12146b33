"""The stage ``scan``: signal models from the simulated masses, then one row for every mass hypothesis of every fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import Flag
from bumphunt.models.counted_signal import CountedSignal
from bumphunt.models.given_signal import PeakModel
from bumphunt.scanning.grid import mass_grid
from bumphunt.scanning.rows import ScanPoint, ScanResult
from bumphunt.scanning.scan import scan_spectra
from bumphunt.spectrum.histogram import add
from bumphunt.spectrum.pairs import overdispersion
from workflows.config.coordinates import NO_MASS, At
from workflows.config.records import ScanSetup, SearchedMasses
from workflows.config.tasks import FitTask
from workflows.fitting.bands import SeenSheet, all_points, between, grouped, neighbours, see_sheet
from workflows.fitting.signals import Gap, counted_signal, fit_signal, gap_beside, rich_enough
from workflows.products.limit_table import OF_PEAKS, OVERDISPERSION
from workflows.products.selected import Selected, projected, read_selected
from workflows.products.signal_models import write_signal_models
from workflows.results import write_table
from workflows.running.blocks import BLOCKS, Blocks
from workflows.running.progress import Progress
from workflows.running.workers import Workers, in_order
from workflows.stages.depends import tested
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "run_scan"]

Table = dict[str, NDArray[Any]]

SCAN_STREAM = 0x5CA4
"""Tells the random numbers of the scan from others of the same seed."""
CORE = 2.0
"""Half width of what is under a peak, in units of the resolution: entries of one event that are both there matter."""
OVERDISPERSED = 1.05
"""Overdispersion from which a row is flagged: errors are 2.5 % larger than those of as many events."""
BLOCK = 64
"""Masses of one task: the same for any number of workers, so that random numbers are too."""


def run_scan(
    setup: ScanSetup,
    selected: Selected,
    folder: Path,
    *,
    where: Callable[[str, float, At], str],
    workers: Workers,
    progress: Progress,
    blocks: Blocks,
) -> None:
    """Write the scan of every fit (``scan.csv``, ``scan.json``) and the signal models.

    At each point of the other coordinates the hypotheses are as dense as the resolution there asks for.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    selected
        The spectra.
    folder
        Where the files go.
    where
        Function from a region, a simulated mass [GeV] and its other coordinates to the file and the key of the YAML
        that it is from.
    workers
        Who does the work; the results do not depend on it.
    progress
        Called with the number of masses that are done.
    blocks
        Where rows are kept until all are there.
    """
    seen = {at: see_sheet(setup, selected.sheet(at)) for at in setup.points}
    sheets = {at: _signals(setup, sheet.selected, where=where, progress=progress) for at, sheet in seen.items()}
    names = {
        unit.name: region.file("signal_model") + unit.name.removeprefix(region.name)
        for region in setup.fits[0].regions
        for unit in selected.of(region.name)
    }
    write_signal_models({at: sheet.models for at, sheet in sheets.items()}, names, folder)
    for number, task in enumerate(setup.fits):
        tables = []
        for place, at in enumerate(all_points(setup, seen)):
            spectra, sheet = _at(setup, seen, sheets, at)
            rows, more = _scan(
                setup,
                task,
                spectra,
                sheet,
                seed=(setup.seed, SCAN_STREAM, number, *([place] if at else [])),
                workers=workers,
                progress=partial(progress, f"mass hypotheses {' '.join(filter(None, [task.title, _named(at)]))}"),
                blocks=blocks,
            )
            tables.append(_table(rows, at, more, counts=task.regions[0].counts))
        write_table(folder, task.file("scan"), {n: np.concatenate([t[n] for t in tables]) for n in tables[0]})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signals:
    """The signals at one point of the other coordinates."""

    models: Mapping[str, PeakModel]
    """By region or slice."""
    gaps: Mapping[str, Sequence[Gap]]
    """Where masses were left out, by region."""


def _at(
    setup: ScanSetup, seen: Mapping[At, SeenSheet], sheets: Mapping[At, _Signals], at: At
) -> tuple[SeenSheet, _Signals]:
    """Return spectra and signals at a point of the other coordinates, simulated or between two that were."""
    if at in seen:
        return seen[at], sheets[at]
    spectra, models = between(setup, seen, {point: sheet.models for point, sheet in sheets.items()}, at)
    beside = neighbours(list(seen), at) or ()
    names = {name for point in beside for name in sheets[point].gaps}
    gaps = {name: [gap for point in beside for gap in sheets[point].gaps.get(name, ())] for name in names}
    return spectra, _Signals(models=models, gaps=gaps)


def _signals(
    setup: ScanSetup, selected: Selected, *, where: Callable[[str, float, At], str], progress: Progress
) -> _Signals:
    """Return the signal models of spectra that have the signals of one point of the other coordinates."""
    models: dict[str, PeakModel] = {}
    gaps: dict[str, list[Gap]] = {}
    for region in setup.fits[0].regions:
        for unit in selected.of(region.name):
            if region.signal is not None and region.signal.given is not None:
                models[unit.name], gaps[region.name] = region.signal.given, []
                continue
            if region.counts:
                models[unit.name], gaps[region.name] = counted_signal(unit.signals), []
                continue
            points = rich_enough(region, unit.signals, where=partial(where, region.name))
            gaps.setdefault(region.name, []).extend(gap_beside(unit.signals, points))
            models[unit.name] = fit_signal(region, points, progress=progress)
    return _Signals(models=models, gaps=gaps)


def _scan(
    setup: ScanSetup,
    task: FitTask,
    sheet: SeenSheet,
    signals: _Signals,
    *,
    seed: tuple[int, ...],
    workers: Workers,
    progress: Callable[[int, int], None],
    blocks: Blocks,
) -> tuple[ScanResult, Table]:
    """Return the rows of one fit at one point of the other coordinates, and columns that are beside them."""
    masses = _grid(setup.masses, [signals.models[name] for r in task.regions for name in r.units])
    # counts are made faster than a process is started, but for Feldman-Cousins intervals
    quick = setup.method.kind == "counting" and setup.limits.method != "feldman-cousins"
    points: list[ScanPoint] = []
    ends: dict[str, list[float]] = {}
    for group in grouped(setup, task, sheet, signals.models, masses):
        scan = partial(
            scan_spectra,
            group.regions,
            method=setup.method,
            sources=group.sources,
            limits=setup.limits,
            significance=setup.significance,
            engine=setup.engine,
        )
        rows = _in_blocks(
            scan,
            group.masses,
            seed=(*seed, len(points)) if sheet.bands else seed,
            workers=1 if quick else workers,
            progress=partial(_after, progress, len(points), masses.size),
            blocks=blocks,
        )
        points.extend(rows.points)
        for coordinate, pair in group.ends.items():
            for end, value in zip(("lo", "hi"), pair, strict=True):
                ends.setdefault(f"window_{coordinate}_{end}", []).extend([value] * len(rows))
    found = _flagged(ScanResult(points=tuple(points)), [gap for r in task.regions for gap in signals.gaps[r.name]])
    beside = {name: np.array(values) for name, values in ends.items()}
    spread = _overdispersion(setup, task, sheet.selected, signals.models, masses)
    if spread is not None:
        beside[OVERDISPERSION] = spread
        found = _overdispersed(found, spread)
    return found, beside


def _overdispersion(
    setup: ScanSetup, task: FitTask, selected: Selected, models: Mapping[str, PeakModel], masses: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the overdispersion of the entries under the peak of each hypothesis, the largest of all regions.

    Entries of one event that are farther from the peak than `CORE` resolutions are no part of its yield. None where
    one candidate an event is kept, and NaN where only blinded data could tell.
    """
    units = [unit for region in task.regions for unit in selected.of(region.name) if unit.pairs is not None]
    found = [np.ones(masses.size)]
    if setup.blinded and not all(unit.after for unit in units):
        return np.full(masses.size, np.nan) if units else None
    for unit in units:
        entries = projected(add(unit.after.values()) if unit.after else unit.data)
        model, half = models[unit.name], min(setup.method.half_width, CORE)
        for place, mass in enumerate(masses.tolist()):
            if model.masses[0] <= mass <= model.masses[-1]:
                centre, reach = float(model.axis.position(mass)), half * float(model.resolution(mass))
                spread = overdispersion(entries, unit.pairs, centre - reach, centre + reach)
                found[0][place] = max(found[0][place], spread)
    return found[0] if units else None


def _overdispersed(rows: ScanResult, spread: NDArray[np.float64]) -> ScanResult:
    """Return rows with a flag where entries fluctuate more than events do."""
    flagged = (
        replace(p, flags=(*p.flags, Flag.OVERDISPERSED)) if f > OVERDISPERSED else p
        for p, f in zip(rows.points, spread.tolist(), strict=True)
    )
    return ScanResult(points=tuple(flagged))


def _after(progress: Callable[[int, int], None], before: int, total: int, done: int, of: int) -> None:
    """Tell of masses that are done, beside those before them."""
    del of
    progress(before + done, total)


def _table(rows: ScanResult, at: At, more: Table, *, counts: bool) -> Table:
    """Return the columns of rows, with the other coordinates of their hypotheses behind the mass, and more columns.

    Hypotheses without mass have no such column, and counts none of what belongs to a peak.
    """
    columns = rows.columns()
    masses = {"mass": columns["mass"]} if np.any(columns["mass"] != NO_MASS) else {}
    beside = {name: np.full(len(rows), value) for name, value in at}
    left_out = {"mass", *(OF_PEAKS if counts else ())}
    own = {name: column for name, column in columns.items() if name not in left_out}
    return masses | beside | own | more


def _named(at: At) -> str:
    """Return a point of the other coordinates, for the display of what is done."""
    return ", ".join(f"{name} = {value:g}" for name, value in at)


def _flagged(rows: ScanResult, gaps: Sequence[Gap]) -> ScanResult:
    """Return rows with the flag of a thin signal where they lie in a gap."""

    def thin(mass: float) -> bool:
        return any(low < mass < high for low, high in gaps)

    points = (replace(p, flags=(*p.flags, Flag.THIN_SIGNAL)) if thin(p.mass) else p for p in rows.points)
    return ScanResult(points=tuple(points))


def _grid(masses: SearchedMasses, signals: Sequence[PeakModel]) -> NDArray[np.float64]:
    """Return the hypotheses [GeV], as far as some signal was simulated; those of a count are the simulated masses."""
    if any(isinstance(signal, CountedSignal) for signal in signals):
        known = np.unique(np.concatenate([signal.masses for signal in signals]))
        return known[(known >= masses.low) & (known <= masses.high)]
    low = max(masses.low, min(float(signal.masses[0]) for signal in signals))
    high = min(masses.high, max(float(signal.masses[-1]) for signal in signals))
    return mass_grid(low, high, signals, step=masses.step, excluded=masses.excluded)


def _in_blocks(
    scan: Callable[..., ScanResult],
    masses: NDArray[np.float64],
    *,
    seed: tuple[int, ...],
    workers: Workers,
    progress: Callable[[int, int], None],
    blocks: Blocks,
) -> ScanResult:
    """Return a scan that is shared out to processes in blocks of masses, whose random numbers depend on their number.

    Parameters
    ----------
    scan
        `scan_spectra` with all that it wants but masses and random numbers.
    masses
        Hypotheses [GeV].
    seed
        What the seeds of the blocks begin with, and the folder of their rows is called by.
    workers
        Who does the work.
    progress
        Called with the number of masses that are done, and of all.
    blocks
        Where rows are kept.
    """
    parts = [masses[first : first + BLOCK] for first in range(0, masses.size, BLOCK)]
    name = "-".join(map(str, seed))
    tasks = [
        blocks.kept(f"{name}/{number:06}", partial(_block, scan, some, (*seed, number)))
        for number, some in enumerate(parts)
    ]
    points: list[ScanPoint] = []
    with in_order(tasks, workers=workers) as results:
        for result in results:
            points.extend(result.points)
            progress(len(points), masses.size)
    return ScanResult(points=tuple(points))


def _block(scan: Callable[..., ScanResult], masses: NDArray[np.float64], seed: tuple[int, ...]) -> ScanResult:
    """Return the rows of one block."""
    return scan(masses=masses, rng=np.random.default_rng(np.random.SeedSequence(seed)))


def _make(job: Job, folder: Path) -> None:
    selected = read_selected(job.of("spectra"))
    keys = {
        (region, s.mass, s.at): f"{s.files[0]}: {s.key}"
        for s in job.inputs
        if s.mass is not None
        for region in s.regions
    }
    run_scan(
        job.analysis.scan,
        selected,
        folder,
        where=lambda *signal: keys[signal],
        workers=job.workers,
        progress=job.progress,
        blocks=Blocks(folder=folder / BLOCKS, types=(Flag, ScanPoint, ScanResult)),
    )


STAGE = Stage(name="scan", needs=("spectra",), depends=tested, files=("search", "background"), make=_make)
