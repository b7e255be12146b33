"""Sources of uncertainty in a scan: against pyhf, moving peaks, closed forms; limits by toys and integrals."""

from dataclasses import replace

import numpy as np
import pyhf
import pytest

from bumphunt.errors import InputError
from bumphunt.inference.counts.distribution import CountingModel
from bumphunt.inference.counts.feldman_cousins import feldman_cousins
from bumphunt.inference.counts.limit import counting_limit
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.settings import LimitSettings
from bumphunt.models.background import BackgroundModel
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Sample, region
from bumphunt.models.signal import SignalModel
from bumphunt.models.systematics import PeakPosition, PeakWidth
from bumphunt.scanning.counts import counting_window
from bumphunt.scanning.impacts import counting_impacts, impacts, impacts_at
from bumphunt.scanning.likelihoods import background_error, window_regions
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion, scan_masses
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sources import Source
from bumphunt.scanning.spectra import checked_spectra

EDGES = np.arange(-6.0, 100.0, 0.1)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])
SIGMA = 0.4
TEMPLATES = Method(kind="templates", window=5.0, bins_per_sigma=2.0)
SMOOTH = Method(kind="smooth", window=5.0, bins_per_sigma=2.0, background=BackgroundModel("bernstein", 2))
COUNTING = Method(kind="counting")


def signal_model(efficiency_error=0.0):
    """A normal peak of 0.4 GeV^2 at every mass, efficiency 10 %."""
    masses = np.linspace(0.5, 9.0, 10)
    return SignalModel(
        masses=masses,
        parameters=np.tile([0.0, SIGMA, 5.0, 3.0, 1.0, 1.0], (10, 1)),
        errors=np.zeros((10, 6)),
        efficiencies=np.full(10, 0.1),
        efficiency_errors=np.full(10, efficiency_error),
        support=(float(EDGES[0]), float(EDGES[-1])),
    )


def spectra(*, scale=1.0, errors=0.0, uncertainties=(0.1, 0.2), seed=3):
    templates = scale * np.array([60.0 * np.exp(-np.maximum(CENTRES, 0.0) / 30.0), 30.0 + 0.0 * CENTRES])
    counts = np.random.default_rng(seed).poisson(templates.sum(axis=0))
    return checked_spectra(counts, templates, errors * templates, uncertainties, EDGES, ("tau", "mu"))


def seen(spectra, signal, method, *, mass=4.0, sources=()):
    """What is looked at in one region at one mass."""
    return scan_masses([ScanRegion(name="all", spectra=spectra, signal=signal)], [mass], method, sources)[0]


def counted(spectra, signal, *, sources=()):
    """The counting window at 5 GeV."""
    return counting_window(seen(spectra, signal, COUNTING, mass=5.0).parts[0], COUNTING, sources)


def fitted(spectra, signal, method=TEMPLATES, *, mass=4.0, sources=()):
    """The region that is fitted at one mass."""
    (found,) = window_regions(seen(spectra, signal, method, mass=mass, sources=sources), method).regions
    return found


def run(method, spectra, *, signal, **setting):
    """A scan of one region."""
    return scan_spectra(ScanRegion(name="all", spectra=spectra, signal=signal), method=method, **setting)


SOURCES = (
    Source(name="trigger", efficiency=0.1, background={"tau": 0.1}),
    Source(name="shape", background_slope={"tau": 0.2}),
    Source(name="veto", efficiency=-0.05, background={"mu": 0.1}),
)


