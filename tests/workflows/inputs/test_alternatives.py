"""Other simulations of a sample, and other weights of its events, as sources of uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
import uproot

from bumphunt.errors import ConfigError, NtupleError
from workflows.products.selected import read_selected


def columns(analysis, name):
    with uproot.open(analysis.folder / "n" / f"{name}.root") as file:
        return file["events"].arrays(library="np")


def with_alternative(analysis, factor=1.2):
    """Give the background another simulation, of the same events with other weights."""
    c = columns(analysis, "flat")
    analysis.write("other", c | {"__weight__": factor * c["__weight__"]})
    analysis.content["samples"]["flat_other"] = {"files": ["n/other.root"], "luminosity": 2.0, "alternative": "flat"}
    analysis.content["systematics"] = {"generator": {"sample": "flat_other"}}
    return analysis


def with_weights(analysis, weights):
    """Give the background variations of its weights."""
    c = columns(analysis, "flat")
    analysis.write("flat", c | {"up": np.full(5000, 1.2), "down": np.full(5000, 0.8)})
    analysis.content["systematics"] = {"generator": {"weights": weights, "samples": ["flat"]}}
    return analysis


def numbers(analysis):
    """Return limits and backgrounds."""
    return [[float(row[name]) for name in ("n_bkg", "n_sig_ul_obs", "n_sig_ul_exp")] for row in analysis.limits()]


@pytest.fixture
def said_by_hand(own_analysis):
    """The limits with a change of 20 %, said in the YAML."""
    analysis = own_analysis()
    analysis.content["systematics"] = {"generator": {"background": {"flat": 0.2}}}
    return numbers(analysis)


def test_alternative_sample_is_a_source_and_no_background(own_analysis, said_by_hand):
    analysis = with_alternative(own_analysis())
    np.testing.assert_allclose(numbers(analysis), said_by_hand, rtol=1e-9)
    (unit,) = read_selected(analysis.folder / "results" / "spectra").units
    assert list(unit.after) == ["flat"]
    up, down = unit.varied["generator"]["flat"]
    nominal = unit.after["flat"].values()
    np.testing.assert_allclose([up.values(), down.values()], [1.2 * nominal, 0.8 * nominal], rtol=1e-12)
    without = own_analysis()
    assert np.all(np.array(numbers(without))[:, 2] < np.array(said_by_hand)[:, 2])


def test_window_in_which_the_alternative_has_no_event_has_the_change_of_a_wider_one(own_analysis):
    """All events would be taken away there by one standard deviation, which no log-normal factor does."""
    analysis = with_alternative(own_analysis())
    c = columns(analysis, "other")
    analysis.write("other", {name: values[abs(c["mass"] - 4.1) > 0.12] for name, values in c.items()})
    analysis.content["search"] = {"low": 4.1, "high": 7.5, "step": 40}
    first = analysis.limits()[0]
    assert (float(first["mass"]), first["valid"].lower()) == (4.1, "true")
    (unit,) = read_selected(analysis.folder / "results" / "spectra").units
    assert unit.other_events == {"generator"}


@pytest.mark.parametrize("weights", [["up", "down"], ["up"]])
def test_weights_of_the_ntuples_are_a_source(own_analysis, said_by_hand, weights):
    np.testing.assert_allclose(numbers(with_weights(own_analysis(), weights)), said_by_hand, rtol=1e-9)


def test_factors_on_a_sample_are_on_its_alternative(own_analysis):
    analysis = with_alternative(own_analysis())
    analysis.content["factors"] = {"half": {"value": 0.5, "samples": ["flat"]}}
    analysis.make("spectra")
    (unit,) = read_selected(analysis.folder / "results" / "spectra").units
    np.testing.assert_allclose(unit.varied["generator"]["flat"][0].values(), 1.2 * unit.after["flat"].values())


def test_alternative_that_no_source_names_is_not_read(own_analysis):
    analysis = with_alternative(own_analysis())
    (analysis.folder / "n" / "other.root").unlink()
    with pytest.raises(ConfigError, match=r"no file matches 'n/other\.root'"):
        analysis.make("check")
    del analysis.content["systematics"]
    assert "flat_other" not in (analysis.make("check") / "check" / "inputs.csv").read_text()


def test_check_does_not_add_an_alternative_to_the_expectation(own_analysis, said):
    analysis = with_alternative(own_analysis(), factor=100.0)
    assert "add up to" not in said(analysis)


def test_variable_of_weights_that_is_not_there_is_named(own_analysis):
    analysis = with_weights(own_analysis(), ["upp", "down"])
    with pytest.raises(NtupleError, match="no branch 'upp' for the variable 'upp'"):
        analysis.make("check")


@pytest.mark.parametrize(
    ("systematic", "sample", "words"),
    [
        ({"sample": "flat"}, {}, r"generator\.sample: 'flat' is part of the expectation; say what it is another sim"),
        ({"sample": "flat_othr"}, {}, r"alternative 'flat_othr' is not known; did you mean 'flat_other'"),
        ({"sample": "flat_other", "efficiency": 0.1}, {}, "'sample' is a source of its own: give efficiency under ano"),
        ({"weights": ["up"], "background": {"flat": 0.1}}, {}, "'weights' is a source of its own: give background"),
        ({"samples": ["flat"], "efficiency": 0.1}, {}, "'samples' are those of 'weights'"),
        ({"weights": ["up"], "samples": ["flt"]}, {}, r"systematics\.generator\.samples: sample 'flt'.*mean 'flat'"),
        ({"sample": "flat_other"}, {"alternative": "flt"}, r"flat_other\.alternative: sample 'flt'.*mean 'flat'"),
        ({"sample": "flat_other"}, {"uncertainty": 0.1}, "remove its 'uncertainty'"),
    ],
)
def test_alternatives_that_cannot_be_are_refused(own_analysis, systematic, sample, words):
    analysis = with_alternative(own_analysis())
    analysis.content["samples"]["flat_other"] |= sample
    analysis.content["systematics"] = {"generator": systematic}
    with pytest.raises(ConfigError, match=words):
        analysis.make("check")
