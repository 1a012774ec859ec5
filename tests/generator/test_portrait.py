"""Portrait: which photos are taken, and what is said about the others."""

from __future__ import annotations

import hashlib
import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from primafacie.generator.errors import PortraitError
from primafacie.generator.portrait import Portrait, face_width, sharpness
from primafacie.platform import sitter


def png(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def ilse() -> NDArray[np.uint8]:
    return sitter.draw("Ilse", 512)


@pytest.fixture(scope="module")
def portrait(ilse: NDArray[np.uint8]) -> Portrait:
    return Portrait.from_bytes(png(ilse))


def test_a_frontal_portrait_is_taken(portrait: Portrait, ilse: NDArray[np.uint8]) -> None:
    assert (portrait.photo == ilse).all()
    assert portrait.sha256 == hashlib.sha256(png(ilse)).hexdigest()
    assert all(abs(angle) < 8 for angle in portrait.pose.angles)
    assert portrait.warnings == ()
    assert "research only" in portrait.landmarker.licence


@pytest.fixture(scope="module")
def turned() -> NDArray[np.uint8]:
    return sitter.draw("Ilse", 512, yaw=-20)


def test_the_pose_follows_the_modelled_head(turned: NDArray[np.uint8]) -> None:
    assert Portrait.from_bytes(png(turned)).pose.angles[0] == pytest.approx(-20, abs=5)


def test_no_face() -> None:
    y, x = np.mgrid[0:300, 0:300]
    slope = np.dstack([x % 256, y % 256, (x + y) % 256]).astype(np.uint8)
    with pytest.raises(PortraitError, match="no face was found"):
        Portrait.from_bytes(png(slope))


def test_two_faces(ilse: NDArray[np.uint8]) -> None:
    pair = np.hstack([ilse, sitter.draw("Amara", 512)])
    with pytest.raises(PortraitError, match="several faces"):
        Portrait.from_bytes(png(pair))


def test_a_face_too_small_to_measure(ilse: NDArray[np.uint8]) -> None:
    small = cv2.resize(ilse, (230, 230), interpolation=cv2.INTER_AREA)
    with pytest.raises(PortraitError, match="pixels wide; at least 80"):
        Portrait.from_bytes(png(np.asarray(small, np.uint8)))


def test_a_small_face_is_warned_about(ilse: NDArray[np.uint8]) -> None:
    small = cv2.resize(ilse, (320, 320), interpolation=cv2.INTER_AREA)
    found = Portrait.from_bytes(png(np.asarray(small, np.uint8)))
    assert any("small" in warning for warning in found.warnings)


def test_a_head_cut_by_the_border_is_warned_about(portrait: Portrait) -> None:
    points = portrait.landmarks.points
    left, right = int(points[:, 0].min()) - 10, int(points[:, 0].max()) + 10
    found = Portrait.from_bytes(png(np.ascontiguousarray(portrait.photo[:, left:right])))
    assert any("cuts the head" in warning for warning in found.warnings)


def test_a_blurred_face(ilse: NDArray[np.uint8]) -> None:
    blurred = cv2.GaussianBlur(ilse, (0, 0), 7.0)
    with pytest.raises(PortraitError, match="blurred"):
        Portrait.from_bytes(png(np.asarray(blurred, np.uint8)))


def test_sharpness_falls_with_blur_and_not_with_size(
    portrait: Portrait, ilse: NDArray[np.uint8]
) -> None:
    width = face_width(portrait.landmarks)
    levels = [
        sharpness(
            np.asarray(cv2.GaussianBlur(ilse, (0, 0), s * width), np.uint8), portrait.landmarks
        )
        for s in (0.005, 0.01, 0.02, 0.04)
    ]
    assert levels == sorted(levels, reverse=True)


def test_a_head_in_profile(turned: NDArray[np.uint8]) -> None:
    """Sitters turn by 20 degrees at most; squeezing one side of the face imitates the rest."""
    columns = np.arange(512, dtype=np.float32)
    centre = np.float32(sitter.landmarks("Ilse", 512, yaw=-20)["nose_tip"][0])
    far = np.minimum(columns - centre, 0)
    squeezed = (columns + far * 1.2).astype(np.float32)
    rows = np.arange(512, dtype=np.float32)[:, None]
    profile = cv2.remap(
        turned, np.repeat(squeezed[None], 512, 0), np.repeat(rows, 512, 1), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    with pytest.raises(PortraitError, match=r"turned about|cannot be measured"):
        Portrait.from_bytes(png(np.asarray(profile, np.uint8)))


def test_garbage_is_refused_in_words() -> None:
    with pytest.raises(PortraitError, match="cannot be read"):
        Portrait.from_bytes(b"GIF89a" + bytes(100))
