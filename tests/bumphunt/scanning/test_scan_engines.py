"""The engine of a scan is a choice: rows of all engines agree, and what one cannot fit is refused before the scan."""

import importlib.util

import numpy as np
import pytest
from iminuit import Minuit
from iminuit.cost import ExtendedUnbinnedNLL

from bumphunt.engines import zfit as zfit_engine
from bumphunt.errors import InputError
from bumphunt.inference.settings import LimitSettings
from bumphunt.models.background import BackgroundModel
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sources import Source
from bumphunt.scanning.spectra import checked_spectra
from bumphunt.spectrum.axis import MASS

EDGES = np.linspace(1.0, 3.0, 201)
SIGMA = 0.02
MASSES = np.linspace(1.2, 2.8, 5)
LIMITS = ("n_sig_ul_obs", "n_sig_ul_exp_m2", "n_sig_ul_exp_m1", "n_sig_ul_exp", "n_sig_ul_exp_p1", "n_sig_ul_exp_p2")
SIGNAL = SignalModel(
    masses=np.array([1.0, 2.0, 3.0]),
    parameters=np.tile([0.0, SIGMA, 1.5, 3.0, 0.7, 1.8], (3, 1)),
    errors=np.zeros((3, 6)),
    efficiencies=np.full(3, 0.2),
    efficiency_errors=np.full(3, 0.004),
    support=(1.0, 3.0),
    tail="low",
    axis=MASS,
)
RNG = np.random.default_rng(12)
VALUES = np.sort(np.concatenate([1.0 + 2.0 * RNG.beta(1.0, 1.4, 4000), RNG.normal(2.0, SIGMA, 60)]))
SMOOTH = Method(kind="smooth", background=BackgroundModel("bernstein", 2), window=8.0)
UNBINNED = Method(kind="smooth", background=BackgroundModel("bernstein", 2), window=8.0, unbinned=True)
EFFICIENCY = Source(name="efficiency", efficiency=0.06)
NEEDS_ZFIT = pytest.mark.skipif(importlib.util.find_spec("zfit") is None, reason="the extra zfit is not installed")
PEERS = [
    pytest.param("newton", MASSES, id="newton"),
    pytest.param("minuit", MASSES, id="minuit"),
    pytest.param("zfit", MASSES[2:3], id="zfit", marks=NEEDS_ZFIT),
    pytest.param("zfit", MASSES, id="zfit-all", marks=[NEEDS_ZFIT, pytest.mark.slow]),
]
"""The engines, and masses to test: zfit takes a second or more at each."""


def data_region(values=VALUES, *, kept=True):
    counts = np.histogram(values, EDGES)[0]
    spectra = checked_spectra(counts, [], [], (), EDGES, values=values if kept else None)
    return ScanRegion(name="all", spectra=spectra, signal=SIGNAL)


def template_region():
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    template = 40.0 * (3.4 - centres)
    counts = np.random.default_rng(5).poisson(template)
    return ScanRegion(
        name="all", spectra=checked_spectra(counts, template, 0.5 * template, (0.1,), EDGES, ["qed"]), signal=SIGNAL
    )


def assert_same_rows(found, reference, *, engine):
    assert reference.column("valid").all()
    assert set(found.column("engine")) == {engine}
    for name in LIMITS:
        np.testing.assert_allclose(found.column(name), reference.column(name), rtol=1e-3)
    np.testing.assert_allclose(found.column("z0"), reference.column("z0"), atol=1e-3)


@pytest.mark.parametrize(("engine", "masses"), PEERS)
def test_engines_agree_on_smooth_backgrounds(engine, masses):
    setting = {"masses": masses, "method": SMOOTH, "sources": [EFFICIENCY]}
    auto = scan_spectra(data_region(), **setting)
    assert set(auto.column("engine")) == {"linear"}
    assert_same_rows(scan_spectra(data_region(), engine=engine, **setting), auto, engine=engine)


@pytest.mark.parametrize(("engine", "masses"), PEERS[1:])
def test_engines_agree_on_templates(engine, masses):
    sources = [EFFICIENCY, Source(name="width", signal_width=0.1), Source(name="veto", background={"qed": 0.05})]
    setting = {"masses": masses, "method": Method(kind="templates", window=4.0, bins_per_sigma=1.5), "sources": sources}
    auto = scan_spectra(template_region(), **setting)
    assert set(auto.column("engine")) == {"newton"}
    assert_same_rows(scan_spectra(template_region(), engine=engine, **setting), auto, engine=engine)


