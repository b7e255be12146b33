"""Inference: what spectra and counts say of a signal. The questions are asked in `fit`.

===================  ======================================================================================
file                 what it is for
===================  ======================================================================================
`fit`                the front: fit, limit, scan over masses
`significance`       q0, p0 and z0; CLs of one strength
`intervals`          confidence intervals of any parameter, as MINOS
`credible`           Bayesian intervals: central ones, and the shortest
`expected`           significance and limits that are expected with a signal present
`unbinned`           fits of values that are not binned
`profile`            the fits that a question asks for, each made once
`asymptotics`        test statistics and their distributions in large samples: the equations
`core`               whether they hold: the background in the core of the signal
`settings`           how limits and p0 are found: methods by name
`upper_limit`        the record of a limit
`limits`             those of the asymptotic formulae
`batch`              the same for the windows of a scan, side by side
`toys`               limits from pseudo-experiments: how they are thrown and fitted
`toy_significance`   p0 from pseudo-experiments
`toy_limits`         the interpolation between tested signals, with its error
`counts`             exact limits, p-values and intervals of a count
`goodness`           whether a fit describes its data: the saturated likelihood ratio
`bayesian`           Bayesian limits of regions and of a count
`posterior`          the integration of a posterior
`seeds`              seeds of toys
`roots`              roots of decreasing functions, one or many
===================  ======================================================================================
"""
