"""Several regions in one scan: against pyhf, regions written down by hand, other engines, planted cross sections."""

from dataclasses import replace

import numpy as np
import pyhf
import pytest
from scipy import optimize
from scipy.stats import norm

from bumphunt.errors import InputError
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.settings import LimitSettings
from bumphunt.models.background import BackgroundModel
from bumphunt.models.region import Sample, region
from bumphunt.models.signal import SignalModel
from bumphunt.models.systematics import LogNormal
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sources import Source
from bumphunt.scanning.spectra import checked_spectra
from bumphunt.scanning.windows import window_edges
from bumphunt.spectrum.axis import MASS, MassAxis, reduced

EDGES = np.arange(0.0, 5.0001, 0.01)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])
MUONS = reduced(0.2113)
CUBIC = BackgroundModel("bernstein", 3)
WIDE = {"window": 12.0, "bins_per_sigma": 2.0}
SMOOTH, TEMPLATES = Method(kind="smooth", background=CUBIC, **WIDE), Method(kind="templates", **WIDE)
COUNTING = Method(kind="counting")


def signal(axis: MassAxis, efficiency: float, sigma: float, error: float = 0.0, low: float = 0.25, high: float = 4.9):
    masses = np.linspace(low, high, 8)
    return SignalModel(
        masses=masses,
        parameters=np.tile([0.0, sigma, 5.0, 3.0, 1.0, 1.0], (8, 1)),
        errors=np.zeros((8, 6)),
        efficiencies=np.full(8, efficiency),
        efficiency_errors=np.full(8, error),
        support=(0.0, 5.0),
        tail="low",
        axis=axis,
    )


def half(masses):
    return np.full(np.shape(masses), 0.5)


def two_thirds(masses):
    return np.full(np.shape(masses), 2.0 / 3.0)


def third(masses):
    return np.full(np.shape(masses), 1.0 / 3.0)


LEVELS = {"ee": 40.0, "mumu": 15.0}


def expected(name):
    return LEVELS[name] * np.exp(-CENTRES / 3.0)


def pair(*, produced: float = 0.0, mass: float = 2.0, error: float = 0.0, seed: int = 1, scale: float = 1.0):
    """Electrons on the mass and muons on the reduced mass, with `produced` signal events before any selection."""
    rng = np.random.default_rng(seed)
    models = {
        "ee": (signal(MASS, 0.1, 0.03, 0.1 * error), two_thirds),
        "mumu": (signal(MUONS, 0.3, 0.02, 0.3 * error), third),
    }
    found = []
    for name, (model, ratio) in models.items():
        n_sig = produced * float(ratio(mass)) * float(model.efficiency(mass))
        counts = rng.poisson(scale * expected(name) + n_sig * model.fractions(mass, EDGES)).astype(float)
        spectra = checked_spectra(
            counts, [scale * expected(name)], [0.05 * scale * expected(name)], (0.1,), EDGES, ("tau",)
        )
        found.append(ScanRegion(name=name, spectra=spectra, signal=model, branching_ratio=ratio))
    return found


SOURCES = (
    Source(name="luminosity", efficiency=0.1),
    Source(name="electrons", efficiency=0.15, regions=("ee",)),
    Source(name="muons", efficiency=-0.2, regions=("mumu",)),
)


def smooth_by_hand(regions, mass, sources):
    """The windows of both regions from the definition of the search, not from the scan."""
    weights = {r.name: float(r.branching_ratio(mass)) * float(r.signal.efficiency(mass)) for r in regions}
    found = []
    for r in regions:
        axis, sigma = r.signal.axis, float(r.signal.resolution(mass))
        edges = window_edges(
            EDGES, float(axis.position(mass)), sigma, half_width=WIDE["window"], bins_per_sigma=WIDE["bins_per_sigma"]
        )
        heights = np.diff(norm.cdf(edges, float(axis.position(mass)), sigma)) * weights[r.name] / sum(weights.values())
        uncertain = [LogNormal(s.name, s.efficiency) for s in sources if not s.regions or r.name in s.regions]
        first, last = np.searchsorted(EDGES, edges[[0, -1]])
        cuts = np.searchsorted(EDGES[first : last + 1], edges[:-1])
        found.append(
            region(
                r.name,
                counts=np.add.reduceat(r.spectra.counts[first:last], cuts),
                edges=edges,
                signal=Sample("peak", heights, uncertainties=uncertain),
                backgrounds=Sample("smooth", CUBIC),
            )
        )
    return found


