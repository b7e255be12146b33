"""The processes of the Monte Carlo by name: backgrounds, calibration peaks and signals.

========================================== ==========================================================================
names                                      process
========================================== ==========================================================================
mumu, tautau                               pairs with photons
bhabha, single_photon_bhabha, diphoton     electrons and photons, by angle and by what escapes
eemumu, eeee                               pairs from two photons
isr_resonances_mumu, isr_resonances_ee     omega, phi, psi and Upsilon by radiative return
uubar, ddbar, ssbar, ccbar                 quark pairs, by Pythia (optional extra)
zprime, zprime_lfv                         Z' with a muon pair, or with an electron and a muon
aprime_ee | mumu | tautau | pipi | invisible   dark photon with a photon
alp_diphoton, alp_invisible                axion-like particle with a photon
darkhiggs_mumu, darkhiggs_ee               dark Higgs that escapes, with a dark photon
========================================== ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bumphunt.constants import M_ELECTRON, M_MUON
from bumphunt.errors import InputError, unknown_name
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.leptons import bhabha, eeee, eemumu, mumu, single_photon_bhabha
from bumphunt.montecarlo.processes.photons import diphoton
from bumphunt.montecarlo.processes.process import Parameter, Parameters, Process
from bumphunt.montecarlo.processes.quarks import pythia
from bumphunt.montecarlo.processes.resonances import isr_resonances
from bumphunt.montecarlo.processes.signals import (
    dark_higgsstrahlung,
    emu_zprime,
    mumu_zprime,
    photon_alp,
    photon_dark_photon,
)
from bumphunt.montecarlo.processes.taus import tautau
from bumphunt.montecarlo.processes.taus.modes import ENRICHMENTS
from bumphunt.theory import dark_photon
from bumphunt.theory.zprime import branching_ratio_invisible

__all__ = ["PROCESSES", "find_process", "signals"]

MASS_TABLE = "Belle II Physics Book, arXiv:1808.10567, table of cross sections"
ALL = "all"
"""Every meson of `isr_resonances` that is light enough."""
HEAVIEST_RETURN = 0.1
"""How far below sqrt(s) the mass of what recoils against a photon must be [GeV]: a photon to be seen."""

_MASS = Parameter(meaning="mass [GeV]", above=0.0)
_LIFETIME = Parameter(meaning="proper decay length c tau [cm]", default=0.0, above=0.0, inclusive=True)
_TAU_MODES = Parameter(
    meaning="how often each tau decay mode is drawn, compared with nature",
    default="muon",
    choices=tuple(ENRICHMENTS),
)
_PAIR_MASS = Parameter(meaning="lowest mass of the pair [GeV]", default=0.5, above=0.22)
_ANGLE = Parameter(
    meaning="smallest angle to the beams in the centre of mass [rad]",
    default=float(np.radians(10.0)),
    above=0.01,
    below=1.5,
    inclusive=True,
)


def _coupling(default: float, meaning: str) -> Parameter:
    return Parameter(meaning=meaning, default=default, above=0.0)


def _mesons(n: int, *, beams: Beams, rng: np.random.Generator, lepton: int, meson: str) -> Events:
    """Return events of one meson, or of all of them."""
    names = None if meson == ALL else [meson]
    return isr_resonances.generate(n, beams=beams, rng=rng, lepton=lepton, resonances=names)


def _recoil_range(recoil: float, lightest: float = 0.0) -> Callable[[Parameters, float], tuple[float, float]]:
    """Return the mass range of what is made beside particles of the mass `recoil` [GeV]."""
    return lambda parameters, sqrt_s: (lightest, sqrt_s - recoil)


def _aprime(final_state: str, accuracy: str) -> Process:
    """Return the process of a dark photon that decays to one final state."""
    lightest = max(2 * photon_dark_photon.FINAL_STATES[final_state][1], photon_dark_photon.LIGHTEST)
    parameters = {"mass": _MASS, "coupling": _coupling(1e-3, "kinetic mixing epsilon"), "lifetime": _LIFETIME}
    if final_state == "tautau":
        parameters["mode_enrichment"] = _TAU_MODES

    def branching_ratio(given: Parameters) -> float:
        if final_state == "invisible":  # to dark matter, always
            return 1.0
        return float(dark_photon.branching_ratio(float(given["mass"]), final_state))

    return Process(
        name=f"aprime_{final_state}",
        summary=f"e+e- -> gamma A', A' -> {final_state}",
        generate=partial(photon_dark_photon.generate, final_state=final_state),
        parameters=parameters,
        signal=True,
        branching_ratio=branching_ratio,
        mass_range=_recoil_range(HEAVIEST_RETURN, lightest),
        accuracy=accuracy,
        reference="Essig, Schuster, Toro, arXiv:0903.3941",
    )


def _alp(final_state: str) -> Process:
    """Return the process of an axion-like particle."""
    return Process(
        name=f"alp_{final_state}",
        summary=f"e+e- -> gamma a, a -> {'gamma gamma' if final_state == 'diphoton' else 'invisible'}",
        generate=partial(photon_alp.generate, final_state=final_state),
        parameters={"mass": _MASS, "coupling": _coupling(1e-3, "coupling to photons [1/GeV]"), "lifetime": _LIFETIME},
        signal=True,
        mass_range=_recoil_range(HEAVIEST_RETURN, photon_alp.LIGHTEST),
        accuracy="exact at tree level, one collinear photon from each beam",
        reference="Dolan et al., arXiv:1709.00009",
    )


def _dark_higgs(final_state: str) -> Process:
    """Return the process of a dark Higgs that escapes."""
    product = dark_higgsstrahlung.FINAL_STATES[final_state][1]
    return Process(
        name=f"darkhiggs_{final_state}",
        summary=f"e+e- -> A' h', A' -> {final_state}, h' escapes",
        generate=partial(dark_higgsstrahlung.generate, final_state=final_state),
        parameters={
            "mass": _MASS,
            "higgs_mass": Parameter(meaning="mass of the h' [GeV]", above=0.0),
            "coupling": _coupling(1e-7, "eps^2 alpha_D"),
            "lifetime": _LIFETIME,
        },
        signal=True,
        branching_ratio=lambda given: float(dark_photon.branching_ratio(float(given["mass"]), final_state)),
        mass_range=lambda given, sqrt_s: (2 * product, sqrt_s - float(given.get("higgs_mass", 0.0))),
        accuracy="exact at tree level, one collinear photon from each beam; the coupling enters linearly, as eps^2",
        reference="Batell, Pospelov, Ritz, arXiv:0903.0363",
    )


def _quarks(flavour: str) -> Process:
    """Return the process of a quark pair."""
    return Process(
        name=f"{flavour}{flavour}bar",
        summary=f"e+e- -> {flavour} {flavour}bar (gamma), by Pythia",
        generate=partial(pythia.generate, flavour=flavour),
        require=pythia.require,
        batch=1000,
        accuracy="rate of the published table by construction, Pythia's hadronisation untuned at this energy",
        reference=f"Pythia 8.3, arXiv:2203.11601; {MASS_TABLE}",
    )


def _resonances(lepton: int, name: str) -> Process:
    """Return the process of mesons that decay to a lepton pair."""
    return Process(
        name=f"isr_resonances_{name}",
        summary=f"e+e- -> gamma V, V = omega, phi, psi or Upsilon -> {name}",
        generate=partial(_mesons, lepton=lepton),
        parameters={
            "meson": Parameter(
                meaning="name of the meson, or all", default=ALL, choices=(ALL, *isr_resonances.RESONANCES)
            )
        },
        accuracy="PDG widths, rates 1 %; no interference with the continuum",
        reference="Bonneau, Martin, Nucl. Phys. B 27 (1971) 381; Review of Particle Physics 2024",
    )


_LIST: tuple[Process, ...] = (
    Process(
        name="mumu",
        summary="e+e- -> mu+ mu- (gamma)",
        generate=mumu.generate,
        accuracy="total 1 %, hardest photon exact to 10 %; a second hard photon at a wide angle to tens of per cent",
        reference=f"Berends, Kleiss, Nucl. Phys. B 177 (1981) 237; {MASS_TABLE}",
    ),
    Process(
        name="tautau",
        summary="e+e- -> tau+ tau- (gamma), with decays",
        generate=tautau.generate,
        parameters={"mode_enrichment": _TAU_MODES},
        accuracy="total 1 %, spins exact; no radiation off the decay products",
        reference=f"Tsai, Phys. Rev. D 4 (1971) 2821; {MASS_TABLE}",
    ),
    Process(
        name="bhabha",
        summary="e+e- -> e+e- (gamma), both electrons at an angle",
        generate=bhabha.generate,
        parameters={"minimum_angle": _ANGLE},
        accuracy="one hard photon exact; total 1 to 2 %",
        reference=f"Berends, Kleiss, Nucl. Phys. B 228 (1983) 537; {MASS_TABLE}",
    ),
    Process(
        name="single_photon_bhabha",
        summary="e+e- -> (e+)(e-) gamma, an electron or both escape",
        generate=single_photon_bhabha.generate,
        parameters={
            "minimum_energy": Parameter(
                meaning="smallest energy of the photon in the centre of mass [GeV]", default=0.3, above=0.05, below=4.0
            ),
            "minimum_photon_angle": _ANGLE,
            "minimum_angle": _ANGLE,
        },
        accuracy="one hard photon exact, electron mass included; a second hard photon is left out",
        reference="Berends, Kleiss, Nucl. Phys. B 228 (1983) 537; Karlen, Nucl. Phys. B 289 (1987) 23",
    ),
    Process(
        name="diphoton",
        summary="e+e- -> gamma gamma (gamma)",
        generate=diphoton.generate,
        parameters={
            "minimum_angle": _ANGLE,
            "minimum_energy": Parameter(
                meaning="smallest energy of two photons in the centre of mass [GeV]", default=0.15, above=0.0, below=4.0
            ),
        },
        accuracy="three photons exact, total 1 %; four hard photons are left out",
        reference=f"Berends, Kleiss, Nucl. Phys. B 186 (1981) 22; {MASS_TABLE}",
    ),
    Process(
        name="eemumu",
        summary="e+e- -> e+e- mu+ mu-, two-photon pairs",
        generate=eemumu.generate,
        parameters={
            "minimum_mass": _PAIR_MASS,
            "multiperipheral_only": Parameter(meaning="whether bremsstrahlung diagrams are left out", default=True),
        },
        accuracy="multiperipheral exact: 1 % at pair pT* below 1 GeV, 5 % to 2 GeV, 20 % above; no radiation",
        reference=f"Budnev et al., Phys. Rep. 15 (1975) 181; {MASS_TABLE}",
    ),
    Process(
        name="eeee",
        summary="e+e- -> e+e- e+e-, two-photon pairs",
        generate=eeee.generate,
        parameters={
            "minimum_mass": _PAIR_MASS,
            "multiperipheral_only": Parameter(
                meaning="whether exchange and bremsstrahlung diagrams are left out", default=False
            ),
        },
        accuracy="all diagrams at tree level; no radiation",
        reference=f"Berends, Daverveldt, Kleiss, Comput. Phys. Commun. 40 (1986) 285; {MASS_TABLE}",
    ),
    _resonances(13, "mumu"),
    _resonances(11, "ee"),
    *(_quarks(flavour) for flavour in pythia.FLAVOURS),
    Process(
        name="zprime",
        summary="e+e- -> mu+ mu- Z', Z' -> invisible",
        generate=mumu_zprime.generate,
        parameters={"mass": _MASS, "coupling": _coupling(0.1, "coupling g'")},
        signal=True,
        branching_ratio=lambda given: float(branching_ratio_invisible(float(given["mass"]))),
        mass_range=_recoil_range(2 * M_MUON),
        accuracy="exact at tree level, one collinear photon from each beam; none from the muons",
        reference="Shuve, Yavin, arXiv:1403.2727",
    ),
    Process(
        name="zprime_lfv",
        summary="e+e- -> e- mu+ Z' and e+ mu- Z', Z' -> invisible",
        generate=emu_zprime.generate,
        parameters={"mass": _MASS, "coupling": _coupling(0.1, "coupling g' to e mu")},
        signal=True,
        mass_range=_recoil_range(M_ELECTRON + M_MUON, M_MUON),
        accuracy="exact at tree level, one collinear photon from each beam",
        reference="Galon, Kwa, Tanedo, arXiv:1610.08060",
    ),
    *(
        _aprime(final_state, "one photon exact, further ones by structure functions; decay with exact polarisation")
        for final_state in photon_dark_photon.FINAL_STATES
    ),
    _alp("diphoton"),
    _alp("invisible"),
    _dark_higgs("mumu"),
    _dark_higgs("ee"),
)

PROCESSES: dict[str, Process] = {process.name: process for process in _LIST}
"""The processes by name."""


def find_process(name: str) -> Process:
    """Return the process of a name.

    Raises
    ------
    InputError
        If there is none, with the nearest name.

    Examples
    --------
    >>> find_process("zprime").summary
    "e+e- -> mu+ mu- Z', Z' -> invisible"
    """
    if name not in PROCESSES:
        raise InputError(unknown_name("process", name, PROCESSES))
    return PROCESSES[name]


def signals() -> dict[str, Process]:
    """Return the processes that are signals, by name."""
    return {name: process for name, process in PROCESSES.items() if process.signal}
