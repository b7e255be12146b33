"""Generated events, and the beam particles they start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.errors import InputError
from bumphunt.kinematics.momenta import Beams

__all__ = ["INVISIBLE", "Events", "beam_particles"]

Array = NDArray[np.float64]

INVISIBLE = 32
"""PDG number of new particles that a detector does not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Final-state particles of N events, up to P in each.

    Parameters
    ----------
    pdgid
        PDG numbers, 0 for an empty slot, shape (N, P); new particles that escape are `INVISIBLE`.
    p4
        Laboratory four-momenta [GeV], shape (N, P, 4), zero in empty slots.
    weight
        Weights [fb] whose mean is the cross section, shape (N,).
    beams_p4
        Sum of the two beam momenta of each event [GeV], energy spread included, shape (N, 4).
    vertex
        Where each particle starts, relative to the collision [cm], shape (N, P, 3); None if all start there.

    Raises
    ------
    InputError
        If the shapes do not match.
    """

    pdgid: NDArray[np.int32]
    p4: Array
    weight: Array
    beams_p4: Array
    vertex: Array | None = None

    def __post_init__(self) -> None:
        n, slots = self.pdgid.shape
        shapes = {"p4": (n, slots, 4), "weight": (n,), "beams_p4": (n, 4), "vertex": (n, slots, 3)}
        if self.vertex is None:
            del shapes["vertex"]
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                msg = f"{name} has shape {np.shape(getattr(self, name))}; with pdgid {(n, slots)} it must be {shape}"
                raise InputError(msg)

    def at(self, position: NDArray[np.intp], *, weight: Array | None = None) -> Events:
        """Return the events at some positions, with other weights if they are given."""
        return Events(
            pdgid=self.pdgid[position],
            p4=self.p4[position],
            weight=self.weight[position] if weight is None else weight,
            beams_p4=self.beams_p4[position],
            vertex=None if self.vertex is None else self.vertex[position],
        )


def beam_particles(beams: Beams, n: int, *, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the four-momenta of `n` electrons and positrons with Gaussian energy spread [GeV], shape (n, 4) each."""
    electron = rng.normal(beams.electron_energy, beams.electron_spread, n)
    positron = rng.normal(beams.positron_energy, beams.positron_spread, n)
    return beams.electron_p4(electron), beams.positron_p4(positron)
