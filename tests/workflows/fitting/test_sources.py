"""Measured variations as sources of uncertainty: what they do in a window is what the varied spectra say."""

from __future__ import annotations

import hist
import numpy as np
import pytest

from workflows.fitting.sources import _changes, _changes_of_other_events


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


def test_few_shifted_events_have_the_change_of_a_wider_window():
    """Three events of which all leave, in a spectrum that changes by 2 % everywhere, and by 4 % more at one end."""
    edges = np.linspace(0.0, 20.0, 201)
    x = (edges[1:] + edges[:-1]) / 2
    nominal = np.full(200, 10.0)
    nominal[(x > 9) & (x < 11)] = 0.0
    nominal[100] = 3.0
    line = 0.02 + 0.04 * (x - 10) / 10
    up, down = nominal * (1 + line), nominal * (1 - line)
    up[100], down[100] = 0.0, 9.0
    spectra = tuple(spectrum(counts, edges) for counts in (nominal, up, down))
    assert _changes(spectra, 10.0, 0.5, slopes=False)[0] == pytest.approx(-1.5)
    change, slope = _changes_of_other_events(spectra, 10.0, 0.5, slopes=True)
    wide = 2.0  # 0.5 and 1 hold three events, 2 two hundred
    whole = _changes(spectra, 10.0, wide, slopes=True)
    assert change == pytest.approx(whole[0])
    assert slope == pytest.approx(whole[1] / 4)
    assert _changes_of_other_events(spectra, 10.0, 8.0, slopes=True) == _changes(spectra, 10.0, 8.0, slopes=True)


def test_change_of_hardly_any_shifted_event_stays_above_minus_one():
    edges = np.linspace(0.0, 4.0, 5)
    nominal, none, many = np.array([0.0, 2.0, 0.0, 0.0]), np.zeros(4), np.array([0.0, 0.0, 7.0, 0.0])
    spectra = tuple(spectrum(counts, edges) for counts in (nominal, none, many))
    assert _changes_of_other_events(spectra, 1.5, 0.5, slopes=False) == (-0.9, 0.0)
