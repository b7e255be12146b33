"""Event keys, hashes, halves and the choice of a candidate."""

from __future__ import annotations

import numpy as np
import pytest

from bumphunt.errors import InputError
from selections import events as ca
from selections.events import CandidateRule

KEYS = np.array([[0, 3, 1, e] for e in (7, 7, 7, 8, 9, 9)])
CANDIDATE = np.array([0, 1, 2, 0, 0, 1])
RANK = np.array([1.0, 5.0, 5.0, 2.0, 4.0, 3.0])


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (ca.REJECT, [3]),
        (CandidateRule(best="x"), [1, 3, 4]),
        (CandidateRule(best="x", largest=False), [0, 3, 5]),
    ],
)
def test_rule_keeps_at_most_one_candidate_an_event(rule: CandidateRule, kept: list[int]) -> None:
    starts = ca.group_starts(KEYS)
    np.testing.assert_array_equal(np.flatnonzero(ca.kept_candidates(starts, CANDIDATE, RANK, rule)), kept)


def test_of_equal_ranks_the_lowest_candidate_number_wins_in_any_order() -> None:
    order = np.array([2, 1, 0, 3, 5, 4])
    starts = ca.group_starts(KEYS[order])
    keep = ca.kept_candidates(starts, CANDIDATE[order], RANK[order], CandidateRule(best="x"))
    np.testing.assert_array_equal(np.sort(order[keep]), [1, 3, 4])


def test_nothing_is_kept_of_nothing() -> None:
    none = np.empty((0, 4), dtype=np.int64)
    starts = ca.group_starts(none)
    assert starts.size == 0
    for rule in (ca.REJECT, CandidateRule(best="x")):
        assert ca.kept_candidates(starts, none[:, 0], np.empty(0), rule).size == 0
    assert ca.repeated_row(starts, none[:, 0]) is None


def test_repeated_row_is_found() -> None:
    starts = ca.group_starts(KEYS)
    assert ca.repeated_row(starts, CANDIDATE) is None
    assert ca.repeated_row(starts, np.array([0, 1, 0, 0, 0, 1])) == (0, 2)
    # the same candidate number in different events is no repeat
    assert ca.repeated_row(starts, np.array([0, 1, 2, 2, 2, 1])) is None


def test_hashes_of_a_million_events_differ() -> None:
    n = 1_000_000
    keys = np.column_stack([np.zeros(n), np.full(n, 3), np.arange(n) // 1000, np.arange(n) % 1000]).astype(np.int64)
    assert np.unique(ca.event_hash(keys)).size == n


def test_hash_is_splitmix64() -> None:
    # reference implementation of splitmix64 (prng.di.unimi.it), seed 0: first output e220a8397b1dcdaf
    h = ca.event_hash(np.zeros((1, 1), dtype=np.int64))
    assert int(h[0]) == 0xE220A8397B1DCDAF


def test_halves_are_equal_in_size_and_keep_pairs_of_events_together() -> None:
    n = 100_000
    keys = np.column_stack([np.zeros(n), np.full(n, 3), np.zeros(n), np.arange(n)]).astype(np.int64)
    half = ca.half_sample(keys)
    # a fair coin for 50 000 pairs: four standard deviations
    assert abs(half.mean() - 0.5) < 4 * 0.5 / np.sqrt(n / 2)
    np.testing.assert_array_equal(half[::2], half[1::2])
    # no memory from pair to pair
    assert abs(np.corrcoef(half[:-2:2], half[2::2])[0, 1]) < 4 / np.sqrt(n / 2)


def test_whole_numbers_may_be_stored_as_floats() -> None:
    np.testing.assert_array_equal(ca.whole_numbers(np.array([1.0, 2.0]), "__event__"), [1, 2])
    with pytest.raises(InputError, match=r"__event__ = 1\.5"):
        ca.whole_numbers(np.array([1.0, 1.5]), "__event__")


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("repeat", [None, (3, 700), (0, 1)])
def test_repeated_key_equals_a_set_of_tuples(shuffled: bool, repeat: tuple[int, int] | None) -> None:
    rng = np.random.default_rng(6)
    columns = [np.zeros(1000, dtype=np.int64), np.arange(1000) // 100, np.arange(1000) % 100]
    if shuffled:
        order = rng.permutation(1000)
        columns = [values[order] for values in columns]
    if repeat is not None:
        for values in columns:
            values[repeat[1]] = values[repeat[0]]
    assert len(set(zip(*columns, strict=True))) == 1000 - (repeat is not None)
    assert ca.repeated_key(columns) == repeat


def test_no_row_has_no_repeat() -> None:
    assert ca.repeated_key([np.empty(0, dtype=np.int64)] * 5) is None


def test_repeated_key_wants_whole_numbers() -> None:
    with pytest.raises(InputError, match=r"__experiment__ = 1\.5; it must be a whole number"):
        ca.repeated_key([np.zeros(2), np.array([0.0, 1.5])])


def test_folds_are_independent_of_the_halves_and_keep_both_views_of_an_event_together() -> None:
    keys = np.array([[5, 1003, 0, e] for e in range(60_000)])
    half, fold = ca.half_sample(keys), ca.training_fold(keys, 3)
    np.testing.assert_array_equal(fold[::2], fold[1::2])
    for k in range(3):
        for h in (0, 1):
            # 30 000 pairs in 6 classes: 5000 +- 65
            assert np.count_nonzero((fold == k) & (half == h)) / 2 == pytest.approx(5000, abs=260)
