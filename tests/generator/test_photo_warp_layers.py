"""What lies round the face and inside the mouth, and whether the picture obeys to the degree."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from primafacie.generator import permit
from primafacie.generator.controls import Controls
from primafacie.generator.engines.photo_warp import _flow as flow
from primafacie.generator.engines.photo_warp._matte import GREEN, find_matte
from primafacie.generator.engines.photo_warp.engine import Avatar, PhotoWarp, _pose_frame
from primafacie.generator.errors import EngineError
from primafacie.generator.head import angles_of
from primafacie.generator.motion import COLUMN, MotionTrack, still
from primafacie.generator.portrait import Portrait
from primafacie.platform import sitter

Picture = NDArray[np.uint8]
Row = dict[str, Any]


def track(*rows: Row) -> MotionTrack:
    """One frame per row: coefficients by name, `pose` and `gaze`."""
    made = still(len(rows))
    for i, row in enumerate(rows):
        for name, value in row.items():
            if name in ("pose", "gaze"):
                getattr(made, name)[i] = value
            else:
                made.coeffs[i, COLUMN[name]] = value
    return made


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.fixture(scope="module")
def admission() -> permit.Admission:
    numbers = {"v": 1, "iat": 0, "nbf": 0, "exp": 60, "consentVersion": 1, "decisionLeafIndex": 1,
               "maxSeconds": 600, "maxWidth": 1080}  # fmt: skip
    names = permit.PermitClaims.__dataclass_fields__
    claims = permit.PermitClaims(**{n: numbers.get(n, "x") for n in names})  # type: ignore[arg-type]
    return permit.Admission(permit._MINT, claims)


def portrait_of(name: str) -> Portrait:
    buffer = io.BytesIO()
    Image.fromarray(sitter.draw(name, 512)).save(buffer, "PNG")
    return Portrait.from_bytes(buffer.getvalue())


@pytest.fixture(scope="module")
def amara() -> Portrait:
    return portrait_of("Amara")


@pytest.fixture(scope="module")
def avatar(admission: permit.Admission, amara: Portrait) -> Avatar:
    return PhotoWarp().prepare(admission, amara, Controls(crop="full"))


def frames(admission: permit.Admission, avatar: Avatar, *rows: Row) -> list[Picture]:
    return list(PhotoWarp().render(admission, avatar, track(*rows)))


# ---- the wall ----------------------------------------------------------------------------------

#: Worst measured: 0.879, a shoulder in the shade before a wall as dark; the others reach 0.975.
LEAST_OVERLAP = 0.85


def overlap(name: str, portrait: Portrait, admission: permit.Admission) -> float:
    made = PhotoWarp().prepare(admission, portrait, Controls(crop="full"))
    found = find_matte(made.view.plate, made.field.relief).alpha > 127
    true = sitter.matte(name, 512) > 0.5
    return float((found & true).sum() / (found | true).sum())


def test_the_matte_covers_a_drawn_person(admission: permit.Admission, amara: Portrait) -> None:
    assert overlap("Amara", amara, admission) >= LEAST_OVERLAP


@pytest.mark.slow
@pytest.mark.parametrize("name", [s.name for s in sitter.SITTERS])
def test_the_matte_covers_every_drawn_person(admission: permit.Admission, name: str) -> None:
    assert overlap(name, portrait_of(name), admission) >= LEAST_OVERLAP


def test_a_turning_head_leaves_the_wall_where_it_is(
    admission: permit.Admission, avatar: Avatar
) -> None:
    """Stripes on the wall: what is a third of a face away from the person may not move."""
    relief, plate = avatar.field.relief, avatar.view.plate
    assert avatar.matte is not None
    matte = avatar.matte
    stripes = (np.arange(plate.shape[1]) // 12 % 2 * 40).astype(np.uint8)[None, :, None]
    striped = np.where(matte.alpha[..., None] == 0, plate // 2 + stripes, plate)
    motion, _ = _pose_frame(avatar, track({"pose": (15, 5, 9, 0.04, 0.03, 1)}), 0, False)
    assert motion is not None
    cut = flow.Cut(0, 0, np.zeros((1, 1), np.float32))
    elastic, _ = flow.warp(avatar.field, flow.refine(striped), motion, cut, None, striped)
    kept = replace(matte, clean=striped, behind=striped)
    layered, _ = flow.warp(avatar.field, flow.refine(striped), motion, cut, kept, striped)
    gap = cv2.distanceTransform((matte.alpha == 0).astype(np.uint8), cv2.DIST_L2, 5)
    away = gap > 0.45 * relief.face_width
    assert np.abs(elastic.astype(int) - striped)[away].mean() > 0.1
    assert np.abs(layered.astype(int) - striped)[away].max() <= 1


def test_a_green_wall_is_green_and_the_person_is_not(
    admission: permit.Admission, amara: Portrait
) -> None:
    made = PhotoWarp().prepare(admission, amara, Controls(crop="full", background="green"))
    rest, moved = frames(admission, made, {}, {"pose": (10, 4, 6, 0, 0, 1), "jawOpen": 0.5})
    true = sitter.matte("Amara", 512)
    assert np.abs(rest.astype(int) - GREEN)[true < 0.01].mean() < 2.0
    assert (rest == amara.photo)[true > 0.995].mean() > 0.97
    assert (moved[:40] == GREEN).all()
    spill = moved[..., 1].astype(int) - moved[..., 0] > 60
    assert not spill[200:300, 220:300].any()


def test_an_unknown_background_is_refused() -> None:
    with pytest.raises(EngineError, match="background"):
        Controls(background="beach")  # type: ignore[arg-type]


# ---- shoulders ---------------------------------------------------------------------------------


def test_shoulders_rise_and_fall_once_in_four_seconds(
    admission: permit.Admission, avatar: Avatar
) -> None:
    heights = []
    clip = track(*({"jawOpen": 0.001 * i} for i in range(100)))
    for index in range(0, 100, 10):
        motion, _ = _pose_frame(avatar, clip, index, False, 1)
        heights.append(motion.breath if motion is not None else 0.0)
    assert heights[0] == 0 and max(heights) == heights[4] > 0.99
    assert heights[-1] < 0.05
    relief = avatar.field.relief
    assert (relief.breath[relief.outside == 0] == 0).all()


def test_a_breath_moves_cloth_and_not_the_wall(admission: permit.Admission, avatar: Avatar) -> None:
    clip = track(*({"jawOpen": 0.002 * (i % 2)} for i in range(100)))
    drawn = PhotoWarp().render(admission, avatar, clip)
    seen = [frame for index, frame in enumerate(drawn) if index in (0, 40)]
    change = np.abs(seen[0].astype(int) - seen[1])
    true = sitter.matte("Amara", 512)
    # Plain cloth shows little of a small shift; its collar and shoulder line do.
    assert change[380:470, 150:360].mean() > 0.3
    assert change[:150][true[:150] < 0.01].mean() == 0


def test_only_a_pose_that_may_move_breathes(admission: permit.Admission, amara: Portrait) -> None:
    made = PhotoWarp().prepare(admission, amara, Controls(crop="full", regions=("lips",)))
    clip = track(*({"jawOpen": 0.002 * (i % 2)} for i in range(100)))
    drawn = list(PhotoWarp().render(admission, made, clip))
    assert (drawn[40][380:] == drawn[0][380:]).all()


def test_a_photo_that_does_not_move_does_not_breathe(
    admission: permit.Admission, avatar: Avatar
) -> None:
    drawn = list(PhotoWarp().render(admission, avatar, still(100)))
    assert (drawn[40] == drawn[0]).all() and (drawn[0] == avatar.view.window).all()


# ---- mouth -------------------------------------------------------------------------------------


def test_a_tongue_is_seen_between_the_teeth_when_asked(
    admission: permit.Admission, avatar: Avatar
) -> None:
    bare, tongue = frames(admission, avatar, *(
        {"jawOpen": 0.3, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2, "tongueOut": t}
        for t in (0.0, 1.0)
    ))  # fmt: skip
    points = avatar.field.relief.points[60:68, :2].mean(0)
    x, y = np.round(points).astype(int)
    area = (slice(y - 4, y + 12), slice(x - 12, x + 12))
    redder = (tongue[area][..., 0].astype(int) - tongue[area][..., 2]) - (
        bare[area][..., 0].astype(int) - bare[area][..., 2]
    )
    assert redder.max() > 15
    assert (bare[: y - 30] == tongue[: y - 30]).all()


def test_a_tongue_does_not_show_through_closed_lips(
    admission: permit.Admission, avatar: Avatar
) -> None:
    one, other = frames(
        admission, avatar, {"mouthClose": 1.0, "pose": (1, 0, 0, 0, 0, 1)},
        {"mouthClose": 1.0, "tongueOut": 1.0, "pose": (1, 0, 0, 0, 0, 1)},
    )  # fmt: skip
    assert (one == other).all()


# ---- as asked ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pose", [(12, 0, 0), (-12, 0, 0), (0, 8, 0), (0, -8, 0), (0, 0, 8),
                                  (9, -5, 6)])  # fmt: skip
def test_the_face_turns_by_half_a_degree_of_what_was_asked(
    avatar: Avatar, pose: tuple[float, float, float]
) -> None:
    """Landmarks are carried through the drawn field; the turn that explains them is solved for."""
    motion, _ = _pose_frame(avatar, track({"pose": (*pose, 0.02, 0.01, 1)}), 0, False)
    assert motion is not None
    field, relief = avatar.field, avatar.field.relief
    whole, _ = flow.forward(field, motion)
    start = relief.mesh[:, :2]
    head = relief.lift(start)
    seen = start + relief.sample(whole, start)
    design = np.c_[head, np.ones(len(head))]
    rows = np.linalg.lstsq(design, seen, rcond=None)[0][:3].T
    left, scale, right = np.linalg.svd(rows)
    two = left @ np.eye(2, 3) @ right
    turn = np.stack([two[0], two[1], np.cross(two[0], two[1])])
    asked = angles_of(turn @ relief.pose.turn.T)
    assert asked == pytest.approx(pose, abs=0.5)
    assert scale.mean() / relief.pose.scale == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("yaw", [-14.0, -7.0, 7.0, 14.0])
def test_eyes_turn_within_three_degrees_of_what_was_asked(
    admission: permit.Admission, amara: Portrait, yaw: float
) -> None:
    """The drawn eyeball's size is known: 12 mm; the iris moves by its sine."""
    made = PhotoWarp().prepare(admission, amara, Controls(crop="face", size=1024))
    rest, moved = frames(admission, made, {}, {"gaze": (yaw, 0)})
    true = sitter.landmarks("Amara", 512)
    mm = made.view.scale * (true["right_pupil"][0] - true["left_pupil"][0]) / _pupils_apart()
    turned = []
    for eye in made.eyes:
        x, y = (eye.iris @ eye.rest[:, :2].T + eye.rest[:, 2]) - (made.view.left, made.view.top)
        shift = _limbus(moved, x, y, eye.pixel) - _limbus(rest, x, y, eye.pixel)
        turned.append(np.degrees(np.arcsin(shift / (12.0 * mm))))
    assert np.mean(turned) == pytest.approx(yaw, abs=3.0)


