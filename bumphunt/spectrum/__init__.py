"""Spectra: what they are made of, as histograms of hist, and smooth curves through them.

| module | for |
|---|---|
| `axis` | where a mass has its peak: the squared, the plain or the reduced mass; edges of bins |
| `histogram` | what `hist.Hist` does not do itself: all variations filled at once, whole-bin windows, sums |
| `pairs` | several entries of one event, and how much more their number fluctuates |
| `smooth` | the spectrum of a simulated background without its scatter |
"""
