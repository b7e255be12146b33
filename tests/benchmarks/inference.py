"""Speed of the engines against pyhf, iminuit and zfit on the same data: 100 bins, one peak, three backgrounds.

The linear engine has the linear model, the engine "newton" one of 80 bins with log-normal uncertainties, of the
luminosity and efficiency on the signal too, without and with statistical errors of the templates in each bin.
Run as ``make bench``; it prints a table, writes ``bench/inference.json`` and ``bench/inference.png`` (time against the
number of masses, toys and bins, with the exponents of fitted power laws), and collects nothing for pytest. One core.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bumphunt.engines import linear, newton
from bumphunt.engines.choose import fit_likelihood
from bumphunt.inference.batch import infer
from bumphunt.inference.fit import limit
from bumphunt.inference.limits import profile_limit
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import Likelihood, likelihood, linear_channel
from bumphunt.likelihood.linear import Channel
from bumphunt.models.background import BackgroundModel, Family
from bumphunt.models.peaks import gaussian
from bumphunt.models.region import Region, Sample, region
from bumphunt.models.signal import SignalModel
from bumphunt.models.systematics import Gaussian, LogNormal
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.sources import Source
from bumphunt.scanning.spectra import checked_spectra
from bumphunt.spectrum.axis import reduced

FOLDER = Path("bench")
N_BINS = 100
N_TOYS = 50_000
N_PEER_TOYS = 40
N_NOT_LINEAR = 2000
N_MASSES = 256
SMOOTH: list[tuple[Family, int]] = [("bernstein", 2), ("exponential", 1), ("exponential", 2), ("exponential", 3)]
N_DILEPTON = 5704
"""Hypotheses of the BaBar dark photon search in electron and muon pairs (arXiv:1406.2980)."""
FIRST_RESULT = """
from bumphunt.inference.fit import limit
from bumphunt.models.region import Sample, region
from bumphunt.models.systematics import Gaussian
flat = Sample("b", [4.0, 4.0, 4.0], uncertainties=[Gaussian("b", 0.1)])
limit(region("r", counts=[3, 5, 4], signal=[0.2, 0.6, 0.2], backgrounds=flat))
"""


FEW_EVENTS = [
    (family, order, relative, n) for family, order in SMOOTH for relative in (0.0, 0.02) for n in (0, 1, 3, 20)
]
"""Low-count spectra whose limits by toys are timed: background, uncertainty of the efficiency, events."""


def few_events() -> dict[str, float]:
    """Return the CPU time of limits by 1000 toys over smooth backgrounds of few events, with bands [s]: at most 5."""
    edges, times = np.linspace(4.0, 6.0, 81), {}
    for family, order, relative, n in FEW_EVENTS:
        counts = np.histogram(4.0 + 2.0 * np.random.default_rng(1).uniform(size=n), edges)[0]
        sources = [LogNormal("efficiency", relative)] if relative else []
        peak = Sample("signal", gaussian(5.0, 0.03), uncertainties=sources)
        r = region("few", counts=counts, edges=edges, signal=peak, backgrounds=BackgroundModel(family, order))
        start = time.process_time()
        limit(r, method="auto", n_toys=1000, rng=np.random.default_rng(5))
        times[f"{family} {order}, efficiency {relative:g}, {n} events"] = time.process_time() - start
    return times


def seconds(function: Callable[[], object], repeat: int) -> float:
    """Return the best of three averages over `repeat` calls, after one to warm up."""
    function()
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(repeat):
            function()
        best = min(best, (time.perf_counter() - start) / repeat)
    return best


def model(n_bins: int = N_BINS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return signal (B,), templates (3, B) and their relative uncertainties (3,)."""
    x = np.linspace(-1.0, 1.0, n_bins)
    signal = np.exp(-0.5 * ((x - 0.1) / 0.05) ** 2)
    return signal / signal.sum(), np.array([50.0 + 0.0 * x, 20.0 * (1.0 + x), 20.0 * (1.0 - x) ** 2]), np.full(3, 0.2)


def toys_of(n_toys: int, n_bins: int = N_BINS) -> np.ndarray:
    """Return background-only counts, shape (N, B)."""
    return np.random.default_rng(1).poisson(model(n_bins)[1].sum(axis=0), size=(n_toys, n_bins)).astype(float)


