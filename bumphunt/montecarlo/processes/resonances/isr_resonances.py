"""Known vector mesons by radiative return, e+e- -> gamma V, V -> l+ l-: the peaks of a dilepton spectrum.

Use it where a search vetoes, or calibrates on, omega, phi, J/psi, psi(2S) and Y(1S, 2S, 3S). The mass of the lepton
pair follows a Breit-Wigner with the PDG's mass and width. What the beams lose goes to one photon from each, with the
structure functions, energies and angles of `bumphunt.montecarlo.radiation.initial_state`: almost always one of the two
is hard and recoils against the meson. Angles of the leptons count from the beams as after the emission of one photon;
each lepton radiates (`bumphunt.montecarlo.radiation.final_state`), which gives the peaks their tails to low mass.

The mesons are added to the continuum of `bumphunt.montecarlo.processes.leptons.mumu` without interference. The
amplitude of a meson over that of the continuum is i R / (1 - 2i (m - M) / Gamma), R = (3/alpha) sqrt(B_ee B_ll): 0.03
for omega, 0.12 for phi, 25 for J/psi. What is left out is odd about the mass and at most R of the continuum, while the
peak is R^2. For psi and Y it moves the peak by a small part of its width. For omega and phi it is larger than the peak,
3 % and 12 % against 0.1 % and 1.4 %: there this is the rate of the mesons, not the shape of the spectrum. The rho,
wider than any resolution, and the Y(4S), which decays to leptons once in 60,000 times, are not made.

References
----------
G. Bonneau, F. Martin, Nucl. Phys. B 27 (1971) 381.
M. Benayoun, S. I. Eidelman, V. N. Ivanchenko, Z. K. Silagadze, Mod. Phys. Lett. A 14 (1999) 2605 (hep-ph/9910523).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.constants import ALPHA, GEV2_TO_FB, M_ELECTRON, M_MUON, particle_mass, particle_width
from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import Beams, mass_squared
from bumphunt.montecarlo.events import Events, beam_particles
from bumphunt.montecarlo.processes.leptons.mumu import back_to_back
from bumphunt.montecarlo.processes.process import Parameter, Process
from bumphunt.montecarlo.radiation.final_state import radiate_final_state
from bumphunt.montecarlo.radiation.initial_state import lose_fractions
from bumphunt.theory.structure_function import K_FACTOR, radiator_exponent, structure_function

__all__ = ["ALL", "PROCESSES", "RESONANCES", "Resonance", "breit_wigner", "generate"]

Array = NDArray[np.float64]

ALL = "all"
"""Every meson that is light enough."""
LEPTONS = {11: M_ELECTRON, 13: M_MUON}
"""Masses of the leptons [GeV] by PDG number."""
HALF_WINDOW = 0.1
"""Mesons are generated within this of their mass [GeV]: 3 % of the line of the omega, 1.4 % of that of the phi and less
than 0.1 % of the others lie outside."""
LOWEST_ENERGY = 2 * HALF_WINDOW
"""How far the centre-of-mass energy must be above the mass of a meson [GeV], so that a photon is always radiated."""
FINAL_CORRECTION = 1 + 3 * ALPHA / (4 * np.pi)
"""Mean weight of final-state radiation, which the PDG's branching fractions already hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resonance:
    """A vector meson.

    Parameters
    ----------
    mass, width
        Mass and total width [GeV].
    electron_width
        Partial width to e+e- [GeV], with vacuum polarisation in it, as the PDG quotes it.
    branching
        Branching fractions to lepton pairs, by the PDG number of the lepton.
    """

    mass: float
    width: float
    electron_width: float
    branching: Mapping[int, float]


def _resonance(pdgid: int, electrons: float, muons: float, electron_width: float | None = None) -> Resonance:
    """Return a resonance with the PDG's mass and width; Gamma_ee is the product with B(e+e-) if not given."""
    width = particle_width(pdgid)
    return Resonance(
        mass=particle_mass(pdgid),
        width=width,
        electron_width=electrons * width if electron_width is None else electron_width,
        branching={11: electrons, 13: muons},
    )


# Review of Particle Physics 2024, meson listings: B(e+e-), B(mu+mu-), and Gamma_ee where it is measured better than the
# product of B(e+e-) and the width.
RESONANCES: dict[str, Resonance] = {
    "omega": _resonance(223, 7.38e-5, 7.4e-5),
    "phi": _resonance(333, 2.979e-4, 2.85e-4),
    "jpsi": _resonance(443, 5.971e-2, 5.961e-2),
    "psi2s": _resonance(100443, 7.94e-3, 8.0e-3),
    "upsilon1s": _resonance(553, 2.39e-2, 2.48e-2, 1.340e-6),
    "upsilon2s": _resonance(100553, 1.91e-2, 1.93e-2, 0.612e-6),
    "upsilon3s": _resonance(200553, 2.18e-2, 2.18e-2, 0.443e-6),
}
"""The mesons by name."""


def breit_wigner(s: ArrayLike, resonance: Resonance, lepton: int) -> Array:
    """Return sigma(e+e- -> V -> l+ l-) = 12 pi Gamma_ee Gamma_ll / ((s - M^2)^2 + M^2 Gamma^2) [fb], shape of `s`.

    Parameters
    ----------
    s
        Squared mass of the pair [GeV^2].
    resonance
        The meson.
    lepton
        PDG number of the l-, 11 or 13.

    References
    ----------
    Review of Particle Physics, cross-section formulae for specific processes, Breit-Wigner resonances, for spin 1.

    Examples
    --------
    >>> phi = RESONANCES["phi"]
    >>> peak = 12 * np.pi * 2.979e-4 * 2.85e-4 / phi.mass**2 * GEV2_TO_FB
    >>> bool(np.isclose(breit_wigner(phi.mass**2, phi, 13), peak))
    True
    """
    s = np.asarray(s, dtype=np.float64)
    m, width = resonance.mass, resonance.width
    partial = resonance.electron_width * resonance.branching[lepton] * width
    return np.asarray(12 * np.pi * partial * GEV2_TO_FB / ((s - m**2) ** 2 + (m * width) ** 2))


