"""Bins that follow the resolution."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.spectrum.edges import logarithmic_edges, resolution_edges


def test_bins_of_a_relative_resolution_are_logarithmic():
    edges = resolution_edges(0.5, 200.0, lambda x: 0.01 * x, 5.0)
    # the number is the integral of 5 / (0.01 x): 500 ln(400)
    assert edges.size - 1 == int(np.ceil(500 * np.log(400)))
    np.testing.assert_allclose(edges, np.geomspace(0.5, 200.0, edges.size), rtol=1e-5)


def test_each_bin_is_at_most_the_resolution_over_the_number():
    edges = resolution_edges(-4.0, 90.0, lambda x: 0.3 + 0.02 * np.abs(x), 4.0)
    centres = 0.5 * (edges[1:] + edges[:-1])
    assert np.all(np.diff(edges) <= 1.001 * (0.3 + 0.02 * np.abs(centres)) / 4.0)
    assert (edges[0], edges[-1]) == (-4.0, 90.0)


@pytest.mark.parametrize(
    ("low", "high", "sigma", "per"),
    [(2.0, 1.0, 0.1, 4.0), (1.0, 2.0, 0.0, 4.0), (1.0, 2.0, np.nan, 4.0), (1.0, 2.0, 0.1, 0.0), (1.0, 2.0, 1e-9, 4.0)],
)
def test_bins_that_make_no_sense_are_refused(low, high, sigma, per):
    with pytest.raises(InputError):
        resolution_edges(low, high, lambda x: np.full(x.shape, sigma), per)


def test_logarithmic_bins_need_a_positive_range():
    with pytest.raises(InputError, match="0 < low"):
        logarithmic_edges(0.0, 2.0, 5)
