"""The angle of one photon to what radiates it, as exact as one-photon emission is."""

from __future__ import annotations

import numpy as np

from bumphunt.compilation import njit
from bumphunt.kinematics.compiled import P4, along

__all__ = ["SMALLEST_LOST", "angular_weight", "emit_photon"]

SMALLEST_LOST = 1e-4
"""Fraction below which the angle of a photon is of no interest: half an MeV at 10.58 GeV."""
WIDE_FRACTION = 3e-3
"""Photons above this fraction of the energy of their leg are at times drawn flat in the cosine of their angle ..."""
WIDE_SHARE = 0.3
"""... namely this often, since it is the wide ones that a detector can see, or lose."""


@njit(cache=True)
def angular_weight(lost: float, one_minus_cos: float, gap: float, log: float) -> float:
    """Return the exact distribution of a photon's angle over 1 / (1 - beta cos) with its mirror image; mean 1.

    With it, photons from both legs together have the energies and angles of one-photon emission with the mass, to order
    m^2 / E^2. It takes photons away from large angles, up to half of the hard ones.

    Parameters
    ----------
    lost
        Fraction u in D(z), u = 1 - z.
    one_minus_cos, gap
        1 - cos of the photon's angle, and 1 - beta of its emitter.
    log
        ln(s / m^2) in the radiator exponent.

    References
    ----------
    G. Bonneau, F. Martin, Nucl. Phys. B 27 (1971) 381; M. Benayoun et al., Mod. Phys. Lett. A 14 (1999) 2605, eq. 4.
    """
    b = 1 - gap
    eps = gap * (1 + b)  # (m / E)^2
    sin2 = one_minus_cos * (2 - one_minus_cos)
    cos2 = (1 - one_minus_cos) ** 2
    f = lost * lost - 2 * lost + 2
    shape = sin2 - (lost * sin2) ** 2 / (2 * f) - eps * ((1 - 2 * lost) * sin2 - (lost * cos2) ** 2) / f
    # over (1 - beta^2 cos^2)^2; both legs give b / (length (1 - beta^2 cos^2)), and the integral is log - 1
    return max(shape, 0.0) / (sin2 + eps * cos2) * np.log((1 + b) / gap) / (b * (log - 1))


@njit(cache=True)
def emit_photon(charged: P4, mass: float, lost: float, log: float, rng: np.random.Generator) -> tuple[P4, float]:
    """Return a photon with the fraction `lost` of the energy of `charged`, and the weight of its angle, mean 1.

    Its angle is drawn as 1 / (1 - beta cos) about the direction of `charged`, uniform in azimuth; the weight makes it
    exact (`angular_weight`).

    Parameters
    ----------
    charged
        Momentum of the emitter [GeV], not at rest.
    mass
        Its mass [GeV].
    lost
        Fraction of its energy.
    log
        ln(s / m^2) in the radiator exponent.
    rng
        Source of randomness.
    """
    energy = charged[0]
    p = np.sqrt(charged[1] ** 2 + charged[2] ** 2 + charged[3] ** 2)
    b = p / energy
    gap = mass * mass / (energy * (energy + p))  # 1 - beta without rounding
    length = np.log((1 + b) / gap)
    wide = lost > WIDE_FRACTION
    if wide and rng.random() < WIDE_SHARE:
        one_minus_cos = 2 * rng.random()
    else:
        one_minus_cos = max(gap * np.expm1(length * rng.random()) / b, 0.0)
    weight = angular_weight(lost, one_minus_cos, gap, log) if lost > SMALLEST_LOST else 1.0
    if wide:
        flat = 0.5 * (gap + b * one_minus_cos) * length / b  # density 1/2 over b / ((1 - b cos) length)
        weight /= 1 - WIDE_SHARE + WIDE_SHARE * flat
    sin = np.sqrt(max(one_minus_cos * (2 - one_minus_cos), 0.0))
    phi = 2 * np.pi * rng.random()
    x, y, z = along(charged, sin * np.cos(phi), sin * np.sin(phi), 1 - one_minus_cos)
    k = lost * energy
    return (k, k * x, k * y, k * z), weight