@pytest.mark.parametrize("produced", [0.0, 800.0])
@pytest.mark.parametrize("sources", [(), SOURCES])
def test_smooth_combination_is_that_of_regions_written_down_by_hand(produced, sources):
    regions = pair(produced=produced)
    (row,) = scan_spectra(regions, masses=[2.0], method=SMOOTH, sources=sources).points
    by_hand = smooth_by_hand(regions, 2.0, sources)
    best, upper = fit(by_hand), limit(by_hand)
    assert best.engine == ("newton" if sources else "linear")
    assert row.n_sig == pytest.approx(best.n_sig, rel=1e-4, abs=1e-3)
    assert row.n_sig_error == pytest.approx(best.n_sig_error, rel=1e-3)
    assert row.n_sig_ul_obs == pytest.approx(upper.observed, rel=1e-4)
    np.testing.assert_allclose(
        [row.n_sig_ul_exp_m2, row.n_sig_ul_exp, row.n_sig_ul_exp_p2], upper.expected[[0, 2, 4]], rtol=1e-4
    )
    assert row.n_obs == sum(r.counts.sum() for r in by_hand)


@pytest.mark.parametrize("mass", [1.85, 1.9, 2.1, 2.15])
def test_no_window_reaches_into_excluded_masses(mass):
    """A resonance of a million events between 1.9 and 2.1 GeV changes nothing beside it."""
    clean = [replace(r, excluded=((1.9, 2.1),)) for r in pair()]
    dirty = []
    for r in clean:
        inside = (float(r.signal.axis.position(1.92)) < CENTRES) & (float(r.signal.axis.position(2.08)) > CENTRES)
        dirty.append(replace(r, spectra=replace(r.spectra, counts=r.spectra.counts + 1e6 * inside)))
    rows = [scan_spectra(r, masses=[mass], method=SMOOTH).points[0] for r in (clean, dirty)]
    assert rows[0] == rows[1]
    assert rows[0].valid
    untouched = [
        scan_spectra([replace(r, excluded=()) for r in x], masses=[mass], method=SMOOTH).points[0]
        for x in (clean, dirty)
    ]
    assert untouched[0].n_obs < untouched[1].n_obs


def of(sources, regions):
    """The sources that apply to some of these regions."""
    return [source for source in sources if any(source.applies(r.name) for r in regions)]


def test_fast_and_general_engines_give_the_same_rows():
    both = pair(produced=300.0, error=0.05)
    for regions in (both, both[:1], both[1:]):
        setting = {"masses": [0.3, 1.0, 2.0, 3.5], "method": SMOOTH, "sources": of(SOURCES, regions)}
        ours = scan_spectra(regions, **setting)
        theirs = scan_spectra(regions, engine="newton", **setting)
        assert ours.column("valid").all()
        for name in ("n_sig_ul_obs", "n_sig_ul_exp_m2", "n_sig_ul_exp", "n_sig_ul_exp_p2", "efficiency", "n_bkg"):
            np.testing.assert_allclose(ours.column(name), theirs.column(name), rtol=1e-4)
        np.testing.assert_allclose(ours.column("n_sig"), theirs.column("n_sig"), atol=1e-3)
        np.testing.assert_allclose(ours.column("n_sig_error"), theirs.column("n_sig_error"), rtol=3e-3)
        np.testing.assert_allclose(ours.column("q0"), theirs.column("q0"), atol=1e-5)


def test_spurious_signals_of_the_fast_engine_are_those_of_the_general_one():
    both = pair(produced=300.0, error=0.05)
    sources = [
        *SOURCES,
        Source(name="fake", spurious_signal=0.5),
        Source(name="it", spurious_signal=0.3, regions=("ee",)),
    ]
    for regions in (both, both[1:]):
        setting = {"masses": [0.3, 2.0], "method": SMOOTH, "sources": of(sources, regions)}
        ours = scan_spectra(regions, **setting)
        theirs = scan_spectra(regions, engine="newton", **setting)
        for name in ("n_sig_ul_obs", "n_sig_ul_exp_m2", "n_sig_ul_exp_p2", "n_bkg"):
            np.testing.assert_allclose(ours.column(name), theirs.column(name), rtol=1e-4)
        np.testing.assert_allclose(ours.column("n_sig"), theirs.column("n_sig"), atol=1e-3)
        plain = scan_spectra(regions, **{**setting, "sources": of(SOURCES, regions)})
        assert np.all(ours.column("n_sig_error") > 1.02 * plain.column("n_sig_error"))


