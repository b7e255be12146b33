"""Flight lengths against the exponential law, directions against their densities."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.errors import InputError
from bumphunt.montecarlo.phase_space.decays import decay_vertices, dipole_cosine

N = 100_000


def vertices(p4, *, mass, lifetime):
    rng = np.random.default_rng(4)
    return decay_vertices(p4, mass=mass, lifetime=lifetime, slots=4, products=slice(1, 3), rng=rng)


def test_flight_is_exponential_along_the_momentum():
    found = vertices(np.tile([5.0, 0.0, 3.0, 0.0], (N, 1)), mass=4.0, lifetime=0.2)
    assert not np.any(found[:, [0, 3]])
    np.testing.assert_array_equal(found[:, 1], found[:, 2])
    assert not np.any(found[:, 1, [0, 2]])
    assert stats.kstest(found[:, 1, 1], "expon", args=(0, 3 / 4 * 0.2)).pvalue > 1e-3


def test_without_lifetime_everything_starts_at_the_collision():
    assert vertices(np.ones((3, 4)), mass=1.0, lifetime=0.0) is None


@pytest.mark.parametrize("lifetime", [-1.0, np.nan, np.inf])
def test_impossible_lifetime_raises(lifetime):
    with pytest.raises(InputError, match=f"lifetime = {lifetime} cm"):
        vertices(np.ones((1, 4)), mass=1.0, lifetime=lifetime)


def test_cosine_is_that_of_a_vector_across_the_axis():
    """The cumulative distribution of (3/8) (1 + c^2) at its own inverse."""
    r = np.linspace(0.0, 1.0, 11)
    c = np.array([dipole_cosine(value) for value in r])
    np.testing.assert_allclose((4 + 3 * c + c**3) / 8, r, atol=1e-12)
