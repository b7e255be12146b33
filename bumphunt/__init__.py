"""bumphunt: arrays in, numbers out.

The library of the framework: kinematics, spectra, models, inference, cut optimisation, theory and Monte Carlo. It reads
and writes no files; `selections` holds the searches, `workflows` everything that touches files, processes or screens.

``import bumphunt as bh`` gives what questions to spectra need; each name is loaded when it is first used:

============= ==========================================================================================================
describe      `region` of `Sample`, `BackgroundModel`, `BackgroundFunction`; `narrow_bins` of a region with values, for
              unbinned questions
peaks         `gaussian`, `crystal_ball`, `two_sided_crystal_ball`, `crystal_ball_gaussian`, `voigt`, `breit_wigner`
uncertainties `LogNormal`, `Gaussian`, `ControlRegion`, `Free`, `PerBin`, `ShapeVariation`, `PeakPosition`, `PeakWidth`,
              `SpuriousSignal`
ask           `fit`, `goodness_of_fit`, `fit_unbinned`, `interval`, `significance` (p0 and z0, by formulae or toys),
              `hypotest`, `limit` (CLs by formulae or toys, Bayesian), `bayesian_limit`, `bayesian_interval`, `scan`,
              `impacts`; with a signal present, `expected_significance` and `expected_limit`
whole search  `global_significance` (toys of complete spectra), `bump_hunt` (counts over a reference)
one count     `CountingModel`: `counting_p0`, `counting_limit`, `bayesian_counting_limit`,
              `bayesian_counting_interval`, `feldman_cousins`; over a control region, `li_ma` and `z_bi`
errors        `BumphuntError`, `InputError`, `FitError`
============= ==========================================================================================================

The rooms are open too: `bumphunt.theory` says what a coupling predicts, `bumphunt.kinematics` what a recoil mass is.
"""

from importlib import import_module

__version__ = "0.1.0"

_ROOMS = {
    "bumphunt.errors": ("BumphuntError", "FitError", "InputError"),
    "bumphunt.inference.bayesian": ("bayesian_counting_limit", "bayesian_limit"),
    "bumphunt.inference.credible": ("bayesian_counting_interval", "bayesian_interval"),
    "bumphunt.inference.counts.distribution": ("CountingModel", "counting_p0"),
    "bumphunt.inference.counts.feldman_cousins": ("feldman_cousins",),
    "bumphunt.inference.counts.limit": ("counting_limit",),
    "bumphunt.inference.counts.on_off": ("li_ma", "z_bi"),
    "bumphunt.inference.expected": ("expected_limit", "expected_significance"),
    "bumphunt.inference.fit": ("fit", "limit", "scan"),
    "bumphunt.inference.goodness": ("goodness_of_fit",),
    "bumphunt.inference.intervals": ("interval",),
    "bumphunt.inference.significance": ("hypotest", "significance"),
    "bumphunt.inference.unbinned": ("fit_unbinned",),
    "bumphunt.likelihood.narrow_bins": ("narrow_bins",),
    "bumphunt.models.background": ("BackgroundFunction", "BackgroundModel"),
    "bumphunt.models.peaks": (
        "breit_wigner",
        "crystal_ball",
        "crystal_ball_gaussian",
        "gaussian",
        "two_sided_crystal_ball",
        "voigt",
    ),
    "bumphunt.models.region": ("Sample", "region"),
    "bumphunt.models.systematics": (
        "ControlRegion",
        "Free",
        "Gaussian",
        "LogNormal",
        "PeakPosition",
        "PeakWidth",
        "PerBin",
        "ShapeVariation",
        "SpuriousSignal",
    ),
    "bumphunt.scanning.impacts": ("impacts",),
    "bumphunt.search_wide.bump_hunt": ("bump_hunt",),
    "bumphunt.search_wide.significance": ("global_significance",),
}
"""Where each name is at home; ``__init__.pyi`` says the same to type checkers and editors."""
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Return a name of the front door, loaded from the room where it is at home (PEP 562)."""
    if name not in _HOME:
        msg = f"module 'bumphunt' has no attribute {name!r}; it has {', '.join(__all__)}"
        raise AttributeError(msg)
    globals()[name] = value = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the names of the front door too, for tab completion."""
    return sorted({*globals(), *__all__})
