"""The shipped searches, by the name that the YAML gives."""

from __future__ import annotations

from bumphunt.theory import zprime
from selections.search import Binning, Model, PublishedLimit, Region, Search
from selections.searches.darkphoton import dilepton as darkphoton_dilepton
from selections.searches.darkphoton import single_photon
from selections.searches.zprime import invisible as zprime_invisible
from selections.searches.zprime import lfv as zprime_lfv
from selections.searches.zprime import tau_veto

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
            Region(
                name="mumugamma",
                description="two muons and a photon along their recoil",
                selection=zprime_invisible.radiative_selection,
                candidate="dimuon",
                binning=Binning(low=-4.0, high=100.0, bins=5200),
                role="control",
            ),
            Region(
                name="emu",
                description="an electron, a muon, and nothing else: tau pairs",
                selection=zprime_lfv.selection,
                candidate="emu",
                binning=Binning(low=-4.0, high=100.0, bins=5200),
                role="control",
            ),
        ),
        veto=tuple(axis for axis in tau_veto.CANDIDATES if axis.name in tau_veto.VETO),
        candidates=tau_veto.CANDIDATES,
        features=tau_veto.FEATURES,
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
    zprime_lfv.SEARCH,
    darkphoton_dilepton.SEARCH,
    *single_photon.SEARCHES,
)
SEARCHES: dict[str, Search] = {search.name: search for search in _LIST}
"""The searches by channel."""
