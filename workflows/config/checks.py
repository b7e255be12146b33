"""What a YAML must say beyond the types of its keys: names that exist, masses that can be made, spectra wide enough.

Each check raises a `ValueError` that names the key, the value and the way out; `workflows.config.file` adds the line.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from bumphunt.cuts.classifier import require
from bumphunt.errors import ConfigError, InputError, unknown_name
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.detector.detector import DETECTORS
from bumphunt.montecarlo.processes.process import Process, Value
from bumphunt.montecarlo.processes.registry import PROCESSES, find_process, signals
from bumphunt.scan.counts import TEMPLATE_STATISTICS, UNCOUNTED
from bumphunt.scan.sources import checked_sources
from bumphunt.scan.windows import SIGNAL_STATISTICS, norm_source
from selections.search import Region
from workflows.config.corrections import SIGNAL
from workflows.reading.weights import Corrections, load_corrections

if TYPE_CHECKING:
    from workflows.config.analysis import Analysis

__all__ = ["DATA", "check_analysis"]

DATA = "data"
"""Name of the data among the samples."""
MARGIN = 1.0
"""How far a spectrum of squared masses must reach beyond those searched [GeV^2]: some resolutions."""
MIN_MASSES = 4
"""Fewest simulated masses of a region: shapes and efficiency are interpolated."""


def check_analysis(config: Analysis) -> None:
    """Raise a `ValueError` for an analysis that cannot be made."""
    try:
        _ = config.search_record
        _ = config.coupling_model
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if isinstance(config.beams, str) and config.beams not in BEAMS:
        raise ValueError(unknown_name("beams =", config.beams, BEAMS))
    _check_detector(config)
    _check_regions(config)
    _check_observables(config)
    _check_own_bounds(config)
    _check_signals(config)
    _check_spectrum(config)
    _check_samples(config)
    _check_corrections(config)
    _check_sources(config)
    if config.data.simulate is not None and any(s.simulate is None for s in config.samples.values()):
        msg = "data.simulate: pseudo-data are drawn from simulated backgrounds, so every sample needs 'simulate'"
        raise ValueError(msg)


def _check_observables(config: Analysis) -> None:
    """Raise for an observable that a region does not have."""
    for region in config.region_records:
        names: dict[str, str] = {}
        if region.role == "signal":
            if config.optimise is not None:
                names |= {f"optimise.variables.{name}": name for name in config.optimise.variables}
            if config.fit.slices is not None:
                names["fit.slices.observable"] = config.fit.slices.observable
        for name, control in config.control.items():
            if control.region == region.name and control.observable is not None:
                names[f"control.{name}.observable"] = control.observable
        known = config.selection(region).names if names else ()
        for key, name in names.items():
            if name not in known:
                raise ValueError(unknown_name(f"{key}: observable", name, known))


def _check_own_bounds(config: Analysis) -> None:
    """Raise for an observable to cut on that neither the YAML nor the search has bounds for."""
    if config.optimise is not None and config.optimise.classifier:
        try:
            require()
        except InputError as error:
            msg = f"optimise.classifier: {error}"
            raise ValueError(msg) from None
        if not config.search_record.features:
            msg = f"optimise.classifier: the search {config.search_record.name!r} names no features to learn from"
            raise ValueError(msg)
    own = [axis.name for axis in (*config.search_record.candidates, *config.search_record.veto)]
    for name, bounds in config.optimise.variables.items() if config.optimise is not None else ():
        if bounds is None and name not in own:
            msg = f"optimise.variables.{name} = null: the search has bounds for {', '.join(own) or 'none'} only"
            raise ValueError(msg)


def _check_regions(config: Analysis) -> None:
    """Raise for a region that the search does not have, or if no peak is fitted in any."""
    known = {region.name: region for region in config.search_record.regions}
    named = {
        "regions": config.regions,
        "ntuples.tree": () if isinstance(config.ntuples.tree, str) else tuple(config.ntuples.tree),
        "data.files": () if isinstance(config.data.files, tuple) else tuple(config.data.files),
    }
    for name, sample in config.samples.items():
        named[f"samples.{name}.regions"] = sample.regions
        named[f"samples.{name}.files"] = () if isinstance(sample.files, tuple) else tuple(sample.files)
    for key, names in named.items():
        for name in names:
            if name not in known:
                raise ValueError(unknown_name(f"{key}: region", name, known))
    if not config.signal_regions:
        msg = f"regions: {', '.join(config.regions)} are control samples; name one in which a peak is fitted"
        raise ValueError(msg)
    if config.search_record.alternatives and len(config.signal_regions) > 1:
        both = [region.name for region in config.signal_regions]
        msg = f"regions: {', '.join(both)} are those of different experiments; name one, such as regions: [{both[0]}]"
        raise ValueError(msg)


def _check_spectrum(config: Analysis) -> None:
    """Raise if the spectra do not contain the masses searched."""
    for region in config.signal_regions:
        low, high = config.masses_of(region)
        axis, edges = config.axis(region), config.edges(region)
        margin = MARGIN if axis.kind == "squared" else 0.0
        ends = (float(edges[0]), float(axis.position(low)) - margin, float(axis.position(high)) + margin)
        order = (*ends, float(edges[-1]))
        if list(order) != sorted(order):
            beside = f" with {margin} GeV^2 on either side" if margin else ""
            msg = (
                f"spectrum: {order[0]:g} to {order[3]:g} {axis.unit} must contain the positions of the masses"
                f" searched{beside}, {order[1]:.3f} to {order[2]:.3f} {axis.unit}"
            )
            raise ValueError(msg)


def _check_samples(config: Analysis) -> None:
    """Raise for a background that cannot be simulated, or has the name of another sample."""
    signals = {config.signal_name(r, mass) for r in config.signal_regions for mass in config.signal_masses(r)}
    names = [DATA, *config.samples, *signals]
    for name in names:
        if names.count(name) > 1:
            taken = config.signal_name(config.signal_regions[0], 1.0)
            msg = f"samples: the name {name!r} stands for two samples ({DATA!r} and {taken!r} are taken)"
            raise ValueError(msg)
    for region in config.region_records:
        if not any(not sample.regions or region.name in sample.regions for sample in config.samples.values()):
            msg = f"samples: none contributes to region {region.name!r}; give one, or leave the region out of 'regions'"
            raise ValueError(msg)
    backgrounds = [name for name, process in PROCESSES.items() if not process.signal]
    for name, sample in config.samples.items():
        if sample.simulate is None:
            continue
        process, key = sample.simulate.process or name, f"samples.{name}.simulate"
        if process not in backgrounds:
            raise ValueError(unknown_name(f"{key}.process =", process, backgrounds))
        _complete(config, key, find_process(process), sample.simulate.parameters)


def _check_corrections(config: Analysis) -> None:
    """Raise for a correction or control sample that names what is not there."""
    samples, regions = [*config.samples, SIGNAL], [region.name for region in config.search_record.regions]
    named = {f"corrections.{name}": (section.samples, section.regions) for name, section in config.corrections.items()}
    named |= {f"factors.{name}": (factor.samples, factor.regions) for name, factor in config.factors.items()}
    for key, (some_samples, some_regions) in named.items():
        for sample in some_samples:
            if sample not in samples:
                raise ValueError(unknown_name(f"{key}.samples: sample", sample, samples))
        for region in some_regions:
            if region not in regions:
                raise ValueError(unknown_name(f"{key}.regions: region", region, regions))
    for name in config.factors:
        if name in config.corrections:
            msg = f"factors: the name {name!r} stands under corrections too; names must be unique"
            raise ValueError(msg)
    _check_weights(config)
    _check_factors_of_pseudodata(config)
    for name, control in config.control.items():
        known = [r.name for r in config.region_records]
        if control.region not in known:
            raise ValueError(unknown_name(f"control.{name}.region =", control.region, known) + "; see 'regions'")
        if config.search_record.region(control.region).role == "signal":
            controls = [r.name for r in config.search_record.regions if r.role == "control"]
            msg = (
                f"control.{name}.region = {control.region!r}: a peak is searched there; want a control sample:"
                f" {', '.join(controls) or 'the search has none'}"
            )
            raise ValueError(msg)
        for sample in control.samples:
            if sample not in config.samples:
                raise ValueError(unknown_name(f"control.{name}.samples: sample", sample, config.samples))


def _check_weights(config: Analysis) -> None:
    """Raise for a correction whose file cannot be used, a name that is taken, or a factor that makes no sense."""
    given = {source.name for source in config.sources} - set(config.systematics)
    for section, names in (("corrections", config.corrections), ("factors", config.factors)):
        for name in names:
            if name in given or _is_taken(config, name):
                msg = f"{section}: the name {name!r} is taken by an uncertainty that is there without it"
                raise ValueError(msg)
    made: list[tuple[str, Callable[[], object]]] = [
        *((f"corrections.{name}", partial(_loaded, config, name)) for name in config.corrections),
        *((f"factors.{name}", partial(factor.record, name)) for name, factor in config.factors.items()),
    ]
    for key, make in made:
        try:
            make()
        except (ConfigError, InputError) as error:
            msg = f"{key}: {error}"
            raise ValueError(msg) from None


def _loaded(config: Analysis, name: str) -> Corrections:
    """Return a correction with its file."""
    return load_corrections([config.corrections[name].record(name, config.path.parent)])


def _is_taken(config: Analysis, name: str) -> bool:
    """Return whether a name is, or may be, that of an uncertainty that is there without the YAML."""
    taken = {SIGNAL_STATISTICS, TEMPLATE_STATISTICS, *(norm_source(sample) for sample in config.samples)}
    return name in taken or name.startswith(("mc_", f"{SIGNAL_STATISTICS}_")) or "[" in name


def _check_factors_of_pseudodata(config: Analysis) -> None:
    """Raise if the events of pseudo-data, which all regions of a candidate see, had another number in some of them."""
    if config.data.simulate is None or config.data.drawn_from_expectation:
        return
    for sample in (*config.samples, SIGNAL):
        seen: dict[str, tuple[str, float]] = {}
        for region in config.region_records:
            wanted = config.samples[sample].regions if sample != SIGNAL else ()
            if (wanted and region.name not in wanted) or (sample == SIGNAL and region.role != "signal"):
                continue
            factor = config.factor(sample, region)
            first, other = seen.setdefault(region.candidate, (region.name, factor))
            if factor != other:
                msg = (
                    f"factors: {sample!r} has {other:g} in region {first!r} and {factor:g} in {region.name!r}, which"
                    " see the same pseudo-data; give both the same 'regions', or draw from the expectation"
                )
                raise ValueError(msg)


def _check_detector(config: Analysis) -> None:
    """Raise for a detector that does not exist, or parameters of it that make no sense."""
    if isinstance(config.detector, str):
        if config.detector not in DETECTORS:
            raise ValueError(unknown_name("detector =", config.detector, DETECTORS))
        return
    name = config.detector.get("preset")
    if not isinstance(name, str) or name not in DETECTORS:
        raise ValueError(unknown_name("detector.preset =", str(name), DETECTORS))
    try:
        _ = config.detector_record
    except (InputError, TypeError) as error:
        msg = f"detector: {error}"
        raise ValueError(msg) from None


def _check_signals(config: Analysis) -> None:
    """Raise for a signal that cannot be simulated: an unknown process or parameter, or a mass out of range."""
    named = config.signal.simulate.process if config.signal.simulate is not None else None
    if named is not None and named not in signals():
        raise ValueError(unknown_name("signal.simulate.process =", named, signals()))
    for region in config.signal_regions:
        _check_signal(config, region)
    if config.search.low < min(config.masses_of(r)[0] for r in config.signal_regions) or config.search.high > max(
        config.masses_of(r)[1] for r in config.signal_regions
    ):
        seen = [mass for region in config.signal_regions for mass in config.signal_masses(region)]
        msg = (
            f"search: masses {config.search.low} to {config.search.high} GeV reach beyond the simulated signal of"
            f" {', '.join(region.name for region in config.signal_regions)}, {min(seen)} to {max(seen)} GeV"
        )
        raise ValueError(msg)
    for i, injected in enumerate(config.data.simulate.inject if config.data.simulate is not None else ()):
        key = f"data.simulate.inject[{i}]"
        names = {injected.process} if injected.process else {config.process_of(r).name for r in config.signal_regions}
        for name in names:
            if name not in signals():
                raise ValueError(unknown_name(f"{key}.process =", name, signals()))
        if not config.injected(injected):
            msg = f"{key}: mass = {injected.mass} GeV is in the range of no region"
            raise ValueError(msg)
        for region, process in config.injected(injected):
            drawn = config.data.drawn_from_expectation
            if drawn and (process != config.process_of(region) or injected.mass not in config.signal_masses(region)):
                msg = (
                    f"{key}: {process.name} of {injected.mass} GeV is not among the simulated signals, which"
                    " 'draw_from: expectation' injects; simulate it, or draw from events"
                )
                raise ValueError(msg)
            given = injected.parameters | {"mass": injected.mass, "coupling": injected.coupling}
            _complete(config, key, process, given)
            simulated = config.signal_parameters(injected.mass)
            for name, value in injected.parameters.items() if drawn else ():
                if value != process.complete(simulated)[name]:
                    msg = (
                        f"{key}.parameters.{name} = {value}: 'draw_from: expectation' injects the simulated signal,"
                        f" which has {process.complete(simulated)[name]}; change signal.simulate, or draw from events"
                    )
                    raise ValueError(msg)


def _check_signal(config: Analysis, region: Region) -> None:
    """Raise for a region whose signal cannot be simulated at the masses of the YAML."""
    masses = config.signal_masses(region)
    if len(masses) < MIN_MASSES:
        msg = f"signal masses {list(masses)} in the range of region {region.name!r}; at least {MIN_MASSES} are needed"
        raise ValueError(msg)
    searched = config.masses_of(region)
    if not searched[0] < searched[1]:
        msg = (
            f"search: no mass from {config.search.low:g} to {config.search.high:g} GeV is among those of region"
            f" {region.name!r}, {masses[0]:g} to {masses[-1]:g} GeV: leave it out of 'regions'"
        )
        raise ValueError(msg)
    process = config.process_of(region)
    high = min(config.search.high, region.mass_range[1] if region.mass_range else config.search.high)
    for key, mass in (("search.high", high), *(("signal masses", mass) for mass in masses)):
        if process.mass_range is not None:
            lowest, highest = process.mass_range(config.signal_parameters(mass), config.beams_record.sqrt_s)
            if not lowest < mass < highest:
                msg = (
                    f"{key} = {mass} GeV is beyond the kinematic limits of {process.name},"
                    f" {lowest:.4g} to {highest:.4f} GeV"
                )
                raise ValueError(msg)
    if config.signal.simulate is not None:
        for mass in masses:
            _complete(config, "signal.simulate", process, config.signal_parameters(mass))


def _complete(config: Analysis, key: str, process: Process, parameters: dict[str, Value]) -> None:
    """Raise, with the key of the YAML, if a process does not take these parameters."""
    try:
        process.complete(parameters, config.beams_record)
    except InputError as error:
        msg = f"{key}: {error}"
        raise ValueError(msg) from None


def _check_sources(config: Analysis) -> None:
    """Raise for a source of uncertainty that the fit cannot use, or a template that is no sample."""
    for name in config.fit.templates:
        if name not in config.samples:
            raise ValueError(unknown_name("fit.templates: sample", name, config.samples))
    checked_sources(config.sources, config.template_names)
    for name, section in config.systematics.items():
        if _is_taken(config, name) or name in (*config.corrections, *config.factors):
            msg = f"systematics: the name {name!r} is taken by an uncertainty that is there without it"
            raise ValueError(msg)
        uncounted = [what for what in section.source(name).moves if what in UNCOUNTED]
        if config.fit.method == "counting" and uncounted:
            msg = f"systematics.{name}: a count cannot use a {uncounted[0]}; want fit.method: templates"
            raise ValueError(msg)
