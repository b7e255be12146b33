"""The regions of a scan: final states with one signal cross section, fitted apart or together.

A region sees the share BR_r(m) eff_r(m) of the signal that is produced. With one region n_sig is its selected yield,
with several the sum over them, expected in proportion to their shares. In either case n_sig over luminosity and
the sum of BR_r eff_r is the cross section of the production.

A region is left out at masses outside of the range of its signal model, and where its share is zero. `scan_masses`
says of every mass which regions see it, and what is uncertain there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.models.given_signal import PeakModel
from bumphunt.models.signal import Hypothesis
from bumphunt.scanning.method import Method
from bumphunt.scanning.sources import Source, Sources, signal_sources, sources_at
from bumphunt.scanning.spectra import Spectra
from bumphunt.scanning.windows import bins_near, window_edges

__all__ = ["Part", "ScanMass", "ScanRegion", "blinded", "checked_regions", "every_decay", "reshared", "scan_masses"]

Array = NDArray[np.float64]

ONE_SIDED = 5.0
"""Distance of a peak to excluded masses [standard deviations] within which its background is seen on one side alone."""


def every_decay(mass: ArrayLike) -> Array:
    """Return 1 for every mass: the branching ratio of a region that sees every decay."""
    return np.ones_like(np.asarray(mass, dtype=np.float64))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRegion:
    """One final state: its spectra, its peak, and how much of the signal decays to it.

    Parameters
    ----------
    name
        Its name, different from that of others; sources of uncertainty may be restricted to it.
    spectra
        Data and expected backgrounds (`bumphunt.scanning.spectra.checked_spectra`).
    signal
        Shape, resolution, efficiency, and the axis of the spectra.
    branching_ratio
        Fraction of the signal that decays to this final state, function of masses [GeV], shape ``(N,)`` to ``(N,)``.
        It must be picklable where a scan is shared out to processes.
    excluded
        Intervals of mass [GeV] that no window reaches into: a peak stands there that the background does not describe.
        A window that would is moved to the other side of the peak, so that it keeps its width.
    """

    name: str
    spectra: Spectra
    signal: PeakModel
    branching_ratio: Callable[[Array], ArrayLike] = every_decay
    excluded: tuple[tuple[float, float], ...] = ()

    def covers(self, masses: ArrayLike) -> NDArray[np.bool_]:
        """Return which masses [GeV] are in the range of the signal model, in their shape."""
        m = np.asarray(masses, dtype=np.float64)
        return np.asarray((m >= self.signal.masses[0]) & (m <= self.signal.masses[-1]))

    def without_templates(self) -> ScanRegion:
        """Return the region as it is where a smooth background stands for all samples."""
        return replace(self, spectra=self.spectra.without_templates())


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one region contributes at one mass.

    Parameters
    ----------
    region
        The region.
    at
        Its peak at the mass.
    share
        Fraction of n_sig that is expected in it.
    efficiency
        Branching ratio times efficiency.
    """

    region: ScanRegion
    at: Hypothesis
    share: float
    efficiency: float

    @property
    def edges(self) -> Array:
        """Edges of the spectrum between the excluded masses on either side of the peak, rising."""
        x, axis = self.region.spectra.edges, self.region.signal.axis
        first, last = 0, x.size - 1
        for low, high in self.region.excluded:
            start, stop = float(axis.position(low)), float(axis.position(high))
            if stop <= self.at.position:
                first = max(first, int(np.searchsorted(x, stop, side="right")) - 1)
            elif start >= self.at.position:
                last = min(last, int(np.searchsorted(x, start, side="left")))
        return x[first : last + 1]

    def window(self, half_width: float, bins_per_sigma: float | None = None, *, above: float = -np.inf) -> Array:
        """Return the edges of a window around the peak (see `window_edges`), one bin unless told; all above a value."""
        x = self.edges
        return window_edges(
            x[x > above], self.at.position, self.at.sigma, half_width=half_width, bins_per_sigma=bins_per_sigma
        )

    def one_sided(self, half_width: float) -> bool:
        """Return whether an excluded mass cuts the window within `ONE_SIDED` resolutions of the peak."""
        near, axis = min(half_width, ONE_SIDED) * self.at.sigma, self.region.signal.axis
        ends = [float(axis.position(mass)) for interval in self.region.excluded for mass in interval]
        return any(abs(end - self.at.position) < near for end in ends)

    def near(self) -> Array:
        """Return the edges of the bins of the spectrum around the peak (`bumphunt.scanning.windows.bins_near`)."""
        return bins_near(self.edges, self.at.position, self.at.sigma)

    def fractions(self, edges: ArrayLike, *, shift: float = 0.0, stretch: float = 1.0) -> Array:
        """Return the fraction of n_sig in each bin; arguments as in `SignalModel.fractions`."""
        return self.share * self.at.fractions(edges, shift=shift, stretch=stretch)

    @property
    def statistical(self) -> float:
        """Relative error of the efficiency by the simulated signal events."""
        return self.at.efficiency_error / self.at.efficiency if self.at.efficiency > 0.0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanMass:
    """One mass of a scan before it is tested.

    Parameters
    ----------
    parts
        The regions that see it; their shares sum to 1.
    sources
        What is uncertain there, each source in at least one of the regions of the scan.
    """

    parts: tuple[Part, ...]
    sources: tuple[Source, ...]


