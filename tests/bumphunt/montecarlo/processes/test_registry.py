"""The registry: every process generates what it says, and parameters are checked before anything is generated."""

import dataclasses
import pickle

import numpy as np
import pytest

from bumphunt.constants import M_TAU
from bumphunt.errors import BumphuntError, InputError
from bumphunt.kinematics.momenta import BEAMS
from bumphunt.montecarlo.processes.process import Parameter, Process
from bumphunt.montecarlo.processes.quarks import pythia
from bumphunt.montecarlo.processes.registry import PROCESSES, find_process, known_processes
from bumphunt.theory import alp, dark_photon, zprime

BELLE2 = BEAMS["belle2"]
ESSENTIAL = {"mass": 4.0, "higgs_mass": 1.0}


def needed(process):
    """Return the parameters that have no default."""
    return {name: ESSENTIAL[name] for name, p in process.parameters.items() if p.default is None}


@pytest.mark.parametrize("name", [name for name in PROCESSES if not name.endswith("bar")])
def test_every_process_generates_balanced_events_of_a_positive_cross_section(name):
    process = find_process(name)
    parameters = process.complete(needed(process), BELLE2)
    events = process.generate(2000, beams=BELLE2, rng=np.random.default_rng(3), **parameters)
    again = process.generate(2000, beams=BELLE2, rng=np.random.default_rng(3), **parameters)
    assert np.array_equal(events.weight, again.weight)
    assert np.all(events.weight >= 0)
    assert events.weight.mean() > 0
    seen = events.weight > 0
    missing = np.abs(events.p4.sum(axis=1) - events.beams_p4)[seen]
    # a few generators leave photons below a small energy out
    assert np.median(missing) < 0.01
    assert process.name == name
    assert 0 < process.branching_ratio(parameters) <= 1


def test_branching_ratios_are_those_of_the_theory():
    at = {"mass": 4.0, "coupling": 0.1}
    assert find_process("zprime").branching_ratio(at) == pytest.approx(float(zprime.branching_ratio_invisible(4.0)))
    assert find_process("aprime_ee").branching_ratio(at) == pytest.approx(float(dark_photon.branching_ratio(4.0, "ee")))
    for name in ("mumu", "aprime_invisible", "alp_diphoton", "zprime_lfv"):
        assert find_process(name).branching_ratio(at) == 1


@pytest.mark.parametrize(
    ("name", "theory"),
    [
        ("zprime", lambda: zprime.cross_section([4.0], coupling=0.1, sqrt_s=BELLE2.sqrt_s)),
        ("aprime_mumu", lambda: dark_photon.cross_section([4.0], coupling=1e-3, sqrt_s=BELLE2.sqrt_s)),
        ("alp_diphoton", lambda: alp.cross_section([4.0], coupling=1e-3, sqrt_s=BELLE2.sqrt_s)),
    ],
)
def test_default_coupling_of_a_signal_is_the_one_of_its_cross_section(name, theory):
    process = find_process(name)
    parameters = process.complete({"mass": 4.0}, BELLE2)
    weight = process.generate(40_000, beams=BELLE2, rng=np.random.default_rng(4), **parameters).weight
    assert weight.mean() == pytest.approx(theory()[0], rel=0.01, abs=5 * weight.std() / np.sqrt(weight.size))


def test_signals_have_a_mass_and_a_coupling():
    for name, process in known_processes(signal=True).items():
        assert {"mass", "coupling"} <= process.parameters.keys(), name
        assert process.mass_range is not None


def test_defaults_are_filled_in_and_numbers_become_floats():
    assert find_process("eemumu").complete({"minimum_mass": 1}) == {"minimum_mass": 1.0, "multiperipheral_only": True}
    assert find_process("mumu").complete({}) == {}


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("mumu", {"mass": 1.0}, "'mumu' takes no parameters, but 'mass'"),
        ("zprime", {"mas": 1.0}, "parameter of zprime 'mas' is not known; did you mean 'mass'"),
        ("zprime", {}, "needs a value for 'mass'"),
        ("zprime", {"mass": "heavy"}, "mass of zprime = 'heavy'; it must be a number"),
        ("zprime", {"mass": True}, "mass of zprime = True; it must be a number"),
        ("zprime", {"mass": float("nan")}, "mass of zprime = nan"),
        ("zprime", {"mass": -1.0}, "mass of zprime = -1; it must be between 0 and inf"),
        ("zprime", {"mass": 10.5}, "mass of zprime = 10.5 GeV; it must be between 0 and 10.36"),
        ("aprime_tautau", {"mass": 2 * M_TAU - 0.01}, "mass of aprime_tautau = 3.54"),
        ("darkhiggs_mumu", {"mass": 6.0, "higgs_mass": 5.0}, "must be between 0.2113 and 5.57"),
        ("tautau", {"mode_enrichment": "muons"}, "did you mean 'muon'"),
        ("isr_resonances_mumu", {"meson": "j/psi"}, "did you mean 'jpsi'"),
        ("eeee", {"multiperipheral_only": 1}, "multiperipheral_only of eeee = 1; it must be true or false"),
        ("bhabha", {"minimum_angle": 2.0}, "minimum_angle of bhabha = 2; it must be between 0.01 and 1.5"),
        ("aprime_ee", {"mass": 1.0, "lifetime": -1.0}, "lifetime of aprime_ee = -1"),
    ],
)
def test_impossible_parameters_raise(name, parameters, words):
    with pytest.raises(InputError, match=words):
        find_process(name).complete(parameters, BELLE2)


