"""Selected spectra: smooth curves in the place of simulated ones, and pseudo-data drawn from an expectation."""

from __future__ import annotations

import logging
from pathlib import Path

import hist
import numpy as np
import pytest
import uproot

from bumphunt.theory import dark_photon
from workflows.config.file import load
from workflows.config.records import SpectraSetup
from workflows.products.processed import Processed
from workflows.stages.making.spectra import _injected, _smoothed

ANALYSIS = """\
channel: darkphoton-dilepton
regions: [mumu]
data: {luminosity: 10, simulate: {draw_from: expectation}}
samples: {mumu: {simulate: {events: 1000}, smooth: {low: 0, high: 10, knots: 4, scale: 1}}}
signal: {simulate: {events: 1000, masses: [1, 2, 3, 4]}}
search: {low: 1, high: 4}
"""
INJECTED = ANALYSIS.replace(
    "expectation}}", "expectation, inject: [{mass: 2, coupling: 0.003}, {mass: 3, coupling: 0.001}]}}"
)
EDGES = np.linspace(0.0, 10.0, 201)


def setup(tmp_path: Path, text: str = ANALYSIS) -> SpectraSetup:
    path = tmp_path / "analysis.yaml"
    path.write_text(text)
    return load(path).spectra


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
        after = hist.Hist.new.Var(EDGES, name="m").Weight(data=np.stack([counts, counts], -1))
        made, fit = _smoothed("mumu", setup(tmp_path).smooth["mumu"], {"after": after})
    assert made["after"].values().sum() == pytest.approx(counts.sum(), rel=1e-6)
    assert ("samples.mumu.smooth: chi^2" in caplog.text) == peak
    assert (fit["smooth_chi2"] > 2 * fit["smooth_degrees_of_freedom"]) == peak


def test_injected_signal_has_its_coupling_and_branching_ratio_whatever_was_read(tmp_path: Path) -> None:
    """Simulated with epsilon = 0.001 and without branching ratio; half of the rows at 2 GeV could not be read."""
    record = {"mumu": {"aprime_mumu_2": {"fraction": 0.5}, "aprime_mumu_3": {"fraction": 1.0}}}
    processed = Processed(folder=tmp_path, record=record, cutflows={}, data_luminosity=10.0, factors={})
    with uproot.recreate(tmp_path / "spectra.root") as file:
        for mass in (2, 3):
            file[f"mumu/aprime_mumu_{mass}/after"] = (
                hist.Hist.new.Var([0, 1], name="m").Weight().fill([0.5], weight=5.0)
            )
    with uproot.open(tmp_path / "spectra.root") as file:
        first, second = _injected(setup(tmp_path, INJECTED), processed, file, "mumu", "mumu")
    ratios = dark_photon.branching_ratio(np.array([2.0, 3.0]), "mumu")
    assert first.values().sum() == pytest.approx(5 * 3**2 * ratios[0] / 0.5)
    assert second.values().sum() == pytest.approx(5 * ratios[1])
