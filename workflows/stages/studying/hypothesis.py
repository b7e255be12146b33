"""A hypothesis that a user names, for the stages that look at one: its mass and other coordinates, checked."""

from __future__ import annotations

from collections.abc import Mapping

from bumphunt.errors import ConfigError, unknown_name
from workflows.config.coordinates import At, at_of, words
from workflows.config.records import ResolvedAnalysis

__all__ = ["checked_point"]


def checked_point(analysis: ResolvedAnalysis, mass: float, beside: Mapping[str, float]) -> At:
    """Return the other coordinates of a hypothesis of which something was simulated.

    Raises
    ------
    ConfigError
        If the mass is outside the search, or excluded, or nothing was simulated at the coordinates.
    """
    at = _point(analysis, beside)
    masses = analysis.scan.masses
    if not masses.low <= mass <= masses.high:
        msg = f"--mass {mass:g}: the search of {analysis.path} goes from {masses.low:g} to {masses.high:g} GeV"
        raise ConfigError(msg)
    for first, last in masses.excluded:
        if first < mass < last:
            msg = f"--mass {mass:g}: {first:g} to {last:g} GeV are not searched, see 'search.exclude'"
            raise ConfigError(msg)
    return at


def _point(analysis: ResolvedAnalysis, beside: Mapping[str, float]) -> At:
    """Return a point of the other coordinates that was simulated.

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
    if at not in analysis.scan.points:
        known = "; ".join(words(point, coordinates) for point in analysis.scan.points)
        msg = f"--at: {words(at, coordinates) or 'nothing'} is no point of {analysis.path}; there are {known}"
        raise ConfigError(msg)
    return at
