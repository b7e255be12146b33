"""What is shown of the results.

============= =============================================================
module        shows
============= =============================================================
report        every figure of an analysis
limit_figures those of the limit tables
records       what the figures show, and what all of them say of it
============= =============================================================
"""
