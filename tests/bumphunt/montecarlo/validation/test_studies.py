"""The studies of the validation page: what they find is within what the Monte Carlo claims, and they can fail."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.montecarlo.detector.presets import BELLE2
from bumphunt.montecarlo.processes.leptons import mumu
from bumphunt.montecarlo.processes.quarks import pythia
from bumphunt.montecarlo.validation import rates, resolution
from bumphunt.montecarlo.validation.studies import STUDIES, run_study
from bumphunt.montecarlo.validation.taus import boosted_michel

EVENTS = 20_000


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "quarks"])
def test_numbers_are_those_of_the_references(name):
    found = run_study(name, seed=2, events=EVENTS)
    assert found.checks
    for check in found.checks:
        allowed = 0.15 if name.endswith("resolution") else 0.05
        assert check.ratio == pytest.approx(1.0, abs=allowed + 4 * check.ratio_error), check
        assert check.source
    for shape in found.distributions:
        seen = shape.errors > 0
        assert np.mean(seen) > 0.9
        off = (
            np.abs(shape.values - shape.reference)[seen]
            - (0.2 if shape.points is not None else 0.1) * (shape.reference[seen])
        )
        assert np.all(off < 5 * shape.errors[seen]), shape.name


def test_studies_are_reproducible_and_follow_the_seed():
    first, again, other = (run_study("resonances", seed=seed, events=2000) for seed in (1, 1, 2))
    assert first.checks == again.checks
    assert first.checks != other.checks


def test_a_wrong_cross_section_shows(monkeypatch):
    generate = mumu.generate

    def doubled(*args, **kwargs):
        events = generate(*args, **kwargs)
        events.weight[:] *= 2
        return events

    monkeypatch.setattr(rates.mumu, "generate", doubled)
    check = run_study("pairs", seed=1, events=EVENTS).checks[0]
    assert check.quantity == "mumu(gamma)"
    assert check.ratio == pytest.approx(2.0, rel=0.1)


def test_a_wrong_resolution_shows(monkeypatch):
    from dataclasses import replace

    coarse = replace(BELLE2, pt_resolution_linear=2 * BELLE2.pt_resolution_linear)
    monkeypatch.setattr(resolution, "BELLE2", coarse)
    checks = run_study("recoil_resolution", seed=1, events=EVENTS).checks
    assert min(check.ratio for check in checks[1:5]) > 1.4


def test_boosted_michel_spectrum_is_that_of_a_fast_tau_with_a_massless_muon():
    # (5 - 9 x^2 + 4 x^3) / 3, where neither mass nor speed of the tau matter
    x = np.array([0.3, 0.5, 0.7])
    expected = (5 - 9 * x**2 + 4 * x**3) / 3
    np.testing.assert_allclose(boosted_michel(x, 50.0), expected, rtol=0.03)


def test_unknown_study_raises_with_the_nearest():
    with pytest.raises(InputError, match="study 'angle' is not known; did you mean 'angles'"):
        run_study("angle", seed=1)


def test_too_few_events_raise():
    with pytest.raises(InputError, match="events = 10; a study needs at least 1000"):
        run_study("angles", seed=1, events=10)


@pytest.mark.skipif(not pythia.is_installed(), reason="the extra 'pythia' is not installed")
def test_pythia_has_quark_pairs_near_the_table_and_is_drawn_beside():
    checks = run_study("quarks", seed=1, events=EVENTS).checks
    assert len(checks) == 4
    assert all(0.75 < check.ratio < 1.15 for check in checks)
    shape = run_study("photon_spectrum", seed=1, events=EVENTS).distributions[1]
    assert [overlay.label for overlay in shape.overlays] == ["Pythia 8.3"]


def test_no_pythia_no_quarks(monkeypatch):
    monkeypatch.setattr(pythia, "MODULE", "no_such_pythia")
    assert run_study("quarks", seed=1).checks == ()
