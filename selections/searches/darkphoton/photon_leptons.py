"""Observables of a lepton pair and a photon that make up an event: fitted to the beams, measured, and of conversions.

Daughters 0 and 1 of the candidate are l+ and l-, daughter 2 is the photon.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.constants import M_ELECTRON
from bumphunt.kinematics.beam_fit import beam_constrained
from bumphunt.kinematics.momenta import Beams, four_momentum, mass_squared, opening_angle, reduced_mass
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.detector.response import photon_variances, track_variances
from selections.cuts import Columns
from selections.objects import daughter

__all__ = ["FIELD", "MATERIAL", "conversion_mass", "fitted_observables", "pair_observables"]

Array = NDArray[np.float64]

MATERIAL = (2.5, 15.0)
"""Radii of beam pipe and silicon [cm], where photons turn into pairs: NIM A 479 (2002) 1."""
FIELD = 1.5
"""Magnetic field along z, of BaBar and of Belle II [T]."""
BENDING = 2.99792458e-3
"""Curvature of a track of 1 GeV transverse momentum in 1 T [1/cm]."""


def pair_observables(columns: Columns, beams: Beams, mass: float, detector: Detector) -> dict[str, Array]:
    """Return the observables of pair and photon, each of shape (N,).

    ``chi2``
        Of the fit to the beams, four degrees of freedom.
    ``mass``, ``reduced_mass``
        Mass M of the pair from fitted momenta, and sqrt(M^2 - 4 m_l^2) [GeV].
    ``mass_measured``
        Mass from the tracks alone [GeV].
    ``photon_energy``
        Measured energy of the photon in the nominal centre of mass [GeV].
    ``photon_lepton_angle``
        Angle between the photon and the nearer lepton as measured, laboratory [rad].
    ``cos_helicity``
        |cos| of the angle between l- and photon in the rest frame of the pair, fitted.
    ``cos_beam``
        The larger cos of the angles of l- to the electron beam and of l+ to the positron beam, centre of mass, fitted.
    ``conversion_mass``
        See `conversion_mass` [GeV].

    Parameters
    ----------
    columns
        Ntuple columns by basf2 name: p, theta, phi of both leptons, E, theta, phi of the photon.
    beams
        Nominal beams, whose energy spreads are part of the fit.
    mass
        Lepton mass [GeV].
    detector
        Where the errors of tracks and photons come from.
    """
    measured = _measured(columns)
    plus, minus, photon = _four_momenta(measured, mass)
    return {
        **fitted_observables(measured, beams, mass, detector),
        "mass_measured": np.sqrt(mass_squared(plus + minus)),
        "photon_energy": _product(photon, beams.p4) / beams.sqrt_s,
        "photon_lepton_angle": np.minimum(opening_angle(photon, plus), opening_angle(photon, minus)),
        "conversion_mass": conversion_mass(measured[:, :3], measured[:, 3:6]),
    }


def _measured(columns: Columns) -> Array:
    """Return momentum [GeV], polar angle and azimuth [rad] of both leptons and the photon, shape (N, 9)."""
    names = [daughter(i, q) for i, size in enumerate(("p", "p", "E")) for q in (size, "theta", "phi")]
    return np.stack([np.asarray(columns[name], dtype=np.float64) for name in names], axis=1)


def _four_momenta(values: Array, mass: float) -> tuple[Array, Array, Array]:
    """Return the four-momenta of l+, l- and photon [GeV], (N, 4) each, from momenta and angles (N, 9)."""
    plus, minus, photon = (
        four_momentum(values[:, k], values[:, k + 1], values[:, k + 2], m) for k, m in ((0, mass), (3, mass), (6, 0.0))
    )
    return plus, minus, photon


def fitted_observables(measured: Array, beams: Beams, mass: float, detector: Detector) -> dict[str, Array]:
    """Return the observables of fitted momenta, see `pair_observables`.

    Parameters
    ----------
    measured
        Momentum [GeV], polar angle and azimuth [rad] of l+, l- and photon, shape (N, 9).
    beams
        Nominal beams.
    mass
        Lepton mass [GeV].
    detector
        Where the errors come from.
    """
    variance = np.concatenate(
        [
            *(track_variances(measured[:, k], measured[:, k + 1], mass, detector) for k in (0, 3)),
            photon_variances(measured[:, 6], measured[:, 7], detector),
        ],
        axis=1,
    )
    fit = beam_constrained(measured, variance, (mass, mass, 0.0), beams)
    plus, minus, photon = _four_momenta(fit.values, mass)
    pair_mass = np.sqrt(mass_squared(plus + minus))
    # in the rest frame of the pair k.l = E_k (M / 2 -+ p cos) for l- and l+
    to_plus, to_minus = _product(photon, plus), _product(photon, minus)
    above_threshold = reduced_mass(np.maximum(pair_mass, 2 * mass), mass)
    inverse_speed = pair_mass / np.maximum(above_threshold, np.finfo(float).tiny)
    return {
        "chi2": fit.chi2,
        "mass": pair_mass,
        "reduced_mass": above_threshold,
        "cos_helicity": np.abs(to_plus - to_minus) / (to_plus + to_minus) * inverse_speed,
        "cos_beam": np.maximum(_cos_to(minus, beams.electron, beams), _cos_to(plus, beams.positron, beams)),
    }


def _product(a: Array, b: Array) -> Array:
    """Return the scalar products of four-momenta (..., 4) [GeV^2]."""
    return np.asarray(a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1] - a[..., 2] * b[..., 2] - a[..., 3] * b[..., 3])


def _cos_to(p4: Array, beam: Array, beams: Beams) -> Array:
    """Return the cosines of the angles of momenta (N, 4) to a beam in the centre of mass, (N,)."""
    energy, beam_energy = _product(p4, beams.p4) / beams.sqrt_s, float(_product(beam, beams.p4)) / beams.sqrt_s
    size = np.sqrt(np.maximum(energy**2 - mass_squared(p4), np.finfo(float).tiny))
    return np.asarray((energy * beam_energy - _product(p4, beam)) / (size * np.sqrt(beam_energy**2 - M_ELECTRON**2)))


def conversion_mass(plus: Array, minus: Array) -> Array:
    r"""Return the smallest mass that an e+ and an e- have if they start together in the material [GeV], shape (N,).

    A photon that converts at the radius r gives two parallel tracks. Traced back to the beam line the field has turned
    them apart: phi+ - phi- = r (kappa+ + kappa-), with curvatures kappa, and they seem to have a mass. Undone for the
    radius of `MATERIAL` that makes the azimuths most alike, a mass of some MeV is left from the resolution, while a
    prompt pair keeps its opening along theta, and along phi where it opens the other way.

    Parameters
    ----------
    plus, minus
        Momentum [GeV], polar angle and azimuth [rad] of the tracks where they are nearest to the beams, shape (N, 3).

    References
    ----------
    The variables of BaBar, arXiv:1406.2980, come down to this: flight length, and the orientation of the pair's plane.
    """
    (p, theta, phi), (q, other_theta, other_phi) = plus.T, minus.T
    sines = np.sin(theta), np.sin(other_theta)
    turn = BENDING * FIELD * (1 / (p * sines[0]) + 1 / (q * sines[1]))
    apart = np.mod(phi - other_phi + np.pi, 2 * np.pi) - np.pi
    left = apart - turn * np.clip(apart / turn, *MATERIAL)
    # 2 (E E' - p p' cos), without the rounding of small angles
    squares = np.sin((theta - other_theta) / 2) ** 2 + sines[0] * sines[1] * np.sin(left / 2) ** 2
    energies = np.hypot(p, M_ELECTRON) * np.hypot(q, M_ELECTRON)
    return np.asarray(np.sqrt(2 * M_ELECTRON**2 + 2 * (energies - p * q) + 4 * p * q * squares))
