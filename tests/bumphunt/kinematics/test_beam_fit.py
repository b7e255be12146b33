"""The fit to the beams against scipy's constrained minimiser, and its chi^2 and pulls on events of known errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from numpy.typing import NDArray

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.errors import InputError
from bumphunt.kinematics.beam_fit import beam_constrained, beam_covariance
from bumphunt.kinematics.momenta import BEAMS, Beams, boost, four_momentum

Array = NDArray[np.float64]
MASSES = (M_MUON, M_MUON, 0.0)


def true_events(n: int, beams: Beams, mass: float, rng: np.random.Generator, lepton: float = M_MUON) -> Array:
    """Return momenta, polar angles and azimuths (N, 9) of two leptons from a mass, and a photon, at wide angles."""
    total = beams.electron_p4(rng.normal(beams.electron_energy, beams.electron_spread, n)) + beams.positron_p4(
        rng.normal(beams.positron_energy, beams.positron_spread, n)
    )
    s = total[:, 0] ** 2 - np.sum(total[:, 1:] ** 2, axis=1)

    def direction(largest: float) -> tuple[Array, Array]:
        return np.arccos(rng.uniform(-largest, largest, n)), rng.uniform(-np.pi, np.pi, n)

    photon = four_momentum((s - mass**2) / (2 * np.sqrt(s)), *direction(0.7), 0.0)
    photon = boost(photon, total[:, 1:] / total[:, :1])
    pair = total - photon
    first = four_momentum(np.full(n, np.sqrt(mass**2 / 4 - lepton**2)), *direction(0.7), lepton)
    velocity = pair[:, 1:] / pair[:, :1]
    leptons = [boost(first, velocity), boost(first * np.array([1.0, -1.0, -1.0, -1.0]), velocity)]
    return np.concatenate([polar(p4) for p4 in (*leptons, photon)], axis=1)


def polar(p4: Array) -> Array:
    p = np.sqrt(np.sum(p4[:, 1:] ** 2, axis=1))
    return np.stack([p, np.arccos(p4[:, 3] / p), np.arctan2(p4[:, 2], p4[:, 1])], axis=1)


def errors(true: Array) -> Array:
    """Return standard deviations (N, 9): a per cent of momenta, some mrad of angles."""
    return np.concatenate(
        [
            np.stack([size * true[:, k], np.full(len(true), angle), angle / np.sin(true[:, k + 1])], axis=1)
            for k, size, angle in ((0, 0.007, 0.8e-3), (3, 0.005, 0.5e-3), (6, 0.02, 3e-3))
        ],
        axis=1,
    )


def by_scipy(measured: Array, sigma: Array, beams: Beams) -> tuple[Array, float]:
    """Return fitted values and chi^2 of one event; the beam energies are fitted too, the constraint is exact."""
    spreads = np.array([beams.electron_spread, beams.positron_spread])

    def chi2(x: Array) -> float:
        return float(np.sum(x**2))

    def excess(x: Array) -> Array:
        values = measured + sigma * x[:9]
        total = sum(four_momentum(*values[3 * i : 3 * i + 3], m) for i, m in enumerate(MASSES))
        electron = beams.electron_p4(beams.electron_energy + spreads[0] * x[9])
        return np.asarray(1e2 * (total - electron - beams.positron_p4(beams.positron_energy + spreads[1] * x[10])))

    found = scipy.optimize.minimize(
        chi2,
        np.zeros(11),
        constraints={"type": "eq", "fun": excess},
        method="SLSQP",
        jac="3-point",
        options={"ftol": 1e-7},
    )
    assert found.success
    return measured + sigma * found.x[:9], float(found.fun)


@pytest.mark.parametrize("name", ["babar", "belle2"])
@pytest.mark.parametrize("mass", [0.25, 2.0, 8.0])
def test_fit_is_the_constrained_minimum(name: str, mass: float) -> None:
    beams, rng = BEAMS[name], np.random.default_rng(3)
    true = true_events(5, beams, mass, rng)
    sigma = errors(true)
    measured = true + sigma * rng.normal(size=true.shape)
    measured[0, 0] += 5 * sigma[0, 0]  # a bad one as well
    fit = beam_constrained(measured, sigma**2, MASSES, beams)
    for row in range(len(true)):
        values, chi2 = by_scipy(measured[row], sigma[row], beams)
        assert fit.chi2[row] == pytest.approx(chi2, rel=2e-3)
        np.testing.assert_allclose((fit.values[row] - values) / sigma[row], 0.0, atol=0.01)


@pytest.mark.parametrize("mass", [0.3, 3.0, 9.0])
def test_chi2_has_four_degrees_of_freedom_and_pulls_are_normal(mass: float) -> None:
    beams, rng = BEAMS["babar"], np.random.default_rng(5)
    true = true_events(20_000, beams, mass, rng)
    sigma = errors(true)
    measured = true + sigma * rng.normal(size=true.shape)
    fit = beam_constrained(measured, sigma**2, MASSES, beams)
    probability = scipy.stats.chi2.sf(fit.chi2, 4)
    assert scipy.stats.kstest(probability, "uniform").pvalue > 1e-3
    # what the constraint takes off the variance: pulls (fitted - measured) / sqrt(var measured - var fitted)
    moved = (fit.values - measured) / sigma
    left = (fit.values - true) / sigma
    assert np.var(left, axis=0) == pytest.approx(1 - np.var(moved, axis=0), abs=0.05)
    # 9 measurements; the beams take part of the 4 units of chi^2
    assert np.sum(np.var(left, axis=0)) > 9 - 4
    assert np.all(np.var(left, axis=0) < 1.02)


def test_beam_spread_belongs_to_the_constraint() -> None:
    rng = np.random.default_rng(7)
    beams = dataclasses.replace(BEAMS["babar"], electron_spread=0.05)
    true = true_events(5000, beams, 5.0, rng)
    sigma = errors(true)
    measured = true + sigma * rng.normal(size=true.shape)
    with_spread = beam_constrained(measured, sigma**2, MASSES, beams)
    without = beam_constrained(measured, sigma**2, MASSES, dataclasses.replace(beams, electron_spread=0.0))
    assert np.mean(with_spread.chi2) == pytest.approx(4, rel=0.05)
    assert np.mean(without.chi2) > 1.5 * 4


def test_beam_covariance_is_that_of_drawn_beams() -> None:
    beams, rng = BEAMS["belle2"], np.random.default_rng(1)
    drawn = beams.electron_p4(rng.normal(beams.electron_energy, beams.electron_spread, 400_000))
    drawn += beams.positron_p4(rng.normal(beams.positron_energy, beams.positron_spread, 400_000))
    np.testing.assert_allclose(beam_covariance(beams), np.cov(drawn.T), rtol=0.02, atol=1e-9)


def test_fit_improves_the_mass_of_a_light_pair() -> None:
    beams, rng = BEAMS["babar"], np.random.default_rng(11)
    true = true_events(5000, beams, 0.02, rng, lepton=M_ELECTRON)
    sigma = errors(true)
    fit = beam_constrained(true + sigma * rng.normal(size=true.shape), sigma**2, (M_ELECTRON, M_ELECTRON, 0.0), beams)
    assert np.all(np.isfinite(fit.chi2))
    pair = sum(four_momentum(*fit.values[:, k : k + 3].T, M_ELECTRON) for k in (0, 3))
    mass = np.sqrt(pair[:, 0] ** 2 - np.sum(pair[:, 1:] ** 2, axis=1))
    assert np.median(mass) == pytest.approx(0.02, abs=0.5e-3)


def test_what_cannot_be_fitted_has_infinite_chi2_and_measured_values() -> None:
    beams = BEAMS["babar"]
    # all along one axis, with errors that let momenta turn negative
    measured = np.array([[0.1, 1.5, 0.0, 0.1, 1.5, 0.0, 0.1, 1.5, 0.0]])
    fit = beam_constrained(measured, np.full((1, 9), 1e-6), MASSES, beams)
    assert fit.chi2[0] == np.inf
    np.testing.assert_array_equal(fit.values, measured)


def test_nothing_can_be_fitted() -> None:
    fit = beam_constrained(np.empty((0, 9)), np.empty((0, 9)), MASSES, BEAMS["babar"])
    assert fit.values.shape == (0, 9)
    assert fit.chi2.shape == (0,)


@pytest.mark.parametrize("shapes", [((2, 9), (2, 6)), ((2, 6), (2, 6)), ((9,), (9,))])
def test_wrong_shapes_raise(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match="of 3 particles; both must be"):
        beam_constrained(np.ones(shapes[0]), np.ones(shapes[1]), MASSES, BEAMS["babar"])
