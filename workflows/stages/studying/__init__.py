"""What is asked beside the chain.

=================== ==================================================================
module              answers
=================== ==================================================================
hypothesis          (what all of them that look at one hypothesis share)
impacts             what does each source of uncertainty do, at one mass?
global_significance what is the largest of all local significances worth?
fit                 what does the fit of one window look like?
study               are fits unbiased, pulls normal, limits above the signal, p-values right?
correct             how much more is there in data than simulated, in control samples?
validate            is the Monte Carlo right?
=================== ==================================================================
"""
