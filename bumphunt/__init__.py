"""bumphunt: arrays in, numbers out.

The library of the framework: kinematics, spectra, models, inference, cut optimisation, theory and Monte Carlo. It reads
and writes no files; `selections` holds the searches, `workflows` everything that touches files, processes or screens.
"""

__version__ = "0.1.0"
