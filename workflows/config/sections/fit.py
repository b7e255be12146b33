"""The sections of the YAML that say how a mass hypothesis is tested: masses, spectrum, cuts, fit, uncertainties."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bumphunt.cuts.choice import Cuts, Merit
from bumphunt.cuts.tensor import Side, VetoAxis, veto_axis
from bumphunt.engines.choose import Engine
from bumphunt.inference.settings import LimitMethod, Prior, SignificanceMethod
from bumphunt.models.background import BackgroundModel, Family
from bumphunt.models.known_peaks import KnownPeak, known_peak
from bumphunt.scanning.sources import Source
from bumphunt.spectrum.edges import MOST_BINS
from selections.shifts import Shift
from workflows.config.sections.section import (
    Count,
    Finite,
    NonNegative,
    Number,
    Positive,
    Relative,
    RelativeChange,
    Section,
    UpDown,
)

__all__ = [
    "Bounds",
    "Fit",
    "Optimise",
    "PeakSection",
    "SearchSection",
    "Slices",
    "SmoothBackground",
    "SpectrumBinning",
    "Systematic",
]


class SearchSection(Section):
    """The mass hypotheses."""

    low: Positive
    """Lowest mass [GeV]."""
    high: Positive
    """Highest mass [GeV]."""
    mass: Positive | None = None
    """The only hypothesis, where the mass is known [GeV]: signal of that mass alone is enough. ``low`` and ``high`` are
    then the range around it that is blinded."""
    between: bool = False
    """Whether masses of a second particle are searched between those that were simulated, too, in the same steps [units
    of the resolution along their axis of the spectrum]; else at these alone."""
    step: Positive = 0.5
    """Step in units of the resolution. Counting windows of +-2 resolutions with a step of 2 are those of Belle II's
    2018 search: one beside the other, and the same shifted by half a width."""
    exclude: Literal["auto"] | tuple[tuple[Positive, Positive], ...] = "auto"
    """Intervals [GeV] that are not searched; the known resonances that the channel leaves out unless given."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high <= self.low:
            msg = f"high = {self.high} GeV must be above low = {self.low} GeV"
            raise ValueError(msg)
        if self.mass is not None and not self.low < self.mass < self.high:
            msg = f"mass = {self.mass} GeV must be between low = {self.low} and high = {self.high} GeV"
            raise ValueError(msg)
        if self.mass is not None and (beside := sorted(self.model_fields_set & {"step", "exclude"})):
            msg = (
                f"'{beside[0]}' is for a range of masses, and mass = {self.mass} GeV is the only hypothesis: remove it"
            )
            raise ValueError(msg)
        for low, high in () if self.exclude == "auto" else self.exclude:
            if high <= low:
                msg = f"exclude: the interval from {low} to {high} GeV is empty; its second number must be larger"
                raise ValueError(msg)
        return self


