"""Tau pairs from one vector: their angles, and decays with the full spin correlation, transverse components included.

References
----------
Y.-S. Tsai, Phys. Rev. D 4 (1971) 2821, and S. Jadach, Z. Was, Comput. Phys. Commun. 36 (1985) 191: spin correlations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import M_TAU
from bumphunt.kinematics.compiled import P4, boost_from_rest, boost_to_rest, mass_squared, row

__all__ = ["antiparticles", "decay_with_spins", "orient_decays", "spin_correlation", "taus_back_to_back"]

Array = NDArray[np.float64]
Leg = tuple[Array, Array]
"""Products of decays as tau- at rest [GeV], shape (N, P, 4), and the polarimeter vectors, shape (N, 3)."""


def antiparticles(pdgid: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the PDG numbers of the antiparticles of tau decay products, of any shape; 0 stays 0.

    Examples
    --------
    >>> antiparticles(np.array([13, 22, 130, 0], dtype=np.int32))
    array([-13,  22, 130,   0], dtype=int32)
    """
    own = (pdgid == 22) | (pdgid == 130)  # a photon and a K0_L are their own
    return np.where(own, pdgid, -pdgid)


@njit(cache=True)
def spin_correlation(cos: float, r: float) -> Array:
    """Return the spin correlation R of e+e- -> tau+ tau-, shape (3, 3): the rate goes as 1 + s_i R_ij s'_j.

    Axes: z along the tau-, x in the production plane so that the electron beam has a negative x component; s and s'
    are the spin vectors of tau- and tau+ in their rest frames.

    Parameters
    ----------
    cos
        Cosine of the angle between electron and tau-.
    r
        4 m^2 / s.

    References
    ----------
    Tsai, as cited at the top.
    """
    sin2 = 1 - cos * cos
    norm = 1 + cos * cos + r * sin2
    out = np.zeros((3, 3))
    # the pair is in the triplet state v.sigma, v the polarisation of the virtual photon with its part along the tau
    # reduced by 1/gamma: R_ij = delta_ij - 2 <v_i v_j>/<v^2>
    out[0, 0] = (1 + r) * sin2 / norm
    out[1, 1] = -(1 - r) * sin2 / norm
    out[2, 2] = (1 + cos * cos - r * sin2) / norm
    out[0, 2] = out[2, 0] = -2 * np.sqrt(r * sin2) * cos / norm
    return out


@njit(cache=True)
def _cosine(r: float, rng: np.random.Generator) -> float:
    """Return a cosine drawn from 1 + cos^2 + r sin^2."""
    while True:
        cos = 2 * rng.random() - 1
        if 2 * rng.random() < 1 + cos * cos + r * (1 - cos * cos):
            return cos


