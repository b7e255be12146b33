"""The dilepton search on simulated events of BaBar's size, against what BaBar published (arXiv:1406.2980).

The limit is that of a count in a window about the peak, on a background that a polynomial determines from a window of
20 resolutions: n_up = 1.645 sqrt(1.2 B). The fit of the workflows is tested there.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.candidates import find_candidate
from bumphunt.montecarlo.detector.presets import BABAR
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.simulation import simulate_chunk
from bumphunt.spectrum.smooth import smooth_spectrum
from selections.searches.darkphoton.dilepton import SEARCH

Array = NDArray[np.float64]
BEAM = BEAMS["babar"]
LUMINOSITY = 514.0
CHUNK = 100_000
BACKGROUND = {"ee": ("bhabha", {"minimum_angle": 0.25}, 6), "mumu": ("mumu", {}, 8)}
"""Process, parameters, and chunks of events."""
HALF_WINDOW = 1.65
"""Of the count [resolutions]."""
NEAR = 0.15
"""Half width in ln(mass) of the stretch that the density of the background is taken from."""


def selected(region: str, process: str, parameters: dict[str, float], chunk: int, total: int) -> tuple[Array, Array]:
    """Return masses [GeV] and weights of one chunk, at most, of `total` events."""
    found = SEARCH.region(region)
    conditions = Conditions(beams=BEAM, detector=BABAR, seed=7, candidate=find_candidate(found.candidate))
    events = simulate_chunk(
        find_process(process),
        parameters,
        conditions,
        n=min(CHUNK, total),
        chunk=chunk,
        luminosity=LUMINOSITY,
        total=total,
    )
    selection = found.selection(BEAM)
    observables = selection.observables(events.columns)
    passes = np.all([cut.passes(observables[cut.observable]) for cut in selection.cuts], axis=0)
    return observables["mass"][passes], events.columns["__weight__"][passes]


@cache
def background(region: str) -> tuple[Array, Array]:
    process, parameters, chunks = BACKGROUND[region]
    parts = [selected(region, process, parameters, chunk, chunks * CHUNK) for chunk in range(chunks)]
    return np.concatenate([mass for mass, _ in parts]), np.concatenate([weight for _, weight in parts])


@cache
def peak(region: str, mass: float) -> tuple[float, float]:
    """Return the resolution [GeV], and the events at epsilon = 1 within the window of the count."""
    found = SEARCH.region(region)
    x, weight = selected(region, str(found.process), {"mass": mass, "coupling": 1.0}, 0, 20_000)
    sigma = core_width(x, weight)
    inside = weight[np.abs(x - mass) < HALF_WINDOW * sigma].sum()
    return sigma, inside * float(found.branching_ratio(mass))


def core_width(x: Array, weight: Array) -> float:
    """Return the length of the shortest interval with 38.29 % of the weight: sigma of a Gaussian, and no tail."""
    order = np.argsort(x)
    x, after = x[order], np.cumsum(weight[order]) / weight.sum()
    before = after - weight[order] / weight.sum()
    return float(np.min(np.interp(before + 0.3829, after, x, right=np.inf) - x))


def epsilon_squared_error(region: str, mass: float) -> float:
    """Return the error of epsilon^2 from one final state."""
    low, high = SEARCH.region(region).mass_range or SEARCH.mass_range
    if not low <= mass <= high:
        return np.inf
    sigma, at_one = peak(region, mass)
    x, weight = background(region)
    first, last = max(mass * np.exp(-NEAR), low), min(mass * np.exp(NEAR), high)
    density = weight[(x > first) & (x < last)].sum() / (last - first)
    return float(np.sqrt(1.2 * density * 2 * HALF_WINDOW * sigma) / at_one)


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.1), (0.1, 1.0), (1.0, 10.0)])
def test_expected_limit_is_within_a_factor_1_5_of_the_published_one(low: float, high: float) -> None:
    published = SEARCH.published
    assert published is not None
    points = [(m, eps) for m, eps in zip(published.masses, published.couplings, strict=True) if low <= m < high]
    assert len(points) >= 3
    ratio = []
    for mass, eps in points:
        errors = np.array([epsilon_squared_error(region.name, mass) for region in SEARCH.signal_regions])
        together = 1 / np.sqrt(np.sum(errors**-2.0))
        ratio.append(np.sqrt(1.645 * together) / eps)
    assert 1 / 1.5 < np.median(ratio) < 1.5, ratio


@pytest.mark.parametrize(("region", "low", "knots"), [("ee", 0.012, 12), ("mumu", 0.0, 20)])
def test_backgrounds_have_no_structure(region: str, low: float, knots: int) -> None:
    # what examples/darkphoton_dilepton_babar.yaml draws pseudo-data from
    mass, weight = background(region)
    x = SEARCH.region(region).selection(BEAM).axis.position(mass)
    edges = np.linspace(0.0, 10.4, 10_401)
    sums = (np.histogram(x, edges, weights=w)[0] for w in (weight, weight**2))
    fit = smooth_spectrum(*sums, edges, low=low, high=10.25, knots=knots, scale=0.3)
    # the mean weight is that of a knot, not of each bin: some per cent more than the degrees of freedom
    assert fit.chi2 < 1.1 * fit.degrees_of_freedom + 4 * np.sqrt(2 * fit.degrees_of_freedom)
    inside = (edges[:-1] > 0.02) & (edges[1:] < 10.2)
    assert np.median(fit.error[inside] / fit.expected[inside]) < 0.04


def hypotheses(region: str, masses: tuple[float, ...]) -> float:
    """Return how many steps of half the resolution lie between the first and the last mass."""
    sigma = [peak(region, mass)[0] for mass in masses]
    grid = np.geomspace(masses[0], masses[-1], 10_001)
    steps = 1 / (0.5 * np.exp(np.interp(np.log(grid), np.log(masses), np.log(sigma))))
    return float(np.trapezoid(steps, grid))


def test_number_of_hypotheses_is_the_published_one() -> None:
    muons = hypotheses("mumu", (0.213, 0.22, 0.25, 0.3, 0.519, 0.8, 1.46, 2.39, 3.82, 5.77, 8.4, 9.71, 10.2))
    assert muons == pytest.approx(5370, rel=0.1)
    electrons_alone = hypotheses("ee", (0.02, 0.03, 0.052, 0.095, 0.147, 0.212))
    assert muons + electrons_alone == pytest.approx(5704, rel=0.1)
