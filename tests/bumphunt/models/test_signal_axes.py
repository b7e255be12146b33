"""Peaks on the mass and on a reduced mass: shapes of known truth at resolutions of 1 to 6 MeV, and their thresholds."""

import numpy as np
import pytest
from scipy import stats

from bumphunt.errors import InputError
from bumphunt.models.shape_fit import fit_shape, fit_shapes
from bumphunt.models.signal import SignalModel, leave_one_out, signal_model
from bumphunt.models.signal_shape import shifted_parameters
from bumphunt.spectrum.axis import MASS, SQUARED, reduced

MUONS = reduced(0.21132)


def sample(rng, position, sigma, size=20_000):
    """Return edges, counts and variances of a Crystal Ball with its tail to low values, within +- 80 sigma."""
    x = position + stats.crystalball(1.3, 2.5, scale=sigma).rvs(size, random_state=rng)
    edges = np.arange(max(position - 80.0 * sigma, 0.0), position + 40.0 * sigma, 0.2 * sigma)
    counts = np.histogram(x, edges)[0].astype(float)
    return edges, counts, counts


@pytest.mark.parametrize("axis", [MASS, MUONS])
@pytest.mark.parametrize(("mass", "sigma"), [(0.5, 0.001), (3.0, 0.003), (9.0, 0.006)])
def test_fit_finds_a_narrow_peak_with_its_tail_to_low_masses(axis, mass, sigma):
    fit = fit_shape(
        *sample(np.random.default_rng(3), float(axis.position(mass)), sigma), mass=mass, tail="low", axis=axis
    )
    assert fit.valid
    assert fit.axis == axis
    assert fit.resolution == pytest.approx(sigma, abs=4.0 * fit.resolution_error)
    assert 0.002 * sigma < fit.resolution_error < 0.05 * sigma
    assert abs(fit.parameters[0]) < 4.0 * fit.errors[0]
    assert fit.chi2 / fit.n_dof < 1.3
    assert shifted_parameters(mass, fit.parameters, axis)[0] == pytest.approx(float(axis.position(mass)), abs=sigma)


def test_a_shape_does_not_depend_on_the_unit():
    """The same peak in GeV and in MeV: all lengths are a thousand times as long, all else is the same."""
    edges, counts, variances = sample(np.random.default_rng(5), 2.0, 0.002)
    one = fit_shape(edges, counts, variances, mass=2.0, tail="low", axis=MASS)
    other = fit_shape(1e3 * edges, counts, variances, mass=2e3, tail="low", axis=MASS)
    np.testing.assert_allclose(other.parameters[1], 1e3 * one.parameters[1], rtol=1e-2)
    np.testing.assert_allclose(other.parameters[2:], one.parameters[2:], rtol=5e-2)
    np.testing.assert_allclose(other.errors[:2], 1e3 * one.errors[:2], rtol=5e-2)
    assert other.resolution_error == pytest.approx(1e3 * one.resolution_error, rel=5e-2)


def test_shapes_of_a_reduced_axis_make_a_model_that_closes():
    rng = np.random.default_rng(8)
    masses = [0.25, 0.4, 0.7, 1.2, 2.0]
    edges = np.arange(0.0, 2.3, 0.0005)
    spectra = []
    for m in masses:
        x = float(MUONS.position(m)) + stats.crystalball(1.3, 2.5, scale=0.002).rvs(20_000, random_state=rng)
        counts = np.histogram(x, edges)[0].astype(float)
        spectra.append((m, edges, counts, counts))
    model = signal_model(fit_shapes(spectra, tail="low", axis=MUONS), np.full(5, 0.1), np.full(5, 0.002))
    assert (model.axis, model.tail) == (MUONS, "low")
    closure = leave_one_out(model)
    column = closure.names.index("resolution")
    np.testing.assert_allclose(closure.interpolated[:, column], 0.002, rtol=0.05)
    fractions = model.fractions(1.0, edges)
    assert abs(edges[np.argmax(fractions)] - float(MUONS.position(1.0))) < 0.001


def model_on(axis, masses):
    """A normal peak of 2 MeV whose efficiency is a straight line in the position."""
    x = axis.position(masses)
    return SignalModel(
        masses=masses,
        parameters=np.tile([0.0, 0.002, 5.0, 3.0, 1.0, 1.0], (masses.size, 1)),
        errors=np.zeros((masses.size, 6)),
        efficiencies=0.1 + 0.05 * x,
        efficiency_errors=np.zeros(masses.size),
        support=(0.0, 11.0),
        tail="low",
        axis=axis,
    )


def test_reduced_model_is_smooth_in_the_position_down_to_its_threshold():
    model = model_on(MUONS, np.array([0.21132, 0.3, 0.6, 2.0]))
    np.testing.assert_allclose(model.efficiency([0.212, 0.25]), 0.1 + 0.05 * MUONS.position([0.212, 0.25]), rtol=1e-9)
    assert model.resolution(0.21132) == pytest.approx(0.002)
    assert model.mass_resolution(0.21132) == 0.0
    assert model.mass_resolution(1.0) == pytest.approx(0.002 * float(MUONS.position(1.0)))
    assert model_on(MASS, np.array([1.0, 2.0])).mass_resolution(1.5) == pytest.approx(0.002)


def test_masses_below_a_threshold_are_at_one_position():
    with pytest.raises(InputError, match="several in rising order"):
        model_on(MUONS, np.array([0.1, 0.2, 0.3]))


def test_axes_that_differ_raise():
    spectrum = sample(np.random.default_rng(2), 2.0, 0.01)
    fits = [fit_shape(*spectrum, mass=m, axis=axis) for m, axis in ((2.0, MASS), (2.0**0.5, SQUARED))]
    with pytest.raises(InputError, match="axes"):
        signal_model(fits, [0.1, 0.1], [0.0, 0.0])
