"""The measures can tell good from bad, and the moving photo passes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from primafacie.generator import measures
from primafacie.generator.errors import PortraitError


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return np.asarray(data.astronaut()[:300, 80:380], np.uint8)


def test_a_face_is_itself(face: np.ndarray) -> None:
    found = measures.measure_clip(face, [face, face])
    assert found.identity_max == pytest.approx(0, abs=1e-6)
    assert found.sharpness_ratio == found.eye_ratio == found.found == 1.0


def test_blur_is_seen_as_lost_sharpness(face: np.ndarray) -> None:
    soft = np.asarray(cv2.GaussianBlur(face, (0, 0), 1.5), np.uint8)
    assert measures.measure_clip(face, [soft]).sharpness_ratio < 0.5


def test_a_squeezed_face_is_further_from_itself(face: np.ndarray) -> None:
    narrow = np.asarray(cv2.resize(face, (210, 300)), np.uint8)
    assert measures.measure_clip(face, [narrow]).identity_max > 0.15


def test_frames_without_a_face_count_as_not_found(face: np.ndarray) -> None:
    empty = np.full_like(face, 90)
    assert measures.measure_clip(face, [face, empty]).found == 0.5
    with pytest.raises(PortraitError):
        measures.measure_clip(face, [empty])


def test_correlation_of_something_that_does_not_move_is_zero() -> None:
    assert measures.correlation([0, 1, 2], [1, 1, 1]) == 0.0
    assert measures.correlation([0, 1, 2], [0, 2, 4]) == pytest.approx(1.0)


def test_difference_outside_looks_outside_only(face: np.ndarray) -> None:
    changed = face.copy()
    changed[:100] = 0
    inside = np.zeros(face.shape[:2], bool)
    inside[:100] = True
    assert measures.difference_outside(face, changed, inside) == 0.0
    assert measures.difference_outside(face, changed, ~inside) > 10
