"""What is searched for.

| module | for |
|---|---|
| `mumu_zprime` | e+e- -> mu+ mu- Z', the Z' invisible |
| `emu_zprime` | e+e- -> e mu Z', the Z' invisible |
| `photon_dark_photon` | e+e- -> gamma A' |
| `photon_alp` | e+e- -> gamma a |
| `dark_higgsstrahlung` | e+e- -> A' h', the h' invisible |
"""
