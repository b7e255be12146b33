"""The shipped searches, by the name that the YAML gives."""

from __future__ import annotations

from bumphunt.theory import zprime
from selections import darkphoton_dilepton, zprime_invisible
from selections.search import Binning, Model, PublishedLimit, Region, Search

__all__ = ["SEARCHES"]

_LIST = (
    Search(
        name="zprime-invisible",
        final_state="mu+ mu- Z', Z' -> invisible",
        production=r"e^+e^-\to\mu^+\mu^-Z'",
        particle="Z'",
        observable="recoil mass",
        mass_range=(0.01, 8.0),
        reference="Belle II, arXiv:1912.11276, arXiv:2212.03066",
        regions=(
            Region(
                name="mumu",
                description="two muons and nothing else",
                selection=zprime_invisible.selection,
                candidate="dimuon",
                binning=Binning(low=-4.0, high=100.0, bins=5200),
                process="zprime",
                branching_ratio=zprime.branching_ratio_invisible,
                decay=r"Z'\to\mathrm{inv}",
            ),
        ),
        veto=tuple(axis for axis in zprime_invisible.CANDIDATES if axis.name in zprime_invisible.VETO),
        candidates=zprime_invisible.CANDIDATES,
        model=Model(
            coupling="$g'$",
            meaning="coupling g' of a Z' of L_mu - L_tau",
            cross_section=lambda mass, sqrt_s: zprime.cross_section(mass, coupling=1.0, sqrt_s=sqrt_s),
            reference="Shuve, Yavin, arXiv:1403.2727",
        ),
        published=PublishedLimit(  # read off figure 3 of arXiv:1912.11276
            label="Belle II 2018 observed, 276 pb$^{-1}$, 90 %",
            masses=(1.16, 2.29, 3.70, 4.69, 5.97),
            couplings=(0.051, 0.100, 0.226, 0.461, 0.994),
        ),
    ),
    darkphoton_dilepton.SEARCH,
)
SEARCHES: dict[str, Search] = {search.name: search for search in _LIST}
"""The searches by channel."""