def generate(
    n: int,
    *,
    beams: Beams,
    rng: np.random.Generator,
    lepton: int = 13,
    meson: str = ALL,
) -> Events:
    """Return weighted events: l-, l+, the photons of l- and l+, those of electron and positron.

    The mean weight is the sum of the cross sections of the mesons, each of which has the same number of events.

    Parameters
    ----------
    n
        Number of events.
    beams
        The beams, with their energy spread.
    rng
        Source of randomness.
    lepton
        PDG number of the l-: 11 or 13.
    meson
        A key of `RESONANCES`, or `ALL` that are light enough.

    Raises
    ------
    InputError
        If the lepton or the meson is unknown, or a mass is within 0.2 GeV of the centre-of-mass energy.
    """
    if lepton not in LEPTONS:
        msg = f"lepton = {lepton}; known are {', '.join(map(str, LEPTONS))}"
        raise InputError(msg)
    highest = beams.sqrt_s - LOWEST_ENERGY
    light = {name: resonance for name, resonance in RESONANCES.items() if resonance.mass < highest}
    if not light or (meson != ALL and meson not in light):
        msg = f"meson = {meson!r}; want {ALL} or one of {', '.join(RESONANCES)}, with a mass below {highest:.3f} GeV"
        raise InputError(msg)
    mesons = list(light.values()) if meson == ALL else [light[meson]]
    mass = LEPTONS[lepton]
    electron, positron = beam_particles(beams, n, rng=rng)
    s = mass_squared(electron + positron)
    s_pair, line = _draw_masses(mesons, n, lepton, rng)
    lost, radiator = _share_loss(s_pair, s, rng)
    initial = lose_fractions(electron, positron, lost, rng=rng)
    charged, angular = np.empty((n, 2, 4)), np.empty(n)
    back_to_back(initial.axis, s_pair, mass, rng, charged, angular)
    p4, final = radiate_final_state(initial.pair, charged, mass=mass, rng=rng, slots=6)
    p4[:, 4:] = initial.photons
    ids = np.array([lepton, -lepton, 22, 22, 22, 22], dtype=np.int32)
    return Events(
        pdgid=np.where(p4[:, :, 0] > 0, ids, np.int32(0)),
        p4=p4,
        weight=line * radiator * initial.weight * angular * final / FINAL_CORRECTION,
        beams_p4=electron + positron,
    )


def _draw_masses(resonances: Sequence[Resonance], n: int, lepton: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return squared masses from the Breit-Wigners in turn [GeV^2], and sigma ds over their density, shapes (n,)."""
    kinds = len(resonances)
    which = (np.arange(n) + rng.integers(kinds)) % kinds
    m, width = (np.array([getattr(r, k) for r in resonances]) for k in ("mass", "width"))
    # s = M^2 + M Gamma tan(angle)
    low, high = (np.arctan(((m + d) ** 2 - m**2) / (m * width)) for d in (-HALF_WINDOW, HALF_WINDOW))
    peak = np.array([float(breit_wigner(r.mass**2, r, lepton)) for r in resonances])
    area = peak * m * width * (high - low)
    angle = low[which] + (high - low)[which] * rng.random(n)
    return (m**2)[which] + (m * width)[which] * np.tan(angle), kinds * area[which]


def _share_loss(s_pair: Array, s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the fractions u that both beams radiate, (N, 2), and Int D(z1) D(z2) delta(z1 z2 s - s_pair), drawn, (N,).

    With a = -ln z the integral is that of D D over a1 from 0 to -ln(s_pair / s), with a2 the rest; the smaller of the
    two is drawn as its singular factor a^(beta/2 - 1), and belongs to either beam.
    """
    total = np.log(s / s_pair)
    half, beta = total / 2, radiator_exponent(s, M_ELECTRON)
    smaller = np.maximum(half * rng.random(s.size) ** (2 / beta), 1e-300)
    u = -np.expm1(-np.stack([smaller, total - smaller], axis=1))
    soft, hard = structure_function(u, s[:, np.newaxis]).T
    soft = soft * (u[:, 0] / smaller) ** (beta / 2 - 1) * half ** (beta / 2)
    hard = hard * beta / 2 * u[:, 1] ** (beta / 2 - 1)
    first = rng.random(s.size) < 0.5
    lost = np.where(first[:, np.newaxis], u, u[:, ::-1])
    return np.ascontiguousarray(lost), 2 * K_FACTOR * soft * hard / s


PROCESSES = tuple(
    Process(
        name=f"isr_resonances_{name}",
        summary=f"e+e- -> gamma V, V = omega, phi, psi or Upsilon -> {name}",
        generate=partial(generate, lepton=lepton),
        parameters={
            "meson": Parameter(meaning="name of the meson, or all", default=ALL, choices=(ALL, *RESONANCES)),
        },
        accuracy="PDG widths, rates 1 %; no interference with the continuum",
        reference="Bonneau, Martin, Nucl. Phys. B 27 (1971) 381; Review of Particle Physics 2024",
    )
    for lepton, name in ((13, "mumu"), (11, "ee"))
)
