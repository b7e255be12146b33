"""What is asked beside the chain.

======== ==================================================================
module   answers
======== ==================================================================
impacts  what does each source of uncertainty do, at one mass?
correct  how much more is there in data than simulated, in control samples?
validate is the Monte Carlo right?
======== ==================================================================
"""
