"""Errors that carry what a caller branches on."""

import pickle

import pytest

from bumphunt.engines.result import FitStatus
from bumphunt.errors import BumphuntError, FitError, Flag


def test_fit_error_says_its_flag_and_the_value():
    with pytest.raises(BumphuntError, match=r"^no_root: none below 8$") as raised:
        raise FitError(Flag.NO_ROOT, "none below 8")
    assert raised.value.flag is Flag.NO_ROOT
    assert str(FitError(Flag.FIT_SINGULAR)) == "fit_singular"


def test_fit_error_comes_back_from_a_worker_process_as_it_was():
    back = pickle.loads(pickle.dumps(FitError(Flag.CLB_UNDERFLOW, "CLb = 0")))
    assert (back.flag, back.detail, str(back)) == (Flag.CLB_UNDERFLOW, "CLb = 0", "clb_underflow: CLb = 0")


def test_every_status_but_a_plain_success_has_a_flag():
    assert FitStatus.CONVERGED.flag is None
    assert FitStatus.CONVERGED.flags == ()
    assert [status.flag for status in FitStatus if status.flag] == [flag for flag in Flag if flag.startswith("fit_")]


def test_flags_are_the_words_of_a_table():
    assert ";".join([Flag.LOW_COUNTS, Flag.BLINDED]) == "low_counts;blinded"
