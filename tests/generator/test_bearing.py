"""Onlooker: head, distance and gaze read from the picture; and the moving photo obeys."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from primafacie.generator import permit
from primafacie.generator.bearing import Bearing, Onlooker
from primafacie.generator.controls import Controls
from primafacie.generator.engines.photo_warp.engine import PhotoWarp
from primafacie.generator.errors import PortraitError
from primafacie.generator.motion import MotionTrack, still
from primafacie.generator.portrait import Portrait
from primafacie.platform import sitter

Picture = NDArray[np.uint8]

POSES = ((10.0, 0, 0), (-10, 0, 0), (0, 7, 0), (0, -7, 0), (0, 0, 8), (8, -5, 6))
GAZES = ((14.0, 0), (-14, 0), (0, 10), (0, -10), (10, -6))


def _admission() -> permit.Admission:
    numbers = {"v": 1, "iat": 0, "nbf": 0, "exp": 60, "consentVersion": 1, "decisionLeafIndex": 1,
               "maxSeconds": 600, "maxWidth": 1080}  # fmt: skip
    names = permit.PermitClaims.__dataclass_fields__
    claims = permit.PermitClaims(**{n: numbers.get(n, "x") for n in names})  # type: ignore[arg-type]
    return permit.Admission(permit._MINT, claims)


def _track() -> MotionTrack:
    """The photo, the poses, the gazes, and a head that comes nearer by 8 %."""
    made = still(2 + len(POSES) + len(GAZES))
    made.pose[1 : 1 + len(POSES), :3] = POSES
    made.gaze[1 + len(POSES) : -1] = GAZES
    made.pose[-1, 5] = 1.08
    return made


@pytest.fixture(scope="module")
def frames() -> list[Picture]:
    buffer = io.BytesIO()
    Image.fromarray(sitter.draw("Amara", 512)).save(buffer, "PNG")
    admission = _admission()
    portrait = Portrait.from_bytes(buffer.getvalue())
    avatar = PhotoWarp().prepare(admission, portrait, Controls())
    return list(PhotoWarp().render(admission, avatar, _track()))


@pytest.fixture(scope="module")
def seen(frames: list[Picture]) -> list[Bearing]:
    onlooker = Onlooker(frames[0], float(sitter.anatomy_of("Amara").eye_gap))
    return [onlooker.see(frame) for frame in frames]


def test_the_photo_itself_points_and_looks_where_it_does(seen: list[Bearing]) -> None:
    first = seen[0]
    assert max(abs(a) for a in (first.yaw, first.pitch, first.roll)) < 0.01
    assert max(abs(first.gaze_yaw), abs(first.gaze_pitch)) < 0.2
    assert first.scale == pytest.approx(1.0, abs=1e-4)


def test_the_head_is_seen_within_half_a_degree_of_what_was_asked(seen: list[Bearing]) -> None:
    for asked, found in zip(POSES, seen[1:], strict=False):
        assert (found.yaw, found.pitch, found.roll) == pytest.approx(asked, abs=0.5)
        assert found.scale == pytest.approx(1.0, abs=0.005)


def test_a_turned_head_looks_along(seen: list[Bearing]) -> None:
    for found in seen[1 : 1 + len(POSES)]:
        assert max(abs(found.gaze_yaw), abs(found.gaze_pitch)) < 1.5


def test_eyes_are_seen_within_three_degrees_of_what_was_asked(seen: list[Bearing]) -> None:
    for asked, found in zip(GAZES, seen[1 + len(POSES) :], strict=False):
        assert (found.gaze_yaw, found.gaze_pitch) == pytest.approx(asked, abs=3.0)


def test_the_distance_is_seen_within_half_a_percent(seen: list[Bearing]) -> None:
    assert seen[-1].scale == pytest.approx(1.08, abs=0.005)


def test_another_command_is_told_apart(seen: list[Bearing]) -> None:
    """The control: half of what was asked is not within the limits, so they can fail."""
    assert abs(seen[1].yaw - 0.5 * POSES[0][0]) > 0.5
    assert abs(seen[1 + len(POSES)].gaze_yaw - 0.5 * GAZES[0][0]) > 3.0
    assert abs(seen[3 + len(POSES)].gaze_pitch - 0.5 * GAZES[2][1]) > 3.0


def test_a_frame_without_the_face_is_refused(frames: list[Picture]) -> None:
    with pytest.raises(PortraitError):
        Onlooker(frames[0]).see(np.full_like(frames[0], 90))
    with pytest.raises(PortraitError):
        Onlooker(np.full_like(frames[0], 90))
