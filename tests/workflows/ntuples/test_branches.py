"""Names of branches, against those that basf2 writes."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.ntuples.branches import branch_name, escape

CHARACTERS = string.ascii_letters + string.digits + " ,:=<>.+-(){}[]`^$%!?;#*/\\'\"~|&@"


@pytest.mark.parametrize(
    ("variable", "branch"),
    [
        # as printed by basf2: its documentation of VariablesToNtuple and tests of makeROOTCompatible
        ("daughter(0, p)", "daughter__bo0__cm__spp__bc"),
        ("useCMSFrame(p)", "useCMSFrame__bop__bc"),
        ("extraInfo(SignalProbability)", "extraInfo__boSignalProbability__bc"),
        ("formula(px + py*2)", "formula__bopx__sp__pl__sppy__mu2__bc"),
        ("L1PSNM(ffo)", "L1PSNM__boffo__bc"),
        ("totalEnergyOfParticlesInList(gamma:roe)", "totalEnergyOfParticlesInList__bogamma__clroe__bc"),
        ("__weight__", "__weight__"),
        ("__production__", "__production__"),
    ],
)
def test_escaped_names_are_those_of_basf2(variable, branch):
    assert escape(variable) == branch


NAMES = st.text(CHARACTERS + "_", min_size=1).filter(lambda name: "__" not in name)


@given(NAMES, NAMES)
def test_branches_are_names_for_root_and_differ_where_variables_do(first, second):
    assert set(escape(first)) <= set(string.ascii_letters + string.digits + "_")
    assert (escape(first) == escape(second)) == (first == second)


def test_characters_without_substitution_are_dropped():
    assert escape("mass é") == "mass__sp"


def test_name_table_wins_over_escaped_name():
    assert branch_name("daughter(0, p)", {"daughter(0, p)": "mu1P"}) == "mu1P"
    assert branch_name("daughter(1, p)", {"daughter(0, p)": "mu1P"}) == "daughter__bo1__cm__spp__bc"
