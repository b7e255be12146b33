"""Masses, spectra, samples and pseudo-data go with the regions of the search."""

from __future__ import annotations

from collections.abc import Sequence

from bumphunt.errors import InputError, unknown_name
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.processes.process import Process, Value
from selections.search import Search
from workflows.config.coordinates import words
from workflows.config.derived.simulated import (
    injected_at,
    injected_into,
    injected_parameters,
    injections,
    signal_parameters,
)
from workflows.config.regions import AnalysedRegion, signal_samples
from workflows.config.searches import Registry
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.corrections import factors_on, product
from workflows.config.sections.samples import DATA, SIGNAL, Injection

__all__ = ["check_regions"]

MARGIN = 1.0
"""How far a spectrum of squared masses must reach beyond those searched [GeV^2]: some resolutions."""


def check_regions(
    sections: Analysis, search: Search, regions: Sequence[AnalysedRegion], beams: Beams, registry: Registry
) -> None:
    """Raise a `ValueError` if masses, spectra, samples or pseudo-data do not go with the regions."""
    _check_without_samples(sections, regions)
    _check_all_candidates(sections, regions)
    if "band" in sections.fit.model_fields_set and not any(region.definition.axes for region in regions):
        msg = f"fit.band: no spectrum of {search.name!r} has a second axis, of which it could be a band: leave it out"
        raise ValueError(msg)
    for region in regions:
        _check_observables(sections, region)
        _check_constants(sections, region)
    for region in regions:
        _check_signal(sections, search, region, beams)
    _check_masses(sections, regions)
    for key, injection in injections(sections):
        _check_injection(sections, search, key, injection, injected_into(injection, regions, registry), beams)
    if len({region.counts for region in regions if region.signal is not None}) > 1:
        counted = ", ".join(region.name for region in regions if region.counts)
        msg = (
            f"regions: {counted} count events, the others have spectra: the two are not fitted together; name one kind"
        )
        raise ValueError(msg)
    for region in regions:
        _check_spectrum(region)
    _check_samples(sections, regions, beams, registry)
    _check_factors_of_pseudodata(sections, regions)
    if sections.data.simulate is None:
        return
    if sections.data.drawn_from_expectation:
        if sections.data.simulate.inject and sections.signal.simulate is None:
            msg = "data.simulate.inject: the coupling of a signal that is not simulated here is not known; leave it out"
            raise ValueError(msg)
    elif any(s.simulate is None for s in sections.backgrounds.values()):
        msg = (
            "data.simulate: pseudo-data are drawn from simulated backgrounds, so every sample needs 'simulate'; from"
            " samples on files, say draw_from: expectation"
        )
        raise ValueError(msg)


def _check_all_candidates(sections: Analysis, regions: Sequence[AnalysedRegion]) -> None:
    """Raise for what does not know which entries are of one event."""
    if sections.ntuples.candidates != "all":
        return
    cut = any(region.signal is not None and region.signal.veto for region in regions)
    for key, given in (("optimise", cut), ("fit.slices", sections.fit.slices is not None)):
        if given:
            msg = (
                f"{key}: with ntuples.candidates: all several entries are of one event, which it does not know: leave"
                " it out, or keep the best candidate"
            )
            raise ValueError(msg)


def _check_without_samples(sections: Analysis, regions: Sequence[AnalysedRegion]) -> None:
    """Raise for what has its backgrounds from samples where there are none; a count may have no background."""
    data = sections.data
    if sections.samples or all(region.counts for region in regions):
        return
    if data.drawn_from_expectation:
        key = "asimov" if data.asimov else "simulate"
        msg = f"data.{key}: what is expected is the sum of samples, and there are none; give them, or data"
        raise ValueError(msg)
    if sections.fit.method != "smooth":
        msg = f"samples: fit.method {sections.fit.method!r} has its backgrounds from them; give one, or method: smooth"
        raise ValueError(msg)


