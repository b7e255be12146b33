"""What a search reconstructs: tracks, photons, or both, and where the tracks come from.

| candidate | daughters | for |
|---|---|---|
| ``dimuon`` | mu+ mu- | `zprime-invisible` |
| ``dielectron`` | e+ e- | control samples |
| ``emu`` | e- mu+ and e+ mu- | `zprime-lfv` |
| ``photon_dimuon``, ``photon_dielectron`` | the pair, and a photon | `darkphoton-dilepton` |
| ``photon`` | a photon | `darkphoton-invisible` |
| ``three_photons`` | three photons | `alp-diphoton` |

Daughters are numbered as in basf2's ``daughter(i, ...)``: tracks first, in the order of the candidate, then photons by
falling energy. Another candidate is a `Candidate` of its own: any number of tracks, then any number of photons, and
vertices of some of its tracks; a search brings its own (`selections.search.Search.reconstructed`).

Of the k-th vertex an ntuple has ``vertexk_x``, ``_y``, ``_z``, ``_dr`` (distance from the beam line), ``_distance``
(from the collision) and ``_chi2`` (`bumphunt.kinematics.vertex`). basf2 has these as variables of the particle that
decays there; its ``variables.addAlias("vertex0_distance", "daughter(0, distance)")`` gives them these names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bumphunt.errors import InputError
from bumphunt.montecarlo.named import find, with_others

__all__ = ["CANDIDATES", "KINDS", "PHOTON", "TRACKS", "Candidate", "find_candidate"]

KINDS = {"e": 11, "mu": 13, "pi": 211, "K": 321, "p": 2212}
"""PDG numbers of the particles that a track may be taken for."""
TRACKS = {f"{kind}{sign}": (kind, sign == "+") for kind in KINDS if kind != "p" for sign in "-+"} | {
    "p+": ("p", True),
    "anti-p-": ("p", False),
}
"""Kind and whether the charge is positive, by the name of a daughter that is a track."""
PHOTON = "gamma"
"""Name of a daughter that is a photon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A final state; charge conjugation is implied.

    Raises
    ------
    InputError
        If the daughters are not tracks followed by photons, or none, the threshold is negative, or a vertex is not of
        two of its tracks or more.
    """

    name: str
    """Its name, also in the files of a simulation."""
    daughters: tuple[str, ...]
    """Names of the daughters: some of `TRACKS`, then `PHOTON` s."""
    photon_energy_min: float = 0.0
    """Smallest laboratory energy of a photon of the candidate [GeV]."""
    vertices: tuple[tuple[int, ...], ...] = ()
    """Numbers of the tracks that come from one point, for each such point; none unless given."""

    def __post_init__(self) -> None:
        tracks = self.daughters[: len(self.daughters) - self.n_photons]
        if not self.daughters or not set(tracks) <= TRACKS.keys():
            known = ", ".join(TRACKS)
            msg = f"daughters = {self.daughters} of {self.name}; they must be tracks ({known}), then photons ({PHOTON})"
            raise InputError(msg)
        if not self.photon_energy_min >= 0:
            msg = f"photon_energy_min = {self.photon_energy_min} GeV of {self.name}; it must not be negative"
            raise InputError(msg)
        for vertex in self.vertices:
            if len(vertex) < 2 or len(set(vertex)) < len(vertex) or not set(vertex) <= set(range(len(tracks))):
                msg = f"vertices = {self.vertices} of {self.name}; each is of two or more of its {len(tracks)} tracks"
                raise InputError(msg)

    @property
    def tracks(self) -> tuple[tuple[str, bool], ...]:
        """The tracks: the kind, of `KINDS`, and whether the charge is positive."""
        return tuple(TRACKS[name] for name in self.daughters if name != PHOTON)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the tracks; empty if there are photons only."""
        return tuple(kind for kind, _ in self.tracks)

    @property
    def n_photons(self) -> int:
        """Number of photons."""
        return self.daughters.count(PHOTON)


CANDIDATES: dict[str, Candidate] = {
    candidate.name: candidate
    for candidate in (
        Candidate(name="dimuon", daughters=("mu+", "mu-")),
        Candidate(name="dielectron", daughters=("e+", "e-")),
        Candidate(name="emu", daughters=("e-", "mu+")),
        # the searches ask for E* > 0.2 GeV, which is 0.12 GeV backward in BaBar
        Candidate(name="photon_dimuon", daughters=("mu+", "mu-", PHOTON), photon_energy_min=0.1),
        Candidate(name="photon_dielectron", daughters=("e+", "e-", PHOTON), photon_energy_min=0.1),
        # below the triggers
        Candidate(name="photon", daughters=(PHOTON,), photon_energy_min=0.3),
        Candidate(name="three_photons", daughters=(PHOTON, PHOTON, PHOTON), photon_energy_min=0.15),
    )
}
"""The shipped candidates by name."""


def find_candidate(name: str, extra: Iterable[Candidate] = ()) -> Candidate:
    """Return the candidate of a name.

    Parameters
    ----------
    name
        Its name.
    extra
        Candidates beside the shipped ones.

    Raises
    ------
    InputError
        If there is none, with the nearest name, or two.

    Examples
    --------
    >>> find_candidate("emu").daughters
    ('e-', 'mu+')
    """
    return find(name, with_others(CANDIDATES, extra, "candidate"), "candidate")