def likelihoods_of(n_masses: int, n_bins: int = N_BINS) -> list[Likelihood]:
    """Return likelihoods of different data: the masses of a scan."""
    signal, templates, relative = model(n_bins)
    backgrounds = [
        Sample(f"b{k}", template, uncertainties=[Gaussian(f"norm{k}", float(sigma))])
        for k, (template, sigma) in enumerate(zip(templates, relative, strict=True))
    ]
    return [
        likelihood(region("r", counts=counts, signal=signal, backgrounds=backgrounds))
        for counts in toys_of(n_masses, n_bins)
    ]


def channels_of(n_masses: int, n_bins: int = N_BINS) -> list[Channel]:
    """Return the same as the channels of a batch."""
    return [linear_channel(one) for one in likelihoods_of(n_masses, n_bins)]


def q0_toys(built: Likelihood, toys: np.ndarray) -> np.ndarray:
    """Return q0 of background-only toys, shape (N,), by two batched fits."""
    centres = np.tile(built.centres, (len(toys), 1))
    null = linear.fit_data_sets(built, toys, centres, centres, strength_free=False)
    best = linear.fit_data_sets(built, toys, centres, null.values, strength_free=True, warm=True)
    return np.where(best.values[:, 0] > 0.0, 2.0 * (null.nll - best.nll), 0.0)


def dilepton_scan(n_masses: int) -> Callable[[], object]:
    """Return a scan with windows of 200 bins and a third-order polynomial."""
    edges = np.linspace(0.0, 101.0, 40_401)
    signal = SignalModel(
        masses=np.linspace(0.5, 9.9, 10),
        parameters=np.tile([0.0, 0.025, 1.5, 3.0, 0.9, 1.5], (10, 1)),
        errors=np.zeros((10, 6)),
        efficiencies=np.full(10, 0.1),
        efficiency_errors=np.zeros(10),
        support=(0.0, 101.0),
    )
    counts = np.random.default_rng(2).poisson(100.0 * np.exp(-edges[1:] / 40.0))
    masses = np.sqrt(np.linspace(1.0, 96.0, n_masses))
    width = float(signal.resolution(5.0))
    cubic = BackgroundModel("bernstein", 3)
    method = Method(kind="smooth", window=0.25 / width, bins_per_sigma=400.0 * width, background=cubic)
    spectra = checked_spectra(counts, [], [], (), edges)
    region = ScanRegion(name="dilepton", spectra=spectra, signal=signal)
    return lambda: scan_spectra(region, masses=masses, method=method)


def dilepton_regions() -> list[ScanRegion]:
    """Return electrons and muons: reduced masses up to 10 GeV, resolutions of 1.5 to 7.5 MeV."""
    edges = np.arange(0.0, 10.4, 0.0005)
    found = []
    for name, threshold, level in (("ee", 0.001022, 3.0), ("mumu", 0.211317, 1.0)):
        masses = np.linspace(max(threshold, 0.02), 10.3, 60)
        shape = np.tile([0.0, 0.0, 1.5, 3.0, 0.8, 1.6], (60, 1))
        shape[:, 1] = 0.0015 + 0.0006 * masses
        signal = SignalModel(
            masses=masses,
            parameters=shape,
            errors=np.zeros((60, 6)),
            efficiencies=np.full(60, 0.15),
            efficiency_errors=np.full(60, 0.002),
            support=(0.0, 10.5),
            tail="low",
            axis=reduced(threshold),
        )
        rate = level * (10.0 * np.exp(-edges[1:] / 2.0) + 1.0)
        counts = np.random.default_rng(len(name)).poisson(rate)
        found.append(ScanRegion(name=name, spectra=checked_spectra(counts, [], [], (), edges), signal=signal))
    return found


def regions_scan(n_masses: int) -> Callable[[], object]:
    """Return the scans of electrons, muons and both, 40 resolutions wide, with uncertain yields, limits and bands."""
    sources = [
        Source(name="luminosity", efficiency=0.006),
        Source(name="electrons", efficiency=0.02, regions=("ee",)),
        Source(name="muons", efficiency=0.03, regions=("mumu",)),
    ]
    both, masses = dilepton_regions(), np.linspace(0.22, 10.2, n_masses)
    method = Method(kind="smooth", window=20.0, background=BackgroundModel("bernstein", 3))
    fits = []
    for regions in (both[:1], both[1:], both):
        here = [source for source in sources if any(source.applies(region.name) for region in regions)]
        fits.append(partial(scan_spectra, regions, masses=masses, method=method, sources=here))
    return lambda: [fit() for fit in fits]


