"""What results were made of, and whether they still are: the record beside the outputs of every stage.

========== ==============================================================================
module     says
========== ==============================================================================
step       when a stage is made again: everything its outputs depend on, and the record
changes    what is different between that record and now, in words
code       which modules a stage imports, and digests of them
schema     the number of the layout of results, and what becomes of another one
files      digests of files: of an input, of an output, of the values in it
settings   values of settings, as a record can hold them
verify     whether a folder of results belongs to the inputs on disk
========== ==============================================================================
"""
