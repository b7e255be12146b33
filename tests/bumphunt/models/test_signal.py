"""Signal shapes fitted to samples of known truth, and their interpolation."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.errors import InputError
from bumphunt.models.shape_fit import fit_shape, fit_shapes
from bumphunt.models.shapes import core_half_width
from bumphunt.models.signal import SignalModel, leave_one_out, signal_model
from bumphunt.models.signal_shape import PARAMETERS

EDGES = np.arange(-6.0, 90.0, 0.06)
SUPPORT = (float(EDGES[0]), float(EDGES[-1]))


def sample(rng, mass, size, sigma, weighted=False):
    """A Gaussian core and, for 30 % of the events, an exactly known power-law tail of a Crystal Ball."""
    x = mass**2 - stats.crystalball(1.0, 1.6, scale=sigma).rvs(size, random_state=rng)
    w = rng.exponential(size=size) if weighted else np.ones(size)
    counts, variances = np.histogram(x, EDGES, weights=w)[0], np.histogram(x, EDGES, weights=w**2)[0]
    return counts, variances


EIGHT = np.linspace(1.0, 8.0, 8)


def smooth_model(masses=EIGHT):
    p = np.column_stack(
        [
            0.02 + 0 * masses,
            0.3 - 0.02 * masses,
            1.2 + 0.05 * masses,
            1.1 + 0 * masses,
            0.8 + 0 * masses,
            1.8 + 0 * masses,
        ]
    )
    return SignalModel(
        masses=masses,
        parameters=p,
        errors=0.01 * p,
        efficiencies=0.2 - 0.02 * masses,
        efficiency_errors=np.full(masses.size, 0.001),
        support=SUPPORT,
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_fit_finds_the_planted_shape_within_its_errors(weighted):
    counts, variances = sample(np.random.default_rng(7), 4.0, 40_000, 0.25, weighted)
    fit = fit_shape(EDGES, counts, variances, mass=4.0)
    assert fit.valid
    assert fit.resolution == pytest.approx(0.25, rel=0.03)
    assert abs(fit.parameters[0]) < 0.02
    assert fit.chi2 / fit.n_dof < 1.3
    assert 0.0 < fit.resolution_error < 0.02


def test_errors_of_a_weighted_fit_grow_with_the_spread_of_weights():
    rng = np.random.default_rng(11)
    plain = fit_shape(EDGES, *sample(rng, 3.0, 20_000, 0.25), mass=3.0)
    weighted = fit_shape(EDGES, *sample(rng, 3.0, 20_000, 0.25, weighted=True), mass=3.0)
    # exponential weights halve the effective number of events
    assert weighted.errors[0] / plain.errors[0] == pytest.approx(np.sqrt(2.0), rel=0.35)


def test_fit_is_unchanged_by_a_common_scale_of_the_weights():
    counts, variances = sample(np.random.default_rng(5), 5.0, 10_000, 0.2)
    one, other = (fit_shape(EDGES, c * counts, c**2 * variances, mass=5.0) for c in (1.0, 1e-3))
    np.testing.assert_allclose(other.parameters[1:], one.parameters[1:], rtol=1e-6)
    assert abs(other.parameters[0] - one.parameters[0]) < 1e-6 * one.resolution
    assert other.resolution_error == pytest.approx(one.resolution_error, rel=1e-5)


def test_interpolation_between_fits_closes():
    rng = np.random.default_rng(3)
    masses = [2.0, 3.0, 4.0, 5.0, 6.0]
    fits = [fit_shape(EDGES, *sample(rng, m, 20_000, 0.35 - 0.03 * m), mass=m) for m in masses]
    model = signal_model(fits[::-1], np.full(5, 0.1), np.full(5, 0.002))
    assert model.masses.tolist() == masses
    closure = leave_one_out(model)
    column = closure.names.index("resolution")
    np.testing.assert_allclose(closure.interpolated[:, column], closure.fitted[:, column], rtol=0.04)
    assert closure.fitted.shape == closure.errors.shape == (3, len(PARAMETERS) + 2)


def test_model_gives_back_its_nodes_and_smooth_values_between():
    model = smooth_model()
    np.testing.assert_allclose(model.shape_parameters(model.masses), model.parameters, rtol=1e-12)
    np.testing.assert_allclose(model.efficiency([1.5, 4.25]), [0.17, 0.115], rtol=1e-9)
    want = core_half_width([0.0, 0.21, 1.4, 1.1, 0.8, 1.8])
    assert model.resolution(4.5) == pytest.approx(want, rel=1e-3)
    assert model.mass_resolution(4.5) == pytest.approx(want / 9.0, rel=1e-3)


def test_fractions_sum_to_one_on_the_support_and_peak_at_the_mass():
    model = smooth_model()
    fractions = model.fractions(5.0, EDGES)
    assert fractions.sum() == pytest.approx(1.0, abs=1e-12)
    assert abs(EDGES[np.argmax(fractions)] - 25.0) < 0.1
    assert model.fractions(5.0, [200.0, 300.0])[0] == 0.0


@pytest.mark.parametrize("mass", [0.5, 8.5, np.nan])
def test_mass_outside_the_simulated_range_raises(mass):
    with pytest.raises(InputError, match=r"outside the simulated range 1.0 to 8.0"):
        smooth_model().fractions(mass, EDGES)


def test_too_few_events_raise():
    with pytest.raises(InputError, match="too few for a shape"):
        fit_shape(EDGES, *sample(np.random.default_rng(1), 4.0, 30, 0.2), mass=4.0)


def test_edges_that_do_not_rise_raise():
    with pytest.raises(InputError, match="want rising"):
        fit_shape([0.0, 2.0, 1.0], [1.0, 1.0], [1.0, 1.0], mass=1.0)


def test_nan_in_the_spectrum_raises():
    with pytest.raises(InputError, match="not finite"):
        fit_shape([0.0, 1.0, 2.0], [1.0, np.nan], [1.0, 1.0], mass=1.0)


def test_supports_that_differ_raise():
    rng = np.random.default_rng(2)
    counts, variances = sample(rng, 3.0, 2000, 0.3)
    one = fit_shape(EDGES, counts, variances, mass=3.0)
    other = fit_shape(EDGES[1:], counts[1:], variances[1:], mass=4.0)
    with pytest.raises(InputError, match="want one"):
        signal_model([one, other], [0.1, 0.1], [0.0, 0.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masses": np.array([])}, "at least one mass"),
        ({"masses": np.array([1.0, 1.0])}, "several in rising order"),
        ({"efficiencies": np.full(8, 1.2)}, "between 0 and 1"),
        ({"errors": np.zeros((8, 5))}, "parameters and errors"),
    ],
)
def test_inconsistent_models_raise(change, message):
    model = smooth_model()
    values = {name: getattr(model, name) for name in SignalModel.__dataclass_fields__}
    with pytest.raises(InputError, match=message):
        SignalModel(**{**values, **change})


def test_closure_needs_three_masses():
    with pytest.raises(InputError, match="three masses"):
        leave_one_out(smooth_model(np.array([1.0, 2.0])))


def test_last_bits_of_the_counts_do_not_move_shapes():
    rng = np.random.default_rng(13)
    spectra = [(m, EDGES, *sample(rng, m, 20_000, 0.35 - 0.03 * m, weighted=True)) for m in (1.0, 3.0, 5.0, 7.0)]
    shaken = [(m, e, n * (1 + 1e-14 * rng.normal(size=n.size)), v) for m, e, n, v in spectra]
    for one, other in zip(fit_shapes(spectra), fit_shapes(shaken), strict=True):
        assert other.resolution == pytest.approx(one.resolution, rel=1e-7)
        np.testing.assert_allclose(other.parameters[1:], one.parameters[1:], rtol=1e-6)
        assert abs(other.parameters[0] - one.parameters[0]) < 1e-7 * one.resolution
