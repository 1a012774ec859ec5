"""The screen for generators' own marks: finds what the invisible-watermark package lays, and
nothing else.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from primafacie.safeguards.provenance.schemes.stable_signs import (
    SIGNS,
    lay_baseline,
    read_baseline,
    screen_source,
)

# Importing torch warns in some versions; that is not what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def textured(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.normal(128, 60, (512, 480, 3))
    return np.clip(cv2.GaussianBlur(rough, (0, 0), 1.0), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.generator)
def test_a_generators_sign_is_named(sign: Any) -> None:
    marked = lay_baseline(textured(1), "dwtDct", sign.bits)
    assert screen_source(marked) == sign.generator


def test_unmarked_pictures_are_named_after_nobody() -> None:
    assert [screen_source(textured(seed)) for seed in range(6)] == [None] * 6


def test_another_message_is_named_after_nobody() -> None:
    bits = np.random.default_rng(3).integers(0, 2, 48).tolist()
    assert screen_source(lay_baseline(textured(2), "dwtDct", bits)) is None


def test_the_baseline_reads_what_it_laid() -> None:
    bits = np.random.default_rng(4).integers(0, 2, 32).tolist()
    marked = lay_baseline(textured(5), "dwtDctSvd", bits)
    assert read_baseline(marked, "dwtDctSvd", 32).tolist() == bits


@pytest.mark.parametrize(
    "picture",
    [
        None,
        "photo",
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((255, 400, 3), np.uint8),
        np.zeros((300, 300), np.uint8),
        np.zeros((300, 300, 4), np.uint8),
        np.full((300, 300, 3), np.nan),
        np.zeros((300, 300, 3), np.uint8),
    ],
    ids=lambda picture: str(getattr(picture, "shape", picture)),
)
def test_hostile_pictures_are_named_after_nobody(picture: Any) -> None:
    assert screen_source(picture) is None
