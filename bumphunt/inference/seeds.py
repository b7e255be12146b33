"""Seeds of toys: a child for every toy, so that any of them can be made again, alone or with others."""

from __future__ import annotations

import numpy as np

from bumphunt.errors import InputError

__all__ = ["child_seed", "seed_of"]


def seed_of(rng: np.random.Generator) -> np.random.SeedSequence:
    """Return a new child of a generator's seed; the next call gives another one.

    Raises
    ------
    InputError
        If the generator was not made from a `SeedSequence` (as `numpy.random.default_rng` does).
    """
    seed = rng.bit_generator.seed_seq
    if not isinstance(seed, np.random.SeedSequence):
        msg = f"the generator has no SeedSequence but {seed!r}: make it with numpy.random.default_rng(seed)"
        raise InputError(msg)
    return seed.spawn(1)[0]


def child_seed(seed: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    """Return the child with a given key, whatever was spawned before: ``seed.spawn(n)[i]`` is ``child_seed(seed, i)``.

    Examples
    --------
    >>> seed = np.random.SeedSequence(1)
    >>> child_seed(seed, 2).generate_state(1) == seed.spawn(3)[2].generate_state(1)
    array([ True])
    """
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size)
