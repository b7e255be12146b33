"""Selections: events in, masks and observables out.

| module or room | for |
|---|---|
| `cuts` | a cut, a selection of them with the columns and observables that they need, and a cutflow |
| `changes` | cuts that an analysis changes, drops or adds |
| `meanings` | what variables are, and which observables are made of them |
| `lazy` | observables that are worked out when they are asked for, for the rows that are left |
| `events` | event keys, and one candidate an event |
| `objects` | tracks, leptons and photons: definitions that searches share |
| `shifts` | momenta that are shifted or smeared, as other values of the columns |
| `readings` | what a coupling means: which decays are seen |
| `search` | what a search is: regions, what a coupling predicts, what was published |
| `searches` | the searches, one module each, with its ``SEARCH`` |
| `registry` | all of them by the name that the YAML gives |
"""
