"""Events by our own generators, and what a detector sees of them.

| room | for |
|---|---|
| `amplitudes` | squared matrix elements at tree level, as compiled functions of four-momenta |
| `radiation` | photons of beams and of final states, at leading logarithm and beyond |
| `phase_space` | drawing momenta where matrix elements are large, and decays |
| `processes` | the generators, one file a process, each with its record; `registry` has them by name |
| `detector` | from generated particles to the columns of an ntuple |
| `validation` | the Monte Carlo against published numbers and formulas |
| `named` | records by name, shipped and a user's |
| `events` | the record of generated events, and the beams they start from |
| `conditions` | what a chunk of events depends on, and its seed |
| `simulation` | chunks of samples and of pseudo-data: generator, detector, weights |
| `pseudodata` | how many events to generate for pseudo-data, and how often each is drawn |
"""
