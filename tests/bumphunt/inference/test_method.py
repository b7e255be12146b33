"""The choice between formulae and toys, and that it matters where it is made."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.inference.counting import CountingModel, counting_limit
from bumphunt.inference.method import chosen_method, core_background, upper_limit
from bumphunt.likelihood.linear import template_channel


def peak(scale):
    x = np.linspace(-5.0, 5.0, 51)
    signal = np.exp(-0.5 * x[:-1] ** 2)
    flat = np.full((1, 50), scale / 20.0)  # 21 bins of 0.2 standard deviations: 1.05 scale events within +-2 sigma
    return template_channel(np.round(flat[0]), signal / signal.sum(), flat, (0.1,))


def test_core_is_two_standard_deviations_of_a_normal_peak():
    channel = peak(20.0)
    assert core_background(channel.signal, channel.expected(0.0, [1.0])) == pytest.approx(20.0, abs=1.01)


def test_core_leaves_out_control_regions():
    assert core_background([1.0, 0.0], [4.0, 400.0]) == 4.0


def test_auto_takes_toys_for_few_events_and_says_so():
    few, many = peak(3.0), peak(60.0)
    assert (chosen_method(few), chosen_method(many)) == ("toys", "asymptotic")
    assert chosen_method(few, threshold=1.0) == "asymptotic"
    rng = np.random.default_rng(1)
    assert upper_limit(few, rng=rng, n_toys=100).method == "cls_toys"
    assert upper_limit(many, rng=rng).method == "cls_asymptotic"


def test_auto_is_right_where_the_formula_is_not():
    channel = template_channel([1.0], [1.0], [[1.2]], (0.0,))
    exact = counting_limit(1, CountingModel(background=1.2)).observed
    rng = np.random.default_rng(1)
    formula = upper_limit(channel, rng=rng, method="asymptotic", expected=False).observed
    assert abs(formula / exact - 1.0) > 0.1
    assert upper_limit(channel, rng=rng, n_toys=4000, expected=False).observed == pytest.approx(exact, rel=0.05)


def test_failed_fit_is_flagged_by_every_method():
    template = [5.0, 6.0, 7.0]
    singular = template_channel([5.0, 7.0, 8.0], [0.0, 1.0, 0.0], [template, template], (None, None))
    for method in ("auto", "asymptotic", "toys"):
        limit = upper_limit(singular, rng=np.random.default_rng(0), method=method)
        assert (limit.valid, limit.flags) == (False, ("fit_singular",))


def test_unknown_method_raises():
    with pytest.raises(InputError, match="'auto', 'asymptotic' or 'toys', got 'exact'"):
        upper_limit(peak(3.0), rng=np.random.default_rng(0), method="exact")
