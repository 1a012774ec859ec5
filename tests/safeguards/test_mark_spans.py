"""Edited and mixed films: which frames are ours, and which parts of a picture."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primafacie.safeguards.provenance.spans import read_parts, read_spans
from primafacie.safeguards.provenance.watermark import MarkKeys, PictureMarker

A: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "robustness" / "attacks.py"))
KEYS = MarkKeys.derive(b"a master secret for tests", 1)
NUMBER, OTHER = 0x5EED0FA55E7123, 0x0DD0FA55E70001
FPS = 10.0


def marked(frames: list[np.ndarray], number: int) -> list[np.ndarray]:
    marker = PictureMarker(KEYS, number)
    marker.plan(frames[:6])
    return [marker.apply(frame) for frame in frames]


@pytest.fixture(scope="module")
def ours() -> list[np.ndarray]:
    return marked(A["talking"](A["drawn_portrait"](4, 448), 20), NUMBER)


@pytest.fixture(scope="module")
def theirs() -> list[np.ndarray]:
    return A["talking"](A["drawn_portrait"](9, 448), 50)


def test_one_second_of_ours_spliced_into_ten_of_others_is_found_to_the_frame(
    ours: list[np.ndarray], theirs: list[np.ndarray]
) -> None:
    film = A["x264"]([*theirs[:44], *ours[:10], *theirs[44:], *theirs[:40]], 20, "veryfast")
    spans = read_spans(film, FPS, [KEYS])
    assert [span.reading.asset_number for span in spans] == [None, NUMBER, None]
    assert spans[1].start_s == pytest.approx(4.4, abs=0.11)
    assert spans[1].end_s == pytest.approx(5.4, abs=0.11)
    assert (spans[0].start_s, spans[-1].end_s) == (0.0, 10.0)


def test_two_of_our_videos_one_after_the_other_keep_their_border(ours: list[np.ndarray]) -> None:
    second = marked(A["talking"](A["drawn_portrait"](6, 448), 13), OTHER)
    spans = read_spans([*ours[:13], *second], FPS, [KEYS])
    assert [span.reading.asset_number for span in spans] == [NUMBER, OTHER]
    assert spans[0].end_s == pytest.approx(1.3, abs=0.31)


def test_a_cropped_and_mirrored_piece_is_found_too(
    ours: list[np.ndarray], theirs: list[np.ndarray]
) -> None:
    cut = [np.ascontiguousarray(frame[20:400, 30:420][:, ::-1]) for frame in ours[:10]]
    foreign = [np.ascontiguousarray(frame[20:400, 30:420]) for frame in theirs[:10]]
    spans = read_spans([*foreign, *cut], FPS, [KEYS])
    assert [span.reading.asset_number for span in spans] == [None, NUMBER]


def test_two_marked_videos_side_by_side_are_both_named(ours: list[np.ndarray]) -> None:
    right = marked(A["talking"](A["drawn_portrait"](6, 448), 4), OTHER)
    film = [np.concatenate(pair, axis=1) for pair in zip(ours[:4], right, strict=True)]
    parts = read_parts(film, [KEYS])
    assert {part.reading.asset_number for part in parts} == {NUMBER, OTHER}


@pytest.mark.parametrize(
    "frames",
    [[], [None, "x"], [np.zeros((1, 1, 3), np.uint8)] * 3, [np.zeros((90, 90), np.float64)] * 12],
    ids=["none", "no pictures", "tiny", "floats"],
)
@pytest.mark.parametrize("fps", [0.0, 25.0, -1.0])
def test_hostile_films_raise_nothing(frames: list[Any], fps: float) -> None:
    spans = read_spans(frames, fps, [KEYS])
    assert all(span.reading.asset_number is None for span in spans)
    assert read_parts(frames, [KEYS]) == ()


def test_without_keys_nothing_is_ours(theirs: list[np.ndarray]) -> None:
    assert [span.reading.status for span in read_spans(theirs[:10], FPS, [])] == ["none"]
