"""What the YAML asks to simulate, as plans: one for each candidate of the regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.processes.process import Process, Value
from selections.search import Search
from workflows.config.coordinates import ALONE, NO_MASS, At
from workflows.config.regions import AnalysedRegion, by_candidate, signal_samples
from workflows.config.searches import Registry
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.corrections import factors_on, product
from workflows.config.sections.samples import SIGNAL, Injection, Signal
from workflows.simulation.plan import DrawnSample, SampleSpec, SimulationPlan

__all__ = ["injected_at", "injected_into", "injected_parameters", "injections", "signal_parameters", "simulation_plans"]


def signal_parameters(signal: Signal, search: Search, mass: float, at: At = ALONE) -> dict[str, Value]:
    """Return the parameters of the simulated signal of a mass [GeV] and of the other coordinates of its search."""
    simulated = signal.simulate
    own: dict[str, Value] = {} if mass == NO_MASS else {"mass": mass}
    if simulated is None:
        return own
    called = {coordinate.name: coordinate.parameter or coordinate.name for coordinate in search.coordinates}
    beside: dict[str, Value] = {called[name]: value for name, value in at}
    coupling: dict[str, Value] = {} if simulated.coupling is None else {"coupling": simulated.coupling}
    return simulated.parameters | coupling | beside | own


def injected_parameters(injection: Injection) -> dict[str, Value]:
    """Return the parameters of a signal that is put into pseudo-data."""
    own: dict[str, Value] = {} if injection.mass == NO_MASS else {"mass": injection.mass}
    return injection.parameters | own | {"coupling": injection.coupling}


def injections(sections: Analysis) -> Iterator[tuple[str, Injection]]:
    """Yield the signals that are put into pseudo-data, each with its key."""
    if sections.data.simulate is not None:
        for i, injection in enumerate(sections.data.simulate.inject):
            yield f"data.simulate.inject[{i}]", injection


def injected_at(injection: Injection, search: Search) -> At:
    """Return the other coordinates of a signal that is put into pseudo-data, as far as its parameters say them."""
    called = {coordinate.name: coordinate.parameter or coordinate.name for coordinate in search.coordinates}
    said = {name: injection.parameters.get(parameter) for name, parameter in called.items()}
    return tuple((name, float(value)) for name, value in said.items() if isinstance(value, int | float))


def injected_into(
    injection: Injection, regions: Sequence[AnalysedRegion], registry: Registry
) -> list[tuple[AnalysedRegion, Process]]:
    """Return those among some regions that see an injected signal, with its process there.

    Raises
    ------
    ValueError
        If neither the injection nor the signal says the process.
    """
    found = []
    for region in regions:
        low, high = region.definition.mass_range or (0.0, float("inf"))
        if region.signal is not None and low <= injection.mass <= high:
            process = registry.process(injection.process) if injection.process else region.signal.process
            if process is None:
                msg = f"data.simulate.inject: region {region.name!r} of the search names no process; say which"
                raise ValueError(msg)
            found.append((region, process))
    return found


def simulation_plans(
    sections: Analysis,
    search: Search,
    regions: Sequence[AnalysedRegion],
    beams: Beams,
    detector: Detector,
    registry: Registry,
    *,
    luminosity: float | None,
) -> tuple[SimulationPlan, ...]:
    """Return what the YAML asks to simulate: a plan for each candidate of the regions; none if it asks for nothing."""
    candidates = by_candidate(regions)
    found = []
    for candidate, same in candidates.items():
        specs = [*_backgrounds(sections, same, registry), *_signals(sections, search, same)]
        pseudodata, injected = _drawn(sections, same, registry), _injected(sections, same, registry)
        if (specs or pseudodata) and luminosity is not None:
            plan = SimulationPlan(
                beams=beams,
                detector=detector,
                seed=sections.seed,
                luminosity=luminosity,
                samples=tuple(specs),
                pseudodata=pseudodata,
                injected=injected,
                candidate=registry.candidate(candidate),
                suffix=f"_{candidate}" if len(candidates) > 1 else "",
            )
            found.append(plan)
    return tuple(found)


def _backgrounds(sections: Analysis, regions: Sequence[AnalysedRegion], registry: Registry) -> list[SampleSpec]:
    """Return the simulated backgrounds of regions of one candidate."""
    return [
        SampleSpec(
            name=name,
            process=registry.process(sample.process_name(name)),
            n=sample.simulate.events or registry.files[sample.process_name(name)].events,
            parameters=sample.simulate.parameters,
        )
        for name, sample in sections.samples.items()
        if sample.simulate is not None
        and (sample.alternative is None or name in sections.alternatives.values())
        and any(sample.fills(region.name) for region in regions)
    ]


def _signals(sections: Analysis, search: Search, regions: Sequence[AnalysedRegion]) -> list[SampleSpec]:
    """Return the simulated signals of regions of one candidate."""
    simulated = sections.signal.simulate
    if simulated is None:
        return []
    return [
        SampleSpec(
            name=sample.name,
            process=sample.process,
            n=simulated.events,
            parameters=signal_parameters(sections.signal, search, sample.mass, sample.at),
        )
        for sample in signal_samples(regions)
        if sample.process is not None
    ]


def _drawn(sections: Analysis, regions: Sequence[AnalysedRegion], registry: Registry) -> tuple[DrawnSample, ...]:
    """Return the backgrounds that the pseudo-data of regions of one candidate are drawn from."""
    if sections.data.simulate is None or sections.data.drawn_from_expectation:
        return ()
    found = []
    for name, sample in sections.backgrounds.items():
        filled = [region.name for region in regions if sample.fills(region.name)]
        if sample.simulate is not None and filled:
            drawn = DrawnSample(
                process=registry.process(sample.process_name(name)),
                yield_factor=product(factors_on(sections.factors, name, filled[0])),
                parameters=sample.simulate.parameters,
            )
            found.append(drawn)
    return tuple(found)


def _injected(sections: Analysis, regions: Sequence[AnalysedRegion], registry: Registry) -> tuple[DrawnSample, ...]:
    """Return the signals in the pseudo-data of regions of one candidate, each once.

    The efficiency of the data is that of the simulation times the factor.
    """
    if sections.data.simulate is None or sections.data.drawn_from_expectation:
        return ()
    found: dict[tuple[str, int], DrawnSample] = {}
    for number, injection in enumerate(sections.data.simulate.inject):
        for region, process in injected_into(injection, regions, registry):
            found[process.name, number] = DrawnSample(
                process=process,
                yield_factor=product(factors_on(sections.factors, SIGNAL, region.name)),
                parameters=injected_parameters(injection),
            )
    return tuple(found.values())
