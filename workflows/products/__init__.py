"""What stages write and later ones read: for each product its record, what writes it, and what reads it.

================= ====================================== ==================
module            product                                of the stage
================= ====================================== ==================
processed         one read of every ntuple               process
ledger            what became of each entry range        process
cut_values        its N-1 distributions                  process
cut_tables        cuts in bins of mass                   optimise
luminosities      rows and luminosity of samples         spectra
selected          spectra after these cuts               spectra
signal_models     shape, resolution, efficiency          scan
limit_table       the limit table, and its summary       limits
findings          what was found, and a paragraph         global
global_table      what the whole search says             global
study_table       what a study says                      study
measured_factors  a factor from a control sample         correct
factor_files      such factors as files                  correct
applied_factors   constant factors on what was read
================= ====================================== ==================

Tables of columns are read and written by `workflows.results`.
"""
