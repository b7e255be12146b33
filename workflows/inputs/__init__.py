"""What an analysis reads.

========= ===================================================================================
module    holds
========= ===================================================================================
samples   each sample with its files and its normalisation
patterns  patterns of the YAML -> files, each once
plausible numbers of the YAML that the files contradict
reading   how samples are read: their weights, the variables they need, the reading itself
========= ===================================================================================
"""
