"""What an analysis reads.

========= ===================================================================================
module    holds
========= ===================================================================================
samples   each sample with its files and its normalisation
patterns  patterns of the YAML -> files, each once
opened    all files opened: what is missing in them, and what is assumed
plausible numbers of the YAML that the files contradict
trial     what the first rows of a sample can hardly mean
needs     the weights of samples, and the variables that must be in their files
reading   the reading of samples
========= ===================================================================================
"""
