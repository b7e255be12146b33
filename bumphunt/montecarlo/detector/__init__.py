"""From generated particles to the columns of an ntuple.

| module | for |
|---|---|
| `parameters` | a detector as a set of named numbers |
| `presets` | the numbers of Belle II and BaBar, with their sources |
| `checks` | checks of such numbers |
| `response` | resolutions, acceptances and probabilities that follow from them |
| `measured` | the records of what is measured: tracks and clusters |
| `measurement` | from generated particles to tracks and clusters |
| `photon_views` | clusters that are lost, and those of beam background |
| `muon_system` | photons that only the muon system sees |
| `trigger_lines`, `triggers` | the trigger lines, and whether they fire |
| `candidates` | what is reconstructed |
| `combinations` | every way to make it from tracks and clusters |
| `columns` | the columns of a row |
| `reconstruction` | from events to rows: all of these together |
"""
