"""Ntuples of darkphoton-dilepton: ``basf2 darkphoton_dilepton.py -i mdst.root`` writes ee.root and mumu.root."""

import basf2 as b2
import modularAnalysis as ma
from ntuples import PHOTON, TRACK, of_daughter, of_tracks, start, write_with_photons

ELECTRON, MUON = ("electronID",), ("muonID", "clusterE")
REST = [*of_daughter(2, "E", "theta", "phi"), "nTracks", "L1PSNM(ffo)", "totalEnergyOfParticlesInList(gamma:roe)"]


def main():
    """Write the ntuple of each region."""
    for lepton, identification, region in (("e", ELECTRON, "ee"), ("mu", MUON, "mumu")):
        path = start()
        ma.fillParticleList(f"{lepton}+:all", TRACK, path=path)
        ma.fillParticleList("gamma:signal", f"{PHOTON} and E > 0.1", path=path)
        decay = f"vpho:{region} -> {lepton}+:all {lepton}-:all gamma:signal"  # 0 is positive, 2 the photon
        ma.reconstructDecay(decay, "", path=path)
        write_with_photons(
            f"vpho:{region}", [*of_tracks(identification, identification), *REST], f"{region}.root", path
        )
        b2.process(path)


if __name__ == "__main__":
    main()
