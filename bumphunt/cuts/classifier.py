"""A boosted classifier whose score is one more observable to cut on, in place of several cuts.

========================= =====================================================================
equal_weights             weights with which the mass tells signal and background not apart
train                     events of the choosing half -> classifier
Classifier.score          score of any events
score_axis                candidate bounds on the score
cuts_and_classifier       quoted results of several cut tables, side by side
========================= =====================================================================

One classifier serves all masses: signal of all masses against all background, with the position of the recoil mass
among its inputs. Signal is simulated at single masses, so the position alone would tell it from background between
them; therefore signal and background get the same weight in every narrow cell of the axis, and the classifier sees the
centre of the cell.

The bounds on the score must not be chosen on scores of events that the classifier was trained with. The choosing half
is divided into folds, and one model is trained without each: an event of the choosing half is scored by the model that
has not seen it, every other event, of the quoting half or of the data, by the mean of all models. scikit-learn is an
optional dependency: ``pip install 'bumphunt[boosted]'``.

References
----------
scikit-learn, ``sklearn.ensemble.HistGradientBoostingClassifier``. P. Baldi et al., Eur. Phys. J. C 76 (2016) 235,
arXiv:1601.07913 (classifiers with the mass among their inputs).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.cuts.expected_limit import expected_limits
from bumphunt.cuts.table import CutTable
from bumphunt.cuts.tensor import VetoAxis
from bumphunt.errors import InputError
from bumphunt.spectrum.axis import ascending_edges

__all__ = [
    "NO_FOLD",
    "SCORE",
    "Boosting",
    "Classifier",
    "cuts_and_classifier",
    "equal_weights",
    "is_installed",
    "require",
    "score_axis",
    "train",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MODULE = "sklearn"
SCORE = "score"
"""Name of the observable."""
LIMIT = 50.0
"""Scores are logarithms of odds, cut off at this value on either side."""
NO_FOLD = -1
"""Fold of the events that no model was trained with."""


def is_installed() -> bool:
    """Return whether scikit-learn can be imported."""
    return importlib.util.find_spec(MODULE) is not None


def require() -> None:
    """Do nothing if scikit-learn is installed.

    Raises
    ------
    InputError
        If it is not, with what to install.
    """
    if not is_installed():
        msg = "the classifier needs scikit-learn, which is not installed; pip install 'bumphunt[boosted]' installs it"
        raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosting:
    """How the classifier is trained.

    Parameters
    ----------
    folds
        Models, each trained without its part of the choosing half; at least 2.
    iterations
        Largest number of trees; training stops when the loss on a tenth of its events no longer falls.
    learning_rate
        How much of each tree is added.
    leaves
        Largest number of leaves of a tree.
    events_per_leaf
        Least number of simulated events of a leaf.
    regularisation
        L2 penalty on the values of the leaves.
    seed
        Seed of the split for the stopping.

    Raises
    ------
    InputError
        If there are fewer than two folds.
    """

    folds: int = 2
    iterations: int = 300
    learning_rate: float = 0.1
    leaves: int = 31
    events_per_leaf: int = 200
    regularisation: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.folds < 2:
            msg = f"folds = {self.folds}; at least 2, so that every event is scored by a model that has not seen it"
            raise InputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """Trained models of all folds.

    Parameters
    ----------
    names
        Observables that it reads.
    edges
        Edges of the cells of the mass axis, shape (C + 1,) [unit of the axis].
    models
        One model a fold: that of fold k was trained without the events of fold k.
    """

    names: tuple[str, ...]
    edges: Array
    models: tuple[Any, ...]

    def score(self, position: ArrayLike, observables: Mapping[str, Array], *, fold: ArrayLike = NO_FOLD) -> Array:
        """Return the scores of events, logarithms of odds, shape (N,).

        Parameters
        ----------
        position
            Where the events lie on the mass axis, shape (N,); outside of the cells the nearest one counts.
        observables
            Observables by name, each of shape (N,).
        fold
            Fold of each event of the choosing half, shape (N,), which is scored by the model of that fold; `NO_FOLD`
            for all others, which get the mean of all models.

        Raises
        ------
        InputError
            If an observable is missing.
        """
        inputs = _inputs(position, observables, self.names, self.edges)
        of = np.broadcast_to(np.asarray(fold, dtype=np.int64), len(inputs))
        total, models = np.zeros(len(inputs)), np.zeros(len(inputs))
        for k, model in enumerate(self.models):
            index = np.flatnonzero((of == k) | (of == NO_FOLD))
            if index.size:
                total[index] += np.clip(model.decision_function(inputs[index]), -LIMIT, LIMIT)
                models[index] += 1
        if np.any(models == 0):
            msg = f"fold = {of[models == 0][0]}; there are {len(self.models)} folds, from 0, and {NO_FOLD} for none"
            raise InputError(msg)
        return total / models


def _inputs(
    position: ArrayLike, observables: Mapping[str, Array], names: Sequence[str], edges: Array
) -> NDArray[np.float32]:
    """Return the inputs of the models, shape (N, 1 + F): the centre of the cell, and the observables."""
    missing = [name for name in names if name not in observables]
    if missing:
        msg = f"the classifier needs the observable {missing[0]!r}; known are {', '.join(observables)}"
        raise InputError(msg)
    centres = (edges[1:] + edges[:-1]) / 2
    cell = np.clip(np.searchsorted(edges, np.asarray(position), side="right") - 1, 0, centres.size - 1)
    return np.stack([centres[cell], *(observables[name] for name in names)], axis=-1).astype(np.float32)


def equal_weights(position: ArrayLike, weights: ArrayLike, signal: Mask, *, edges: ArrayLike) -> Array:
    """Return weights with which signal and background add up to 1 each in every cell of the mass axis, shape (N,).

    Cells without signal or without background, and events outside of all cells, get 0.

    Parameters
    ----------
    position
        Where the events lie on the mass axis, shape (N,).
    weights
        Weights, not negative, shape (N,); only ratios within signal and within background count.
    signal
        Which events are signal, shape (N,).
    edges
        Edges of the cells, shape (C + 1,): narrow, at most a resolution wide.

    Examples
    --------
    >>> equal_weights([0.5, 0.5, 0.6, 1.5], [1.0, 2.0, 6.0, 1.0], np.array([True, False, False, True]), edges=[0, 1, 2])
    array([1.  , 0.25, 0.75, 0.  ])
    """
    e = ascending_edges(edges)
    x, w = np.asarray(position, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    cell = np.searchsorted(e, x, side="right") - 1
    inside = (cell >= 0) & (cell < e.size - 1)
    cell = np.where(inside, cell, 0)
    sums = [np.bincount(cell, w * (inside & (signal == kind)), minlength=e.size - 1) for kind in (False, True)]
    usable = inside & ((sums[0] > 0) & (sums[1] > 0))[cell]
    total = np.where(signal, sums[1][cell], sums[0][cell])
    return np.divide(w, total, out=np.zeros_like(w), where=usable)


def train(
    position: ArrayLike,
    observables: Mapping[str, Array],
    weights: ArrayLike,
    signal: ArrayLike,
    fold: ArrayLike,
    *,
    names: Sequence[str],
    edges: ArrayLike,
    boosting: Boosting | None = None,
) -> Classifier:
    """Return a classifier that tells signal from background, trained on the choosing half of the events.

    Parameters
    ----------
    position
        Where the events lie on the mass axis, shape (N,).
    observables
        Observables by name, each of shape (N,).
    weights
        Event weights, shape (N,): of signal events, only those within the signal window should have one above 0.
    signal
        Which events are signal, shape (N,).
    fold
        Fold of each event, 0 to folds - 1, shape (N,). The two views of one generated event must be in one fold.
    names
        Observables to train with; the position is always an input too.
    edges
        Edges of the cells of the mass axis, see `equal_weights`.
    boosting
        Settings; `Boosting` with its defaults unless given.

    Raises
    ------
    InputError
        If scikit-learn is not installed, an observable is missing, a fold is out of range, or a fold leaves no signal
        or no background to train with.
    """
    require()
    from sklearn.ensemble import HistGradientBoostingClassifier  # optional, and slow to import

    boosting = Boosting() if boosting is None else boosting
    e, kind, of = ascending_edges(edges), np.asarray(signal, dtype=np.bool_), np.asarray(fold, dtype=np.int64)
    if of.size and (of.min() < 0 or of.max() >= boosting.folds):
        msg = f"fold = {of.min()} to {of.max()}; train with events of the folds 0 to {boosting.folds - 1} only"
        raise InputError(msg)
    inputs = _inputs(position, observables, names, e)
    x, w = np.asarray(position, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    models = []
    for k in range(boosting.folds):
        use = np.flatnonzero((of != k) & (w > 0))
        equal = equal_weights(x[use], w[use], kind[use], edges=e)
        use, equal = use[equal > 0], equal[equal > 0]
        if not use.size:
            msg = f"without fold {k} no mass cell has both signal and background; simulate more, or take wider cells"
            raise InputError(msg)
        model = HistGradientBoostingClassifier(
            max_iter=boosting.iterations,
            learning_rate=boosting.learning_rate,
            max_leaf_nodes=boosting.leaves,
            min_samples_leaf=boosting.events_per_leaf,
            l2_regularization=boosting.regularisation,
            early_stopping=True,
            random_state=boosting.seed,
        )
        # the regularisation is in units of the weight of an average event
        models.append(model.fit(inputs[use], kind[use], sample_weight=equal / equal.mean()))
    return Classifier(names=tuple(names), edges=e, models=tuple(models))


def score_axis(scores: ArrayLike, weights: ArrayLike, *, n: int = 200) -> VetoAxis:
    """Return lower bounds on the score in equal steps of signal efficiency; the first keeps everything.

    Parameters
    ----------
    scores, weights
        Scores and weights of the signal events of the choosing half, shape (N,).
    n
        Number of bounds.

    Raises
    ------
    InputError
        If there is no signal.
    """
    x, w = np.asarray(scores, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    order = np.argsort(x)
    cumulative = np.cumsum(w[order])
    if not (x.size and cumulative[-1] > 0):
        msg = "there is no signal to take the bounds on the score from"
        raise InputError(msg)
    index = np.searchsorted(cumulative, np.arange(1, n) / n * cumulative[-1])
    return VetoAxis(name=SCORE, thresholds=np.unique(np.concatenate([[-LIMIT], x[order][index]])))


def cuts_and_classifier(
    tables: Mapping[str, CutTable], *, cl: float = 0.9, uncertainty: float = 0.0
) -> dict[str, list[float]]:
    """Return what cut tables give on the quoting half, side by side, as columns with one row a mass bin.

    Parameters
    ----------
    tables
        Cut tables in the same mass bins by a name for each, such as ``cuts`` and ``classifier``.
    cl
        Confidence level of the expected limits.
    uncertainty
        Relative uncertainty of the background.

    Returns
    -------
    columns
        ``mass`` [GeV]; for each table ``merit_NAME``, ``efficiency_NAME``, ``background_NAME`` [events in the window];
        ``limit_NAME``, the expected limit on the produced events, averaged over counts; and ``gain_NAME``, the limit of
        the first table over it.

    Raises
    ------
    InputError
        If there is no table, or the mass bins differ.
    """
    if not tables:
        msg = "there is no cut table to compare"
        raise InputError(msg)
    first = next(iter(tables.values()))
    columns: dict[str, Array] = {"mass": first.masses}
    reference = None
    for name, table in tables.items():
        if not np.array_equal(table.edges, first.edges):
            msg = f"cut table {name!r} has other mass bins than the first one"
            raise InputError(msg)
        limit = expected_limits(table.background_quoting, average="mean", cl=cl, uncertainty=uncertainty)
        with np.errstate(divide="ignore"):
            limit = limit / table.efficiency_quoting
        reference = limit if reference is None else reference
        columns |= {
            f"merit_{name}": table.merit_quoting,
            f"efficiency_{name}": table.efficiency_quoting,
            f"background_{name}": table.background_quoting,
            f"limit_{name}": limit,
            f"gain_{name}": reference / limit,
        }
    return {name: [float(x) for x in values] for name, values in columns.items()}
