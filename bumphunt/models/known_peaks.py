"""Known resonances: the narrow states that decay to pairs of leptons, and the Z, with masses and widths of the PDG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bumphunt.constants import particle_mass, particle_mass_error, particle_width
from bumphunt.errors import InputError, unknown_name

__all__ = ["KNOWN_PEAKS", "KnownPeak", "known_peak"]

KNOWN_PEAKS = {
    "omega": 223,
    "phi": 333,
    "jpsi": 443,
    "psi2s": 100443,
    "upsilon1s": 553,
    "upsilon2s": 100553,
    "upsilon3s": 200553,
    "z": 23,
}
"""PDG numbers of the known resonances, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPeak:
    """A resonance that stands in a spectrum beside what is searched for.

    Parameters
    ----------
    name
        Its name: no two of a search have the same.
    mass, mass_error
        Its mass and the standard deviation of where it is seen [GeV]: that of the PDG, or of the momentum scale.
    width
        Natural width [GeV].
    resolution
        Resolution of its mass [GeV]; None for that of the signal there.

    Raises
    ------
    InputError
        If the mass is not positive, an error or the width negative, or the resolution not positive.
    """

    name: str
    mass: float
    mass_error: float = 0.0
    width: float = 0.0
    resolution: float | None = None

    def __post_init__(self) -> None:
        positive = [self.mass, *([] if self.resolution is None else [self.resolution])]
        if not (np.all(np.isfinite(positive)) and min(positive) > 0.0):
            msg = f"resonance {self.name!r}: mass and resolution must be positive numbers of GeV, got {positive}"
            raise InputError(msg)
        if not (0.0 <= self.mass_error < np.inf and 0.0 <= self.width < np.inf):
            msg = f"resonance {self.name!r}: mass_error {self.mass_error} and width {self.width} GeV must be >= 0"
            raise InputError(msg)


def known_peak(name: str) -> KnownPeak:
    """Return one of `KNOWN_PEAKS`.

    Raises
    ------
    InputError
        If there is none of the name.

    Examples
    --------
    >>> jpsi = known_peak("jpsi")
    >>> round(jpsi.mass, 4), round(jpsi.mass_error * 1e6), round(jpsi.width * 1e6)  # GeV, keV, keV
    (3.0969, 6, 93)
    """
    if name not in KNOWN_PEAKS:
        raise InputError(unknown_name("resonance", name, KNOWN_PEAKS))
    number = KNOWN_PEAKS[name]
    return KnownPeak(
        name=name, mass=particle_mass(number), mass_error=particle_mass_error(number), width=particle_width(number)
    )
