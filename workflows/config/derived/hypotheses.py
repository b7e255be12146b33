"""The hypotheses of a region: masses at each point of the other coordinates, one mass, or none; and its signal there.

========================= =============================================================================================
a region                  has
========================= =============================================================================================
with a spectrum           masses between which shapes and efficiencies are interpolated, or only one
that counts               the masses at which signal was simulated: between them nothing is interpolated
of a search without mass  one hypothesis at each point of the other coordinates, or one in all
========================= =============================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bumphunt.cuts.tensor import VetoAxis
from bumphunt.errors import InputError, unknown_name
from bumphunt.models.counted_signal import CountedSignal
from selections.cuts import Selection
from selections.search import Region, Search
from workflows.config.coordinates import ALONE, NO_MASS, Sheet, words
from workflows.config.derived.curves import LoadedCurve
from workflows.config.derived.generated import GIVEN_SIGNAL
from workflows.config.derived.given import given_signal
from workflows.config.regions import RegionSignal
from workflows.config.searches import Registry
from workflows.config.sections.analysis import Analysis
from workflows.config.sections.samples import MIN_MASSES
from workflows.simulation.hepmc import HEPMC

__all__ = ["region_signal"]


def region_signal(
    sections: Analysis,
    search: Search,
    region: Region,
    selection: Selection,
    registry: Registry,
    curves: Mapping[str, LoadedCurve],
) -> RegionSignal:
    """Return the signal of a region.

    Parameters
    ----------
    sections
        What the YAML says.
    search, region, selection
        The search, its region, and what is selected there.
    registry
        What processes are found in.
    curves
        The functions of mass that the signal is said by; none of a simulated one.

    Raises
    ------
    ValueError
        If the region counts and something needs a spectrum, or the other way round; there are too few simulated masses,
        or none of them is searched; or cuts are to be chosen for a signal that is said.
    """
    _check_counted(sections, search, region, selection)
    _check_axes(sections, search, region, selection)
    if curves:
        return _given(sections, search, region, selection, curves)
    return _simulated(sections, search, region, selection, registry)


def _check_counted(sections: Analysis, search: Search, region: Region, selection: Selection) -> None:
    """Raise for what has no meaning in a region that counts, or in one that does not."""
    if not selection.counts:
        if search.mass_range is None:
            msg = (
                f"channel: the hypotheses of {search.name!r} have no mass, but region {region.name!r} has a spectrum of"
                f" {selection.spectrum!r}: leave 'spectrum' out of its selection, so that events are counted"
            )
            raise ValueError(msg)
        if sections.signal.said and sections.signal.resolution is None:
            msg = (
                "signal: 'efficiency' is that of a signal with 'resolution' [GeV], such as resolution: \"0.01 * mass\","
                f" or of a count, and region {region.name!r} has a spectrum of {selection.spectrum!r}"
            )
            raise ValueError(msg)
        return
    if sections.fit.method != "counting":
        msg = (
            f"fit.method = {sections.fit.method!r}: region {region.name!r} has no spectrum, its events are counted: say"
            " method: counting"
        )
        raise ValueError(msg)
    for key, given in (
        ("spectrum", sections.spectrum is not None),
        ("signal.resolution", sections.signal.resolution is not None),
        ("data.histogram", sections.data.histogram is not None),
    ):
        if given:
            msg = f"{key}: region {region.name!r} has no spectrum, its events are counted: remove it"
            raise ValueError(msg)
    if _veto(sections, search):
        msg = f"optimise: region {region.name!r} has no spectrum whose bins could have cuts of their own; say null"
        raise ValueError(msg)


def _scanned(search: Search, region: Region) -> bool:
    """Return whether the one coordinate of a search has an axis in a region."""
    return [axis.coordinate for axis in region.axes] == [coordinate.name for coordinate in search.coordinates] != []


def _check_axes(sections: Analysis, search: Search, region: Region, selection: Selection) -> None:
    """Raise for what has no meaning, or cannot be, where a spectrum has more axes than one."""
    if sections.search is not None and sections.search.between and not _scanned(search, region):
        msg = (
            f"search.between: region {region.name!r} has no second axis of its spectrum for a single coordinate of"
            f" {search.name!r}, along which it could be searched between simulated values: leave it out"
        )
        raise ValueError(msg)
    if not region.axes:
        return
    smooth = [f"samples.{name}.smooth" for name, sample in sections.samples.items() if sample.smooth is not None]
    for key, given in (
        ("channel", selection.counts),
        ("fit.slices", sections.fit.slices is not None),
        ("fit.unbinned", sections.fit.unbinned),
        ("data.histogram", sections.data.histogram is not None),
        *((key, True) for key in smooth),
    ):
        if given:
            axes = ", ".join([selection.spectrum, *(axis.observable for axis in region.axes)])
            msg = f"{key}: the spectrum of region {region.name!r} has several axes, {axes}; this is for one: remove it"
            raise ValueError(msg)
    known = selection.names
    for axis in region.axes:
        if axis.observable not in known:
            raise ValueError(unknown_name(f"channel: region {region.name!r}: axis", axis.observable, known))


def _simulated(
    sections: Analysis, search: Search, region: Region, selection: Selection, registry: Registry
) -> RegionSignal:
    """Return the signal of a region at the masses of the YAML that are seen there; errors as in `region_signal`."""
    low, high = region.mass_range or (0.0, np.inf)
    only = None if sections.search is None else sections.search.mass
    fewest = 1 if selection.counts or only is not None else MIN_MASSES
    sheets = []
    for sheet in sections.signal.sheets([coordinate.name for coordinate in search.coordinates]):
        masses = tuple(mass for mass in sheet.masses if low <= mass <= high)
        where = f" at {words(sheet.at, search.coordinates)}" if sheet.at else ""
        if len(masses) < fewest:
            msg = (
                f"signal masses {list(masses)}{where} in the range of region {region.name!r}; at least {fewest} are"
                " needed"
            )
            raise ValueError(msg)
        if only is not None and not (only in masses if selection.counts else masses[0] <= only <= masses[-1]):
            msg = (
                f"search.mass = {only:g} GeV: the signal of region {region.name!r}{where} has the masses"
                f" {', '.join(f'{mass:g}' for mass in masses)} GeV; give one of that mass"
            )
            raise ValueError(msg)
        sheets.append(Sheet(at=sheet.at, masses=masses))
    first, last = _ends(sections, region, min(s.masses[0] for s in sheets), max(s.masses[-1] for s in sheets))
    simulated = sections.signal.simulate
    named = (simulated.process if simulated is not None else None) or region.process
    named = GIVEN_SIGNAL if named == HEPMC else named
    if named is None and simulated is not None:
        msg = f"signal.simulate.process: region {region.name!r} of the search names no process; say which"
        raise ValueError(msg)
    process = None if named is None else registry.process(named)
    return RegionSignal(
        process=process, sheets=tuple(sheets), given=None, low=first, high=last, veto=_veto(sections, search)
    )


def _given(
    sections: Analysis, search: Search, region: Region, selection: Selection, curves: Mapping[str, LoadedCurve]
) -> RegionSignal:
    """Return the signal of a region that the YAML says; errors as in `region_signal`."""
    seen = region.mass_range or (0.0, np.inf)
    low, high = _ends(sections, region, *seen)
    if _veto(sections, search):
        msg = "optimise: cuts in bins of mass are chosen with a simulated signal; say optimise: null, or simulate it"
        raise ValueError(msg)
    given = (
        _counted(sections, curves["efficiency"])
        if selection.counts
        else given_signal(sections.signal, curves, low, high, axis=selection.axis, tail=region.tail)
    )
    return RegionSignal(process=None, sheets=(Sheet(at=ALONE, masses=()),), given=given, low=low, high=high, veto=())


def _counted(sections: Analysis, efficiency: LoadedCurve) -> CountedSignal:
    """Return a counted signal that the YAML says, of the one hypothesis that there is."""
    if sections.search is not None and sections.search.mass is None:
        msg = (
            "signal.efficiency: a count has no resolution that spaces its masses: say search.mass, or give signal at"
            " masses (points, simulate)"
        )
        raise ValueError(msg)
    mass = NO_MASS if sections.search is None or sections.search.mass is None else sections.search.mass
    masses = np.array([mass])
    try:
        return CountedSignal(masses=masses, efficiencies=efficiency.at(masses), efficiency_errors=np.zeros(1))
    except InputError as error:
        msg = f"signal.efficiency: {error}"
        raise ValueError(msg) from None


def _ends(sections: Analysis, region: Region, known_low: float, known_high: float) -> tuple[float, float]:
    """Return the ends of what is searched in a region [GeV], where its signal is known between two masses.

    Around one mass they are those of what is blinded.

    Raises
    ------
    ValueError
        If nothing is searched.
    """
    if sections.search is None:
        return NO_MASS, NO_MASS
    low, high = sections.search.low, sections.search.high
    if sections.search.mass is not None:
        return low, high
    first, last = max(low, known_low), min(high, known_high)
    if first < last or (first == last and known_low == known_high):
        return first, last
    msg = (
        f"search: no mass from {low:g} to {high:g} GeV is among those of region {region.name!r}, {known_low:g} to"
        f" {known_high:g} GeV: leave it out of 'regions'"
    )
    raise ValueError(msg)


def _veto(sections: Analysis, search: Search) -> tuple[VetoAxis, ...]:
    """Return the bounds that are tried: those of the search, or those of the YAML; none without optimised cuts."""
    if sections.optimise is None:
        return ()
    wanted = sections.optimise.variables
    if not wanted:
        return search.veto
    own = (*search.candidates, *search.veto)
    return tuple(bounds.axis(name, own) for name, several in wanted.items() for bounds in several)