class SpectrumBinning(Section):
    """The fine binning of the observable, rebinned for each fit, in the unit of its axis: GeV^2 or GeV."""

    low: Finite | None = None
    """Lower edge."""
    high: Finite | None = None
    """Upper edge."""
    bins: Count | None = None
    """Number of bins between them."""
    log: bool = False
    """Whether these are equal in the logarithm."""
    edges: tuple[Finite, ...] | None = Field(default=None, min_length=2)
    """In place of these: all edges, ascending."""
    per_resolution: Positive | None = None
    """In place of a number of bins: so many in a resolution, wherever that is. Ends that are not given are those of the
    search, and the windows beside them. For a signal with ``resolution``."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("bins", "edges", "per_resolution") if getattr(self, name) is not None]
        if len(ways) != 1:
            msg = "give 'low', 'high' and 'bins', or 'edges', or 'per_resolution' (with 'low' and 'high' or not)"
            raise ValueError(msg)
        ends = (self.low, self.high)
        if ways == ["bins"] and None in ends:
            msg = "give both 'low' and 'high' with 'bins'"
            raise ValueError(msg)
        if ways == ["edges"] and ends != (None, None):
            msg = "'edges' have their ends: remove 'low' and 'high'"
            raise ValueError(msg)
        if self.bins is not None and self.bins > MOST_BINS:
            msg = f"bins = {self.bins}: a spectrum has at most {MOST_BINS}"
            raise ValueError(msg)
        if self.log and (ways != ["bins"] or not (self.low or 0.0) > 0.0):
            msg = "log: true is for 'low' above 0, 'high' and 'bins'"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and self.high <= self.low:
            msg = f"high = {self.high} must be above low = {self.low}"
            raise ValueError(msg)
        for low, high in pairwise(self.edges or ()):
            if low >= high:
                msg = f"edges must be ascending, but {low:g} stands before {high:g}"
                raise ValueError(msg)
        return self


class Bounds(Section):
    """Candidate bounds on one side of an observable: a range of them, or those that the search has."""

    low: Finite | None = None
    """Lowest bound. The loosest one is applied in every mass bin, and "before" the cuts means after it."""
    high: Finite | None = None
    """Highest bound."""
    steps: Annotated[int, Number, Field(ge=2)] = 20
    """Number of bounds."""
    unit: str = "GeV"
    """Unit, for tables and figures."""
    side: Side | None = None
    """``above``: lower bounds, which is the default of a range. ``below``: upper ones."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is None or self.high is None:
            if given := sorted(self.model_fields_set & {"low", "high", "steps", "unit"}):
                msg = f"'{given[0]}' is given: give both 'low' and 'high', or neither for the bounds of the search"
                raise ValueError(msg)
        elif self.high <= self.low:
            msg = f"high = {self.high} must be above low = {self.low}"
            raise ValueError(msg)
        return self

    def axis(self, name: str, known: Sequence[VetoAxis]) -> VetoAxis:
        """Return the candidate bounds on an observable.

        Parameters
        ----------
        name
            The observable.
        known
            Those that the search has.

        Raises
        ------
        ValueError
            If it is one of them that is meant, and there is none or one for each side.
        """
        if self.low is not None and self.high is not None:
            return veto_axis(name, self.low, self.high, n=self.steps, unit=self.unit, side=self.side or "above")
        found = {axis.side: axis for axis in known if axis.name == name and self.side in (None, axis.side)}
        if not found:
            has = ", ".join(dict.fromkeys(f"{axis.name} ({axis.side})" for axis in known))
            msg = f"optimise.variables.{name} = {self.side or 'null'}: the search has bounds for {has or 'none'} only"
            raise ValueError(msg)
        if len(found) > 1:
            msg = f"optimise.variables.{name} = null: the search has bounds on either side; say {' or '.join(found)}"
            raise ValueError(msg)
        return next(iter(found.values()))


def _each(value: object) -> list[object]:
    """Return what stands for the bounds on one observable as a list of sections: nothing, a side, or one section."""
    several = value if isinstance(value, list) else [value]
    return [{} if item is None else {"side": item} if isinstance(item, str) else item for item in several]


class Optimise(Section):
    """The cuts optimised in bins of mass."""

    figure_of_merit: Merit = "punzi"
    """``punzi``: eps / (a/2 + sqrt B); ``punzi-full``: eps over the full S_min; ``expected-limit`` and ``mean-limit``:
    eps over the exact limit at the median count, or averaged over the counts."""
    a: Positive = 1.6
    """Significance level of Punzi's figures of merit, in standard deviations."""
    b: Positive = 1.28155
    """Power level, for 'punzi-full'."""
    background_uncertainty: Relative = 0.0
    """Relative uncertainty of the background, for the limits."""
    window: Positive = 2.0
    """Half width of the signal window, in units of the resolution."""
    background_error: NonNegative = 0.5
    """How many Monte Carlo standard deviations are added to the background in the figure of merit."""
    bin_width: Positive = 4.0
    """Width of the mass bins, in units of the resolution."""
    min_bin_width: NonNegative = 0.2
    """Least width of the mass bins [GeV]."""
    cuts: Cuts = "smooth"
    """``free``: each mass bin by itself, as steps. ``smooth``: chosen with the neighbouring bins. ``monotone``: no cut
    turns around with mass. The last two are interpolated between the centres of the bins."""
    classifier: bool = False
    """Train a classifier and cut on its score in the same mass bins, to compare (extra ``boosted``)."""
    variables: dict[str, Annotated[tuple[Bounds, ...], BeforeValidator(_each)]] = Field(default_factory=dict)
    """Observables to cut on, each with its candidate bounds, or a list of two for both sides; ``above``, ``below`` or
    null for those that the search has for it. Those of the search unless given."""

    @property
    def uses_limits(self) -> bool:
        """Whether limits, at the confidence level of the fit, are part of the result."""
        return self.classifier or self.figure_of_merit in ("expected-limit", "mean-limit")


