"""What an experiment expects with a signal present: its significance, and the limits that would be set over it.

Both rest on Asimov data (CCGV section 3.2): the background of the fit without signal, and a signal of a given strength.
The band is that of the data's fluctuations, -2 ... +2 standard deviations. Without a signal (strength 0) the limits are
those of `bumphunt.inference.fit.limit`.

The formulae are asymptotic: with few events take toys (`bumphunt study injection`).

References
----------
CCGV: G. Cowan, K. Cranmer, E. Gross, O. Vitells, EPJC 71 (2011) 1554, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from bumphunt.engines.choose import Engine
from bumphunt.errors import FitError, Flag, InputError
from bumphunt.inference import asymptotics
from bumphunt.inference.profile import Profile
from bumphunt.inference.roots import bracketed_root
from bumphunt.inference.settings import checked_cl
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Region

__all__ = ["Expected", "expected_limit", "expected_significance"]

Array = NDArray[np.float64]
Regions = Region | Sequence[Region]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is expected of data with a signal.

    Parameters
    ----------
    strength
        That of the signal.
    band
        For data that fluctuate by -2 ... +2 standard deviations, shape ``(5,)``; NaN if a fit failed.
    valid, flags
        Whether the numbers can be used, and why not.
    """

    strength: float
    band: Array
    valid: bool
    flags: tuple[Flag, ...]

    @property
    def median(self) -> float:
        """The median."""
        return float(self.band[2])


def expected_significance(regions: Regions, strength: float, *, engine: Engine = "auto") -> Expected:
    """Return the local significance z0 that is expected with a signal: median and band.

    Parameters
    ----------
    regions, engine
        As in `bumphunt.inference.fit.fit`; of their data only the background is taken.
    strength
        Of the signal, not negative.

    Raises
    ------
    InputError
        As `bumphunt.inference.fit.fit`, and if the strength is negative or not finite.

    References
    ----------
    CCGV section 3.3 and 4.3: the root of q0 is normal, with its median from the Asimov data.

    Examples
    --------
    >>> from bumphunt.models.region import Sample, region
    >>> count = region("count", counts=[100], signal=[1.0], backgrounds=Sample("known", [100.0]))
    >>> expected_significance(count, 30.0).band.round(2).tolist()  # the median is CCGV eq. 97
    [0.87, 1.87, 2.87, 3.87, 4.87]
    """
    _checked(strength)
    data = Profile(likelihood(regions), engine)
    try:
        z = float(asymptotics.z0_from_q0(data.asimov(strength).q0()))
    except FitError as failure:
        return _failed(strength, failure)
    band = np.maximum(z + np.array(asymptotics.BAND), 0.0)  # eq. 49: no deficit counts as an excess
    return Expected(strength=strength, band=band, valid=True, flags=())


def expected_limit(regions: Regions, strength: float, *, cl: float = 0.9, engine: Engine = "auto") -> Expected:
    """Return the CLs upper limits that are expected with a signal: median and band.

    Parameters
    ----------
    regions, engine
        As in `bumphunt.inference.fit.fit`; of their data only the background is taken.
    strength
        Of the signal, not negative.
    cl
        Confidence level.

    Notes
    -----
    With a best fit mu' + N sigma the root of q~mu is (mu - mu') / sigma - N, which the Asimov data with the signal say
    (CCGV eqs 30 and 31), and CLb that of the background-only Asimov data (eqs 65 and 66).

    Raises
    ------
    InputError
        As `bumphunt.inference.fit.fit`, if the strength is negative or not finite, or the level not in (0, 1).

    Examples
    --------
    >>> from bumphunt.models.region import Sample, region
    >>> count = region("count", counts=[100], signal=[1.0], backgrounds=Sample("known", [100.0]))
    >>> expected_limit(count, 30.0).band.round(1).tolist()
    [23.5, 33.5, 45.2, 57.8, 71.1]
    """
    _checked(strength)
    alpha, band = 1.0 - checked_cl(cl), np.full(5, np.nan)
    data = Profile(likelihood(regions), engine)
    try:
        without, beside = data.asimov(), data.asimov(strength)
        scale = max(strength, data.free.n_sig_error if np.isfinite(data.free.n_sig_error) else 1.0)
        for index, n in enumerate(asymptotics.BAND):

            def log_excess(mu: float, n: float = n) -> float:
                root = np.sign(mu - strength) * np.sqrt(beside.likelihood_ratio(mu)) - n
                a = np.sqrt(without.qmu_tilde(mu)) if mu > 0.0 else 0.0
                return float(log_ndtr(-root) - log_ndtr(a - root) - np.log(alpha))

            band[index] = bracketed_root(log_excess, 0.0, scale)
    except FitError as failure:
        return _failed(strength, failure)
    return Expected(strength=strength, band=band, valid=True, flags=())


def _checked(strength: float) -> None:
    """Raise an `InputError` if a strength is none that can be present."""
    if not 0.0 <= strength < np.inf:
        msg = f"the strength of the signal that is present must be a number >= 0, got {strength}"
        raise InputError(msg)


def _failed(strength: float, failure: FitError) -> Expected:
    """Return the record of what cannot be said."""
    return Expected(strength=strength, band=np.full(5, np.nan), valid=False, flags=(failure.flag,))
