"""Region: one spectrum, described once: its data, a signal, backgrounds, and what is uncertain about them.

A sample has a shape and uncertainties. Its shape is

* a histogram: expected counts in the bins of the region (an array, or a `hist.Hist`);
* a `Peak` (`bumphunt.models.peaks`): bins hold its integrals, times the sample's scale;
* a `BackgroundModel` (`bumphunt.models.background`): a smooth family whose coefficients the data determine, or a
  `BackgroundFunction`: a function of Python with parameters. Either may be multiplied with a histogram.

The signal is multiplied with the signal strength: events for a peak of scale 1, the usual mu for a histogram of
expected counts. Several regions share the strength, and every uncertainty that has the same name. The questions to
ask of regions are in `bumphunt.inference.fit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError
from bumphunt.models.background import BackgroundFunction, BackgroundModel, integrals
from bumphunt.models.peaks import Peak
from bumphunt.models.systematics import (
    Histogram,
    PeakPosition,
    PeakWidth,
    ShapeVariation,
    SpuriousSignal,
    Uncertainty,
    numbers,
)

__all__ = ["Region", "Sample", "region", "weighted_errors"]

Array = NDArray[np.float64]

MIN_SIGNAL_FRACTION = 1e-6
"""Least fraction of a peak inside its region."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One process in one region.

    Parameters
    ----------
    name
        Of the process.
    shape
        Histogram of expected counts ``(B,)``, peak, or smooth background.
    uncertainties
        From `bumphunt.models.systematics`.
    scale
        What the shape is multiplied with: the events of a peak; 1 for a histogram of expected counts.
    errors
        Statistical errors of a simulated histogram (square roots of its variances), shape ``(B,)``; those of a
        histogram with weighted storage by default. Samples that have them share one parameter a bin (Barlow and
        Beeston's method, as simplified by Conway), whose relative error is that of their sum at signal strength 1.
    template
        Histogram of expected counts that a smooth background multiplies, shape ``(B,)``: a simulated shape, corrected
        by a smooth function. It is taken as it is, without statistical errors.

    Raises
    ------
    InputError
        If a name is empty, a number is negative or not finite, or an uncertainty does not suit the shape.

    References
    ----------
    J. S. Conway, PHYSTAT 2011, arXiv:1103.0354, section 5.
    """

    name: str
    shape: ArrayLike | Histogram | Peak | BackgroundModel | BackgroundFunction
    uncertainties: Sequence[Uncertainty] = field(default=(), kw_only=True)
    scale: float = field(default=1.0, kw_only=True)
    errors: ArrayLike | None = field(default=None, kw_only=True)
    template: ArrayLike | Histogram | None = field(default=None, kw_only=True)

    @property
    def smooth(self) -> BackgroundModel | BackgroundFunction | None:
        """The shape, if it is a smooth background whose parameters the data determine."""
        return self.shape if isinstance(self.shape, BackgroundModel | BackgroundFunction) else None

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            msg = f"a sample needs a name, got {self.name!r}"
            raise InputError(msg)
        if not np.all((numbers(f"the scale of {self.name!r}", self.scale) > 0.0) & np.isfinite(self.scale)):
            msg = f"the scale of {self.name!r} must be positive and finite, got {self.scale}"
            raise InputError(msg)
        if self.errors is None and isinstance(self.shape, Histogram):
            object.__setattr__(self, "errors", weighted_errors(self.shape))
        if isinstance(self.shape, Peak | BackgroundModel | BackgroundFunction) and self.errors is not None:
            msg = f"sample {self.name!r} is a function, not a histogram: it has no statistical errors"
            raise InputError(msg)
        if self.template is not None and self.smooth is None:
            msg = f"sample {self.name!r} is no smooth background: it multiplies no template"
            raise InputError(msg)
        if self.smooth is not None and self.uncertainties:
            msg = f"the coefficients of {self.name!r} are free already: it takes no {self.uncertainties[0]}"
            raise InputError(msg)
        met: set[tuple[type, str]] = set()
        for uncertainty in self.uncertainties:
            if not isinstance(uncertainty, Uncertainty):
                msg = f"an uncertainty of {self.name!r} must be one of bumphunt.models.systematics, got {uncertainty!r}"
                raise InputError(msg)
            if (key := (type(uncertainty), uncertainty.name)) in met:
                msg = f"{key[0].__name__} {key[1]!r} stands twice in sample {self.name!r}: it would count twice"
                raise InputError(msg)
            met.add(key)
            if isinstance(uncertainty, PeakPosition | PeakWidth) != isinstance(self.shape, Peak) and isinstance(
                uncertainty, PeakPosition | PeakWidth | ShapeVariation
            ):
                msg = f"{type(uncertainty).__name__} {uncertainty.name!r} does not suit the shape of {self.name!r}"
                raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """A spectrum with its samples; make one with `region`.

    Parameters
    ----------
    name
        Of the region.
    counts
        Observed counts, shape ``(B,)``.
    edges
        Bin edges, rising, shape ``(B + 1,)``.
    signal
        The sample that the strength multiplies.
    backgrounds
        The others.
    mc_constraint
        Constraint of the statistical errors of simulated histograms: "poisson" (as many events as they are worth) or
        "normal".
    values
        The unbinned data inside the edges, where they were given, else None.
    """

    name: str
    counts: Array
    edges: Array
    signal: Sample
    backgrounds: tuple[Sample, ...]
    mc_constraint: Literal["normal", "poisson"] = "poisson"
    values: Array | None = None

    def __post_init__(self) -> None:
        _check_bins(self.name, self.counts, self.edges)
        if self.mc_constraint not in ("normal", "poisson"):
            msg = f"mc_constraint must be 'normal' or 'poisson', got {self.mc_constraint!r}"
            raise InputError(msg)
        names = [sample.name for sample in (self.signal, *self.backgrounds)]
        if len(set(names)) != len(names):
            msg = f"two samples of region {self.name!r} have the same name: {names}"
            raise InputError(msg)
        if self.signal.smooth is not None:
            msg = f"the signal of region {self.name!r} must be a peak or a histogram, got {self.signal.smooth}"
            raise InputError(msg)
        if isinstance(self.signal.shape, Peak):
            _check_peak(self.name, self.signal.shape, self.edges)
        smooth = [(sample.name, sample.smooth) for sample in self.backgrounds if sample.smooth is not None]
        coefficients = sum(model.n_coefficients for _, model in smooth)
        if smooth and coefficients + 1 > self.counts.size:
            orders = ", ".join(
                f"order {model.order} of {name!r}" if isinstance(model, BackgroundModel) else repr(name)
                for name, model in smooth
            )
            msg = (
                f"{orders}: {coefficients} coefficients are too many beside a signal in the {self.counts.size} bins of"
                f" region {self.name!r}"
            )
            raise InputError(msg)
        for _, model in smooth:
            if isinstance(model, BackgroundModel):
                integrals(model, np.zeros(model.n_coefficients), self.edges)  # raises where it does not suit the window
        for sample in self.backgrounds:
            for uncertainty in sample.uncertainties:
                if isinstance(uncertainty, SpuriousSignal):
                    msg = f"a spurious signal belongs to the signal, not to {sample.name!r}"
                    raise InputError(msg)
        for sample in (self.signal, *self.backgrounds):
            histogram(sample, self.edges)
            multiplied_template(sample, self)


def _check_bins(name: str, counts: Array, edges: Array) -> None:
    """Raise unless the bins and counts of a region make sense."""
    if edges.ndim != 1 or counts.shape != (edges.size - 1,) or counts.size < 1:
        msg = f"region {name!r}: counts {counts.shape} and edges {edges.shape}: want (B,) and (B + 1,) with B > 0"
        raise InputError(msg)
    with np.errstate(invalid="ignore"):
        rising = (np.diff(edges) > 0.0) & np.isfinite(edges[1:]) & np.isfinite(edges[:-1])
    if not np.all(rising):
        where = int(np.argmin(rising))
        msg = f"the edges of region {name!r} must rise and be finite, got {edges[where]} before {edges[where + 1]}"
        raise InputError(msg)
    if not np.all((counts >= 0.0) & (counts < np.inf)):
        bad = counts[~((counts >= 0.0) & (counts < np.inf))][0]
        msg = f"the counts of region {name!r} must be finite and not negative, found {bad}"
        raise InputError(msg)


def _check_peak(name: str, peak: Peak, edges: Array) -> None:
    """Raise if the peak is outside the region."""
    inside = float(peak.fractions(edges).sum())
    if not edges[0] <= peak.mean <= edges[-1] or inside < MIN_SIGNAL_FRACTION:
        msg = f"the signal at {peak.mean} is outside region {name!r}, which reaches from {edges[0]} to {edges[-1]}"
        raise InputError(msg)


def histogram(sample: Sample, edges: Array) -> Array | None:
    """Return the expected counts of a sample at its nominal shape, shape ``(B,)``; None for a smooth background.

    Raises
    ------
    InputError
        If a histogram does not have the bins of its region, or a content is negative or not finite.
    """
    if sample.smooth is not None:
        return None
    if isinstance(sample.shape, Peak):
        return sample.scale * sample.shape.fractions(edges)
    return sample.scale * _contents(sample.name, sample.shape, edges)


def multiplied_template(sample: Sample, r: Region) -> Array | None:
    """Return the histogram that a smooth background multiplies in a region, shape ``(B,)``; None if there is none.

    Raises
    ------
    InputError
        As `histogram`, and if it is empty where there are counts, so that no smooth function helps.
    """
    if sample.template is None:
        return None
    values = _contents(sample.name, sample.template, r.edges)
    lacking = np.flatnonzero((values == 0.0) & (r.counts > 0.0))
    if lacking.size or not values.sum() > 0.0:
        b = int(lacking[0]) if lacking.size else 0
        msg = (
            f"the template of {sample.name!r} is empty in bin {b} of region {r.name!r} ({r.edges[b]:g} to"
            f" {r.edges[b + 1]:g}), where {r.counts[b]:g} events are: join bins, or smooth the template"
        )
        raise InputError(msg)
    return values


def _contents(name: str, shape: object, edges: Array) -> Array:
    """Return the contents of a histogram of a sample with the bins of a region, or raise as `histogram` says."""
    if isinstance(shape, Histogram):
        values, own = _read(shape)
        if own.shape != edges.shape or not np.allclose(own, edges, rtol=1e-9, atol=1e-12):
            msg = f"the histogram of {name!r} has {values.size} bins with other edges than its region"
            raise InputError(msg)
    else:
        values = np.atleast_1d(numbers(f"the histogram of {name!r}", shape))
    if values.shape != (edges.size - 1,):
        msg = f"the histogram of {name!r} has shape {values.shape}, its region {edges.size - 1} bins"
        raise InputError(msg)
    if not np.all((values >= 0.0) & (values < np.inf)):
        bad = values[~((values >= 0.0) & (values < np.inf))][0]
        msg = f"the histogram of {name!r} must be finite and not negative, found {bad}"
        raise InputError(msg)
    return values


def weighted_errors(histogram: Histogram) -> Array | None:
    """Return the square roots of a histogram's variances, shape ``(B,)``; None where they are those of plain counts."""
    variances = getattr(histogram, "variances", lambda: None)()
    if variances is None or np.array_equal(variances, histogram.values()):
        return None
    return np.sqrt(np.asarray(variances, dtype=np.float64))


def _read(histogram: Histogram) -> tuple[Array, Array]:
    """Return the contents and edges of a histogram with one axis."""
    if len(histogram.axes) != 1:
        msg = f"a histogram must have one axis, got {len(histogram.axes)}: project it first"
        raise InputError(msg)
    if str(getattr(histogram, "kind", "COUNT")).rpartition(".")[2] == "MEAN":
        msg = "a histogram of means holds no counts: fill one with the storage Double, Int64 or Weight"
        raise InputError(msg)
    edges = histogram.axes[0].edges
    return (
        np.asarray(histogram.values(), dtype=np.float64),
        np.asarray(edges() if callable(edges) else edges, dtype=np.float64),  # uproot's is a method
    )


def region(
    name: str,
    *,
    signal: Sample | Peak | ArrayLike | Histogram,
    backgrounds: Sequence[Sample | BackgroundModel | BackgroundFunction]
    | Sample
    | BackgroundModel
    | BackgroundFunction,
    counts: ArrayLike | Histogram | None = None,
    values: ArrayLike | None = None,
    edges: ArrayLike | None = None,
    mc_constraint: Literal["normal", "poisson"] = "poisson",
) -> Region:
    """Return the description of a spectrum.

    Parameters
    ----------
    name
        Of the region; different in each region of one fit.
    signal
        A sample, or only its shape.
    backgrounds
        Samples, or smooth backgrounds (families or functions); one, or a sequence.
    counts
        Observed counts, shape ``(B,)``, or a histogram of hist, boost-histogram or uproot, filled without weights;
        either these or `values`.
    values
        Unbinned data, one a candidate: they are binned with `edges`, those outside are left out.
    edges
        Bin edges, shape ``(B + 1,)``. A histogram brings its own; counts without edges are given 0, 1, 2, ...
    mc_constraint
        Constraint of the statistical errors of simulated histograms: "poisson" (as many events as they are worth) or
        "normal".

    Raises
    ------
    InputError
        If there are no data, or two kinds; if counts are negative, edges do not rise, a value is NaN, the signal is
        outside, or a background has more coefficients than the bins can bear.

    Examples
    --------
    >>> counting = region("count", counts=[7], signal=[1.0], backgrounds=Sample("fakes", [4.2]))
    >>> counting.edges
    array([0., 1.])
    """
    if (counts is None) == (values is None):
        msg = f"region {name!r} needs either counts or values, got {'neither' if counts is None else 'both'}"
        raise InputError(msg)
    kept: Array | None = None
    if isinstance(counts, Histogram):
        n, x = _read(counts)
        if weighted_errors(counts) is not None:
            msg = f"the data of region {name!r} are a weighted histogram, which is not Poisson: count the events"
            raise InputError(msg)
        if np.any(broken := n != np.rint(n)):
            msg = (
                f"the data of region {name!r} are a histogram with {n[broken][0]:g} in a bin, which was filled with"
                " weights: count the events, or give expected counts as an array"
            )
            raise InputError(msg)
        if edges is not None:
            msg = f"the histogram of region {name!r} has its own edges: leave out `edges`"
            raise InputError(msg)
    elif counts is not None:
        n = np.atleast_1d(numbers(f"the counts of region {name!r}", counts))
        x = np.arange(n.size + 1.0) if edges is None else numbers(f"the edges of region {name!r}", edges)
    else:
        n, x, kept = _binned(name, values, edges)
    first = signal if isinstance(signal, Sample) else Sample("signal", signal)
    kinds = Sample | BackgroundModel | BackgroundFunction
    several = [backgrounds] if isinstance(backgrounds, kinds) else backgrounds
    if isinstance(several, Histogram) or not all(isinstance(s, kinds) for s in several):
        msg = (
            f"the backgrounds of region {name!r} must be samples or smooth backgrounds: want Sample('name', histogram)"
        )
        raise InputError(msg)
    samples = [
        s if isinstance(s, Sample) else Sample(s.family if isinstance(s, BackgroundModel) else "function", s)
        for s in several
    ]
    return Region(
        name=name,
        counts=n,
        edges=x,
        signal=first,
        backgrounds=tuple(samples),
        mc_constraint=mc_constraint,
        values=kept,
    )


def _binned(name: str, values: ArrayLike | None, edges: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Return counts, edges, and the values inside them."""
    data = numbers(f"the values of region {name!r}", values).ravel()
    if edges is None:
        msg = f"the {data.size} values of region {name!r} need edges to be counted in"
        raise InputError(msg)
    if np.isnan(data).any():
        msg = f"region {name!r} has {int(np.isnan(data).sum())} values that are NaN: drop or repair them"
        raise InputError(msg)
    x = numbers(f"the edges of region {name!r}", edges)
    if x.ndim != 1 or x.size < 2:
        msg = f"region {name!r} needs at least two edges, got {x}"
        raise InputError(msg)
    _check_bins(name, np.zeros(x.size - 1), x)
    inside = data[(data >= x[0]) & (data <= x[-1])]
    return np.histogram(inside, bins=x)[0].astype(np.float64), x, inside