def checked_regions(regions: ScanRegion | Sequence[ScanRegion]) -> tuple[ScanRegion, ...]:
    """Return the regions, or raise an `InputError` if there is none or two have the same name."""
    several = (regions,) if isinstance(regions, ScanRegion) else tuple(regions)
    names = [region.name for region in several]
    if not several or len(set(names)) != len(names):
        msg = f"a scan needs regions with different names, got {names}"
        raise InputError(msg)
    return several


def blinded(regions: Sequence[ScanRegion]) -> bool:
    """Return whether nothing observed is there; raise an `InputError` if only some regions have observed counts."""
    without = [region.name for region in regions if region.spectra.blinded]
    if without and len(without) < len(regions):
        msg = f"regions {', '.join(without)} have no counts, the others do: blind all of them, or none"
        raise InputError(msg)
    return bool(without)


def scan_masses(
    regions: Sequence[ScanRegion], masses: ArrayLike, method: Method, sources: Sources = ()
) -> list[ScanMass]:
    """Return what is tested at each mass.

    Where a smooth background stands for all samples, templates and what sources do to them are left out.

    Parameters
    ----------
    regions
        The regions of the scan.
    masses
        Hypotheses [GeV], shape ``(N,)``.
    method
        How they are tested.
    sources
        What is uncertain, the same at every mass or a function of mass [GeV].

    Raises
    ------
    InputError
        If a mass is outside the range of every signal model, a branching ratio is not in [0, 1], no region has a
        share of a mass, or a source moves a sample that there is not (`bumphunt.scanning.sources.sources_at`).
    """
    m = np.atleast_1d(np.asarray(masses, dtype=np.float64))
    samples = {region.name: () if method.kind == "smooth" else region.spectra.names for region in regions}
    known = sources_at(sources, m.tolist(), samples)
    bare = {region.name: region.without_templates() for region in regions}
    found = []
    for mass, parts, there in zip(m.tolist(), _parts_at(regions, m), known, strict=True):
        if method.smooth_at(mass):
            parts = tuple(replace(part, region=bare[part.region.name]) for part in parts)
            there = signal_sources(there)
        found.append(ScanMass(parts=parts, sources=there))
    return found


def _parts_at(regions: Sequence[ScanRegion], masses: Array) -> list[tuple[Part, ...]]:
    """Return the parts of the regions that see each mass; errors as in `scan_masses`."""
    found: list[list[Part]] = [[] for _ in masses]
    for region in regions:
        inside = np.flatnonzero(region.covers(masses))
        if inside.size == 0:
            continue
        ratios = np.broadcast_to(np.asarray(region.branching_ratio(masses[inside]), dtype=np.float64), inside.shape)
        if not np.all((ratios >= 0.0) & (ratios <= 1.0)):
            bad = ratios[~((ratios >= 0.0) & (ratios <= 1.0))][0]
            msg = f"the branching ratio of region {region.name!r} must be between 0 and 1, got {bad}"
            raise InputError(msg)
        for index, ratio, at in zip(inside, ratios, region.signal.at(masses[inside]), strict=True):
            found[index].append(Part(region=region, at=at, share=1.0, efficiency=float(ratio) * at.efficiency))
    result = []
    for mass, parts in zip(masses, found, strict=True):
        if not parts:
            ranges = ", ".join(f"{r.signal.masses[0]} to {r.signal.masses[-1]}" for r in regions)
            msg = f"mass {mass} GeV is outside the simulated range {ranges} GeV"
            raise InputError(msg)
        seen = parts if len(regions) == 1 else [part for part in parts if part.efficiency > 0.0]
        if not seen:
            msg = f"no region sees a signal of {mass} GeV: every branching ratio or efficiency is 0"
            raise InputError(msg)
        result.append(reshared(seen))
    return result


def reshared(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return parts whose shares sum to 1."""
    if len(parts) == 1:
        return (replace(parts[0], share=1.0),)
    total = sum(part.efficiency for part in parts)
    return tuple(replace(part, share=part.efficiency / total) for part in parts)
