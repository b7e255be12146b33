"""Weights that make the hardest photon of a generated pair that of the exact matrix element.

Use them on pairs whose beams and leptons radiated one by one (`bumphunt.montecarlo.radiation.initial_state`,
`bumphunt.montecarlo.radiation.final_state`): with them the hardest photon is that of the whole amplitude
(`bumphunt.montecarlo.amplitudes.pair_photon`), with the interference of initial- and final-state radiation and with the
masses. Momenta are named as there.

References
----------
D. R. Yennie, S. C. Frautschi, H. Suura, Ann. Phys. 13 (1961) 379: exponents of soft photons.
M. H. Seymour, Comput. Phys. Commun. 90 (1995) 95: correcting the hardest emission.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bumphunt.compilation import njit
from bumphunt.constants import ALPHA, M_ELECTRON
from bumphunt.errors import InputError
from bumphunt.kinematics.compiled import P4, add, minkowski, row, subtract
from bumphunt.montecarlo.amplitudes.pair_photon import from_beams, from_leptons, interference
from bumphunt.montecarlo.radiation.photon_angles import angular_weight
from bumphunt.theory.pair_and_vector import compiled_trace

__all__ = ["LARGEST_RATIO", "SOFT_FRACTION", "hardest_photon_weight"]

Array = NDArray[np.float64]

SOFT_FRACTION = 1e-3
"""Photons below this fraction of the beam energy keep their angles: 5 MeV at 10.58 GeV, which no calorimeter counts."""
LARGEST_RATIO = 2.5
"""Guard on the exact over the generated density of a photon, which is at most 2 without masses (Cauchy, Schwarz)."""


@njit(cache=True)
def _generated_initial(p1: P4, p2: P4, q1: P4, q2: P4, k: P4, m: float) -> float:
    """Return the density with which photons of the beams are generated, in the units of `pair_photon.from_beams`.

    The photon is exact, and the leptons go as 1 + cos^2 + r sin^2, r = 4 m^2 / s', about a beam that was drawn by its
    squared energy (`InitialState.axis`).
    """
    total = (q1[0] + q2[0], q1[1] + q2[1], q1[2] + q2[2], q1[3] + q2[3])
    q = (q1[0] - q2[0], q1[1] - q2[1], q1[2] - q2[2], q1[3] - q2[3])
    s_left = minkowski(total, total)
    e1, e2, x1, x2 = minkowski(p1, total), minkowski(p2, total), minkowski(p1, q), minkowski(p2, q)
    shape = 1 + 4 * m * m / s_left + (x1 * x1 + x2 * x2) / (e1 * e1 + e2 * e2)
    d1, d2 = -2 * minkowski(p1, k), -2 * minkowski(p2, k)
    return compiled_trace(d1, d2, s_left, M_ELECTRON * M_ELECTRON, 0.0) * shape / s_left


@njit(cache=True)
def _generated_final(p1: P4, p2: P4, q1: P4, q2: P4, k: P4, m: float) -> float:
    """Return the density with which photons of the leptons are generated, in the units of `pair_photon.from_leptons`.

    The photon is that of `photon_angles.angular_weight`, and one lepton, drawn by its squared energy, keeps a direction
    that goes as 1 + cos^2 + r sin^2, r = 4 m^2 / s, about the beams.
    """
    total = (p1[0] + p2[0], p1[1] + p2[1], p1[2] + p2[2], p1[3] + p2[3])
    p = (p1[0] - p2[0], p1[1] - p2[1], p1[2] - p2[2], p1[3] - p2[3])
    s, m2, c, d = minkowski(total, total), m * m, minkowski(q1, k), minkowski(q2, k)
    e1, e2 = minkowski(q1, total), minkowski(q2, total)  # times sqrt(s), as the momenta along the beams
    x1, x2, r = minkowski(q1, p), minkowski(q2, p), 4 * m2 / s
    cos1, cos2 = x1 * x1 / (e1 * e1 - m2 * s), x2 * x2 / (e2 * e2 - m2 * s)  # squared
    shape = 1 + r + (1 - r) * (e1 * e1 * cos1 + e2 * e2 * cos2) / (e1 * e1 + e2 * e2)
    lost = 2 * (c + d) / s
    eps = 4 * m2 / (s * (1 - lost))
    b = np.sqrt(max(1 - eps, 1e-30))
    gap = eps / (1 + b)
    # with this logarithm the weight is the exact numerator over sin^2 + eps cos^2 = 1 - b^2 cos^2
    angular = angular_weight(lost, max(2 * c / (c + d) - gap, 0.0) / b, gap, 1 + np.log((1 + b) / gap) / b)
    angular *= (c + d) ** 2 / (4 * c * d)
    soft = (1 - r) / (1 - r / 2)  # the weight of the angle is normalised to soft photons
    return 32 * soft * np.sqrt(1 - r) / b * (1 + (1 - lost) ** 2) / lost**2 * angular * shape / s


@njit(cache=True)
def _orthogonal(v: P4, total: P4, square: float) -> P4:
    """Return the part of v orthogonal to `total` (of that square), with the square -1."""
    f = minkowski(v, total) / square
    w0, w1, w2, w3 = v[0] - f * total[0], v[1] - f * total[1], v[2] - f * total[2], v[3] - f * total[3]
    norm = np.sqrt(max(w1 * w1 + w2 * w2 + w3 * w3 - w0 * w0, 1e-300))
    return w0 / norm, w1 / norm, w2 / norm, w3 / norm


@njit(cache=True)
def _back_to_back(difference: P4, total: P4, m: float) -> tuple[P4, P4]:
    """Return two momenta of mass m that add up to `total` and lie, in its rest frame, along `difference`."""
    square = minkowski(total, total)
    n = _orthogonal(difference, total, square)
    p = np.sqrt(max(square / 4 - m * m, 0.0))
    return (
        (total[0] / 2 + p * n[0], total[1] / 2 + p * n[1], total[2] / 2 + p * n[2], total[3] / 2 + p * n[3]),
        (total[0] / 2 - p * n[0], total[1] / 2 - p * n[1], total[2] / 2 - p * n[2], total[3] / 2 - p * n[3]),
    )


@njit(cache=True)
def _excess(p1: P4, p2: P4, q1: P4, q2: P4) -> float:
    """Return what the interference adds to the exponent of soft photons, (4 alpha / pi) ln(t / u) without masses."""
    t, u = minkowski(p1, q1) * minkowski(p2, q2), minkowski(p1, q2) * minkowski(p2, q1)
    return 2 * ALPHA / np.pi * np.log(t / u)


@njit(cache=True)
def _ratio(p1: P4, p2: P4, q1: P4, q2: P4, k: P4, m: float) -> float:
    """Return the exact over the generated density of one photon, bounded."""
    exact = from_beams(p1, p2, q1, q2, k) + from_leptons(p1, p2, q1, q2, k, m)
    exact += interference(p1, p2, q1, q2, k, m)
    generated = _generated_initial(p1, p2, q1, q2, k, m) + _generated_final(p1, p2, q1, q2, k, m)
    return min(max(exact / generated, 0.0), LARGEST_RATIO)


@njit(cache=True)
def _hardest_weight(p1: P4, p2: P4, momenta: Array, m: float) -> float:
    """Return `hardest_photon_weight` of one event."""
    beams = add(p1, p2)
    hardest, energy = 2, 0.0
    for j in range(2, 6):
        e = minkowski(row(momenta, j), beams)
        if e > energy:
            hardest, energy = j, e
    fraction = 2 * energy / minkowski(beams, beams)
    q1, q2 = row(momenta, 0), row(momenta, 1)
    if fraction < SOFT_FRACTION:
        return SOFT_FRACTION ** _excess(p1, p2, q1, q2)
    # the other photons: those of the leptons go back to them, those of the beams leave the total
    if hardest != 2:
        q1 = add(q1, row(momenta, 2))
    if hardest != 3:
        q2 = add(q2, row(momenta, 3))
    k, left = row(momenta, hardest), add(q1, q2)
    q1, q2 = _back_to_back(subtract(q1, q2), left, m)
    p1, p2 = _back_to_back(subtract(p1, p2), add(left, k), M_ELECTRON)
    return fraction ** _excess(p1, p2, q1, q2) * _ratio(p1, p2, q1, q2, k, m)


@njit(cache=True)
def _fill_weights(electron: Array, positron: Array, momenta: Array, m: float, weight: Array) -> None:
    """Fill the weights, (N,), from beams (N, 4) and momenta (N, P, 4)."""
    for i in range(weight.size):
        weight[i] = _hardest_weight(row(electron, i), row(positron, i), momenta[i], m)


def hardest_photon_weight(electron: Array, positron: Array, momenta: Array, *, mass: float) -> Array:
    """Return the weights that make the hardest photon of each event exact, shape (N,); their mean is 1.

    The weight is x^delta times the exact over the generated density of the hardest photon, which has the fraction x of
    the beam energy in the centre of mass. The density generated is that of all four emitters together; it is taken
    where the other photons are soft: those of the leptons are given back to them, those of the beams leave the beams.
    The ratio tends to 1 where the photon is collinear with a beam or a light lepton, and is at most `LARGEST_RATIO`.

    delta = (4 alpha / pi) ln((1 - cos) / (1 + cos)), with masses, is what the interference adds to the exponent beta of
    soft photons, which go as beta x^(beta - 1): x^delta keeps the rate at every angle of the leptons. So the charge
    asymmetry of events with photons and that of events without cancel, up to box diagrams, which have no such
    logarithm. Below `SOFT_FRACTION` only the mean over softer photons counts, and the photon keeps its angle. The
    running of alpha
    between s and s' is left to the cross section of the generated event.

    Parameters
    ----------
    electron, positron
        Beam momenta [GeV], shape (N, 4).
    momenta
        Of l-, l+, the photons of l-, l+, electron and positron [GeV], zero where there is none, same frame as the
        beams, shape (N, 6, 4).
    mass
        Mass of the leptons [GeV].

    Raises
    ------
    InputError
        If the shape is not (N, 6, 4).

    References
    ----------
    Yennie, Frautschi, Suura and Seymour, as at the top.
    """
    if momenta.shape[1:] != (6, 4):
        msg = f"momenta have shape {momenta.shape}; they must be (N, 6, 4): two leptons and four photons"
        raise InputError(msg)
    weight = np.empty(momenta.shape[0])
    _fill_weights(electron, positron, momenta, mass, weight)
    return weight
