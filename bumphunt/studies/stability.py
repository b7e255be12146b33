"""Stability: the same data fitted in other windows, with other bins, and with other orders of the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bumphunt.engines.choose import Engine
from bumphunt.errors import InputError
from bumphunt.inference.settings import LimitSettings
from bumphunt.models.background import BackgroundModel
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.rows import ScanPoint
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sources import Sources

__all__ = ["Refit", "refits", "variations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """The fit of a mass by a varied method.

    Parameters
    ----------
    mass
        The hypothesis [GeV].
    varied
        What was changed, in words.
    nominal, row
        The rows of the scan as it is, and varied: None where the varied method cannot fit the window.
    """

    mass: float
    varied: str
    nominal: ScanPoint
    row: ScanPoint | None


def variations(method: Method) -> list[tuple[str, Method]]:
    """Return methods that differ in one thing each, with what that is.

    Windows of 0.8 and 1.25 times the width, and of fits twice and half as many bins; a smooth background with one order
    less and one more.
    """
    width = method.half_width
    found = [(f"window x {f:g}", replace(method, window=f * width)) for f in (0.8, 1.25)]
    if method.kind == "counting":
        return found
    found += [(f"bins x {f:g}", replace(method, bins_per_sigma=f * method.bins_per_sigma)) for f in (0.5, 2.0)]
    smooth = method.background
    if isinstance(smooth, BackgroundModel):
        for change in (-1, 1):
            try:
                other = replace(smooth, order=smooth.order + change)
            except InputError:  # there is no such order
                continue
            found.append((f"order {other.order}", replace(method, background=other)))
    return found


def refits(
    regions: Sequence[ScanRegion],
    mass: float,
    *,
    method: Method,
    sources: Sources = (),
    limits: LimitSettings,
    engine: Engine = "auto",
    seed: np.random.SeedSequence,
) -> list[Refit]:
    """Return the fits of one mass by varied methods; arguments as in `bumphunt.scanning.scan.scan_spectra`.

    Raises
    ------
    InputError
        If the method as it is cannot fit the window.
    """
    quick = limits if method.kind == "counting" else LimitSettings(cl=limits.cl)

    def row(how: Method) -> ScanPoint:
        rng = np.random.default_rng(seed)
        found = scan_spectra(regions, masses=[mass], method=how, sources=sources, limits=quick, rng=rng, engine=engine)
        return found.points[0]

    nominal, found = row(method), []
    for what, how in variations(method):
        try:
            other = row(how)
        except InputError:  # a window that reaches beyond the spectrum, or has too few bins
            other = None
        found.append(Refit(mass=mass, varied=what, nominal=nominal, row=other))
    return found
