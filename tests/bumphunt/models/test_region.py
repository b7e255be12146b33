"""What a description refuses, each with the offending value; and the likelihood's derivatives."""

import hist
import numpy as np
import pytest
from scipy import optimize

from bumphunt.errors import InputError
from bumphunt.likelihood.likelihood import held_at, likelihood, linear_channel
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import (
    ControlRegion,
    Free,
    Gaussian,
    LogNormal,
    PeakPosition,
    PeakWidth,
    PerBin,
    ShapeVariation,
    SpuriousSignal,
)

GOOD = {
    "name": "r",
    "counts": [4.0, 6.0, 5.0, 3.0],
    "edges": [0.0, 1.0, 2.0, 3.0, 4.0],
    "signal": gaussian(2.0, 0.5),
    "backgrounds": BackgroundModel("bernstein", 1),
}


def build(**change):
    keywords = {**GOOD, **change}
    return likelihood(region(keywords.pop("name"), **keywords))


def flat(*uncertainties, **more):
    return Sample("b", [4.0, 5.0, 4.0, 4.0], uncertainties=uncertainties, **more)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": [4.0, -1.0, 5.0, 3.0]}, "not negative, found -1.0"),
        ({"counts": [4.0, np.nan, 5.0, 3.0]}, "finite and not negative, found nan"),
        ({"edges": [0.0, 1.0, 1.0, 3.0, 4.0]}, "got 1.0 before 1.0"),
        ({"edges": [0.0, 2.0, 1.0, 3.0, 4.0]}, "got 2.0 before 1.0"),
        ({"edges": [0.0, 1.0]}, "want"),
        ({"edges": [0.0, 1.0, 2.0, 3.0, np.inf]}, "got 3.0 before inf"),
        ({"edges": [0.0, np.nan, 2.0, 3.0, 4.0]}, "got 0.0 before nan"),
        ({"counts": ["4", "6", "5", "3"]}, r"the counts of region 'r' must be real numbers in one array, got .'4'"),
        ({"counts": [[1.0, 2.0], [3.0]]}, "must be real numbers in one array"),
        ({"edges": "0 1 2 3 4"}, "the edges of region 'r' must be real numbers in one array, got '0 1 2 3 4'"),
        ({"counts": None, "values": ["a"]}, "the values of region 'r' must be real numbers"),
        ({"signal": ["a", "b", "c", "d"]}, "the histogram of 'signal' must be real numbers"),
        ({"counts": hist.Hist.new.Reg(4, 0, 4).Weight().fill([0.5], weight=2.0), "edges": None}, "weighted histogram"),
        ({"counts": hist.Hist.new.Reg(4, 0, 4).Double().fill([0.5], weight=2.5), "edges": None}, "filled with weights"),
        ({"counts": hist.Hist.new.Reg(4, 0, 4).Mean().fill([0.5], sample=[2.0]), "edges": None}, "of means"),
        ({"backgrounds": hist.Hist.new.Reg(4, 0, 4).Double()}, "want Sample.'name', histogram."),
        ({"backgrounds": [[1.0, 1.0, 1.0, 1.0]]}, "want Sample.'name', histogram."),
        (
            {"backgrounds": [BackgroundModel("bernstein", 1), BackgroundModel("chebyshev", 1)]},
            "order 1 of 'bernstein', order 1 of 'chebyshev': 4 coefficients are too many",
        ),
        ({"counts": None, "values": [1.0, np.nan]}, "1 values that are NaN"),
        ({"counts": None, "values": [1.0], "edges": [2.0, 2.0]}, "got 2.0 before 2.0"),
        ({"counts": None, "values": [1.0], "edges": None}, "need edges"),
        ({"counts": None}, "either counts or values, got neither"),
        ({"values": [1.0]}, "either counts or values, got both"),
        ({"signal": gaussian(4.5, 0.5)}, "the signal at 4.5 is outside region 'r'"),
        ({"signal": BackgroundModel("bernstein", 1)}, "must be a peak or a histogram"),
        ({"signal": [1.0, 2.0]}, "has shape .2,., its region 4 bins"),
        ({"signal": [1.0, -2.0, 0.0, 0.0]}, "not negative, found -2.0"),
        (
            {"backgrounds": BackgroundModel("bernstein", 3)},
            "order 3 of 'bernstein': 4 coefficients are too many beside",
        ),
        ({"backgrounds": [flat(), flat()]}, "same name"),
        ({"backgrounds": flat(SpuriousSignal("x", 1.0))}, "belongs to the signal"),
        ({"backgrounds": flat(errors=[1.0, 1.0])}, "errors of 'b' have shape"),
        ({"backgrounds": flat(errors=[1.0, -1.0, 1.0, 1.0])}, "numbers >= 0, found -1.0"),
        ({"backgrounds": flat(PerBin("p", [1.0]))}, "errors of 'p' have shape"),
        ({"backgrounds": flat(ShapeVariation("v", [1.0, 2.0]))}, "shape variation 'v' has"),
        ({"backgrounds": flat(Free("x"), LogNormal("x", 0.1))}, "'x' is free in one place and normal in another"),
        ({"mc_constraint": "flat"}, "must be 'normal' or 'poisson', got 'flat'"),
        ({"counts": hist.Hist.new.Reg(4, 0, 4).Double()}, "has its own edges"),
        ({"counts": hist.Hist.new.Reg(2, 0, 4).Reg(2, 0, 1).Double(), "edges": None}, "one axis, got 2"),
        ({"backgrounds": Sample("h", hist.Hist.new.Reg(4, 0, 5).Double())}, "other edges"),
    ],
)
def test_bad_regions_raise_with_the_value(change, message):
    with pytest.raises(InputError, match=message):
        build(**change)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LogNormal("l", -1.0), "must be above -1.0 and finite, got -1.0"),
        (lambda: LogNormal("l", 0.1, -1.5), "got -1.5"),
        (lambda: LogNormal("", 0.1), "needs a name"),
        (lambda: LogNormal(1.2, 0.1), "needs a name, got 1.2"),
        (lambda: LogNormal("e", 1.2), r"a factor 1.2 is LogNormal\('e', 0.2\); .* down=-0.5455"),
        (lambda: LogNormal("l", 0.1, 0.1, "cubic"), "got 'cubic'"),
        (lambda: Gaussian("g", 0.0), "got 0.0"),
        (lambda: ControlRegion("c", -1), "got -1"),
        (lambda: ControlRegion("c", 0), "needs alpha"),
        (lambda: ControlRegion("c", 3, alpha=0.0), "got 0.0"),
        (lambda: PerBin("p", [1.0, np.nan]), "found nan"),
        (lambda: PerBin("p", [1.0], "flat"), "got 'flat'"),
        (lambda: ShapeVariation("s", [np.inf]), "found inf"),
        (lambda: PeakPosition("p", -0.1), "got -0.1"),
        (lambda: PeakWidth("p", 0.0), "got 0.0"),
        (lambda: SpuriousSignal("s", np.nan), "got nan"),
        (lambda: LogNormal("l", "0.1"), "must be above -1.0 and finite, got 0.1"),
        (lambda: PerBin("p", ["a"]), "errors of 'p' must be real numbers"),
        (lambda: flat(LogNormal("l", 0.1), LogNormal("l", 0.1)), "LogNormal 'l' stands twice in sample 'b'"),
        (lambda: flat("lumi"), "must be one of bumphunt.models.systematics, got 'lumi'"),
        (lambda: Sample("", [1.0]), "needs a name"),
        (lambda: Sample("s", [1.0], scale=0.0), "got 0.0"),
        (lambda: Sample("s", gaussian(1.0, 1.0), errors=[1.0]), "no statistical errors"),
        (lambda: Sample("s", [1.0], uncertainties=[PeakWidth("w", 0.1)]), "does not suit"),
        (lambda: Sample("s", gaussian(1.0, 1.0), uncertainties=[ShapeVariation("w", [1.0])]), "does not suit"),
        (lambda: Sample("s", BackgroundModel("bernstein", 1), uncertainties=[Free("n")]), "free already"),
    ],
)
def test_bad_samples_raise_with_the_value(call, message):
    with pytest.raises(InputError, match=message):
        call()