class SmoothBackground(Section):
    """A background whose coefficients the data determine, in every window."""

    family: Family = "bernstein"
    """``bernstein``, ``chebyshev``: polynomials; ``logarithmic``: polynomials in the logarithm; ``exponential``: the
    exponential of a polynomial; ``power``: a power, whose exponent runs from order 2 on; ``dijet``, ``threshold``,
    ``argus``: see `bumphunt.models.background`."""
    order: Annotated[int, Number, Field(ge=0)] = 3
    """Order of the polynomial."""
    end: Finite | None = None
    """Of ``dijet`` the energy of the collision, of ``argus`` the end point, of ``threshold`` the threshold, in the unit
    of the axis of the spectrum: GeV^2 for a recoil mass squared."""
    times: tuple[str, ...] = ()
    """Samples whose summed spectrum the background multiplies: a simulated shape, corrected by a smooth function."""
    function: str | None = None
    """``file.py:NAME``: a function of one's own in place of a family, called with positions and its parameters."""
    start: dict[str, Finite] = Field(default_factory=dict)
    """First values of the parameters of the function, by name."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        of_family = sorted(self.model_fields_set & {"family", "order", "end"})
        if self.function is not None and of_family:
            msg = f"'{of_family[0]}' is of a family, but 'function' is given: its shape is that of {self.function}"
            raise ValueError(msg)
        if self.function is None and self.start:
            msg = f"'start' has first values of {', '.join(self.start)}, parameters of a 'function': name that too"
            raise ValueError(msg)
        self.model  # noqa: B018 (raises for an order that is too high, or an end that is missing)
        return self

    @property
    def model(self) -> BackgroundModel:
        """The family as the library wants it."""
        return BackgroundModel(self.family, self.order, self.end)


class PeakSection(Section):
    """A known resonance that is a free peak in the windows that it reaches."""

    mass: Positive
    """Mass [GeV]."""
    mass_error: NonNegative = 0.0
    """How well it is known where it is seen [GeV]: of its mass, or of the momentum scale."""
    width: NonNegative = 0.0
    """Natural width [GeV]."""
    resolution: Positive | None = None
    """Resolution of the mass [GeV]; that of the signal there unless given."""
    name: str | None = None
    """What it is called; after its mass unless given."""

    @property
    def resonance(self) -> KnownPeak:
        """The resonance as the library wants it."""
        name = f"{self.mass:g} GeV" if self.name is None else self.name
        numbers = self.model_dump(exclude={"name"})
        return KnownPeak(name=name, **numbers)


class Slices(Section):
    """Bins of a second observable, fitted together with one signal: templates in two dimensions."""

    observable: str
    """Name of an observable of the selection."""
    edges: tuple[Finite, ...] = Field(min_length=3)
    """Edges of the bins, ascending; events outside are left out."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(low >= high for low, high in pairwise(self.edges)):
            msg = f"edges {list(self.edges)} of {self.observable} must be ascending"
            raise ValueError(msg)
        return self


