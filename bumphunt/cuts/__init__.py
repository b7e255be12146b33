"""Cuts in bins of mass: bounds on observables that a figure of merit chooses, and what they are worth.

| module | for |
|---|---|
| `tensor` | counts of events in bins of mass and candidate bounds; a `VetoAxis` says the bounds and their side |
| `yields` | what combinations of bounds leave of backgrounds and signals |
| `choice` | which combination each mass bin takes, given the figure of merit of all of them |
| `best` | figures of merit, and from tensors to the table of the best bounds |
| `table` | that table: bounds in bins of mass, which events pass them, as columns and back |
| `expected_limit` | expected limits as a function of the background: what figures of merit divide by |
| `overtraining` | the figure of merit on the half that chose the bounds, and on the other |
| `separation` | how well single observables tell signal from background: which ones to cut on |
| `classifier` | boosted trees in place of several bounds |
"""