@njit(cache=True)
def _quadrant(correlation: Array, h: Array, g: Array, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the signs of the rotation (by 0, or by pi about an axis) of the tau+ decay, drawn by 1 + h R g.

    The four rotated g add to zero, so the four rates add to 4, and nothing needs to be rejected.
    """
    a0 = (h[0] * correlation[0, 0] + h[1] * correlation[1, 0] + h[2] * correlation[2, 0]) * g[0]
    a1 = (h[0] * correlation[0, 1] + h[1] * correlation[1, 1] + h[2] * correlation[2, 1]) * g[1]
    a2 = (h[0] * correlation[0, 2] + h[1] * correlation[1, 2] + h[2] * correlation[2, 2]) * g[2]
    u = 4 * rng.random()
    u -= 1 + a0 + a1 + a2
    if u < 0:
        return 1.0, 1.0, 1.0
    u -= 1 + a0 - a1 - a2
    if u < 0:
        return 1.0, -1.0, -1.0
    u -= 1 - a0 + a1 - a2
    if u < 0:
        return -1.0, 1.0, -1.0
    return -1.0, -1.0, 1.0


@njit(cache=True)
def taus_back_to_back(
    axis: Array, s: Array, rng: np.random.Generator, cos: Array, frame: Array, charged: Array
) -> None:
    """Fill angles and momenta of tau- and tau+ in the rest frame of the pair, before they radiate.

    Parameters
    ----------
    axis
        Directions of the beam from which angles count, shape (N, 3).
    s
        Squared masses of the pairs [GeV^2], shape (N,).
    rng
        Source of randomness.
    cos
        Filled with the cosines of the tau- to the axis, shape (N,).
    frame
        Filled with the axes x, y, z of `spin_correlation`, shape (N, 3, 3).
    charged
        Filled with the momenta [GeV], shape (N, 2, 4).
    """
    for i in range(s.size):
        cos[i] = _cosine(4 * M_TAU * M_TAU / s[i], rng)
        _production_frame(axis[i], cos[i], 2 * np.pi * rng.random(), frame[i])
        p = np.sqrt(max(s[i] / 4 - M_TAU * M_TAU, 0.0))
        charged[i, :, 0] = np.sqrt(s[i]) / 2
        for j in range(3):
            charged[i, 0, 1 + j], charged[i, 1, 1 + j] = p * frame[i, 2, j], -p * frame[i, 2, j]


@njit(cache=True)
def orient_decays(pair: Array, axis: Array, minus: Leg, plus: Leg, rng: np.random.Generator) -> None:
    """Turn decays at rest into laboratory momenta in place, with the angles and spins of tau pairs from one vector.

    The taus do not radiate.

    Parameters
    ----------
    pair
        Laboratory momenta of the pairs [GeV], shape (N, 4).
    axis
        Directions of the beam from which angles count, unit vectors in the rest frame of the pair, shape (N, 3).
    minus, plus
        Decays of the tau- and of the tau+, both as tau- at rest.
    rng
        Source of randomness.
    """
    n = pair.shape[0]
    s, cos, frame, taus = np.empty(n), np.empty(n), np.empty((n, 3, 3)), np.empty((n, 2, 4))
    for i in range(n):
        s[i] = mass_squared(row(pair, i))
    taus_back_to_back(axis, s, rng, cos, frame, taus)
    for i in range(n):
        total = row(pair, i)
        for leg in range(2):
            taus[i, leg] = boost_from_rest(row(taus[i], leg), total, np.sqrt(s[i]))
    decay_with_spins(pair, taus, cos, frame, minus, plus, rng)


@njit(cache=True)
def decay_with_spins(
    pair: Array, taus: Array, cos: Array, frame: Array, minus: Leg, plus: Leg, rng: np.random.Generator
) -> None:
    """Turn decays at rest into laboratory momenta in place, with the spins of tau pairs.

    A tau that radiated keeps its spin with respect to its momentum.

    Parameters
    ----------
    pair
        Laboratory momenta of the pairs before they radiate [GeV], shape (N, 4).
    taus
        Laboratory momenta of tau- and tau+ [GeV], and any others, shape (N, >= 2, 4).
    cos, frame
        As `taus_back_to_back` gives them.
    minus, plus
        Decays of the tau- and of the tau+, both as tau- at rest.
    rng
        Source of randomness.
    """
    turned = np.empty((3, 3))
    for i in range(pair.shape[0]):
        total = row(pair, i)
        w = np.sqrt(mass_squared(total))
        correlation = spin_correlation(cos[i], 4 * M_TAU * M_TAU / (w * w))
        signs = _quadrant(correlation, minus[1][i], plus[1][i], rng)
        for leg in range(2):
            e, x, y, z = boost_to_rest(row(taus[i], leg), total, w)
            side = 1.0 if leg == 0 else -1.0
            _turn(frame[i], (side * x, side * y, side * z), turned)
            # CP: the tau+ decays like the mirror image of a tau-
            if leg == 0:
                _to_lab(minus[0][i], total, w, turned, e / M_TAU, side, (1.0, 1.0, 1.0))
            else:
                _to_lab(plus[0][i], total, w, turned, e / M_TAU, side, (-signs[0], -signs[1], -signs[2]))


@njit(cache=True)
def _turn(frame: Array, along: tuple[float, float, float], turned: Array) -> None:
    """Fill `turned` with the rows of `frame`, rotated by the shortest way that brings the third to `along`."""
    norm = np.sqrt(along[0] ** 2 + along[1] ** 2 + along[2] ** 2)
    for i in range(3):
        turned[2, i] = along[i] / norm if norm > 0 else frame[2, i]
    cosine = frame[2, 0] * turned[2, 0] + frame[2, 1] * turned[2, 1] + frame[2, 2] * turned[2, 2]
    for k in range(2):
        f = frame[k, 0] * turned[2, 0] + frame[k, 1] * turned[2, 1] + frame[k, 2] * turned[2, 2]
        f /= max(1 + cosine, 1e-12)
        for i in range(3):
            turned[k, i] = frame[k, i] - f * (frame[2, i] + turned[2, i])


@njit(cache=True)
def _production_frame(axis: Array, cos: float, phi: float, frame: Array) -> None:
    """Fill the rows of `frame` with x, y, z of `spin_correlation`, for a tau- at angle `cos` and azimuth `phi`."""
    sign = 1.0 if axis[2] >= 0 else -1.0
    a = -1 / (sign + axis[2])
    b = axis[0] * axis[1] * a
    c, s = np.cos(phi), np.sin(phi)
    sin = np.sqrt(1 - cos * cos)
    # the unit vector across the axis at azimuth phi (Duff et al., JCGT 6 (2017) 1)
    across = (
        c * (1 + sign * axis[0] * axis[0] * a) + s * b,
        c * sign * b + s * (sign + axis[1] * axis[1] * a),
        -c * sign * axis[0] - s * axis[1],
    )
    for i in range(3):
        frame[2, i] = sin * across[i] + cos * axis[i]
        frame[0, i] = cos * across[i] - sin * axis[i]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        frame[1, i] = frame[2, j] * frame[0, k] - frame[2, k] * frame[0, j]


@njit(cache=True)
def _to_lab(
    p4: Array, pair: P4, w: float, frame: Array, gamma: float, side: float, signs: tuple[float, float, float]
) -> None:
    """Boost decay products, (P, 4), from the tau's rest frame to the lab in place, after reversing axes by `signs`."""
    gamma_beta = side * np.sqrt(max(gamma * gamma - 1, 0.0))
    for slot in range(p4.shape[0]):
        e = p4[slot, 0]
        if e == 0.0:
            break
        x, y, z = signs[0] * p4[slot, 1], signs[1] * p4[slot, 2], signs[2] * p4[slot, 3]
        e, z = gamma * e + gamma_beta * z, gamma * z + gamma_beta * e
        px = x * frame[0, 0] + y * frame[1, 0] + z * frame[2, 0]
        py = x * frame[0, 1] + y * frame[1, 1] + z * frame[2, 1]
        pz = x * frame[0, 2] + y * frame[1, 2] + z * frame[2, 2]
        energy = (pair[0] * e + pair[1] * px + pair[2] * py + pair[3] * pz) / w
        f = (e + energy) / (pair[0] + w)
        p4[slot, 0] = energy
        p4[slot, 1] = px + f * pair[1]
        p4[slot, 2] = py + f * pair[2]
        p4[slot, 3] = pz + f * pair[3]
