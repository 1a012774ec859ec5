"""Content binding: the same pictures agree after what happens to files, others do not, foreign
bytes are refused.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.fingerprint import (
    THRESHOLD,
    Fingerprint,
    FingerprintBuilder,
)
from primafacie.safeguards.provenance.watermark import Geometry

A: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "robustness" / "attacks.py"))


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    return A["talking"](A["drawn_portrait"](4, 320), 20)


@pytest.fixture(scope="module")
def known(clip: list[np.ndarray]) -> Fingerprint:
    return Fingerprint.of(clip)


def test_the_same_clip_agrees_wholly(clip: list[np.ndarray], known: Fingerprint) -> None:
    assert known.agreement(clip) > 0.99


@pytest.mark.parametrize(
    "name", ["blur_2", "noise_15", "gamma_06", "frame_jpeg_20", "scale_50", "one_second"]
)
def test_ordinary_damage_keeps_the_agreement(
    clip: list[np.ndarray], known: Fingerprint, name: str
) -> None:
    attack = next(one for one in A["ATTACKS"] if one.name == name)
    assert known.agreement(attack.apply(clip)) > THRESHOLD + 0.1


def test_a_crop_agrees_once_its_geometry_is_undone(
    clip: list[np.ndarray], known: Fingerprint
) -> None:
    cut = [frame[40:280, 60:310] for frame in clip]
    # The pattern of a picture under 448 pixels is 1.6 times as wide, and so are the units found.
    period = 160 / 512
    found = Geometry(
        1.6 * 320 / 240,
        1.6 * 320 / 240,
        (40 / 320) / 1.6 % period,
        (60 / 320) / 1.6 % period,
        period=period,
    )
    assert known.agreement(cut) < THRESHOLD
    assert known.agreement(cut, found) > 0.8


def test_other_people_do_not_agree(known: Fingerprint) -> None:
    for seed in range(10, 22):
        assert known.agreement([A["drawn_portrait"](seed, 320)]) < 0.5


def test_a_stream_gives_the_same_fingerprint_as_a_list(
    clip: list[np.ndarray], known: Fingerprint
) -> None:
    builder = FingerprintBuilder()
    for frame in clip:
        builder.add(frame)
    assert np.array_equal(builder.finish().thumbnails, known.thumbnails)


def test_a_long_clip_keeps_sixteen_thumbnails(clip: list[np.ndarray]) -> None:
    assert Fingerprint.of(frame for _ in range(12) for frame in clip).thumbnails.shape == (
        16,
        64,
        64,
    )


def test_bytes_read_back(known: Fingerprint) -> None:
    data = known.to_bytes()
    again = Fingerprint.from_bytes(data)
    assert np.array_equal(again.thumbnails, known.thumbnails)
    assert again.stretch == known.stretch == 1.6
    assert len(data) < 70_000


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MarkError):
        Fingerprint.from_bytes(data)


def test_a_cut_or_inflated_fingerprint_is_refused(known: Fingerprint) -> None:
    data = known.to_bytes()
    for wrong in (data[:-20], data[:5], data[:4] + b"\x01" + data[5:]):
        with pytest.raises(MarkError):
            Fingerprint.from_bytes(wrong)


def test_no_frames_make_no_fingerprint() -> None:
    with pytest.raises(MarkError):
        Fingerprint.of([])
    assert Fingerprint.of([np.zeros((64, 64, 3), np.uint8)]).agreement([]) == 0.0
