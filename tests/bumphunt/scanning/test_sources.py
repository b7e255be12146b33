"""Sources of uncertainty: what they refuse."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.scanning.sources import Source, checked_sources


@pytest.mark.parametrize(
    ("moved", "message"),
    [
        ({"efficiency": -1.0}, r"efficiency of source 'it' must be above -1.0 and below inf, got -1.0"),
        ({"efficiency": (0.1, -1.0)}, r"efficiency of source 'it' must be above -1.0 and below inf, got -1.0"),
        ({"background": {"tau": (0.0, 0.0)}}, r"source 'it' moves nothing"),
        ({"signal_width": -2.0}, r"signal_width of source 'it' must be above -1.0"),
        ({"signal_mean": np.nan}, r"signal_mean of source 'it' must be above -inf and below inf, got nan"),
        ({"background": {"tau": -1.5}}, r"background\[tau\] of source 'it' must be above -1.0"),
        (
            {"background_slope": {"tau": 1.0}},
            r"background_slope\[tau\] of source 'it' must be above -1.0 and below 1.0",
        ),
        ({"spurious_signal": -0.1}, r"spurious_signal of source 'it' must be a number >= 0, got -0.1"),
        ({}, r"source 'it' moves nothing"),
        ({"background": {"tau": 0.0}}, r"source 'it' moves nothing"),
    ],
)
def test_impossible_sources_raise_with_the_value(moved, message):
    with pytest.raises(InputError, match=message):
        Source(name="it", **moved)


def test_source_without_a_name_raises():
    with pytest.raises(InputError, match="needs a name, got ''"):
        Source(name="", efficiency=0.1)


def test_two_sources_of_one_name_raise():
    source = Source(name="trigger", efficiency=0.1)
    with pytest.raises(InputError, match="two sources of uncertainty are called 'trigger'"):
        checked_sources([source, source], ())


def test_source_of_an_unknown_sample_raises():
    with pytest.raises(InputError, match="moves the sample 'tautua'; there are mumu, tautau"):
        checked_sources([Source(name="veto", background={"tautua": 0.1})], ("mumu", "tautau"))


def test_one_name_may_stand_for_different_effects_in_different_regions():
    electrons = Source(name="tracking", efficiency=0.02, regions=("ee",))
    muons = Source(name="tracking", efficiency=0.01, background={"mumu": 0.01}, regions=("mumu",))
    samples = {"ee": ("eeee",), "mumu": ("mumu",)}
    assert checked_sources([electrons, muons], samples) == (electrons, muons)
    assert (electrons.applies("ee"), electrons.applies("mumu")) == (True, False)
    with pytest.raises(InputError, match="two sources of uncertainty are called 'tracking'"):
        checked_sources([electrons, Source(name="tracking", efficiency=0.01)], samples)
    with pytest.raises(InputError, match="moves the sample 'mumu'; there are eeee"):
        checked_sources([Source(name="it", background={"mumu": 0.1}, regions=("ee",))], samples)
