"""Data are counted: a weight other than 1 is an error that names the branch; simulation may be weighted."""

from __future__ import annotations

import numpy as np
import pytest

from bumphunt.errors import ConfigError, NtupleError


def weighted(c, entry=1234, weight=0.97):
    weights = np.ones(c["mass"].size)
    weights[entry] = weight
    return c | {"__weight__": weights}


@pytest.mark.parametrize(("entry", "weight"), [(0, 2.0), (1234, 0.97), (2499, 0.0), (7, -1.0)])
def test_one_weight_of_data_is_named(own_analysis, columns, entry, weight):
    analysis = own_analysis()
    analysis.write("data", weighted(columns(2500), entry, weight))
    words = rf"data\.root: tree 'events': branch '__weight__' is {weight:g} in entry {entry} of data \(1 such rows"
    with pytest.raises(NtupleError, match=words):
        analysis.make("process")
    # lost rows may be allowed, wrong ones are not
    with pytest.raises(NtupleError, match=words):
        analysis.make("process", allow_missing=True)


def test_branch_of_the_name_table_is_the_one_that_is_named(own_analysis, columns):
    analysis = own_analysis()
    for path in (analysis.folder / "n").glob("*.root"):
        mass = float(path.stem.removeprefix("signal_")) if "signal" in path.stem else None
        analysis.write(path.stem, columns(500, mass=mass) | {"factor": np.full(500, 1.5)})
    analysis.content["ntuples"] = {"names": {"__weight__": "factor"}}
    with pytest.raises(NtupleError, match=r"branch 'factor' is 1.5 in entry 0 of data .*correct the simulation"):
        analysis.make("process")


def test_simulation_may_be_weighted(own_analysis, columns):
    analysis = own_analysis()
    analysis.write("flat", weighted(columns(5000, seed=2)))
    assert (analysis.make("process") / "process" / "samples.json").exists()


def test_weighted_data_are_not_supported_and_that_is_said(own_analysis):
    analysis = own_analysis()
    analysis.content["data"]["weighted"] = True
    with pytest.raises(
        ConfigError, match=r"analysis\.yaml:\d+: data: 'weighted: true' is not supported: .*Poisson counts"
    ):
        analysis.make("check")
