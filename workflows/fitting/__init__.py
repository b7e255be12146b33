"""What is fitted, out of the selected spectra: for scans, impacts, and every other question to a fit.

=========== ==================================================================
module      holds
=========== ==================================================================
signals     the signal model of a region
sources     what corrections and factors do, as sources of uncertainty
bands       what hypotheses see of spectra of several axes
regions     the regions of a fit, with both
expectation the uncertainty of an expected spectrum, for figures
=========== ==================================================================
"""
