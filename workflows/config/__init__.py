"""What an analysis is: its YAML, checked, and as records that are made once.

============== =====================================================================================
module         holds
============== =====================================================================================
file           reading a YAML: from the text to records, or to one line that says what is wrong
sections       what a YAML says, key by key
resolved       from sections to records
derived        the pieces of that: what is simulated, how a mass is tested, a signal that is said, ...
checks         what a YAML must say beyond the types of its keys
records        the records that stages are given
regions        regions with their cuts, bins and masses
coordinates    where hypotheses lie beside their mass
tasks          which regions are fitted together
searches       the search, shipped or a user's, that a YAML names
own_code       the code of a user, with all modules and data files that it names
described      what a search reads, for ``bumphunt channels NAME --variables``
============== =====================================================================================
"""
