"""An axion-like particle beside a photon.

| module | for |
|---|---|
| `invisible` | the search for one that is not seen: a peak in the mass that recoils against the photon |
"""
