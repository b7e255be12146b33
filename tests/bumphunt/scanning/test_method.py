"""How a mass is tested: what is refused, and which window goes with which kind."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.models.background import BackgroundModel
from bumphunt.scanning.method import Method

CUBIC = BackgroundModel("bernstein", 3)


def test_windows_are_wide_for_fits_and_narrow_for_counts():
    fit, count = Method(kind="templates"), Method(kind="counting")
    assert (fit.half_width, fit.bins) == (10.0, 5.0)
    assert (count.half_width, count.bins) == (2.0, None)
    assert Method(kind="counting", window=1.5).half_width == 1.5


def test_smooth_background_stands_for_all_samples_where_it_is_said():
    masses = (0.0, 2.0, 5.0)
    beside, above = (Method(kind="templates", background=CUBIC, templates_below=m) for m in (np.inf, 2.0))
    assert [beside.smooth_at(m) for m in masses] == [False, False, False]
    assert [above.smooth_at(m) for m in masses] == [False, True, True]
    assert Method(kind="smooth", background=CUBIC).smooth_at(0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "unbinned"}, "'templates', 'smooth' or 'counting', got 'unbinned'"),
        ({"kind": "templates", "window": 0.0}, "half width 0.0 and bins per sigma 5.0 must be positive"),
        ({"kind": "templates", "bins_per_sigma": np.nan}, "bins per sigma nan must be positive"),
        ({"kind": "smooth"}, "'smooth' needs a background"),
        ({"kind": "counting", "background": CUBIC}, "counts take their backgrounds from templates"),
        ({"kind": "templates", "templates_below": 2.0}, "templates below 2.0 GeV need 'templates' and a smooth"),
        ({"kind": "smooth", "background": CUBIC, "templates_below": 2.0}, "templates below 2.0 GeV need 'templates'"),
    ],
)
def test_impossible_methods_raise(change, message):
    with pytest.raises(InputError, match=message):
        Method(**change)
