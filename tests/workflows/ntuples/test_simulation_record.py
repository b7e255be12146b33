"""The record of a simulation beside its events."""

import dataclasses
import math

import numpy as np
import pytest

from bumphunt.errors import NtupleError
from workflows.ntuples.simulation_record import read_simulation
from workflows.ntuples.writing import write_tree

COLUMNS = {"x": np.ones(10)}


def test_simulation_record_comes_back(sample, simulation):
    assert read_simulation(sample) == simulation


def test_nan_of_a_background_record_comes_back(tmp_path, simulation):
    path = tmp_path / "mumu.root"
    write_tree(path, [COLUMNS], simulation=lambda: dataclasses.replace(simulation, mass=math.nan, process="mumu"))
    assert math.isnan(read_simulation(path).mass)


def test_file_without_simulation_record_raises(tmp_path):
    path = tmp_path / "data.root"
    write_tree(path, [COLUMNS])
    with pytest.raises(NtupleError, match=r"data.root: there is no tree 'simulation'; there are 'events'"):
        read_simulation(path)


def test_foreign_simulation_tree_raises(tmp_path):
    path = tmp_path / "data.root"
    write_tree(path, [{"process": np.arange(2)}], tree="simulation")
    with pytest.raises(NtupleError, match="has 2 rows"):
        read_simulation(path)
