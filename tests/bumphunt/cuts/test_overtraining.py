"""Half against half: errors against repeated toys, and overtraining where it must and must not be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bumphunt.cuts.best import FigureOfMerit, best_cuts, signal_window
from bumphunt.cuts.overtraining import overtraining
from bumphunt.cuts.tensor import CountTensor, VetoAxis, fill_tensor
from bumphunt.cuts.yields import SignalPoint
from bumphunt.errors import InputError

AXES = tuple(VetoAxis(name=name, thresholds=np.linspace(0, 3, 7)) for name in "xyz")
EDGES = np.array([14.0, 15.2, 16.4, 17.6])
GENERATED = 8000.0
MERIT = FigureOfMerit(a=2.0, background_error=0.0)


def resolution(mass: float) -> float:
    return 0.3


def sample(seed: int, n: int, weight: float = 0.1, scale: float = 1.0) -> tuple[CountTensor, SignalPoint]:
    """Background of n events with observables of this scale, and signal with those of scale 1."""
    rng = np.random.default_rng(seed)
    n, n_signal = rng.poisson(n), rng.poisson(2000)
    background = {axis.name: rng.exponential(scale, n) for axis in AXES}
    signal = {axis.name: rng.exponential(1.0, n_signal) for axis in AXES}
    tensor = fill_tensor(
        rng.uniform(EDGES[0], EDGES[-1], n),
        background,
        weights=np.full(n, weight),
        half=rng.integers(0, 2, n),
        edges=EDGES,
        axes=AXES,
    )
    kept = fill_tensor(
        np.full(n_signal, 16.0),
        signal,
        weights=np.ones(n_signal),
        half=rng.integers(0, 2, n_signal),
        edges=signal_window(4.0, resolution),
        axes=AXES,
    )
    return tensor, SignalPoint(mass=4.0, tensor=kept, generated=GENERATED)


def test_numbers_are_those_of_the_table() -> None:
    tensor, point = sample(1, 3000)
    table = best_cuts([tensor], [point], resolution=resolution, merit=MERIT, cuts="monotone")
    found = overtraining([tensor], [point], table, resolution=resolution, merit=MERIT)
    np.testing.assert_allclose(found.choosing, table.merit_choosing)
    np.testing.assert_allclose(found.quoting, table.merit_quoting)
    np.testing.assert_allclose(found.ratio, table.merit_quoting / table.merit_choosing)
    assert list(found.to_columns()) == [
        "masses", "choosing", "choosing_error", "quoting", "quoting_error", "ratio", "ratio_error",
    ]  # fmt: skip


def test_errors_are_the_spread_of_repeated_samples() -> None:
    tensor, point = sample(1, 3000)
    table = best_cuts([tensor], [point], resolution=resolution, merit=MERIT)
    # fixed cuts that leave events
    table = replace(table, bounds=np.full((3, 3), 0.5))
    values, errors = [], []
    for seed in range(300):
        toy, toy_point = sample(100 + seed, 3000)
        found = overtraining([toy], [toy_point], table, resolution=resolution, merit=MERIT)
        values.append(found.quoting)
        errors.append(found.quoting_error)
    np.testing.assert_allclose(np.std(values, axis=0), np.mean(errors, axis=0), rtol=0.15)


def test_fixed_cuts_are_not_overtrained_and_chosen_ones_are() -> None:
    losses: dict[str, list[tuple[float, float]]] = {"fixed": [], "chosen": []}
    for seed in range(60):
        tensor, point = sample(seed, 400, weight=0.7, scale=0.5)
        chosen = best_cuts([tensor], [point], resolution=resolution, merit=MERIT)
        for name, table in (("chosen", chosen), ("fixed", replace(chosen, bounds=np.zeros((3, 3))))):
            found = overtraining([tensor], [point], table, resolution=resolution, merit=MERIT)
            losses[name].append((found.loss, found.loss_error))
    fixed, chosen_losses = (np.array(losses[name]) for name in ("fixed", "chosen"))
    error = np.std(fixed[:, 0]) / np.sqrt(len(fixed))
    # the ratio of two fluctuating numbers is a little above 1 on average
    assert abs(fixed[:, 0].mean()) < 4 * error
    assert np.std(fixed[:, 0]) == pytest.approx(fixed[:, 1].mean(), rel=0.4)
    assert chosen_losses[:, 0].mean() > 0.05


def test_tables_of_other_tensors_raise() -> None:
    tensor, point = sample(1, 300)
    table = best_cuts([tensor], [point], resolution=resolution, merit=MERIT)
    for wrong, message in [
        (replace(table, edges=EDGES + 1), "other bins, observables or sides"),
        (replace(table, names=("x", "y", "w")), "other bins, observables or sides"),
        (replace(table, sides=("above", "below", "above")), "other bins, observables or sides"),
        (replace(table, bounds=np.full((3, 3), 0.7)), "not among the thresholds"),
    ]:
        with pytest.raises(InputError, match=message):
            overtraining([tensor], [point], wrong, resolution=resolution, merit=MERIT)
