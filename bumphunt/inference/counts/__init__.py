"""Counting experiments: one number of events, asked exactly.

===================== ==============================================================================================
file                  what it is for
===================== ==============================================================================================
`distribution`        the count with an uncertain background and efficiency: probabilities, p0, quantiles
`limit`               CLs upper limits
`feldman_cousins`     the unified interval
`on_off`              significances over a control region by their names: Li and Ma, Z_Bi
===================== ==============================================================================================

Bayesian limits of a count are in `bumphunt.inference.bayesian`.
"""
