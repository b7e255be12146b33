"""Uncertain yields on the linear engine against the general engines on the same regions, and closed forms."""

import numpy as np
import pytest

from bumphunt.engines.stacks import UncertainYield
from bumphunt.errors import InputError
from bumphunt.inference.batch import infer
from bumphunt.inference.fit import fit, limit
from bumphunt.inference.significance import significance
from bumphunt.likelihood.linear import Channel
from bumphunt.models.background import BackgroundModel, basis_cdf
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import LogNormal

EDGES = np.linspace(0.0, 1.0, 41)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])
ORDER = 2


def peak(width):
    heights = np.exp(-0.5 * ((CENTRES - 0.5) / width) ** 2)
    return heights / heights.sum()


def case(seed, *, share, level, sources, signal=0.0):
    """Return regions for the general engine, and channel and yields for the linear one, of the same data.

    `sources`: relative change of each region's yield by each cause.
    """
    rng, widths = np.random.default_rng(seed), (0.04, 0.06, 0.05)
    regions, counts, parts = [], [], []
    for k, f in enumerate(share):
        n = rng.poisson(level[k] * np.exp(-CENTRES) + signal * f * peak(widths[k])).astype(float)
        uncertain = [LogNormal(name, moved[k]) for name, moved in sources.items() if moved[k] != 0.0]
        shape = Sample("peak", f * peak(widths[k]), uncertainties=uncertain)
        background = Sample("smooth", BackgroundModel("bernstein", ORDER))
        regions.append(region(f"r{k}", counts=n, edges=EDGES, signal=shape, backgrounds=background))
        counts.append(n)
        parts.append(f * peak(widths[k]))
    r, b, k = len(share), CENTRES.size, ORDER + 1
    terms = np.diff(basis_cdf(BackgroundModel("bernstein", ORDER), EDGES, (0.0, 1.0)), axis=-1)
    templates, spread = np.zeros((r * k, r * b)), np.zeros((r, r * b))
    for i in range(r):
        templates[i * k : (i + 1) * k, i * b : (i + 1) * b] = terms * counts[i].sum() / k
        spread[i, i * b : (i + 1) * b] = parts[i]
    channel = Channel(
        counts=np.concatenate(counts),
        signal=spread.sum(axis=0),
        templates=templates,
        centres=np.ones(r * k),
        sigmas=np.full(r * k, np.inf),
    )
    return regions, channel, UncertainYield(parts=spread, responses=np.log1p(np.array(list(sources.values())).T))


ONE = {"share": [1.0], "level": [60.0]}
TWO = {"share": [0.4, 0.6], "level": [80.0, 30.0]}
CASES = [
    (ONE, {"efficiency": [0.05]}, 0.0),
    (ONE, {"efficiency": [0.2], "luminosity": [0.03], "statistics": [-0.04]}, 60.0),
    (ONE, {"efficiency": [0.4]}, 200.0),
    (TWO, {"luminosity": [0.03, 0.03]}, 0.0),
    (TWO, {"luminosity": [0.1, 0.1], "first": [0.08, 0.0], "second": [0.0, 0.15]}, 0.0),
    (TWO, {"luminosity": [0.02, 0.02], "first": [0.3, 0.0], "second": [0.0, 0.3]}, 150.0),
    (TWO, {"opposite": [0.2, -0.1], "first": [0.05, 0.0]}, 100.0),
    (
        {"share": [0.2, 0.5, 0.3], "level": [100.0, 30.0, 10.0]},
        {"l": [0.05, 0.05, 0.05], "a": [0.1, 0.0, 0.0], "b": [0.0, 0.1, 0.02]},
        50.0,
    ),
]


@pytest.mark.parametrize(("setting", "sources", "signal"), CASES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fits_and_limits_are_those_of_the_general_engine(setting, sources, signal, seed):
    regions, channel, yields = case(seed, sources=sources, signal=signal, **setting)
    (ours,) = infer([channel], yields=[yields])
    best, test, upper = fit(regions), significance(regions), limit(regions)
    assert best.engine == "newton"
    assert ours.failure is None
    assert ours.best.n_sig == pytest.approx(best.n_sig, rel=1e-4, abs=1e-3)
    assert ours.best.n_sig_error == pytest.approx(best.n_sig_error, rel=2e-3)
    q0 = 2.0 * (ours.null.nll - ours.best.nll) if ours.best.n_sig > 0.0 else 0.0
    assert q0 == pytest.approx(test.q0, rel=1e-5, abs=1e-6)
    assert ours.observed == pytest.approx(upper.observed, rel=1e-5)
    np.testing.assert_allclose(ours.expected, upper.expected, rtol=1e-5)


def test_minuit_agrees():
    regions, channel, yields = case(4, sources={"l": [0.1, 0.1], "a": [0.2, 0.0]}, signal=80.0, **TWO)
    (ours,) = infer([channel], yields=[yields])
    assert ours.observed == pytest.approx(limit(regions, engine="minuit", expected=False).observed, rel=1e-4)


def test_certain_yields_are_the_linear_model():
    _, channel, yields = case(5, sources={"none": [0.0, 0.0]}, **TWO)
    plain, uncertain = infer([channel, channel], yields=[None, yields])
    assert uncertain.observed == pytest.approx(plain.observed, rel=1e-9)
    np.testing.assert_allclose(uncertain.expected, plain.expected, rtol=1e-9)


def test_only_the_covariance_of_the_factors_matters():
    _, channel, apart = case(6, sources={"a": [0.3, 0.0], "b": [0.4, 0.0], "c": [0.0, 0.2]}, **TWO)
    together = np.array([[np.hypot(np.log(1.3), np.log(1.4)), 0.0], [0.0, np.log(1.2)]])
    one, other = infer([channel, channel], yields=[apart, UncertainYield(parts=apart.parts, responses=together)])
    assert one.observed == pytest.approx(other.observed, rel=1e-8)


def test_parts_and_responses_that_disagree_raise():
    with pytest.raises(InputError, match=r"must be \(R, B\) and \(R, Q\)"):
        UncertainYield(parts=np.ones((2, 5)), responses=np.ones((3, 1)))
