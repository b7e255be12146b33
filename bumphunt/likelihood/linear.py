"""Channel: the counts of a histogram, and what is expected in it.

The expected counts ``nu_i = S f_i + sum_k theta_k T_ki`` are linear in the signal yield S and in the coefficients of
the background templates. Each coefficient is free, held, or has a Gaussian constraint, which covers

* a template with a relative normalisation uncertainty: centre 1, width the uncertainty;
* a polynomial term, or a normalisation to be taken from the data: centre 1, width infinite (free);
* a linear shape variation: the difference of two histograms as template, centre 0, width 1;
* a statistical (Poisson) uncertainty: a control region is further bins, in which the signal is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["NO_FRACTION", "Channel"]

Array = NDArray[np.float64]

NO_FRACTION = 1e-100
"""Fraction of the signal in a bin that is none: the square of its inverse is no number any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A histogram with its signal, its background templates and their constraints.

    Parameters
    ----------
    counts
        Observed counts, shape ``(B,)``, not negative; not integers for Asimov data.
    signal
        Fraction of the signal events in each bin, shape ``(B,)``, not negative, taken for 0 below 1e-100; the sum may
        be below 1.
    templates
        Expected background counts of each component at coefficient 1, shape ``(K, B)``; K may be 0.
    centres
        Centres of the Gaussian constraints of the coefficients, and where fits start, shape ``(K,)``.
    sigmas
        Widths of the constraints, shape ``(K,)``: infinite leaves a coefficient free, 0 holds it at its centre.

    Raises
    ------
    InputError
        If shapes disagree, a value is not finite, a count or a signal fraction is negative, a width is negative or
        NaN, or no signal falls into the histogram.
    """

    counts: Array
    signal: Array
    templates: Array
    centres: Array
    sigmas: Array

    def __post_init__(self) -> None:
        shape, n_templates = self.counts.shape, self.templates.shape[0]
        if len(shape) != 1 or self.signal.shape != shape or self.templates.shape != (n_templates, *shape):
            msg = (
                f"counts {shape}, signal {self.signal.shape}, templates {self.templates.shape}: want (B,), (B,), (K, B)"
            )
            raise InputError(msg)
        if self.centres.shape != (n_templates,) or self.sigmas.shape != (n_templates,):
            msg = f"{n_templates} templates need as many centres {self.centres.shape} and sigmas {self.sigmas.shape}"
            raise InputError(msg)
        for name in ("counts", "signal", "templates", "centres"):
            values = getattr(self, name)
            if not np.all(np.isfinite(values)):
                msg = f"{name} must be finite, found {values[~np.isfinite(values)][0]}"
                raise InputError(msg)
        for name in ("counts", "signal", "sigmas"):
            values = getattr(self, name)
            if not np.all(values >= 0.0):
                msg = f"{name} must not be negative or NaN, found {values[~(values >= 0.0)][0]}"
                raise InputError(msg)
        if not self.signal.sum() > 0.0:
            msg = f"no signal falls into the {shape[0]} bins: the fractions sum to {self.signal.sum()}"
            raise InputError(msg)
        object.__setattr__(self, "signal", np.where(self.signal < NO_FRACTION, 0.0, self.signal))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters: the strength, and the coefficients of the templates."""
        return ("strength", *(f"coefficient[{k}]" for k in range(self.centres.size)))

    @property
    def held(self) -> NDArray[np.bool_]:
        """Templates whose coefficient is held at its centre, shape ``(K,)``."""
        return self.sigmas == 0.0

    def expected(self, n_sig: float, background: ArrayLike) -> Array:
        """Return the expected counts, shape ``(B,)``, for a signal yield and coefficients of shape ``(K,)``."""
        nu: Array = n_sig * self.signal + np.asarray(background, dtype=np.float64) @ self.templates
        return nu
