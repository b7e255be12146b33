"""gamma A', A' -> dark matter: a single photon, and a peak in the squared mass that recoils against it.

Observables, cuts and regions are those of `selections.searches.darkphoton.single_photon`.

References
----------
BaBar, Phys. Rev. Lett. 119 (2017) 131804, arXiv:1702.03327.
"""

from __future__ import annotations

import numpy as np

from bumphunt.constants import ALPHA
from bumphunt.theory import dark_photon
from selections.readings import Reading
from selections.search import Model, PublishedLimit, Search
from selections.searches.darkphoton.single_photon import VETO, regions

__all__ = ["SEARCH"]

_ELEMENTARY_CHARGE = float(np.sqrt(4 * np.pi * ALPHA))
_INVISIBLE = Reading(
    name="invisible",
    meaning="kinetic mixing epsilon of a dark photon that always decays to dark matter",
    label=r"$\mathrm{BR}(A'\to\mathrm{inv})=1$",
    seen=None,
    total=lambda mass: dark_photon.visible_width(mass, coupling=1.0),
    charge=_ELEMENTARY_CHARGE,
)
_VISIBLE = Reading(
    name="visible",
    meaning="kinetic mixing epsilon of a dark photon",
    label="",
    seen=lambda mass: np.zeros_like(np.asarray(mass, dtype=np.float64)),
    total=lambda mass: dark_photon.visible_width(mass, coupling=1.0),
    charge=_ELEMENTARY_CHARGE,
)

SEARCH = Search(
    name="darkphoton-invisible",
    final_state="gamma A', A' -> dark matter",
    production=r"e^+e^-\to\gamma A'",
    particle="A'",
    observable="mass recoiling against the photon",
    mass_range=(0.01, 8.0),
    reference="BaBar, arXiv:1702.03327",
    regions=regions("aprime_invisible"),
    alternatives=True,
    veto=VETO,
    model=Model(
        coupling=r"$\varepsilon$",
        meaning=_INVISIBLE.meaning,
        cross_section=lambda mass, sqrt_s: dark_photon.cross_section(mass, coupling=1.0, sqrt_s=sqrt_s),
        reference="Essig, Schuster, Toro, arXiv:0903.3941",
        readings=(_INVISIBLE,),
        without_dark_matter=_VISIBLE,
    ),
    published=PublishedLimit(  # figure 4 of arXiv:1702.03327
        reading=_INVISIBLE.name,
        label="BaBar observed, 53 fb$^{-1}$, 90 %",
        masses=(0.1, 1.0, 2.0, 3.0, 4.0, 4.7, 5.0, 6.0, 7.0, 7.5, 8.0),
        couplings=(9.5e-4, 9.7e-4, 8.2e-4, 7.5e-4, 4.6e-4, 3.96e-4, 5.5e-4, 1.27e-3, 9.5e-4, 8.9e-4, 8.7e-4),
    ),
)
"""A dark photon that decays to dark matter."""
