"""What cuts in bins of mass are chosen from, out of the events on disk.

======== =================================================
module   holds
======== =================================================
tensors  counts over the candidate bounds
learning counts over the score of a classifier
======== =================================================
"""
