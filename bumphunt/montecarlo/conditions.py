"""What a chunk of events depends on, and its seed: never on who makes it, nor when."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.detector.candidates import CANDIDATES, Candidate
from bumphunt.montecarlo.detector.parameters import Detector
from bumphunt.montecarlo.processes.process import Parameters

__all__ = ["Conditions", "production_number", "random_generator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Where events happen, what is reconstructed of them, and the seed of all random numbers."""

    beams: Beams
    """The beams."""
    detector: Detector
    """The detector."""
    seed: int
    """Seed of the analysis, not negative."""
    candidate: Candidate = CANDIDATES["dimuon"]
    """What is reconstructed."""


def _key(process: str, parameters: Parameters) -> int:
    """Return a number that stands for a process with its parameters, the same on every machine."""
    values = sorted((k, v if isinstance(v, str) else float(v)) for k, v in parameters.items())
    text = json.dumps([process, values])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def random_generator(
    seed: int, *, process: str, parameters: Parameters, stream: str, chunk: int
) -> np.random.Generator:
    """Return the generator of one chunk.

    Parameters
    ----------
    seed
        Seed of the analysis, not negative.
    process, parameters
        What is generated.
    stream
        Purpose: two streams with the same other arguments are independent.
    chunk
        Number of the chunk, from 0.

    Examples
    --------
    >>> a = random_generator(1, process="mumu", parameters={}, stream="sample", chunk=0).random()
    >>> b = random_generator(1, process="mumu", parameters={}, stream="data", chunk=0).random()
    >>> a == b
    False
    """
    entropy = [seed, _key(process, parameters), _key(stream, {}), chunk]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def production_number(process: str, parameters: Parameters) -> int:
    """Return the 31-bit ``__production__`` that tells samples of different processes and parameters apart."""
    return _key(process, parameters) % 2**31
