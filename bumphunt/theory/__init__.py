"""What a coupling predicts, and the formulas that the Monte Carlo draws from.

| module | for |
|---|---|
| `dark_photon` | a dark photon A': e+e- -> gamma A', widths to leptons, hadrons and dark matter, lifetime, (g-2)_mu |
| `zprime` | the Z' of L_mu - L_tau: e+e- -> mu+ mu- Z', widths, (g-2)_mu |
| `dark_higgs` | a dark Higgs h' beside an A': e+e- -> A' h' |
| `alp` | an axion-like particle a that couples to photons: e+e- -> gamma a, width |
| `vector` | any vector boson: widths to pairs, (g-2) |
| `pair_and_vector` | e+e- -> l+ l- V at tree level: matrix element and cross section |
| `lepton_pairs` | e+e- -> l+ l- at tree level |
| `r_ratio` | hadrons from a virtual photon: R, and the form factor of the pion |
| `structure_function` | how much of its momentum a charged particle radiates |
| `radiator` | cross sections after radiation from both beams |
"""
