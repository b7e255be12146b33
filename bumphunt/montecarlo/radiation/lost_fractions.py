"""How much two legs radiate: fractions of their momenta, drawn about as the structure functions say.

Hard photons, and events that return to low masses, are drawn more often than they happen, with smaller weights.
"""

from __future__ import annotations

import numpy as np

from bumphunt.compilation import njit
from bumphunt.theory.structure_function import compiled_regular_part

__all__ = ["Shares", "draw_lost_fractions"]

Shares = tuple[float, float, float, float, float]
"""Shares of a proposal for two legs: both soft; one hard; both hard; one returning to low mass; both returning."""

SMALLEST_FRACTION = 1e-4
"""Hard photons are drawn flat in the logarithm of their energy, down to this fraction of the largest."""
SMALLEST_OF_TWO = 1e-2
"""... or, where both legs radiate hard ones, down to this: photons in both beam pipes leave a recoil in the barrel."""


@njit(cache=True)
def _ratios(u: float, beta: float, largest: float, log_kept: float) -> tuple[float, float, float, float]:
    """Return D(z) and the densities of hard photons, of one of two, and of returning ones, over the soft one.

    All integrate below `largest`; `log_kept` is ln(1 - largest).
    """
    log_u = np.log(u)
    power = np.exp(beta / 2 * log_u)
    soft = beta / 2 * power / u  # times largest^(-beta/2)
    hard = -1 / (np.log(SMALLEST_FRACTION) * u * soft) if u >= SMALLEST_FRACTION * largest else 0.0
    of_two = -1 / (np.log(SMALLEST_OF_TWO) * u * soft) if u >= SMALLEST_OF_TWO * largest else 0.0
    back = -1 / (log_kept * (1 - u) * soft)
    return compiled_regular_part(u, log_u, power, beta), hard, of_two, back


@njit(cache=True)
def _one_fraction(kind: int, beta: float, largest: float, rng: np.random.Generator) -> float:
    """Return a radiated fraction below `largest`: soft (0), hard (1), one of two (2), or returning to low mass (3)."""
    r = rng.random()
    if kind == 0:
        u = largest * r ** (2 / beta)  # as the singular factor u^(beta/2 - 1)
    elif kind == 1:
        u = largest * SMALLEST_FRACTION**r  # flat in ln u
    elif kind == 2:
        u = largest * SMALLEST_OF_TWO**r
    else:
        u = 1 - (1 - largest) ** r  # flat in ln z, as cross sections that grow as 1 / s
    return max(min(u, largest), 1e-300)


@njit(cache=True)
def draw_lost_fractions(
    beta: float, largest: float, shares: Shares, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the fractions u1, u2 that two legs radiate, and D(z1) D(z2) over the density they were drawn from.

    Parameters
    ----------
    beta
        `radiator_exponent` of the pair.
    largest
        Largest fraction to generate, below 1; the weights integrate to that of D(z1) D(z2) over both below it.
    shares
        How often each kind of event is drawn; they add up to 1.
    rng
        Source of randomness.
    """
    soft, hard, both_hard, back, both_back = shares
    choice, first, second = rng.random(), 0, 0
    if choice < soft + hard + back:
        kind = 0 if choice < soft else 1 if choice < soft + hard else 3
        if rng.random() < 0.5:
            first = kind
        else:
            second = kind
    else:
        first = second = 2 if choice < soft + hard + back + both_hard else 3
    u1, u2 = _one_fraction(first, beta, largest, rng), _one_fraction(second, beta, largest, rng)
    log_kept, norm = np.log(1 - largest), largest ** (beta / 2)
    d1, h1, t1, b1 = _ratios(u1, beta, largest, log_kept)
    d2, h2, t2, b2 = _ratios(u2, beta, largest, log_kept)
    single = hard * (h1 + h2) + back * (b1 + b2)
    double = both_hard * t1 * t2 + both_back * b1 * b2
    return u1, u2, norm * norm * d1 * d2 / (soft + norm / 2 * single + norm * norm * double)
