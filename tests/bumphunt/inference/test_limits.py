"""CLs limits against pyhf, against the other engine, and where they do not exist."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.inference.asymptotics import cls
from bumphunt.inference.fit import limit
from bumphunt.inference.limits import profile_limit
from bumphunt.inference.profile import Profile
from bumphunt.inference.settings import LimitSettings
from bumphunt.inference.upper_limit import cross_section, failed_limit
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import ControlRegion, Free, Gaussian

TWO_BINS = (1.01156939, [0.55988, 0.75702, 1.06235, 1.50117, 2.05079])
"""95 % CLs limit and band of pyhf's two-bin example (tests/test_validation.py, "2bin_1channel")."""


def two_bins():
    """Signal (12, 11), background (50 +- 3, 52 +- 7) with Poisson constraints: two more bins with tau = (b / db)^2."""
    backgrounds = []
    for k, (b, db) in enumerate([(50.0, 3.0), (52.0, 7.0)]):
        tau = (b / db) ** 2
        counted = ControlRegion(f"side{k}", tau, alpha=b / tau)
        backgrounds.append(Sample(f"b{k}", np.where(np.arange(2) == k, b, 0.0), uncertainties=[counted]))
    return region("two", counts=[51, 48], signal=[12.0, 11.0], backgrounds=backgrounds)


def described(counts, signal, templates, relative):
    """Templates with Gaussian normalisation uncertainties: free for None, fixed for 0."""
    backgrounds = []
    for k, (template, sigma) in enumerate(zip(templates, relative, strict=True)):
        constraint = [] if sigma == 0.0 else [Free(f"norm{k}") if sigma is None else Gaussian(f"norm{k}", sigma)]
        backgrounds.append(Sample(f"b{k}", template, uncertainties=constraint))
    return region("r", counts=counts, signal=signal, backgrounds=backgrounds)


@pytest.mark.parametrize("engine", ["linear", "newton", "minuit"])
def test_two_bin_reference(engine):
    upper = limit(two_bins(), cl=0.95, engine=engine)
    assert upper.observed == pytest.approx(TWO_BINS[0], rel=1e-5)
    np.testing.assert_allclose(upper.expected, TWO_BINS[1], rtol=1.5e-5)
    assert upper.valid
    assert upper.flags == ()


