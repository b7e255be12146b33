"""The verbs: one file each, with its ``STAGE`` (`workflows.stages.stage`).

========= =======================================================================
folder    holds
========= =======================================================================
making    the chain from the YAML to the limit table
studying  what is asked beside it
showing   figures
========= =======================================================================

`depends` says what each depends on. Stages do not import each other: what one writes and another reads is in
`workflows.products`.
"""
