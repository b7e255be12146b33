"""Photons of charged particles, from structure functions to the hardest one by its exact matrix element.

| module | for |
|---|---|
| `lost_fractions` | how much of their momenta two legs lose |
| `photon_angles` | the angle of a photon to what radiates it |
| `initial_state` | beams that radiate, and the system that annihilates |
| `radiative_return` | beams that radiate until they make one narrow resonance |
| `final_state` | a pair that radiates |
| `hardest_photon` | weights that make the hardest photon of a pair exact |
| `soft_photons` | what unseen softer photons do to a cross section |
"""