EVERYTHING = {
    "signal": Sample(
        "s", gaussian(2.0, 0.5), uncertainties=[PeakPosition("p", 0.1), PeakWidth("w", 0.2), SpuriousSignal("q", 2.0)]
    ),
    "backgrounds": [
        flat(
            LogNormal("l", 0.2, -0.1),
            Gaussian("g", 0.1),
            ShapeVariation("v", [5.0, 5.0, 4.0, 3.0], [3.0, 5.5, 4.0, 4.0]),
            PerBin("p_bins", [1.0, 0.0, 0.5, 1.0]),
            errors=[0.5, 0.5, 0.5, 0.5],
        ),
        Sample("c", [1.0, 1.0, 1.0, 1.0], uncertainties=[ControlRegion("c", 5, alpha=0.4)]),
        BackgroundModel("exponential", 1),
    ],
}


def test_gradient_and_batches_are_those_of_the_likelihood():
    model = build(**EVERYTHING)
    rng = np.random.default_rng(5)
    points = model.start + 0.05 * rng.normal(size=(4, model.start.size))
    for point in points:
        value, gradient, _ = model.nll_and_gradient(point)
        assert value == pytest.approx(model.nll(point), rel=1e-12)
        np.testing.assert_allclose(gradient, optimize.approx_fprime(point, model.nll, 1e-7), atol=2e-5)
    np.testing.assert_allclose(model.nll_many(points), [model.nll(p) for p in points], rtol=1e-12)


def test_asimov_data_are_saturated():
    model = build(**EVERYTHING)
    point = model.start + 0.1
    assert model.asimov(point).nll(point) == pytest.approx(0.0, abs=1e-12)


def test_linear_likelihood_is_the_same_as_its_channel():
    model = build(
        backgrounds=[flat(Gaussian("g", 0.1)), Sample("fixed", [1.0, 2.0, 1.0, 0.0]), BackgroundModel("chebyshev", 1)]
    )
    channel = linear_channel(model)
    theta = np.array([1.3, 0.4, 0.9, -0.1])
    np.testing.assert_allclose(channel.expected(theta[0], [*theta[1:], 1.0]), model.expected(theta), rtol=1e-12)


def test_what_is_not_linear_has_no_channel():
    with pytest.raises(InputError, match="not linear"):
        linear_channel(build(**EVERYTHING))


def test_holding_an_unknown_parameter_raises():
    with pytest.raises(InputError, match="no parameter 'x' to hold"):
        held_at(build(), {"x": 1.0})


def test_variances_of_a_weighted_histogram_are_the_errors_of_a_sample():
    h = hist.Hist.new.Reg(4, 0, 4).Weight()
    h.fill(np.repeat([0.5, 1.5, 2.5, 3.5], 25), weight=20.0)
    np.testing.assert_allclose(Sample("b", h).errors, np.sqrt(25.0) * 20.0)
    np.testing.assert_allclose(Sample("b", h, errors=np.ones(4)).errors, 1.0)
    assert Sample("b", hist.Hist.new.Reg(4, 0, 4).Double().fill([0.5])).errors is None
    named, plain = (build(backgrounds=Sample("b", h, **more)) for more in ({"errors": np.full(4, 100.0)}, {}))
    assert named.names == plain.names
    assert len(plain.names) == 1 + 4
