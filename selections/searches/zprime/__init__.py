"""A Z' that is not seen: a peak in the mass that recoils against two leptons.

| module | for |
|---|---|
| `invisible` | the search beside two muons, and its control samples |
| `lfv` | the search beside an electron and a muon |
| `recoil` | what both share: observables and cuts of the recoil |
| `tau_veto` | observables that tell it from tau pairs, and candidate bounds on them |
"""
