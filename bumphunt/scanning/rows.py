"""Rows: what a scan says of each mass, made in one place whatever method and engine tested it.

A method hands over what it found as `Outcome`; `scan_row` makes the row of it, and decides what is valid and which
flags it carries. A further column is a field of `ScanPoint`, of `Outcome` where a method has to find it, and a line of
`scan_row`.

A hypothesis whose fit failed is a row like the others: ``valid`` is False, ``flags`` names the reason, and what could
not be determined is NaN (an empty cell in the table). Without observed counts (a blinded search) the background
expectation takes the place of the data, and every row carries the flag "blinded".

=============================  =====================================================================================
flag                           says
=============================  =====================================================================================
"blinded"                      the counts are an expectation: q0 = 0, p0 = 0.5
"no_expectation"               the data are blinded, and neither samples nor sidebands say what is expected: what a fit
                               finds is NaN
"low_counts"                   fewer than `ASYMPTOTIC_FROM` expected background events in the core of the peak
                               (`bumphunt.inference.core`): asymptotic formulae are not to be trusted, use counting
"no_background"                no template reaches into the window: all events are taken for signal
"without_sources"              that limit leaves out the sources of uncertainty
"one_sided"                    the window ends at excluded masses less than 5 resolutions from the hypothesis, and is
                               moved to the other side so that it keeps its width: see its ends
"region_without_background"    the same in one of several regions, which is left out of the row
"no_significance"              the data are impossible without signal, since no background is expected where they are:
                               q0, p0 and z0 are NaN
"poor_fit"                     the goodness of the best fit is below the threshold of the method: the background does
                               not describe the window, and an excess there may be no peak
"fit_..."                      how a fit ended (`bumphunt.engines.result.FitStatus`): at_boundary is a valid row
others                         why a limit does not exist, or wants care: "no_root", "clb_underflow", "toys_failed",
                               "too_many_events" (for Feldman-Cousins intervals), ...
=============================  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import Flag, InputError
from bumphunt.inference.core import low_counts
from bumphunt.inference.goodness import GoodnessOfFit
from bumphunt.inference.upper_limit import UpperLimit
from bumphunt.scanning.regions import Part
from bumphunt.scanning.setting import ScanSetting

__all__ = ["Outcome", "ScanPoint", "ScanResult", "scan_row"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the data of one mass say of a signal, before it is a row; NaN for what could not be determined.

    Parameters
    ----------
    parts
        The regions that were looked at.
    edges
        Edges of the window in each of them, in the unit of its axis: at least the two ends.
    n_obs, n_bkg, n_sig, n_sig_error, q0, p0, p0_error, z0
        As in `ScanPoint`, of the counts as they are, blinded or not.
    limit
        The limit on the signal events in the whole peak.
    core
        Expected background in the core of the peak, in all regions [events]; inf where nothing rests on asymptotic
        formulae, NaN where the fit without signal failed.
    flags
        What the fits and the windows have to say.
    engine
        Which engine found the best fit; empty for a count, which is not fitted.
    goodness
        How well that describes the data.
    """

    parts: Sequence[Part]
    edges: Sequence[Array]
    n_obs: float
    n_bkg: float
    n_sig: float
    n_sig_error: float
    q0: float
    p0: float
    p0_error: float
    z0: float
    limit: UpperLimit
    core: float
    flags: tuple[Flag, ...]
    engine: str
    goodness: GoodnessOfFit


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPoint:
    """The result for one mass hypothesis.

    Parameters
    ----------
    mass
        Hypothesis [GeV].
    window_lo, window_hi
        Ends of the window in mass [GeV]; of a squared mass the roots of its ends, negative for negative squares. With
        several regions the window is that of the region with the largest share of the signal.
    n_obs, n_bkg
        Observed events in the windows, and background events in them: fitted together with the signal, or expected
        (counting). Blinded: `n_obs` is the expected background.
    n_sig, n_sig_error
        Fitted signal events in the whole peak, inside the window or not, and in all regions; negative for a deficit.
        At the boundary of the fit the error is that of the background-only expectation.
    q0, p0, z0
        Discovery statistic, local p-value and significance. Fits: by the asymptotic formulae, z0 = sqrt(q0) and
        p0 = 0.5 for a deficit; or by toys, z0 that of p0, and p0 = 1 for a deficit. Counting: p0 = P(N >= n_obs). z0
        is 0 for p0 > 0.5.
    efficiency
        Branching ratio times total signal efficiency, summed over the regions.
    resolution
        Resolution in mass [GeV]: that on the axis over the slope of the axis; of the region with the largest share.
    n_sig_ul_obs, n_sig_ul_exp_m2, n_sig_ul_exp_m1, n_sig_ul_exp, n_sig_ul_exp_p1, n_sig_ul_exp_p2
        Upper limits on the signal events in the whole peak.
    p0_error, n_sig_ul_obs_error, n_sig_ul_exp_error
        Standard deviations of p0, of the observed limit and of the median expected one, from the number of toys or
        samples; 0 where there are none.
    method, cl, valid, flags
        As in `bumphunt.inference.upper_limit.UpperLimit`; flags as in the head of this module.
    engine
        Engine of the best fit (`bumphunt.engines.choose`): "linear", "newton", "minuit" or "zfit"; empty for a count.
    gof, gof_ndf, gof_p
        Goodness of the best fit (`bumphunt.inference.goodness`): the saturated likelihood ratio, degrees of freedom,
        and the probability of data that fit no better, by toys where an expected count is below 5. NaN where no degree
        of freedom is left (a count), no background is expected, the data are blinded, or toys have no random numbers.
        Of unbinned fits it is that of the same model fitted to counts in the bins of the window.
    """

    mass: float
    window_lo: float
    window_hi: float
    n_obs: float
    n_bkg: float
    n_sig: float
    n_sig_error: float
    q0: float
    p0: float
    z0: float
    efficiency: float
    resolution: float
    n_sig_ul_obs: float
    n_sig_ul_exp_m2: float
    n_sig_ul_exp_m1: float
    n_sig_ul_exp: float
    n_sig_ul_exp_p1: float
    n_sig_ul_exp_p2: float
    p0_error: float
    n_sig_ul_obs_error: float
    n_sig_ul_exp_error: float
    method: str
    cl: float
    valid: bool
    flags: tuple[Flag, ...]
    engine: str
    gof: float
    gof_ndf: int
    gof_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The results of a scan, one `ScanPoint` a mass hypothesis, in the order of the masses."""

    points: tuple[ScanPoint, ...]

    def __len__(self) -> int:
        return len(self.points)

    def column(self, name: str) -> NDArray[np.generic]:
        """Return one field of all points as an array, shape ``(N,)``; flags are joined by ";".

        Raises
        ------
        InputError
            If there is no such field.
        """
        if name not in (field.name for field in fields(ScanPoint)):
            msg = f"a scan has no column {name!r}: it has {[field.name for field in fields(ScanPoint)]}"
            raise InputError(msg)
        values = [getattr(point, name) for point in self.points]
        return np.array([";".join(v) for v in values] if name == "flags" else values)

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return all columns by name, in the order of the limit table."""
        return {field.name: self.column(field.name) for field in fields(ScanPoint)}

    @property
    def most_significant(self) -> ScanPoint | None:
        """The valid point with the largest local significance; None if there is none."""
        known = (point for point in self.points if point.valid and not np.isnan(point.z0))
        return max(known, key=lambda point: point.z0, default=None)


