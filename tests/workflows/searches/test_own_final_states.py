"""A search brings its generator and what it reconstructs: six muons, a kaon with two photons, a displaced pair."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import uproot

from bumphunt.errors import ConfigError

SIX_MUONS = '''\
from itertools import permutations
import numpy as np
from bumphunt.constants import M_MUON
from bumphunt.kinematics.momenta import mass_squared
from bumphunt.montecarlo.detector.candidates import Candidate
from bumphunt.montecarlo.processes.process import Parameter, Process
from bumphunt.spectrum.axis import MassAxis
from selections.cuts import Cut, Selection
from selections.objects import daughter_p4, muon_cuts, muon_observables, muon_variables, track_variables
from selections.search import Binning, Region, Search
from decays import decay, events


def pairs(n, *, beams, rng, mass, coupling, higgs):
    """e+e- -> A' h', h' -> A' A', A' -> mu+ mu-."""
    first, scalar = decay(np.tile(beams.p4, (n, 1)), mass, higgs, rng)
    second, third = decay(scalar, mass, mass, rng)
    particles = []
    for dark in (first, second, third):
        plus, minus = decay(dark, M_MUON, M_MUON, rng)
        particles += [(-13, plus), (13, minus)]
    return events(beams, particles, coupling**2)


def continuum(n, *, beams, rng):
    """Six muons in a chain of two-body decays, of any mass."""
    return pairs(n, beams=beams, rng=rng, mass=rng.uniform(0.4, 2.2, n), coupling=0.1, higgs=5.0)


def observables(columns):
    plus = [daughter_p4(columns, i, M_MUON) for i in range(3)]
    minus = [daughter_p4(columns, i, M_MUON) for i in range(3, 6)]
    masses = np.sqrt(np.array([[mass_squared(a + b) for b in minus] for a in plus]))
    pairings = np.array([[masses[i, j] for i, j in enumerate(order)] for order in permutations(range(3))])
    best = np.argmin(np.ptp(pairings, axis=1), axis=0)
    chosen = np.take_along_axis(pairings, best[None, None], axis=0)[0]
    return {"m": chosen.mean(axis=0), "spread": np.ptp(chosen, axis=0), **muon_observables(columns, 6)}


def selection(beams):
    return Selection(
        name="six muons", variables=(*track_variables(6), *muon_variables(6)), observables=observables,
        cuts=(*muon_cuts(), Cut(name="equal", observable="spread", below=0.1, unit="GeV", description="", source="")),
        spectrum="m", axis=MassAxis(kind="mass", symbol="M"),
    )


NUMBER = Parameter(meaning="mass [GeV]", above=0.22, below=5.0)
SEARCH = Search(
    name="six muons", final_state="six muons", production="A' h'", particle="A'", observable="mean mass of the pairs",
    mass_range=(0.3, 2.4), reference="BaBar, arXiv:1202.1313",
    regions=(Region(name="six", description="three pairs", selection=selection, candidate="six_muons", process="dark",
                    binning=Binning(low=0.2, high=3.0, bins=1400)),),
    processes=(
        Process(name="dark", summary="A' h'", generate=pairs, signal=True, accuracy="phase space", reference="none",
                parameters={"mass": NUMBER, "coupling": Parameter(meaning="any", default=0.1, above=0.0),
                            "higgs": Parameter(meaning="mass [GeV]", default=5.0, above=0.0)}),
        Process(name="sixmuons", summary="six muons", generate=continuum, accuracy="phase space", reference="none"),
    ),
    reconstructed=(Candidate(name="six_muons", daughters=("mu+",) * 3 + ("mu-",) * 3),),
)
'''
KAON = '''\
import numpy as np
from bumphunt.constants import M_KAON, M_PION0, particle_mass
from bumphunt.kinematics.momenta import four_momentum, mass_squared
from bumphunt.montecarlo.detector.candidates import Candidate
from bumphunt.montecarlo.events import INVISIBLE
from bumphunt.montecarlo.processes.process import Parameter, Process
from bumphunt.spectrum.axis import MassAxis
from selections.cuts import Cut, Selection, Variable
from selections.objects import daughter, daughter_p4
from selections.search import Binning, Region, Search
from decays import decay, events

M_B = particle_mass(521)


def kaon_alp(n, *, beams, rng, mass=M_PION0, coupling=0.1):
    """Y(4S) -> B+ B-, B+ -> K+ a, a -> gamma gamma; the other B is not seen."""
    scale = 1.0001 * 2 * M_B / beams.sqrt_s
    wanted, other = decay(np.tile(beams.p4 * max(scale, 1.0), (n, 1)), M_B, M_B, rng)
    kaon, alp = decay(wanted, M_KAON, mass, rng)
    first, second = decay(alp, 0.0, 0.0, rng)
    return events(beams, [(321, kaon), (22, first), (22, second), (INVISIBLE, other)], coupling**2)


def photon(columns, i):
    return four_momentum(columns[daughter(i, "E")], columns[daughter(i, "theta")], columns[daughter(i, "phi")], 0.0)


def observables(columns):
    kaon, pair = daughter_p4(columns, 0, M_KAON), photon(columns, 1) + photon(columns, 2)
    mass = lambda p4: np.sqrt(np.maximum(mass_squared(p4), 0.0))
    return {"m": mass(pair), "m_b": mass(kaon + pair), "kaon_id": columns[daughter(0, "kaonID")]}


def selection(beams):
    names = [daughter(0, v) for v in ("p", "theta", "phi", "kaonID")]
    names += [daughter(i, v) for i in (1, 2) for v in ("E", "theta", "phi")]
    cut = dict(description="", source="")
    return Selection(
        name="kaon", variables=tuple(Variable(name=name) for name in names), observables=observables,
        cuts=(Cut(name="kaon ID", observable="kaon_id", above=0.6, **cut),
              Cut(name="B", observable="m_b", above=5.0, below=5.5, unit="GeV", **cut)),
        spectrum="m", axis=MassAxis(kind="mass", symbol="M"),
    )


SEARCH = Search(
    name="kaon", final_state="K a", production="B+", particle="a", observable="mass of two photons",
    mass_range=(0.2, 4.7), reference="BaBar, arXiv:2111.01800",
    regions=(Region(name="kaon", description="K+ gamma gamma", selection=selection, candidate="kaon_photons",
                    process="ktoa", binning=Binning(low=0.0, high=5.0, bins=1000)),),
    processes=(
        Process(name="ktoa", summary="B+ -> K+ a", generate=kaon_alp, signal=True, accuracy="exact", reference="none",
                parameters={"mass": Parameter(meaning="mass [GeV]", above=0.0, below=4.7),
                            "coupling": Parameter(meaning="any", default=0.1, above=0.0)}),
        Process(name="kpi0", summary="B+ -> K+ pi0", generate=kaon_alp, accuracy="exact", reference="none"),
    ),
    reconstructed=(Candidate(name="kaon_photons", daughters=("K+", "gamma", "gamma"), photon_energy_min=0.1),),
)
'''
DISPLACED = """\
import numpy as np
from bumphunt.constants import M_MUON
from bumphunt.kinematics.momenta import mass_squared
from bumphunt.montecarlo.detector.candidates import Candidate
from bumphunt.spectrum.axis import MassAxis
from selections.cuts import Cut, Selection, Variable
from selections.objects import daughter_p4, track_variables
from selections.search import Binning, Region, Search