def _check_observables(sections: Analysis, region: AnalysedRegion) -> None:
    """Raise for an observable that a region does not have."""
    names: dict[str, str] = {}
    if region.signal is not None:
        if sections.optimise is not None:
            names |= {f"optimise.variables.{name}": name for name in sections.optimise.variables}
        if sections.fit.slices is not None:
            names["fit.slices.observable"] = sections.fit.slices.observable
    for name, control in sections.control.items():
        if control.region == region.name and control.observable is not None:
            names[f"control.{name}.observable"] = control.observable
    known = region.plan.selection.names if names else ()
    for key, name in names.items():
        if name not in known:
            raise ValueError(unknown_name(f"{key}: observable", name, known))


def _check_constants(sections: Analysis, region: AnalysedRegion) -> None:
    """Raise for a constant in the place of lists of numbers."""
    for variable in region.plan.selection.variables:
        if variable.jagged and variable.name in sections.ntuples.constants:
            msg = f"ntuples.constants.{variable.name}: region {region.name!r} reads a list of numbers in each row"
            raise ValueError(msg)


def _check_signal(sections: Analysis, search: Search, region: AnalysedRegion, beams: Beams) -> None:
    """Raise for a region whose signal cannot be simulated at the masses of the YAML."""
    if region.signal is None:
        return
    process, sheets, seen = region.signal.process, region.signal.sheets, region.definition.mass_range
    if process is None:
        return
    simulated = [("signal masses", mass, sheet.at) for sheet in sheets for mass in sheet.masses]
    searched = simulated if sections.search is not None else []
    if sections.search is not None and sections.search.mass is None:
        high = min(sections.search.high, seen[1] if seen else sections.search.high)
        searched = [("search.high", high, sheets[0].at), *simulated]
    for key, mass, at in searched:
        if process is not None and process.mass_range is not None:
            parameters = signal_parameters(sections.signal, search, mass, at)
            lowest, highest = process.mass_range(parameters, beams.sqrt_s)
            if not lowest < mass < highest:
                msg = (
                    f"{key} = {mass} GeV is beyond the kinematic limits of {process.name},"
                    f" {lowest:.4g} to {highest:.4f} GeV"
                )
                raise ValueError(msg)
    if sections.signal.simulate is not None and process is not None:
        for _, mass, at in simulated:
            _complete("signal.simulate", process, signal_parameters(sections.signal, search, mass, at), beams)


def _check_masses(sections: Analysis, regions: Sequence[AnalysedRegion]) -> None:
    """Raise for masses that are searched beyond those that are simulated."""
    if sections.search is None:
        return
    found = {region.name: region.signal for region in regions if region.signal is not None}
    low, high = sections.search.low, sections.search.high
    if low < min(signal.low for signal in found.values()) or high > max(signal.high for signal in found.values()):
        seen = [mass for signal in found.values() for mass in signal.masses]
        msg = (
            f"search: masses {low} to {high} GeV reach beyond the simulated signal of {', '.join(found)},"
            f" {min(seen)} to {max(seen)} GeV"
        )
        raise ValueError(msg)


def _check_injection(
    sections: Analysis,
    search: Search,
    key: str,
    injection: Injection,
    seeing: Sequence[tuple[AnalysedRegion, Process]],
    beams: Beams,
) -> None:
    """Raise for a signal that cannot be put into the pseudo-data."""
    if not seeing:
        msg = f"{key}: mass = {injection.mass} GeV is in the range of no region"
        raise ValueError(msg)
    for region, process in seeing:
        _complete(key, process, injected_parameters(injection), beams)
        if not sections.data.drawn_from_expectation:
            continue
        signal, at = region.signal, injected_at(injection, search)
        made = () if signal is None else next((s.masses for s in signal.sheets if s.at == at), ())
        if signal is None or process != signal.process or injection.mass not in made:
            beside = f" and {words(at, search.coordinates)}" if at else ""
            msg = (
                f"{key}: {process.name} of {injection.mass} GeV{beside} is not among the simulated signals, which"
                " 'draw_from: expectation' injects; simulate it, or draw from events"
            )
            raise ValueError(msg)
        simulated = process.complete(signal_parameters(sections.signal, search, injection.mass, at))
        for name, value in injection.parameters.items():
            if value != simulated[name]:
                msg = (
                    f"{key}.parameters.{name} = {value}: 'draw_from: expectation' injects the simulated signal,"
                    f" which has {simulated[name]}; change signal.simulate, or draw from events"
                )
                raise ValueError(msg)


