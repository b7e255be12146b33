"""Toys of a window: drawn from its truth with a signal on top, and fitted as the data are.

All counts fluctuate, and the centres of constraints around the true parameters. Of each toy is kept what studies ask
for (`FittedToys`). The pull is the signed root of the likelihood ratio at the true signal: (n_sig - truth) / error
where the likelihood is a parabola, and as normal where it is not, which a pull with the error of the fit is not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bumphunt.engines.choose import fit_data_sets
from bumphunt.engines.start import first_strength
from bumphunt.inference.toys import Toys, make_block
from bumphunt.studies.windows import StudyWindow

__all__ = ["FittedToys", "fitted_toys", "joined_toys", "window_toys"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedToys:
    """What is kept of N toys, shape ``(N,)`` each; NaN where a fit failed.

    Parameters
    ----------
    n_sig
        Fitted signal [events].
    pull
        Signed root of -2 ln lambda at the true signal, negative where less was fitted.
    statistic
        Saturated likelihood ratio of the best fit, constraints included.
    """

    n_sig: Array
    pull: Array
    statistic: Array

    def __len__(self) -> int:
        return self.n_sig.size

    @property
    def good(self) -> NDArray[np.bool_]:
        """Whose fits are good, shape ``(N,)``."""
        return np.isfinite(self.n_sig) & np.isfinite(self.pull)


def joined_toys(blocks: list[FittedToys]) -> FittedToys:
    """Return blocks of toys as one."""
    return FittedToys(
        **{one.name: np.concatenate([getattr(b, one.name) for b in blocks]) for one in fields(FittedToys)}
    )


def window_toys(window: StudyWindow, strength: float, *, seed: np.random.SeedSequence, n_toys: int) -> Toys:
    """Return toys of a window with a signal [events]."""
    truth, expected = window.at(strength)
    return make_block(window.model, truth, seed=seed, n_toys=n_toys, expected=expected)


def fitted_toys(window: StudyWindow, strength: float, *, seed: np.random.SeedSequence, n_toys: int) -> FittedToys:
    """Return what the fits of toys with a signal say.

    Parameters
    ----------
    window
        What is fitted, and the truth.
    strength
        The signal in the toys [events].
    seed
        Of all of them together.
    n_toys
        How many.
    """
    toys = window_toys(window, strength, seed=seed, n_toys=n_toys)
    truth, _ = window.at(strength)
    start = np.tile(truth, (n_toys, 1))
    held = fit_data_sets(window.model, toys.counts, toys.centres, start, strength_free=False)
    nu, slopes = window.model.expected_and_slopes(window.truth)
    start = start.copy()
    start[:, 0] = first_strength(nu, slopes[0], toys.counts, otherwise=strength)
    free = fit_data_sets(window.model, toys.counts, toys.centres, start, strength_free=True)
    good = held.usable & free.usable
    n_sig = np.where(good, free.values[:, 0], np.nan)
    with np.errstate(invalid="ignore"):
        root = np.sqrt(np.maximum(2.0 * (held.nll - free.nll), 0.0))
        return FittedToys(
            n_sig=n_sig,
            pull=np.where(good, np.sign(n_sig - strength) * root, np.nan),
            statistic=np.where(good, 2.0 * free.nll, np.nan),
        )
