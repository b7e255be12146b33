"""A dark photon beside a photon.

| module | for |
|---|---|
| `dilepton` | the search for its decay to electrons or muons: a peak in their mass |
| `photon_leptons` | observables of a photon and two leptons that make up an event |
| `invisible` | the search for its decay to dark matter: a peak in the mass that recoils against the photon |
| `single_photon` | observables, cuts and regions of a single photon, whatever is not seen |
"""
