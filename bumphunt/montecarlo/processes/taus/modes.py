"""The decay modes of the tau, their branching fractions, and how often a generator draws each.

K0_L leave no track and no photon; K0_S are not made: the remaining one-prong decays stand in the mode "pi 2pi0 rest",
the other three-prong ones in "3pi pi0" and "K 2pi".

References
----------
R. L. Workman et al. (Particle Data Group), PTEP 2022, 083C01: branching fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.montecarlo.processes.process import Parameter

__all__ = ["ENRICHMENTS", "MODES", "MODE_ENRICHMENT", "Mode", "mode_probabilities", "sample_modes"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One decay mode of the tau-.

    Parameters
    ----------
    name
        Short name.
    fraction
        Branching fraction; those of `MODES` add to one.
    products
        PDG ids of the decay products, neutrino last, pi0 undecayed.
    """

    name: str
    fraction: float
    products: tuple[int, ...]


# PDG 2022. "3pi" holds K0_S -> pi pi; "3pi pi0" the other three- and five-prong modes, "K 2pi" also K K pi.
MODES: tuple[Mode, ...] = (
    Mode(name="e", fraction=0.1782, products=(11, -12, 16)),
    Mode(name="mu", fraction=0.1739, products=(13, -14, 16)),
    Mode(name="pi", fraction=0.1082, products=(-211, 16)),
    Mode(name="K", fraction=0.0070, products=(-321, 16)),
    Mode(name="rho", fraction=0.2549, products=(-211, 111, 16)),
    Mode(name="pi 2pi0", fraction=0.0926, products=(111, 111, -211, 16)),
    Mode(name="3pi", fraction=0.0931, products=(-211, -211, 211, 16)),
    Mode(name="K pi0", fraction=0.0043, products=(-321, 111, 16)),
    Mode(name="K0L pi", fraction=0.0042, products=(130, -211, 16)),
    Mode(name="3pi pi0", fraction=0.0547, products=(-211, -211, 211, 111, 16)),
    Mode(name="K 2pi", fraction=0.0044, products=(-321, -211, 211, 16)),
    Mode(name="pi 2pi0 rest", fraction=0.0245, products=(-211, 111, 111, 16)),
)
"""Decay modes of the tau-."""

E, MU, PI, K, RHO, A1_ONE_PRONG, A1_THREE_PRONG, K_PI0, K0_PI = range(9)
"""Positions in `MODES` of those with a matrix element; the modes after them are flat in phase space."""

ENRICHMENTS: Mapping[str, Mapping[str, float]] = {
    "none": {},
    # For searches with two muon candidates: 71 % mu, 11 % pi (which fakes a muon), 18 % the rest as in nature.
    "muon": {"mu": 16.0, "pi": 4.0},
    # For an electron and a muon candidate: 42 % e, 41 % mu, 6 % pi, 11 % the rest.
    "emu": {"e": 12.0, "mu": 12.0, "pi": 3.0},
}
"""Named factors by which modes are over-represented (and then weighted down)."""

MODE_ENRICHMENT = Parameter(
    meaning="how often each tau decay mode is drawn, compared with nature",
    default="muon",
    choices=tuple(ENRICHMENTS),
)
"""The parameter of processes with taus that names one of them."""


def mode_probabilities(enrichment: Mapping[str, float] | str) -> Array:
    """Return the probabilities with which the modes are drawn, shape (len(MODES),).

    Parameters
    ----------
    enrichment
        A name of `ENRICHMENTS`, or factors by mode name; modes not named have factor 1.

    Raises
    ------
    InputError
        For an unknown name, or a factor that is not positive (the mode would be lost).

    Examples
    --------
    >>> MODES[1].name, round(float(mode_probabilities("none")[1]), 4)
    ('mu', 0.1739)
    """
    if isinstance(enrichment, str):
        if enrichment not in ENRICHMENTS:
            msg = f"mode enrichment {enrichment!r} is unknown; choose from {sorted(ENRICHMENTS)}"
            raise InputError(msg)
        enrichment = ENRICHMENTS[enrichment]
    names = [mode.name for mode in MODES]
    for name, factor in enrichment.items():
        if name not in names:
            msg = f"tau decay mode {name!r} is unknown; choose from {names}"
            raise InputError(msg)
        if not 0 < factor < np.inf:
            msg = f"enrichment of tau decay mode {name!r} is {factor}; it must be positive and finite"
            raise InputError(msg)
    product = np.array([mode.fraction * enrichment.get(mode.name, 1.0) for mode in MODES])
    return np.asarray(product / product.sum())


def sample_modes(
    n: int, *, enrichment: Mapping[str, float] | str, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    """Return `n` indices into `MODES` and their weights (nature over proposal), each of shape (n,).

    The mean weight of a mode's draws times its probability is the PDG fraction.
    """
    probability = mode_probabilities(enrichment)
    mode = np.minimum(np.searchsorted(np.cumsum(probability), rng.random(n), side="right"), len(MODES) - 1)
    fraction = np.array([mode.fraction for mode in MODES])
    return mode, (fraction / probability)[mode]