def test_unknown_process_raises_with_the_nearest():
    with pytest.raises(InputError, match="process 'bhaba' is not known; did you mean 'bhabha'"):
        find_process("bhaba")


def test_a_process_of_ones_own_stands_beside_the_shipped_ones():
    mine = Process(name="mine", summary="", generate=generate_nothing, accuracy="", reference="")
    assert find_process("mine", [mine]) is mine
    assert find_process("mumu", [mine]) is PROCESSES["mumu"]
    assert known_processes([mine], signal=False).keys() - known_processes(signal=False).keys() == {"mine"}
    assert "mine" not in known_processes([mine], signal=True)
    with pytest.raises(InputError, match="process 'mumu' is there already"):
        find_process("mine", [mine, dataclasses.replace(mine, name="mumu")])


def generate_nothing(n, *, beams, rng):
    raise NotImplementedError


@pytest.mark.parametrize("name", PROCESSES)
def test_records_go_to_other_computing_processes(name):
    assert pickle.loads(pickle.dumps(PROCESSES[name])).summary == PROCESSES[name].summary


def test_no_events_raise():
    with pytest.raises(InputError, match="n = 0 events of mumu"):
        find_process("mumu").events(0, beams=BELLE2, rng=np.random.default_rng(1), parameters={})


def test_limits_may_be_allowed_or_not():
    assert Parameter(meaning="x", default=0.0, above=0.0, inclusive=True).checked("x", 0) == 0.0
    with pytest.raises(InputError, match="x = 0; it must be between 0 and inf: length"):
        Parameter(meaning="length", above=0.0).checked("x", 0)


def test_missing_pythia_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pythia, "MODULE", "no_such_pythia")
    with pytest.raises(InputError, match=r"pip install 'bumphunt\[pythia\]'"):
        find_process("ccbar").complete({})
    with pytest.raises(InputError, match=r"pip install 'bumphunt\[pythia\]'"):
        pythia.generate(1, beams=BELLE2, rng=np.random.default_rng(1), flavour="c")


def test_unknown_flavour_raises():
    with pytest.raises(InputError, match="flavour 'b' is not known"):
        pythia.generate(1, beams=BELLE2, rng=np.random.default_rng(1), flavour="b")


@pytest.mark.skipif(not pythia.is_installed(), reason="the extra 'pythia' is not installed")
@pytest.mark.parametrize("flavour", pythia.FLAVOURS)
def test_pythia_makes_balanced_events(flavour):
    process = find_process(f"{flavour}{flavour}bar")
    process.complete({}, BELLE2)
    events = process.generate(200, beams=BELLE2, rng=np.random.default_rng(1))
    again = process.generate(200, beams=BELLE2, rng=np.random.default_rng(1))
    assert np.array_equal(events.p4, again.p4)
    assert events.weight.mean() == pytest.approx(pythia.CROSS_SECTIONS[flavour], rel=0.001)
    np.testing.assert_allclose(events.p4.sum(axis=1), events.beams_p4, atol=1e-6)
    assert 8 < np.count_nonzero(events.pdgid, axis=1).mean() < 25
    assert not np.any(np.isin(np.abs(events.pdgid), [111, 310, 421]))  # they have decayed


@pytest.mark.skipif(not pythia.is_installed(), reason="the extra 'pythia' is not installed")
def test_pythia_that_does_not_start_raises():
    with pytest.raises(BumphuntError, match="does not start for fermion 4"):
        pythia.generator(4, beams=BELLE2, lowest_mass=50.0, seed=1)
