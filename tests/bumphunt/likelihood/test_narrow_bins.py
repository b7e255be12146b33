"""Values in narrow bins: none is lost, gaps are empty, and the likelihood is that of the density at each value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bumphunt.errors import InputError
from bumphunt.likelihood.narrow_bins import narrow_bins, unbinned_constant, unbinned_likelihood
from bumphunt.models.background import BackgroundModel, basis_cdf
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import PerBin

EDGES = np.linspace(4.0, 6.0, 21)


def described(values, **more):
    keywords = {"signal": gaussian(5.0, 0.05), "backgrounds": BackgroundModel("bernstein", 1), **more}
    return region("r", values=values, edges=EDGES, **keywords)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.floats(4.0, 6.0) | st.sampled_from([4.0, 5.0, 5.1, 6.0]), max_size=40), st.floats(1e-3, 0.5))
def test_every_value_has_a_narrow_bin_and_the_gaps_are_empty(values, sigma):
    fine = narrow_bins(described(values, signal=gaussian(5.0, sigma)))
    width = np.diff(fine.edges)
    assert fine.counts.sum() == len(values)
    assert (fine.edges[0], fine.edges[-1]) == (4.0, 6.0)
    assert np.all(width > 0.0)
    assert np.all(np.histogram(values, fine.edges)[0][width > 1e-3 * sigma] == fine.counts[width > 1e-3 * sigma])
    assert np.all(width[fine.counts > 0.0] < 2e-3 * sigma * np.maximum(fine.counts[fine.counts > 0.0], 1.0))
    assert width.max() <= EDGES[1] - EDGES[0] + 2e-3 * sigma  # the edges of the bins still cut the gaps


def test_gaps_too_short_to_expect_anything_are_closed():
    near = [4.5, 4.5 + 1e-9, 4.5 + 2e-6, 4.7, 4.7, 5.05 - 1e-9]
    fine = narrow_bins(described(near))
    assert sorted(fine.counts[fine.counts > 0.0]) == [1.0, 2.0, 3.0]
    assert np.diff(fine.edges)[fine.counts == 0.0].min() > 1e-6


def test_no_values_leave_the_bins_as_they_are():
    np.testing.assert_array_equal(narrow_bins(described([])).edges, EDGES)


@pytest.mark.parametrize("family", ["bernstein", "chebyshev"])
def test_likelihood_is_that_of_the_density(family, background_terms):
    rng = np.random.default_rng(2)
    values, background = rng.uniform(4.0, 6.0, 500), BackgroundModel(family, 1)
    values[:30] = 5.0 + 0.05 * rng.normal(size=30)
    model = unbinned_likelihood(described(values, backgrounds=background))
    peak, unit = gaussian(5.0, 0.05), 250.0 if family == "bernstein" else 500.0
    for s, a, b in [(0.0, 1.0, 0.9), (40.0, 0.8, 0.3), (-3.0, 1.1, 0.2)]:
        c = unit * np.array([a, b])
        density = s * peak.pdf(values) + c @ background_terms(background, values, (4.0, 6.0))
        total = s * np.diff(peak.cdf([4.0, 6.0]))[0] + c @ basis_cdf(background, 6.0, (4.0, 6.0))
        want = total - np.log(density).sum()
        assert model.nll([s, a, b]) + unbinned_constant(model) == pytest.approx(want, abs=1e-4)


def test_counts_without_values_raise():
    binned = region("r", counts=[3.0, 4.0], signal=[1.0, 1.0], backgrounds=Sample("b", [3.0, 4.0]))
    with pytest.raises(InputError, match="2 binned counts, no values"):
        narrow_bins(binned)


def test_histogram_has_no_density():
    with pytest.raises(InputError, match="'b' of region 'r' is a histogram"):
        narrow_bins(described([4.5], backgrounds=Sample("b", np.ones(20))))


def test_uncertainty_of_each_bin_has_no_density():
    signal = Sample("signal", gaussian(5.0, 0.05), uncertainties=[PerBin("stat", np.full(20, 0.1))])
    with pytest.raises(InputError, match="'stat' of sample 'signal' changes bins"):
        narrow_bins(described([4.5], signal=signal))
