"""Drawing two virtual photons and the lepton pair they make, e+e- -> e+e- l+ l-, in compiled loops.

Mixtures of a component close to nature and one that a search needs, with two leptons in the tracking acceptance:
flatter in the pair's mass and in the leptons' angle, more central, and with more hard scatters of either electron. Any
values of the shares give the same cross section; these keep the weights of selected events level.

References
----------
V. M. Budnev, I. F. Ginzburg, G. V. Meledin, V. G. Serbo, Phys. Rep. 15 (1975) 181 (BGMS below).
"""

from __future__ import annotations

import numpy as np

from bumphunt.compilation import njit
from bumphunt.constants import M_ELECTRON
from bumphunt.kinematics.compiled import P4, along, boost_from_rest, boost_to_rest

__all__ = [
    "draw_cosine",
    "draw_rapidity",
    "draw_tau",
    "draw_virtuality",
    "pair_of_leptons",
    "scatter",
    "smallest_virtuality",
]

STEEP, FLAT = 1.0, 0.4
"""Powers a of tau^-a dln(tau), tau = y1 y2: near nature, and flat."""
FLAT_SHARE = 0.7
"""Share of the flat component."""
CENTRAL_RAPIDITY, CENTRAL_SHARE = 1.2, 0.75
"""Half-width of the central component in the rapidity of the pair, and its share."""
HARD_VIRTUALITY = 2e-2
"""Lower Q^2 of the hard component [GeV^2]: the scattered electron has pT = 0.14 GeV."""
HARD_SHARE = 0.45
"""Share of the hard component, each electron."""
HARD_DAMPING = 1.0
"""Q^2 scale added to y1 y2 s [GeV^2] above which the hard component falls off."""


@njit(cache=True)
def draw_tau(low: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return tau = y1 y2 in (low, 1) and its density in ln(tau)."""
    power = FLAT if rng.random() < FLAT_SHARE else STEEP
    tau = (low**-power - rng.random() * (low**-power - 1)) ** (-1 / power)
    density = FLAT_SHARE * FLAT * tau**-FLAT / (low**-FLAT - 1)
    density += (1 - FLAT_SHARE) * STEEP * tau**-STEEP / (low**-STEEP - 1)
    return tau, density


@njit(cache=True)
def draw_rapidity(limit: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the rapidity ln(y1/y2)/2 of the pair within +-limit and its density."""
    inner = min(CENTRAL_RAPIDITY, limit)
    value = (inner if rng.random() < CENTRAL_SHARE else limit) * (2 * rng.random() - 1)
    density = (1 - CENTRAL_SHARE) / (2 * limit)
    if abs(value) <= inner:
        density += CENTRAL_SHARE / (2 * inner)
    return value, density


@njit(cache=True)
def draw_virtuality(low: float, high: float, scale: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return Q^2 in (low, high) and its density in ln(Q^2): 1/(1 + Q^2/scale), and a share that starts hard."""
    hard_low = min(max(HARD_VIRTUALITY, low), 0.5 * (low + high))
    hard_scale = scale + HARD_DAMPING
    soft_norm = np.log(high / low * (low + scale) / (high + scale))
    hard_norm = np.log(high / hard_low * (hard_low + hard_scale) / (high + hard_scale))
    if rng.random() < HARD_SHARE:
        a, start, norm = hard_scale, hard_low, hard_norm
    else:
        a, start, norm = scale, low, soft_norm
    z = start / (start + a) * np.exp(rng.random() * norm)
    q2 = min(a * z / (1 - z), high)
    density = (1 - HARD_SHARE) / (soft_norm * (1 + q2 / scale))
    if q2 >= hard_low:
        density += HARD_SHARE / (hard_norm * (1 + q2 / hard_scale))
    return q2, density


@njit(cache=True)
def draw_cosine(beta: float, share: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return cos(theta*) of the l- and its density: isotropic, and uniform in rapidity."""
    span = np.arctanh(beta)
    t = 2 * rng.random() - 1
    cos = t if rng.random() < share else np.tanh(t * span) / beta
    return cos, share / 2 + (1 - share) * beta / (2 * span * (1 - (beta * cos) ** 2))


@njit(cache=True)
def scatter(y: float, excess: float, phi: float, energy: float, sign: float) -> tuple[P4, P4]:
    """Return scattered electron and its photon, for a beam along sign * z; excess = Q^2 - Q^2_min."""
    after = (1 - y) * energy
    p = np.sqrt(energy**2 - M_ELECTRON**2)
    k = np.sqrt(after**2 - M_ELECTRON**2)
    versine = excess / (2 * p * k)
    kt = k * np.sqrt(versine * (2 - versine))
    x, z = kt * np.cos(phi), k * (1 - versine)
    electron = (after, x, kt * np.sin(phi), sign * z)
    return electron, (energy - after, -x, -electron[2], sign * (p - z))


@njit(cache=True)
def pair_of_leptons(pair: P4, w: float, mass: float, photon: P4, cos: float, phi: float) -> tuple[P4, P4]:
    """Return l+ and l-: the l- makes `cos` and azimuth `phi` about the photon in the pair's rest frame."""
    q = boost_to_rest(photon, pair, w)
    p = np.sqrt(w * w / 4 - mass * mass)
    pt = p * np.sqrt(max(1 - cos * cos, 0.0))
    x, y, z = along(q, pt * np.cos(phi), pt * np.sin(phi), p * cos)
    return boost_from_rest((w / 2, -x, -y, -z), pair, w), boost_from_rest((w / 2, x, y, z), pair, w)


@njit(cache=True)
def smallest_virtuality(y: float, energy: float) -> float:
    """Return the smallest Q^2 [GeV^2] of an electron that loses the fraction `y` of its energy.

    2 (E E' - p p' - m^2) written without cancellation; m^2 y^2 / (1 - y) far above the mass (BGMS eq. 6.16).

    Parameters
    ----------
    y
        Fraction of the energy lost, between 0 and 1 - m/E.
    energy
        Energy before [GeV].
    """
    after = (1 - y) * energy
    p_p = np.sqrt(energy**2 - M_ELECTRON**2) * np.sqrt(after**2 - M_ELECTRON**2)
    return 2 * M_ELECTRON**2 * (y * energy) ** 2 / (energy * after + p_p - M_ELECTRON**2)