def peers() -> dict[str, dict[str, float | None]]:
    """Return seconds per fit, limit with band and toy, of those peers that are installed; None where it has none."""
    signal, templates, relative = model()
    (built,) = likelihoods_of(1)
    found: dict[str, dict[str, float | None]] = {
        "iminuit": {
            "one fit": seconds(lambda: fit_likelihood(built, "minuit"), 20),
            "limit with band": seconds(lambda: profile_limit(Profile(built, "minuit")), 1),
            "q0 of one toy": None,
        }
    }
    if find_spec("pyhf") is not None:
        found["pyhf"] = _pyhf(signal, templates, relative)
    if find_spec("zfit") is not None:
        found["zfit"] = _zfit(built.counts)
    return found


def _pyhf(signal: np.ndarray, templates: np.ndarray, relative: np.ndarray) -> dict[str, float | None]:
    """Return the times of pyhf, with the same model as histosys modifiers."""
    import pyhf

    logging.getLogger("pyhf").setLevel(logging.ERROR)
    mu = {"name": "mu", "type": "normfactor", "data": None}
    samples = [{"name": "signal", "data": list(20.0 * signal), "modifiers": [mu]}]
    for k, (template, sigma) in enumerate(zip(templates, relative, strict=True)):
        data = {"lo_data": list(template * (1.0 - sigma)), "hi_data": list(template * (1.0 + sigma))}
        modifier = {"name": f"norm{k}", "type": "histosys", "data": data}
        samples.append({"name": f"b{k}", "data": list(template), "modifiers": [modifier]})
    peer = pyhf.Model({"channels": [{"name": "c", "samples": samples}]}, poi_name="mu", validate=False)
    toys = toys_of(N_PEER_TOYS)
    data = [*toys[0], *peer.config.auxdata]
    bounds = [(-10.0, 10.0), *peer.config.suggested_bounds()[1:]]

    def q0(counts: np.ndarray) -> object:
        observed, start = [*counts, *peer.config.auxdata], peer.config.suggested_init()
        return pyhf.infer.test_statistics.q0(0.0, observed, peer, start, bounds, peer.config.suggested_fixed())

    scan = pyhf.infer.intervals.upper_limits.toms748_scan
    return {
        "one fit": seconds(lambda: pyhf.infer.mle.fit(data, peer), 5),
        "limit with band": seconds(lambda: scan(data, peer, 0.0, 10.0, level=0.1, rtol=1e-4), 1),
        "q0 of one toy": seconds(lambda: [q0(t) for t in toys], 1) / N_PEER_TOYS,
    }


def _zfit(counts: np.ndarray) -> dict[str, float | None]:
    """Return the time of a binned zfit fit, all in its own code: a Gaussian and three Bernstein terms."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import zfit

        plain = zfit.Space("x", limits=(-1.0, 1.0))
        binned = zfit.Space("x", binning=[zfit.binned.RegularBinning(N_BINS, -1.0, 1.0, name="x")])
        data = zfit.data.BinnedData.from_tensor(binned, values=counts, variances=np.maximum(counts, 1.0))

        def fit() -> object:
            events = [zfit.Parameter(name, value, step_size=1.0) for name, value in (("s", 10.0), ("b", counts.sum()))]
            c = [zfit.Parameter(f"c{k}", 1.0, step_size=0.01, floating=k > 0) for k in range(3)]
            peak = zfit.pdf.Gauss(mu=0.1, sigma=0.05, obs=plain, extended=events[0])
            pdf = zfit.pdf.SumPDF([peak, zfit.pdf.Bernstein(obs=plain, coeffs=c, extended=events[1])])
            loss = zfit.loss.ExtendedBinnedNLL(zfit.pdf.BinnedFromUnbinnedPDF(pdf, space=binned), data)
            return zfit.minimize.Minuit().minimize(loss).hesse()

        return {"one fit": seconds(fit, 1), "limit with band": None, "q0 of one toy": None}


def not_linear(per_bin: bool) -> tuple[Region, object, list[float]]:
    """Return 80 bins with three templates and five log-normal uncertainties, as a region, and pyhf's model and data."""
    import pyhf

    x = np.linspace(0.0, 1.0, 80)
    signal = 10.0 * np.exp(-0.5 * ((x - 0.4) / 0.05) ** 2)
    templates = [40.0 * np.exp(-2.0 * x) + 2.0, np.full(80, 15.0), 10.0 * x + 1.0]
    counts = np.random.default_rng(3).poisson(sum(templates))
    relative = {"luminosity": 0.02, "efficiency": 0.05, "norm0": 0.1, "norm1": 0.15, "norm2": 0.2}
    uncertainties = [["luminosity", "efficiency"], *(["luminosity", f"norm{k}"] for k in range(3))]
    samples, peers = [], []
    for k, (histogram, names) in enumerate(zip((signal, *templates), uncertainties, strict=True)):
        errors = 0.1 * histogram if per_bin and k > 0 else None
        samples.append(
            Sample(f"s{k}", histogram, uncertainties=[LogNormal(n, relative[n]) for n in names], errors=errors)
        )
        factors = [{"hi": 1.0 + relative[n], "lo": 1.0 / (1.0 + relative[n])} for n in names]
        modifiers = [{"name": n, "type": "normsys", "data": f} for n, f in zip(names, factors, strict=True)]
        modifiers += [{"name": "mc", "type": "staterror", "data": list(errors)}] if errors is not None else []
        modifiers += [{"name": "mu", "type": "normfactor", "data": None}] if k == 0 else []
        peers.append({"name": f"s{k}", "data": list(histogram), "modifiers": modifiers})
    peer = pyhf.Model({"channels": [{"name": "c", "samples": peers}]}, poi_name="mu", validate=False)
    # pyhf knows normal statistical errors alone; the default is "poisson"
    mine = region("r", counts=counts, signal=samples[0], backgrounds=samples[1:], mc_constraint="normal")
    return mine, peer, [*counts.astype(float), *peer.config.auxdata]


