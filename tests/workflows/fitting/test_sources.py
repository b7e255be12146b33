"""Measured variations as sources of uncertainty: what they do in a window is what the varied spectra say."""

from __future__ import annotations

import hist
import numpy as np
import pytest

from workflows.fitting.sources import _changes


def spectrum(counts: np.ndarray, edges: np.ndarray) -> hist.Hist:
    return hist.Hist.new.Var(edges, name="m").Weight(data=np.stack([counts, counts], axis=-1))


@pytest.mark.parametrize("fall", [0.0, 0.3])
def test_yield_and_slope_together_are_the_varied_spectrum(fall):
    """A change that is a straight line over a falling spectrum is moved by the slope once, not twice."""
    edges = np.linspace(0.0, 20.0, 2001)
    x = (edges[1:] + edges[:-1]) / 2
    nominal = 1000 * np.exp(-fall * x)
    line = 0.04 + 0.02 * (x - 10) / 5  # 4 % in the middle of the window, 6 % at its upper end
    spectra = tuple(spectrum(nominal * (1 + sign * line), edges) for sign in (0, 1, -1))
    inside = np.abs(x - 10) < 5
    change, slope = _changes(spectra, 10.0, 5.0, slopes=True)
    moved = nominal * (1 + change) * (1 + slope * (x - 10) / 5)
    for half in (inside & (x < 10), inside & (x > 10)):
        assert moved[half].sum() == pytest.approx((nominal * (1 + line))[half].sum(), rel=2e-3)
    if fall == 0.0:
        assert (change, slope) == (pytest.approx(0.04), pytest.approx(0.02))
    whole, nothing = _changes(spectra, 10.0, 5.0, slopes=False)
    assert whole == pytest.approx((nominal * line)[inside].sum() / nominal[inside].sum())
    assert nothing == 0.0


def test_window_with_events_in_one_half_has_no_slope():
    edges = np.linspace(0.0, 4.0, 5)
    nominal = np.array([0.0, 0.0, 100.0, 300.0])
    spectra = tuple(spectrum(nominal * (1 + sign * 0.1), edges) for sign in (0, 1, -1))
    assert _changes(spectra, 2.0, 2.0, slopes=True) == (pytest.approx(0.1), 0.0)
    assert _changes(spectra, 1.0, 1.0, slopes=True) == (pytest.approx(0.1), 0.0)
