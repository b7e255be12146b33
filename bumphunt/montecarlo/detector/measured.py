"""What a detector measures of events: tracks, and clusters of the calorimeter, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Clusters", "Tracks", "wrap"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Reconstructed tracks, arrays of shape (T,), ordered by event."""

    event: Ints
    """Position of the event."""
    pdgid: Ints
    """PDG code of the particle."""
    positive: Mask
    """Whether the charge is positive."""
    p: Array
    """Momentum [GeV]."""
    theta: Array
    """Polar angle [rad]."""
    phi: Array
    """Azimuth [rad]."""
    cluster: Array
    """Energy in the calorimeter [GeV], 0 without a cluster."""
    dr: Array
    """True distance of closest approach in the transverse plane, with a sign [cm]."""
    dz: Array
    """True z at that point [cm]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Neutral clusters, arrays of shape (C,)."""

    event: Ints
    """Position of the event, or of the view of an event."""
    energy: Array
    """Energy [GeV]."""
    theta: Array
    """Polar angle [rad]."""
    phi: Array
    """Azimuth [rad]."""
    time: Array
    """Time since the collision [ns]."""

    def where(self, keep: NDArray[np.bool_ | np.intp]) -> Clusters:
        """Return the clusters that a mask or an array of positions names."""
        return Clusters(
            event=self.event[keep],
            energy=self.energy[keep],
            theta=self.theta[keep],
            phi=self.phi[keep],
            time=self.time[keep],
        )

    def of(self, event: Ints) -> Clusters:
        """Return the same clusters as part of other events, shape (C,)."""
        return Clusters(event=event, energy=self.energy, theta=self.theta, phi=self.phi, time=self.time)

    def and_also(self, other: Clusters) -> Clusters:
        """Return these clusters followed by others."""
        return Clusters(
            event=np.concatenate([self.event, other.event]),
            energy=np.concatenate([self.energy, other.energy]),
            theta=np.concatenate([self.theta, other.theta]),
            phi=np.concatenate([self.phi, other.phi]),
            time=np.concatenate([self.time, other.time]),
        )


def wrap(phi: Array) -> Array:
    """Return azimuths in [-pi, pi); keeps the shape."""
    return phi - 2 * np.pi * np.floor((phi + np.pi) / (2 * np.pi))
