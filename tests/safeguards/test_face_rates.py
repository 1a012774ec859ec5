"""Error rates: the counts, their uncertainty, and the threshold that follows."""

from __future__ import annotations

import numpy as np
import pytest

from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face_rates import Faces, Rate, pairs, strata


def people(count: int = 12, each: int = 6) -> list[Faces]:
    dice = np.random.default_rng(4)
    return [
        Faces(f"p{n}", "even" if n % 2 == 0 else "odd",
              (dice.normal(size=128) / 9 + dice.normal(size=(each, 128)) / 40).astype(np.float32))
        for n in range(count)
    ]  # fmt: skip


def test_wilson_is_right_at_the_edges_and_inside() -> None:
    assert Rate(0, 38_000).interval[1] == pytest.approx(1.01e-4, rel=0.01)
    low, high = Rate(10, 100).interval
    assert (low, high) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))
    assert Rate(0, 0).interval == (0.0, 1.0)


def test_every_pair_is_counted_once() -> None:
    found = pairs(people())
    assert len(found.genuine) == 12 * 15 and len(found.impostor) == 66 * 36
    means = pairs(people(), against=5)
    assert len(means.genuine) == 72 and len(means.impostor) == 12 * 66


def test_the_threshold_that_is_certain_is_never_the_larger() -> None:
    found = pairs(people())
    measured, certain = found.operating_point(0.01)
    assert measured is not None and certain is not None and certain <= measured
    assert found.false_matches(measured).value <= 0.01
    assert found.operating_point(1e-4)[1] is None, "2376 pairs cannot show 1e-4"


def test_strata_are_kept_apart_and_one_person_is_too_few() -> None:
    assert {name: len(group) for name, group in strata(people()).items()} == {"even": 6, "odd": 6}
    with pytest.raises(FaceError):
        pairs(people(1))
