"""The shipped searches, by the name that the YAML gives: each is the ``SEARCH`` of its own module."""

from __future__ import annotations

from selections.search import Search
from selections.searches import spectrum
from selections.searches.alp import invisible as alp_invisible
from selections.searches.darkphoton import dilepton as darkphoton_dilepton
from selections.searches.darkphoton import invisible as darkphoton_invisible
from selections.searches.zprime import invisible as zprime_invisible
from selections.searches.zprime import lfv as zprime_lfv

__all__ = ["MODULES", "SEARCHES"]

_MODULES = (zprime_invisible, zprime_lfv, darkphoton_dilepton, darkphoton_invisible, alp_invisible, spectrum)
SEARCHES: dict[str, Search] = {module.SEARCH.name: module.SEARCH for module in _MODULES}
"""The searches by channel."""
MODULES: dict[str, str] = {module.SEARCH.name: module.__name__ for module in _MODULES}
"""The names of their modules by channel."""
