"""Figures: each function draws plain arrays and returns a `matplotlib.figure.Figure`.

=================== ===========================================================
style               what all figures share, and writing them as PNG and PDF
names               what figures call processes and observables
samples             one colour a sample, their stack, and data
spectra             stacked backgrounds with data and pull
selection           N-1 distributions
optimisation        cuts against mass, ranking of observables, classifier
signal              efficiency and resolution against mass, closure
limits              p-values and upper limits against mass
maps                the same of hypotheses of two masses
impacts             sources of uncertainty
global_significance the whole search: largest significances of toys
window              the fit of one window
studies             bias, pulls, coverage, ...: numbers beside their criteria
validation          the Monte Carlo beside its references
=================== ===========================================================
"""
