"""Quark pairs, e+e- -> q qbar (gamma), by Pythia 8: the only module that imports it, and only when it is used.

Pythia is an optional extra, ``pip install 'bumphunt[pythia]'`` (GPL-2 or later; nothing of it is in this package). It
makes a virtual photon with radiation of the beams and of the quarks, hadrons from strings, and their decays up to those
that fly further than `FARTHEST_DECAY`. Its parameters are its defaults, tuned at higher energies. Resonances below the
b bbar threshold and the Upsilon(4S) are not in it. The rate is that of the table of Belle II; Pythia's own, at leading
order and above the lowest mass, is 10 to 15 % lower for light quarks. The energy spread of the beams is left out.

References
----------
C. Bierlich et al., SciPost Phys. Codebases 8 (2022) (arXiv:2203.11601): Pythia 8.3.
E. Kou et al. (Belle II), PTEP 2019 (2019) 123C01 (arXiv:1808.10567), table of cross sections.
"""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

import numpy as np

from bumphunt.errors import BumphuntError, InputError, unknown_name
from bumphunt.kinematics.momenta import Beams
from bumphunt.montecarlo.events import Events
from bumphunt.montecarlo.processes.parameters import RATES
from bumphunt.montecarlo.processes.process import Process

__all__ = ["CROSS_SECTIONS", "FLAVOURS", "PROCESSES", "generate", "generator", "is_installed", "require"]

MODULE = "pythia8mc"
FLAVOURS = {"u": 2, "d": 1, "s": 3, "c": 4}
"""PDG numbers of the quarks."""
CROSS_SECTIONS = {"u": 1.61e6, "d": 0.40e6, "s": 0.38e6, "c": 1.30e6}
"""Cross sections at sqrt(s) = 10.58 GeV [fb] (table of Belle II)."""
TABLE_SQRT_S = 10.58
"""Centre-of-mass energy of that table [GeV]; cross sections go as 1/s from there."""
LOWEST_MASS = {"u": 2.0, "d": 2.0, "s": 2.0, "c": 4.0}
"""Lowest mass of a quark pair [GeV]: strings of less make no two hadrons of the flavour in Pythia."""
FARTHEST_DECAY = 100.0
"""Proper decay length up to which particles decay [mm]: K0_S and hyperons do; pi, K, K0_L, mu and n do not."""
MOST_FAILURES = 100
"""Events in a row that Pythia may give up on."""
_SEEDS = 900_000_000


def is_installed() -> bool:
    """Return whether Pythia can be imported."""
    return importlib.util.find_spec(MODULE) is not None


def require() -> None:
    """Do nothing if Pythia is installed.

    Raises
    ------
    InputError
        If it is not, with what to install.
    """
    if not is_installed():
        msg = "quark pairs are made by Pythia, which is not installed; install it with: pip install 'bumphunt[pythia]'"
        raise InputError(msg)


def generator(pdgid: int, *, beams: Beams, lowest_mass: float, seed: int) -> Any:
    """Return a Pythia object for e+e- -> f fbar (gamma), ready for events.

    Parameters
    ----------
    pdgid
        PDG number of the fermion.
    beams
        The collider.
    lowest_mass
        Lowest mass of the pair [GeV].
    seed
        Seed of Pythia, from 1 to 900 000 000.

    Raises
    ------
    InputError
        If Pythia is not installed.
    BumphuntError
        If Pythia refuses to start.
    """
    require()
    pythia = importlib.import_module(MODULE).Pythia("", False)
    electron, positron = beams.electron_p4(beams.electron_energy), beams.positron_p4(beams.positron_energy)
    momenta = {
        f"Beams:p{axis}{beam}": float(p4[1 + i])
        for beam, p4 in (("A", electron), ("B", positron))
        for i, axis in enumerate("xyz")
    }
    settings: dict[str, object] = {
        "Print:quiet": "on",
        "Beams:idA": 11,
        "Beams:idB": -11,
        "Beams:frameType": 3,  # three-momenta, which may cross
        **momenta,
        "WeakSingleBoson:ffbar2gmZ": "on",
        "23:onMode": "off",
        "23:onIfAny": pdgid,
        "23:mMin": lowest_mass,  # the default of 10 GeV would leave out most of the radiation
        "PhaseSpace:mHatMin": lowest_mass,
        "ParticleDecays:limitTau0": "on",
        "ParticleDecays:tau0Max": FARTHEST_DECAY,
        "Random:setSeed": "on",
        "Random:seed": seed,
    }
    accepted = [pythia.readString(f"{name} = {value}") for name, value in settings.items()]
    if not (all(accepted) and pythia.init()):
        msg = f"Pythia does not start for fermion {pdgid} at sqrt(s) = {beams.sqrt_s:.3f} GeV; see its messages above"
        raise BumphuntError(msg)
    return pythia


def generate(n: int, *, beams: Beams, rng: np.random.Generator, flavour: str) -> Events:
    """Return `n` events e+e- -> q qbar (gamma) of equal weight, hadrons decayed.

    Parameters
    ----------
    n
        Number of events.
    beams
        The collider; its energy spread is not used.
    rng
        Source of randomness: it gives Pythia its seed.
    flavour
        One of `FLAVOURS`.

    Returns
    -------
    Events
        Columns: final particles in the order of Pythia, as many as the fullest event has.

    Raises
    ------
    InputError
        If the flavour is unknown, or Pythia is not installed.
    BumphuntError
        If Pythia refuses to start, or fails on many events in a row.
    """
    if flavour not in FLAVOURS:
        raise InputError(unknown_name("flavour", flavour, FLAVOURS))
    seed = 1 + int(rng.integers(_SEEDS))
    pythia = generator(FLAVOURS[flavour], beams=beams, lowest_mass=LOWEST_MASS[flavour], seed=seed)
    rows = [_next(pythia) for _ in range(n)]
    slots = max((len(particles) for particles in rows), default=1)
    pdgid, values = np.zeros((n, slots), dtype=np.int32), np.zeros((n, slots, 7))
    for i, particles in enumerate(rows):
        pdgid[i, : len(particles)] = [particle[0] for particle in particles]
        values[i, : len(particles)] = [particle[1:] for particle in particles]
    return Events(
        pdgid=pdgid,
        p4=values[..., :4],
        weight=np.full(n, CROSS_SECTIONS[flavour] * TABLE_SQRT_S**2 / beams.s),
        beams_p4=np.tile(beams.p4, (n, 1)),
        vertex=values[..., 4:] / 10,  # mm to cm
    )


def _next(pythia: Any) -> list[tuple[float, ...]]:
    """Return the final particles of the next event: PDG number, momentum [GeV], and where they start [mm].

    Raises
    ------
    BumphuntError
        If Pythia fails many times in a row.
    """
    for _ in range(MOST_FAILURES):
        if pythia.next():
            return [
                (p.id(), p.e(), p.px(), p.py(), p.pz(), p.xProd(), p.yProd(), p.zProd())
                for p in pythia.event
                if p.isFinal()
            ]
    msg = f"Pythia failed on {MOST_FAILURES} events in a row; see its messages above"
    raise BumphuntError(msg)


PROCESSES = tuple(
    Process(
        name=f"{flavour}{flavour}bar",
        summary=f"e+e- -> {flavour} {flavour}bar (gamma), by Pythia",
        generate=partial(generate, flavour=flavour),
        require=require,
        batch=1000,
        accuracy="rate of the published table by construction, Pythia's hadronisation untuned at this energy",
        reference=f"Pythia 8.3, arXiv:2203.11601; {RATES}",
    )
    for flavour in FLAVOURS
)
