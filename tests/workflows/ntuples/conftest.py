"""A simulated sample."""

from pathlib import Path

import numpy as np
import pytest

from workflows.ntuples.simulation_record import Simulation
from workflows.ntuples.writing import write_tree


@pytest.fixture
def simulation() -> Simulation:
    """The record of a signal."""
    return Simulation(
        process="zprime",
        mass=2.0,
        coupling=0.1,
        cross_section=137.0,
        cross_section_error=0.5,
        generated=1000,
        luminosity=0.276,
        seed=3,
        sum_of_weights=37.8,
        effective_events=800.0,
    )


@pytest.fixture
def sample(tmp_path: Path, simulation: Simulation) -> Path:
    """Ten rows with the record."""
    path = tmp_path / "sample.root"
    columns = {"daughter(0, p)": np.arange(10, dtype=np.float32), "__event__": np.arange(10), "__weight__": np.ones(10)}
    write_tree(path, [columns], simulation=lambda: simulation)
    return path
