"""Selected spectra: smooth curves in the place of simulated ones, and pseudo-data drawn from an expectation."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from bumphunt.spectrum import Spectrum
from workflows.analysis_file import load
from workflows.config import Analysis
from workflows.spectra import _smoothed

ANALYSIS = """\
channel: darkphoton-dilepton
regions: [mumu]
data: {luminosity: 10, simulate: {draw_from: expectation}}
samples: {mumu: {simulate: {events: 1000}, smooth: {low: 0, high: 10, knots: 4, scale: 1}}}
signal: {simulate: {events: 1000, masses: [1, 2, 3, 4]}}
search: {low: 1, high: 4}
"""
EDGES = np.linspace(0.0, 10.0, 201)


def config(tmp_path: Path) -> Analysis:
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS)
    return load(path)


@pytest.mark.parametrize("peak", [False, True])
def test_curve_that_the_simulation_contradicts_is_told_of(
    tmp_path: Path, peak: bool, caplog: pytest.LogCaptureFixture
) -> None:
    x = 0.5 * (EDGES[1:] + EDGES[:-1])
    expected = 400 * np.exp(-x / 4)
    if peak:  # narrower than the knots: it belongs to a sample of its own
        expected += 2000 * np.exp(-0.5 * ((x - 3) / 0.1) ** 2)
    counts = np.random.default_rng(7).poisson(expected).astype(np.float64)
    with caplog.at_level(logging.WARNING):
        made, fit = _smoothed(config(tmp_path), "mumu", Spectrum(edges=EDGES, counts=counts, variances=counts))
    assert made.total == pytest.approx(counts.sum(), rel=1e-6)
    assert ("samples.mumu.smooth: chi^2" in caplog.text) == peak
    assert (fit["smooth_chi2"] > 2 * fit["smooth_degrees_of_freedom"]) == peak