def pyhf_model(found, inside):
    """The same window, written down for pyhf from the numbers of the issue and not from the region."""
    edges = found.edges
    place = 2.0 * (0.5 * (edges[1:] + edges[:-1]) - edges[0]) / (edges[-1] - edges[0]) - 1.0

    def norm(name, relative):
        return {"name": name, "type": "normsys", "data": {"hi": 1.0 + relative, "lo": 1.0 / (1.0 + relative)}}

    tau, mu = inside.templates
    slope = {"hi_data": list(tau * (1.0 + 0.2 * place)), "lo_data": list(tau * (1.0 - 0.2 * place))}
    peak = signal_model().fractions(4.0, edges)
    samples = [
        {
            "name": "peak",
            "data": list(100.0 * peak),
            "modifiers": [
                {"name": "mu", "type": "normfactor", "data": None},
                norm("trigger", 0.1),
                norm("veto", -0.05),
            ],
        },
        {
            "name": "tau",
            "data": list(tau),
            "modifiers": [
                norm("norm_tau", 0.1),
                norm("trigger", 0.1),
                {"name": "shape", "type": "histosys", "data": slope},
            ],
        },
        {"name": "mu", "data": list(mu), "modifiers": [norm("norm_mu", 0.2), norm("veto", 0.1)]},
    ]
    model = pyhf.Model({"channels": [{"name": "window", "samples": samples}]}, poi_name="mu", validate=False)
    return model, [*found.counts, *model.config.auxdata]


def test_template_window_with_sources_agrees_with_pyhf():
    s = spectra()
    found = fitted(s, signal_model(), sources=SOURCES)
    model, data = pyhf_model(found, s.cut(found.edges))
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-4))
    ours = limit(found)
    best = pyhf.infer.mle.fit(data, model)
    # pyhf keeps mu >= 0; the data of this seed have an excess
    assert fit(found).n_sig == pytest.approx(100.0 * best[model.config.poi_index], rel=2e-3)
    scan = pyhf.infer.intervals.upper_limits.toms748_scan  # upper_limit(level=...) forgets the level
    observed, expected = scan(data, model, 0.0, 10.0, level=0.1, rtol=1e-6)
    assert ours.observed == pytest.approx(100.0 * float(observed), rel=1e-4)
    np.testing.assert_allclose(ours.expected, 100.0 * np.array(expected), rtol=1e-4)


def test_changes_that_differ_in_size_agree_with_pyhf():
    """pyhf's code4 of a normsys is our interpolation of a log-normal with both sides."""
    s = spectra(uncertainties=(0.0, 0.0))
    sources = [Source(name="veto", efficiency=(0.05, -0.12), background={"tau": (0.20, -0.06)})]
    found = fitted(s, signal_model(), sources=sources)
    tau, mu = s.cut(found.edges).templates

    def norm(up, down):
        return {"name": "veto", "type": "normsys", "data": {"hi": 1.0 + up, "lo": 1.0 + down}}

    free = {"name": "mu", "type": "normfactor", "data": None}
    peak = list(100.0 * signal_model().fractions(4.0, found.edges))
    samples = [
        {"name": "peak", "data": peak, "modifiers": [free, norm(0.05, -0.12)]},
        {"name": "tau", "data": list(tau), "modifiers": [norm(0.20, -0.06)]},
        {"name": "mu", "data": list(mu), "modifiers": []},
    ]
    model = pyhf.Model({"channels": [{"name": "window", "samples": samples}]}, poi_name="mu", validate=False)
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-4))
    scan = pyhf.infer.intervals.upper_limits.toms748_scan
    observed, expected = scan([*found.counts, *model.config.auxdata], model, 0.0, 10.0, level=0.1, rtol=1e-6)
    ours = limit(found)
    assert ours.observed == pytest.approx(100.0 * float(observed), rel=1e-4)
    np.testing.assert_allclose(ours.expected, 100.0 * np.array(expected), rtol=1e-4)
    even = limit(fitted(s, signal_model(), sources=[Source(name="veto", efficiency=0.05, background={"tau": 0.20})]))
    assert abs(even.observed / ours.observed - 1.0) > 2e-3


def test_smooth_windows_take_both_sides_of_an_efficiency():
    """The linear engine knows one number: such a window is left to the general one."""
    s = spectra(scale=5.0)
    even, uneven, wide = (
        run(SMOOTH, s, signal=signal_model(), masses=[4.0], sources=[Source(name="e", efficiency=change)]).points[0]
        for change in (0.1, (0.1, 1.0 / 1.1 - 1.0), (0.1, -0.3))
    )
    assert uneven.n_sig_ul_obs == pytest.approx(even.n_sig_ul_obs, rel=1e-3)  # smooth where it was exponential
    assert wide.n_sig_ul_obs > 1.01 * even.n_sig_ul_obs