def _pupils_apart() -> float:
    return float(sitter.anatomy_of("Amara").eye_gap)


def _limbus(frame: Picture, x: float, y: float, pixel: float) -> float:
    """Where the iris's two edges have their middle, along a band through it."""
    half = 1.0 / pixel
    rows = slice(round(y + 0.05 * half), round(y + 0.2 * half))
    start = round(x - 0.85 * half)
    band = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[rows, start : round(x + 0.85 * half)]
    profile = cv2.GaussianBlur(band.mean(0).astype(np.float32)[None], (0, 0), 0.02 * half)[0]
    bright, dark = np.percentile(profile, [85, 8])
    inside = np.flatnonzero(profile < (bright + dark) / 2)
    pieces = np.split(inside, np.flatnonzero(np.diff(inside) > 0.12 * half) + 1)
    iris = max(pieces, key=len)
    return float(start + (iris[0] + iris[-1]) / 2)


# ---- both samplers -----------------------------------------------------------------------------

ROWS: tuple[Row, ...] = (
    {"jawOpen": 0.6, "tongueOut": 0.9, "pose": (10, -5, 6, 0.02, 0.01, 1)}, {},
    {"mouthPucker": 0.9, "eyeBlinkLeft": 0.7, "eyeBlinkRight": 0.7, "gaze": (12, -4)},
    {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "pose": (-14, 6, -7, 0, 0, 1.05)},
)  # fmt: skip


