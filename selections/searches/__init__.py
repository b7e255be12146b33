"""The searches, by what is searched for: each is a module with its ``SEARCH``.

| room | for |
|---|---|
| `zprime` | a Z' that is not seen, beside two leptons |
| `darkphoton` | a dark photon, seen as two leptons or not at all, beside a photon |
| `alp` | an axion-like particle that is not seen, beside a photon |
| `spectrum` | a peak in one column of anybody's |
"""