def test_count_takes_the_larger_side():
    s = spectra(scale=0.1, uncertainties=(0.0, 0.0))
    uneven = counted(
        s, signal_model(), sources=[Source(name="e", efficiency=(0.02, -0.1), background={"mu": (0.3, 0.0)})]
    )
    even = counted(s, signal_model(), sources=[Source(name="e", efficiency=1.0 / 0.9 - 1.0, background={"mu": 0.3})])
    assert uneven.model() == even.model()


@pytest.mark.parametrize(
    ("source", "uncertainty"),
    [
        (Source(name="scale", signal_mean=0.3), PeakPosition("scale", 0.3 * SIGMA)),
        (Source(name="resolution", signal_width=0.15), PeakWidth("resolution", 0.15)),
    ],
)
def test_moved_peaks_are_those_of_a_peak_with_free_position_and_width(source, uncertainty):
    s = spectra(scale=5.0, uncertainties=(0.0, 0.0))
    found = fitted(s, signal_model(), sources=[source])
    inside = s.cut(found.edges)
    moving = region(
        "same",
        counts=inside.counts,
        edges=found.edges,
        signal=Sample("peak", gaussian(16.0, SIGMA), uncertainties=[uncertainty]),
        backgrounds=[Sample(name, t) for name, t in zip(inside.names, inside.templates, strict=True)],
    )
    # vertical against horizontal interpolation: they differ at second order in the shift
    assert limit(found).observed == pytest.approx(limit(moving).observed, rel=5e-3)


def test_spurious_signal_is_in_units_of_the_error_without_signal():
    s = spectra(scale=100.0)
    plain, faked = (
        fitted(s, signal_model(), sources=sources) for sources in ((), [Source(name="fake", spurious_signal=0.75)])
    )
    assert background_error(plain) == pytest.approx(fit(plain).n_sig_error, rel=0.02)
    assert fit(faked).n_sig_error / fit(plain).n_sig_error == pytest.approx(np.sqrt(1.0 + 0.75**2), rel=0.02)


def test_error_of_the_efficiency_is_a_source_of_every_fit():
    exact, poor = (limit(fitted(spectra(), signal_model(error))) for error in (0.0, 0.02))
    assert poor.observed > 1.005 * exact.observed


def test_counting_sources_add_in_quadrature_and_within_a_source_linearly():
    s = spectra(scale=0.1, uncertainties=(0.1, 0.0))
    sources = [Source(name="veto", efficiency=0.1, background={"tau": 0.2, "mu": 0.3})]
    found = counted(s, signal_model(0.005), sources=sources)
    low, high = np.searchsorted(EDGES, found.edges)
    tau, mu = s.templates[:, low:high].sum(axis=1)
    model = found.model()
    assert model.background == pytest.approx(tau + mu)
    assert model.background_sigma == pytest.approx(np.hypot(0.1 * tau, 0.2 * tau + 0.3 * mu))
    assert model.efficiency_sigma == pytest.approx(np.expm1(np.hypot(np.log1p(0.1), np.log1p(0.05))))
    (point,) = run(COUNTING, s, signal=signal_model(0.005), masses=[5.0], sources=sources).points
    same = CountingModel(
        background=tau + mu,
        background_sigma=np.hypot(0.1 * tau, 0.2 * tau + 0.3 * mu),
        efficiency_sigma=model.efficiency_sigma,
    )
    assert point.n_sig_ul_obs == pytest.approx(counting_limit(found.n_obs, same).observed / found.fraction, rel=1e-9)


