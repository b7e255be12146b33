import numpy as np
import pytest
from scipy.stats import binom, norm, poisson

import bumphunt as bh
from bumphunt.errors import InputError

FALLING = 100.0 * np.exp(-np.arange(60) / 15.0)


def test_bump_is_the_least_probable_window_of_all() -> None:
    counts = np.random.default_rng(3).poisson(FALLING)
    counts[20:23] += 25
    found = bh.bump_hunt(counts, FALLING, rng=np.random.default_rng(1), n_toys=500)
    p = {
        (k, k + w): poisson.sf(counts[k : k + w].sum() - 1, FALLING[k : k + w].sum())
        for w in range(1, 31)
        for k in range(60 - w + 1)
        if counts[k : k + w].sum() > FALLING[k : k + w].sum()
    }
    best = min(p, key=lambda window: p[window])
    assert (found.first, found.last) == best
    assert found.p0 == pytest.approx(p[best], rel=1e-9)
    assert found.z0 == pytest.approx(norm.isf(p[best]), rel=1e-9)
    assert found.n_obs == counts[slice(*best)].sum()
    assert found.n_bkg == pytest.approx(FALLING[slice(*best)].sum())


def test_global_p_of_independent_windows_is_exact() -> None:
    """Windows of one bin with the same expectation: the largest count of 12 bins."""
    counts = np.full(12, 9)
    counts[4] = 19
    found = bh.bump_hunt(counts, np.full(12, 9.0), rng=np.random.default_rng(1), widths=[1], n_toys=20_000)
    p = 1.0 - poisson.cdf(18, 9.0) ** 12
    assert binom.cdf(found.n_beyond, 20_000, p) > 1e-4
    assert binom.sf(found.n_beyond - 1, 20_000, p) > 1e-4
    assert found.p0_global_low < found.p0_global < found.p0_global_high


def test_global_p_is_uniform_without_signal() -> None:
    toys = np.random.default_rng(8).poisson(FALLING, (60, 60))
    found = [bh.bump_hunt(n, FALLING, rng=np.random.default_rng(k), n_toys=200).p0_global for k, n in enumerate(toys)]
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / 60))


def test_without_excess_there_is_no_bump() -> None:
    found = bh.bump_hunt([3, 2, 4], [5.0, 5.0, 5.0], rng=np.random.default_rng(1), n_toys=100)
    assert (found.first, found.last, found.n_obs, found.p0, found.p0_global) == (0, 0, 0.0, 1.0, 1.0)


def test_bad_input_raises() -> None:
    rng = np.random.default_rng(1)
    for counts, reference, more, said in (
        ([1, 2], [1.0], {}, r"counts \(2,\) and reference \(1,\)"),
        ([1.5], [1.0], {}, "whole numbers of events, found 1.5"),
        ([1], [-1.0], {}, "the reference must be numbers >= 0, found -1.0"),
        ([1], [1.0], {"n_toys": 0}, "must be positive, got 0"),
        ([1, 2], [1.0, 1.0], {"widths": [3]}, "1 to 2 bins wide, got 3"),
    ):
        with pytest.raises(InputError, match=said):
            bh.bump_hunt(counts, reference, rng=rng, **more)
