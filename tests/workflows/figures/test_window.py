"""The figure of the fit of one window."""

from types import SimpleNamespace

import numpy as np

from bumphunt.scanning.window_fit import FittedRegion
from workflows.figures.window import window


def test_bins_of_several_widths_are_drawn_as_densities():
    edges = np.array([0.0, 1.0, 3.0, 4.0])
    flat = np.diff(edges) * 30.0
    region = FittedRegion(name="a", edges=edges, counts=flat, before={}, after={"smooth": flat, "peak": np.zeros(3)})
    row = SimpleNamespace(n_sig_ul_obs=np.nan, cl=0.9)
    strengths = np.linspace(-1.0, 1.0, 5)
    found = SimpleNamespace(regions=(region,), parameters=(), row=row, strengths=strengths, ratios=strengths**2)
    figure = window(found, xlabels={"a": "m [GeV]"}, units={"a": "GeV"}, label="it", data="data")
    upper, lower, likelihood = figure.axes  # without constrained parameters there is no panel for them
    fit = next(artist for artist in upper.patches if artist.get_label() == "fit")
    np.testing.assert_allclose(fit.get_data().values, 40.0)
    assert upper.get_ylabel() == "events / 1.33 GeV"
    assert "fit" in lower.get_ylabel()
    assert "lambda" in likelihood.get_ylabel()
