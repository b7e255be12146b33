"""ROOT ntuples in the layout of basf2's VariablesToNtuple: one row is one candidate, one branch one variable.

================= =========================================================
branches          names of branches: escaped names, and the name table
opening           a file and its tree, or one sentence about what is wrong
histogram_files   histograms of several formats, with their bins
flat_files        CSV and Parquet files: columns, and some of their rows
missing           branches that are not there, of all files in one error
contents          rows, branches and baskets of a file; columns by variable
entry_ranges      entry ranges of a file, and reading them one by one
writing           columns -> file
simulation_record how a sample was simulated, as a tree beside its events
repack            a copy with large baskets, which is read faster
================= =========================================================
"""
