"""What an analysis is: its YAML, checked, and as records that are made once.

============== =====================================================================================
module         holds
============== =====================================================================================
file           reading a YAML: from the text to records, or to one line that says what is wrong
analysis       all keys of a YAML
samples        its sections on events: beams, data, backgrounds, signal
cuts           its section on cuts of the search
fit            its sections on hypotheses: masses, spectrum, cuts, fit, uncertainties
shifts         its momenta that are uncertain
corrections    its sections on weights of simulated events, and on control samples
section        what sections have in common
resolved       from sections to records
records        the records that stages are given
regions        regions with their cuts, bins and masses
coordinates    where hypotheses lie beside their mass
tasks          which regions are fitted together
generated      processes of HepMC files
weighting      corrections and variations of weights, as records
described      what a search reads, as tables
simulated      what is to be simulated
searches       the search, shipped or a user's, that a YAML names
checks         what a YAML must say beyond the types of its keys
============== =====================================================================================
"""
