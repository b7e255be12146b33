"""CLs limits against pyhf, against the other engine, and where they do not exist."""

import numpy as np
import pytest

from bumphunt.engines import minuit
from bumphunt.engines.linear import fit_channel
from bumphunt.errors import FitError, InputError
from bumphunt.inference.asymptotics import cls
from bumphunt.inference.limits import ProfiledFits, asymptotic_limit, bracketed_root, cross_section, failed_limit
from bumphunt.likelihood.linear import Channel, template_channel

TWO_BINS = (1.01156939, [0.55988, 0.75702, 1.06235, 1.50117, 2.05079])
"""95 % CLs limit and band of pyhf's two-bin example (tests/test_validation.py, "2bin_1channel")."""


def two_bins():
    """Signal (12, 11), background (50 +- 3, 52 +- 7) with Poisson constraints: two more bins with tau = (b / db)^2."""
    tau = np.array([50.0 / 3.0, 52.0 / 7.0]) ** 2
    return Channel(
        counts=np.array([51.0, 48.0, *tau]),
        signal=np.array([12.0, 11.0, 0.0, 0.0]),
        templates=np.array([[50.0, 0.0, tau[0], 0.0], [0.0, 52.0, 0.0, tau[1]]]),
        centres=np.ones(2),
        sigmas=np.full(2, np.inf),
    )


@pytest.mark.parametrize("fitter", [fit_channel, minuit.fit_channel])
def test_two_bin_reference(fitter):
    limit = asymptotic_limit(two_bins(), cl=0.95, fitter=fitter)
    assert limit.observed == pytest.approx(TWO_BINS[0], rel=1e-5)
    np.testing.assert_allclose(limit.expected, TWO_BINS[1], rtol=1.5e-5)
    assert limit.valid
    assert limit.flags == ()


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
    channel = template_channel(counts, signal, templates, relative)
    ours = asymptotic_limit(channel, cl=0.9)
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
    fits = ProfiledFits(template_channel(counts, signal, templates, relative), fit_channel)
    init, bounds, fixed = (
        model.config.suggested_init(),
        model.config.suggested_bounds(),
        model.config.suggested_fixed(),
    )
    for mu in (0.5, 2.0, 5.0):
        theirs = pyhf.infer.test_statistics.qmu_tilde(mu, data, model, init, bounds, fixed)
        assert fits.qmu_tilde(10.0 * mu) == pytest.approx(float(theirs), abs=2e-5)


def test_engines_agree_on_a_limit():
    channel = template_channel(*random_templates(33, 40, 3))
    ours, theirs = asymptotic_limit(channel), asymptotic_limit(channel, fitter=minuit.fit_channel)
    assert ours.observed == pytest.approx(theirs.observed, rel=1e-4)
    np.testing.assert_allclose(ours.expected, theirs.expected, rtol=1e-4)


def test_band_rises_and_cls_at_the_limit_is_one_minus_cl():
    channel = template_channel(*random_templates(40, 20, 2))
    limit = asymptotic_limit(channel, cl=0.9)
    assert np.all(np.diff(limit.expected) > 0.0)
    data = ProfiledFits(channel, fit_channel)
    asimov = ProfiledFits(channel.asimov(0.0, data.at(0.0).background), fit_channel)
    q, a = (np.sqrt(f.qmu_tilde(limit.observed)) for f in (data, asimov))
    assert cls(q, a) == pytest.approx(0.1, rel=1e-5)


def test_limit_of_a_large_background_is_gaussian():
    # one bin, b known: CLs of a Gaussian with sigma = sqrt(b), n = b: Phi^-1(1 - alpha / 2) sigma
    channel = template_channel([1e8], [1.0], [[1e8]], (0.0,))
    assert asymptotic_limit(channel, cl=0.9).observed == pytest.approx(1.644854 * 1e4, rel=1e-3)


def test_deficit_gives_a_limit_below_the_expected_one():
    _, signal, templates, relative = random_templates(8, 20, 1)
    low = template_channel(np.round(templates.sum(axis=0) - 15.0 * signal), signal, templates, relative)
    limit = asymptotic_limit(low)
    assert limit.valid
    assert limit.observed < limit.expected[2]


def test_no_expected_band_on_request():
    limit = asymptotic_limit(two_bins(), cl=0.95, expected=False)
    assert np.isnan(limit.expected).all()
    assert limit.observed == pytest.approx(TWO_BINS[0], rel=1e-5)


def test_no_background_at_all_gives_the_asymptotic_value():
    # nu = s, n = 0: q = 2 s for data and Asimov set, CLs = Phi(-sqrt(2 s)) / 0.5 = 0.1 (the exact one is 2.303)
    channel = template_channel([0.0, 0.0], [0.5, 0.5], np.empty((0, 2)), ())
    limit = asymptotic_limit(channel)
    assert limit.valid
    assert limit.observed == pytest.approx(1.644854**2 / 2.0, rel=1e-5)


def test_failed_fit_is_an_invalid_limit_with_its_reason():
    template = [5.0, 6.0, 7.0]
    singular = template_channel([5.0, 7.0, 8.0], [0.0, 1.0, 0.0], [template, template], (None, None))
    infeasible = template_channel([5.0, 7.0], [0.0, 1.0], [[0.0, 4.0]], (0.1,))
    for channel, flag in ((singular, "fit_singular"), (infeasible, "fit_infeasible")):
        limit = asymptotic_limit(channel)
        assert not limit.valid
        assert limit.flags == (flag,)
        assert np.isnan([limit.observed, *limit.expected]).all()


def test_root_that_does_not_exist_raises():
    with pytest.raises(FitError, match="no root below"):
        bracketed_root(lambda x: 1.0, 0.0, 1.0)
    with pytest.raises(FitError, match="positive is needed"):
        bracketed_root(lambda x: -1.0, 0.0, 1.0)
    with pytest.raises(FitError, match="NaN"):
        bracketed_root(lambda x: 1.0 if x == 0.0 else np.nan, 0.0, 1.0)


def test_root_at_the_lower_end_is_found():
    assert bracketed_root(lambda x: -x, 0.0, 1.0) == 0.0


@pytest.mark.parametrize("cl", [0.0, 1.0, 90.0, np.nan])
def test_confidence_level_outside_its_range_raises(cl):
    with pytest.raises(InputError, match="between 0 and 1"):
        asymptotic_limit(two_bins(), cl=cl)


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
    limit = failed_limit("cls_toys", 0.9, "no_root")
    assert (limit.valid, limit.flags) == (False, ("no_root",))
    assert np.isnan(limit.observed)
