"""Profile intervals of any parameter against Minuit's MINOS, closed forms, and what they cover."""

import numpy as np
import pytest
from iminuit import Minuit
from scipy import optimize

import bumphunt as bh
from bumphunt.likelihood.likelihood import likelihood

RNG = np.random.default_rng(3)
VALUES = np.concatenate([RNG.uniform(4.0, 6.0, 3000), RNG.normal(5.02, 0.06, 250)])


def peak(**kwargs):
    moving = [bh.PeakPosition("mean", 0.2), bh.PeakWidth("width", 0.9), bh.LogNormal("efficiency", 0.1)]
    return bh.region(
        "dimuon",
        values=VALUES,
        edges=np.linspace(4.0, 6.0, 81),
        signal=bh.Sample("signal", bh.gaussian(5.0, 0.05), uncertainties=moving),
        backgrounds=bh.BackgroundModel("bernstein", 2),
        **kwargs,
    )


def test_intervals_of_all_parameters_are_those_of_minos():
    model, best = likelihood(peak()), bh.fit(peak())
    minuit = Minuit(model.nll, best.values)
    minuit.errordef, minuit.strategy = Minuit.LIKELIHOOD, 2
    minuit.migrad()
    minuit.minos()
    for k, name in enumerate(best.names):
        error, value = minuit.merrors[k], minuit.values[k]
        found = bh.interval(peak(), parameter=name)
        assert found.valid
        assert list(found) == pytest.approx([value + error.lower, value + error.upper], abs=2e-4 * best.error(name))


def test_mean_of_a_peak_is_where_it_was_put():
    low, high = (5.0 + 0.2 * end for end in bh.interval(peak(), parameter="mean", cl=0.95))
    assert low < 5.02 < high
    assert 0.01 < high - low < 0.06


def test_linear_engine_has_the_interval_of_a_control_region_in_closed_form():
    # n events say nothing of the background: the interval is that of a Poisson mean of 30 events, in units of 30
    count = bh.region(
        "n",
        counts=[50],
        signal=[1.0],
        backgrounds=bh.Sample("b", [30.0], uncertainties=[bh.ControlRegion("side", 30)]),
    )
    assert bh.fit(count).engine == "linear"
    found = bh.interval(count, parameter="side", cl=0.9)
    level = 1.6448536269514722**2

    def excess(mean):
        return 2.0 * (mean - 30.0 + 30.0 * np.log(30.0 / mean)) - level

    want = [optimize.brentq(excess, 5.0, 30.0), optimize.brentq(excess, 30.0, 90.0)]
    assert [30.0 * end for end in found] == pytest.approx(want, rel=1e-6)


def test_constraint_of_the_parameter_is_part_of_its_likelihood():
    # nothing is known of the efficiency but its constraint, a standard normal one
    assert list(bh.interval(peak(), parameter="efficiency")) == pytest.approx([-1.0, 1.0], abs=1e-5)


def test_strength_is_the_default():
    assert bh.interval(peak()) == bh.interval(peak(), parameter="strength")


def test_unknown_parameter_raises_with_the_nearest_name():
    with pytest.raises(bh.InputError, match="parameter 'widht' is not known; did you mean 'width'"):
        bh.interval(peak(), parameter="widht")
