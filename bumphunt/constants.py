"""Physical constants: taken from here by everyone.

Masses are those of the PDG, as the package ``particle`` carries them; couplings and conversions those of CODATA.
"""

from __future__ import annotations

from particle import Particle

__all__ = [
    "ALPHA",
    "GEV2_TO_FB",
    "HBAR_C",
    "M_ELECTRON",
    "M_KAON",
    "M_KAON0",
    "M_MUON",
    "M_PION",
    "M_PION0",
    "M_TAU",
    "particle_mass",
    "particle_mass_error",
    "particle_width",
]


def particle_mass(pdgid: int) -> float:
    """Return the PDG mass of a particle [GeV].

    Raises
    ------
    ValueError
        If the PDG has none for it.
    """
    return _in_gev(pdgid, "mass", Particle.from_pdgid(pdgid).mass)


def particle_mass_error(pdgid: int) -> float:
    """Return the uncertainty of the PDG mass of a particle [GeV]: the larger of both sides.

    Raises
    ------
    ValueError
        If the PDG has none for it.
    """
    particle = Particle.from_pdgid(pdgid)
    sides = [side for side in (particle.mass_upper, particle.mass_lower) if side is not None]
    return _in_gev(pdgid, "uncertainty of the mass", max(sides, default=None))


def particle_width(pdgid: int) -> float:
    """Return the PDG total width of a particle [GeV].

    Raises
    ------
    ValueError
        If the PDG has none for it.

    Examples
    --------
    >>> round(particle_width(443) * 1e6, 1)  # J/psi [keV]
    92.6
    """
    return _in_gev(pdgid, "width", Particle.from_pdgid(pdgid).width)


def _in_gev(pdgid: int, quantity: str, value: float | None) -> float:
    """Return a quantity of a particle [GeV], given in MeV, or raise a ValueError if it is not known."""
    if value is None:
        msg = f"the PDG table has no {quantity} for particle {pdgid}"
        raise ValueError(msg)
    return float(value) / 1000


ALPHA = 1 / 137.035999
"""Fine-structure constant at zero momentum (CODATA)."""
GEV2_TO_FB = 0.3893793721e12
"""(hbar c)^2 [GeV^2 fb] (CODATA)."""
HBAR_C = 1.973269804e-14
"""hbar c [GeV cm] (CODATA)."""

M_ELECTRON = particle_mass(11)
"""Electron mass [GeV]."""
M_MUON = particle_mass(13)
"""Muon mass [GeV]."""
M_TAU = particle_mass(15)
"""Tau mass [GeV]."""
M_PION = particle_mass(211)
"""Charged pion mass [GeV]."""
M_PION0 = particle_mass(111)
"""Neutral pion mass [GeV]."""
M_KAON = particle_mass(321)
"""Charged kaon mass [GeV]."""
M_KAON0 = particle_mass(311)
"""Neutral kaon mass [GeV]."""
