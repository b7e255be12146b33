"""The numbers of the detector: presets, overrides, and values that make no sense."""

import dataclasses

import pytest

from bumphunt.errors import InputError, unknown_name
from bumphunt.montecarlo.detector.presets import BABAR, BELLE2, DETECTORS, preset
from bumphunt.montecarlo.detector.trigger_lines import PhotonTrigger


def test_presets_are_named():
    assert DETECTORS == {"belle2": BELLE2, "babar": BABAR}
    assert preset("babar") == BABAR


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"photon_loss": 1.2}, "photon_loss = 1.2; a probability"),
        ({"muon_efficiency": float("nan")}, "muon_efficiency = nan"),
        ({"pt_resolution_linear": -1e-3}, "pt_resolution_linear = -0.001"),
        ({"tracking_theta": (2.0, 1.0)}, "tracking_theta"),
        ({"ecl_gaps": ((0.5, 0.4),)}, "ecl_gaps"),
        ({"trigger_theta": (0.5, 4.0)}, "trigger_theta"),
        ({"trigger_theta": 0.5}, "trigger_theta = 0.5 rad; it must be two polar angles"),
        ({"muon_efficiency": "0.9"}, "muon_efficiency = '0.9'; it must be a number"),
        ({"muon_efficiency": True}, "muon_efficiency = True; it must be a number"),
        ({"ecl_gaps": ((0.5, 0.7), (0.6, 0.8))}, "ecl_gaps = .* ordered, apart, and inside ecl_theta"),
        ({"ecl_gaps": ((0.1, 0.4),)}, "ecl_gaps = .* ordered, apart, and inside ecl_theta"),
        ({"in_time_window": 201.0}, "in_time_window = 201.0 ns"),
    ],
)
def test_impossible_detector_raises(change, words):
    with pytest.raises(InputError, match=words):
        dataclasses.replace(BELLE2, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"regions": ((0.5, 2.0),)}, "region .* of line; it must be two polar angles and an energy"),
        ({"regions": (1.0,)}, "region 1.0 of line"),
        ({"regions": ((2.0, 0.5, 1.0),)}, "region of line = .* ordered"),
        ({"regions": ((0.5, 2.0, -1.0),)}, "threshold of line = -1.0"),
        ({"second_max": 1.5}, "second_max = 1.5 GeV of line; it must not be above a threshold"),
        ({"second_max": float("nan")}, "second_max = nan"),
        ({"efficiency": 1.5}, "efficiency = 1.5; a probability"),
    ],
)
def test_impossible_trigger_line_raises(change, words):
    with pytest.raises(InputError, match=words):
        PhotonTrigger(**({"name": "line", "regions": ((0.5, 2.0, 1.0),)} | change))


def test_overrides_change_a_preset_and_nothing_else():
    changed = preset("belle2", muon_efficiency=0.9, ecl_gaps=[[0.5, 0.6]], tracking_theta=[0.3, 2.6])
    expected = dataclasses.replace(BELLE2, muon_efficiency=0.9, ecl_gaps=((0.5, 0.6),), tracking_theta=(0.3, 2.6))
    assert changed == expected


def test_trigger_lines_may_be_mappings():
    line = {"name": "one", "regions": [[0.5, 2.0, 1.0]], "second_max": 0.3}
    expected = PhotonTrigger(name="one", regions=((0.5, 2.0, 1.0),), second_max=0.3)
    assert preset("babar", photon_triggers=[line, BABAR.photon_triggers[0]]).photon_triggers == (
        expected,
        BABAR.photon_triggers[0],
    )


@pytest.mark.parametrize(
    ("name", "overrides", "words"),
    [
        ("bele2", {}, "detector 'bele2' is not known; did you mean 'belle2'"),
        ("atlas", {}, "detector 'atlas' is not known; known are belle2, babar"),
        ("belle2", {"muon_eficiency": 0.9}, "parameter 'muon_eficiency' is not known; did you mean 'muon_efficiency'"),
        ("belle2", {"photon_loss": 2.0}, "photon_loss = 2.0; a probability"),
        ("belle2", {"ecl_gaps": 0.5}, "ecl_gaps = 0.5; it must be a list"),
        ("belle2", {"photon_triggers": "lml1"}, "photon_triggers = 'lml1'; it must be a list"),
        ("belle2", {"photon_triggers": ["lml1"]}, "trigger line 'lml1'; it must be a mapping"),
        ("belle2", {"photon_triggers": [{"name": "one"}]}, "must be a mapping with name and regions"),
        ("belle2", {"photon_triggers": [{"name": "a", "regions": [], "vetoes": True}]}, "'vetoes' .* mean 'veto'"),
    ],
)
def test_impossible_override_raises(name, overrides, words):
    with pytest.raises(InputError, match=words):
        preset(name, **overrides)


def test_unknown_name_without_a_near_one_lists_all():
    assert unknown_name("thing", "zzz", ["a", "b"]) == "thing 'zzz' is not known; known are a, b"
