"""What is fitted together: the regions of a scan, from selected spectra and signal models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.models.given_signal import PeakModel
from bumphunt.scanning.regions import ScanRegion, every_decay
from bumphunt.scanning.sources import Sources
from bumphunt.scanning.spectra import Spectra, checked_spectra
from bumphunt.spectrum.histogram import add
from workflows.config.records import ScanSetup
from workflows.config.regions import AnalysedRegion
from workflows.config.tasks import FitTask
from workflows.fitting.sources import sources_of
from workflows.products.selected import Selected, Unit

__all__ = ["scan_regions"]

Array = NDArray[np.float64]

RATIO_POINTS = 20_001
"""Masses between which branching ratios are interpolated."""


def scan_regions(
    setup: ScanSetup,
    task: FitTask,
    selected: Selected,
    signals: Mapping[str, PeakModel],
    *,
    masses: Array | None = None,
    inside: Mapping[str, Array] | None = None,
) -> tuple[list[ScanRegion], Sources]:
    """Return what is fitted together, and the sources of uncertainty.

    Where less of the data was read for one region than for another, it sees that much less of the signal.

    Parameters
    ----------
    setup
        How hypotheses are tested.
    task
        Which fit.
    selected
        The spectra.
    signals
        The signal models, by unit.
    masses, inside
        The hypotheses [GeV], shape (M,), and by unit the part of each signal that is in what is fitted, where that is
        not all of it.

    Raises
    ------
    InputError
        If weights leave a negative number of events in a bin.
    """
    units = [(region, unit) for region in task.regions for unit in selected.of(region.name)]
    luminosity = selected.luminosity(task.regions)
    regions = [
        ScanRegion(
            name=unit.name,
            spectra=_scanned(setup, unit),
            signal=signals[unit.name],
            branching_ratio=_seen(
                _ratio(region, signals[unit.name], _share(selected.luminosities[region.name], luminosity))
                if task.combined
                else every_decay,
                masses,
                None if inside is None else inside.get(unit.name),
            ),
            excluded=_walls(setup),
        )
        for region, unit in units
    ]
    return regions, sources_of(setup, [unit for _, unit in units], signals)


def _walls(setup: ScanSetup) -> tuple[tuple[float, float], ...]:
    """Return the excluded masses that no window reaches into: those without a known resonance that is fitted."""
    masses = [resonance.mass for resonance in setup.method.known_peaks]
    return tuple((low, high) for low, high in setup.masses.excluded if not any(low <= m <= high for m in masses))


def _scanned(setup: ScanSetup, unit: Unit) -> Spectra:
    """Return the spectra of a unit that are scanned, checked.

    A smooth background is determined by the data: where they are blinded, the sum of the backgrounds takes their place,
    or what each hypothesis learns of the data beside its own peak. Without either there is no expectation.

    Raises
    ------
    InputError
        If weights leave a negative number of events in a bin.
    """
    for name, spectrum in unit.after.items():
        worst = float(spectrum.values().min())
        if worst < 0:
            msg = f"sample {name!r}: its weights leave {worst:.3g} events in a bin; negative weights need more events"
            raise InputError(msg)
    counts = None if setup.blinded and not setup.sidebands else unit.data.values()
    expectation = setup.blinded and not setup.sidebands and setup.method.background is not None and bool(unit.after)
    if expectation:
        counts = add(unit.after.values()).values()
    names = [name for name in unit.after if name in setup.templates]
    edges = unit.data.axes[0].edges
    return checked_spectra(
        counts,
        np.array([unit.after[name].values() for name in names]).reshape(-1, edges.size - 1),
        np.array([unit.after[name].variances() for name in names]).reshape(-1, edges.size - 1),
        [setup.uncertainties[name] for name in names],
        edges,
        names,
        expectation=expectation,
        multiplied=_multiplied(setup, unit),
        sidebands=setup.sidebands,
        values=None if setup.blinded else unit.values,
    )


def _multiplied(setup: ScanSetup, unit: Unit) -> NDArray[np.float64] | None:
    """Return the spectrum that the smooth background multiplies, and its variances; None if there is none."""
    if not setup.multiplied:
        return None
    total = add(unit.after[name] for name in setup.multiplied if name in unit.after)
    return np.stack([total.values(), total.variances()])


def _share(luminosity: float | None, of: float | None) -> float:
    """Return the part of the data that a region sees: all of them where no luminosity is said."""
    return 1.0 if luminosity is None or of is None else luminosity / of


def _ratio(
    region: AnalysedRegion, signal: PeakModel, share: float
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the branching ratio of a region, times its share of the data, as a function for other processes."""
    masses = np.linspace(signal.masses[0], signal.masses[-1], RATIO_POINTS)
    return partial(_interpolated, known=masses, values=share * region.definition.branching_ratio(masses))


def _seen(
    ratio: Callable[[Array], ArrayLike], masses: Array | None, inside: Array | None
) -> Callable[[Array], ArrayLike]:
    """Return a branching ratio times the part of the signal of some hypotheses that is seen."""
    if masses is None or inside is None:
        return ratio
    return partial(_interpolated, known=masses, values=np.asarray(ratio(masses)) * inside)


def _interpolated(
    masses: NDArray[np.float64], *, known: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return values at masses, linear between those that are known."""
    return np.asarray(np.interp(masses, known, values))
