"""What carries no mark is not taken for marked, and the bound that says so holds where it bites."""

from __future__ import annotations

import numpy as np
import pytest

from primafacie.safeguards.provenance import chance, lattice_search
from primafacie.safeguards.provenance.lattice_pattern import PICTURE_FORMAT, LatticePattern
from primafacie.safeguards.provenance.lattice_search import MOST_CHANCE, Effort, LatticeSearch
from primafacie.safeguards.provenance.payload import PayloadCode


def test_unmarked_pictures_under_their_own_keys_carry_nothing() -> None:
    trials = chance.try_pictures(30)
    assert (trials.count, trials.present, trials.read) == (30, 0, 0)
    assert trials.highest_z < 8.0


def test_unmarked_sounds_under_their_own_keys_carry_nothing() -> None:
    trials = chance.try_sounds(12)
    assert (trials.count, trials.present, trials.read) == (12, 0, 0)


def test_short_tags_are_fooled_no_more_often_than_the_bound_allows() -> None:
    (short,) = chance.try_short_tags(60, (8,))
    assert short.bound == 60 * 32 / 256
    assert 0 < short.read <= short.bound + 4 * short.bound**0.5


def test_one_decoding_with_the_real_tag_stays_below_one_in_ten_billion() -> None:
    code = PayloadCode(PICTURE_FORMAT, chance.fresh_keys(0))
    assert code.false_bound(4, 8) <= 2**5 * 2.0**-40
    assert code.false_bound(34 * 4, 8) <= MOST_CHANCE == 1e-9 < code.false_bound(35 * 4, 8)


@pytest.mark.parametrize(("limit", "kept"), [(MOST_CHANCE, True), (1.0, False)])
def test_a_search_that_would_decode_everywhere_for_twenty_keys_keeps_to_its_bound(
    limit: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the limit, the negative control, it does not."""
    spent = []

    def counted(code: PayloadCode, soft: np.ndarray, breadth: int = 8) -> None:
        spent.append(code.false_bound(len(soft), breadth))

    monkeypatch.setattr(PayloadCode, "read", counted)
    monkeypatch.setattr(lattice_search, "MOST_CHANCE", limit)
    for least in ("_FIXED_Z", "_FOUND_Z", "_SCALED_Z", "_PATIENT_Z"):
        monkeypatch.setattr(lattice_search, least, 0.0)
    search = LatticeSearch([LatticePattern(chance.fresh_keys(i)) for i in range(20)])
    search.read(chance.unmarked_pictures(1), Effort.GLANCE)
    assert (sum(spent) <= MOST_CHANCE) is kept
    assert sum(spent) > 0.9 * MOST_CHANCE


def test_the_unmarked_are_the_same_in_every_run() -> None:
    one, two = (list(chance.unmarked_pictures(5)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
