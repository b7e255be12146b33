"""The stage ``optimise``: cuts in bins of mass, from the events that pass all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bumphunt.cuts.best import FigureOfMerit, best_cuts, mass_bins, signal_window
from bumphunt.cuts.classifier import cuts_and_classifier
from bumphunt.cuts.overtraining import overtraining
from bumphunt.cuts.separation import Ranking, ranking
from bumphunt.cuts.tensor import VetoAxis
from bumphunt.spectrum.histogram import add
from workflows.config.records import OptimiseSetup
from workflows.config.regions import AnalysedRegion, RegionSignal
from workflows.fitting.signals import fit_signal, rich_enough
from workflows.inputs.samples import InputSample
from workflows.optimisation.learning import learn
from workflows.optimisation.tensors import SampleEvents, Tensors, fill_tensors
from workflows.products.cut_tables import CLASSIFIER, CUTS, OVERTRAINING, RANKING
from workflows.products.processed import Processed, read_processed
from workflows.products.selected import FittedSignal
from workflows.provenance.settings import plain
from workflows.reading.spectra import spectrum_of
from workflows.results import write_table
from workflows.running.progress import Progress
from workflows.stages.depends import factors, normalised, searched
from workflows.stages.stage import Job, Stage

__all__ = ["STAGE", "optimise_cuts"]


def optimise_cuts(
    inputs: Sequence[InputSample], setup: OptimiseSetup, processed: Processed, folder: Path, *, progress: Progress
) -> None:
    """Write the tables of every signal region (`workflows.products.cut_tables`): the best cuts in each mass bin.

    Parameters
    ----------
    inputs
        The samples.
    setup
        How cuts are chosen.
    processed
        What was read.
    folder
        Where the tables go.
    progress
        Called after each step.
    """
    for region in setup.regions:
        if region.signal is not None:
            seen = [
                sample for sample in inputs if region.name in sample.regions and sample.kind in ("background", "signal")
            ]
            events = _events(seen, setup, processed, region, region.signal, progress)
            _optimise_region(events, setup, folder, progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class _RegionEvents:
    """What the cuts of a region are chosen from.

    Parameters
    ----------
    folder
        Folder of the events.
    region, signal
        The region, and its signal.
    resolution
        Resolution [unit of the axis] as a function of mass [GeV].
    sources
        Its samples: backgrounds in mass bins, signals in their windows.
    """

    folder: Path
    region: AnalysedRegion
    signal: RegionSignal
    resolution: Callable[[float], float]
    sources: tuple[SampleEvents, ...]


def _events(
    seen: Sequence[InputSample],
    setup: OptimiseSetup,
    processed: Processed,
    region: AnalysedRegion,
    signal: RegionSignal,
    progress: Progress,
) -> _RegionEvents:
    """Return the events of a region, with the mass bins and windows in which they count."""
    keys = {sample.mass: f"{sample.files[0]}: {sample.key}" for sample in seen}
    points = rich_enough(region, _simulated(seen, processed, region.name), where=lambda mass, _: keys[mass])
    model = fit_signal(region, points, progress=progress)

    def resolution(mass: float) -> float:
        return float(model.resolution(np.clip(mass, model.masses[0], model.masses[-1])))

    settings, axis = setup.settings, region.axis
    bins = mass_bins(
        resolution,
        low=signal.low,
        high=signal.high,
        width=settings.bin_width,
        minimum_width=settings.min_bin_width,
        axis=axis,
    )
    sources = [
        SampleEvents(sample=s.name, edges=bins, factor=processed.weight(region.name, s))
        if s.mass is None
        else SampleEvents(
            sample=s.name,
            edges=signal_window(s.mass, resolution, window=settings.window, axis=axis),
            factor=processed.weight(region.name, s),
            mass=s.mass,
            generated=processed.generated(region.name, s),
        )
        for s in seen
    ]
    return _RegionEvents(
        folder=processed.events, region=region, signal=signal, resolution=resolution, sources=tuple(sources)
    )


def _simulated(seen: Sequence[InputSample], processed: Processed, region: str) -> list[FittedSignal]:
    """Return the spectra of the signal at each mass, ascending: all points of its other coordinates together."""
    by_mass: dict[float, list[InputSample]] = {}
    for sample in seen:
        if sample.mass is not None:
            by_mass.setdefault(sample.mass, []).append(sample)
    found = []
    for mass, samples in sorted(by_mass.items()):
        spectrum = add(spectrum_of(processed.spectra(region, sample.name)) for sample in samples)
        generated = sum(processed.generated(region, sample) for sample in samples)
        found.append(FittedSignal(mass=mass, shape=spectrum, selected=spectrum, generated=generated))
    return found


def _optimise_region(events: _RegionEvents, setup: OptimiseSetup, folder: Path, progress: Progress) -> None:
    """Write the tables of one region."""
    settings, region = setup.settings, events.region
    merit = FigureOfMerit(
        kind=settings.figure_of_merit,
        a=settings.a,
        b=settings.b,
        cl=setup.cl,
        background_uncertainty=settings.background_uncertainty,
        background_error=settings.background_error,
    )
    shared: dict[str, Any] = {"resolution": events.resolution, "merit": merit, "window": settings.window}
    tensors = fill_tensors(
        events.folder,
        region.name,
        events.sources,
        events.signal.veto,
        progress=lambda done, total: progress(f"tensors {region.name}", done, total),
    )
    chosen = {"cuts": settings.cuts, "axis": region.axis, **shared}
    table = best_cuts(tensors.backgrounds, tensors.signals, **chosen)
    write_table(folder, region.file(CUTS), table.to_columns())
    halves = overtraining(tensors.backgrounds, tensors.signals, table, **shared)
    about = {"loss": halves.loss, "loss_error": halves.loss_error}
    write_table(folder, region.file(OVERTRAINING), halves.to_columns(), **about)
    if setup.candidates:
        write_table(folder, region.file(RANKING), _ranking(events, setup, progress).to_columns())
    if settings.classifier:
        learned = _learned(events, setup, progress)
        by_score = best_cuts(learned.backgrounds, learned.signals, **chosen)
        tables = {"cuts": table, "classifier": by_score}
        compared = cuts_and_classifier(tables, cl=setup.cl, uncertainty=settings.background_uncertainty)
        write_table(folder, region.file(CLASSIFIER), compared)


def _ranking(events: _RegionEvents, setup: OptimiseSetup, progress: Progress) -> Ranking:
    """Return the ranking of all observables of the search that may be cut on, as far as the region has them."""
    region = events.region
    axes = [axis for axis in setup.candidates if axis.name in region.plan.selection.names]
    found: dict[VetoAxis, Tensors] = {}
    for done, axis in enumerate(axes, start=1):
        found[axis] = fill_tensors(events.folder, region.name, events.sources, (axis,))
        progress(f"ranking {region.name}", done, len(axes))
    return ranking(
        {axis: tensors.backgrounds for axis, tensors in found.items()},
        {axis: tensors.signals for axis, tensors in found.items()},
        axis=region.axis,
    )


def _learned(events: _RegionEvents, setup: OptimiseSetup, progress: Progress) -> Tensors:
    """Return the tensors of the score of a classifier."""
    region, signal = events.region, events.signal
    return learn(
        events.folder,
        region.name,
        events.sources,
        features=setup.features,
        cells=mass_bins(events.resolution, low=signal.low, high=signal.high, width=1.0, axis=region.axis),
        seed=setup.seed,
        progress=lambda done, total: progress(f"classifier {region.name}", done, total),
    )


def _depends(job: Job) -> Mapping[str, object]:
    """Return how cuts are chosen; the level of the limits and the seed only where they are used."""
    setup = job.analysis.optimisation
    if setup is None:
        return {}
    settings = setup.settings
    return {
        **normalised(job),
        "factors": factors(job, uncertainties=False),
        "channel": job.analysis.sections.channel,
        "search": searched(setup.regions),
        "optimise": plain(settings),
        "fit": {"cl": setup.cl} if settings.uses_limits else {},
        "seed": setup.seed if settings.classifier else None,
    }


def _make(job: Job, folder: Path) -> None:
    setup, analysis = job.analysis.optimisation, job.analysis
    luminosity, applied = analysis.about.luminosity, analysis.sections.factors
    processed = read_processed(job.of("process"), data_luminosity=luminosity, factors=applied)
    if setup is not None:
        optimise_cuts(job.inputs, setup, processed, folder, progress=job.progress)


STAGE = Stage(
    name="optimise",
    wanted=lambda analysis: analysis.optimisation is not None,
    needs=("process",),
    depends=_depends,
    files=("search",),
    make=_make,
)
