"""Where tracks meet: the point nearest to all of them, as straight lines, and how well they agree.

A track is a line that passes the z axis at a signed distance dr and at z = dz, in the direction (theta, phi). A point
(x, y, z) lies on it if

    x sin(phi) - y cos(phi) = dr,    z - (x cos(phi) + y sin(phi)) / tan(theta) = dz,

which is linear in the point. The bending in a magnetic field is left out: over a length L it is L^2 / (2 R), with
R = 2.2 m for 1 GeV of transverse momentum in 1.5 T.

References
----------
R. Fruehwirth, Nucl. Instrum. Meth. A 262 (1987) 444 (least squares for a vertex), with lines in the place of helices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lines", "Vertex", "fit_vertex"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lines:
    """K tracks of each of N candidates, arrays of shape (K, N)."""

    dr: Array
    """Signed distance from the z axis, x sin(phi) - y cos(phi) [cm]."""
    dz: Array
    """z where it passes the axis [cm]."""
    theta: Array
    """Polar angle [rad]."""
    phi: Array
    """Azimuth [rad]."""
    angle_error: Array
    """Standard deviation of theta, and of phi times sin(theta) [rad]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vertex:
    """The points nearest to the tracks of N candidates."""

    position: Array
    """The points [cm], shape (N, 3)."""
    chi2: Array
    """Sum of the squared distances of their tracks in units of their errors, shape (N,): 2 K - 3 degrees of freedom."""


def fit_vertex(lines: Lines, *, dr_error: float, dz_error: float) -> Vertex:
    """Return the points nearest to the tracks, and the chi^2.

    Errors of directions grow with the distance from the axis: they are those at the point that a first fit without them
    finds. Tracks that are parallel leave a point undetermined along their direction; it is the nearest one to the
    origin.

    Parameters
    ----------
    lines
        The tracks, two at least.
    dr_error, dz_error
        Standard deviations of `Lines.dr` and `Lines.dz` [cm], above 0.

    Examples
    --------
    >>> lines = Lines(dr=np.zeros((2, 1)), dz=np.zeros((2, 1)), theta=np.array([[1.0], [2.0]]),
    ...               phi=np.array([[0.0], [1.0]]), angle_error=np.full((2, 1), 1e-3))
    >>> np.abs(fit_vertex(lines, dr_error=0.01, dz_error=0.01).position).max() < 1e-12
    np.True_
    """
    sin, cos, slope = np.sin(lines.phi), np.cos(lines.phi), 1.0 / np.tan(lines.theta)
    flat = np.zeros_like(sin)
    design = np.concatenate([np.stack([sin, -cos, flat]), np.stack([-cos * slope, -sin * slope, flat + 1.0])], axis=1)
    design = np.moveaxis(design, -1, 0)  # (N, 3, 2 K)
    measured = np.concatenate([lines.dr, lines.dz]).T  # (N, 2 K)
    variance = np.concatenate([np.full_like(sin, dr_error**2), np.full_like(sin, dz_error**2)]).T
    position = _nearest(design, measured, variance)
    along = np.abs(position[:, 0] * cos + position[:, 1] * sin)  # transverse path from the axis, (K, N)
    sine = np.sin(lines.theta)
    turned = np.concatenate([along * lines.angle_error / sine, along * lines.angle_error / sine**2]).T
    position = _nearest(design, measured, variance + turned**2)
    distance = measured - np.einsum("nji,nj->ni", design, position)
    return Vertex(position=position, chi2=np.sum(distance**2 / (variance + turned**2), axis=1))


def _nearest(design: Array, measured: Array, variance: Array) -> Array:
    """Return the solutions of weighted least squares, shape (N, 3)."""
    weighted = design / variance[:, np.newaxis, :]
    normal = weighted @ np.swapaxes(design, 1, 2)
    moments = weighted @ measured[..., np.newaxis]
    return np.asarray((np.linalg.pinv(normal, hermitian=True) @ moments)[..., 0])