def observables(columns):
    pair = daughter_p4(columns, 0, M_MUON) + daughter_p4(columns, 1, M_MUON)
    cross = np.abs(np.sin(columns["daughter(0, phi)"] - columns["daughter(1, phi)"]))
    vertex = {"away": columns["vertex0_dr"], "meets": columns["vertex0_chi2"]}
    return {"m": np.sqrt(mass_squared(pair)), "cross": cross, **vertex}


def selection(beams):
    cut = dict(description="", source="")
    own = tuple(Variable(name=name, unit="cm") for name in ("vertex0_dr", "vertex0_chi2"))
    return Selection(
        name="displaced", variables=(*track_variables(2), *own), observables=observables,
        cuts=(Cut(name="angle", observable="cross", above=0.1, **cut),  # else the lines are one
              Cut(name="vertex", observable="meets", below=10.0, **cut),
              Cut(name="displaced", observable="away", above=0.2, unit="cm", **cut)),
        spectrum="m", axis=MassAxis(kind="mass", symbol="M"),
    )


SEARCH = Search(
    name="displaced", final_state="mu mu", production="gamma A'", particle="A'", observable="mass of the pair",
    mass_range=(0.5, 9.0), reference="none",
    regions=(Region(name="pair", description="a pair off the beams", selection=selection, candidate="displaced_pair",
                    process="aprime_mumu", binning=Binning(low=0.0, high=11.0, bins=2200)),),
    reconstructed=(Candidate(name="displaced_pair", daughters=("mu+", "mu-"), vertices=((0, 1),)),),
)
"""


def content(background, events, masses, **parameters):
    """Return a YAML whose pseudo-data are drawn from the expectation."""
    return {
        "data": {"luminosity": 10.0, "simulate": {"draw_from": "expectation"}},
        "samples": {background: {"simulate": {"events": events}}},
        "signal": {"simulate": {"events": 1500, "masses": masses, "parameters": parameters}},
        "search": {"low": masses[0], "high": masses[-1], "step": 20},
        "fit": {"method": "counting"},
        "ntuples": {"candidates": {"best": "lowest", "variable": "m"}},
        "optimise": None,
    }


def peaks(folder, names):
    """Return the median of the selected spectrum of each signal."""
    found = []
    with uproot.open(folder / "spectra" / "spectra.root") as file:
        for name in names:
            values, edges = file[f"{name}/after"].to_numpy()
            found.append(np.interp(0.5, np.cumsum(values) / values.sum(), edges[1:]))
    return found


def passing(folder, sample):
    """Return the fraction of the rows of a sample that pass all cuts."""
    with (folder / "process" / "cutflow.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["sample"] == sample]
    return float(rows[-1]["sum_w"]) / float(rows[0]["sum_w"])


def test_six_muons_are_reconstructed_and_searched(chain):
    masses = [0.5, 1.0, 1.5, 2.0]
    folder = chain(SIX_MUONS, content("sixmuons", 3000, masses), "limits")
    found = peaks(folder, [f"six/dark_{mass:g}" for mass in masses])
    np.testing.assert_allclose(found, masses, rtol=0.005)
    with (folder / "limits" / "limits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 3
    assert all(row["valid"].lower() == "true" for row in rows)


def test_kaon_and_two_photons_are_reconstructed_from_a_generator_of_the_users(chain):
    masses = [0.5, 1.5, 2.5, 3.5]
    folder = chain(KAON, content("kpi0", 1500, masses), "spectra")
    found = peaks(folder, [f"kaon/ktoa_{mass:g}" for mass in masses])
    np.testing.assert_allclose(found, masses, rtol=0.02)
    assert passing(folder, "ktoa_2.5") > 0.3


def test_displaced_pair_has_a_vertex_and_a_prompt_one_has_not(chain):
    masses = [2.0, 3.0, 4.0, 5.0]
    folder = chain(DISPLACED, content("mumu", 5000, masses, lifetime=1.0), "spectra")
    found = peaks(folder, [f"pair/aprime_mumu_{mass:g}" for mass in masses])
    np.testing.assert_allclose(found, masses, rtol=0.01)
    assert passing(folder, "aprime_mumu_3") > 0.3
    assert passing(folder, "mumu") < 1e-3


def test_code_of_the_generator_is_what_simulated_files_depend_on(chain):
    first = content("kpi0", 200, [0.5, 1.5, 2.5, 3.5])
    # two processes: the generator travels by value
    made = chain(KAON, first, "simulate", workers=2) / "simulate" / "ktoa_0.5.root"
    before = made.stat().st_mtime_ns
    chain(KAON, first, "simulate")
    assert made.stat().st_mtime_ns == before
    chain(KAON.replace("the other B is not seen", "and another one"), first, "simulate")
    assert made.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('process="ktoa"', 'process="ktao"'), "process 'ktao' is not known; did you mean 'ktoa'"),
        (('candidate="kaon_photons"', 'candidate="kaon_photon"'), "candidate 'kaon_photon' is not known; did you mean"),
        (('name="kpi0"', 'name="mumu"'), "search 'kaon': process 'mumu' is there already; give it another name"),
    ],
)
def test_names_that_stand_for_nothing_have_the_closest(chain, change, words):
    with pytest.raises(ConfigError, match=words):
        chain(KAON.replace(*change), content("kpi0", 200, [0.5, 1.5, 2.5, 3.5]), "check")
