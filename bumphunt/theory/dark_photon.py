"""The dark photon A': cross section of e+e- -> gamma A', widths, branching ratios, lifetime, its part in (g-2)_mu.

It couples as the photon does, times epsilon, and to dark matter with alpha_D if there is any below half its mass.

The hard photon goes along a beam most of the time, so the cross section over all angles is one of initial-state
radiation: with the structure functions (`bumphunt.theory.radiator`) it holds all soft and collinear photons and is
finite; a tree-level cross section folded with radiation would count the collinear photons twice, and diverge.
At tree level, what is quoted in the literature, the electron mass is kept, so that all angles can be asked for.

References
----------
B. Batell, M. Pospelov, A. Ritz, Phys. Rev. D 79 (2009) 115008 (arXiv:0903.0363): the model at B-factories.
R. Essig, P. Schuster, N. Toro, Phys. Rev. D 80 (2009) 015003 (arXiv:0903.3941): e+e- -> gamma A'.
P. Ilten, Y. Soreq, M. Williams, W. Xue, JHEP 06 (2018) 004 (arXiv:1801.04847): widths, hadrons by R.
J. P. Lees et al. (BaBar), Phys. Rev. Lett. 119 (2017) 131804 (arXiv:1702.03327): invisible decays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.constants import ALPHA, GEV2_TO_FB, HBAR_C, M_ELECTRON, M_MUON, M_PION, M_TAU
from bumphunt.errors import InputError
from bumphunt.theory.r_ratio import pion_form_factor, r_ratio
from bumphunt.theory.radiator import radiator
from bumphunt.theory.vector import magnetic_moment, positive_masses, width_to_fermions, width_to_scalars

__all__ = [
    "LIGHTEST",
    "branching_ratio",
    "cross_section",
    "decay_length",
    "differential_cross_section",
    "muon_magnetic_moment",
    "tree_cross_section",
    "visible_width",
    "width_dirac",
    "width_hadrons",
    "width_leptons",
    "width_pions",
    "width_scalar",
]

Array = NDArray[np.float64]

LIGHTEST = 1e-3
"""Lowest mass for which a cross section is given [GeV]."""


def _below(mass: ArrayLike, sqrt_s: float) -> Array:
    """Return masses as an array, or raise an InputError if one cannot be produced."""
    m = np.asarray(mass, dtype=np.float64)
    bad = ~((m >= LIGHTEST) & (m < sqrt_s))
    if np.any(bad):
        msg = f"mass = {m[bad].flat[0]} GeV; it must be from {LIGHTEST} to below sqrt(s) = {sqrt_s} GeV"
        raise InputError(msg)
    return m


def _charge(coupling: float) -> float:
    """Return eps e, what a particle of charge 1 couples with."""
    return float(coupling * np.sqrt(4 * np.pi * ALPHA))


def width_leptons(mass: ArrayLike, m_lepton: float, *, coupling: float) -> Array:
    """Return Gamma(A' -> l+ l-) = (alpha eps^2 m / 3) (1 + 2r) sqrt(1 - 4r), r = m_l^2 / m^2 [GeV], shape of `mass`.

    Parameters
    ----------
    mass
        Masses of the A' [GeV]; the width is 0 below 2 m_l.
    m_lepton
        Lepton mass [GeV].
    coupling
        Kinetic mixing epsilon.

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    Batell, Pospelov, Ritz, as cited at the top.

    Examples
    --------
    >>> float(width_leptons(1.0, 0.0, coupling=1e-3).round(12))  # alpha 1e-6 / 3
    2.432e-09
    """
    return width_to_fermions(mass, m_lepton, coupling=_charge(coupling))


def width_hadrons(mass: ArrayLike, *, coupling: float) -> Array:
    """Return Gamma(A' -> hadrons) = R(m) Gamma(A' -> l+ l-) for massless leptons [GeV], shape of `mass`.

    NaN above `r_ratio.HIGHEST_MASS`. The narrow resonances are not in R, nor are decays such as pi0 gamma below it.

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    Ilten et al., as cited at the top.
    """
    return width_leptons(mass, 0.0, coupling=coupling) * r_ratio(mass)


def width_pions(mass: ArrayLike, *, coupling: float) -> Array:
    """Return Gamma(A' -> pi+ pi-) = (alpha eps^2 m / 12) (1 - 4r)^(3/2) |F(m^2)|^2, r = m_pi^2 / m^2 [GeV].

    It is part of `width_hadrons`, nearly all of it below 0.9 GeV; the two come from different fits, which agree to 7 %.

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    The form factor is that of Gounaris and Sakurai, `r_ratio.pion_form_factor`.
    """
    square = np.abs(pion_form_factor(positive_masses(mass) ** 2)) ** 2
    return np.asarray(width_to_scalars(mass, M_PION, coupling=_charge(coupling)) * square)


def visible_width(mass: ArrayLike, *, coupling: float) -> Array:
    """Return the width to charged leptons and hadrons [GeV], shape of `mass`.

    Raises
    ------
    InputError
        If a mass is not positive.
    """
    leptons = sum(width_leptons(mass, m, coupling=coupling) for m in (M_ELECTRON, M_MUON, M_TAU))
    return np.asarray(leptons + width_hadrons(mass, coupling=coupling))


def width_dirac(mass: ArrayLike, m_dark: float, *, alpha_dark: float) -> Array:
    """Return Gamma(A' -> chi chibar) = (alpha_D m / 3) (1 + 2r) sqrt(1 - 4r), r = m_chi^2 / m^2 [GeV], for Dirac chi.

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    `width_leptons` with alpha eps^2 replaced by alpha_D.
    """
    return width_to_fermions(mass, m_dark, coupling=float(np.sqrt(4 * np.pi * alpha_dark)))


def width_scalar(mass: ArrayLike, m_dark: float, *, alpha_dark: float) -> Array:
    """Return Gamma(A' -> phi phi*) = (alpha_D m / 12) (1 - 4r)^(3/2), r = m_phi^2 / m^2 [GeV], for a complex scalar.

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    `width_pions` with a form factor of 1 and alpha eps^2 replaced by alpha_D.
    """
    return width_to_scalars(mass, m_dark, coupling=float(np.sqrt(4 * np.pi * alpha_dark)))


_WIDTHS: Mapping[str, Callable[[Array], Array]] = {
    "ee": lambda m: width_leptons(m, M_ELECTRON, coupling=1.0),
    "mumu": lambda m: width_leptons(m, M_MUON, coupling=1.0),
    "tautau": lambda m: width_leptons(m, M_TAU, coupling=1.0),
    "pipi": lambda m: width_pions(m, coupling=1.0),
    "hadrons": lambda m: width_hadrons(m, coupling=1.0),
}


def branching_ratio(mass: ArrayLike, final_state: str) -> Array:
    """Return the branching ratio of an A' without dark matter to decay to, shape of `mass` [GeV].

    Parameters
    ----------
    mass
        Masses of the A' [GeV], above the electron threshold.
    final_state
        ``ee``, ``mumu``, ``tautau``, ``pipi`` or ``hadrons``.

    Raises
    ------
    InputError
        If a mass is not positive, or the final state unknown.

    Examples
    --------
    >>> branching_ratio([0.1, 2.0], "ee").round(3)
    array([1.  , 0.24])
    """
    if final_state not in _WIDTHS:
        msg = f"final_state = {final_state!r}; choose from {', '.join(_WIDTHS)}"
        raise InputError(msg)
    m = positive_masses(mass)
    return _WIDTHS[final_state](m) / visible_width(m, coupling=1.0)


def decay_length(width: ArrayLike) -> Array:
    """Return the proper decay length c tau = hbar c / Gamma [cm], shape of `width` [GeV].

    Raises
    ------
    InputError
        If a width is not positive.

    Examples
    --------
    >>> float(decay_length(visible_width(0.1, coupling=1e-4)).round(3))  # 0.8 mm (100 MeV / m) (1e-4 / eps)^2
    0.008
    """
    gamma = np.asarray(width, dtype=np.float64)
    if np.any(~(gamma > 0)):
        msg = f"width = {gamma[~(gamma > 0)].flat[0]} GeV; it must be positive"
        raise InputError(msg)
    return HBAR_C / gamma


def differential_cross_section(cos: ArrayLike, mass: ArrayLike, *, coupling: float, sqrt_s: float) -> Array:
    """Return dsigma/dcos(theta) of e+e- -> gamma A' at tree level [fb], broadcast shape of `cos` and `mass`.

    With x = m^2 / s it is (2 pi alpha^2 eps^2 / s) (1 - x) [1 + c^2 + 4x / (1 - x)^2] / (1 - c^2) away from the beams;
    the terms with the electron mass make it right, and finite, along them.

    Parameters
    ----------
    cos
        Cosine of the angle between electron and photon in the centre of mass.
    mass
        Masses of the A' [GeV].
    coupling
        Kinetic mixing epsilon.
    sqrt_s
        Centre-of-mass energy [GeV].

    Raises
    ------
    InputError
        If a mass is not between `LIGHTEST` and sqrt(s).

    References
    ----------
    Essig, Schuster, Toro, as cited at the top, without the electron mass; with it, the trace of
    `bumphunt.theory.pair_and_vector` with the leptons crossed to the initial state and s -> 0, the photon's
    mass.
    """
    c, m = np.asarray(cos, dtype=np.float64), _below(mass, sqrt_s)
    a, b, poles, factor = _tree(m, coupling, sqrt_s)
    beta2 = 1 - 4 * M_ELECTRON**2 / sqrt_s**2
    # 1 - beta^2 c^2, without rounding along the beams
    y = 4 * M_ELECTRON**2 / sqrt_s**2 + beta2 * (1 - c) * (1 + c)
    return np.asarray(factor * (a + b / y - poles * (2 - y) / y**2))


def _tree(m: Array, coupling: float, sqrt_s: float) -> tuple[float, Array, Array, Array]:
    """Return the factors of 1, 1 / y and (1 + beta^2 c^2) / y^2, y = 1 - beta^2 c^2, and what multiplies them [fb]."""
    s, m2, v2 = sqrt_s**2, M_ELECTRON**2, m**2
    half = (s - v2) / 2  # 2 p.k = half (1 -+ beta c)
    a = -16.0
    b = 32 + 16 * ((v2 + 2 * m2) * 2 * half + v2**2 - 4 * m2**2) / half**2
    poles = 32 * m2 * (v2 + 2 * m2) / half**2
    beta = np.sqrt(1 - 4 * m2 / s)
    # flux and phase space (p_f / p_i) / (32 pi s), average over spins 1/4, couplings e^4 eps^2
    factor = (1 - v2 / s) / beta / (32 * np.pi * s) / 4 * (4 * np.pi * ALPHA) ** 2 * coupling**2 * GEV2_TO_FB
    return a, b, poles, factor


def tree_cross_section(mass: ArrayLike, *, coupling: float, sqrt_s: float, max_cos: float = 1.0) -> Array:
    """Return sigma(e+e- -> gamma A') at tree level with the photon at |cos| < `max_cos` [fb], shape of `mass`.

    The integral of `differential_cross_section`. Without the electron mass, and c = max_cos < 1, it is
    (2 pi alpha^2 eps^2 / s) (1 - x) {[1 + 2x / (1 - x)^2] ln[(1 + c)^2 / (1 - c)^2] - 2 c}.

    Parameters
    ----------
    mass, coupling, sqrt_s
        As there.
    max_cos
        Largest |cos(theta)| of the photon in the centre of mass.

    Raises
    ------
    InputError
        If a mass is not between `LIGHTEST` and sqrt(s), or `max_cos` not in (0, 1].

    Examples
    --------
    >>> float(tree_cross_section(1.0, coupling=1.0, sqrt_s=10.58, max_cos=0.9).round(-4)) / 1e3  # pb
    4840.0
    """
    if not 0 < max_cos <= 1:
        msg = f"max_cos = {max_cos}; it must be above 0 and at most 1"
        raise InputError(msg)
    m = _below(mass, sqrt_s)
    a, b, poles, factor = _tree(m, coupling, sqrt_s)
    gap = 4 * M_ELECTRON**2 / sqrt_s**2
    beta = np.sqrt(1 - gap)
    y = gap + beta**2 * (1 - max_cos) * (1 + max_cos)
    log = np.log((1 + beta * max_cos) ** 2 / y) / (2 * beta)  # integral of 1 / y from 0
    return np.asarray(2 * factor * (a * max_cos + b * log - poles * max_cos / y))


def cross_section(mass: ArrayLike, *, coupling: float, sqrt_s: float, radiation: bool = True) -> Array:
    """Return sigma(e+e- -> A' and photons) over all angles [fb], shape of `mass`, without any branching ratio.

    Parameters
    ----------
    mass
        Masses of the A' [GeV].
    coupling
        Kinetic mixing epsilon.
    sqrt_s
        Centre-of-mass energy [GeV].
    radiation
        Whether any number of photons is radiated, as in the Monte Carlo; otherwise one, at tree level.

    Raises
    ------
    InputError
        If a mass is not between `LIGHTEST` and sqrt(s).

    References
    ----------
    sigma(e+e- -> A') = 12 pi^2 (Gamma_ee / m) delta(s - m^2), the narrow-width limit of the Breit-Wigner formula
    (Review of Particle Physics, cross-section formulae), folded with the radiator of both beams.
    """
    if not radiation:
        return tree_cross_section(mass, coupling=coupling, sqrt_s=sqrt_s)
    s, m = sqrt_s**2, _below(mass, sqrt_s)
    peak = 4 * np.pi**2 * ALPHA * coupling**2 * GEV2_TO_FB
    return np.asarray(peak / s * radiator(1 - m**2 / s, s))


def muon_magnetic_moment(mass: ArrayLike, *, coupling: float) -> Array:
    """Return the contribution to a_mu = (g-2)_mu / 2, shape of `mass` [GeV], for the mixing epsilon = `coupling`.

    Raises
    ------
    InputError
        If a mass is not positive.

    References
    ----------
    M. Pospelov, Phys. Rev. D 80 (2009) 095002 (arXiv:0811.1030).
    """
    return magnetic_moment(mass, M_MUON, coupling=_charge(coupling))
