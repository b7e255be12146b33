"""Which background a window asks for: orders and families compared, by tests and information criteria.

Each is fitted to the counts of the window without a signal, and compared by

* the test of one order more: twice the difference of the NLL has a chi^2 distribution with as many degrees of freedom
  as there are more coefficients, if those are not needed ("F-test"). The lowest order from which on none is needed,
  with p above 0.05, is the one that the test chooses;
* AIC = 2 NLL + 2 k and BIC = 2 NLL + k ln N, with k coefficients and N bins: the lower the better. A difference of 2 is
  little, one of 10 is much. 2 NLL + k, which a discrete profile compares, is between AIC and none.

References
----------
CMS, EPJC 74 (2014) 3076, arXiv:1407.0558 (orders by 2 Delta NLL).
H. Akaike, IEEE Trans. Autom. Control 19 (1974) 716; G. Schwarz, Ann. Statist. 6 (1978) 461.
P. D. Dauncey et al., JINST 10 (2015) P04015, arXiv:1408.6865 (discrete profiling).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc

from bumphunt.errors import FitError, InputError
from bumphunt.inference.profile import Profile
from bumphunt.likelihood.likelihood import likelihood
from bumphunt.models.background import BackgroundModel
from bumphunt.studies.families import OTHERS, with_background
from bumphunt.studies.windows import StudyWindow

__all__ = ["NEEDED", "OrderFit", "chosen_order", "fitted_model", "order_fits"]

NEEDED = 0.05
"""p-value of the test below which one order more is needed."""
BELOW, ABOVE = 1, 2
"""Orders of the family of the analysis that are compared, below and above its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFit:
    """The fit of a window by one background, without signal.

    Parameters
    ----------
    model
        Family and order.
    deviance
        2 NLL relative to the saturated model, constraints included.
    coefficients
        Coefficients of all regions together, k.
    bins
        Bins of all regions, N.
    p_next
        p-value of the test of one order more; NaN where that is no fit.
    """

    model: BackgroundModel
    deviance: float
    coefficients: int
    bins: int
    p_next: float

    @property
    def aic(self) -> float:
        """The information criterion of Akaike."""
        return self.deviance + 2.0 * self.coefficients

    @property
    def bic(self) -> float:
        """That of Schwarz."""
        return self.deviance + self.coefficients * float(np.log(self.bins))


def fitted_model(window: StudyWindow) -> BackgroundModel | None:
    """Return the smooth background of a window; None if it has none, or another one in each region."""
    models = {sample.smooth for region in window.model.regions for sample in region.backgrounds}
    smooth = [model for model in models if isinstance(model, BackgroundModel)]
    return smooth[0] if len(smooth) == 1 else None


def order_fits(window: StudyWindow) -> list[OrderFit]:
    """Return the fits of a window: its own family in some orders, others in its order, as far as they converge.

    Parameters
    ----------
    window
        With a smooth background; templates beside it are left out.

    Raises
    ------
    InputError
        If it has none.
    """
    own = fitted_model(window)
    if own is None:
        msg = f"the window at {window.mass:g} GeV has no smooth background whose order could be another one"
        raise InputError(msg)
    orders = range(max(own.order - BELOW, 0), own.order + ABOVE + 1)
    wanted = [(own, order) for order in orders]
    wanted += [(BackgroundModel(family, own.order), own.order) for family in OTHERS if family != own.family]
    found = [_fit(window, like, order) for like, order in wanted]
    return [fit for fit in found if fit is not None]


def chosen_order(fits: list[OrderFit], family: str) -> int | None:
    """Return the lowest order of a family beyond which none that was tried is needed; None if even the last one is.

    Of a symmetric spectrum the first order is not needed, and the second is: an order is enough if all above it are.
    """
    orders = sorted((fit for fit in fits if fit.model.family == family), key=lambda fit: fit.model.order)
    enough = [fit.p_next > NEEDED for fit in orders]
    return next((fit.model.order for k, fit in enumerate(orders) if all(enough[k:])), None)


def _fit(window: StudyWindow, like: BackgroundModel, order: int) -> OrderFit | None:
    """Return the fit by a family in some order; None where it is no function in the window, or does not converge."""
    here, beyond = _deviance(window, like, order), _deviance(window, like, order + 1)
    if here is None:
        return None
    regions = window.model.regions
    return OrderFit(
        model=replace(like, order=order),
        deviance=here,
        coefficients=len(regions) * (like.n_coefficients - like.order + order),
        bins=window.model.n_bins,
        p_next=np.nan if beyond is None else float(chdtrc(len(regions), max(here - beyond, 0.0))),
    )


def _deviance(window: StudyWindow, like: BackgroundModel, order: int) -> float | None:
    """Return 2 NLL of the fit without signal; None where there is none."""
    try:
        model = replace(like, order=order)
        profile = Profile(likelihood([with_background(region, model) for region in window.model.regions]))
        return 2.0 * profile.null.nll
    except (InputError, FitError):
        return None
