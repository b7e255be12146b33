"""The boosted classifier: against the likelihood ratio, ignorant of the mass and of the events it is tested on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from bumphunt.cuts import classifier as boosted
from bumphunt.cuts.classifier import (
    NO_FOLD,
    SCORE,
    Boosting,
    Classifier,
    cuts_and_classifier,
    equal_weights,
    score_axis,
    train,
)
from bumphunt.cuts.table import CutTable
from bumphunt.errors import InputError

CELLS = np.linspace(0.0, 10.0, 11)
FAST = Boosting(iterations=60, events_per_leaf=50)


def area(signal: NDArray[Any], background: NDArray[Any]) -> float:
    """Probability that a signal value is above a background one, by ranks."""
    order = np.argsort(np.concatenate([signal, background]))
    ranks = np.empty(order.size)
    ranks[order] = np.arange(1, order.size + 1)
    n = len(signal)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * len(background)))


def events(seed: int, n: int, shift: float) -> tuple[NDArray[Any], dict[str, NDArray[Any]], NDArray[Any], NDArray[Any]]:
    """Signal at 2.5, 5.5 and 8.5 shifted in x and y over a falling background."""
    rng = np.random.default_rng(seed)
    signal = rng.random(n) < 0.5
    position = np.where(signal, rng.choice([2.5, 5.5, 8.5], n) + rng.normal(0, 0.1, n), 10 * rng.random(n) ** 2)
    observables = {name: rng.normal(shift * signal, 1.0) for name in ("x", "y")}
    return position, observables, signal, rng.integers(0, 2, n)


@pytest.fixture(scope="module")
def trained() -> Classifier:
    position, observables, signal, fold = events(1, 40_000, 1.0)
    return train(
        position, observables, np.ones(signal.size), signal, fold, names=("x", "y"), edges=CELLS, boosting=FAST
    )


def test_score_separates_nearly_as_well_as_the_likelihood_ratio(trained: Classifier) -> None:
    position, observables, signal, _ = events(2, 40_000, 1.0)
    score = trained.score(position, observables)
    best = observables["x"] + observables["y"]
    assert area(best[signal], best[~signal]) == pytest.approx(norm.cdf(1.0), abs=0.01)
    inside = np.isin(np.floor(position), (2, 5, 8))
    assert area(score[signal & inside], score[~signal & inside]) > norm.cdf(1.0) - 0.012


def test_score_does_not_know_the_mass(trained: Classifier) -> None:
    # same observables everywhere: what the score changes with the position is what it knows of the masses of the signal
    position = np.array([2.5, 5.5, 8.5])
    scores = [trained.score(position, {"x": np.full(3, x), "y": np.zeros(3)}) for x in (-1.0, 0.0, 1.0)]
    assert np.ptp(scores, axis=1).max() < 0.5
    # a likelihood ratio of 1 at x + y = 1
    assert np.abs(trained.score(position, {"x": np.full(3, 0.5), "y": np.full(3, 0.5)})).max() < 0.3


def test_events_are_scored_by_a_model_that_has_not_seen_them() -> None:
    # nothing to learn: any separation is memory
    position, observables, signal, fold = events(3, 4000, 0.0)
    keep = np.isin(np.floor(position), (2, 5, 8))
    position, signal, fold = position[keep], signal[keep], fold[keep]
    observables = {name: values[keep] for name, values in observables.items()}
    eager = Boosting(iterations=80, events_per_leaf=5)
    found = train(
        position, observables, np.ones(fold.size), signal, fold, names=("x", "y"), edges=CELLS, boosting=eager
    )
    noise = 0.6 / np.sqrt(fold.size)
    unseen = found.score(position, observables, fold=fold)
    seen = found.score(position, observables, fold=1 - fold)
    assert abs(area(unseen[signal], unseen[~signal]) - 0.5) < 4 * noise
    assert area(seen[signal], seen[~signal]) > 0.5 + 6 * noise


def test_other_events_get_the_mean_of_all_models_and_training_repeats(trained: Classifier) -> None:
    position, observables, signal, fold = events(1, 40_000, 1.0)
    again = train(
        position, observables, np.ones(signal.size), signal, fold, names=("x", "y"), edges=CELLS, boosting=FAST
    )
    single = [trained.score(position[:50], observables_of(observables, 50), fold=k) for k in (0, 1)]
    mean = trained.score(position[:50], observables_of(observables, 50), fold=NO_FOLD)
    np.testing.assert_allclose(mean, np.mean(single, axis=0))
    np.testing.assert_array_equal(again.score(position, observables), trained.score(position, observables))


def observables_of(observables: dict[str, NDArray[Any]], n: int) -> dict[str, NDArray[Any]]:
    return {name: values[:n] for name, values in observables.items()}


def test_equal_weights_make_every_cell_count_alike() -> None:
    rng = np.random.default_rng(5)
    position, signal, weights = rng.uniform(-1, 12, 3000), rng.random(3000) < 0.3, rng.uniform(0, 2, 3000)
    signal[(position > 4) & (position < 5)] = False
    equal = equal_weights(position, weights, signal, edges=CELLS)
    for kind in (True, False):
        sums, _ = np.histogram(position[signal == kind], CELLS, weights=equal[signal == kind])
        np.testing.assert_allclose(sums, [1, 1, 1, 1, 0, 1, 1, 1, 1, 1])
    assert np.all(equal[(position < 0) | (position > 10)] == 0)
    same = np.flatnonzero(signal & (position > 2) & (position < 3))
    np.testing.assert_allclose(equal[same] / equal[same[0]], weights[same] / weights[same[0]])


def test_score_axis_steps_through_the_signal_efficiency() -> None:
    rng = np.random.default_rng(6)
    scores, weights = rng.normal(size=20_000), rng.uniform(0, 1, 20_000)
    axis = score_axis(scores, weights, n=20)
    assert axis.name == SCORE
    assert axis.thresholds.size == 20
    kept = [weights[scores >= bound].sum() / weights.sum() for bound in axis.thresholds]
    np.testing.assert_allclose(kept, 1 - np.arange(20) / 20, atol=1e-3)
    with pytest.raises(InputError, match="no signal"):
        score_axis([], [])


def table(efficiency: float, background: float) -> CutTable:
    one = np.ones(2)
    return CutTable(
        edges=np.array([1.0, 2.0, 4.0]), names=(), sides=(), bounds=np.empty((2, 0)), smooth=False,
        merit_choosing=one, merit_quoting=one * efficiency, efficiency_choosing=one, efficiency_before=one,
        efficiency_quoting=efficiency * one, background_choosing=one, background_before=one,
        background_quoting=background * one,
    )  # fmt: skip


def test_comparison_gives_limits_and_gains() -> None:
    columns = cuts_and_classifier({"cuts": table(0.1, 0.0), "classifier": table(0.2, 0.0)})
    np.testing.assert_allclose(columns["mass"], np.sqrt([1.5, 3.0]))
    np.testing.assert_allclose(columns["limit_cuts"], np.log(10) / 0.1, rtol=1e-3)  # no event: 2.30
    np.testing.assert_allclose(columns["gain_classifier"], 2.0)
    np.testing.assert_allclose(columns["gain_cuts"], 1.0)
    with pytest.raises(InputError, match="no cut table"):
        cuts_and_classifier({})


def test_impossible_training_raises() -> None:
    position, observables, signal, fold = events(1, 500, 1.0)
    ones = np.ones(signal.size)
    for kind, of, names, message in [
        (signal, fold + 1, ("x", "y"), "folds 0 to 1"),
        (signal, fold, ("x", "z"), "'z'"),
        (np.zeros_like(signal), fold, ("x", "y"), "no mass cell has both"),
    ]:
        with pytest.raises(InputError, match=message):
            train(position, observables, ones, kind, of, names=names, edges=CELLS)
    with pytest.raises(InputError, match="at least 2"):
        Boosting(folds=1)


def test_fold_that_no_model_has_raises(trained: Classifier) -> None:
    with pytest.raises(InputError, match="fold = 2"):
        trained.score([1.0], {"x": np.zeros(1), "y": np.zeros(1)}, fold=2)


def test_missing_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosted, "MODULE", "no_such_module")
    with pytest.raises(InputError, match=r"bumphunt\[boosted\]"):
        boosted.require()
