"""The chain from the YAML to the limit table.

======== ==================================================================
module   makes
======== ==================================================================
simulate ROOT ntuples, where the YAML asks for them
check    a list of what would be read
process  one read of every ntuple
optimise cuts in bins of mass
spectra  spectra after these cuts, at the luminosity of the data
scan     a row for every mass hypothesis
limits   the limit table
======== ==================================================================
"""
