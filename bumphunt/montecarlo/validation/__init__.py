"""The Monte Carlo against what is known: published cross sections, formulas, resolutions of experiments.

| module | for |
|---|---|
| `studies` | the studies by name, and how one is run |
| `findings` | what a study finds: numbers and distributions beside their references |
| `estimates` | means, widths and histograms with their uncertainties |
| `rates` | cross sections |
| `photons` | photons of muon pairs |
| `angles` | production angles |
| `taus` | muons from taus |
| `resolution` | resolutions of the detectors |
"""
