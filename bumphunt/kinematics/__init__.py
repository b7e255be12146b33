"""Four-momenta: arrays of shape (..., 4), or tuples in compiled loops, both in the order (E, px, py, pz).

| module | for |
|---|---|
| `momenta` | beams, boosts, invariant, reduced and recoil mass, angles, of arrays |
| `compiled` | the same, of one event at a time, for compiled loops |
| `beam_fit` | momenta fitted to those of the beams |
| `vertex` | where tracks meet |
| `escape` | where particles go that a detector does not see |
"""