def test_combination_measures_the_production_and_is_better_than_its_parts():
    produced = 4000.0
    regions = pair(produced=produced, seed=5)
    rows = {
        tuple(r.name for r in some): scan_spectra(some, masses=[2.0], method=SMOOTH).points[0]
        for some in (regions[:1], regions[1:], regions)
    }
    for only, row in rows.items():
        assert abs(row.n_sig / row.efficiency - produced) < 3.0 * row.n_sig_error / row.efficiency, only
    both = rows["ee", "mumu"]
    assert both.efficiency == pytest.approx(2.0 / 3.0 * 0.1 + 0.3 / 3.0)
    errors = [row.n_sig_error / row.efficiency for row in rows.values()]
    weights = np.array(errors[:2]) ** -2.0
    assert errors[2] == pytest.approx(weights.sum() ** -0.5, rel=0.02)
    # the window is that of the region with the largest share: muons
    assert (both.window_lo, both.resolution) == (rows["mumu",].window_lo, rows["mumu",].resolution)


def test_a_region_that_does_not_cover_a_mass_is_left_out():
    ee, mumu = pair()
    short = replace(mumu, signal=signal(MUONS, 0.3, 0.02, low=1.0, high=3.0))
    setting = {"masses": [0.5, 2.0, 4.0], "method": SMOOTH}
    both, alone = scan_spectra([ee, short], **setting), scan_spectra(ee, **setting)
    for k, same in enumerate((True, False, True)):
        assert (both.points[k].n_sig_ul_obs == pytest.approx(alone.points[k].n_sig_ul_obs, rel=1e-6)) == same
        assert (both.points[k].efficiency == pytest.approx(alone.points[k].efficiency)) == same


def pyhf_limits(regions, mass, window, unit):
    """The template combination for pyhf: one bin a region, a factor for its simulated events; mu = 1 is `unit`."""
    weights = {r.name: float(r.branching_ratio(mass)) * float(r.signal.efficiency(mass)) for r in regions}
    channels, data = [], []
    for r in regions:
        position, sigma = float(r.signal.axis.position(mass)), float(r.signal.resolution(mass))
        edges = window_edges(EDGES, position, sigma, half_width=window, bins_per_sigma=None)
        inside = (edges[0] < CENTRES) & (edges[1] > CENTRES)
        b, v = r.spectra.templates[0, inside].sum(), r.spectra.variances[0, inside].sum()
        share = weights[r.name] / sum(weights.values())
        mu_scale = unit * share * np.diff(norm.cdf(edges, position, sigma))[0]
        data.append(r.spectra.counts[inside].sum())
        channels.append(
            {
                "name": r.name,
                "samples": [
                    {
                        "name": "peak",
                        "data": [mu_scale],
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None},
                            {"name": "luminosity", "type": "normsys", "data": {"hi": 1.1, "lo": 1.0 / 1.1}},
                        ],
                    },
                    {
                        "name": "tau",
                        "data": [b],
                        "modifiers": [
                            {"name": "norm_tau", "type": "normsys", "data": {"hi": 1.1, "lo": 1.0 / 1.1}},
                            {"name": f"mc_{r.name}", "type": "shapesys", "data": [np.sqrt(v)]},
                        ],
                    },
                ],
            }
        )
    model = pyhf.Model({"channels": channels}, poi_name="mu", validate=False)
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-4))
    scan = pyhf.infer.intervals.upper_limits.toms748_scan
    observed, band = scan([*data, *model.config.auxdata], model, 0.0, 10.0, level=0.1, rtol=1e-6)
    return unit * float(observed), unit * np.array(band)


def test_template_combination_agrees_with_pyhf():
    """One bin a region: a normalisation and a source that both share, and their own simulated events."""
    regions = pair(seed=4)
    (row,) = scan_spectra(
        regions,
        masses=[2.0],
        sources=[Source(name="luminosity", efficiency=0.1)],
        method=Method(kind="templates", window=2.0, bins_per_sigma=0.1),
    ).points
    observed, band = pyhf_limits(regions, 2.0, 2.0, 10.0)
    assert row.n_sig_ul_obs == pytest.approx(observed, rel=2e-3)
    np.testing.assert_allclose([row.n_sig_ul_exp_m2, row.n_sig_ul_exp, row.n_sig_ul_exp_p2], band[[0, 2, 4]], rtol=2e-3)


