"""Peak: a density of known shape at one mass, whose position and width can move.

Make one with `gaussian`, `crystal_ball`, `two_sided_crystal_ball`, `crystal_ball_gaussian`, `voigt` or `breit_wigner`.
The unit of the observable is the caller's: GeV for a mass, GeV^2 for a squared recoil mass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.models import natural_widths, shapes
from bumphunt.models.shapes import Tail

__all__ = [
    "TAILS",
    "Peak",
    "PeakFamily",
    "breit_wigner",
    "crystal_ball",
    "crystal_ball_gaussian",
    "gaussian",
    "two_sided_crystal_ball",
    "voigt",
]

Array = NDArray[np.float64]
PeakFamily = Literal[
    "gaussian", "crystal_ball", "two_sided_crystal_ball", "crystal_ball_gaussian", "voigt", "breit_wigner"
]

TAILS: dict[str, tuple[str, ...]] = {
    "gaussian": (),
    "crystal_ball": ("alpha", "n"),
    "two_sided_crystal_ball": ("alpha_low", "n_low", "alpha_high", "n_high"),
    "crystal_ball_gaussian": ("alpha", "n", "fraction", "ratio"),
    "voigt": ("width",),
    "breit_wigner": ("width",),
}
"""The families, with the names of their parameters beyond the mean and the core's width, in order."""
N_PARAMETERS = {family: 2 + len(names) for family, names in TAILS.items()}
"""How many parameters each has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A peak in a spectrum.

    Parameters
    ----------
    family
        Name of the shape in `bumphunt.models.shapes` or `bumphunt.models.natural_widths`.
    parameters
        Mean, width of the core, then the tails or the natural width, in the order of the shape's function.
    tail
        Side of the tail, where there is one.
    support
        Range on which the shape is normalised; the whole line by default.

    Raises
    ------
    InputError
        If the family is unknown, a parameter is not finite or missing, or the width is not positive.
    """

    family: PeakFamily
    parameters: tuple[float, ...]
    tail: Tail = "low"
    support: tuple[float, float] = (-np.inf, np.inf)

    def __post_init__(self) -> None:
        if self.family not in N_PARAMETERS:
            msg = f"unknown peak {self.family!r}: want one of {sorted(N_PARAMETERS)}"
            raise InputError(msg)
        if len(self.parameters) != N_PARAMETERS[self.family] or not np.all(np.isfinite(self.parameters)):
            msg = f"a {self.family} wants {N_PARAMETERS[self.family]} finite parameters, got {self.parameters}"
            raise InputError(msg)
        if not self.parameters[1] > 0.0:
            msg = f"the width of a {self.family} must be positive, got {self.parameters[1]}"
            raise InputError(msg)
        if not self.support[0] < self.support[1]:
            msg = f"the support of a peak must rise, got {self.support}"
            raise InputError(msg)
        self.cdf(self.mean)  # the shapes check their tails

    @property
    def mean(self) -> float:
        """Position of the core."""
        return self.parameters[0]

    @property
    def sigma(self) -> float:
        """Width of the core."""
        return self.parameters[1]

    def cdf(self, x: ArrayLike, *, shift: float = 0.0, stretch: float = 1.0) -> Array:
        """Return the cumulative distribution in the shape of x, the peak moved by `shift` and widened by `stretch`.

        What is widened is the whole peak, with its tails, and its natural width too.
        """
        if self.family in ("voigt", "breit_wigner"):
            nominal = natural_widths.voigt_cdf if self.family == "voigt" else natural_widths.breit_wigner_cdf
            return nominal(self._nominal(x, shift, stretch), *self.parameters)
        mean, sigma, tails = self.mean + shift, self.sigma * stretch, self.parameters[2:]
        if self.family == "gaussian":
            return shapes.gaussian_cdf(x, mean, sigma)
        if self.family == "crystal_ball":
            return shapes.crystal_ball_cdf(x, mean, sigma, *tails, tail=self.tail)
        if self.family == "two_sided_crystal_ball":
            return shapes.two_sided_crystal_ball_cdf(x, mean, sigma, (tails[0], tails[1]), (tails[2], tails[3]))
        return shapes.crystal_ball_gaussian_cdf(x, (mean, sigma, *tails), self.support, tail=self.tail)

    def pdf(self, x: ArrayLike, *, shift: float = 0.0, stretch: float = 1.0) -> Array:
        """Return the density [1/x] in the shape of x; arguments as in `cdf`."""
        if self.family in ("voigt", "breit_wigner"):
            nominal = natural_widths.voigt_pdf if self.family == "voigt" else natural_widths.breit_wigner_pdf
            return nominal(self._nominal(x, shift, stretch), *self.parameters) / stretch
        mean, sigma, tails = self.mean + shift, self.sigma * stretch, self.parameters[2:]
        if self.family == "gaussian":
            return shapes.gaussian_pdf(x, mean, sigma)
        if self.family == "crystal_ball":
            return shapes.crystal_ball_pdf(x, mean, sigma, *tails, tail=self.tail)
        if self.family == "two_sided_crystal_ball":
            return shapes.two_sided_crystal_ball_pdf(x, mean, sigma, (tails[0], tails[1]), (tails[2], tails[3]))
        return shapes.crystal_ball_gaussian_pdf(x, (mean, sigma, *tails), self.support, tail=self.tail)

    def _nominal(self, x: ArrayLike, shift: float, stretch: float) -> Array:
        """Return where on the peak that is neither moved nor widened x is."""
        return np.asarray(self.mean + (np.asarray(x, dtype=np.float64) - shift - self.mean) / stretch)

    def parts(self, low: float, high: float) -> tuple[tuple[float, Peak], ...]:
        """Return peaks of which this one is the sum, with their weights: each has a function of (x - mean) / width.

        They are normalised on `low` to `high` instead of the support, on which each has to be normalised again.
        """
        if self.family != "crystal_ball_gaussian":
            return ((1.0, self),)
        mean, sigma, alpha, n, fraction, ratio = self.parameters
        ball = (mean, sigma, alpha, n, 1.0, ratio)
        return (
            (fraction, Peak(family=self.family, parameters=ball, tail=self.tail, support=(low, high))),
            (1.0 - fraction, gaussian(mean, ratio * sigma)),
        )

    def fractions(self, edges: ArrayLike, *, shift: float = 0.0, stretch: float = 1.0) -> Array:
        """Return the fraction of the peak in each bin; edges ``(B + 1,)``, result ``(B,)``."""
        return np.maximum(np.diff(self.cdf(edges, shift=shift, stretch=stretch)), 0.0)


