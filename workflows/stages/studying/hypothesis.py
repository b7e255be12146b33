"""A hypothesis that a user names: the stages that look at one, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import ConfigError, unknown_name
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.sources import Sources
from workflows.config.coordinates import NO_MASS, At, at_of, file_suffix, in_figures, mass_words, words
from workflows.config.records import About, ResolvedAnalysis, ScanSetup
from workflows.fitting.bands import Group, between, grouped, neighbours, see_sheet
from workflows.products.selected import read_selected
from workflows.products.signal_models import read_signal_models
from workflows.stages.depends import tested
from workflows.stages.stage import Job, Stage

__all__ = ["HypothesisInputs", "checked_point", "groups_at", "hypothesis_stage", "tested_point"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisInputs:
    """What a stage that looks at one hypothesis of the main fit is given.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    about
        What is searched for.
    mass, at
        The hypothesis [GeV], `NO_MASS` for none, and its other coordinates.
    regions, sources
        What is fitted together, and what is uncertain.
    """

    setup: ScanSetup
    about: About
    mass: float
    at: At
    regions: Sequence[ScanRegion]
    sources: Sources

    @property
    def named(self) -> dict[str, Any]:
        """What is said of the hypothesis in a document."""
        own = {} if self.mass == NO_MASS else {"mass": self.mass}
        return {**own, **dict(self.at), "cl": self.setup.limits.cl, "blinded": self.about.blinded}

    @property
    def label(self) -> str:
        """What is looked at, for a figure."""
        place = in_figures(self.at, self.about.search.coordinates)
        return ", ".join(filter(None, [f"bumphunt, {self.about.search.name}", mass_words(self.mass), place]))


def hypothesis_stage(
    name: str,
    analysis: ResolvedAnalysis,
    mass: float | None,
    beside: Mapping[str, float] | None,
    write: Callable[[HypothesisInputs, Path], None],
) -> Stage:
    """Return the stage that looks at one hypothesis, after `scan`.

    Parameters
    ----------
    name
        Name of the stage.
    analysis
        The analysis.
    mass, beside
        The hypothesis [GeV], None for the only mass that there is, or for none, and its other coordinates by name.
    write
        Writes what is seen into a folder: a function of the module whose code the results depend on.

    Raises
    ------
    ConfigError
        If the mass is outside the search, or excluded, or nothing was simulated at the coordinates.
    """
    mass, at = checked_point(analysis, mass, beside or {})

    def make(job: Job, folder: Path) -> None:
        (group,) = groups_at(job, at, np.array([mass]))
        looked = HypothesisInputs(
            setup=job.analysis.scan,
            about=job.analysis.about,
            mass=mass,
            at=at,
            regions=group.regions,
            sources=group.sources,
        )
        write(looked, folder)

    return Stage(
        name=name,
        folder=f"{name}/{'all' if mass == NO_MASS else f'{mass:.6g}'}{file_suffix(at)}",
        needs=("spectra", "scan"),
        depends=lambda job: {**tested(job), "mass": mass, "at": dict(at), "pseudo": job.analysis.about.pseudo},
        files=("search", "background"),
        make=make,
        modules=lambda _: (write.__module__,),
    )


def groups_at(job: Job, at: At, masses: NDArray[np.float64]) -> list[Group]:
    """Return hypotheses of the main fit at a point of the other coordinates, by what they see.

    Parameters
    ----------
    job
        The analysis, whose spectra and scan are there.
    at
        The point, which was simulated or is searched between two that were.
    masses
        The hypotheses [GeV], rising, shape (M,).
    """
    setup, selected = job.analysis.scan, read_selected(job.of("spectra"))
    points = (at,) if at in setup.points else neighbours(setup.points, at) or ()
    seen = {point: see_sheet(setup, selected.sheet(point)) for point in points}
    models = {point: read_signal_models(job.of("scan"), point) for point in points}
    sheet, signals = (seen[at], models[at]) if at in seen else between(setup, seen, models, at)
    return grouped(setup, setup.fits[0], sheet, signals, masses)


def checked_point(analysis: ResolvedAnalysis, mass: float | None, beside: Mapping[str, float]) -> tuple[float, At]:
    """Return the mass and the other coordinates of a hypothesis of which something was simulated.

    Raises
    ------
    ConfigError
        If the mass is outside the search, or excluded, or nothing was simulated at the coordinates.
    """
    at = tested_point(analysis, beside)
    masses = analysis.scan.masses
    if masses.low == masses.high and mass in (None, masses.low):
        return masses.low, at
    if mass is None:
        msg = f"--mass: say which; the search of {analysis.path} goes from {masses.low:g} to {masses.high:g} GeV"
        raise ConfigError(msg)
    if masses.low == masses.high:
        only = mass_words(masses.low) or "none: leave it out"
        msg = f"--mass {mass:g}: the only mass of {analysis.path} is {only}"
        raise ConfigError(msg)
    if not masses.low <= mass <= masses.high:
        msg = f"--mass {mass:g}: the search of {analysis.path} goes from {masses.low:g} to {masses.high:g} GeV"
        raise ConfigError(msg)
    for first, last in masses.excluded:
        if first < mass < last:
            msg = f"--mass {mass:g}: {first:g} to {last:g} GeV are not searched, see 'search.exclude'"
            raise ConfigError(msg)
    return mass, at


def tested_point(analysis: ResolvedAnalysis, beside: Mapping[str, float]) -> At:
    """Return a point of the other coordinates that was simulated, or is searched between two that were.

    Raises
    ------
    ConfigError
        If nothing was.
    """
    coordinates = analysis.about.search.coordinates
    names = [coordinate.name for coordinate in coordinates]
    if unknown := [name for name in beside if name not in names]:
        msg = f"--at {unknown[0]}: {unknown_name('coordinate', unknown[0], names)}"
        raise ConfigError(msg)
    at = at_of({name: beside[name] for name in names if name in beside})
    inside = analysis.scan.masses.between and neighbours(analysis.scan.points, at) is not None
    if at not in analysis.scan.points and not inside:
        known = "; ".join(words(point, coordinates) for point in analysis.scan.points)
        msg = f"--at: {words(at, coordinates) or 'nothing'} is no point of {analysis.path}; there are {known}"
        raise ConfigError(msg)
    return at