def test_counting_combination_agrees_with_pyhf_and_one_region_stays_exact():
    regions = pair(seed=4, scale=5.0)
    no_pseudo_count = [
        replace(r, spectra=replace(r.spectra, variances=1e-3 * r.spectra.variances)) for r in regions
    ]  # then the floor of half an event is negligible
    setting = {"masses": [2.0], "method": COUNTING, "sources": [Source(name="luminosity", efficiency=0.1)]}
    (row,) = scan_spectra(no_pseudo_count, rng=np.random.default_rng(1), **setting).points
    assert row.method == "cls_asymptotic"
    observed, band = pyhf_limits(no_pseudo_count, 2.0, 2.0, 100.0)
    assert row.n_sig_ul_obs == pytest.approx(observed, rel=2e-3)
    assert row.n_sig_ul_exp == pytest.approx(band[2], rel=2e-3)
    (exact,) = scan_spectra(regions[:1], **setting).points
    assert exact.method == "cls_counting"
    with pytest.raises(InputError, match="needs random numbers"):
        scan_spectra(regions, **setting)


def test_few_counts_of_several_regions_have_limits_by_toys():
    regions = [replace(r, spectra=replace(r.spectra, counts=0.0 * r.spectra.counts)) for r in pair(scale=0.01)]
    settings = LimitSettings(method="auto", n_toys=2000)
    setting = {"method": COUNTING, "limits": settings, "rng": np.random.default_rng(3)}
    (row,) = scan_spectra(regions, masses=[2.0], **setting).points
    assert row.valid
    assert row.method == "cls_toys"
    assert "low_counts" in row.flags
    # no event in two windows that hold 95.45 % of the peak: 2.3 events
    assert row.n_sig_ul_obs == pytest.approx(2.303 / 0.9545, rel=0.15)


def test_region_without_simulated_background_is_left_out_and_said_so():
    ee, mumu = pair()
    empty = replace(mumu, spectra=replace(mumu.spectra, templates=np.zeros((1, CENTRES.size))))
    for method in (TEMPLATES, COUNTING):
        (row,) = scan_spectra([ee, empty], masses=[2.0], method=method, rng=np.random.default_rng(1)).points
        assert row.flags[-1] == "region_without_background"
        assert row.efficiency == pytest.approx(2.0 / 3.0 * 0.1)
    (alone,) = scan_spectra(ee, masses=[2.0], method=TEMPLATES).points
    (row,) = scan_spectra([ee, empty], masses=[2.0], method=TEMPLATES).points
    assert row.n_sig_ul_obs == pytest.approx(alone.n_sig_ul_obs, rel=1e-6)


def test_blinded_combination_shows_the_expectation_only():
    blind = [replace(r, spectra=replace(r.spectra, counts=None)) for r in pair()]
    (row,) = scan_spectra(blind, masses=[2.0], method=TEMPLATES).points
    assert "blinded" in row.flags
    assert row.n_sig_ul_obs == pytest.approx(row.n_sig_ul_exp, rel=1e-6)
    with pytest.raises(InputError, match=r"regions ee have no counts, the others do"):
        scan_spectra([blind[0], pair()[1]], masses=[2.0], method=TEMPLATES)


def test_sources_that_change_with_mass():
    regions = pair()

    def at(mass):
        return [Source(name="trigger", efficiency=0.1 * mass)]

    both = scan_spectra(regions, masses=[1.0, 3.0], method=SMOOTH, sources=at)
    for k, mass in enumerate((1.0, 3.0)):
        (same,) = scan_spectra(regions, masses=[mass], method=SMOOTH, sources=at(mass)).points
        assert both.points[k].n_sig_ul_obs == pytest.approx(same.n_sig_ul_obs, rel=1e-9)
    with pytest.raises(InputError, match=r"the sources at 3.0 GeV are other, those at 1.0 GeV it"):
        scan_spectra(
            regions,
            masses=[1.0, 3.0],
            method=SMOOTH,
            sources=lambda m: [Source(name="it" if m < 2.0 else "other", efficiency=0.1)],
        )


