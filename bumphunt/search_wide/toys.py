"""Toys of complete spectra: every bin of every region is drawn once, and all hypotheses of a toy share its events.

Each toy has its own child of a seed, so that any toy can be made again, alone or with others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bumphunt.inference.seeds import child_seed
from bumphunt.search_wide.spectra import Expectation, Place, Spectrum, joined

__all__ = ["SearchToys", "draw_search_toys"]

Array = NDArray[np.float64]

MANY = 1e9
"""Expected events of a spectrum from which on its toys may have more than small integers hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchToys:
    """T toys of a search.

    Parameters
    ----------
    sums
        Cumulative counts of each spectrum, shape ``(T, B + 1)``, from 0 on.
    expected
        The same of the expectation, shape ``(B + 1,)``.
    simulated
        The same of the expectation as the simulated events of each toy would give it, by spectrum and family, shape
        ``(T, B + 1)``.
    normal, uniform
        Standard normal and uniform numbers by name, shape ``(T,)``.
    """

    sums: tuple[NDArray[np.integer], ...]
    expected: tuple[Array, ...]
    simulated: tuple[Mapping[str, Array], ...]
    normal: Mapping[str, Array]
    uniform: Mapping[str, Array]

    @property
    def size(self) -> int:
        """How many toys there are."""
        return int(self.sums[0].shape[0])

    def counts(self, places: Iterable[Place]) -> Array:
        """Return the counts in the bins of a window, shape ``(T, B)``, region after region."""
        several = [joined(self.sums[place.spectrum], place.cuts) for place in places]
        return np.concatenate(several, axis=1, dtype=np.float64)

    def ratio(self, places: Iterable[Place], family: str) -> tuple[Array, Array]:
        """Return what simulated events of a family give, ``(T, B)``, and what is expected, ``(B,)``, in a window."""
        given, expected = [], []
        for place in places:
            plain = self.expected[place.spectrum]
            moved = self.simulated[place.spectrum].get(family, np.broadcast_to(plain, (self.size, plain.size)))
            given.append(joined(moved, place.cuts))
            expected.append(joined(plain, place.cuts))
        return np.concatenate(given, axis=1), np.concatenate(expected)


def draw_search_toys(expectation: Expectation, *, seed: np.random.SeedSequence, indices: Iterable[int]) -> SearchToys:
    """Return the toys with the given indices: the same index and seed make the same toy, alone or with others.

    Parameters
    ----------
    expectation
        What they are drawn from.
    seed
        Toy i uses its child i.
    indices
        Which toys, T of them.
    """
    children = [child_seed(seed, i) for i in indices]
    n, spectra = len(children), expectation.spectra
    sums = [np.zeros((n, s.expected.size + 1), _integer(s)) for s in spectra]
    simulated = [{family: np.zeros((n, s.expected.size + 1)) for family in s.simulated} for s in spectra]
    normal, uniform = np.empty((n, len(expectation.normal))), np.empty((n, len(expectation.counted)))
    for row, child in enumerate(children):
        generator = np.random.Generator(np.random.PCG64(child))
        normal[row] = generator.standard_normal(normal.shape[1])
        uniform[row] = generator.uniform(size=uniform.shape[1])
        scores = dict(zip(expectation.normal, normal[row], strict=True))
        for k, spectrum in enumerate(spectra):
            np.cumsum(generator.poisson(_moved(spectrum, scores, generator)), out=sums[k][row, 1:])
            for family, events in spectrum.simulated.items():
                found = np.divide(generator.poisson(events), events, out=np.ones_like(events), where=events > 0.0)
                np.cumsum(spectrum.expected * found, out=simulated[k][family][row, 1:])
    return SearchToys(
        sums=tuple(sums),
        expected=tuple(np.concatenate([[0.0], np.cumsum(s.expected)]) for s in spectra),
        simulated=tuple(simulated),
        normal={name: normal[:, k] for k, name in enumerate(expectation.normal)},
        uniform={name: uniform[:, k] for k, name in enumerate(expectation.counted)},
    )


def _integer(spectrum: Spectrum) -> type[np.integer]:
    """Return integers that hold all events of a toy: small ones where they do, for toys are what takes the memory."""
    return np.int32 if spectrum.expected.sum() < MANY else np.int64


def _moved(spectrum: Spectrum, scores: Mapping[str, float], generator: np.random.Generator) -> Array:
    """Return what is expected in one toy: with what is averaged over drawn, log-normal and gamma factors."""
    expected = spectrum.expected
    for name, relative in spectrum.moved.items():
        expected = expected * (1.0 + relative) ** scores[name]
    uncertain = (spectrum.variances > 0.0) & (spectrum.expected > 0.0)
    if not uncertain.any():
        return expected
    shape = spectrum.expected[uncertain] ** 2 / spectrum.variances[uncertain]
    factor = np.ones_like(expected)
    factor[uncertain] = generator.gamma(shape) / shape
    return np.asarray(expected * factor)
