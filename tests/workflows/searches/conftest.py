"""Searches that bring their own generator and final state, each a file as a user would write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflows.chain import prepare, up_to
from workflows.config.file import load

GENERATORS = '''\
"""Two-body decays flat in phase space, as arrays."""
import numpy as np
from bumphunt.montecarlo.events import Events


def boosted(p4, parent):
    """Return momenta given in the rest frame of a parent, both of shape (N, 4), in the frame of the parent's."""
    m = np.sqrt(parent[:, 0] ** 2 - np.sum(parent[:, 1:] ** 2, axis=1))[:, np.newaxis]
    along = np.sum(p4[:, 1:] * parent[:, 1:], axis=1, keepdims=True)
    energy = (parent[:, :1] * p4[:, :1] + along) / m
    return np.concatenate([energy, p4[:, 1:] + parent[:, 1:] * (energy + p4[:, :1]) / (parent[:, :1] + m)], axis=1)


def decay(parent, first, second, rng):
    """Return the products of masses `first` and `second` of parents, shape (N, 4) each."""
    m2 = parent[:, 0] ** 2 - np.sum(parent[:, 1:] ** 2, axis=1)
    energy = (m2 + first**2 - second**2) / (2 * np.sqrt(m2))
    p = np.sqrt(energy**2 - first**2)
    cos, phi = rng.uniform(-1, 1, p.size), rng.uniform(-np.pi, np.pi, p.size)
    sin = np.sqrt(1 - cos**2)
    there = np.stack([energy, p * sin * np.cos(phi), p * sin * np.sin(phi), p * cos], axis=1)
    back = np.concatenate([np.sqrt(m2)[:, np.newaxis] - there[:, :1], -there[:, 1:]], axis=1)
    return boosted(there, parent), boosted(back, parent)


def events(beams, particles, cross_section):
    """Return events of particles: PDG number and momenta of shape (N, 4) each."""
    n = len(particles[0][1])
    return Events(
        pdgid=np.tile(np.array([pdgid for pdgid, _ in particles], dtype=np.int32), (n, 1)),
        p4=np.stack([p4 for _, p4 in particles], axis=1),
        weight=np.full(n, cross_section),
        beams_p4=np.tile(beams.p4, (n, 1)),
    )
'''


@pytest.fixture
def chain(tmp_path: Path) -> Callable[..., Path]:
    """Return what runs a search of a user's, given as text, up to a verb, and returns the folder of the results."""

    def run(search: str, content: dict[str, Any], verb: str, *, workers: int = 1) -> Path:
        (tmp_path / "decays.py").write_text(GENERATORS)
        (tmp_path / "own.py").write_text(search)
        (tmp_path / "own.yaml").write_text(yaml.safe_dump({"channel": "own.py:SEARCH", **content}))
        for step in up_to(prepare(load(tmp_path / "own.yaml"), tmp_path / "results", workers=workers), verb):
            step.run()
        return tmp_path / "results"

    return run
