"""A search on files needs no generator: neither a process nor a candidate of the simulation."""

from __future__ import annotations

import pytest

from bumphunt.errors import ConfigError


def without_generator(analysis):
    """Take the process out of the search, and call what it reads by a name of one's own."""
    path = analysis.folder / "peak.py"
    path.write_text(path.read_text().replace('process="zprime",', "").replace('"dimuon"', '"my_skim"'))
    return analysis


def test_limits_are_those_of_a_search_with_a_generator(own_analysis):
    assert without_generator(own_analysis()).limits() == own_analysis().limits()


def test_signal_samples_have_a_name_all_the_same(own_analysis):
    analysis = without_generator(own_analysis())
    assert "signal_4,signal,all" in (analysis.make("check") / "check" / "inputs.csv").read_text()


def test_masses_of_files_have_no_kinematic_limit_without_a_generator(own_analysis):
    analysis = without_generator(own_analysis())
    analysis.content["signal"]["points"][-1]["mass"] = 12.0
    assert "signal_12,signal,all" in (analysis.make("check") / "check" / "inputs.csv").read_text()


def test_signal_that_is_to_be_simulated_needs_a_process(own_analysis):
    analysis = without_generator(own_analysis())
    analysis.content["signal"] = {"simulate": {"events": 100, "masses": [2.0, 4.0, 6.0, 8.0]}}
    with pytest.raises(ConfigError, match=r"signal\.simulate\.process: region 'all' of the search names no process"):
        analysis.make("check")
