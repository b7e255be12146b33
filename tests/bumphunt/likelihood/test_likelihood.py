"""The likelihood of regions against scipy's distributions and numerical derivatives."""

import numpy as np
import pytest
from scipy import optimize, stats

from bumphunt.likelihood.likelihood import held_at, likelihood
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Free, Gaussian

MODEL = likelihood(
    region(
        "r",
        counts=[12, 0, 9, 30],
        signal=[0.1, 0.3, 0.3, 0.1],
        backgrounds=[
            Sample("free", [10.0, 3.0, 4.0, 9.0], uncertainties=[Free("free")]),
            Sample("tied", [1.0, 1.0, 5.0, 20.0], uncertainties=[Gaussian("tied", 0.2)]),
            Sample("fixed", [0.5, 0.0, 0.0, 0.5]),
        ],
    )
)


def test_differences_are_those_of_poisson_and_normal_distributions():
    def reference(strength, free, tied):
        nu = strength * np.array([0.1, 0.3, 0.3, 0.1]) + free * np.array([10.0, 3.0, 4.0, 9.0])
        nu = nu + (1.0 + 0.2 * tied) * np.array([1.0, 1.0, 5.0, 20.0]) + np.array([0.5, 0.0, 0.0, 0.5])
        return -stats.poisson.logpmf(MODEL.counts, nu).sum() - stats.norm.logpdf(tied)

    a, b = (3.0, 0.9, 1.3), (-1.0, 1.2, -0.8)
    assert MODEL.nll(a) - MODEL.nll(b) == pytest.approx(reference(*a) - reference(*b), abs=1e-9)


def test_saturated_model_is_zero():
    theta = np.array([2.0, 1.0, 0.5])
    assert MODEL.asimov(theta).nll(theta) == pytest.approx(0.0, abs=1e-12)


def test_gradient_is_the_numerical_one():
    point = np.array([3.0, 0.9, 1.3])
    want = optimize.approx_fprime(point, MODEL.nll, 1e-7)
    np.testing.assert_allclose(MODEL.nll_and_gradient(point)[1], want, rtol=1e-4)


def test_impossible_data_are_infinitely_unlikely():
    assert MODEL.nll([-100.0, 1.0, 0.0]) == np.inf


def test_held_parameters_have_their_value_as_start_and_centre():
    held = held_at(MODEL, {"tied": 0.7})
    assert (held.start[2], held.centres[2], held.held.tolist()) == (0.7, 0.7, [False, False, True])
