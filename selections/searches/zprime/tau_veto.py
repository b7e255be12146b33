"""Observables that tell a recoiling Z' from tau pairs and radiation: to be ranked, cut on in bins of mass, or learned.

Those of the published veto are momenta transverse to the muons and to the beams; their cuts are optimised in bins of
recoil mass (`bumphunt.cuts.best`).

References
----------
Belle II, Phys. Rev. Lett. 124 (2020) 141801, arXiv:1912.11276.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import M_MUON, M_TAU
from bumphunt.cuts.tensor import Side, VetoAxis, veto_axis
from bumphunt.kinematics.momenta import cross_product, mass_squared, momentum, signed_mass, transverse_momentum

__all__ = ["CANDIDATES", "FEATURES", "OBSERVABLES", "VETO", "veto_observables"]

Array = NDArray[np.float64]

VETO = ("pt_rec_lmax", "pt_rec_lmin", "pt_pair")
"""Observables of the published veto [GeV], with lower bounds that are optimised in bins of recoil mass."""


def _bounds(
    name: str, low: float, high: float, *, unit: str, side: Side = "above", everything: float | None = None
) -> VetoAxis:
    """Return 20 bounds: equal steps, after a first one that keeps everything where the loosest of them does not."""
    if everything is None:
        return veto_axis(name, low, high, unit=unit, side=side)
    steps = veto_axis(name, low, high, n=19, unit=unit, side=side).thresholds
    return VetoAxis(name=name, thresholds=np.append(everything, steps), unit=unit, side=side)


CANDIDATES = (
    _bounds("pt_rec_lmax", 0.0, 3.8, unit="GeV"),
    _bounds("pt_rec_lmin", 0.0, 3.8, unit="GeV"),
    _bounds("pt_pair", 0.0, 3.8, unit="GeV"),
    _bounds("tau_excess", -0.9, 0.9, unit="rad", everything=-7.0),
    _bounds("recoil_gap_margin", 0.0, 0.38, unit="rad"),
    _bounds("extra_energy", 0.02, 0.4, unit="GeV", side="below"),
    _bounds("acollinearity", 0.0, 1.9, unit="rad"),
    _bounds("acoplanarity", 0.0, 1.9, unit="rad"),
    _bounds("p_recoil", 0.0, 4.75, unit="GeV"),
    _bounds("pl_rec_lmin", -3.0, 4.2, unit="GeV", everything=-20.0),
    _bounds("pl_rec_lmax", -4.2, 3.0, unit="GeV", side="below", everything=20.0),
    _bounds("m_pair", 2.0, 9.2, unit="GeV", side="below", everything=20.0),
    _bounds("p_lmax", 1.5, 5.1, unit="GeV", side="below", everything=20.0),
    _bounds("p_lmin", 0.0, 3.8, unit="GeV"),
    _bounds("p_lmin", 1.0, 4.6, unit="GeV", side="below", everything=20.0),
    _bounds("p_asymmetry", 0.0, 0.76, unit=""),
    _bounds("cos_recoil", 0.0, 0.9, unit="", side="below", everything=1.0),
)
"""Every observable that may be cut on, with candidate bounds: to be ranked, and any three or four of them optimised."""
FEATURES = (*dict.fromkeys(axis.name for axis in CANDIDATES), "recoil_theta", "recoil_photon_angle")
"""Observables for a classifier."""

OBSERVABLES = (
    "pt_rec_lmax",
    "pt_rec_lmin",
    "pl_rec_lmax",
    "pl_rec_lmin",
    "pt_pair",
    "p_recoil",
    "p_lmax",
    "p_lmin",
    "p_asymmetry",
    "acollinearity",
    "acoplanarity",
    "tau_excess",
    "m_pair",
    "cos_recoil",
)
"""What `veto_observables` returns."""


def veto_observables(plus: Array, minus: Array, sqrt_s: float) -> dict[str, Array]:
    """Return the observables that may tell a Z' from its backgrounds, each of shape (N,).

    ``pt_rec_lmax``, ``pt_rec_lmin``
        Recoil momentum transverse to the muon of higher, of lower momentum in that frame [GeV].
    ``pl_rec_lmax``, ``pl_rec_lmin``
        Recoil momentum along these muons [GeV].
    ``pt_pair``
        Momentum of the pair transverse to z [GeV].
    ``p_recoil``, ``p_lmax``, ``p_lmin``
        Momenta of the recoil and of the muons [GeV].
    ``p_asymmetry``
        Difference of the momenta of the muons over their sum.
    ``acollinearity``, ``acoplanarity``
        What the angle between the muons, in space and about z, lacks of pi [rad].
    ``tau_excess``
        Acollinearity beyond the largest that muons of their energies have if they come from two taus of half the energy
        each, back to back [rad]: negative for tau pairs without radiation. The neutrinos of each tau have a squared
        mass (p_tau - p_mu)^2 >= 0, which keeps the muon in a cone about its tau; the excess is the acollinearity minus
        the two half-angles.
    ``m_pair``
        Invariant mass of the muons [GeV].
    ``cos_recoil``
        Modulus of the cosine of the polar angle of the recoil.

    Parameters
    ----------
    plus, minus
        Four-momenta of the leptons in the centre-of-mass frame [GeV], shape (N, 4).
    sqrt_s
        Centre-of-mass energy [GeV].
    """
    p_plus, p_minus = momentum(plus), momentum(minus)
    p_lmax, p_lmin = np.maximum(p_plus, p_minus), np.minimum(p_plus, p_minus)
    pair = plus + minus
    p_recoil = momentum(pair)
    # in this frame the recoil is back to back with the pair, and the momentum of the pair transverse to one muon is
    # that of the other muon: abs(p+ x p-) / p
    cross = cross_product(plus, minus)
    dot = np.sum(plus[:, 1:] * minus[:, 1:], axis=-1)
    acollinearity = np.arctan2(cross, -dot)
    tau_cones = _tau_cone(plus[:, 0], p_plus, sqrt_s) + _tau_cone(minus[:, 0], p_minus, sqrt_s)
    azimuth = np.arctan2(plus[:, 1] * minus[:, 2] - plus[:, 2] * minus[:, 1], np.sum(plus[:, 1:3] * minus[:, 1:3], -1))
    return {
        "pt_rec_lmax": cross / p_lmax,
        "pt_rec_lmin": cross / p_lmin,
        "pl_rec_lmax": -(p_lmax + dot / p_lmax),
        "pl_rec_lmin": -(p_lmin + dot / p_lmin),
        "pt_pair": transverse_momentum(pair),
        "p_recoil": p_recoil,
        "p_lmax": p_lmax,
        "p_lmin": p_lmin,
        "p_asymmetry": (p_lmax - p_lmin) / (p_lmax + p_lmin),
        "acollinearity": acollinearity,
        "acoplanarity": np.pi - np.abs(azimuth),
        "tau_excess": acollinearity - tau_cones,
        "m_pair": signed_mass(mass_squared(pair)),
        "cos_recoil": np.divide(np.abs(pair[:, 3]), p_recoil, out=np.ones_like(p_recoil), where=p_recoil > 0),
    }


def _tau_cone(energy: Array, p: Array, sqrt_s: float) -> Array:
    """Return the largest angle between a muon and the tau of half the energy that it came from [rad], shape (N,).

    The neutrinos have a squared mass (p_tau - p_mu)^2 >= 0. The angle is 0 for a muon that no such tau makes, and pi
    for one that may fly anywhere.
    """
    e_tau = sqrt_s / 2
    p_tau = np.sqrt(e_tau**2 - M_TAU**2)
    cosine = (2 * e_tau * energy - M_TAU**2 - M_MUON**2) / (2 * p_tau * p)
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)))