@pytest.mark.parametrize("engine", ["newton", "minuit"])
def test_values_are_fitted_unbinned_as_iminuit_fits_them(engine):
    """Signal and error of the window around 2 GeV by iminuit's own extended unbinned cost."""
    (row,) = scan_spectra(data_region(), masses=[2.0], method=UNBINNED, engine=engine).points
    inside = VALUES[slice(*np.searchsorted(VALUES, [row.window_lo, row.window_hi]))]
    peak, width = SIGNAL.at([2.0])[0].peak, row.window_hi - row.window_lo

    def density(x, n_sig, a, b, c):
        t = (x - row.window_lo) / width
        smooth = (a * (1 - t) ** 2 + 2 * b * t * (1 - t) + c * t**2) / width
        whole = n_sig * float(np.diff(peak.cdf([row.window_lo, row.window_hi]))[0]) + (a + b + c) / 3.0
        return whole, n_sig * peak.pdf(x) + smooth

    peer = Minuit(ExtendedUnbinnedNLL(inside, density), 50.0, *[float(inside.size)] * 3)
    peer.migrad()
    peer.hesse()
    assert peer.valid
    assert row.engine == engine
    assert row.n_obs == inside.size
    assert row.n_sig == pytest.approx(peer.values[0], abs=1e-2 * peer.errors[0])
    assert row.n_sig_error == pytest.approx(peer.errors[0], rel=1e-2)
    peer.values[0], peer.fixed[0], best = 0.0, True, peer.fval
    peer.migrad()
    assert row.z0 == pytest.approx(np.sqrt(peer.fval - best), abs=5e-3)


def test_unbinned_rows_are_those_of_fine_bins():
    fine = Method(kind="smooth", background=BackgroundModel("bernstein", 2), window=8.0, bins_per_sigma=40.0)
    edges = np.linspace(1.0, 3.0, 4001)
    spectra = checked_spectra(np.histogram(VALUES, edges)[0], [], [], (), edges, values=VALUES)
    region = ScanRegion(name="all", spectra=spectra, signal=SIGNAL)
    moving = [EFFICIENCY, Source(name="scale", signal_mean=0.2), Source(name="width", signal_width=0.1)]
    setting = {"masses": MASSES[1:3], "sources": [*moving, Source(name="bias", spurious_signal=0.2)]}
    method = Method(kind="smooth", background=fine.background, window=8.0, bins_per_sigma=40.0, unbinned=True)
    values = scan_spectra(region, method=method, **setting)
    counts = scan_spectra(region, method=fine, **setting)
    for name in LIMITS:
        np.testing.assert_allclose(values.column(name), counts.column(name), rtol=1e-2)
    np.testing.assert_allclose(values.column("z0"), counts.column("z0"), atol=2e-2)


def test_unbinned_scan_without_values_is_refused():
    with pytest.raises(InputError, match="needs the values of the data, and the spectrum has counts alone"):
        scan_spectra(data_region(kept=False), masses=[2.0], method=UNBINNED)


def test_blinded_unbinned_scan_fits_the_expectation():
    counts = np.histogram(VALUES, EDGES)[0]
    spectra = checked_spectra(counts, [], [], (), EDGES, expectation=True)
    region = ScanRegion(name="all", spectra=spectra, signal=SIGNAL)
    found, bins = (scan_spectra(region, masses=[2.0], method=method).points[0] for method in (UNBINNED, SMOOTH))
    assert found == bins
    assert "blinded" in found.flags


def test_values_that_are_not_counted_raise():
    counts = np.histogram(VALUES, EDGES)[0]
    with pytest.raises(InputError, match=r"the values must rise and be those that are counted, got 4059 for 4060"):
        checked_spectra(counts, [], [], (), EDGES, values=VALUES[1:])


def test_unbinned_templates_raise():
    with pytest.raises(InputError, match="an unbinned fit needs densities, which 'smooth' has; 'templates' has"):
        Method(kind="templates", unbinned=True)


@pytest.mark.parametrize(
    ("method", "sources", "reason"),
    [
        (SMOOTH, [Source(name="scale", signal_mean=0.1)], "sources move its signal_mean"),
        (Method(kind="smooth", background=BackgroundModel("exponential", 1)), [], "is not linear in its parameters"),
        (UNBINNED, [EFFICIENCY], "window at 1.2 GeV, which is not linear"),
    ],
)
def test_linear_engine_refuses_what_is_not_linear_before_the_scan(method, sources, reason):
    seen = []
    with pytest.raises(InputError, match=reason):
        scan_spectra(
            data_region(),
            masses=MASSES,
            method=method,
            sources=sources,
            engine="linear",
            progress=lambda: seen.append(1),
        )
    assert not seen


def test_counts_refuse_an_engine():
    with pytest.raises(InputError, match="a count is not fitted, its p0 and limits are exact: leave out the engine"):
        scan_spectra(
            template_region(),
            masses=[2.0],
            method=Method(kind="counting"),
            limits=LimitSettings(method="auto"),
            engine="minuit",
            rng=np.random.default_rng(1),
        )


def test_row_of_a_count_names_no_engine():
    (row,) = scan_spectra(template_region(), masses=[2.0], method=Method(kind="counting")).points
    assert row.engine == ""


def test_missing_zfit_is_said_before_the_scan(monkeypatch):
    monkeypatch.setattr(zfit_engine, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"zfit is not installed: pip install 'bumphunt\[zfit\]'"):
        scan_spectra(data_region(), masses=MASSES, method=SMOOTH, engine="zfit")
