"""Where input files are: on a disk, or on a server.

========= ===========================================================================
module    holds
========= ===========================================================================
addresses what stands for a file: a path, or the address of a file on a server
servers   what a server is asked: bytes, state and names, again where it may help
files     state, bytes and opening of a file in either place
========= ===========================================================================
"""
