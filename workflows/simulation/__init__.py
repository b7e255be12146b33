"""The simulation of an analysis, as files.

====== =========================================================
module holds
====== =========================================================
hepmc  HepMC files of any generator as a process
plan   what is to be simulated
files  simulating it into ROOT files, in local processes
table  what was simulated, as a table
====== =========================================================
"""
