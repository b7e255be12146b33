"""What follows from the sections of a YAML, piece by piece; `workflows.config.resolved` puts it together.

============== =====================================================================================
module         makes
============== =====================================================================================
hypotheses     masses at each point of the other coordinates, or none, and the signal there
method         how a mass is tested: windows, the smooth background, known resonances
model          what a coupling means
given          a signal that is said, and bins that are made for its resolution
histogram_data data that are a histogram already
curves         functions of mass: a number, an expression, a table, a function of a file
expressions    arithmetic in ``mass``, parsed and never evaluated by Python
simulated      what is to be simulated, as plans
generated      processes of files of other generators
weighting      weights of simulated events: corrections, and variations in the ntuples
shifts         momenta that are shifted or smeared
============== =====================================================================================
"""
