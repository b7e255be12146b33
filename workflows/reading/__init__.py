"""One pass over the ntuples: a coffea processor, and what drives it over files.

==================== ====================================================================================
plan                 what is asked of samples, regions and weights, and what they give
processor            the coffea processor: a chunk -> cutflow, N-1, spectra; the sum of all chunks -> results
search_processor     the processor of a search, for coffea's own Runner
read                 drives it over the files of all samples, and counts the rows
chunk_work           what an executor does with a chunk: it is read, the next one meanwhile, and processed
chunk                a chunk as the processor works on it, and the variables that are needed of it
ledger               what became of every file and entry range
run_list             good runs of data, their luminosities and prescales
cutflow              what the cuts of a region leave of a chunk
shifted              what they leave of it with shifted momenta
weights              corrections as weights with variations
correctionlib_files  corrections of correctionlib files
keys                 what tells rows apart, and columns that a file need not have
rows                 rows that pass, on their way to events
fill                 complete events -> one candidate an event
spectra              the histogram of them: variations, halves, slices, the observable
repeats              rows and events that are there twice
event_hashes         8 bytes of each event that passes, to find it in another place
events               events that pass, on disk
second_pass          tensors and spectra from those events
==================== ====================================================================================
"""