def not_linear_times() -> dict[str, dict[str, float]]:
    """Return seconds of a limit with band, ours and pyhf's, the two limits, and our toys per second."""
    import pyhf

    found = {}
    for name, per_bin in (("5 log-normals", False), ("5 log-normals, 80 per-bin factors", True)):
        mine, peer, data = not_linear(per_bin)
        built = likelihood(mine)
        rng = np.random.default_rng(4)
        toys = rng.poisson(np.maximum(built.expected(built.start), 0.0), (N_NOT_LINEAR, built.counts.size)).astype(
            float
        )
        rows = (toys, np.tile(built.centres, (N_NOT_LINEAR, 1)), np.tile(built.start, (N_NOT_LINEAR, 1)))
        theirs: list[float] = []

        def toy_fits(built: Likelihood = built, rows: tuple[np.ndarray, ...] = rows) -> object:
            return newton.fit_data_sets(built, *rows, strength_free=True)

        def scan(peer: object = peer, data: list[float] = data, theirs: list[float] = theirs) -> None:
            got = pyhf.infer.intervals.upper_limits.toms748_scan(data, peer, 0.0, 5.0, level=0.1, rtol=1e-4)
            theirs.append(float(got[0]))

        start = time.perf_counter()
        scan()
        found[name] = {
            "newton": seconds(lambda mine=mine: limit(mine), 10),
            "pyhf": time.perf_counter() - start,
            "limit": limit(mine).observed,
            "limit of pyhf": theirs[0],
            "one toy": seconds(toy_fits, 1) / N_NOT_LINEAR,
        }
    return found


def ours() -> dict[str, float]:
    """Return seconds per fit, limit with band and toy of the linear engine."""
    channels, toys, (built,) = channels_of(N_MASSES), toys_of(N_TOYS), likelihoods_of(1)
    return {
        "one fit": seconds(lambda: fit_likelihood(built), 100),
        "limit with band": seconds(lambda: profile_limit(Profile(built)), 50),
        "limit with band, in a scan": seconds(lambda: infer(channels), 1) / N_MASSES,
        "limit, observed only, in a scan": seconds(lambda: infer(channels, expected=False), 1) / N_MASSES,
        "q0 of one toy": seconds(lambda: q0_toys(built, toys), 1) / N_TOYS,
    }


