"""What the steering files of this folder share: lists of tracks and photons, and writing one row a candidate.

The names of variables, functions and parameters were compared with basf2's source (``analysis/variables``,
``modularAnalysis``, ``VariablesToNtuple``); nothing here was run in basf2. Look at the first events before you submit a
job. Selections are loose on purpose: bumphunt cuts, and its cutflow counts.
"""

import basf2 as b2
import modularAnalysis as ma

FILES = ["input.root"]
"""What is read, unless ``basf2 -i`` says otherwise."""
TRACK = "abs(dr) < 2 and abs(dz) < 10 and thetaInCDCAcceptance"
"""Tracks from the interaction point; nTracks counts all tracks of the event, see README of bumphunt: cuts."""
PHOTON = "E > 0.05 and thetaInCDCAcceptance and abs(clusterTiming) < 200"
"""Clusters without a track above 50 MeV, near the time of the event [ns]."""
PHOTONS_BESIDE = 3
"""Photons outside the candidate that are written, by energy."""


def of_daughter(index, *names):
    """Return variables of a daughter."""
    return [f"daughter({index}, {name})" for name in names]


def of_tracks(*identification):
    """Return the variables of tracks: those of all, and what each is identified by."""
    names = ("p", "theta", "phi", "charge", "dr", "dz")
    return [v for i, more in enumerate(identification) for v in of_daughter(i, *names, *more)]


def of_photons_beside():
    """Return the variables of the photons outside the candidate, which are in the list gamma:roe."""
    found = ["totalEnergyOfParticlesInList(gamma:roe)"]
    for rank in range(1, PHOTONS_BESIDE + 1):
        found += [f"getVariableByRank(gamma:roe, E, {name}, {rank})" for name in ("E", "theta", "phi")]
    return found


def start():
    """Return a path that reads the files."""
    path = b2.create_path()
    ma.inputMdstList(filelist=FILES, path=path)
    return path


def write(candidate, variables, filename, path):
    """Write the candidates of a list that have tracks only: every photon of the event is beside them."""
    ma.fillParticleList("gamma:roe", PHOTON, path=path)
    ma.rankByHighest("gamma:roe", "E", path=path)
    ma.variablesToNtuple(candidate, variables, treename="events", filename=filename, path=path)


def write_with_photons(candidate, variables, filename, path):
    """Write the candidates of a list that have photons, each beside the photons of the rest of its event.

    The loop over rests of events numbers the candidates, and so must bumphunt:
    ``ntuples: {candidate_key: [candidate, __signalSideCandidate__]}``.
    """
    ma.fillParticleList("gamma:good", PHOTON, path=path)
    ma.buildRestOfEvent(candidate, path=path)
    rest, end = b2.create_path(), b2.create_path()
    ma.signalSideParticleFilter(candidate, "", rest, end)
    ma.fillSignalSideParticleList("vpho:this", f"^{candidate}", path=rest)
    ma.cutAndCopyList("gamma:roe", "gamma:good", "isInRestOfEvent == 1", path=rest)
    ma.rankByHighest("gamma:roe", "E", path=rest)
    ma.variablesToNtuple(
        "vpho:this",
        variables,
        treename="events",
        filename=filename,
        path=rest,
        signalSideParticleList=candidate,
    )
    path.for_each("RestOfEvent", "RestOfEvents", rest)
