"""Ntuples of zprime-invisible: ``basf2 zprime_invisible.py -i mdst.root`` writes dimuon.root and emu.root.

dimuon.root is for the regions mumu and mumugamma, emu.root for the control sample emu.
"""

import basf2 as b2
import modularAnalysis as ma
from ntuples import TRACK, of_photons_beside, of_tracks, start, write
from zprime_lfv import write_emu

MUON = ("muonID", "clusterE")
EVENT = ["nTracks", "L1PSNM(ffo)"]


def main():
    """Write both ntuples."""
    path = start()
    ma.fillParticleList("mu+:all", TRACK, path=path)
    ma.reconstructDecay("vpho:dimuon -> mu+:all mu-:all", "", path=path)  # daughter 0 is the positive muon
    write("vpho:dimuon", [*of_tracks(MUON, MUON), *EVENT, *of_photons_beside()], "dimuon.root", path)
    b2.process(path)
    path = start()
    write_emu(path)
    b2.process(path)


if __name__ == "__main__":
    main()
