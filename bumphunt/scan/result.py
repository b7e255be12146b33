"""What a mass scan says: one row of results per mass hypothesis.

A hypothesis whose fit failed is a row like the others: ``valid`` is False, ``flags`` names the reason, and what could
not be determined is NaN (an empty cell in the table). Without observed counts (a blinded search) the background
expectation takes the place of the data, and every row carries the flag "blinded".

Flags: "blinded"; "low_counts" (fewer than `ASYMPTOTIC_FROM` expected background events within +-2 sigma of
the mass: the asymptotic formulae are not to be trusted, use counting); "no_background" (no template reaches into the
window); "region_without_background" (that is so in one of several regions, which is left out of the row);
"no_significance" (the data are impossible without signal, since no background is expected where they are: q0, p0 and z0
are NaN, the limit takes all events for signal); "fit_at_boundary", "fit_singular", "fit_not_converged",
"fit_infeasible"; "no_root"; "clb_underflow".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.inference.limits import UpperLimit
from bumphunt.scan.regions import Part

__all__ = ["ScanPoint", "ScanResult", "scan_row"]

Array = NDArray[np.float64]


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
        Observed events in the windows, and background events in them: fitted together with the signal (templates), or
        expected (counting). Blinded: `n_obs` is the expected background.
    n_sig, n_sig_error
        Fitted signal events in the whole peak, inside the window or not, and in all regions; negative for a deficit.
        At the boundary of the fit the error is that of the background-only expectation.
    q0, p0, z0
        Discovery statistic, local p-value and significance. Templates: asymptotic, p0 = 0.5 for a deficit. Counting:
        p0 = P(N >= n_obs), z0 = 0 for p0 > 0.5, and q0 = z0^2.
    efficiency
        Branching ratio times total signal efficiency, summed over the regions.
    resolution
        Resolution in mass [GeV]: that on the axis over the slope of the axis; of the region with the largest share.
    n_sig_ul_obs, n_sig_ul_exp_m2, n_sig_ul_exp_m1, n_sig_ul_exp, n_sig_ul_exp_p1, n_sig_ul_exp_p2
        Upper limits on the signal events in the whole peak.
    method, cl, valid, flags
        As in `bumphunt.inference.limits.UpperLimit`; flags as in the head of this module.
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
    method: str
    cl: float
    valid: bool
    flags: tuple[str, ...]


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
        known = (point for point in self.points if point.valid and np.isfinite(point.z0))
        return max(known, key=lambda point: point.z0, default=None)


def scan_row(parts: Sequence[Part], edges: Sequence[Array], limit: UpperLimit, **fitted: float) -> ScanPoint:
    """Return a row from its limit and its fitted numbers.

    Parameters
    ----------
    parts
        The regions at this mass.
    edges
        Edges of the window in each of them, in the unit of its axis: at least the two ends.
    limit
        Limit, validity and flags.
    fitted
        `n_obs`, `n_bkg`, `n_sig`, `n_sig_error`, `q0`, `p0`, `z0` of `ScanPoint`.
    """
    m2, m1, median, p1, p2 = (float(value) for value in limit.expected)
    leading = int(np.argmax([part.share for part in parts]))
    at = parts[leading].at
    ends = at.axis.signed_mass(edges[leading][[0, -1]])
    return ScanPoint(
        mass=at.mass,
        window_lo=float(ends[0]),
        window_hi=float(ends[1]),
        **fitted,
        efficiency=sum(part.efficiency for part in parts),
        resolution=at.mass_resolution,
        n_sig_ul_obs=limit.observed,
        n_sig_ul_exp_m2=m2,
        n_sig_ul_exp_m1=m1,
        n_sig_ul_exp=median,
        n_sig_ul_exp_p1=p1,
        n_sig_ul_exp_p2=p2,
        method=limit.method,
        cl=limit.cl,
        valid=limit.valid,
        flags=limit.flags,
    )
