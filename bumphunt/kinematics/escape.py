"""Where particles go that a detector does not see: along the beams, or into gaps, judged by one photon that it sees.

References
----------
Worked out here from the conservation of energy and momentum. The edge of e+e- -> e+e- gamma in the plane of E* and
cos(theta*) is seen in the Belle II Physics Book, arXiv:1808.10567.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.kinematics.momenta import (
    Beams,
    four_momentum,
    mass_squared,
    opening_angle,
    polar_angle,
    to_centre_of_mass,
)

__all__ = ["beam_holes", "edge_energy", "partner_angles"]

Array = NDArray[np.float64]

AZIMUTHS = 64
"""Azimuths at which the beam holes of a detector are taken to the centre of mass."""


def edge_energy(theta: ArrayLike, sqrt_s: float, holes: tuple[float, float]) -> Array:
    """Return the highest E* of a photon against particles that leave along the beams [GeV], shape of `theta`.

    Particles of no mass within angles a and b of the beams balance most against a photon when both have these angles,
    and its azimuth opposite: then energy and momentum give

        E* = sqrt(s) / (1 + [sin(theta + a) + sin(theta - b)] / sin(a + b)).

    Parameters
    ----------
    theta
        Angle of the photon to the electron beam in the centre of mass [rad], not within the holes.
    sqrt_s
        Centre-of-mass energy [GeV].
    holes
        Angles a to the electron and b to the positron beam there [rad], up to which nothing is seen.

    Examples
    --------
    >>> round(float(edge_energy(np.pi / 2, 10.58, (np.pi / 6, np.pi / 6))), 4)  # the photon and two at 120 degrees
    3.5267
    """
    t = np.asarray(theta, dtype=np.float64)
    a, b = holes
    return np.asarray(sqrt_s / (1 + (np.sin(t + a) + np.sin(t - b)) / np.sin(a + b)))


def beam_holes(theta: tuple[float, float], beams: Beams) -> tuple[float, float]:
    """Return the angles to the electron and positron beams in the centre of mass below which nothing is seen [rad].

    With a crossing angle the holes are not round there; the largest angle counts.

    Parameters
    ----------
    theta
        Polar angles between which particles are seen [rad], laboratory.
    beams
        Nominal beams.
    """
    axis = to_centre_of_mass(beams.electron, beams)
    phi = np.linspace(0.0, 2 * np.pi, AZIMUTHS, endpoint=False)
    low, high = (opening_angle(to_centre_of_mass(four_momentum(1.0, t, phi, 0.0), beams), axis) for t in theta)
    return float(low.max()), float(np.pi - high.min())


def partner_angles(p4: Array, beams: Beams) -> tuple[Array, Array]:
    """Return the polar angles of the second photon of e+e- -> 3 gamma if the third went along a beam [rad], (N,) each.

    The third takes the energy E3 = M_X^2 / (2 P_X n) along the light-like direction n of the electron, or of the
    positron; none if M_X^2 is negative, so that the second one has the recoil's direction.

    Parameters
    ----------
    p4
        Four-momenta of the photon in the laboratory [GeV], shape (N, 4).
    beams
        Nominal beams.
    """
    recoil = beams.p4 - p4
    m2 = np.maximum(mass_squared(recoil), 0.0)
    metric = np.array([1.0, -1.0, -1.0, -1.0])
    angles = []
    for beam in (beams.electron, beams.positron):
        n = np.array([1.0, *(beam[1:] / np.linalg.norm(beam[1:]))])
        third = m2 / (2 * (recoil @ (metric * n)))
        angles.append(polar_angle(recoil - third[:, np.newaxis] * n))
    return angles[0], angles[1]
