"""Tau pairs with their decays, e+e- -> tau+ tau- (gamma).

Use it as the background at intermediate recoil masses. The pair is made at tree level with the tau mass, vacuum
polarisation, one collinear photon from each beam and from each tau, the hardest of which is that of the exact matrix
element with all interference (`bumphunt.montecarlo.amplitudes.pair_photon`). The decays carry the full spin correlation
of the pair, transverse components included. There is no radiation from the decay products.

The decay modes are drawn from a proposal that favours what the search keeps and the events weighted back to the PDG's
branching fractions, so that the mean weight is the whole cross section.

References
----------
Y.-S. Tsai, Phys. Rev. D 4 (1971) 2821, and S. Jadach, Z. Was, Comput. Phys. Commun. 36 (1985) 191: spin correlations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bumphunt.constants import M_TAU
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.amplitudes.pair_photon import hardest_photon_weight
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.processes.taus.tau_decays import decay_at_rest, sample_modes
from bumphunt.montecarlo.radiation.final_state import radiate_final_state
from bumphunt.montecarlo.radiation.initial_state import Shares, radiate_initial_state
from bumphunt.montecarlo.radiation.vacuum_polarisation import vacuum_polarisation
from bumphunt.montecarlo.scalar_kinematics import boost_from_rest
from bumphunt.theory.lepton_pairs import born_cross_section

__all__ = ["antiparticles", "generate", "orient_decays", "spin_correlation"]

Array = NDArray[np.float64]

TAU_SHARES: Shares = (0.88, 0.10, 0.02, 0.0, 0.0)
"""How often each kind of radiation from the taus is generated: less than from muons, as it happens less."""
LOWEST_MASS = 2 * M_TAU * (1 + 1e-9)
"""Lowest mass of a tau pair [GeV]: just above threshold, where its frame is still defined."""


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    mode_enrichment: Mapping[str, float] | str = "muon",
) -> Events:
    """Return `n` weighted events e+e- -> tau+ tau- (gamma) with decayed taus.

    The mean weight is the cross section, all decays included; some events have weight 0 (radiated below threshold).

    Parameters
    ----------
    n
        Number of events.
    beams
        The collider.
    rng
        Source of randomness.
    mode_enrichment
        How often each decay mode is drawn, compared with nature: a name of `tau_decays.ENRICHMENTS` or factors by mode.

    Returns
    -------
    Events
        Columns: the photons of electron and positron, the products of the tau-, those of the tau+, the photons of tau-
        and tau+.

    Raises
    ------
    InputError
        If `mode_enrichment` names an unknown mode or a factor that is not positive.
    """
    minus_mode, minus_weight = sample_modes(n, enrichment=mode_enrichment, rng=rng)
    plus_mode, plus_weight = sample_modes(n, enrichment=mode_enrichment, rng=rng)
    electron, positron = beam_particles(beams, n, rng=rng)
    initial = radiate_initial_state(electron, positron, minimum_mass=LOWEST_MASS, rng=rng)
    s = initial.mass_squared
    cos, frame, charged = np.empty(n), np.empty((n, 3, 3)), np.empty((n, 2, 4))
    _back_to_back(initial.axis, s, rng, cos, frame, charged)
    taus, final_weight = radiate_final_state(initial.pair, charged, mass=M_TAU, rng=rng, slots=6, shares=TAU_SHARES)
    taus[:, 4:] = initial.photons
    exact = hardest_photon_weight(electron, positron, taus, mass=M_TAU)
    minus, plus = decay_at_rest(minus_mode, rng=rng), decay_at_rest(plus_mode, rng=rng)
    _decay(initial.pair, taus, cos, frame, minus.p4, plus.p4, minus.polarimeter, plus.polarimeter, rng)
    photons = taus[:, 2:]
    photon_id = np.where(photons[..., 0] > 0, np.int32(22), np.int32(0))
    sigma = born_cross_section(s, M_TAU) * vacuum_polarisation(s)
    return Events(
        pdgid=np.concatenate([photon_id[:, 2:], minus.pdgid, antiparticles(plus.pdgid), photon_id[:, :2]], axis=1),
        p4=np.concatenate([photons[:, 2:], minus.p4, plus.p4, photons[:, :2]], axis=1),
        weight=initial.weight * sigma * final_weight * exact * minus_weight * plus_weight,
        beams_p4=electron + positron,
    )


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
def _spin_correlation(cos: float, r: float) -> Array:
    """Return `spin_correlation` for one angle; r = 4 m^2 / s."""
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


def spin_correlation(cos: float, sqrt_s: float) -> Array:
    """Return the spin correlation R of e+e- -> tau+ tau-, shape (3, 3): the rate goes as 1 + s_i R_ij s'_j.

    Axes: z along the tau-, x in the production plane so that the electron beam has a negative x component; s and s'
    are the spin vectors of tau- and tau+ in their rest frames.

    Parameters
    ----------
    cos
        Cosine of the angle between electron and tau-.
    sqrt_s
        Centre-of-mass energy [GeV].

    Examples
    --------
    >>> [round(float(v), 3) for v in np.diag(spin_correlation(0.0, 10.58))]
    [1.0, -0.797, 0.797]
    """
    return np.asarray(_spin_correlation(cos, 4 * M_TAU**2 / sqrt_s**2))


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
def _back_to_back(axis: Array, s: Array, rng: np.random.Generator, cos: Array, frame: Array, charged: Array) -> None:
    """Fill angle (N,), axes (N, 3, 3) and momenta (N, 2, 4) of taus in the rest frame of the pair, before they radiate.

    The axes are those of `spin_correlation`, in the order x, y, z; `axis` holds the directions of the beam, (N, 3).
    """
    for i in range(s.size):
        cos[i] = _cosine(4 * M_TAU * M_TAU / s[i], rng)
        _production_frame(axis[i], cos[i], 2 * np.pi * rng.random(), frame[i])
        p = np.sqrt(max(s[i] / 4 - M_TAU * M_TAU, 0.0))
        charged[i, :, 0] = np.sqrt(s[i]) / 2
        for j in range(3):
            charged[i, 0, 1 + j], charged[i, 1, 1 + j] = p * frame[i, 2, j], -p * frame[i, 2, j]


@njit(cache=True)
def orient_decays(
    pair: Array,
    axis: Array,
    minus: Array,
    plus: Array,
    h_minus: Array,
    h_plus: Array,
    rng: np.random.Generator,
) -> None:
    """Turn decays at rest into laboratory momenta in place, with the angles and spins of tau pairs from one vector.

    The taus do not radiate.

    Parameters
    ----------
    pair
        Laboratory momenta of the pairs [GeV], shape (N, 4).
    axis
        Directions of the beam from which angles count, unit vectors in the rest frame of the pair, shape (N, 3).
    minus, plus
        Products of the tau- and of the tau+, both decayed as tau- at rest [GeV], shape (N, P, 4).
    h_minus, h_plus
        Their polarimeter vectors, shape (N, 3).
    rng
        Source of randomness.
    """
    n = pair.shape[0]
    s, cos, frame, charged = np.empty(n), np.empty(n), np.empty((n, 3, 3)), np.empty((n, 2, 4))
    for i in range(n):
        s[i] = pair[i, 0] ** 2 - pair[i, 1] ** 2 - pair[i, 2] ** 2 - pair[i, 3] ** 2
    _back_to_back(axis, s, rng, cos, frame, charged)
    taus = np.empty((n, 2, 4))
    for i in range(n):
        total = (pair[i, 0], pair[i, 1], pair[i, 2], pair[i, 3])
        for leg in range(2):
            q = charged[i, leg]
            tau = boost_from_rest((q[0], q[1], q[2], q[3]), total, np.sqrt(s[i]))
            taus[i, leg, 0], taus[i, leg, 1], taus[i, leg, 2], taus[i, leg, 3] = tau
    _decay(pair, taus, cos, frame, minus, plus, h_minus, h_plus, rng)


@njit(cache=True)
def _decay(
    pair: Array,
    taus: Array,
    cos: Array,
    frame: Array,
    minus: Array,
    plus: Array,
    h_minus: Array,
    h_plus: Array,
    rng: np.random.Generator,
) -> None:
    """Turn decays at rest, (N, P, 4), into lab momenta in place, with the spins of tau pairs.

    `pair` and `taus` are lab momenta of the pairs before they radiate, (N, 4), and of tau- and tau+, (N, >= 2, 4). A
    tau that radiated keeps its spin with respect to its momentum.
    """
    turned = np.empty((3, 3))
    for row in range(pair.shape[0]):
        t = pair[row]
        w = np.sqrt(t[0] * t[0] - t[1] * t[1] - t[2] * t[2] - t[3] * t[3])
        signs = _quadrant(_spin_correlation(cos[row], 4 * M_TAU * M_TAU / (w * w)), h_minus[row], h_plus[row], rng)
        for leg in range(2):
            q = (taus[row, leg, 0], taus[row, leg, 1], taus[row, leg, 2], taus[row, leg, 3])
            e, x, y, z = boost_from_rest(q, (t[0], -t[1], -t[2], -t[3]), w)
            side = 1.0 if leg == 0 else -1.0
            _turn(frame[row], (side * x, side * y, side * z), turned)
            # CP: the tau+ decays like the mirror image of a tau-
            if leg == 0:
                _to_lab(minus[row], t, w, turned, e / M_TAU, side, (1.0, 1.0, 1.0))
            else:
                _to_lab(plus[row], t, w, turned, e / M_TAU, side, (-signs[0], -signs[1], -signs[2]))


@njit(cache=True)
def _turn(frame: Array, along: tuple[float, float, float], turned: Array) -> None:
    """Fill `turned` with the rows of `frame`, rotated by the shortest way that brings the third to `along`."""
    norm = np.sqrt(along[0] ** 2 + along[1] ** 2 + along[2] ** 2)
    for i in range(3):
        turned[2, i] = along[i] / norm if norm > 0 else frame[2, i]
    cosine = frame[2, 0] * turned[2, 0] + frame[2, 1] * turned[2, 1] + frame[2, 2] * turned[2, 2]
    for row in range(2):
        f = frame[row, 0] * turned[2, 0] + frame[row, 1] * turned[2, 1] + frame[row, 2] * turned[2, 2]
        f /= max(1 + cosine, 1e-12)
        for i in range(3):
            turned[row, i] = frame[row, i] - f * (frame[2, i] + turned[2, i])


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
    p4: Array, pair: Array, w: float, frame: Array, gamma: float, side: float, signs: tuple[float, float, float]
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
