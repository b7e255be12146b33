"""What a YAML must say beyond the types of its keys: names that exist, masses that can be made, spectra wide enough.

Each check raises a `ValueError` that names the key, the value and the way out; `workflows.config.file` adds the line.

================ ===========================================================================
check_names      every name stands for something: before anything is worked out
check_regions    masses, spectra, samples and pseudo-data go with the regions
check_sources    uncertainties have names of their own, and the fit can use them
check_engine     the engine is installed, and can do the fit
================ ===========================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bumphunt.cuts.classifier import require
from bumphunt.engines.zfit import require as require_zfit
from bumphunt.errors import InputError, unknown_name
from bumphunt.kinematics.momenta import BEAMS, Beams
from bumphunt.models.background import Background, BackgroundFunction
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.processes.process import Process, Value
from bumphunt.scanning.sources import (
    OF_CHANNELS,
    OF_SAMPLES,
    SIGNAL_STATISTICS,
    TEMPLATE_STATISTICS,
    UNCOUNTED,
    Source,
    checked_sources,
    norm_source,
)
from selections.search import Search
from workflows.config.coordinates import words
from workflows.config.derived.simulated import injected_at, injected_into, injected_parameters, signal_parameters
from workflows.config.regions import AnalysedRegion, signal_samples
from workflows.config.searches import Registry
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.corrections import factors_on, product
from workflows.config.sections.fit import Fit
from workflows.config.sections.samples import DATA, SIGNAL, Injection
from workflows.simulation.hepmc import HEPMC

__all__ = ["check_engine", "check_names", "check_regions", "check_sources"]

MARGIN = 1.0
"""How far a spectrum of squared masses must reach beyond those searched [GeV^2]: some resolutions."""


def check_names(sections: Analysis, search: Search, registry: Registry) -> None:
    """Raise a `ValueError` for a name that stands for nothing."""
    if isinstance(sections.beams, str) and sections.beams not in BEAMS:
        raise ValueError(unknown_name("beams =", sections.beams, BEAMS))
    if isinstance(sections.detector, str):
        if sections.detector not in DETECTORS:
            raise ValueError(unknown_name("detector =", sections.detector, DETECTORS))
    elif (name := sections.detector.get("preset")) not in DETECTORS:
        raise ValueError(unknown_name("detector.preset =", str(name), DETECTORS))
    _check_region_names(sections, search)
    _check_bounds(sections, search)
    _check_signals(sections, registry)
    _check_data_alone(sections, search)
    _check_coordinates(sections, search)
    _check_corrections(sections, search)
    _check_controls(sections, search)
    times = () if sections.fit.background is None else sections.fit.background.times
    for key, names in (("fit.templates", sections.fit.templates), ("fit.background.times", times)):
        for name in names:
            if name not in sections.backgrounds:
                raise ValueError(unknown_name(f"{key}: sample", name, sections.backgrounds))
    _check_alternatives(sections)


def _check_alternatives(sections: Analysis) -> None:
    """Raise for an alternative to a sample that there is not, or a source that is the difference to no alternative."""
    for name, sample in sections.samples.items():
        if sample.alternative is not None and sample.alternative not in sections.backgrounds:
            known = sections.backgrounds
            raise ValueError(unknown_name(f"samples.{name}.alternative: sample", sample.alternative, known))
    known_alternatives = [name for name in sections.samples if name not in sections.backgrounds]
    for source, name in sections.alternatives.items():
        if name in sections.backgrounds:
            msg = (
                f"systematics.{source}.sample: {name!r} is part of the expectation; say what it is another simulation"
                f" of: samples: {{{name}: {{alternative: ...}}}}"
            )
            raise ValueError(msg)
        if name not in known_alternatives:
            raise ValueError(unknown_name(f"systematics.{source}.sample: alternative", name, known_alternatives))


def _check_region_names(sections: Analysis, search: Search) -> None:
    """Raise for a region that the search does not have, or if no peak is fitted in any."""
    known = {region.name: region for region in search.regions}
    named = {
        "regions": sections.regions,
        "ntuples.tree": () if isinstance(sections.ntuples.tree, str) else tuple(sections.ntuples.tree),
        "data.files": () if isinstance(sections.data.files, tuple) else tuple(sections.data.files),
    }
    for name, sample in sections.samples.items():
        named[f"samples.{name}.regions"] = sample.regions
        named[f"samples.{name}.files"] = () if isinstance(sample.files, tuple) else tuple(sample.files)
    for key, names in named.items():
        for name in names:
            if name not in known:
                raise ValueError(unknown_name(f"{key}: region", name, known))
    fitted = [r.name for r in search.signal_regions if not sections.regions or r.name in sections.regions]
    if not fitted:
        msg = f"regions: {', '.join(sections.regions)} are control samples; name one in which a peak is fitted"
        raise ValueError(msg)
    if search.alternatives and len(fitted) > 1:
        msg = (
            f"regions: {', '.join(fitted)} are those of different experiments; name one, such as regions: [{fitted[0]}]"
        )
        raise ValueError(msg)
    if sections.fit.limit == "feldman-cousins" and len(fitted) > 1:
        msg = (
            f"fit.limit: feldman-cousins is for one count, and {', '.join(fitted)} are fitted together; name one, such"
            f" as regions: [{fitted[0]}], or want limit: auto"
        )
        raise ValueError(msg)


def _check_bounds(sections: Analysis, search: Search) -> None:
    """Raise for an observable to cut on that neither the YAML nor the search has bounds for."""
    if sections.optimise is None:
        return
    if sections.optimise.classifier:
        try:
            require()
        except InputError as error:
            msg = f"optimise.classifier: {error}"
            raise ValueError(msg) from None
        if not search.features:
            msg = f"optimise.classifier: the search {search.name!r} names no features to learn from"
            raise ValueError(msg)
    for name, several in sections.optimise.variables.items():
        sides = [bounds.axis(name, (*search.candidates, *search.veto)).side for bounds in several]
        if not sides or len(set(sides)) < len(sides):
            msg = f"optimise.variables.{name}: bounds {', '.join(sides) or 'on no side'}; give one for a side"
            raise ValueError(msg)


def _check_signals(sections: Analysis, registry: Registry) -> None:
    """Raise for the process of a signal that is none."""
    named = {f"{key}.process =": injection.process for key, injection in _injections(sections)}
    if sections.signal.simulate is not None:
        named["signal.simulate.process ="] = sections.signal.simulate.process
    for key, wanted in named.items():
        if wanted not in (None, *(() if "inject" in key else (HEPMC,)), *registry.known(signal=True)):
            raise ValueError(unknown_name(key, str(wanted), registry.known(signal=True)))


def _check_coordinates(sections: Analysis, search: Search) -> None:
    """Raise for coordinates of the signal that are not those of the search."""
    has, wanted = sections.signal.coordinates, {coordinate.name: coordinate for coordinate in search.coordinates}
    key = "signal.points" if sections.signal.simulate is None else "signal.simulate"
    for name in has:
        if not wanted:
            msg = f"{key}.coordinates.{name}: the hypotheses of {search.name!r} have no coordinate but their mass"
            raise ValueError(msg)
        if name not in wanted:
            raise ValueError(unknown_name(f"{key}.coordinates: coordinate", name, wanted))
    for name, coordinate in wanted.items():
        if name not in has:
            unit = f" [{coordinate.unit}]" if coordinate.unit else ""
            msg = f"{key}.coordinates: say {name}{unit}, {coordinate.meaning}, which the hypotheses of this search have"
            raise ValueError(msg)


def _check_data_alone(sections: Analysis, search: Search) -> None:
    """Raise for what cannot be without samples, luminosity, or the column of a spectrum."""
    data, signal, fit = sections.data, sections.signal, sections.fit
    if data.luminosity is None and data.good_runs is None and data.parents is None:
        if sections.samples:
            name = next(iter(sections.samples))
            msg = f"data.luminosity: say it [fb^-1]; the sample {name!r} is brought to the luminosity of the data"
            raise ValueError(msg)
        if signal.simulate is not None:
            msg = "data.luminosity: say it [fb^-1], which is that of what is simulated too"
            raise ValueError(msg)
    for name, sample in sections.samples.items():
        if sample.of_parents != (data.parents is not None):
            wanted = "parents, or branching_fraction and generated" if data.parents else "luminosity, or cross_section"
            of = "a number of parents" if data.parents else "a luminosity"
            msg = f"samples.{name}: the data have {of}, so say {wanted}, of files"
            raise ValueError(msg)
    if data.drawn_from_expectation and not sections.samples:
        key = "asimov" if data.asimov else "simulate"
        msg = f"data.{key}: what is expected is the sum of samples, and there are none; give them, or data"
        raise ValueError(msg)
    if not sections.samples and sections.fit.method != "smooth":
        msg = f"samples: fit.method {sections.fit.method!r} has its backgrounds from them; give one, or method: smooth"
        raise ValueError(msg)
    if data.column is not None and search.column is None:
        msg = f"data.column: the search {search.name!r} has its own columns; see 'ntuples.names', or channel: spectrum"
        raise ValueError(msg)
    named = data.column is not None or search.column in sections.ntuples.names
    if data.files and search.column is not None and not named:
        msg = f"data.column: say which branch or column of the files is the mass [GeV], which {search.name!r} scans"
        raise ValueError(msg)
    if signal.resolution is not None and search.coordinates:
        msg = f"signal.resolution: the hypotheses of {search.name!r} have more than a mass; give 'points' or 'simulate'"
        raise ValueError(msg)
    if sections.blinding == "sidebands" and sections.fit.method != "smooth":
        msg = f"blinding: sidebands say what a smooth background is, and fit.method is {sections.fit.method!r}"
        raise ValueError(msg)
    if sections.blinding == "sidebands" and fit.background is not None and fit.background.function is not None:
        msg = "blinding: sidebands are fitted with a family of fit.background, not with a function"
        raise ValueError(msg)
    if sections.blinding == "sidebands" and fit.peaks:
        msg = "blinding: sidebands are fitted without known resonances: leave out fit.peaks, and exclude their masses"
        raise ValueError(msg)
    if sections.blinding == "sidebands" and (sections.unblind or data.is_pseudo):
        what = "unblind: true" if sections.unblind else "pseudo-data"
        msg = f"blinding: sidebands and {what} exclude each other: remove one"
        raise ValueError(msg)
    if sections.model is not None:
        for key, missing in (
            ("data.luminosity", data.luminosity is None and data.good_runs is None and data.parents is None),
            ("signal.efficiency", signal.resolution is not None and signal.efficiency is None),
        ):
            if missing:
                msg = f"{key}: say it; the coupling of 'model' follows from a cross section"
                raise ValueError(msg)


def _injections(sections: Analysis) -> Iterator[tuple[str, Injection]]:
    """Yield the signals that are put into pseudo-data, each with its key."""
    if sections.data.simulate is not None:
        for i, injection in enumerate(sections.data.simulate.inject):
            yield f"data.simulate.inject[{i}]", injection


def _check_corrections(sections: Analysis, search: Search) -> None:
    """Raise for a correction or factor of a sample or region that there is not, or with the name of another."""
    samples, regions = [*sections.backgrounds, SIGNAL], [region.name for region in search.regions]
    named = {
        f"corrections.{name}": (section.samples, section.regions) for name, section in sections.corrections.items()
    }
    named |= {f"factors.{name}": (factor.samples, factor.regions) for name, factor in sections.factors.items()}
    named |= {f"systematics.{name}": (source.samples, ()) for name, source in sections.systematics.items()}
    for key, (some_samples, some_regions) in named.items():
        for sample in some_samples:
            if sample not in samples:
                raise ValueError(unknown_name(f"{key}.samples: sample", sample, samples))
        for region in some_regions:
            if region not in regions:
                raise ValueError(unknown_name(f"{key}.regions: region", region, regions))
    for name in sections.factors:
        if name in sections.corrections:
            msg = f"factors: the name {name!r} stands under corrections too; names must be unique"
            raise ValueError(msg)


def _check_controls(sections: Analysis, search: Search) -> None:
    """Raise for a control sample that is none, or of a sample that there is not."""
    looked_at = [r.name for r in search.regions if r.name in sections.regions] or [
        r.name for r in search.signal_regions
    ]
    for name, control in sections.control.items():
        if control.region not in looked_at:
            raise ValueError(unknown_name(f"control.{name}.region =", control.region, looked_at) + "; see 'regions'")
        if search.region(control.region).role == "signal":
            controls = [region.name for region in search.regions if region.role == "control"]
            msg = (
                f"control.{name}.region = {control.region!r}: a peak is searched there; want a control sample:"
                f" {', '.join(controls) or 'the search has none'}"
            )
            raise ValueError(msg)
        for sample in control.samples:
            if sample not in sections.backgrounds:
                raise ValueError(unknown_name(f"control.{name}.samples: sample", sample, sections.backgrounds))


def check_regions(
    sections: Analysis, search: Search, regions: Sequence[AnalysedRegion], beams: Beams, registry: Registry
) -> None:
    """Raise a `ValueError` if masses, spectra, samples or pseudo-data do not go with the regions."""
    for region in regions:
        _check_observables(sections, region)
        _check_constants(sections, region)
    for region in regions:
        _check_signal(sections, search, region, beams)
    _check_masses(sections, regions)
    for key, injection in _injections(sections):
        _check_injection(sections, search, key, injection, injected_into(injection, regions, registry), beams)
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
    high = min(sections.search.high, seen[1] if seen else sections.search.high)
    simulated = [("signal masses", mass, sheet.at) for sheet in sheets for mass in sheet.masses]
    for key, mass, at in (("search.high", high, sheets[0].at), *simulated):
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
        needless = smooth and region.signal is not None
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


def check_sources(sections: Analysis, sources: Sequence[Source], templates: Sequence[str]) -> None:
    """Raise a `ValueError` for a source of uncertainty whose name is taken, or that the fit cannot use.

    Parameters
    ----------
    sections
        What the YAML says.
    sources
        The sources that it gives.
    templates
        Samples that are templates of the fit.
    """
    there = {source.name for source in sources} - set(sections.systematics)
    for key, names in (("corrections", sections.corrections), ("factors", sections.factors)):
        for name in names:
            if name in there or _is_taken(sections, name):
                msg = f"{key}: the name {name!r} is taken by an uncertainty that is there without it"
                raise ValueError(msg)
    checked_sources(sources, templates)
    for name, section in sections.systematics.items():
        if _is_taken(sections, name) or name in (*sections.corrections, *sections.factors):
            msg = f"systematics: the name {name!r} is taken by an uncertainty that is there without it"
            raise ValueError(msg)
        uncounted = [] if section.measured else [what for what in section.source(name).moves if what in UNCOUNTED]
        if sections.fit.method == "counting" and uncounted:
            msg = f"systematics.{name}: a count cannot use a {uncounted[0]}; want fit.method: templates"
            raise ValueError(msg)


def _is_taken(sections: Analysis, name: str) -> bool:
    """Return whether a name is, or may be, that of an uncertainty that is there without the YAML."""
    taken = {SIGNAL_STATISTICS, TEMPLATE_STATISTICS, *(norm_source(sample) for sample in sections.samples)}
    return name in taken or name.startswith(("mc_", f"{SIGNAL_STATISTICS}_")) or "[" in name


def check_engine(sections: Analysis, sources: Sequence[Source], background: Background | None) -> None:
    """Raise a `ValueError` if the engine is not installed or cannot do the fit, or there are no values to fit.

    Parameters
    ----------
    sections
        What the YAML says.
    sources
        The sources of uncertainty.
    background
        The smooth background; None for none.
    """
    fit = sections.fit
    if fit.unbinned and sections.data.drawn_from_expectation:
        msg = (
            "fit.unbinned: 'draw_from: expectation' draws a number in each bin, so that there are no values to fit;"
            " draw from events, or fit in bins"
        )
        raise ValueError(msg)
    if fit.unbinned and fit.background is not None and fit.background.times:
        msg = "fit.unbinned: 'background.times' multiplies events in bins, which are no density; leave one of them out"
        raise ValueError(msg)
    if fit.engine == "newton" and isinstance(background, BackgroundFunction):
        msg = "fit.engine = 'newton': it is compiled, and 'background.function' is Python; want auto or minuit"
        raise ValueError(msg)
    if fit.engine == "zfit":
        try:
            require_zfit()
        except InputError as error:
            msg = f"fit.engine = 'zfit': {error}"
            raise ValueError(msg) from None
    if fit.engine == "linear":
        for why in _not_linear(fit, sources, background):
            msg = f"fit.engine = 'linear': {why}, and is not linear in its parameters; want auto or newton"
            raise ValueError(msg)


def _not_linear(fit: Fit, sources: Sequence[Source], background: Background | None) -> Iterator[str]:
    """Yield what the linear engine cannot fit, beyond yields that are uncertain."""
    if fit.method == "templates":
        yield "method: templates multiplies simulated events with uncertain yields"
    if isinstance(background, BackgroundFunction):
        yield "the background is a function of Python"
    elif background is not None and not background.linear:
        yield f"the background {background.family!r} has its coefficients in an exponent"
    if fit.background is not None and fit.background.times:
        yield "the background multiplies samples"
    if fit.peaks:
        yield "peaks: known resonances have positions that are uncertain"
    if fit.unbinned:
        yield "unbinned: true has the yield of the signal as a parameter beside its uncertainty"
    if fit.limit == "bayesian":
        yield "limit: bayesian integrates over the yield of the signal and its uncertainty"
    for source in sources:
        if moved := sorted(set(source.moves) - OF_CHANNELS - OF_SAMPLES):
            yield f"systematics.{source.name}.{moved[0]} moves the shape of the peak"
