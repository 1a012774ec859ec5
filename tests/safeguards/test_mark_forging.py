"""Forging and removing the picture mark, each test named after its attack."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance import forging
from primafacie.safeguards.provenance.cost import KEYS, NUMBER, mark
from primafacie.safeguards.provenance.watermark import MarkKeys, PictureMarker, read_picture

A: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "robustness" / "attacks.py"))


@pytest.fixture(scope="module")
def clips() -> list[list[np.ndarray]]:
    return [A["talking"](A["drawn_portrait"](40 + i, 320), 3) for i in range(4)]


@pytest.fixture(scope="module")
def mixtures(clips: list[list[np.ndarray]]) -> dict[str, forging.Mixture]:
    return {one.attack: one for one in forging.mixtures(clips)}


@pytest.mark.slow
def test_collusion_of_five_by_averaging_or_median_accuses_nobody_else(
    mixtures: dict[str, forging.Mixture],
) -> None:
    found = [one for name, one in mixtures.items() if name.startswith("five copies")]
    assert len(found) == 2
    assert all(one.one_of_theirs for one in found)


@pytest.mark.slow
def test_averaging_over_videos_of_one_key_attaches_no_credential_to_another(
    mixtures: dict[str, forging.Mixture],
) -> None:
    """Of few videos the average may still carry the number of one; the content says it is moved."""
    (pasted,) = [one for name, one in mixtures.items() if "pasted on another" in name]
    assert pasted.one_of_theirs and not pasted.attached


@pytest.mark.slow
def test_the_averaged_guess_subtracted_makes_no_other_number(
    mixtures: dict[str, forging.Mixture],
) -> None:
    (erased,) = [one for name, one in mixtures.items() if "subtracted" in name]
    assert erased.one_of_theirs


@pytest.mark.slow
def test_every_copied_mark_is_told_and_no_legitimate_copy_is(
    clips: list[list[np.ndarray]],
) -> None:
    named = {one.name: one.apply for one in A["ATTACKS"]}
    bound = forging.binding(clips, [named["crop_10"], named["flip_sideways"]])
    assert bound.moved == bound.moved_told >= 3
    assert bound.copies >= 7
    assert bound.copies_told == 0


def test_overwriting_with_our_own_key_is_refused(clips: list[list[np.ndarray]]) -> None:
    with pytest.raises(MarkError, match="already carries"):
        PictureMarker(KEYS, 99).plan(mark(clips[0]))


def test_overwriting_with_a_foreign_key_leaves_ours_readable(
    clips: list[list[np.ndarray]],
) -> None:
    marker = PictureMarker(MarkKeys.derive(b"somebody else's secret", 1), 12345)
    ours = mark(clips[0])
    marker.plan(ours)
    assert read_picture([marker.apply(f) for f in ours], [KEYS]).asset_number == NUMBER


def test_removal_by_blurring_takes_more_than_a_blur_nobody_minds(
    clips: list[list[np.ndarray]],
) -> None:
    ours = mark(clips[0])
    slight = [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in ours]
    assert read_picture(slight, [KEYS]).asset_number == NUMBER
    ruined = [cv2.GaussianBlur(frame, (0, 0), 12.0) for frame in ours]
    assert read_picture(ruined, [KEYS]).asset_number is None


def test_removal_by_whoever_owns_the_original_succeeds_and_is_not_hidden(
    clips: list[list[np.ndarray]],
) -> None:
    assert read_picture(clips[0], [KEYS]).status == "none"
