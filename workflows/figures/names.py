"""What the figures call processes and observables: formulas and words, not the identifiers of YAML and code."""

from __future__ import annotations

from bumphunt.cuts.choice import Merit
from bumphunt.cuts.tensor import Side
from bumphunt.scanning.sources import norm_source

__all__ = [
    "MERITS",
    "OBSERVABLES",
    "PROCESSES",
    "SIGNS",
    "in_words",
    "observable_name",
    "process_name",
    "source_name",
    "unit_in_figures",
]

PROCESSES = {
    "mumu": r"$e^+e^-\to\mu^+\mu^-(\gamma)$",
    "tautau": r"$e^+e^-\to\tau^+\tau^-(\gamma)$",
    "eemumu": r"$e^+e^-\to e^+e^-\mu^+\mu^-$",
    "eeee": r"$e^+e^-\to e^+e^-e^+e^-$",
    "bhabha": r"$e^+e^-\to e^+e^-(\gamma)$",
    "single_photon_bhabha": r"$e^+e^-\to(e^+e^-)\gamma$",
    "diphoton": r"$e^+e^-\to\gamma\gamma(\gamma)$",
    "isr_resonances_mumu": r"$e^+e^-\to\gamma V,\ V\to\mu^+\mu^-$",
    "isr_resonances_ee": r"$e^+e^-\to\gamma V,\ V\to e^+e^-$",
    "uubar": r"$e^+e^-\to u\bar{u}(\gamma)$",
    "ddbar": r"$e^+e^-\to d\bar{d}(\gamma)$",
    "ssbar": r"$e^+e^-\to s\bar{s}(\gamma)$",
    "ccbar": r"$e^+e^-\to c\bar{c}(\gamma)$",
}
"""Backgrounds of the Monte Carlo, as formulas."""
OBSERVABLES = {
    "acollinearity": "acollinearity",
    "acoplanarity": "acoplanarity",
    "charge_product": "product of the charges",
    "chi2": r"$\chi^2$ of the kinematic fit",
    "conversion_mass": "pair mass where the photon may convert",
    "cos_beam": r"larger $\cos\theta^*$ of $\ell^\pm$ to its beam",
    "cos_helicity": r"$|\cos\theta_\mathrm{helicity}|$",
    "cos_recoil": r"$|\cos\theta^*_\mathrm{recoil}|$",
    "cos_theta": r"$\cos\theta^*_\gamma$",
    "e_star": r"$E^*_\gamma$",
    "edge_distance": r"$E^*_\gamma$ beyond the edge of $ee\gamma$",
    "electron_e_over_p": "$E/p$ of the electron",
    "escape_distance": "lost photon, angle from the nearest gap",
    "extra_energy": "energy of other photons",
    "gap_distance": "photon, angle from the nearest gap",
    "m_pair": r"$m(\ell\ell)$",
    "max_cluster_energy": "largest energy of a muon in the calorimeter",
    "max_dr": "largest distance from the beam axis",
    "max_dz": "largest distance along the beam axis",
    "max_e_over_p": "largest $E/p$ of a muon",
    "min_electron_id": "smallest electron ID",
    "min_muon_id": "smallest muon ID",
    "n_muon_system": "clusters in the muon system",
    "n_tracks": "number of tracks",
    "off_gap": "lost photon, angle from the nearest gap",
    "p_asymmetry": r"$(p_\mathrm{max}-p_\mathrm{min})/(p_\mathrm{max}+p_\mathrm{min})$",
    "p_lmax": r"$p(\ell_\mathrm{max})$",
    "p_lmin": r"$p(\ell_\mathrm{min})$",
    "p_recoil": r"$p^\mathrm{rec}$",
    "photon_energy": "energy of the photon",
    "photon_lepton_angle": "photon, angle to the nearest lepton",
    "pl_rec_lmax": r"$p_L^\mathrm{rec}(\ell_\mathrm{max})$",
    "pl_rec_lmin": r"$p_L^\mathrm{rec}(\ell_\mathrm{min})$",
    "pt_pair": r"$p_T(\ell\ell)$",
    "pt_rec_lmax": r"$p_T^\mathrm{rec}(\ell_\mathrm{max})$",
    "pt_rec_lmin": r"$p_T^\mathrm{rec}(\ell_\mathrm{min})$",
    "recoil_gap_distance": "recoil, angle from the gap at 90 deg",
    "recoil_gap_margin": "recoil, angle from the nearest gap",
    "recoil_photon_angle": "recoil, angle to the nearest photon",
    "recoil_theta": r"$\theta_\mathrm{recoil}$",
    "second_energy": "energy of the second photon",
    "tau_excess": "acollinearity beyond that of tau pairs",
    "theta": r"$\theta_\gamma$",
    "trigger": "trigger bit",
}
"""Observables of the shipped searches; those of other searches are called by their names in words."""
MERITS: dict[Merit, str] = {
    "punzi": "Punzi figure of merit",
    "punzi-full": "Punzi figure of merit",
    "expected-limit": "efficiency / median limit",
    "mean-limit": "efficiency / mean limit",
}
"""Figures of merit of the optimisation."""
SIGNS: dict[Side, str] = {"above": ">", "below": "<"}
"""What stands between an observable and a bound, by the side of it that is kept."""


def in_words(name: str) -> str:
    """Return a name that has no symbol as figures write it.

    Examples
    --------
    >>> in_words("template_statistics")
    'template statistics'
    """
    return name.replace("_", " ")


def source_name(name: str) -> str:
    """Return what the figures call a source of uncertainty.

    Examples
    --------
    >>> source_name("norm_mumu"), source_name("tau veto")
    ('normalisation of mumu', 'tau veto')
    """
    sample = name.removeprefix(norm_source(""))
    return in_words(name) if sample == name else f"normalisation of {in_words(sample)}"


def observable_name(name: str) -> str:
    """Return what the figures call an observable: a symbol or words; its own name without underscores if unknown.

    Examples
    --------
    >>> observable_name("n_tracks"), observable_name("my_angle")
    ('number of tracks', 'my angle')
    """
    return OBSERVABLES.get(name, in_words(name))


def process_name(name: str) -> str:
    """Return what the figures call a process: a formula; its own name without underscores if unknown.

    Examples
    --------
    >>> process_name("continuum_mc")
    'continuum mc'
    """
    return PROCESSES.get(name, in_words(name))


def unit_in_figures(unit: str) -> str:
    """Return a unit as figures write it.

    Examples
    --------
    >>> unit_in_figures("GeV^2")
    'GeV$^2$'
    """
    return unit.replace("^2", "$^2$")
