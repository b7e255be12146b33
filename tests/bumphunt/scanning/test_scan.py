"""Scans of spectra with known truth: grid, windows, planted peaks, blinding, broken fits."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.errors import InputError
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.inference.settings import LimitSettings, SignificanceSettings
from bumphunt.models.background import BackgroundModel
from bumphunt.models.signal import SignalModel
from bumphunt.scanning.grid import mass_grid
from bumphunt.scanning.likelihoods import window_regions
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion, scan_masses
from bumphunt.scanning.rows import ScanPoint
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sources import Source
from bumphunt.scanning.spectra import checked_spectra

EDGES = np.arange(-6.0, 100.0, 0.05)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])
SIGMA = 0.3
TEMPLATES, COUNTING = Method(kind="templates"), Method(kind="counting")


def gaussian_signal(tail_fraction=0.0):
    """A peak of 0.3 GeV^2 at every mass, efficiency 10 %."""
    masses = np.linspace(0.5, 9.0, 10)
    shape = [0.0, SIGMA, 5.0, 3.0, 1.0 - tail_fraction, 1.0]
    return SignalModel(
        masses=masses,
        parameters=np.tile(shape, (10, 1)),
        errors=np.zeros((10, 6)),
        efficiencies=np.full(10, 0.1),
        efficiency_errors=np.full(10, 0.002),
        support=(float(EDGES[0]), float(EDGES[-1])),
    )


def run(method, counts, templates, variances, relative_uncertainties, edges, *, signal, names=None, **setting):
    """A scan of one region."""
    spectra = checked_spectra(counts, templates, variances, relative_uncertainties, edges, names)
    return scan_spectra(ScanRegion(name="all", spectra=spectra, signal=signal), method=method, **setting)


def run_smooth(counts, edges, background, *, signal, masses, **windows):
    method = Method(kind="smooth", background=background, **windows)
    return run(method, counts, [], [], (), edges, signal=signal, masses=masses)


def backgrounds(scale=1.0):
    templates = scale * np.array([40.0 * np.exp(-np.maximum(CENTRES, 0.0) / 20.0), 20.0 + 0.0 * CENTRES])
    return templates, 0.02 * templates


def test_grid_steps_are_half_a_resolution_in_the_squared_mass():
    grid = mass_grid(1.0, 8.0, gaussian_signal())
    np.testing.assert_allclose(np.diff(grid**2), 0.5 * SIGMA, rtol=1e-9)
    assert grid[0] == 1.0
    assert 64.0 - grid[-1] ** 2 < 0.5 * SIGMA


@pytest.mark.parametrize(("low", "high", "step"), [(2.0, 1.0, 0.5), (1.0, 2.0, 0.0), (0.1, 2.0, 0.5), (1.0, 20.0, 0.5)])
def test_impossible_grids_raise(low, high, step):
    with pytest.raises(InputError, match=r"mass grid|outside the simulated range"):
        mass_grid(low, high, gaussian_signal(), step=step)


def test_planted_peak_is_found_where_and_as_large_as_it_is():
    templates, variances = backgrounds()
    signal = gaussian_signal()
    rng = np.random.default_rng(17)
    counts = rng.poisson(templates.sum(axis=0) + 250.0 * signal.fractions(4.0, EDGES))
    masses = mass_grid(2.0, 6.0, signal)
    result = run(TEMPLATES, counts, templates, variances, (None, 0.1), EDGES, signal=signal, masses=masses)
    best = result.most_significant
    assert best is not None
    assert abs(best.mass - 4.0) < 2.0 * SIGMA / 8.0
    assert abs(best.n_sig - 250.0) < 3.0 * best.n_sig_error
    assert best.z0 > 5.0
    assert best.n_sig_ul_obs > best.n_sig_ul_exp_p2
    assert result.column("valid").all()
    assert list(result.columns()) == list(ScanPoint.__dataclass_fields__)


def test_scan_of_background_has_flat_p_values():
    templates, variances = backgrounds()
    rng = np.random.default_rng(23)
    signal = gaussian_signal()
    masses = np.sqrt(np.arange(4.0, 80.0, 6.0))  # windows that share few bins
    z = []
    for _ in range(8):
        counts = rng.poisson(templates.sum(axis=0))
        result = run(TEMPLATES, counts, templates, 0.0 * variances, (0.0, 0.0), EDGES, signal=signal, masses=masses)
        z.extend(np.sign(result.column("n_sig")) * result.column("z0"))
    assert np.mean(np.array(z) > 0.0) == pytest.approx(0.5, abs=0.15)
    assert np.mean(np.array(z) > 1.0) == pytest.approx(0.159, abs=0.1)


def test_engines_give_the_same_rows():
    templates, variances = backgrounds()
    counts = np.random.default_rng(2).poisson(templates.sum(axis=0))
    arguments = (counts, templates, variances, (None, 0.1), EDGES)
    method, masses = Method(kind="templates", window=5.0, bins_per_sigma=2.0), [2.0, 5.0]
    ours = run(method, *arguments, signal=gaussian_signal(), masses=masses)
    theirs = run(method, *arguments, signal=gaussian_signal(), masses=masses, engine="minuit")
    for name in ("n_sig_ul_obs", "n_sig_ul_exp_m2", "n_sig_ul_exp_p2"):
        np.testing.assert_allclose(ours.column(name), theirs.column(name), rtol=1e-4)
    np.testing.assert_allclose(ours.column("q0"), theirs.column("q0"), atol=2e-6)


@pytest.mark.parametrize("method", [TEMPLATES, COUNTING])
def test_blinded_rows_hold_only_expectation(method):
    templates, variances = backgrounds()
    result = run(method, None, templates, variances, (0.1, 0.1), EDGES, signal=gaussian_signal(), masses=[3.0])
    (point,) = result.points
    assert "blinded" in point.flags
    assert point.n_sig_ul_obs == pytest.approx(point.n_sig_ul_exp, rel=1e-6)
    assert (point.q0, point.p0, point.z0) == (0.0, 0.5, 0.0)
    assert point.n_obs == pytest.approx(point.n_bkg)
    assert abs(point.n_sig) < 1e-6


def test_counting_row_is_the_counting_limit_over_the_fraction():
    templates, variances = backgrounds(0.02)
    counts = np.random.default_rng(4).poisson(templates.sum(axis=0))
    (point,) = run(
        COUNTING, counts, templates, 0.0 * variances, (0.0, 0.0), EDGES, signal=gaussian_signal(), masses=[5.0]
    ).points
    inside = (CENTRES > 25.0 - 0.6) & (CENTRES < 25.0 + 0.6)
    b = templates[:, inside].sum()
    assert point.n_obs == counts[inside].sum()
    assert point.n_bkg == pytest.approx(b)
    model = CountingModel(background=b, efficiency_sigma=0.02)
    want = counting_limit(counts[inside].sum(), model).observed / 0.9545
    assert point.n_sig_ul_obs == pytest.approx(want, rel=1e-3)
    assert point.n_sig == pytest.approx((point.n_obs - b) / 0.9545, rel=1e-3)
    assert (point.window_lo, point.window_hi) == pytest.approx((np.sqrt(24.4), np.sqrt(25.6)))


def test_statistical_error_of_templates_weakens_the_limit():
    templates, variances = backgrounds(0.5)
    counts = np.random.default_rng(4).poisson(templates.sum(axis=0))
    for method in (TEMPLATES, COUNTING):
        exact, poor = (
            run(method, counts, templates, v, (0.05, 0.05), EDGES, signal=gaussian_signal(), masses=[5.0]).points[0]
            for v in (0.0 * variances, 400.0 * variances)
        )
        assert poor.n_sig_ul_exp > exact.n_sig_ul_exp


def test_low_counts_are_flagged_and_no_background_handled():
    templates, variances = backgrounds(0.001)
    counts = np.zeros(CENTRES.size)
    arguments = {"signal": gaussian_signal(), "masses": [5.0]}
    (low,) = run(TEMPLATES, counts, templates, variances, (0.1, 0.1), EDGES, **arguments).points
    assert "low_counts" in low.flags
    assert low.valid
    (none,) = run(TEMPLATES, counts, np.zeros((0, CENTRES.size)), [], (), EDGES, **arguments).points
    assert none.valid
    assert "no_background" in none.flags
    (counted,) = run(
        COUNTING, counts, np.zeros((1, CENTRES.size)), np.zeros((1, CENTRES.size)), (0.2,), EDGES, **arguments
    ).points
    assert counted.valid
    assert counted.n_sig_ul_obs == pytest.approx(2.302585 / 0.9545, rel=1e-2)


def test_broken_fit_is_a_row_without_numbers():
    templates, variances = backgrounds()
    twice = np.vstack([templates[1], templates[1]])  # two free copies of one template: no unique fit
    counts = np.random.default_rng(1).poisson(templates.sum(axis=0))
    result = run(
        TEMPLATES,
        counts,
        twice,
        np.vstack([variances[1]] * 2),
        (None, None),
        EDGES,
        signal=gaussian_signal(),
        masses=[3.0, 4.0],
    )
    assert len(result) == 2
    assert result.column("flags").tolist() == ["fit_singular", "fit_singular"]
    assert not result.column("valid").any()
    for name in ("n_sig_ul_obs", "n_sig_ul_exp", "n_sig", "n_bkg", "q0", "p0", "z0"):
        assert np.isnan(result.column(name)).all()
    assert result.column("mass").tolist() == [3.0, 4.0]
    assert result.most_significant is None


def test_data_without_any_background_model_are_an_invalid_row():
    counts = np.ones(CENTRES.size)
    (point,) = run(
        TEMPLATES,
        counts,
        np.zeros((1, CENTRES.size)),
        np.zeros((1, CENTRES.size)),
        (0.1,),
        EDGES,
        signal=gaussian_signal(),
        masses=[3.0],
    ).points
    assert not point.valid
    assert "fit_infeasible" in point.flags


def test_events_without_a_background_model_are_taken_for_signal():
    signal = gaussian_signal(tail_fraction=0.2)
    counts = np.random.default_rng(3).poisson(6.0 * signal.fractions(3.0, EDGES))
    none = np.zeros((1, CENTRES.size))
    (point,) = run(TEMPLATES, counts, none, none, (0.1,), EDGES, signal=signal, masses=[3.0]).points
    assert point.valid
    assert {"no_background", "no_significance"} <= set(point.flags)
    assert point.n_sig == pytest.approx(counts.sum(), rel=0.05)
    assert point.n_sig_ul_obs > point.n_sig
    assert point.n_bkg == 0.0
    assert np.isnan([point.q0, point.p0, point.z0]).all()


@pytest.mark.parametrize("n", [0, 3])
def test_window_without_background_is_counted_unless_formulae_are_wanted(n):
    counts, none = np.zeros(CENTRES.size), np.zeros((1, CENTRES.size))
    counts[np.searchsorted(EDGES, 9.0)] = n
    setting = {"signal": gaussian_signal(), "masses": [3.0], "rng": np.random.default_rng(1)}
    exact = counting_limit(n, CountingModel(background=0.0)).observed
    for method, name in (("auto", "cls_counting"), ("bayesian", "bayesian_flat"), ("asymptotic", "cls_asymptotic")):
        limits = LimitSettings(method=method)
        (point,) = run(TEMPLATES, counts, none, none, (0.1,), EDGES, limits=limits, **setting).points
        assert (point.method, point.valid) == (name, True)
        assert {"no_background", "low_counts"} <= set(point.flags)
        if method != "asymptotic":
            assert point.n_sig_ul_obs == pytest.approx(exact, rel=1e-3)  # all of the peak is in the window


@pytest.mark.parametrize("method", [TEMPLATES, Method(kind="smooth", background=BackgroundModel("bernstein", 1))])
@pytest.mark.parametrize("source", [(), (Source(name="luminosity", efficiency=0.05),)])
def test_auto_never_trusts_formulae_in_rows_of_low_counts(method, source):
    # from no background to forty events in the core, the threshold in between
    level = np.interp(CENTRES, [4.0, 60.0], [0.0, 0.7])
    counts = np.random.default_rng(4).poisson(level)
    limits, met = LimitSettings(method="auto", n_toys=40), set()
    setting = {"limits": limits, "rng": np.random.default_rng(1), "sources": source}
    setting |= {"signal": gaussian_signal(), "masses": np.sqrt(np.linspace(6.0, 60.0, 16))}
    result = run(method, counts, level[None], 1e-3 * level[None], (0.05,), EDGES, **setting)
    for point in result.points:
        low = "low_counts" in point.flags
        assert point.method == ("cls_toys" if low else "cls_asymptotic") or "no_background" in point.flags
        met.add(low)
    assert met == {True, False}


SMOOTH = Method(kind="smooth", background=BackgroundModel("bernstein", 3))


@pytest.mark.parametrize("events", [[], [25.1], [16.0, 24.9, 25.2, 40.0]])
def test_smooth_search_among_few_events_has_limits_and_p0_from_toys(events):
    setting = {
        "limits": LimitSettings(method="auto", n_toys=200),
        "significance": SignificanceSettings(method="auto", n_toys=200),
        "rng": np.random.default_rng(2),
    }
    counts = np.histogram(events, EDGES)[0].astype(float)
    (point,) = run(SMOOTH, counts, [], [], (), EDGES, signal=gaussian_signal(), masses=[5.0], **setting).points
    assert (point.valid, point.method) == (True, "cls_toys")
    assert "low_counts" in point.flags
    assert 0.0 < point.n_sig_ul_obs_error < 0.2 * point.n_sig_ul_obs
    assert point.n_sig_ul_exp_error > 0.0
    assert np.log(10.0) - 4.0 * point.n_sig_ul_obs_error < point.n_sig_ul_obs < 10.0
    if events:
        assert 0.0 < point.p0_error < 0.3 * point.p0
        assert point.z0 == pytest.approx(stats.norm.isf(point.p0), rel=1e-9)
    else:
        assert abs(point.n_sig_ul_obs - np.log(10.0)) < 4.0 * point.n_sig_ul_obs_error
        assert (point.p0, point.z0, point.p0_error) == (1.0, 0.0, 0.0)


def test_p0_needs_random_numbers_unless_the_formulae_are_asked():
    asked = {"significance": SignificanceSettings(method="auto"), "signal": gaussian_signal(), "masses": [5.0]}
    with pytest.raises(InputError, match="'auto' needs random numbers"):
        run(SMOOTH, np.zeros(CENTRES.size), [], [], (), EDGES, **asked)


def test_rows_do_not_depend_on_what_is_scanned_with_them():
    templates, variances = backgrounds(0.1)
    counts = np.random.default_rng(8).poisson(templates.sum(axis=0))
    masses = np.linspace(0.6, 8.8, 70)  # more than a block

    def rows(some):
        return run(TEMPLATES, counts, templates, variances, (None, 0.1), EDGES, signal=gaussian_signal(), masses=some)

    together = rows(masses)
    for index in (0, 63, 64, 69):
        (alone,) = rows(masses[index : index + 1]).points
        assert alone.flags == together.points[index].flags
        for name in ("n_sig", "q0", "n_bkg", "n_sig_ul_obs", "n_sig_ul_exp_m2", "n_sig_ul_exp_p2"):
            assert getattr(together.points[index], name) == pytest.approx(getattr(alone, name), rel=1e-6, abs=1e-9)


def test_smooth_scan_finds_a_planted_peak_over_an_unknown_background():
    templates, _ = backgrounds()
    signal = gaussian_signal()
    counts = np.random.default_rng(17).poisson(templates.sum(axis=0) + 300.0 * signal.fractions(4.0, EDGES))
    masses = mass_grid(3.0, 5.0, signal)
    best = [
        run_smooth(counts, EDGES, BackgroundModel(family, 3), signal=signal, masses=masses).most_significant
        for family in ("bernstein", "chebyshev")
    ]
    assert abs(best[0].mass - 4.0) < 2.0 * SIGMA / 8.0
    assert abs(best[0].n_sig - 300.0) < 3.0 * best[0].n_sig_error
    assert best[0].flags == ()
    for name in ("mass", "n_sig", "q0", "n_bkg", "n_sig_ul_obs", "n_sig_ul_exp_p2"):  # polynomials span the same space
        assert getattr(best[1], name) == pytest.approx(getattr(best[0], name), rel=1e-5)


def test_smooth_scan_of_few_events_is_flagged():
    counts = np.random.default_rng(1).poisson(0.02, size=CENTRES.size)
    result = run_smooth(counts, EDGES, BackgroundModel("bernstein", 2), signal=gaussian_signal(), masses=[3.0, 6.0])
    assert all("low_counts" in point.flags for point in result.points)


def test_smooth_scan_with_the_exponential_of_a_polynomial_agrees_with_polynomials():
    templates, _ = backgrounds()
    signal = gaussian_signal()
    counts = np.random.default_rng(19).poisson(templates.sum(axis=0) + 200.0 * signal.fractions(4.0, EDGES))
    (exponential,), (polynomial,) = (
        run_smooth(counts, EDGES, BackgroundModel(family, 3), signal=signal, masses=[4.0]).points
        for family in ("exponential", "bernstein")
    )
    assert exponential.valid
    assert exponential.n_sig == pytest.approx(polynomial.n_sig, abs=0.1 * polynomial.n_sig_error)
    assert exponential.n_sig_ul_obs == pytest.approx(polynomial.n_sig_ul_obs, rel=0.02)


def test_smooth_scan_with_more_terms_than_bins_raises():
    with pytest.raises(InputError, match=r"window at 3.0 GeV has 2 bins, too few for a peak and 4 terms"):
        run_smooth(
            np.ones(CENTRES.size),
            EDGES,
            BackgroundModel("bernstein", 3),
            signal=gaussian_signal(),
            masses=[3.0],
            window=1.0,
            bins_per_sigma=1.0,
        )


def test_bins_of_few_simulated_events_are_joined():
    rng = np.random.default_rng(2)
    simulated = rng.poisson(1.0, CENTRES.size)  # one event a bin, of weight 0.1
    counts = rng.poisson(0.1, CENTRES.size)
    spectra = checked_spectra(counts, 0.1 * simulated[None], 0.01 * simulated[None], (0.1,), EDGES)
    one = ScanRegion(name="all", spectra=spectra, signal=gaussian_signal())
    (found,) = window_regions(scan_masses([one], [5.0], TEMPLATES)[0], TEMPLATES).regions
    events = np.asarray(found.backgrounds[0].shape) / 0.1
    assert events.min() >= 4.0
    assert np.median(events) < 8.0
    inside = (found.edges[0] < CENTRES) & (found.edges[-1] > CENTRES)
    assert events.sum() == pytest.approx(simulated[inside].sum())
    assert found.counts.sum() == counts[inside].sum()


def test_empty_background_bins_are_joined_to_a_neighbour():
    templates, variances = backgrounds()
    holes = templates.copy()
    holes[:, 700:720] = 0.0
    counts = np.random.default_rng(5).poisson(templates.sum(axis=0))
    mass = float(np.sqrt(EDGES[705]))
    (point,) = run(
        TEMPLATES, counts, holes, variances, (0.1, 0.1), EDGES, signal=gaussian_signal(), masses=[mass]
    ).points
    assert point.valid


def test_progress_is_called_once_a_mass():
    templates, variances = backgrounds()
    calls = []
    run(
        COUNTING,
        None,
        templates,
        variances,
        (0.1, 0.1),
        EDGES,
        signal=gaussian_signal(),
        masses=[3.0, 4.0],
        progress=lambda: calls.append(1),
    )
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": np.full(CENTRES.size, -1.0)}, r"counts must be finite and not negative, found -1.0"),
        ({"counts": np.full(CENTRES.size, np.nan)}, "counts must be finite and not negative, found nan"),
        ({"counts": np.zeros(3)}, "want counts"),
        ({"relative_uncertainties": (0.1,)}, "as many relative uncertainties, got 1"),
        ({"relative_uncertainties": (0.1, -0.2)}, "relative uncertainties must be numbers >= 0"),
        ({"edges": EDGES[::-1]}, "must rise"),
        ({"masses": [20.0]}, r"mass 20.0 GeV is outside the simulated range"),
    ],
)
def test_bad_input_raises_with_the_value(change, message):
    templates, variances = backgrounds()
    arguments = {
        "counts": np.zeros(CENTRES.size),
        "templates": templates,
        "variances": variances,
        "relative_uncertainties": (0.1, 0.1),
        "edges": EDGES,
        "signal": gaussian_signal(),
        "masses": [3.0],
    }
    with pytest.raises(InputError, match=message):
        run(TEMPLATES, **{**arguments, **change})


def test_counting_without_an_uncertainty_raises():
    templates, variances = backgrounds()
    with pytest.raises(InputError, match="got None"):
        run(COUNTING, None, templates, variances, (None, 0.1), EDGES, signal=gaussian_signal(), masses=[3.0])


def test_unknown_column_raises():
    templates, variances = backgrounds()
    result = run(COUNTING, None, templates, variances, (0.1, 0.1), EDGES, signal=gaussian_signal(), masses=[3.0])
    with pytest.raises(InputError, match="no column 'limit'"):
        result.column("limit")