@pytest.mark.parametrize("device", [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(
        not torch.cuda.is_available(), reason="no CUDA device")),
])  # fmt: skip
@pytest.mark.parametrize("background", ["photo", "green"])
def test_the_reference_draws_the_same_in_batches(
    admission: permit.Admission, amara: Portrait, background: Any, device: str
) -> None:
    made = PhotoWarp().prepare(admission, amara, Controls(background=background, size=384))
    rows = (*ROWS, *({"jawOpen": 0.1 * (i % 5)} for i in range(76)))  # long enough to breathe
    fast = PhotoWarp("cv2").render(admission, made, track(*rows))
    reference = PhotoWarp("torch", device).render(admission, made, track(*rows))
    for index, (one, other) in enumerate(zip(fast, reference, strict=True)):
        assert np.abs(one.astype(int) - other).mean() < 1.0, index
        if index == 20:
            break


# ---- eyes that landmarks miss ------------------------------------------------------------------


def pale(avatar: Avatar, frame: Picture) -> float:
    """Share of the eyes' own outline, as the drawn eye has it, that is neither skin nor lash."""
    red = frame[..., 0].astype(int) - frame[..., 2]
    light = frame.astype(int).sum(-1)
    mask = np.zeros(frame.shape[:2], np.uint8)
    e = np.linspace(-1, 1, len(avatar.eyes[0].shape.upper))
    for eye in avatar.eyes:
        ring = np.c_[np.r_[e, e[::-1]], np.r_[eye.shape.upper, eye.shape.lower[::-1]]]
        at = ring @ eye.rest[:, :2].T + eye.rest[:, 2] - (avatar.view.left, avatar.view.top)
        cv2.fillPoly(mask, [np.round(at).astype(np.int32)], 1)
    return float(((red < 15) & (light > 180))[mask > 0].mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", [s.name for s in sitter.SITTERS])
def test_a_blink_leaves_no_white_at_the_corners(admission: permit.Admission, name: str) -> None:
    made = PhotoWarp().prepare(admission, portrait_of(name), Controls())
    wide, shut = frames(admission, made, {}, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    assert pale(made, wide) > 0.15
    assert pale(made, shut) < 0.08


@pytest.mark.slow
@pytest.mark.parametrize("name", [s.name for s in sitter.SITTERS])
def test_the_outline_of_an_eye_reaches_its_drawn_corners(
    admission: permit.Admission, name: str
) -> None:
    """Measured: landmarks miss the outer corner by 18 to 48 % of half the eye, 30 % on average;
    the refined outline by 1 to 14 %, 7 % on average, and never by more than they do."""
    portrait = portrait_of(name)
    made = PhotoWarp().prepare(admission, portrait, Controls(crop="full"))
    true = sitter.landmarks(name, 512)
    for eye, word, mark in zip(made.eyes, ("left", "right"), (36, 45), strict=True):
        side = -1.0 if word == "left" else 1.0
        outer = np.array([side, 0.0]) @ eye.rest[:, :2].T + eye.rest[:, 2]
        corner = true[f"{word}_eye_outer"][0]
        miss = abs(float(outer[0]) - corner) * eye.pixel
        assert miss < 0.20, word
        assert miss <= abs(float(portrait.landmarks.points[mark, 0]) - corner) * eye.pixel, word
