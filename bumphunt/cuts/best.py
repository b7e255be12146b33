"""Cuts optimised in bins of mass: figure of merit, every combination at once, the table of the best.

The result is a `bumphunt.cuts.table.CutTable`: bounds per mass bin. The best are found from tensors
(`bumphunt.cuts.tensor`) that one pass over the events fills: summed from the tightest bound along every veto axis, a
tensor holds the yield of each combination of bounds.

======================= ==================================================
punzi_simple            eps / (a/2 + sqrt B), the default
punzi_minimum_signal    S_min(B), the smallest signal that is found
punzi_full              eps / S_min
best_cuts               tensors -> cut table
======================= ==================================================

The bounds are chosen on one half of the simulated events and quoted on the other. A combination that leaves hardly any
weighted event can look free of background by luck, and among thousands of combinations one will: so the background of
the figure of merit is B + k sigma_B, with sigma_B its Monte Carlo error and k = 1/2 by default. Where no event is left,
sigma_B is the typical weight of one event, not zero.

References
----------
G. Punzi, Sensitivity of searches for new signals and its optimization, physics/0308063.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.cuts.choice import Cuts, Merit, chosen_cells
from bumphunt.cuts.expected_limit import Average, expected_limits
from bumphunt.cuts.table import CutTable, bin_masses
from bumphunt.cuts.tensor import CHOOSING, QUOTING, CountTensor
from bumphunt.cuts.yields import SignalPoint, combined_background, combined_efficiency, interpolate, yields_at
from bumphunt.errors import InputError, unknown_name
from bumphunt.spectrum.axis import SQUARED, MassAxis

__all__ = [
    "FigureOfMerit",
    "SignalPoint",
    "best_cuts",
    "mass_bins",
    "punzi_full",
    "punzi_minimum_signal",
    "punzi_simple",
    "signal_window",
    "window_share",
]

Array = NDArray[np.float64]
Resolution = Callable[[float], float]
"""Resolution in the unit of the axis at a mass [GeV]."""
_AVERAGES: dict[str, Average] = {"expected-limit": "median", "mean-limit": "mean"}


def _check_background(background: ArrayLike, **positive: float) -> Array:
    """Return the background as an array, after a check of it and of numbers that must not be negative."""
    b = np.asarray(background, dtype=np.float64)
    if np.any(~(b >= 0)):
        msg = f"background = {b[~(b >= 0)].flat[0]}; it must not be negative"
        raise InputError(msg)
    for name, value in positive.items():
        if not value > 0:
            msg = f"{name} = {value}; it must be positive"
            raise InputError(msg)
    return b


def punzi_simple(efficiency: ArrayLike, background: ArrayLike, *, a: float) -> Array:
    """Return Punzi's figure of merit eps / (a/2 + sqrt B), broadcast shape of the arguments.

    Parameters
    ----------
    efficiency
        Signal efficiency.
    background
        Expected background, not negative.
    a
        Significance of a discovery in standard deviations, positive.

    Raises
    ------
    InputError
        If a background is negative or `a` is not positive.

    References
    ----------
    Punzi, physics/0308063: the version that holds for any signal cross section and needs no power.

    Examples
    --------
    >>> float(punzi_simple(0.5, 4.0, a=1.0))
    0.2
    """
    b = _check_background(background, a=a)
    return np.asarray(np.asarray(efficiency, dtype=np.float64) / (a / 2 + np.sqrt(b)))  # physics/0308063


def punzi_minimum_signal(background: ArrayLike, *, a: float, b: float) -> Array:
    """Return Punzi's S_min: the expected signal found at `a` standard deviations with probability of `b` of them.

    Parameters
    ----------
    background
        Expected background B, not negative.
    a
        Significance in standard deviations, positive.
    b
        Power in standard deviations, positive: 1.28155 for 90 %.

    Raises
    ------
    InputError
        If a background is negative, or `a` or `b` is not positive.

    References
    ----------
    Punzi, physics/0308063: the parametrisation for small and large B and any `a` and `b`.

    Examples
    --------
    >>> punzi_minimum_signal([0.0, 10.0], a=3.0, b=1.28155).round(3)
    array([ 3.083, 17.465])
    """
    bkg = _check_background(background, a=a, b=b)
    root = np.sqrt(bkg)
    return np.asarray(
        a**2 / 8 + 9 * b**2 / 13 + a * root + b / 2 * np.sqrt(b**2 + 4 * a * root + 4 * bkg)
    )  # physics/0308063


def punzi_full(efficiency: ArrayLike, background: ArrayLike, *, a: float, b: float) -> Array:
    """Return eps / S_min(B), the inverse of the smallest cross section that is found; see `punzi_minimum_signal`."""
    return np.asarray(np.asarray(efficiency, dtype=np.float64) / punzi_minimum_signal(background, a=a, b=b))


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureOfMerit:
    """What is made as large as possible.

    Parameters
    ----------
    kind
        ``punzi``: eps / (a/2 + sqrt B). ``punzi-full``: eps / S_min. ``expected-limit``: eps over the exact limit at
        the median count, which is what is quoted; ``mean-limit``: over that limit averaged over counts, which has no
        steps (`bumphunt.cuts.expected_limit`).
    a
        Significance in standard deviations, for the two of Punzi.
    b
        Power in standard deviations, for ``punzi-full``.
    cl
        Confidence level of the limits.
    background_uncertainty
        Relative uncertainty of the background in the limits.
    background_error
        How many Monte Carlo standard deviations are added to the background.
    """

    kind: Merit = "punzi"
    a: float = 1.6
    b: float = 1.28155
    cl: float = 0.9
    background_uncertainty: float = 0.0
    background_error: float = 0.5

    def __call__(self, efficiency: ArrayLike, background: ArrayLike, error: ArrayLike) -> Array:
        """Return the figure of merit of efficiencies, backgrounds and their Monte Carlo errors, broadcast shape.

        Raises
        ------
        InputError
            If a background is negative, or a setting makes no sense.
        """
        total = np.asarray(background, dtype=np.float64) + self.background_error * np.asarray(error, dtype=np.float64)
        if self.kind == "punzi":
            return punzi_simple(efficiency, total, a=self.a)
        if self.kind == "punzi-full":
            return punzi_full(efficiency, total, a=self.a, b=self.b)
        if self.kind not in _AVERAGES:
            raise InputError(unknown_name("kind =", self.kind, ("punzi", "punzi-full", *_AVERAGES)))
        limit = expected_limits(
            total, average=_AVERAGES[self.kind], cl=self.cl, uncertainty=self.background_uncertainty
        )
        return np.asarray(np.asarray(efficiency, dtype=np.float64) / limit)


def signal_window(mass: float, resolution: Resolution, *, window: float = 2.0, axis: MassAxis = SQUARED) -> Array:
    """Return the edges x(m) -+ w sigma in the unit of the axis, shape (2,): the mass bin of a signal tensor.

    Examples
    --------
    >>> signal_window(2.0, lambda m: 0.5)
    array([3., 5.])
    """
    position, half = float(axis.position(mass)), window * _positive_resolution(mass, resolution, axis)
    return np.array([position - half, position + half])


def mass_bins(
    resolution: Resolution,
    *,
    low: float,
    high: float,
    width: float = 4.0,
    minimum_width: float = 0.0,
    axis: MassAxis = SQUARED,
) -> Array:
    """Return edges in the unit of the axis of bins that are `width` resolutions wide, shape (M + 1,).

    The first bin starts at the position of `low` and the last one ends at or above that of `high`. The width is `width`
    times the resolution at the lower edge of the bin, but no bin is narrower than `minimum_width` in mass [GeV].

    Raises
    ------
    InputError
        If the masses [GeV] are not in order, or the resolution or the width is not positive.

    Examples
    --------
    >>> mass_bins(lambda m: 0.25, low=1.0, high=1.9)
    array([1., 2., 3., 4.])
    """
    if not (0 <= low < high and width > 0):
        msg = f"low = {low} GeV, high = {high} GeV, width = {width}; they must be ordered and positive"
        raise InputError(msg)
    edges, end = [float(axis.position(low))], float(axis.position(high))
    while edges[-1] < end:
        mass = float(axis.mass(edges[-1]))
        following = edges[-1] + width * _positive_resolution(mass, resolution, axis)
        edges.append(max(following, float(axis.position(mass + minimum_width))))
    return np.array(edges)


def _positive_resolution(mass: float, resolution: Resolution, axis: MassAxis) -> float:
    """Return the resolution in the unit of the axis at a mass [GeV].

    Raises
    ------
    InputError
        If it is not positive.
    """
    sigma = float(resolution(mass))
    if not (np.isfinite(sigma) and sigma > 0):
        msg = f"the resolution at {mass} GeV is {sigma} {axis.unit}; it must be positive"
        raise InputError(msg)
    return sigma


def window_share(edges: Array, resolution: Resolution, *, window: float = 2.0, axis: MassAxis = SQUARED) -> Array:
    """Return the width of the signal window at the centre of each mass bin over that of the bin, shape (M,).

    Examples
    --------
    >>> window_share(np.array([3.0, 5.0, 13.0]), lambda m: 0.5)
    array([1.  , 0.25])
    """
    sigma = np.array([_positive_resolution(m, resolution, axis) for m in bin_masses(edges, axis)])
    return np.asarray(2 * window * sigma / np.diff(edges))


def best_cuts(
    backgrounds: Sequence[CountTensor],
    signals: Sequence[SignalPoint],
    *,
    resolution: Resolution,
    merit: FigureOfMerit | None = None,
    window: float = 2.0,
    cuts: Cuts = "free",
    axis: MassAxis = SQUARED,
) -> CutTable:
    """Return the bounds with the best figure of merit in each mass bin.

    The background is that of the mass bin times window / bin width; the efficiency that of the simulated signals,
    interpolated linearly in mass between them and kept constant beyond. Of equally good bounds the loosest are taken.

    Parameters
    ----------
    backgrounds
        One tensor a background sample, at the luminosity of the data, all with the same bins and axes.
    signals
        The simulated signals, with the same axes.
    resolution
        In the unit of the axis at a mass [GeV].
    merit
        Figure of merit; `FigureOfMerit` with its defaults unless given.
    window
        Half width of the signal window in units of the resolution, as that of the signal tensors.
    cuts
        How the bounds may vary with mass. ``free``: each bin has its own best, as steps. ``smooth``: chosen by the mean
        of the relative figures of merit of a bin and its two neighbours. ``monotone``: no bound ever turns around as
        the mass goes up. The bounds of the last two are interpolated linearly between the centres of the bins, so that
        the signal efficiency varies smoothly with mass. See `bumphunt.cuts.choice`.
    axis
        What the bins of the tensors are made of.

    Raises
    ------
    InputError
        If there is no background or signal, or their bins or axes differ.
    """
    merit = FigureOfMerit() if merit is None else merit
    _check_tensors(backgrounds, signals)
    edges, axes = backgrounds[0].edges, backgrounds[0].axes
    masses = bin_masses(edges, axis)
    share = window_share(edges, resolution, window=window, axis=axis)
    known = np.array([point.mass for point in signals])
    efficiencies = combined_efficiency(signals, CHOOSING)
    merits = []
    for i, mass in enumerate(masses):
        background, error = combined_background(backgrounds, CHOOSING, i, float(share[i]))
        merits.append(merit(interpolate(float(mass), known, efficiencies), background, error))
    cells = chosen_cells(merits, cuts)
    quantities: dict[str, Array] = {}
    for half, name in ((CHOOSING, "choosing"), (QUOTING, "quoting")):
        found = yields_at(cells, backgrounds, signals, half, masses=masses, share=share)
        quantities |= {f"efficiency_{name}": found.efficiency, f"background_{name}": found.background}
        quantities[f"merit_{name}"] = merit(found.efficiency, found.background, found.background_error)
    before = yields_at(np.zeros_like(cells), backgrounds, signals, QUOTING, masses=masses, share=share)
    return CutTable(
        edges=edges,
        names=tuple(veto.name for veto in axes),
        sides=tuple(veto.side for veto in axes),
        smooth=cuts != "free",
        bounds=np.stack([veto.thresholds[cells[:, v]] for v, veto in enumerate(axes)], axis=-1),
        efficiency_before=before.efficiency,
        background_before=before.background,
        axis=axis,
        **quantities,
    )


def _check_tensors(backgrounds: Sequence[CountTensor], signals: Sequence[SignalPoint]) -> None:
    """Raise an InputError if tensors are missing or do not fit each other."""
    if not backgrounds or not signals:
        msg = f"{len(backgrounds)} backgrounds and {len(signals)} signals; at least one of each is needed"
        raise InputError(msg)
    first = backgrounds[0]
    for tensor in (*backgrounds, *(point.tensor for point in signals)):
        if tensor.axes != first.axes:
            msg = f"tensors have different axes: {tensor.axes} and {first.axes}"
            raise InputError(msg)
    for tensor in backgrounds[1:]:
        if not np.array_equal(tensor.edges, first.edges):
            msg = f"background tensors have different mass bins: {tensor.edges} and {first.edges}"
            raise InputError(msg)
    masses = [point.mass for point in signals]
    if any(a >= b for a, b in pairwise(masses)):
        msg = f"signal masses {masses} GeV must be in ascending order"
        raise InputError(msg)
    for point in signals:
        if point.tensor.edges.size != 2 or not point.generated > 0:
            msg = f"signal at {point.mass} GeV: needs one mass bin and generated > 0, not {point.generated}"
            raise InputError(msg)
