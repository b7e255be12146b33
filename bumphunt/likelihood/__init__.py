"""Likelihood: regions as one function of named parameters, with derivatives.

=====================  ====================================================================================
file                   what it is for
=====================  ====================================================================================
`likelihood`           regions put together: `Likelihood`
`components`           samples as shapes times factors, and their layout in arrays
`by_sample`            what each sample expects
`linear`               a linear likelihood as columns of expected counts: `Channel`
`narrow_bins`          values as counts in bins so narrow that nothing is lost
`flat`                 the arrays that compiled code works on
`kernels`              expected counts, NLL and their derivatives, compiled
`shape_kernels`        templates, peaks and their derivatives, compiled
`exponential_kernels`  exponentials of polynomials and their derivatives, compiled
`poisson`              the Poisson terms of the NLL, compiled: shared with all engines
=====================  ====================================================================================
"""