def test_counting_width_and_mean_lower_the_fraction_of_a_peak_in_its_window():
    s = spectra(scale=0.1)
    source = Source(name="resolution", signal_width=0.2)
    found = counted(s, signal_model(), sources=[source])
    from scipy.special import erf

    half = 0.5 * np.ptp(found.edges) / SIGMA / np.sqrt(2.0)
    up, down = (erf(half / 1.2**sign) / erf(half) - 1.0 for sign in (1.0, -1.0))
    assert found.signal_shifts["resolution"] == pytest.approx(max((up, down), key=abs), rel=0.02)


def test_counting_impacts_are_the_derivatives_of_the_count():
    s = spectra(scale=1.0, uncertainties=(0.1, 0.0))
    sources = [Source(name="trigger", efficiency=0.1)]
    found = counted(s, signal_model(), sources=sources)
    table = counting_impacts(found)
    rows = {row.source: row for row in table.rows}
    assert set(rows) == {"norm_tau", "trigger"}
    assert rows["norm_tau"].n_sig_up == pytest.approx(-found.background_shifts["norm_tau"] / found.fraction)
    assert rows["trigger"].n_sig_up == pytest.approx(table.n_sig * (1.0 / 1.1 - 1.0))
    assert table.n_sig_error**2 == pytest.approx(table.statistical**2 + sum(row.n_sig_error**2 for row in table.rows))
    assert rows["norm_tau"].limit_exp > 0.0
    assert [row.n_sig_error for row in table.rows] == sorted((r.n_sig_error for r in table.rows), reverse=True)


def test_impacts_of_a_window_name_every_source():
    found = fitted(spectra(errors=0.01), signal_model(0.002), sources=SOURCES)
    table = impacts(found)
    names = {row.source for row in table.rows}
    assert names == {"trigger", "shape", "veto", "norm_tau", "norm_mu", "signal_statistics", "mc_4 GeV"}
    (trigger,) = (row for row in table.rows if row.source == "trigger")
    assert np.isfinite([trigger.n_sig_up, trigger.n_sig_down, trigger.limit_obs, trigger.limit_exp]).all()


def test_smooth_window_with_an_efficiency_scales_the_limit_as_a_template_window_does():
    s = checked_spectra(spectra(scale=4.0).counts, [], [], (), EDGES)
    plain, uncertain = (
        limit(fitted(s, signal_model(), SMOOTH, mass=5.0, sources=sources))
        for sources in ((), [Source(name="efficiency", efficiency=0.2)])
    )
    (channel,) = run(SMOOTH, s, signal=signal_model(), masses=[5.0]).points
    assert channel.n_sig_ul_obs == pytest.approx(plain.observed, rel=1e-5)  # the linear engine's own way
    assert uncertain.observed > 1.01 * plain.observed


def test_toys_replace_the_formulae_where_counts_are_low_and_do_not_depend_on_the_company():
    s = spectra(scale=0.005)
    settings = LimitSettings(method="auto", n_toys=300)

    def rows(masses):
        rng = np.random.default_rng(5)
        return run(TEMPLATES, s, signal=signal_model(), masses=masses, limits=settings, rng=rng).points

    first, second = rows([3.0, 4.0])
    assert first.method == second.method == "cls_toys"
    assert "low_counts" in first.flags
    assert rows([3.0])[0].n_sig_ul_obs == first.n_sig_ul_obs
    high = spectra()
    rng = np.random.default_rng(5)
    (point,) = run(TEMPLATES, high, signal=signal_model(), masses=[4.0], limits=settings, rng=rng).points
    assert point.method == "cls_asymptotic"
    assert "low_counts" not in point.flags


def test_bayesian_rows_name_their_prior():
    s = spectra(scale=0.3, uncertainties=(0.01, 0.01))
    for prior in ("flat", "1/sqrt"):
        settings = LimitSettings(method="bayesian", prior=prior)
        setting = {"signal": signal_model(), "masses": [4.0], "limits": settings}
        (fit_row,) = run(TEMPLATES, s, rng=np.random.default_rng(5), **setting).points
        (count_row,) = run(COUNTING, s, **setting).points
        assert fit_row.method == count_row.method == f"bayesian_{prior}"
        assert fit_row.valid
        assert np.isnan(fit_row.n_sig_ul_exp)
        assert count_row.n_sig_ul_exp_m2 < count_row.n_sig_ul_exp < count_row.n_sig_ul_exp_p2
        # a count in +-2 sigma and a fit of the same data cannot be far apart
        assert 0.5 < fit_row.n_sig_ul_obs / count_row.n_sig_ul_obs < 1.5