@pytest.mark.parametrize("uncertainty", [0.1, None])
def test_template_beside_a_polynomial_is_what_minuit_says(uncertainty):
    rng = np.random.default_rng(7)
    bump = 3000.0 * np.diff(norm.cdf(EDGES, 2.1, 0.05))
    model = signal(MASS, 0.2, 0.03, 0.004)
    counts = rng.poisson(30.0 + 5.0 * CENTRES + bump + 200.0 * model.fractions(2.0, EDGES)).astype(float)
    spectra = checked_spectra(counts, [bump], [0.0 * bump], (uncertainty,), EDGES, ("peaking",))
    one = ScanRegion(name="photon", spectra=spectra, signal=model)
    method = Method(kind="templates", background=BackgroundModel("chebyshev", 2), **WIDE)
    (ours,) = scan_spectra(one, masses=[2.0], method=method).points
    (theirs,) = scan_spectra(one, masses=[2.0], method=method, engine="minuit").points
    assert ours.n_sig == pytest.approx(theirs.n_sig, rel=1e-3)
    assert ours.n_sig_ul_obs == pytest.approx(theirs.n_sig_ul_obs, rel=1e-4)
    assert ours.n_sig_ul_exp == pytest.approx(theirs.n_sig_ul_exp, rel=1e-4)
    assert abs(ours.n_sig - 200.0) < 3.0 * ours.n_sig_error
    few = replace(one, spectra=replace(spectra, variances=0.5 * spectra.templates))
    (simulated,) = scan_spectra(few, masses=[2.0], method=method).points
    assert simulated.n_sig_error > ours.n_sig_error  # two events of the simulation for one of the data
    near = (CENTRES > 1.64) & (CENTRES < 2.36)
    n, b, s = counts[near], bump[near], model.fractions(2.0, EDGES)[near]
    assert (b + s).min() > 0.0  # the template alone expects 1e-10 events where there are many: poor, but possible

    def nll(p):
        nu = np.maximum(p[0] * s + p[1] * b, 1e-300)
        return float(np.sum(nu - n * np.log(nu)))

    left = replace(one, spectra=replace(spectra, uncertainties=(None,)))
    (without,) = scan_spectra(left, masses=[2.0], method=TEMPLATES).points
    best = optimize.minimize(nll, [2000.0, 1.4], method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-9})
    assert without.valid
    assert abs(without.n_sig - best.x[0]) < 0.2 * without.n_sig_error
    asimov = replace(one, spectra=replace(spectra, expectation=True))
    (blind,) = scan_spectra(asimov, masses=[2.0], method=method).points
    assert "blinded" in blind.flags


def test_windows_with_few_events_are_valid_rows_with_a_flag():
    regions = [replace(r, spectra=r.spectra.without_templates()) for r in pair(scale=0.004, seed=8, error=0.05)]
    masses, method = (
        np.linspace(0.26, 4.8, 40),
        Method(kind="smooth", background=BackgroundModel("bernstein", 1), **WIDE),
    )
    result = scan_spectra(regions, masses=masses, method=method, sources=SOURCES)
    assert result.column("valid").all()
    assert all("low_counts" in point.flags for point in result.points)
    assert np.all(result.column("n_sig_ul_obs") > 1.0)
    general = scan_spectra(regions, masses=masses[::8], method=method, sources=SOURCES, engine="newton")
    np.testing.assert_allclose(result.column("n_sig_ul_obs")[::8], general.column("n_sig_ul_obs"), rtol=1e-4)


def test_threshold_of_a_reduced_axis_is_a_mass_like_others():
    _, mumu = pair()
    at_threshold = replace(mumu, signal=signal(MUONS, 0.3, 0.02, low=0.2113))
    (row,) = scan_spectra(at_threshold, masses=[0.2113], method=SMOOTH).points
    assert row.valid
    assert row.resolution == 0.0
    assert row.window_lo == 0.2113


def zero(masses):
    return np.zeros(np.shape(masses))


def test_what_cannot_be_scanned_raises():
    ee, mumu = pair()
    setting = {"masses": [2.0], "method": SMOOTH}
    with pytest.raises(InputError, match=r"regions with different names, got \['ee', 'ee'\]"):
        scan_spectra([ee, ee], **setting)
    with pytest.raises(InputError, match=r"regions with different names, got \[\]"):
        scan_spectra([], **setting)
    with pytest.raises(InputError, match=r"must be between 0 and 1, got 2.0"):
        scan_spectra([ee, replace(mumu, branching_ratio=lambda _: 2.0)], **setting)
    with pytest.raises(InputError, match=r"no region sees a signal of 2.0 GeV"):
        scan_spectra([replace(r, branching_ratio=zero) for r in (ee, mumu)], **setting)
    with pytest.raises(InputError, match=r"outside the simulated range 0.25 to 4.9, 0.25 to 4.9"):
        scan_spectra([ee, mumu], **{**setting, "masses": [6.0]})
    with pytest.raises(InputError, match="'it' is in the region 'tau'; there are ee, mumu"):
        scan_spectra([ee, mumu], sources=[Source(name="it", efficiency=0.1, regions=("tau",))], **setting)
