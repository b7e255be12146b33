"""From what a YAML says to the records that stages are given: everything that follows is worked out here, once.

The search of a user's file is loaded here and nowhere else: a file that is saved during a run changes nothing in it,
and the next run sees that its results are out of date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError, InputError
from bumphunt.inference.settings import LimitSettings, SignificanceSettings
from bumphunt.kinematics.momenta import BEAMS, Beams
from bumphunt.models.given_signal import GivenSignal
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.presets import DETECTORS, preset
from bumphunt.scanning.method import FIT_WINDOW, Method
from bumphunt.scanning.sources import Source
from selections.cuts import Selection
from selections.events import ALL, CANDIDATE, ENTRY, FILE, REJECT, CandidateRule, RowKey
from selections.search import Model, Region, Search
from workflows.config.checks.fits import check_engine, check_sources
from workflows.config.checks.names import check_names
from workflows.config.checks.regions import check_regions
from workflows.config.coordinates import NO_MASS
from workflows.config.derived.curves import LoadedCurve
from workflows.config.derived.generated import with_files
from workflows.config.derived.given import signal_curves, spectrum_edges
from workflows.config.derived.histogram_data import HistogramData, histogram_data
from workflows.config.derived.hypotheses import region_signal
from workflows.config.derived.method import fit_method
from workflows.config.derived.model import chosen_model
from workflows.config.derived.shifts import check_shifts, shifts_of
from workflows.config.derived.simulated import injected_at, injected_into, signal_parameters, simulation_plans
from workflows.config.derived.weighting import corrections_of
from workflows.config.records import (
    About,
    ControlSetup,
    InjectedSignal,
    OptimiseSetup,
    OwnFiles,
    ReadingSetup,
    ReportSetup,
    ResolvedAnalysis,
    ScanSetup,
    SearchedMasses,
    SpectraSetup,
)
from workflows.config.regions import AnalysedRegion, RegionSignal, signal_name
from workflows.config.searches import Registry, find_search, registry_of
from workflows.config.sections.analysis import Analysis, Ntuples
from workflows.config.sections.cuts import check_cuts, with_cuts
from workflows.config.sections.fit import SearchSection
from workflows.config.tasks import fit_tasks
from workflows.reading.plan import RegionPlan
from workflows.reading.run_list import RunList, read_run_list

__all__ = ["resolve"]


def resolve(sections: Analysis, path: Path) -> ResolvedAnalysis:
    """Return an analysis as records.

    Parameters
    ----------
    sections
        What the YAML says.
    path
        The YAML, to whose folder other files are relative.

    Raises
    ------
    ValueError
        If it cannot be made: names the key, the value and the way out.
    ConfigError
        If a file of Python that it names cannot be used.
    """
    loaded = find_search(sections.channel, path.parent)
    search = loaded.search
    chosen = chosen_model(sections.model, search, path.parent)
    registry = with_files(registry_of(loaded), sections, path.parent)
    check_names(sections, search, registry)
    beams, detector = _beams(sections), _detector(sections)
    curves = signal_curves(sections.signal, path.parent)
    histogram = histogram_data(sections, path.parent)
    regions = _regions(sections, search, beams, registry, curves, histogram)
    check_regions(sections, search, regions, beams, registry)
    check_shifts(shifts_of(sections), regions)
    sources = _sources(sections)
    templates = () if sections.fit.method == "smooth" else sections.fit.templates or tuple(sections.backgrounds)
    check_sources(sections, sources, templates)
    good_runs = _good_runs(sections, path.parent)
    luminosity = _luminosity(sections, good_runs)
    model = chosen.model
    if luminosity is None or (curves and sections.signal.efficiency is None):
        model = None  # no cross section of the production to compare with
    about = _about(sections, search, model, beams, luminosity)
    if histogram is not None and histogram.weights is not None:
        about = replace(about, weights=histogram.weights_by_mass(regions[0].axis))
    optimisation = _optimisation(sections, search, regions)
    reading = ReadingSetup(
        path=path,
        beams=beams,
        regions=regions,
        names=_names(sections, search),
        rule=_candidate_rule(sections.ntuples),
        key=_row_key(sections.ntuples, search),
        constants=_constants(sections, search),
        corrections=corrections_of(sections, regions, path),
        good_runs=good_runs,
        truth=sections.signal.truth,
        blinded=about.blinded and sections.blinding == "full",
        keep_events=optimisation is not None,
        keep_values=sections.fit.unbinned,
    )
    tested = fit_method(sections.fit, search, regions, path.parent)
    scan = _scan(sections, about, regions, sources, templates, tested.method)
    check_engine(sections, sources, scan.method.background)
    return ResolvedAnalysis(
        path=path,
        sections=sections,
        own=OwnFiles(
            search=loaded.code,
            generators=registry.code,
            events=tuple(file for files in registry.files.values() for file in files.paths),
            model=chosen.code,
            background=tested.code,
            corrections=tuple(path.parent / correction.file for correction in sections.corrections.values()),
        ),
        about=about,
        regions=regions,
        simulation=simulation_plans(sections, search, regions, beams, detector, registry, luminosity=luminosity),
        reading=reading,
        optimisation=optimisation,
        spectra=replace(
            _spectra(sections, search, regions, model, luminosity, registry),
            histogram=histogram,
            blinded=reading.blinded,
        ),
        scan=scan,
        control=ControlSetup(
            path=path,
            factors=sections.control,
            applied=sections.factors,
            luminosity=luminosity,
            luminosity_uncertainty=sections.data.normalisation_uncertainty,
            uncertainties=scan.uncertainties,
            drawn=not sections.data.has_rows,
        ),
        report=ReportSetup(
            about=about,
            regions=regions,
            fits=scan.fits,
            points=scan.points,
            excluded=scan.masses.excluded,
            processes=_processes(sections),
            uncertainties=scan.uncertainties,
            luminosity_uncertainty=sections.data.normalisation_uncertainty,
            sources=sources,
            merit=None if optimisation is None else optimisation.settings.figure_of_merit,
        ),
    )


def _names(sections: Analysis, search: Search) -> dict[str, str]:
    """Return the name of the branch of each variable that has another one: that of a spectrum is the column."""
    column = sections.data.column
    return sections.ntuples.names | ({} if column is None or search.column is None else {search.column: column})


def _row_key(ntuples: Ntuples, search: Search) -> RowKey:
    """Return what tells rows apart: in a search of one column each of them is an event unless the YAML says a key."""
    alone = search.column is not None and "key" not in ntuples.model_fields_set
    return RowKey(event=(FILE, ENTRY)) if alone else ntuples.row_key


def _constants(sections: Analysis, search: Search) -> dict[str, float]:
    """Return what is assumed of files that do not have it: in a search of one column, that each row counts once."""
    rows = search.column is not None and bool(sections.data.files or sections.samples)
    return ({CANDIDATE: 0.0, "__weight__": 1.0} if rows else {}) | sections.ntuples.constants


def _processes(sections: Analysis) -> dict[str, str]:
    """Return the process of each sample by its name, which is that of the process unless something else is said."""
    simulated = {name: sample.simulate for name, sample in sections.backgrounds.items()}
    return {name: (made.process if made is not None else None) or name for name, made in simulated.items()}


def _beams(sections: Analysis) -> Beams:
    """Return the beams."""
    return BEAMS[sections.beams] if isinstance(sections.beams, str) else Beams(**sections.beams.model_dump())


def _detector(sections: Analysis) -> Detector:
    """Return the detector.

    Raises
    ------
    ValueError
        If a parameter of it makes no sense.
    """
    if isinstance(sections.detector, str):
        return DETECTORS[sections.detector]
    try:
        return preset(**{"name" if key == "preset" else key: value for key, value in sections.detector.items()})
    except (InputError, TypeError) as error:
        msg = f"detector: {error}"
        raise ValueError(msg) from None


def _regions(
    sections: Analysis,
    search: Search,
    beams: Beams,
    registry: Registry,
    curves: Mapping[str, LoadedCurve],
    histogram: HistogramData | None,
) -> tuple[AnalysedRegion, ...]:
    """Return the regions that are looked at, in the order of the search, with the cuts of the YAML."""
    named = sections.regions or tuple(region.name for region in search.signal_regions)
    looked_at = [region for region in search.regions if region.name in named]
    check_cuts(sections.cuts, {region.name: region.selection(beams) for region in looked_at})
    looked_at = [with_cuts(region, sections.cuts, beams) for region in looked_at]
    if histogram is not None and len(looked_at) > 1:
        msg = (
            f"data.histogram: is that of one region; name it under 'regions', of {', '.join(r.name for r in looked_at)}"
        )
        raise ValueError(msg)
    several, edges = len(looked_at) > 1, None if histogram is None else histogram.edges
    return tuple(_region(sections, search, r, beams, registry, curves, edges, several=several) for r in looked_at)


def _region(
    sections: Analysis,
    search: Search,
    region: Region,
    beams: Beams,
    registry: Registry,
    curves: Mapping[str, LoadedCurve],
    edges: NDArray[np.float64] | None,
    *,
    several: bool,
) -> AnalysedRegion:
    """Return a region with what the YAML says of it."""
    selection = region.selection(beams)
    signal = None
    if region.role == "signal":
        signal = region_signal(sections, search, region, selection, registry, curves)
    names = selection.names
    slices = sections.fit.slices if signal is not None else None
    veto = () if signal is None else signal.veto
    ranked = (*(axis.name for axis in search.candidates), *search.features) if veto else ()
    tree = sections.ntuples.tree
    return AnalysedRegion(
        definition=region,
        plan=RegionPlan.of(
            region,
            beams,
            edges=edges if edges is not None else _edges(sections, region, selection, signal),
            keep=tuple(dict.fromkeys([*(axis.name for axis in veto), *(name for name in ranked if name in names)])),
            cut_on=tuple(dict.fromkeys(axis.name for axis in veto)),
            slices=None if slices is None else (slices.observable, np.array(slices.edges)),
            shifts=shifts_of(sections),
        ),
        tree=tree if isinstance(tree, str) else tree.get(region.name, "events"),
        suffix=f"_{region.name}" if several else "",
        signal=signal,
    )


def _edges(
    sections: Analysis, region: Region, selection: Selection, signal: RegionSignal | None
) -> NDArray[np.float64] | None:
    """Return the bin edges of the spectrum of a region; None for those that it has by itself, as a count does."""
    if selection.counts:
        return None
    given = None if signal is None else signal.given
    return spectrum_edges(
        sections.spectrum,
        given if isinstance(given, GivenSignal) else None,
        own=None if region.binning is None else region.binning.edges,
        half_width=sections.fit.window or FIT_WINDOW,
    )


def _sources(sections: Analysis) -> tuple[Source, ...]:
    """Return all sources of uncertainty but the normalisations of the samples."""
    found = []
    if sections.signal.uncertainty > 0:
        found.append(Source(name="efficiency", efficiency=sections.signal.uncertainty))
    if sections.data.luminosity_uncertainty > 0:
        found.append(Source(name="luminosity", efficiency=sections.data.luminosity_uncertainty))
    if sections.data.parents_uncertainty > 0:
        found.append(Source(name="parents", efficiency=sections.data.parents_uncertainty))
    found.extend(section.source(name) for name, section in sections.systematics.items() if not section.measured)
    return tuple(found)


def _candidate_rule(ntuples: Ntuples) -> CandidateRule:
    """Return the rule for events with several candidates."""
    rule = ntuples.candidates
    if isinstance(rule, str):
        return ALL if rule == "all" else REJECT
    return CandidateRule(best=rule.variable, largest=rule.best == "highest")


def _good_runs(sections: Analysis, folder: Path) -> RunList | None:
    """Return the good runs of the data.

    Raises
    ------
    ValueError
        If their file cannot be used.
    """
    if sections.data.good_runs is None:
        return None
    try:
        return read_run_list(folder / sections.data.good_runs)
    except ConfigError as error:
        msg = f"data.good_runs: {error}"
        raise ValueError(msg) from None


def _luminosity(sections: Analysis, good_runs: RunList | None) -> float | None:
    """Return the luminosity of the data [fb^-1]: as the YAML says it, or the sum over the good runs, or None.

    Where decays of a number of parents are searched, it is that number.

    Raises
    ------
    ValueError
        If both say it, or a list of good runs does not.
    """
    if sections.data.parents is not None:
        return sections.data.parents
    said, listed = sections.data.luminosity, None if good_runs is None else good_runs.luminosity
    if said is not None and listed is not None:
        msg = f"data.luminosity: {said:g} fb^-1, but data.good_runs has luminosities too, {listed:g} fb^-1; remove one"
        raise ValueError(msg)
    if said is None and listed is None and good_runs is not None:
        msg = "data.good_runs: the list has no luminosities; add the column, or give data.luminosity [fb^-1]"
        raise ValueError(msg)
    return said if listed is None else listed


def _about(sections: Analysis, search: Search, model: Model | None, beams: Beams, luminosity: float | None) -> About:
    """Return what is searched for in which data."""
    data = sections.data
    return About(
        search=search,
        model=model,
        sqrt_s=beams.sqrt_s,
        luminosity=luminosity,
        parents=data.parents is not None,
        weights=None,
        absolute=model is not None or sections.signal.efficiency is not None,
        pseudo=data.is_pseudo,
        blinded=not (sections.unblind or data.is_pseudo),
        injected=tuple(
            injection.mass
            for injection in (() if data.simulate is None else data.simulate.inject)
            if injection.mass != NO_MASS
        ),
        seed=sections.seed,
    )


def _optimisation(sections: Analysis, search: Search, regions: tuple[AnalysedRegion, ...]) -> OptimiseSetup | None:
    """Return how cuts are chosen; None where there are no bounds to try."""
    if sections.optimise is None or not any(region.signal is not None and region.signal.veto for region in regions):
        return None
    return OptimiseSetup(
        regions=regions,
        settings=sections.optimise,
        cl=sections.fit.cl,
        candidates=search.candidates,
        features=search.features,
        seed=sections.seed,
    )


def _spectra(
    sections: Analysis,
    search: Search,
    regions: tuple[AnalysedRegion, ...],
    model: Model | None,
    luminosity: float | None,
    registry: Registry,
) -> SpectraSetup:
    """Return what is made of the selected spectra."""
    return SpectraSetup(
        regions=regions,
        luminosity=luminosity,
        smooth={name: sample.smooth for name, sample in sections.samples.items() if sample.smooth is not None},
        alternatives=sections.alternatives,
        drawn=sections.data.drawn_from_expectation,
        asimov=sections.data.asimov,
        histogram=None,
        blinded=False,
        values=sections.fit.unbinned,
        injected=_injected(sections, search, regions, registry, power=2.0 if model is None else model.power),
        seed=sections.seed,
    )


def _injected(
    sections: Analysis, search: Search, regions: Sequence[AnalysedRegion], registry: Registry, *, power: float
) -> tuple[InjectedSignal, ...]:
    """Return the signals in data that are drawn from the expectation; none where events are drawn."""
    data, found = sections.data, []
    for injection in data.simulate.inject if data.simulate is not None and data.drawn_from_expectation else ():
        for region, process in injected_into(injection, regions, registry):
            at = injected_at(injection, search)
            made = process.complete(signal_parameters(sections.signal, search, injection.mass, at))
            strength = (injection.coupling / float(made["coupling"])) ** power * process.branching_ratio(made)
            sample = signal_name(process, injection.mass, at)
            found.append(InjectedSignal(region=region.name, sample=sample, strength=strength))
    return tuple(found)


def _scan(
    sections: Analysis,
    about: About,
    regions: Sequence[AnalysedRegion],
    sources: tuple[Source, ...],
    templates: tuple[str, ...],
    method: Method,
) -> ScanSetup:
    """Return how hypotheses are tested."""
    fit = sections.fit
    return ScanSetup(
        fits=fit_tasks(regions),
        masses=_searched(sections.search, about.search),
        band=fit.band,
        points=tuple(dict.fromkeys(sheet.at for r in regions if r.signal is not None for sheet in r.signal.sheets)),
        method=method,
        limits=LimitSettings(method=fit.limit, cl=fit.cl, prior=fit.prior, n_toys=fit.toys),
        significance=SignificanceSettings(method=fit.significance, n_toys=fit.toys),
        engine=fit.engine,
        templates=templates,
        multiplied=() if fit.background is None else fit.background.times,
        uncertainties={name: sample.uncertainty for name, sample in sections.backgrounds.items()},
        sources=sources,
        blinded=about.blinded,
        sidebands=about.blinded and sections.blinding == "sidebands",
        seed=sections.seed,
    )


def _searched(section: SearchSection | None, search: Search) -> SearchedMasses:
    """Return the hypotheses: a range of masses, one mass, or none."""
    if section is None or section.mass is not None:
        only = NO_MASS if section is None or section.mass is None else section.mass
        between = section is not None and section.between
        return SearchedMasses(low=only, high=only, step=1.0, excluded=(), between=between)
    excluded = section.exclude
    if excluded == "auto":
        excluded = tuple((known.low, known.high) for known in search.excluded)
    return SearchedMasses(
        low=section.low, high=section.high, step=section.step, excluded=excluded, between=section.between
    )
