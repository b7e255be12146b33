"""The generators, one file a process, each with the `PROCESSES` it describes.

| room or module | for |
|---|---|
| `leptons` | pairs of muons and electrons, with photons, or from two photons |
| `photons` | annihilation into photons |
| `taus` | tau pairs and their decays |
| `quarks` | quark pairs, by Pythia |
| `resonances` | narrow mesons by radiative return |
| `signals` | what is searched for |
| `process` | the record of a process |
| `registry` | the shipped processes by name, and those that a user adds |
"""
