"""How a mass hypothesis is tested: what is cut out of the spectra, and what stands for the background there.

============  ==============================================================================================
kind          tests a mass with
============  ==============================================================================================
"templates"   a fit of a peak and simulated backgrounds, with a smooth one beside them if one is given
"smooth"      a fit of a peak and a function whose coefficients the data determine
"counting"    a count in a narrow window, over simulated backgrounds: for few events
============  ==============================================================================================

A scan and the impacts at one mass are given the same `Method`, so that both look at the same windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bumphunt.errors import InputError
from bumphunt.models.background import Background
from bumphunt.models.known_peaks import KnownPeak

__all__ = ["FIT_WINDOW", "Method"]

FIT_WINDOW, COUNTING_WINDOW = 10.0, 2.0
"""Half widths of a window unless given, in units of the resolution: fits see the background on either side of a peak,
counts only what is under it (Belle II's search of 2018 counted within +-2 sigma, arXiv:1912.11276)."""

GOODNESS_TOYS = 2000
"""Fewest toys that a p-value of the goodness of fit comes from, unless it is large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How every mass of a scan is tested.

    Parameters
    ----------
    kind
        "templates", "smooth" or "counting".
    window
        Half width of the window in units of the resolution; 10 for fits and 2 for counts unless given.
    bins_per_sigma
        Bins of a fit per resolution, as far as the bins of the spectrum allow.
    background
        A smooth family in every region, its coefficients free: needed by "smooth", beside the templates if given
        there. It cannot be blinded but by an expectation in place of the data.
    templates_below
        Mass [GeV] from which on the smooth background beside the templates stands for all of them.
    known_peaks
        Known resonances, which are free peaks in every window that they reach (`bumphunt.scanning.neighbours`).
    unbinned
        Whether the values are fitted, not their counts: templates have bins, so that "smooth" alone can. Where data are
        blinded the expectation is fitted, which has bins too.
    poor_fit
        p-value of the goodness of fit below which a row has the flag "poor_fit", in (0, 1). Where it comes from toys
        they are enough to tell: 2000, or more for a smaller one.

    Raises
    ------
    InputError
        If the kind is unknown, a width is not positive, the kind has no use for the background or the resonances, or
        none without it, or two resonances have the same name.
    """

    kind: Literal["templates", "smooth", "counting"]
    window: float | None = None
    bins_per_sigma: float = 5.0
    background: Background | None = None
    templates_below: float = np.inf
    known_peaks: tuple[KnownPeak, ...] = ()
    unbinned: bool = False
    poor_fit: float = 1e-3

    def __post_init__(self) -> None:
        if self.kind not in ("templates", "smooth", "counting"):
            msg = f"a mass is tested by 'templates', 'smooth' or 'counting', got {self.kind!r}"
            raise InputError(msg)
        if not (self.half_width > 0.0 and self.bins_per_sigma > 0.0):
            msg = f"half width {self.half_width} and bins per sigma {self.bins_per_sigma} must be positive"
            raise InputError(msg)
        if self.kind == "smooth" and self.background is None:
            msg = "the method 'smooth' needs a background, such as BackgroundModel('bernstein', 3)"
            raise InputError(msg)
        if self.kind == "counting" and self.background is not None:
            msg = f"counts take their backgrounds from templates, got {self.background}: want 'templates' or 'smooth'"
            raise InputError(msg)
        names = [resonance.name for resonance in self.known_peaks]
        if self.kind == "counting" and names:
            msg = f"a count has no shape that tells a signal from {', '.join(names)}: want 'templates' or 'smooth'"
            raise InputError(msg)
        if len(set(names)) != len(names):
            msg = f"known resonances need different names, got {names}"
            raise InputError(msg)
        if self.templates_below != np.inf and not (self.kind == "templates" and self.background is not None):
            msg = f"templates below {self.templates_below} GeV need 'templates' and a smooth background for above"
            raise InputError(msg)

        if not 0.0 < self.poor_fit < 1.0:
            msg = f"the p-value below which a fit is poor must be between 0 and 1, got {self.poor_fit}"
            raise InputError(msg)
        if self.unbinned and self.kind != "smooth":
            msg = f"an unbinned fit needs densities, which 'smooth' has; {self.kind!r} has simulated events in bins"
            raise InputError(msg)

    @property
    def half_width(self) -> float:
        """Half width of the window in units of the resolution."""
        if self.window is not None:
            return self.window
        return COUNTING_WINDOW if self.kind == "counting" else FIT_WINDOW

    @property
    def goodness_toys(self) -> int:
        """Toys that tell a p-value below `poor_fit`, at least `GOODNESS_TOYS`."""
        return max(GOODNESS_TOYS, int(np.ceil(2.0 / self.poor_fit)))

    @property
    def bins(self) -> float | None:
        """Bins per resolution; None for the one bin of a count."""
        return None if self.kind == "counting" else self.bins_per_sigma

    def smooth_at(self, mass: float) -> bool:
        """Return whether a smooth background stands for all templates at a mass [GeV]."""
        return self.kind == "smooth" or mass >= self.templates_below
