"""The numbers of the detector, and the recoil-mass resolution that follows from them."""

import dataclasses

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.kinematics import BEAMS, M_MUON, four_momentum, mass_squared, recoil_mass_squared
from bumphunt.montecarlo import mumu_zprime
from bumphunt.montecarlo.detector import (
    BELLE2,
    DETECTORS,
    angle_resolution,
    in_ecl,
    in_tracking,
    muon_probability,
    photon_energy_resolution,
    transverse_momentum_resolution,
)
from bumphunt.montecarlo.reconstruction import reconstruct

# Belle II simulation of ee -> mumu Z': "weighted sigma" of M_rec^2 [GeV^2] (Crystal Ball plus Gaussian) by mass [GeV],
# from the public example of the Punzi-net, arXiv:2110.00810.
PUBLISHED = {1.0: 0.287493, 2.0: 0.31112, 3.0: 0.270783, 4.0: 0.262165, 5.0: 0.243127, 6.0: 0.195867,
             7.0: 0.158242, 8.0: 0.0962218}  # fmt: skip


def test_presets_are_named():
    assert DETECTORS["belle2"] is BELLE2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"photon_loss": 1.2}, "photon_loss = 1.2; a probability"),
        ({"muon_efficiency": float("nan")}, "muon_efficiency = nan"),
        ({"pt_resolution_linear": -1e-3}, "pt_resolution_linear = -0.001"),
        ({"tracking_theta": (2.0, 1.0)}, "tracking_theta"),
        ({"ecl_gaps": ((0.5, 0.4),)}, "ecl_gaps"),
        ({"trigger_theta": (0.5, 4.0)}, "trigger_theta"),
    ],
)
def test_impossible_detector_raises(change, words):
    with pytest.raises(InputError, match=words):
        dataclasses.replace(BELLE2, **change)


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
    assert muon_probability(BELLE2.muon_turn_on, 13, BELLE2) == pytest.approx(BELLE2.muon_efficiency / 2)
    assert muon_probability([0.3, 3.0], -13, BELLE2) == pytest.approx([0.0, BELLE2.muon_efficiency], abs=2e-4)
    assert muon_probability(3.0, [211, -321, 11, 2212], BELLE2) == pytest.approx([0.04, 0.03, 0, 0])
    sharp = dataclasses.replace(BELLE2, muon_turn_on_width=0.0)
    assert muon_probability([0.74, 0.76], 13, sharp).tolist() == [0.0, BELLE2.muon_efficiency]


def half_width(values, weights):
    """Return half of the central interval that holds 68.27 % of the weight."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    low, high = np.interp([0.15865, 0.84135], cumulative / cumulative[-1], values[order])
    return (high - low) / 2


@pytest.mark.parametrize("mass", PUBLISHED)
def test_recoil_mass_resolution_is_the_published_one(mass):
    # measured with nominal beams against generated with the beams of the event: all but the tail from radiation, which
    # the published Crystal Ball holds in its tail
    beams = BEAMS["belle2"]
    rng = np.random.default_rng(round(mass))
    events = mumu_zprime.generate(40_000, beams=beams, rng=rng, mass=mass, coupling=0.1)
    rows = reconstruct(events, BELLE2, rng=rng)
    pair = sum(
        four_momentum(*(rows[f"daughter({i}, {name})"] for name in ("p", "theta", "phi")), M_MUON) for i in (0, 1)
    )
    muons = np.sum(events.p4, axis=1, where=(np.abs(events.pdgid) == 13)[..., np.newaxis])
    true = mass_squared(events.beams_p4 - muons)[rows["__event__"] // 2]
    triggered = rows["L1PSNM(ffo)"] == 1
    width = half_width((recoil_mass_squared(pair, beams) - true)[triggered], rows["__weight__"][triggered])
    assert width == pytest.approx(PUBLISHED[mass], rel=0.20)