def scan_row(found: Outcome, setting: ScanSetting) -> ScanPoint:
    """Return the row of one mass.

    A row is valid if its limit is, and its significance is known or, without any background, cannot exist.

    Parameters
    ----------
    found
        What its data say.
    setting
        Whether they are blinded, and from which background on the formulae are trusted.
    """
    known, limit = not np.isnan(found.p0), found.limit
    alone = Flag.NO_BACKGROUND in found.flags
    known_but_blinded = setting.blinded and known
    q0, p0, p0_error, z0 = (0.0, 0.5, 0.0, 0.0) if known_but_blinded else (found.q0, found.p0, found.p0_error, found.z0)
    flags = (
        *limit.flags,
        *found.flags,
        *([Flag.NO_SIGNIFICANCE] if limit.valid and not known and alone else []),
        *([Flag.LOW_COUNTS] if low_counts(found.core, setting.limits.threshold) else []),
        *([Flag.ONE_SIDED] if any(p.one_sided(setting.method.half_width) for p in found.parts) else []),
        *([Flag.POOR_FIT] if found.goodness.p_value < setting.method.poor_fit else []),
        *([Flag.BLINDED] if setting.blinded else []),
    )
    m2, m1, median, p1, p2 = limit.expected.tolist()
    leading = int(np.argmax([part.share for part in found.parts]))
    at = found.parts[leading].at
    low, high = at.axis.signed_mass(found.edges[leading][[0, -1]]).tolist()
    return ScanPoint(
        mass=at.mass,
        window_lo=low,
        window_hi=high,
        n_obs=found.n_obs,
        n_bkg=found.n_bkg,
        n_sig=found.n_sig,
        n_sig_error=found.n_sig_error,
        q0=q0,
        p0=p0,
        z0=z0,
        efficiency=sum(part.efficiency for part in found.parts),
        resolution=at.mass_resolution,
        n_sig_ul_obs=limit.observed,
        n_sig_ul_exp_m2=m2,
        n_sig_ul_exp_m1=m1,
        n_sig_ul_exp=median,
        n_sig_ul_exp_p1=p1,
        n_sig_ul_exp_p2=p2,
        p0_error=p0_error,
        n_sig_ul_obs_error=limit.error,
        n_sig_ul_exp_error=float(limit.expected_errors[2]),
        method=limit.method,
        cl=limit.cl,
        valid=limit.valid and (known or alone),
        flags=tuple(dict.fromkeys(flags)),
        engine=found.engine,
        gof=found.goodness.statistic,
        gof_ndf=found.goodness.ndf,
        gof_p=found.goodness.p_value,
    )
