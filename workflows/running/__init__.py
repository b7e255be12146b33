"""Work in one process or several, with results in the order of the tasks.

========= ===================================================================
workers   tasks in this process, in others, or by a scheduler
cluster   the workers of a Dask scheduler
blocks    results of tasks on disk, so that work that was ended goes on
records   how they are written: values, no code
parts     a part of the work, such as 3/20
missing   rows that could not be read
executors a coffea executor on them: chunks of ntuples, in order
progress  how far a task is
========= ===================================================================
"""
