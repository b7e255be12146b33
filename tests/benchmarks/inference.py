"""Speed of the convex engine against iminuit and pyhf on the same data: 100 bins, one peak, three background terms.

Run as ``python tests/benchmarks/inference.py``; it prints a table and collects nothing for pytest.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import numpy as np
import pyhf

from bumphunt.inference import convex, minuit
from bumphunt.inference.limits import asymptotic_limit
from bumphunt.models.channel import template_channel

N_BINS = 100
N_TOYS = 50_000
N_PEER_TOYS = 40


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


def model() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return signal (B,), templates (3, B) and their relative uncertainties (3,)."""
    x = np.linspace(-1.0, 1.0, N_BINS)
    signal = np.exp(-0.5 * ((x - 0.1) / 0.05) ** 2)
    return signal / signal.sum(), np.array([50.0 + 0.0 * x, 20.0 * (1.0 + x), 20.0 * (1.0 - x) ** 2]), np.full(3, 0.2)


def pyhf_model(signal: np.ndarray, templates: np.ndarray, relative: np.ndarray) -> pyhf.Model:
    """Return the same model for pyhf."""
    mu = {"name": "mu", "type": "normfactor", "data": None}
    samples = [{"name": "signal", "data": list(20.0 * signal), "modifiers": [mu]}]
    for k, (template, sigma) in enumerate(zip(templates, relative, strict=True)):
        data = {"lo_data": list(template * (1.0 - sigma)), "hi_data": list(template * (1.0 + sigma))}
        modifier = {"name": f"norm{k}", "type": "histosys", "data": data}
        samples.append({"name": f"b{k}", "data": list(template), "modifiers": [modifier]})
    return pyhf.Model({"channels": [{"name": "c", "samples": samples}]}, poi_name="mu", validate=False)


def q0_toys(toys: np.ndarray, signal: np.ndarray, templates: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """Return q0 of background-only toys, shape (N,), by two batched fits."""
    arguments = {
        "centres": [0.0, 1.0, 1.0, 1.0],
        "sigmas": [np.inf, *relative],
        "start": [0.0, 1.0, 1.0, 1.0],
        "errors": False,
    }
    columns = np.vstack([signal, templates])
    best = convex.fit_batch(toys, columns, **arguments)
    null = convex.fit_batch(toys, columns, held=1, **arguments)
    return np.where(best.parameters[:, 0] > 0.0, 2.0 * (null.nll - best.nll), 0.0)


def main() -> None:
    """Print the table."""
    logging.getLogger("pyhf").setLevel(logging.ERROR)
    signal, templates, relative = model()
    rng = np.random.default_rng(1)
    toys = rng.poisson(templates.sum(axis=0), size=(N_TOYS, N_BINS)).astype(float)
    channel = template_channel(toys[0], signal, templates, relative)
    peer = pyhf_model(signal, templates, relative)
    data = [*toys[0], *peer.config.auxdata]

    def peer_q0(counts: np.ndarray) -> object:
        bounds = [(-10.0, 10.0), *peer.config.suggested_bounds()[1:]]
        fixed = peer.config.suggested_fixed()
        observed = [*counts, *peer.config.auxdata]
        return pyhf.infer.test_statistics.q0(0.0, observed, peer, peer.config.suggested_init(), bounds, fixed)

    def peer_limit() -> object:
        return pyhf.infer.intervals.upper_limits.toms748_scan(data, peer, 0.0, 10.0, level=0.1, rtol=1e-4)

    q0_toys(toys[:64], signal, templates, relative)
    peer_toys_per_second = 1.0 / seconds(lambda: [peer_q0(t) for t in toys[:N_PEER_TOYS]], 1) * N_PEER_TOYS
    channel_fits = [1e3 * seconds(lambda fit=fit: fit(channel), 20) for fit in (convex.fit_channel, minuit.fit_channel)]
    channel_fits.append(1e3 * seconds(lambda: pyhf.infer.mle.fit(data, peer), 5))
    limits = [
        1e3 * seconds(lambda: asymptotic_limit(channel), 10),
        1e3 * seconds(lambda: asymptotic_limit(channel, fitter=minuit.fit_channel), 1),
        1e3 * seconds(peer_limit, 1),
    ]
    ours = N_TOYS / seconds(lambda: q0_toys(toys, signal, templates, relative), 1)
    out = sys.stdout.write
    out(f"{'':24}{'convex':>12}{'iminuit':>12}{'pyhf':>12}{'convex : pyhf':>16}\n")
    for name, (a, b, c) in (("one fit [ms]", channel_fits), ("limit with band [ms]", limits)):
        out(f"{name:24}{a:12.3f}{b:12.2f}{c:12.2f}{c / a:16.0f}\n")
    ratio = ours / peer_toys_per_second
    out(f"{'q0 toys [1/s]':24}{ours:12.0f}{'':12}{peer_toys_per_second:12.1f}{ratio:16.0f}\n")


if __name__ == "__main__":
    main()
