"""What the data beside a peak say of the background under it, where they are blinded.

A hypothesis is fitted to the counts of its window outside of +-2 resolutions around its own peak. What the smooth
background predicts from there takes the place of the counts in the whole window, so that nothing of the row depends on
what was observed under the peak, and what lies beside it has been smoothed by the fit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import Flag
from bumphunt.inference.goodness import without_goodness
from bumphunt.inference.upper_limit import failed_limit
from bumphunt.models.background import BackgroundModel, first_coefficients, integrals
from bumphunt.scanning.likelihoods import smooth_window
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import Part, ScanMass
from bumphunt.scanning.rows import Outcome
from bumphunt.scanning.setting import ScanSetting

__all__ = ["HIDDEN", "predicted", "sideband_fit", "without_expectation"]

Array = NDArray[np.float64]

HIDDEN = 2.0
"""Half width of what a hypothesis does not see, in units of the resolution."""
MOST_STEPS = 100
ROUNDING = 1e-12
"""By how much -ln L may seem to rise in a step, relative: rounding of its sum."""
CONVERGED = 1e-9
"""Estimated distance to the minimum of -ln L at which a fit has converged."""


def predicted(mass: ScanMass, method: Method) -> ScanMass:
    """Return a mass with what its sidebands predict in place of blinded data; others as they are.

    Where a fit to the sidebands fails, or they hold no event or too few bins, or the background is no family, there is
    no expectation: no counts. Known resonances are not fitted there.

    Parameters
    ----------
    mass
        The regions that see it.
    method
        Windows and smooth background.
    """
    if not any(part.region.spectra.sidebands for part in mass.parts):
        return mass
    return replace(mass, parts=tuple(_predicted(part, method) for part in mass.parts))


def _predicted(part: Part, method: Method) -> Part:
    """Return a part whose counts are predicted in the window of its peak, and 0 elsewhere."""
    spectra, background = part.region.spectra, method.background
    counts: Array | None = None
    if isinstance(background, BackgroundModel) and spectra.counts is not None:
        x = spectra.edges
        edges, inside = smooth_window(part, method, background)
        half = HIDDEN * part.at.sigma
        beside = (edges[1:] <= part.at.position - half) | (edges[:-1] >= part.at.position + half)
        fitted = sideband_fit(background, inside, edges, beside)
        if fitted is not None:
            # the bins of the window, each shared out evenly to those of the spectrum that it joins
            fine = x[np.searchsorted(x, edges[0]) : np.searchsorted(x, edges[-1]) + 1]
            below = np.concatenate([[0.0], np.cumsum(fitted)])
            counts = np.zeros(x.size - 1)
            first = int(np.searchsorted(x, edges[0]))
            counts[first : first + fine.size - 1] = np.diff(np.interp(fine, edges, below))
    seen = replace(spectra, counts=counts, sidebands=False, expectation=counts is not None)
    return replace(part, region=replace(part.region, spectra=seen))


def sideband_fit(background: BackgroundModel, counts: Array, edges: Array, beside: NDArray[np.bool_]) -> Array | None:
    """Return the expected counts in all bins by a maximum-likelihood fit to some of them.

    Fisher's scoring, with steps that are halved until the likelihood does not fall: Poisson counts in the bins that are
    seen.

    Parameters
    ----------
    background
        Family and order.
    counts, edges
        Of a window, shapes ``(B,)`` and ``(B + 1,)``; the counts of bins that are not seen do not matter.
    beside
        Which bins are seen, shape ``(B,)``.

    Returns
    -------
    ndarray or None
        Shape ``(B,)``; None if there are no more bins than coefficients, no event, or the fit does not converge.
    """
    n = counts[beside]
    if n.size <= background.n_coefficients or not n.sum() > 0.0:
        return None
    centres = 0.5 * (edges[1:] + edges[:-1])
    density = np.interp(centres, centres[beside], n / np.diff(edges)[beside])
    c = first_coefficients(background, density * np.diff(edges), edges)

    def nll(mu: Array) -> float:
        if not np.all((mu > 0.0) & (mu < np.inf)):
            return np.inf
        return float(np.sum(mu - n * np.log(mu)))

    expected, slopes = integrals(background, c, edges)
    now = nll(expected[beside])
    for _ in range(MOST_STEPS):
        mu, d = expected[beside], slopes[:, beside]
        gradient, information = d @ (n / mu - 1.0), (d / mu) @ d.T
        step = np.linalg.lstsq(information, gradient, rcond=1e-12)[0]
        if 0.5 * float(gradient @ step) < CONVERGED:
            return expected
        size = 1.0
        while size > 1e-10:
            trial, trial_slopes = integrals(background, c + size * step, edges)
            if (found := nll(trial[beside])) <= now + ROUNDING * abs(now) and np.all(trial > 0.0):
                break
            size *= 0.5
        else:
            return None
        c, expected, slopes, now = c + size * step, trial, trial_slopes, found
    return None


def without_expectation(mass: ScanMass, setting: ScanSetting) -> Outcome | None:
    """Return the outcome of a mass of which blinded data say nothing and nothing else does; None for any other.

    Parameters
    ----------
    mass
        The regions that see it.
    setting
        What all masses of the scan share.
    """
    smooth = setting.method.background is not None
    if not (smooth and setting.blinded and any(part.region.spectra.counts is None for part in mass.parts)):
        return None
    nothing = float("nan")
    return Outcome(
        parts=mass.parts,
        edges=[part.window(setting.method.half_width, setting.method.bins) for part in mass.parts],
        n_obs=nothing,
        n_bkg=nothing,
        n_sig=nothing,
        n_sig_error=nothing,
        q0=nothing,
        p0=nothing,
        p0_error=nothing,
        z0=nothing,
        limit=failed_limit("none", setting.limits.cl, Flag.NO_EXPECTATION),
        core=np.inf,
        goodness=without_goodness(),
        flags=(),
        engine="",
    )
