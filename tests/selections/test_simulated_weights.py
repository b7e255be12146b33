"""Weights of simulated muon pairs after the preselection of Z' -> invisible."""

import numpy as np
import pytest

from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.detector.presets import DETECTORS
from bumphunt.montecarlo.detector.reconstruction import reconstruct
from bumphunt.montecarlo.processes.leptons import mumu
from selections.searches.zprime import invisible as zprime_invisible

BEAM = BEAMS["belle2"]
N = 200_000


@pytest.fixture(scope="module")
def selected():
    """Weights and squared recoil masses of the rows that pass every cut."""
    rng = np.random.default_rng(61)
    columns = reconstruct(mumu.generate(N, beams=BEAM, rng=rng), DETECTORS["belle2"], rng=rng)
    selection = zprime_invisible.selection(BEAM)
    observables = selection.observables(columns)
    keep = np.all([cut.passes(observables[cut.observable]) for cut in selection.cuts], axis=0)
    return columns["__weight__"][keep], observables["m2_recoil"][keep]


def test_no_row_weighs_more_than_twenty_times_the_mean(selected):
    weight, _ = selected
    assert weight.size > 1e4
    assert weight.max() < 20 * weight.mean()


def test_muon_pairs_with_two_missed_photons_are_there_in_numbers(selected):
    """Some 300, 250 and 130 equivalent events of 10^6 generated, with photons along both beams."""
    weight, m2 = selected
    for low, high, least in ((1, 4, 150), (4, 16, 120), (16, 36, 60)):
        inside = weight[(m2 > low) & (m2 < high)]
        assert inside.sum() ** 2 / np.sum(inside**2) > least * N / 1e6
        assert inside.max() < 3 * weight.mean()