def test_feldman_cousins_rows_are_the_upper_ends_of_the_intervals():
    s, sources = spectra(scale=0.02), [Source(name="trigger", efficiency=0.1)]
    settings = LimitSettings(method="feldman-cousins", cl=0.95)
    (row,) = run(COUNTING, s, signal=signal_model(), masses=[5.0], sources=sources, limits=settings).points
    found = counted(s, signal_model(), sources=sources)
    assert (row.method, row.cl, row.valid, row.flags) == ("feldman_cousins", 0.95, True, ())
    interval = feldman_cousins(found.n_obs, found.model(), cl=0.95)
    assert row.n_sig_ul_obs == pytest.approx(interval.upper / found.fraction, rel=1e-9)
    (exact,) = run(COUNTING, s, signal=signal_model(), masses=[5.0], sources=sources).points
    assert (row.n_sig, row.p0, row.z0, row.q0) == (exact.n_sig, exact.p0, exact.z0, exact.q0)
    many = run(COUNTING, spectra(scale=40.0), signal=signal_model(), masses=[5.0], limits=settings).points[0]
    assert not many.valid
    assert many.flags == ("too_many_events",)
    assert np.isnan(many.n_sig_ul_obs)
    assert many.p0 > 0.0


def test_clsb_rows_are_the_limits_of_the_window_and_of_the_count_and_are_below_those_of_cls():
    s, settings = spectra(), LimitSettings(method="clsb")
    for method, name in ((TEMPLATES, "clsb_asymptotic"), (COUNTING, "clsb_counting")):
        (row,) = run(method, s, signal=signal_model(), masses=[5.0], limits=settings).points
        (cls,) = run(method, s, signal=signal_model(), masses=[5.0]).points
        assert (row.method, row.valid) == (name, True)
        assert row.n_sig_ul_obs < cls.n_sig_ul_obs
        assert row.n_sig_ul_exp < cls.n_sig_ul_exp
        assert (row.n_sig, row.p0) == (cls.n_sig, cls.p0)
    found = counted(s, signal_model())
    want = counting_limit(found.n_obs, found.model(), criterion="clsb").observed / found.fraction
    assert row.n_sig_ul_obs == pytest.approx(want, rel=1e-9)
    (row,) = run(TEMPLATES, s, signal=signal_model(), masses=[5.0], limits=settings).points
    window = fitted(s, signal_model(), mass=5.0)
    assert row.n_sig_ul_obs == pytest.approx(limit(window, method="clsb").observed, rel=1e-6)


def test_feldman_cousins_limits_are_refused_for_more_than_one_count():
    s, settings = spectra(), LimitSettings(method="feldman-cousins")
    with pytest.raises(InputError, match="got 1 regions and the method 'templates'"):
        run(TEMPLATES, s, signal=signal_model(), masses=[4.0], limits=settings)
    pair = [ScanRegion(name=name, spectra=s, signal=signal_model()) for name in ("a", "b")]
    with pytest.raises(InputError, match="got 2 regions and the method 'counting'"):
        scan_spectra(pair, masses=[4.0], method=COUNTING, limits=settings)


def test_limits_that_need_random_numbers_say_so():
    s = spectra()
    with pytest.raises(InputError, match="'toys' needs random numbers"):
        run(TEMPLATES, s, signal=signal_model(), masses=[4.0], limits=LimitSettings(method="toys"))


