"""Where fits start: with positive expectations."""

import numpy as np

from bumphunt.engines.start import first_strength, lifted


def test_signal_starts_at_the_counts_that_nothing_else_explains():
    expected, signal = np.array([5.0, 0.0, -1.0, 0.0]), np.array([0.2, 0.3, 0.5, 0.0])
    assert first_strength(expected, signal, np.array([9.0, 3.0, 4.0, 0.0])) == 7.0
    assert first_strength(expected, signal, np.zeros(4)) == 1.0
    assert first_strength(np.ones(4), signal, np.ones(4), otherwise=-2.0) == -2.0


def test_data_sets_that_start_together_start_at_the_largest():
    counts = np.array([[0.0, 3.0], [0.0, 8.0], [9.0, 1.0]])
    assert first_strength(np.array([1.0, 0.0]), np.array([0.5, 0.5]), counts) == 8.0
    assert first_strength(np.array([1.0, 0.0]), np.array([0.5, 0.5]), counts[:0]) == 1.0


def test_what_may_rise_is_raised_until_expectations_are_positive():
    columns = np.array([[1.0, 1.0, 0.0], [4.0, 2.0, 1.0]])
    theta = np.array([[-3.0, 1.0], [0.0, 1.0]])
    raised = lifted(theta, np.array([0.0, 2.0]), columns)
    assert (raised @ columns).min() > 0.0
    np.testing.assert_allclose((raised[0] @ columns)[1], 0.1 * 2.0 * 2.0)  # a tenth of the nominal 2 x 2
    np.testing.assert_array_equal(raised[1], theta[1])
