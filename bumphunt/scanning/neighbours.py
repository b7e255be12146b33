"""Known resonances beside a hypothesis: free peaks in every window that they reach.

A resonance reaches a window if it is less than `REACH` of its own widths from it, resolution and natural width
together. Its yield is then free in that region, and its position uncertain by the error of its mass, the same in all
regions. Where half of its natural width is less than `NARROW` of the resolution it has the shape of the signal at its
mass, with its tails; wider ones are Voigt profiles, whose Gaussian has the resolution of the signal.

A hypothesis at the mass of a resonance cannot be told from it: errors grow towards it, and at the mass itself the row
is not valid, with a flag such as "fit_singular".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.models.known_peaks import KnownPeak
from bumphunt.models.peaks import Peak, voigt
from bumphunt.models.region import Sample
from bumphunt.models.systematics import Free, PeakPosition, Uncertainty
from bumphunt.scanning.regions import Part, ScanRegion

__all__ = ["neighbours", "reaching", "resonance_peak"]

Array = NDArray[np.float64]

REACH = 5.0
"""Distance to a window, in widths of a resonance, within which it is fitted."""
NARROW = 0.05
"""Half of a natural width in resolutions, below which it is left out of the shape of a resonance."""
CORE = 2.0
"""Half width of the core of a resonance, in its widths, whose counts say how large its yield may be."""


def resonance_peak(resonance: KnownPeak, region: ScanRegion) -> Peak:
    """Return the peak of a resonance in the spectrum of a region [unit of its axis].

    Raises
    ------
    InputError
        If nothing says the resolution at its mass.
    """
    signal, mass = region.signal, resonance.mass
    position, slope = float(signal.axis.position(mass)), float(signal.axis.slope(mass))
    width = resonance.width * slope
    if resonance.resolution is not None:
        return voigt(position, resonance.resolution * slope, width)
    if not bool(region.covers(mass)):
        msg = (
            f"resonance {resonance.name!r} at {mass:g} GeV is outside the masses of the signal,"
            f" {signal.masses[0]:g} to {signal.masses[-1]:g} GeV: say its resolution"
        )
        raise InputError(msg)
    (at,) = signal.at([mass])
    return at.peak if 0.5 * width < NARROW * at.sigma else voigt(at.peak.mean, at.sigma, width)


def _size(peak: Peak) -> float:
    """Return the width of the peak of a resonance, its natural width included."""
    return peak.sigma + (0.5 * peak.parameters[2] if peak.family == "voigt" else 0.0)


def reaching(part: Part, edges: Array, resonances: Sequence[KnownPeak]) -> list[tuple[KnownPeak, Peak]]:
    """Return the resonances that reach a window of a region, with their peaks.

    Parameters
    ----------
    part
        The region at a mass.
    edges
        Of the window [unit of the axis].
    resonances
        All that are known; those that are far away need no resolution.

    Raises
    ------
    InputError
        If nothing says the resolution of one that may be near.
    """
    found, axis = [], part.region.signal.axis
    half = REACH * 2.0 * part.at.sigma
    for resonance in resonances:
        position, slope = float(axis.position(resonance.mass)), float(axis.slope(resonance.mass))
        wide = half + REACH * slope * (resonance.width + (resonance.resolution or 0.0))
        if not edges[0] - wide <= position <= edges[-1] + wide:
            continue
        peak = resonance_peak(resonance, part.region)
        reach = REACH * _size(peak)
        if edges[0] - reach <= position <= edges[-1] + reach:
            found.append((resonance, peak))
    return found


def neighbours(part: Part, edges: Array, counts: Array, resonances: Sequence[KnownPeak], n_parts: int) -> list[Sample]:
    """Return the resonances that reach a window as samples of its region.

    Parameters
    ----------
    part, edges, resonances
        As in `reaching`.
    counts
        In the bins of the window, shape ``(B,)``.
    n_parts
        How many regions are fitted together.
    """
    samples, centres = [], 0.5 * (edges[1:] + edges[:-1])
    for resonance, peak in reaching(part, edges, resonances):
        core = np.abs(centres - peak.mean) < CORE * _size(peak)
        yield_name = resonance.name if n_parts == 1 else f"{resonance.name}_{part.region.name}"
        uncertainties: list[Uncertainty] = [Free(f"n_{yield_name}")]
        if resonance.mass_error > 0.0:
            shift = resonance.mass_error * float(part.region.signal.axis.slope(resonance.mass))
            uncertainties.append(PeakPosition(f"mass_{resonance.name}", shift))
        scale = max(float(counts[core].sum()), 0.01 * float(counts.sum()), 1.0)
        samples.append(Sample(resonance.name, peak, uncertainties=uncertainties, scale=scale))
    return samples
