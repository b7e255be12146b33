"""Ntuples of zprime-lfv, and of the control sample emu: ``basf2 zprime_lfv.py -i mdst.root`` writes emu.root."""

import basf2 as b2
import modularAnalysis as ma
from ntuples import TRACK, of_photons_beside, of_tracks, start, write

ELECTRON, MUON = ("electronID", "clusterE"), ("muonID", "clusterE")
EVENT = ["nTracks", "L1PSNM(ffo)"]


def write_emu(path):
    """Write pairs of an electron, daughter 0, and a muon of the other charge, daughter 1; either may be positive."""
    ma.fillParticleList("e+:all", TRACK, path=path)
    ma.fillParticleList("mu+:all", TRACK, path=path)
    ma.reconstructDecay("vpho:emu -> e-:all mu+:all", "", path=path)  # its charge conjugate is in the list too
    write("vpho:emu", [*of_tracks(ELECTRON, MUON), *EVENT, *of_photons_beside()], "emu.root", path)


if __name__ == "__main__":
    main = start()
    write_emu(main)
    b2.process(main)
