"""Pairs of light leptons.

| module | for |
|---|---|
| `mumu` | e+e- -> mu+ mu- (gamma) |
| `bhabha` | e+e- -> e+e- (gamma), both electrons at an angle |
| `single_photon_bhabha` | e+e- -> (e+)(e-) gamma, of which an electron or both escape |
| `two_photon_pairs` | e+e- -> e+e- l+ l- from two photons |
"""