class Fit(Section):
    """How a mass hypothesis is tested."""

    method: Literal["templates", "smooth", "counting"] = "templates"
    """A fit over simulated backgrounds, a fit over a smooth one, or a count within +-2 standard deviations."""
    window: Positive | None = None
    """Half width of the window in units of the resolution; 10 for fits and 2 for counting unless given."""
    band: Positive = 2.0
    """Of a spectrum with more axes: half width of the band along each of them that a hypothesis sees, in units of the
    resolution along it."""
    bins_per_sigma: Positive = 4.0
    """Bins per standard deviation in a fit."""
    background: SmoothBackground | None = None
    """The smooth background, which 'templates' have beside them if it is given; with 'smooth', Bernstein polynomials of
    third order unless given."""
    templates: tuple[str, ...] = ()
    """Samples that are templates beside the smooth background, which stands for the others; all unless given."""
    peaks: Literal["auto"] | tuple[PeakSection | str, ...] = ()
    """Known resonances that are free peaks in every window that they reach: names (omega, phi, jpsi, psi2s, upsilon1s,
    upsilon2s, upsilon3s, z), masses, or ``auto`` for those that the channel names, as far as the signal reaches."""
    templates_below: Positive | None = None
    """Masses below this have templates beside the smooth background [GeV]; above, it stands for all samples."""
    slices: Slices | None = None
    """Bins of a second observable; one spectrum unless given."""
    cl: Annotated[float, Number] = Field(default=0.90, gt=0, lt=1)
    """Confidence level of the limits."""
    limit: LimitMethod = "auto"
    """CLs by formulae where they hold and by toys elsewhere (exact for counts), one of the two, CLs+b (``clsb``: by
    formulae, exact for counts), or Bayesian; for counts also the upper end of the Feldman-Cousins interval."""
    significance: SignificanceMethod = "auto"
    """p0 by toys where the background in the core of the peak is too little for the formulae, or always by one of the
    two; that of one count is exact."""
    prior: Prior = "flat"
    """Prior of the signal in Bayesian limits."""
    toys: Count = 1000
    """Pseudo-experiments at each tested signal, where limits come from toys, and for p0."""
    engine: Engine = "auto"
    """What fits: ``auto`` takes ``linear``, many masses at once, where the likelihood is linear in its parameters but
    for the yield of the signal, and ``newton`` elsewhere; ``minuit`` is the reference, ``zfit`` (an extra) a peer. Toys
    are fitted by the first two."""
    unbinned: bool = False
    """Fit the values of the observable, which ``process`` keeps, not their counts in bins: with the method ``smooth``.
    Where the data are blinded, the expectation is fitted in bins."""
    poor_fit: Annotated[float, Number] = Field(default=1e-3, gt=0, lt=1)
    """p-value of the goodness of fit below which a row has the flag ``poor_fit``."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.method == "counting" and self.limit in ("asymptotic", "toys"):
            msg = (
                f"limit: {self.limit} is an approximation; limits on counts are exact: leave it out, or say 'clsb',"
                " 'bayesian' or 'feldman-cousins'"
            )
            raise ValueError(msg)
        if self.method == "counting" and self.slices is None and self.significance == "toys":
            msg = "significance: toys is an approximation; p0 of a count is exact: leave it out"
            raise ValueError(msg)
        if self.limit == "feldman-cousins" and (self.method != "counting" or self.slices is not None):
            msg = "limit: feldman-cousins is for one count: want method: counting without slices, or limit: auto"
            raise ValueError(msg)
        beside = self.method == "templates" and self.background is not None
        if (self.templates or self.templates_below is not None) and not beside:
            msg = "templates: samples can be left to a smooth background: want method: templates and a 'background'"
            raise ValueError(msg)
        if self.peaks and self.method == "counting":
            msg = "peaks: a count has no shape that tells a signal from a resonance; want 'templates' or 'smooth'"
            raise ValueError(msg)
        if self.peaks != "auto":
            for peak in self.peaks:
                if isinstance(peak, str):
                    known_peak(peak)  # raises for a name that is none
        if self.method == "counting" and self.engine != "auto":
            msg = (
                f"engine: {self.engine} has nothing to fit, since p0 and limits of counts are exact (counts of several"
                " regions together are fitted by 'auto'): leave it out, or want method: templates or smooth"
            )
            raise ValueError(msg)
        if self.unbinned and self.method != "smooth":
            msg = f"unbinned: true needs densities, and method: {self.method} has events in bins; want method: smooth"
            raise ValueError(msg)
        if self.background is not None and self.method == "counting":
            msg = "background: counts take their backgrounds from the samples; want 'templates' or 'smooth'"
            raise ValueError(msg)
        return self


class Systematic(Section):
    """One source of uncertainty: what it moves at one standard deviation (`bumphunt.scanning.sources`)."""

    efficiency: RelativeChange | UpDown = 0.0
    """Relative change of the signal yield; [+0.04, -0.06] are those at +1 and at -1 standard deviation."""
    signal_mean: Finite = 0.0
    """Shift of the peak, in units of the resolution."""
    signal_width: RelativeChange = 0.0
    """Relative change of the width of the peak."""
    background: dict[str, RelativeChange | UpDown] = Field(default_factory=dict)
    """Relative change of the yield, by sample; or those at +1 and at -1 standard deviation."""
    background_slope: dict[str, RelativeChange] = Field(default_factory=dict)
    """Relative change at the upper end of the window, and its negative at the lower end, by sample."""
    spurious_signal: NonNegative = 0.0
    """A signal that the background shape fakes, in units of the error of n_sig without signal."""
    sample: str | None = None
    """A sample that is an ``alternative``: its difference to the sample that it stands for; -1 sigma is mirrored."""
    weights: tuple[str, ...] = Field(default=(), max_length=2)
    """Variables of the ntuples that the weight is multiplied with at +1 and -1 sigma; one is mirrored at 1."""
    samples: tuple[str, ...] = ()
    """With `weights`: the samples that have them, ``signal`` for the signal; all that are simulated unless given."""
    scale: tuple[str, ...] = ()
    """Momenta, or energies of photons, that are multiplied with 1 + `by` and 1 - `by`: what that does is found out by
    a selection of the simulated events with them."""
    smear: tuple[str, ...] = ()
    """The same, each multiplied with 1 + `by` g for each event, where g is a number of a standard normal distribution;
    -1 sigma is mirrored."""
    by: Positive | None = None
    """Of `scale` or `smear`: one standard deviation, relative."""

    @model_validator(mode="after")
    def _measured_or_said(self) -> Self:
        said = self.model_fields_set
        with_it: dict[str, set[str]] = {"sample": set(), "weights": {"samples"}, "scale": {"by"}, "smear": {"by"}}
        alone = next((key for key in with_it if key in said and getattr(self, key) not in (None, ())), None)
        beside = said - {alone} - (set() if alone is None else with_it[alone])
        if alone is not None and beside:
            msg = f"'{alone}' is a source of its own: give {', '.join(sorted(beside))} under another name"
            raise ValueError(msg)
        if (self.by is None) != (alone not in ("scale", "smear")):
            msg = "give 'by' with one of 'scale' and 'smear', such as {scale: ['daughter(0, p)'], by: 0.001}"
            raise ValueError(msg)
        if self.samples and not self.weights:
            msg = "'samples' are those of 'weights': give these, or remove it"
            raise ValueError(msg)
        self.shift("")  # raises for what cannot be shifted
        return self

    @property
    def measured(self) -> bool:
        """Whether simulated events say what it moves, and no numbers here."""
        return self.sample is not None or bool(self.weights) or self.by is not None

    def source(self, name: str) -> Source:
        """Return the source as the library wants it; one that is not `measured`."""
        return Source(name=name, **self.model_dump(exclude={"sample", "weights", "samples", "scale", "smear", "by"}))

    def shift(self, name: str) -> Shift | None:
        """Return the momenta that it shifts; None where it shifts none."""
        if self.by is None:
            return None
        kind: Literal["scale", "smear"] = "smear" if "smear" in self.model_fields_set else "scale"
        return Shift(name=name, kind=kind, columns=self.smear if kind == "smear" else self.scale, by=self.by)
