"""Means, widths and histograms of weighted events, with their statistical uncertainties."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate

__all__ = ["bin_means", "half_width", "histogram", "mean_weight", "weighted_mean"]

Array = NDArray[np.float64]

GAUSSIAN_QUANTILES = 0.962
"""Uncertainty of the half width of n Gaussian events, in units of width / sqrt(n)."""


def mean_weight(weight: ArrayLike) -> tuple[float, float]:
    """Return the mean of weights and its statistical uncertainty: a cross section [fb].

    Examples
    --------
    >>> mean_weight([1.0, 1.0, 5.0, 5.0])
    (3.0, 1.0)
    """
    w = np.asarray(weight, dtype=np.float64)
    return float(w.mean()), float(w.std() / np.sqrt(w.size))


def weighted_mean(values: ArrayLike, weight: ArrayLike) -> tuple[float, float]:
    """Return the weighted mean of values and its statistical uncertainty.

    Examples
    --------
    >>> weighted_mean([1.0, 1.0, 5.0, 5.0], [2.0, 2.0, 2.0, 2.0])
    (3.0, 1.0)
    """
    x, w = np.asarray(values, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    mean = float(np.average(x, weights=w))
    return mean, float(np.sqrt(np.sum((w * (x - mean)) ** 2)) / w.sum())


def half_width(values: ArrayLike, weight: ArrayLike) -> tuple[float, float]:
    """Return half of the central interval that holds 68.27 % of the weight, and its statistical uncertainty.

    The uncertainty is that of a Gaussian sample of (sum w)^2 / sum w^2 events, 0.962 width / sqrt(n).

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(0.0, 2.0, 100_000)
    >>> round(half_width(x, np.ones(x.size))[0], 1)
    2.0
    """
    x, w = np.asarray(values, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    order = np.argsort(x)
    cumulative = np.cumsum(w[order])
    low, high = np.interp([0.158655, 0.841345], cumulative / cumulative[-1], x[order])
    width = float(high - low) / 2
    effective = float(w.sum() ** 2 / np.sum(w**2))
    # quantiles p and 1 - p of a Gaussian: variance p (1 - p) / (n f^2), covariance p^2 / (n f^2)
    return width, GAUSSIAN_QUANTILES * width / np.sqrt(effective)


def histogram(values: Array, weight: Array, edges: Array, n: int) -> tuple[Array, Array]:
    """Return the mean weight in bins, over their widths, and its uncertainty, shape (B,) each.

    Parameters
    ----------
    values, weight
        What is filled, and its weights, shape (N,).
    edges
        Edges of the bins, shape (B + 1,).
    n
        Generated events.
    """
    width = np.diff(edges)
    total = np.histogram(values, edges, weights=weight)[0]
    square = np.histogram(values, edges, weights=weight**2)[0]
    return total / n / width, np.sqrt(square) / n / width


def bin_means(density: Callable[[float], float], edges: Array) -> Array:
    """Return the mean of a density in each bin, shape (B,), by quadrature."""
    return np.array([integrate.quad(density, a, b, limit=200)[0] / (b - a) for a, b in itertools.pairwise(edges)])
