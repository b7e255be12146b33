"""What a search reads: every variable with its meaning, and what needs it."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from bumphunt.spectrum.axis import MASS
from selections.cuts import Cut, Selection, Variable
from selections.meanings import meaning, used_by
from selections.registry import SEARCHES
from workflows.config.described import daughters, described, read_variables
from workflows.config.searches import Registry

ZPRIME = SEARCHES["zprime-invisible"]


def needs(channel, region):
    search = SEARCHES[channel]
    return {variable.name: variable for variable in read_variables(search, search.region(region))}


@pytest.mark.parametrize("channel", SEARCHES)
def test_every_variable_of_a_shipped_search_has_a_meaning(channel):
    for region in SEARCHES[channel].regions:
        for variable in read_variables(SEARCHES[channel], region):
            assert variable.meaning
            assert not variable.meaning.startswith("(")
            assert variable.needed


def test_cuts_spectrum_and_veto_are_told_apart():
    found = needs("zprime-invisible", "mumu")
    momentum = found["daughter(0, p)"].needed
    assert momentum.startswith("spectrum; cuts: ")
    assert "muon E/p" in momentum
    assert "veto: pt_rec_lmax" in momentum
    assert found["daughter(0, charge)"].needed == "cuts: opposite charges"
    assert found["L1PSNM(ffo)"].needed == "cuts: trigger"
    assert (
        "no photon along the recoil" in found["getVariableByRank(gamma:roe, E, E, 1)"].needed
    )  # by whether it is there
    assert "veto" not in needs("zprime-invisible", "emu")["daughter(0, p)"].needed
    assert found["__run__"].needed == "key; 0 if it is not there"
    assert found["__event__"].needed == "key"


def test_daughters_are_in_the_order_of_the_candidate():
    assert daughters(ZPRIME.region("emu"), Registry()) == "0 e-, 1 mu+"
    lines = list(described(ZPRIME, Registry()))
    assert "        daughters: 0 mu+, 1 mu-; charge conjugation is implied" in lines
    assert lines[0] == "zprime-invisible: mu+ mu- Z', Z' -> invisible"
    assert len(list(described(ZPRIME, None))) == 2 + len(ZPRIME.regions)


def own(observables, *variables):
    cut = Cut(name="mine", observable="m", above=0.5, description="", source="")
    return Selection(name="own", variables=variables, observables=observables, cuts=(cut,), spectrum="m", axis=MASS)


def test_lists_and_a_users_meaning_are_described():
    momenta = Variable(name="momenta", unit="GeV", jagged=True, meaning="all momenta of the event")
    found = used_by(own(lambda c: {"m": ak.max(c["momenta"], axis=1), "n": 1.0 * c["n"]}, momenta, Variable(name="n")))
    assert found == {"momenta": {"m"}, "n": {"n"}}
    assert meaning(momenta) == "all momenta of the event"
    assert meaning(Variable(name="something")) == ""


def test_column_that_nothing_is_made_of_is_used_by_nothing():
    found = used_by(own(lambda c: {"m": c["a"] + 0.0 * np.asarray(c["b"])}, Variable(name="a"), Variable(name="b")))
    assert found == {"a": {"m"}, "b": frozenset()}