def _complete(key: str, process: Process, parameters: dict[str, Value], beams: Beams) -> None:
    """Raise, with the key of the YAML, if a process does not take these parameters."""
    try:
        process.complete(parameters, beams)
    except InputError as error:
        msg = f"{key}: {error}"
        raise ValueError(msg) from None


def _check_spectrum(region: AnalysedRegion) -> None:
    """Raise if the spectrum of a region does not contain the masses searched there."""
    if region.searched is None:
        return
    (low, high), axis, edges = region.searched, region.axis, region.edges
    margin = MARGIN if axis.kind == "squared" else 0.0
    order = (float(edges[0]), low - margin, high + margin, float(edges[-1]))
    if list(order) != sorted(order):
        beside = f" with {margin} GeV^2 on either side" if margin else ""
        msg = (
            f"spectrum: {order[0]:g} to {order[3]:g} {axis.unit} must contain the positions of the masses"
            f" searched{beside}, {order[1]:.3f} to {order[2]:.3f} {axis.unit}"
        )
        raise ValueError(msg)


def _check_samples(sections: Analysis, regions: Sequence[AnalysedRegion], beams: Beams, registry: Registry) -> None:
    """Raise for a background that cannot be simulated or has the name of another sample, or a region without any."""
    signal_names = list(dict.fromkeys(sample.name for sample in signal_samples(regions)))
    names = [DATA, *sections.samples, *signal_names]
    for name in names:
        if names.count(name) > 1:
            msg = f"samples: the name {name!r} stands for two samples ({DATA!r} and {signal_names[0]!r} are taken)"
            raise ValueError(msg)
    smooth = sections.fit.method == "smooth"
    for region in regions:
        needless = (smooth or region.counts) and region.signal is not None
        if not needless and not any(sample.fills(region.name) for sample in sections.backgrounds.values()):
            msg = f"samples: none contributes to region {region.name!r}; give one, or leave the region out of 'regions'"
            raise ValueError(msg)
    backgrounds = registry.known(signal=False)
    for name, sample in sections.samples.items():
        if sample.simulate is not None:
            process, key = sample.process_name(name), f"samples.{name}.simulate"
            if process not in backgrounds:
                raise ValueError(unknown_name(f"{key}.process =", process, backgrounds))
            _complete(key, registry.process(process), sample.simulate.parameters, beams)


def _check_factors_of_pseudodata(sections: Analysis, regions: Sequence[AnalysedRegion]) -> None:
    """Raise if the events of pseudo-data, which all regions of a candidate see, had another number in some of them."""
    if sections.data.simulate is None or sections.data.drawn_from_expectation:
        return
    for sample in (*sections.backgrounds, SIGNAL):
        seen: dict[str, tuple[str, float]] = {}
        for region in regions:
            there = region.signal is not None if sample == SIGNAL else sections.backgrounds[sample].fills(region.name)
            if not there:
                continue
            factor = product(factors_on(sections.factors, sample, region.name))
            first, other = seen.setdefault(region.definition.candidate, (region.name, factor))
            if factor != other:
                msg = (
                    f"factors: {sample!r} has {other:g} in region {first!r} and {factor:g} in {region.name!r}, which"
                    " see the same pseudo-data; give both the same 'regions', or draw from the expectation"
                )
                raise ValueError(msg)
