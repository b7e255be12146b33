"""Ntuples of darkphoton-invisible, region belle2: ``basf2 darkphoton_invisible.py -i mdst.root`` writes photon.root.

The region babar is of BaBar's ntuples.
"""

import basf2 as b2
import modularAnalysis as ma
from ntuples import PHOTON, of_daughter, of_photons_beside, start, write_with_photons

TRIGGERS = [
    "L1PSNM(lml6)",
    "L1PSNM(lml1)",
    "SoftwareTriggerResult(software_trigger_cut&filter&single_photon)",  # stands for several lines: name yours
]


def main():
    """Write one row a photon that may be the only one of its event."""
    path = start()
    ma.fillParticleList("gamma:signal", f"{PHOTON} and E > 0.3", path=path)
    ma.reconstructDecay("vpho:photon -> gamma:signal", "", path=path)
    variables = [*of_daughter(0, "E", "theta", "phi"), "nTracks", *TRIGGERS, "nKLMClusters", *of_photons_beside()]
    write_with_photons("vpho:photon", variables, "photon.root", path)
    b2.process(path)


if __name__ == "__main__":
    main()
