"""Squared matrix elements at tree level, masses included, as compiled functions of four-momenta.

| module | for |
|---|---|
| `spinors` | Dirac spinors, slashes and currents in the chiral representation |
| `vacuum_polarisation` | the running of alpha in propagators |
| `pair_photon` | e+e- -> l+ l- gamma |
| `radiative_bhabha` | e+e- -> e+e- gamma |
| `three_photons` | e+e- -> gamma gamma gamma |
| `two_photons` | e+e- -> e+e- l+ l- by two virtual photons |
| `four_leptons` | what bremsstrahlung and exchange add to it |
| `emu_zprime` | e+e- -> e- mu+ Z' |
| `tau_spectra` | spectra and hadronic currents of tau decays |

The pair with a Z' is in `bumphunt.theory.pair_and_vector`, since the theory integrates it.
"""