def random_templates(seed, n_bins, n_templates):
    """A random model in the form that pyhf and we share: templates with relative normalisation uncertainties."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 1.0, n_bins)
    signal = np.exp(-0.5 * ((x - 0.5) / 0.15) ** 2)
    templates = [rng.uniform(10.0, 60.0) * np.exp(-rng.uniform(-1.0, 2.0) * x) for _ in range(n_templates)]
    relative = rng.uniform(0.02, 0.2, size=n_templates)
    injected = rng.choice([0.0, 40.0]) * signal / signal.sum()
    counts = rng.poisson(np.sum(templates, axis=0) + injected).astype(float)
    return counts, signal / signal.sum(), np.array(templates), relative


def pyhf_model(signal, templates, relative, scale):
    import pyhf

    samples = [
        {
            "name": "signal",
            "data": list(scale * signal),
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
        }
    ]
    for k, (template, sigma) in enumerate(zip(templates, relative, strict=True)):
        # symmetric histosys: linear in its nuisance, T (1 + sigma alpha)
        data = {"lo_data": list(template * (1.0 - sigma)), "hi_data": list(template * (1.0 + sigma))}
        modifiers = [{"name": f"norm{k}", "type": "histosys", "data": data}]
        samples.append({"name": f"b{k}", "data": list(template), "modifiers": modifiers})
    return pyhf.Model({"channels": [{"name": "c", "samples": samples}]}, poi_name="mu", validate=False)


@pytest.mark.parametrize("seed", range(10))
def test_limits_and_band_are_those_of_pyhf(seed):
    import pyhf

    counts, signal, templates, relative = random_templates(seed, n_bins=4 + seed, n_templates=1 + seed % 3)
    ours = limit(described(counts, signal, templates, relative), cl=0.9)
    scale = float(ours.expected[2])
    model = pyhf_model(signal, templates, relative, scale)
    data = [*counts, *model.config.auxdata]
    # CLs of pyhf at our limits is 1 - cl, of the data and of each line of the band: the distance in the limit
    for index, value in enumerate([*ours.expected, ours.observed]):
        at, beyond = (
            np.append(band, observed)[index]
            for observed, band in (
                pyhf.infer.hypotest(factor * value / scale, data, model, test_stat="qtilde", return_expected_set=True)
                for factor in (1.0, 1.001)
            )
        )
        assert abs((at - 0.1) / (beyond - at)) * 1e-3 < 1e-4


def test_statistic_is_that_of_pyhf():
    import pyhf

    counts, signal, templates, relative = random_templates(21, 8, 2)
    model = pyhf_model(signal, templates, relative, 10.0)
    data = [*counts, *model.config.auxdata]
    profile = Profile(likelihood(described(counts, signal, templates, relative)))
    init, bounds, fixed = (
        model.config.suggested_init(),
        model.config.suggested_bounds(),
        model.config.suggested_fixed(),
    )
    for mu in (0.5, 2.0, 5.0):
        theirs = pyhf.infer.test_statistics.qmu_tilde(mu, data, model, init, bounds, fixed)
        assert profile.qmu_tilde(10.0 * mu) == pytest.approx(float(theirs), abs=2e-5)


def test_engines_agree_on_a_limit():
    r = described(*random_templates(33, 40, 3))
    ours, theirs = limit(r), limit(r, engine="minuit")
    assert ours.observed == pytest.approx(theirs.observed, rel=1e-4)
    np.testing.assert_allclose(ours.expected, theirs.expected, rtol=1e-4)


def test_band_rises_and_cls_at_the_limit_is_one_minus_cl():
    r = described(*random_templates(40, 20, 2))
    upper = limit(r, cl=0.9)
    assert np.all(np.diff(upper.expected) > 0.0)
    data = Profile(likelihood(r))
    q, a = (np.sqrt(profile.qmu_tilde(upper.observed)) for profile in (data, data.asimov()))
    assert cls(q, a) == pytest.approx(0.1, rel=1e-5)


def test_limit_of_a_large_background_is_gaussian():
    # one bin, b known: CLs of a Gaussian with sigma = sqrt(b), n = b: Phi^-1(1 - alpha / 2) sigma
    assert limit(described([1e8], [1.0], [[1e8]], (0.0,)), cl=0.9).observed == pytest.approx(1.644854 * 1e4, rel=1e-3)


def test_deficit_gives_a_limit_below_the_expected_one():
    _, signal, templates, relative = random_templates(8, 20, 1)
    low = limit(described(np.round(templates.sum(axis=0) - 15.0 * signal), signal, templates, relative))
    assert low.valid
    assert low.observed < low.expected[2]


def test_no_expected_band_on_request():
    upper = limit(two_bins(), cl=0.95, expected=False)
    assert np.isnan(upper.expected).all()
    assert upper.observed == pytest.approx(TWO_BINS[0], rel=1e-5)


def test_no_background_at_all_gives_the_asymptotic_value():
    # nu = s, n = 0: q = 2 s for data and Asimov set, CLs = Phi(-sqrt(2 s)) / 0.5 = 0.1 (the exact one is 2.303)
    upper = limit(described([0.0, 0.0], [0.5, 0.5], [], ()))
    assert upper.valid
    assert upper.observed == pytest.approx(1.644854**2 / 2.0, rel=1e-5)


@pytest.mark.parametrize("engine", ["linear", "newton"])
def test_confidence_below_a_half_is_found_below_the_best_fit(engine):
    # a large excess: at the best fit CLs is 1/2 already, so that the root of CLs = 0.7 lies below it, where q~mu = 0
    upper = limit(described([130.0], [1.0], [[100.0]], (0.0,)), cl=0.3, engine=engine)
    assert upper.valid
    assert 0.0 < upper.observed < 30.0
    a = np.sqrt(2.0 * (upper.observed - 100.0 * np.log1p(upper.observed / 100.0)))
    assert cls(0.0, a) == pytest.approx(0.7, rel=1e-6)


def test_failed_fit_is_an_invalid_limit_with_its_reason():
    template = [5.0, 6.0, 7.0]
    singular = described([5.0, 7.0, 8.0], [0.0, 1.0, 0.0], [template, template], (None, None))
    infeasible = described([5.0, 7.0], [0.0, 1.0], [[0.0, 4.0]], (0.1,))
    for r, flag in ((singular, "fit_singular"), (infeasible, "fit_infeasible")):
        for engine in ("linear", "newton"):
            upper = profile_limit(Profile(likelihood(r), engine))
            assert not upper.valid
            assert upper.flags == (flag,)
            assert np.isnan([upper.observed, *upper.expected]).all()


@pytest.mark.parametrize("cl", [0.0, 1.0, 90.0, np.nan])
def test_confidence_level_outside_its_range_raises(cl):
    with pytest.raises(InputError, match="between 0 and 1"):
        limit(two_bins(), cl=cl)


def test_settings_say_when_toys_are_taken():
    auto = LimitSettings(method="auto", threshold=5.0)
    assert [auto.takes_toys(core) for core in (4.9, 5.0, np.nan)] == [True, False, False]
    assert LimitSettings(method="toys").takes_toys(1e6)
    assert not LimitSettings().takes_toys(0.0)
    with pytest.raises(InputError, match="'auto' needs random numbers"):
        auto.checked_generator(None)
    assert LimitSettings().checked_generator(None) is None


def test_cross_section_divides_by_luminosity_and_efficiency():
    np.testing.assert_allclose(
        cross_section([2.3, np.nan], luminosity=0.276, efficiency=[0.1, 0.1]), [2.3 / 0.0276, np.nan]
    )
    assert cross_section(1.0, luminosity=1.0, efficiency=0.0) == np.inf


def test_cross_section_refuses_negative_input():
    with pytest.raises(InputError, match="luminosity must be positive, got -1"):
        cross_section(1.0, luminosity=-1.0, efficiency=0.1)
    with pytest.raises(InputError, match="efficiencies must not be negative"):
        cross_section(1.0, luminosity=1.0, efficiency=-0.1)


def test_failed_record_has_no_numbers():
    upper = failed_limit("cls_toys", 0.9, "no_root")
    assert (upper.valid, upper.flags) == (False, ("no_root",))
    assert np.isnan(upper.observed)
