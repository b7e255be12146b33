"""gamma a, a -> invisible: a single photon, and a peak in the squared mass that recoils against it.

Observables, cuts and regions are those of `selections.searches.darkphoton.single_photon`.

References
----------
Dolan, Ferber, Hearty, Kahlhoefer, Schmidt-Hoberg, JHEP 12 (2017) 094, arXiv:1709.00009.
"""

from __future__ import annotations

from bumphunt.theory import alp
from selections.search import Model, Search
from selections.searches.darkphoton.single_photon import VETO, regions

__all__ = ["SEARCH"]

SEARCH = Search(
    name="alp-invisible",
    final_state="gamma a, a -> invisible",
    production=r"e^+e^-\to\gamma a",
    particle="a",
    observable="mass recoiling against the photon",
    mass_range=(0.01, 8.0),
    reference="Dolan et al., arXiv:1709.00009",
    regions=regions("alp_invisible"),
    alternatives=True,
    veto=VETO,
    model=Model(
        coupling=r"$g_{a\gamma\gamma}$ [GeV$^{-1}$]",
        meaning="coupling g [1/GeV] to photons of an axion-like particle that is not seen",
        cross_section=lambda mass, sqrt_s: alp.cross_section(mass, coupling=1.0, sqrt_s=sqrt_s),
        reference="Dolan et al., arXiv:1709.00009",
    ),
)
"""An axion-like particle that is long-lived, or decays to dark matter."""
