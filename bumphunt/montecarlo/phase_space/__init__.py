"""Drawing momenta: where matrix elements are large, and as decays have them.

| module | for |
|---|---|
| `decays` | directions, decays to two and more bodies, and where a particle that lives long decays |
| `vector_decays` | a polarised vector to two charged particles |
| `poles` | numbers near a pole |
| `bhabha_photon` | e+e- -> e+e- gamma |
| `virtual_photons` | e+e- -> e+e- l+ l- by two virtual photons |
"""