def scaling() -> dict[str, dict[str, object]]:
    """Return seconds against numbers of masses, toys and bins, and the exponent of the power law."""

    def bins(n: int) -> Callable[[], object]:
        channels = channels_of(16, n)
        return lambda: infer(channels)

    def masses(n: int) -> Callable[[], object]:
        channels = channels_of(n)
        return lambda: infer(channels)

    def toys(n: int) -> Callable[[], object]:
        counts, (built,) = toys_of(n), likelihoods_of(1)
        return lambda: q0_toys(built, counts)

    cases = {
        "masses": (masses, [64, 256, 1024, 4096]),
        "toys": (toys, [1_000, 4_000, 16_000, 64_000]),
        "bins": (bins, [200, 800, 3_200, 12_800]),
    }
    result: dict[str, dict[str, object]] = {}
    for name, (make, sizes) in cases.items():
        times = [seconds(make(n), 1) for n in sizes]
        exponent = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
        result[name] = {"n": sizes, "seconds": times, "exponent": exponent}
    return result


def first_result() -> float:
    """Return the seconds from starting Python to a first limit, with compiled code on disk."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST_RESULT], check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def draw(scalings: dict[str, dict[str, object]], path: Path) -> None:
    """Draw time against size."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 3.4), layout="constrained")
    axes = figure.subplots(1, len(scalings))
    labels = {"masses": "limits with band", "toys": "background-only toys", "bins": "bins (16 limits with band)"}
    for axis, (name, case) in zip(axes, scalings.items(), strict=True):
        axis.loglog(case["n"], case["seconds"], "o-", color="C0")
        axis.set(xlabel=labels[name], ylabel="time [s]", title=f"time ~ n^{case['exponent']:.2f}")
        axis.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=150)


def table(mine: dict[str, float], theirs: dict[str, dict[str, float | None]]) -> str:
    """Return times in milliseconds and, in brackets, how many times faster the linear engine is."""
    lines = [f"{'[ms]':34}{'linear':>10}" + "".join(f"{name:>22}" for name in theirs)]
    for name, own in mine.items():
        line = f"{name:34}{1e3 * own:10.4f}"
        for times in theirs.values():
            value = times.get(name.partition(",")[0])
            line += " " * 22 if value is None else f"{f'{1e3 * value:.2f} ({value / own:.0f} x)':>22}"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write the JSON and the figure."""
    FOLDER.mkdir(exist_ok=True)
    mine, theirs, scalings = ours(), peers(), scaling()
    dilepton_scan(2)()
    start = time.perf_counter()
    dilepton_scan(N_DILEPTON)()
    scan = time.perf_counter() - start
    regions_scan(2)()
    start = time.perf_counter()
    regions_scan(N_DILEPTON)()
    several = time.perf_counter() - start
    first = first_result()
    exponents = ", ".join(f"{name} {case['exponent']:.2f}" for name, case in scalings.items())
    absent = [name for name in ("pyhf", "zfit") if name not in theirs]
    lines = [
        table(mine, theirs),
        f"background-only q0 toys: {1.0 / mine['q0 of one toy']:.0f} / s",
        f"scan of {N_DILEPTON} masses, 200 bins, third order, with limits and bands: {scan:.1f} s",
        f"scans of {N_DILEPTON} masses in two regions and both, uncertain yields, on one core: {several:.1f} s",
        f"first limit in a new process, compiled code on disk: {first:.2f} s",
        f"exponents of time: {exponents}",
        *(f"{name} is not installed: no comparison" for name in absent),
    ]
    bent = not_linear_times() if "pyhf" in theirs else {}
    for name, row in bent.items():
        faster, toys = row["pyhf"] / row["newton"], 1.0 / row["one toy"]
        lines.append(
            f"not linear, 80 bins, {name}: limit with band {1e3 * row['newton']:.2f} ms,"
            f" pyhf {1e3 * row['pyhf']:.0f} ms ({faster:.0f} x), limits {row['limit']:.5f}"
            f" and {row['limit of pyhf']:.5f}; toys fitted: {toys:.0f} / s"
        )
    limit(region("warm", counts=[1, 2], signal=[0.5, 0.5], backgrounds=BackgroundModel("exponential", 0)))
    few = few_events()
    lines += ["limits by 1000 toys of few events, CPU:", *(f"{t:6.2f} s  {name}" for name, t in few.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    record = {
        "linear": mine,
        "peers": theirs,
        "toys_per_second": 1.0 / mine["q0 of one toy"],
        "dilepton_scan_seconds": scan,
        "regions_scan_seconds": several,
        "first_result_seconds": first,
        "scaling": scalings,
        "not_linear": bent,
        "few_events_seconds": few,
    }
    (FOLDER / "inference.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draw(scalings, FOLDER / "inference.png")


if __name__ == "__main__":
    main()
