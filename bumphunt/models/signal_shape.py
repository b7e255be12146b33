"""The shape of the signal at one mass: a Crystal Ball plus a Gaussian with the same mean, and its parameters.

The observable is the position on a mass axis (`bumphunt.spectrum.axis`) on which the resolution varies slowly: the
squared mass for a recoil mass, a mass for an invariant one. Shapes are fitted to simulated spectra in
`bumphunt.models.shape_fit`, and interpolated in mass in `bumphunt.models.signal`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.models.shapes import Tail
from bumphunt.spectrum.axis import MassAxis

__all__ = ["PARAMETERS", "ShapeFit", "shifted_parameters"]

Array = NDArray[np.float64]

PARAMETERS = ("mean_shift", "sigma", "alpha", "n", "fraction", "ratio")
"""Shape parameters: mean - position of the mass and sigma [unit of the axis], start of the tail [sigma], its power, the
Crystal Ball's fraction, and the width of the Gaussian over sigma."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeFit:
    """The shape fitted to the simulated spectrum of one mass.

    Parameters
    ----------
    mass
        Simulated mass [GeV].
    parameters, errors
        Values and standard deviations of `PARAMETERS`, shape ``(6,)``. An error is NaN where it could not be found,
        and 0 for a parameter that is held, or at its limit.
    resolution, resolution_error
        Half width of the core (`shapes.core_half_width`) and its standard deviation [unit of the axis].
    support
        Ends of the histogram [unit of the axis]: the shape is normalised to 1 there.
    tail
        Side of the tail.
    axis
        What the histogram is made of.
    chi2, n_dof
        Pearson chi-squared over the bins with at least ten effective events, and its degrees of freedom.
    valid
        Whether the minimiser converged.
    """

    mass: float
    parameters: Array
    errors: Array
    resolution: float
    resolution_error: float
    support: tuple[float, float]
    tail: Tail
    axis: MassAxis
    chi2: float
    n_dof: int
    valid: bool


def shifted_parameters(mass: float, parameters: Array, axis: MassAxis) -> Array:
    """Return the parameters of `shapes.crystal_ball_gaussian_cdf`: the mean in place of its shift."""
    return np.concatenate([[float(axis.position(mass)) + parameters[0]], parameters[1:]])
