"""Windows of a spectrum: their width, and their edges among those of the spectrum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bumphunt.errors import InputError
from bumphunt.scanning.windows import bins_near, window_edges

EDGES = np.arange(-6.0, 100.0, 0.05)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.floats(-6.0, 99.9), st.floats(0.05, 2.0), st.sampled_from([2.0, 10.0]), st.sampled_from([None, 1.0, 5.0]))
def test_windows_keep_their_width_and_share_the_edges(centre, sigma, half_width, bins):
    window = window_edges(EDGES, centre, sigma, half_width=half_width, bins_per_sigma=bins)
    assert np.all(np.isin(window, EDGES))
    assert window.size >= 2
    assert np.all(np.diff(window) > 0.0)
    assert abs((window[-1] - window[0]) - 2.0 * half_width * sigma) <= 0.051


def test_window_outside_the_spectrum_raises():
    with pytest.raises(InputError, match=r"peak at 200.0 is outside"):
        window_edges(EDGES, 200.0, 0.3, half_width=10.0, bins_per_sigma=5.0)
    with pytest.raises(InputError, match="must be positive"):
        window_edges(EDGES, 20.0, 0.0, half_width=10.0, bins_per_sigma=5.0)


def test_bins_near_a_peak_reach_five_resolutions_or_the_end_of_the_spectrum():
    x = bins_near(EDGES, 20.0, 0.3)
    assert np.all(np.isin(x, EDGES))
    assert 18.45 <= x[0] <= 18.5
    assert 21.5 <= x[-1] <= 21.55
    assert bins_near(EDGES, -6.0, 0.3)[0] == EDGES[0]
    np.testing.assert_array_equal(bins_near(EDGES, 20.01, 1e-4), EDGES[(EDGES > 19.9) & (EDGES < 20.06)][-2:])
