"""A signal that is counted: an efficiency at masses, and no peak."""

import numpy as np
import pytest

from bumphunt.errors import InputError
from bumphunt.models.counted_signal import CountedSignal
from bumphunt.scanning.method import Method
from bumphunt.scanning.regions import ScanRegion
from bumphunt.scanning.scan import scan_spectra
from bumphunt.scanning.spectra import checked_spectra

SIGNAL = CountedSignal(
    masses=np.array([2.0, 4.0]), efficiencies=np.array([0.1, 0.2]), efficiency_errors=np.array([0.0, 0.0])
)


def test_all_of_it_is_in_the_one_bin():
    for at in SIGNAL.at([4.0, 2.0]):
        assert at.fractions([0.0, 1.0]).tolist() == [1.0]
        assert np.isnan(at.mass_resolution)
    assert SIGNAL.efficiency([4.0, 2.0]).tolist() == [0.2, 0.1]


def test_a_count_over_a_known_background_has_the_limit_of_the_textbook():
    """No event over no background: ln 10 = 2.303 events at 90 %, for any window of the method."""
    for window in (None, 7.0):
        spectra = checked_spectra([0.0], np.empty((0, 1)), np.empty((0, 1)), [], [0.0, 1.0])
        region = ScanRegion(name="all", spectra=spectra, signal=SIGNAL)
        (point,) = scan_spectra(region, masses=[2.0], method=Method(kind="counting", window=window)).points
        assert point.n_sig_ul_obs == pytest.approx(np.log(10.0), rel=1e-7)  # roots are found to 1e-8
        assert point.efficiency == 0.1
        assert np.isnan([point.window_lo, point.window_hi, point.resolution]).all()


def test_nothing_is_interpolated():
    with pytest.raises(InputError, match="is known at 2, 4 GeV alone"):
        SIGNAL.at([3.0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"masses": np.array([])}, "at least one mass"),
        ({"masses": np.array([4.0, 2.0])}, "rising order"),
        ({"efficiencies": np.array([0.1])}, "want efficiencies"),
        ({"efficiencies": np.array([0.1, 1.2])}, "between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused(change, says):
    values = {name: getattr(SIGNAL, name) for name in CountedSignal.__dataclass_fields__}
    with pytest.raises(InputError, match=says):
        CountedSignal(**(values | change))
