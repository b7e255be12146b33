"""A classifier beside the optimised cuts: trained on the half of the events that chooses, quoted on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bumphunt.cuts.classifier import NO_FOLD, SCORE, Boosting, Classifier, score_axis, train
from bumphunt.cuts.tensor import CHOOSING, CountTensor, VetoAxis, fill_tensor
from workflows.optimisation.tensors import SampleEvents, Tensors, collected
from workflows.reading.events import FOLDS, EventBlock, read_events
from workflows.reading.spectra import NOMINAL

__all__ = ["learn"]

Array = NDArray[np.float64]

MOST_EVENTS = 400_000
"""Simulated events of signal and of background, each, that a classifier is trained with; more are thinned out."""


def learn(
    events: Path,
    region: str,
    sources: Sequence[SampleEvents],
    *,
    features: Sequence[str],
    cells: Array,
    seed: int,
    progress: Callable[[int, int], None],
) -> Tensors:
    """Return the tensors of the score of a classifier that is trained on the choosing half.

    Parameters
    ----------
    events
        Folder of the events.
    region
        Name of the region.
    sources
        The simulated samples: backgrounds in the same mass bins, and signals in ascending order of mass.
    features
        Observables that it learns from.
    cells
        Edges of narrow cells of the mass axis, see `bumphunt.cuts.classifier.equal_weights`.
    seed
        Seed of the training.
    progress
        Called after each sample with the number done and of all.

    Raises
    ------
    InputError
        If scikit-learn is not installed, or there are too few events.
    """
    classifier = _trained(events, region, sources, features=features, cells=cells, seed=seed)
    axis = _axis(events, region, sources, classifier)

    def tensor_of(source: SampleEvents) -> CountTensor:
        blocks = read_events(events, source.sample, region)
        return reduce(add, (_tensor(classifier, axis, source, block) for block in blocks))

    return collected(sources, tensor_of, progress)


def _score(classifier: Classifier, block: EventBlock) -> Array:
    """Return the scores of events: those of the choosing half by the model that has not seen them."""
    fold = np.where(block.half == CHOOSING, block.fold, NO_FOLD)
    return classifier.score(block.positions, block.observables, fold=fold)


def _tensor(classifier: Classifier, axis: VetoAxis, source: SampleEvents, block: EventBlock) -> CountTensor:
    """Return the tensor of the score of some events."""
    return fill_tensor(
        block.positions,
        {SCORE: _score(classifier, block)},
        weights=block.weight(NOMINAL),
        half=block.half,
        edges=source.edges,
        axes=(axis,),
    )


def _choosing(events: Path, region: str, source: SampleEvents) -> Iterator[tuple[EventBlock, NDArray[np.bool_]]]:
    """Yield blocks and which of their events choose: those of that half; of a signal, in its window."""
    for block in read_events(events, source.sample, region):
        mask = block.half == CHOOSING
        if source.mass is not None:
            mask &= (block.positions >= source.edges[0]) & (block.positions < source.edges[-1])
        yield block, mask


def _trained(
    events: Path, region: str, sources: Sequence[SampleEvents], *, features: Sequence[str], cells: Array, seed: int
) -> Classifier:
    """Return the classifier, trained on at most `MOST_EVENTS` of signal and of background."""
    sizes = {True: 0, False: 0}
    for source in sources:
        for _, mask in _choosing(events, region, source):
            sizes[source.mass is not None] += int(np.count_nonzero(mask))
    every = {kind: max(1, -(-size // MOST_EVENTS)) for kind, size in sizes.items()}
    position, weights, signal, fold = [], [], [], []
    observables: dict[str, list[Array]] = {name: [] for name in features}
    for source in sources:
        kind = source.mass is not None
        scale = source.factor if source.generated is None else source.factor / source.generated
        for block, mask in _choosing(events, region, source):
            index = np.flatnonzero(mask)[:: every[kind]]
            position.append(block.positions[index])
            weights.append(scale * block.weight(NOMINAL)[index])
            signal.append(np.full(index.size, kind))
            fold.append(block.fold[index])
            for name in features:
                observables[name].append(block.observables[name][index])
    return train(
        np.concatenate(position),
        {name: np.concatenate(values) for name, values in observables.items()},
        np.concatenate(weights),
        np.concatenate(signal),
        np.concatenate(fold),
        names=features,
        edges=cells,
        boosting=Boosting(folds=FOLDS, seed=seed),
    )


def _axis(events: Path, region: str, sources: Sequence[SampleEvents], classifier: Classifier) -> VetoAxis:
    """Return the candidate bounds on the score, from the signals in their windows."""
    scores, weights = [], []
    for source in sources:
        if source.mass is not None and source.generated is not None:
            for block, mask in _choosing(events, region, source):
                scores.append(_score(classifier, block)[mask])
                weights.append(source.factor * block.weight(NOMINAL)[mask] / source.generated)
    return score_axis(np.concatenate(scores), np.concatenate(weights))
