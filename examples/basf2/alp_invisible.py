"""Ntuples of alp-invisible, region belle2: the same as for darkphoton-invisible, photon.root."""

from darkphoton_invisible import main

if __name__ == "__main__":
    main()
