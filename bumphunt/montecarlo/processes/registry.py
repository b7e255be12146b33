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

These are shipped; to look a process up beside others, give those to the functions here.
"""

from __future__ import annotations

from collections.abc import Iterable

from bumphunt.montecarlo.named import find, with_others
from bumphunt.montecarlo.processes.leptons import bhabha, mumu, single_photon_bhabha, two_photon_pairs
from bumphunt.montecarlo.processes.photons import diphoton
from bumphunt.montecarlo.processes.process import Process
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

__all__ = ["PROCESSES", "find_process", "known_processes"]

PROCESSES: dict[str, Process] = {
    process.name: process
    for process in (
        *mumu.PROCESSES,
        *tautau.PROCESSES,
        *bhabha.PROCESSES,
        *single_photon_bhabha.PROCESSES,
        *diphoton.PROCESSES,
        *two_photon_pairs.PROCESSES,
        *isr_resonances.PROCESSES,
        *pythia.PROCESSES,
        *mumu_zprime.PROCESSES,
        *emu_zprime.PROCESSES,
        *photon_dark_photon.PROCESSES,
        *photon_alp.PROCESSES,
        *dark_higgsstrahlung.PROCESSES,
    )
}
"""The shipped processes by name."""


def known_processes(extra: Iterable[Process] = (), *, signal: bool | None = None) -> dict[str, Process]:
    """Return the shipped processes and others, by name.

    Parameters
    ----------
    extra
        Processes beside the shipped ones.
    signal
        Whether only signals are wanted, or only backgrounds; both if None.

    Raises
    ------
    InputError
        If two processes have the same name.
    """
    known = with_others(PROCESSES, extra, "process")
    return {name: process for name, process in known.items() if signal is None or process.signal == signal}


def find_process(name: str, extra: Iterable[Process] = ()) -> Process:
    """Return the process of a name.

    Parameters
    ----------
    name
        Its name.
    extra
        Processes beside the shipped ones.

    Raises
    ------
    InputError
        If there is none, with the nearest name, or two.

    Examples
    --------
    >>> find_process("zprime").summary
    "e+e- -> mu+ mu- Z', Z' -> invisible"
    """
    return find(name, known_processes(extra), "process")
