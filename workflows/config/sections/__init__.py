"""The sections of the YAML, as pydantic models: what it says, and nothing that follows from it.

=========== =====================================================================================
module      holds
=========== =====================================================================================
analysis    all keys of a YAML
samples     events: beams, data, backgrounds, signal
fit         hypotheses: masses, spectrum, optimised cuts, fit, uncertainties
cuts        cuts of the search that are changed, dropped or added
corrections weights of simulated events, and control samples
section     what sections have in common
=========== =====================================================================================
"""
