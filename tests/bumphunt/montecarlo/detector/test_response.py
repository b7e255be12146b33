"""Resolutions, acceptances and probabilities, against their formulas."""

import dataclasses

import numpy as np
import pytest

from bumphunt.montecarlo.detector.presets import BABAR, BELLE2
from bumphunt.montecarlo.detector.response import (
    angle_resolution,
    id_probability,
    in_ecl,
    in_tracking,
    photon_energy_resolution,
    photon_time_resolution,
    transverse_momentum_resolution,
)


def test_resolutions_add_in_quadrature():
    a, b = BELLE2.pt_resolution_linear, BELLE2.pt_resolution_constant
    assert transverse_momentum_resolution(2.0, 0.9, BELLE2) == pytest.approx(np.sqrt((2 * a) ** 2 + (b / 0.9) ** 2))
    assert angle_resolution([0.5, 50.0], BELLE2) == pytest.approx(np.hypot(0.3e-3, [1.6e-3, 1.6e-5]))
    assert photon_energy_resolution(4.0, BELLE2) == pytest.approx(np.hypot(0.016, 0.0035))


def test_acceptances_have_edges():
    theta = np.radians([16.9, 17.1, 149.9, 150.1])
    assert in_tracking(theta, 1.0, BELLE2).tolist() == [False, True, True, False]
    assert in_tracking(1.0, [0.1, 0.2], BELLE2).tolist() == [False, True]
    theta = np.radians([12.3, 12.5, 31.3, 31.5, 32.1, 32.3, 128.6, 128.8, 130.6, 130.8, 155.0, 155.2])
    assert in_ecl(theta, BELLE2).tolist() == [
        False,
        True,
        True,
        False,
        False,
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_muon_identification_turns_on():
    assert id_probability("mu", BELLE2.muon_turn_on, 13, BELLE2) == pytest.approx(BELLE2.muon_efficiency / 2)
    assert id_probability("mu", [0.3, 3.0], -13, BELLE2) == pytest.approx([0.0, BELLE2.muon_efficiency], abs=2e-4)
    assert id_probability("mu", 3.0, [211, -321, 11, 2212], BELLE2) == pytest.approx([0.04, 0.03, 0, 0])
    assert id_probability("mu", 3.0, -11, dataclasses.replace(BELLE2, electron_to_muon=0.01)) == pytest.approx(0.01)
    sharp = dataclasses.replace(BELLE2, muon_turn_on_width=0.0)
    assert id_probability("mu", [0.74, 0.76], 13, sharp).tolist() == [0.0, BELLE2.muon_efficiency]


def test_hadrons_are_taken_for_what_they_are_or_another():
    right, wrong, lepton = BELLE2.hadron_efficiency, BELLE2.hadron_to_hadron, BELLE2.lepton_to_pion
    codes = [211, -321, 2212, 13, -11]
    assert id_probability("pi", 1.0, codes, BELLE2) == pytest.approx([right, wrong, wrong, lepton, lepton])
    assert id_probability("K", 1.0, codes, BELLE2) == pytest.approx([wrong, right, wrong, wrong, wrong])
    assert id_probability("p", 1.0, codes, BELLE2) == pytest.approx([wrong, wrong, right, wrong, wrong])


def test_photon_resolution_has_the_exponent_of_the_calorimeter():
    assert photon_energy_resolution(16.0, BABAR) == pytest.approx(np.hypot(0.012, 0.009 / 2))


def test_time_resolution_adds_in_quadrature():
    assert photon_time_resolution([0.1, 10.0], BELLE2) == pytest.approx(np.hypot(1.0, [3.0, 0.03]))


def test_track_that_starts_too_far_out_is_not_found():
    radius = BELLE2.tracking_radius_max
    assert in_tracking(1.0, 1.0, BELLE2, radius=[0.0, radius - 1, radius + 1]).tolist() == [True, True, False]


def test_electron_identification_turns_on():
    assert id_probability("e", BELLE2.electron_turn_on, 11, BELLE2) == pytest.approx(BELLE2.electron_efficiency / 2)
    rates = [BELLE2.electron_efficiency, BELLE2.muon_to_electron, BELLE2.pion_to_electron, BELLE2.kaon_to_electron, 0.0]
    assert id_probability("e", 3.0, [11, -13, 211, -321, 2212], BELLE2) == pytest.approx(rates)
