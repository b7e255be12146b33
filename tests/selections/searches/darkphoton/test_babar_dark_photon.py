"""The limit that the simulation of BaBar expects for a dark photon with 53 fb^-1, against the published one."""

from __future__ import annotations

import hist
import numpy as np
import pytest
from numpy.typing import NDArray

from bumphunt.kinematics.momenta import BEAMS
from bumphunt.models.background import BackgroundModel
from bumphunt.models.shape_fit import fit_shapes
from bumphunt.models.signal import signal_model
from bumphunt.montecarlo.conditions import Conditions
from bumphunt.montecarlo.detector.candidates import CANDIDATES
from bumphunt.montecarlo.detector.presets import BABAR
from bumphunt.montecarlo.processes.process import Parameters
from bumphunt.montecarlo.processes.registry import find_process
from bumphunt.montecarlo.simulation import simulate_chunk
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.rows import ScanResult
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.spectra import checked_spectra
from bumphunt.theory import dark_photon
from selections.searches.darkphoton.invisible import SEARCH
from selections.searches.darkphoton.single_photon import BABAR_PHOTON, selection

BEAM = BEAMS["babar"]
LUMINOSITY = 53.0
SCALE = 0.9  # of examples/darkphoton_invisible.yaml
CHUNK = 50_000
CONDITIONS = Conditions(beams=BEAM, detector=BABAR, seed=2, candidate=CANDIDATES["photon"])
BINS = SEARCH.region("babar").binning
EDGES = np.linspace(BINS.low, BINS.high, BINS.bins + 1)
MASSES = (0.1, 1.0, 3.0, 4.7, 6.0, 7.0, 7.5, 8.0)
# BaBar, arXiv:1702.03327, figure 4: mass [GeV], epsilon at 90 %
PUBLISHED = {1.0: 9.7e-4, 3.0: 7.5e-4, 4.7: 3.96e-4, 6.0: 1.27e-3, 7.5: 8.9e-4}


def spectrum(process: str, parameters: Parameters, n: int) -> hist.Hist:
    """Return the spectrum of what passes the selection."""
    chosen = selection(BEAM, BABAR_PHOTON)
    m2, weights = [], []
    for chunk in range(-(-n // CHUNK)):
        size = min(n, CHUNK)
        columns = simulate_chunk(
            find_process(process), parameters, CONDITIONS, n=size, chunk=chunk, luminosity=SCALE * LUMINOSITY, total=n
        ).columns
        observables = chosen.observables(columns)
        keep = np.all([cut.passes(observables[cut.observable]) for cut in chosen.cuts], axis=0)
        m2.append(observables["m2_x"][keep])
        weights.append(columns["__weight__"][keep])
    return hist.Hist.new.Var(EDGES, name="m2_x").Weight().fill(np.concatenate(m2), weight=np.concatenate(weights))


@pytest.fixture(scope="module")
def scan() -> ScanResult:
    """The expected limits, with the background of each window an exponential of a polynomial."""
    signals = [spectrum("aprime_invisible", {"mass": mass}, 20_000) for mass in MASSES]
    shapes = fit_shapes([(m, EDGES, s.values(), s.variances()) for m, s in zip(MASSES, signals, strict=True)])
    produced = LUMINOSITY * dark_photon.cross_section(np.array(MASSES), coupling=1e-3, sqrt_s=BEAM.sqrt_s)
    efficiency = np.array([s.values().sum() for s in signals]) / produced
    error = np.array([np.sqrt(s.variances().sum()) for s in signals]) / produced
    background = spectrum("diphoton", {}, 400_000).values()
    background = (
        background
        + spectrum(
            "single_photon_bhabha", {"minimum_angle": float(np.radians(30.0)), "minimum_energy": 1.3}, 800_000
        ).values()
    )
    none = np.empty((0, EDGES.size - 1))
    region = ScanRegion(
        name="babar",
        spectra=checked_spectra(np.round(background), none, none, (), EDGES, expectation=True),
        signal=signal_model(shapes, efficiency, error),
    )
    method = Method(kind="smooth", background=BackgroundModel("exponential", 3))
    return scan_spectra(region, masses=list(PUBLISHED), method=method)


def coupling(scan: ScanResult) -> NDArray[np.float64]:
    """Return the expected limits on epsilon."""
    masses = np.array([point.mass for point in scan.points])
    yields = np.array([point.n_sig_ul_exp for point in scan.points])
    efficiencies = np.array([point.efficiency for point in scan.points])
    model = SEARCH.model
    assert model is not None
    return np.sqrt(yields / (LUMINOSITY * efficiencies) / model.cross_section(masses, BEAM.sqrt_s))


def test_expected_limits_are_within_a_factor_two_of_the_published_ones(scan: ScanResult) -> None:
    ratio = coupling(scan) / np.array(list(PUBLISHED.values()))
    assert np.all((ratio > 0.5) & (ratio < 2.0)), ratio


def test_resolution_is_that_of_babar(scan: ScanResult) -> None:
    """1.5 GeV^2 at low mass and 0.7 at 8 GeV, as published."""
    squared = np.array([point.resolution * 2 * point.mass for point in scan.points])
    assert squared[0] == pytest.approx(1.5, rel=0.15)
    assert 0.6 < squared[-1] < 0.95


def test_efficiency_is_a_few_per_cent_of_all_signal(scan: ScanResult) -> None:
    efficiency = np.array([point.efficiency for point in scan.points])
    assert np.all((efficiency > 0.025) & (efficiency < 0.06))