def test_impacts_at_a_mass_are_those_of_what_the_scan_looks_at_there():
    """By fits, by a count, and beyond the masses that have templates, where sources of samples move nothing."""
    few = Method(kind="templates", window=3.0, bins_per_sigma=1.0)
    s, limits = spectra(), LimitSettings()
    one = ScanRegion(name="all", spectra=s, signal=signal_model(0.002))
    table = impacts_at(one, mass=4.0, method=few, sources=SOURCES[:1], limits=limits)
    assert table == impacts(fitted(s, signal_model(0.002), few, sources=SOURCES[:1]))
    table = impacts_at(one, mass=5.0, method=COUNTING, sources=SOURCES[:1], limits=LimitSettings(method="auto"))
    assert table == counting_impacts(counted(s, signal_model(0.002), sources=SOURCES[:1]))
    both = replace(few, background=BackgroundModel("bernstein", 1), templates_below=4.5)
    below, above = (impacts_at(one, mass=m, method=both, sources=SOURCES, limits=limits) for m in (4.0, 5.0))
    assert {"trigger", "veto", "shape", "norm_tau"} < {row.source for row in below.rows}
    assert {row.source for row in above.rows} == {"trigger", "veto", "signal_statistics"}
    empty = replace(one, spectra=replace(s, templates=0.0 * s.templates))
    with pytest.raises(InputError, match=r"no simulated background reaches the window at 4.0 GeV"):
        impacts_at(empty, mass=4.0, method=few, limits=limits)


def test_smooth_background_stands_for_all_samples_above_a_mass():
    """Its rows are those of a fit with templates below, and of a smooth one above."""
    s = spectra(scale=4.0)
    both = replace(TEMPLATES, background=SMOOTH.background, templates_below=4.5)
    setting = {"signal": signal_model(0.002), "sources": SOURCES}
    below, above = run(both, s, masses=[4.0, 5.0], **setting).points
    assert below == run(replace(both, templates_below=np.inf), s, masses=[4.0], **setting).points[0]
    of_signal = [Source(name="trigger", efficiency=0.1), Source(name="veto", efficiency=-0.05)]
    assert above == run(SMOOTH, s, masses=[5.0], signal=signal_model(0.002), sources=of_signal).points[0]
    with pytest.raises(InputError, match="moves the sample 'tau'; there are none"):
        run(SMOOTH, s, masses=[5.0], **setting)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"method": "exact"},
            "one of 'asymptotic', 'toys', 'auto', 'clsb', 'bayesian', 'feldman-cousins', got 'exact'",
        ),
        ({"cl": 1.0}, r"1\.0"),
        ({"prior": "jeffreys"}, "must be 'flat' or '1/sqrt', got 'jeffreys'"),
        ({"n_toys": 0}, "must be positive, got 0"),
        ({"threshold": 0.0}, "must be positive, got 0.0"),
    ],
)
def test_impossible_limit_settings_raise(change, message):
    with pytest.raises(InputError, match=message):
        LimitSettings(**change)


def test_counting_refuses_what_only_a_fit_can_use():
    s = spectra()
    for source in (Source(name="it", spurious_signal=0.2), Source(name="it", background_slope={"tau": 0.1})):
        with pytest.raises(InputError, match="which a count cannot use: fit templates"):
            run(COUNTING, s, signal=signal_model(), masses=[4.0], sources=[source])
    with pytest.raises(InputError, match="limits on counts are exact"):
        run(COUNTING, s, signal=signal_model(), masses=[4.0], limits=LimitSettings(method="toys"))


def test_blinded_smooth_scan_shows_the_expectation_only():
    s = spectra()
    (nothing,) = run(SMOOTH, replace(s, counts=None), signal=signal_model(), masses=[4.0]).points
    assert "no_expectation" in nothing.flags  # a smooth background is determined by the data
    assert np.isnan(nothing.n_sig_ul_exp)
    assert not nothing.valid
    expected = replace(s, counts=s.templates.sum(axis=0), expectation=True)
    (point,) = run(SMOOTH, expected, signal=signal_model(), masses=[4.0]).points
    assert "blinded" in point.flags
    assert (point.q0, point.p0, point.z0) == (0.0, 0.5, 0.0)
