"""What a YAML must say beyond the types of its keys.

Each check raises a `ValueError` that names the key, the value and the way out; `workflows.config.file` adds the line.

======= =====================================================================================
names   every name stands for something: before anything is worked out
regions masses, spectra, samples and pseudo-data go with the regions
fits    uncertainties have names of their own, and the engine can do the fit
======= =====================================================================================
"""
