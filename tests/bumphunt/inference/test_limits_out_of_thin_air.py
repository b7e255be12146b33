"""No limit that the data do not support: it is right, or flagged with the reason."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.errors import Flag
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.inference.fit import limit
from bumphunt.inference.upper_limit import most_events
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import LogNormal

EDGES = np.linspace(4.5, 5.5, 81)


def peak_of_width(width, order, n_events, uncertainties=()):
    return region(
        "r",
        values=np.random.default_rng(1).uniform(4.5, 5.5, n_events),
        edges=EDGES,
        signal=Sample("s", gaussian(5.0, width), uncertainties=uncertainties),
        backgrounds=BackgroundModel("bernstein", order),
    )


@pytest.mark.parametrize("uncertainties", [(), (LogNormal("efficiency", 0.05),)], ids=["certain", "uncertain"])
@pytest.mark.parametrize(("width", "order", "n_events"), [(5.0, 2, 2000), (1.0, 3, 2000), (0.5, 3, 20), (1.0, 5, 200)])
def test_peak_that_looks_like_the_background_has_no_limit(width, order, n_events, uncertainties):
    found = limit(peak_of_width(width, order, n_events, uncertainties))
    assert not found.valid
    if not uncertainties:
        assert found.flags == (Flag.NEGATIVE_BACKGROUND,)
    assert set(found.flags) <= {Flag.NEGATIVE_BACKGROUND, Flag.FIT_NOT_CONVERGED}
    assert np.isnan([found.observed, *found.expected]).all()


@pytest.mark.parametrize(("order", "n_events"), [(1, 3), (3, 20), (3, 2000)])
def test_narrow_peak_has_one(order, n_events):
    found = limit(peak_of_width(0.05, order, n_events))
    assert found.valid
    assert found.observed < stats.gamma.ppf(0.9, n_events + 1)


@pytest.mark.parametrize("n", [0, 1, 7, 2000])
def test_most_events_are_those_of_no_background(n):
    exact = counting_limit(n, CountingModel(background=0.0)).observed
    assert exact < most_events(n, 0.9) < 1.2 * exact


@pytest.mark.parametrize("n", [0, 1, 3])
def test_wide_knowledge_of_the_efficiency_is_no_negative_background(n):
    r = region(
        "n",
        counts=[n],
        signal=Sample("s", [1.0], uncertainties=[LogNormal("e", 0.8)]),
        backgrounds=Sample("b", [0.1]),
    )
    found = limit(r, method="bayesian", rng=np.random.default_rng(1))
    assert found.valid
    assert found.observed > most_events(n, 0.9)


@pytest.mark.parametrize("efficiency", [0.0, 0.3])
@pytest.mark.parametrize("background", [0.0, 3.0, 700.0, 1e5])
def test_no_event_has_the_same_limit_over_any_background(background, efficiency):
    found = counting_limit(0, CountingModel(background=background, efficiency_sigma=efficiency))
    want = counting_limit(0, CountingModel(background=1.0, efficiency_sigma=efficiency)).observed
    assert found.valid
    assert found.observed == pytest.approx(want if efficiency else np.log(10.0), rel=1e-7)
