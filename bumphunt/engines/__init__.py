"""Engines: the maximum-likelihood fit of a likelihood, by one signature and with one record.

==================  =======================================================================================
file                what it is for
==================  =======================================================================================
`choose`            which engine fits a likelihood; all of them by name
`result`            `FitResult`, what a fit says; `FitResults`, a row a fit; `FitStatus`, how it ended
`start`             where fits start: with expectations that are positive
`minima`            where else they start: likelihoods with several minima, of which the lowest is wanted
`stops`             free factors of samples, which stop at 0
`threads`           many fits shared out to threads
`linear`            likelihoods that are linear in their parameters: one, or many data sets
`linear_kernels`    its compiled steps
`stacks`            the same for many models side by side: the windows of a scan
`lanes`             a stack at tested signals: its profile likelihood
`uncertain_yields`  a stack whose signals have uncertain yields: its best fit
`uncertain_kernels` the same for many data sets of one model, compiled
`newton`            any likelihood: one, or many data sets
`newton_kernels`    its compiled steps
`newton_walls`      what must stay positive, and what ends at zero, on its way
`exponentials`      few events over an exponential: its two minima
`walls`             empty bins that expect nothing: what both kernels do there
`columns`           sums of columns and their information, for the kernels of linear likelihoods
`cholesky`          positive matrices, for both kernels
`codes`             statuses as numbers that compiled code can compare
`minuit`            any likelihood by iminuit: the reference
`zfit`              any likelihood by zfit: a peer, an extra
`zfit_densities`    values, not bins, by zfit's own densities
==================  =======================================================================================
"""