def gaussian(mean: float, sigma: float) -> Peak:
    """Return a normal peak.

    Examples
    --------
    >>> float(gaussian(5.0, 0.1).fractions([4.9, 5.1])[0].round(4))
    0.6827
    """
    return Peak(family="gaussian", parameters=(mean, sigma))


def crystal_ball(mean: float, sigma: float, alpha: float, n: float, *, tail: Tail = "low") -> Peak:
    """Return a Crystal Ball; parameters as in `shapes.crystal_ball_pdf`."""
    return Peak(family="crystal_ball", parameters=(mean, sigma, alpha, n), tail=tail)


def two_sided_crystal_ball(mean: float, sigma: float, low: tuple[float, float], high: tuple[float, float]) -> Peak:
    """Return a Crystal Ball with two tails, each (alpha, n); as in `shapes.two_sided_crystal_ball_pdf`."""
    return Peak(family="two_sided_crystal_ball", parameters=(mean, sigma, *low, *high))


def crystal_ball_gaussian(parameters: tuple[float, ...], support: tuple[float, float], *, tail: Tail = "high") -> Peak:
    """Return a Crystal Ball plus Gaussian; arguments as in `shapes.crystal_ball_gaussian_pdf`."""
    return Peak(family="crystal_ball_gaussian", parameters=parameters, tail=tail, support=support)


def voigt(mean: float, sigma: float, width: float) -> Peak:
    """Return a Breit-Wigner of a full natural width, with a Gaussian resolution; as in `natural_widths.voigt_pdf`.

    Examples
    --------
    >>> float(voigt(1.019, 0.002, 0.00425).fractions([1.017, 1.021])[0].round(4))  # phi: 68 % without its width
    0.3759
    """
    return Peak(family="voigt", parameters=(mean, sigma, width))


def breit_wigner(mean: float, sigma: float, width: float) -> Peak:
    """Return a relativistic Breit-Wigner in the mass, with a resolution; as in `natural_widths.breit_wigner_pdf`.

    Examples
    --------
    >>> float(breit_wigner(91.19, 2.0, 2.495).fractions([81.0, 101.0])[0].round(4))  # Z: what lies within 10 GeV
    0.9183
    """
    return Peak(family="breit_wigner", parameters=(mean, sigma, width))
