"""Tau pairs and their decays.

| module | for |
|---|---|
| `tautau` | e+e- -> tau+ tau- (gamma) |
| `spins` | the spin correlation of the two, and decays with it |
| `decays` | decays at rest, with the polarimeter of each |
| `one_decay` | the matrix elements of one decay, in compiled loops |
| `modes` | decay modes, branching fractions, and how often each is drawn |
"""
