"""Work in one process or several, with results in the order of the tasks.

========= ========================================================
workers   tasks in local processes
missing   rows that could not be read
executors a coffea executor on them: chunks of ntuples, in order
========= ========================================================
"""
