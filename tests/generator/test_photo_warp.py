"""PhotoWarp: what the moving photo promises, measured on drawn people and one public photo."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from primafacie.generator import permit
from primafacie.generator.controls import Controls
from primafacie.generator.engines.photo_warp import _flow as flow
from primafacie.generator.engines.photo_warp._basis import BASES, INDEX
from primafacie.generator.engines.photo_warp._lips import find_lips
from primafacie.generator.engines.photo_warp._mouth import open_mouth
from primafacie.generator.engines.photo_warp._rig import DRIVES
from primafacie.generator.engines.photo_warp.engine import Avatar, PhotoWarp, _pose_frame
from primafacie.generator.engines.speech_motion import SpeechMotion
from primafacie.generator.errors import EngineError, PermitError
from primafacie.generator.faces import find_faces
from primafacie.generator.landmarks import DlibLandmarker
from primafacie.generator.motion import (
    APERTURE_AT_FULL_JAW,
    ARKIT_52,
    COLUMN,
    MAX_PITCH,
    MAX_ROLL,
    MAX_YAW,
    MotionTrack,
    still,
)
from primafacie.generator.portrait import Portrait
from primafacie.generator.voice import from_pcm
from primafacie.platform import sitter

Picture = NDArray[np.uint8]
Row = dict[str, Any]


def both(name: str, value: float) -> Row:
    return {f"{name}Left": value, f"{name}Right": value}


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


def portrait_of(picture: Picture) -> Portrait:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return Portrait.from_bytes(buffer.getvalue())


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


def admit() -> permit.Admission:
    numbers = {"v": 1, "iat": 0, "nbf": 0, "exp": 60, "consentVersion": 1, "decisionLeafIndex": 1,
               "maxSeconds": 600, "maxWidth": 1080}  # fmt: skip
    names = permit.PermitClaims.__dataclass_fields__
    return permit.Admission(
        permit._MINT, permit.PermitClaims(**{n: numbers.get(n, "x") for n in names})
    )


@pytest.fixture(scope="module")
def admission() -> permit.Admission:
    return admit()


@pytest.fixture(scope="module")
def ilse() -> Portrait:
    return portrait_of(sitter.draw("Ilse", 512))


@pytest.fixture(scope="module")
def smiling() -> Portrait:
    """A broad smile that shows teeth: the hardest mouth to close."""
    return portrait_of(data.astronaut())


@pytest.fixture(scope="module")
def avatar(admission: permit.Admission, ilse: Portrait) -> Avatar:
    return PhotoWarp().prepare(admission, ilse, Controls())


@pytest.fixture(scope="module")
def open_avatar(admission: permit.Admission, smiling: Portrait) -> Avatar:
    return PhotoWarp().prepare(admission, smiling, Controls(crop="face"))


def frames(admission: permit.Admission, avatar: Avatar, *rows: Row) -> list[Picture]:
    return list(PhotoWarp().render(admission, avatar, track(*rows)))


def motion_of(avatar: Avatar, row: Row, speaking: bool = True) -> flow.Motion:
    motion, _ = _pose_frame(avatar, track(row), 0, speaking)
    assert motion is not None
    return motion


# ---- the lock ----------------------------------------------------------------------------------


def test_nothing_is_drawn_without_an_admission(ilse: Portrait, avatar: Avatar) -> None:
    for nobody in (None, object()):
        with pytest.raises(PermitError):
            PhotoWarp().prepare(nobody, ilse, Controls())  # type: ignore[arg-type]
        with pytest.raises(PermitError):
            PhotoWarp().render(nobody, avatar, still(1))  # type: ignore[arg-type]


def test_frames_end_with_the_admission(avatar: Avatar) -> None:
    admission = admit()
    stream = PhotoWarp().render(admission, avatar, track({"jawOpen": 0.3}, {"jawOpen": 0.4}))
    next(stream)
    admission.close()
    with pytest.raises(PermitError):
        next(stream)


# ---- the photo itself --------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["cv2", "torch"])
def test_a_still_track_gives_the_photo_back_bit_for_bit(
    admission: permit.Admission, avatar: Avatar, open_avatar: Avatar, sampler: Any
) -> None:
    for made in (avatar, open_avatar):
        for frame in PhotoWarp(sampler).render(admission, made, still(2)):
            assert (frame == made.view.window).all()


def test_the_whole_photo_at_its_own_size_is_the_photo(
    admission: permit.Admission, ilse: Portrait
) -> None:
    avatar = PhotoWarp().prepare(admission, ilse, Controls(crop="full", size=512))
    (frame,) = frames(admission, avatar, {})
    assert (frame == ilse.photo).all()


def test_what_does_not_belong_to_the_head_stays(
    admission: permit.Admission, ilse: Portrait
) -> None:
    avatar = PhotoWarp().prepare(admission, ilse, Controls(crop="full", size=512))
    (frame,) = frames(admission, avatar, {"pose": (12, 6, 6, 0.02, 0.02, 1), "jawOpen": 0.8})
    relief = avatar.field.relief
    share = avatar.field.weight[..., 0]
    weight = cv2.resize(share, avatar.field.size, interpolation=cv2.INTER_LINEAR)
    head = np.zeros(frame.shape[:2], bool)
    area = head[relief.y0 :, relief.x0 :][: weight.shape[0], : weight.shape[1]]
    area[:] = weight[: area.shape[0], : area.shape[1]] > 0.001
    head = cv2.dilate(head.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert (~head).mean() > 0.2
    assert np.abs(frame.astype(int) - ilse.photo)[~head].mean() <= 0.05


def test_the_same_track_gives_the_same_bytes(admission: permit.Admission, avatar: Avatar) -> None:
    rows = ({"jawOpen": 0.6, "pose": (5, 3, 2, 0, 0, 1)}, both("eyeBlink", 0.5))
    digests = {
        hashlib.sha256(b"".join(f.tobytes() for f in frames(admission, avatar, *rows))).hexdigest()
        for _ in range(3)
    }
    assert len(digests) == 1


def test_no_frame_depends_on_another(admission: permit.Admission, avatar: Avatar) -> None:
    row: Row = {"jawOpen": 0.5, "gaze": (8, 2)}
    alone = frames(admission, avatar, row)[0]
    later = frames(admission, avatar, {"pose": (10, 0, 0, 0, 0, 1)}, {"jawOpen": 1.0}, row)[2]
    assert (alone == later).all()


def test_frames_are_drawn_one_by_one(admission: permit.Admission, avatar: Avatar) -> None:
    pose = np.zeros((10**6, 6), np.float32)
    pose[:, 0], pose[:, 5] = 4.0, 1.0
    endless = MotionTrack(
        25.0, pose, np.zeros((10**6, 2), np.float32), np.zeros((10**6, 52), np.float32)
    )
    stream = PhotoWarp().render(admission, avatar, endless)
    assert [frame.shape for frame in itertools.islice(stream, 2)] == [(512, 512, 3)] * 2


# ---- both samplers -----------------------------------------------------------------------------


def test_both_samplers_draw_the_same(
    admission: permit.Admission, avatar: Avatar, open_avatar: Avatar
) -> None:
    rows: tuple[Row, ...] = (
        {"jawOpen": 0.9}, {}, {"pose": (15, -8, 7, 0.03, 0.02, 1.05), "jawOpen": 0.3},
        {"mouthPucker": 0.9, **both("eyeBlink", 0.7)},
    )  # fmt: skip
    for made in (avatar, open_avatar):
        fast = PhotoWarp("cv2").render(admission, made, track(*rows))
        reference = PhotoWarp("torch").render(admission, made, track(*rows))
        for one, other in zip(fast, reference, strict=True):
            assert np.abs(one.astype(int) - other).mean() < 1.0


def test_batches_of_any_size_draw_the_same_frames(
    admission: permit.Admission, avatar: Avatar
) -> None:
    rows = [{"jawOpen": 0.1 * i, "pose": (i, 0, 0, 0, 0, 1)} for i in range(5)]
    drawn = [
        list(PhotoWarp("torch", batch=batch).render(admission, avatar, track(*rows)))
        for batch in (1, 4, 8)
    ]
    for one, four, eight in zip(*drawn, strict=True):
        assert (one == four).all() and (one == eight).all()
    with pytest.raises(EngineError, match="batch"):
        PhotoWarp("torch", batch=0)


# ---- sharpness ---------------------------------------------------------------------------------


def test_the_fine_plate_holds_every_pixel_of_the_photo() -> None:
    plate = np.random.default_rng(1).integers(0, 256, (40, 52, 3)).astype(np.uint8)
    fine = flow.refine(plate)
    assert fine.shape == (80, 104, 3)
    assert (fine[::2, ::2] == plate).all()


def test_reading_between_pixels_keeps_the_grain(avatar: Avatar) -> None:
    """Half a pixel aside, cubic reading of the photo itself loses a fifth of the detail."""

    def detail(picture: Picture) -> float:
        face = picture[250:330, 230:310]
        return float(cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())

    plate = avatar.view.plate
    y, x = np.mgrid[0 : plate.shape[0], 0 : plate.shape[1]].astype(np.float32)
    fine = cv2.remap(avatar.fine, 2 * x + 1, 2 * y, cv2.INTER_CUBIC)
    plain = cv2.remap(plate, x + np.float32(0.5), y, cv2.INTER_CUBIC)
    assert detail(np.asarray(fine, np.uint8)) > 0.9 * detail(plate)
    assert detail(np.asarray(plain, np.uint8)) < 0.85 * detail(plate)


# ---- the flow ----------------------------------------------------------------------------------

EXTREMES: tuple[Row, ...] = (
    *({"pose": pose} for pose in (
        (MAX_YAW, 0, 0, 0, 0, 1), (-MAX_YAW, 0, 0, 0, 0, 1), (0, MAX_PITCH, 0, 0, 0, 1),
        (0, -MAX_PITCH, 0, 0, 0, 1), (0, 0, MAX_ROLL, 0, 0, 1), (0, 0, -MAX_ROLL, 0, 0, 1),
        (14, 9, 7, 0.05, 0.05, 1.05), (-14, -9, -7, -0.05, -0.05, 0.95),
        (0, 0, 0, 0, 0, 0.8), (0, 0, 0, 0, 0, 1.2),
    )),
    {"jawOpen": 1.0}, {"mouthPucker": 1.0}, {"mouthFunnel": 1.0}, both("mouthSmile", 1.0),
    both("mouthStretch", 1.0), both("eyeBlink", 1.0), {"jawOpen": 0.6, "mouthClose": 1.0},
    {"browInnerUp": 1.0, **both("browOuterUp", 1.0)}, both("browDown", 1.0),
)  # fmt: skip


def test_no_skin_folds_within_the_limits(avatar: Avatar) -> None:
    """Each of the two fields counts on its own side of the lip line."""
    above, below = sides_of(avatar)
    for row in EXTREMES:
        whole, low = flow.forward(avatar.field, motion_of(avatar, row))
        cell = avatar.field.relief.cell
        assert flow.jacobian(whole, cell)[above].min() > 0.1, row
        assert flow.jacobian(low, cell)[below].min() > 0.1, row


def sides_of(avatar: Avatar) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    relief = avatar.field.relief
    lips = find_lips(avatar.view.plate, relief)
    u, v = lips.to_mouth(relief.head)
    beside = np.abs(u) > 1.05
    past = v - lips.edge_at(u, True)
    return beside | (past < 0.1), beside | (past > -0.1)


def test_the_inverse_is_exact_to_a_tenth_of_a_pixel(avatar: Avatar) -> None:
    field, cell = avatar.field, avatar.field.relief.cell
    above, _ = sides_of(avatar)
    rows, columns = field.relief.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    for row in (
        {"pose": (12, 6, 6, 0, 0, 1)}, {"pose": (-12, -6, -6, 0, 0, 1)}, {"jawOpen": 1.0},
        both("mouthSmile", 1.0), {"mouthPucker": 1.0}, both("eyeBlink", 1.0),
    ):  # fmt: skip
        whole, _ = flow.forward(field, motion_of(avatar, row))
        back = flow.invert(whole, cell)
        at = (x + back[..., 0] / cell, y + back[..., 1] / cell)
        there = cv2.remap(whole, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        off = np.hypot(*(back + there)[above & (field.weight[..., 0] > 0.01)].T)
        assert np.percentile(off, 99) < 0.1, row


# ---- head --------------------------------------------------------------------------------------


def points_in(frame: Picture) -> NDArray[np.float32]:
    face = find_faces(frame)[0]
    return DlibLandmarker().find(frame, face).points


def test_the_head_turns_the_way_the_track_says(admission: permit.Admission, avatar: Avatar) -> None:
    def nose(row: Row) -> NDArray[np.float64]:
        p = points_in(frames(admission, avatar, row)[0]).astype(np.float64)
        eyes, right = (p[36] + p[45]) / 2, p[45] - p[36]
        return np.array([*(p[30] - eyes), np.degrees(np.arctan2(right[1], right[0]))])

    rest = nose({})
    assert nose({"pose": (12, 0, 0, 0, 0, 1)})[0] > rest[0] + 4
    assert nose({"pose": (0, 8, 0, 0, 0, 1)})[1] > rest[1] + 2
    assert nose({"pose": (0, 0, 8, 0, 0, 1)})[2] - rest[2] == pytest.approx(8, abs=1.0)


def test_translation_is_measured_in_face_widths(
    admission: permit.Admission, avatar: Avatar
) -> None:
    moved, rest = (
        points_in(f) for f in frames(admission, avatar, {"pose": (0, 0, 0, 0.06, 0.03, 1)}, {})
    )
    width = avatar.field.relief.face_width
    shift = (moved - rest)[27:48].mean(0) / width
    assert shift == pytest.approx((0.06, 0.03), abs=0.01)


def test_a_head_that_the_photo_cuts_moves_less(
    admission: permit.Admission, ilse: Portrait, avatar: Avatar
) -> None:
    points = ilse.landmarks.points
    left, right = int(points[:, 0].min()) - 10, int(points[:, 0].max()) + 10
    tight = portrait_of(np.ascontiguousarray(ilse.photo[:, left:right]))
    made = PhotoWarp().prepare(admission, tight, Controls())
    assert avatar.room == 1.0
    assert made.room < 0.7


@pytest.mark.parametrize("distance", [0.85, 1.2])
def test_distance_is_kept_within_half_a_percent(
    admission: permit.Admission, ilse: Portrait, avatar: Avatar, distance: float
) -> None:
    made = PhotoWarp().prepare(admission, ilse, Controls(distance=distance))

    def apart(one: Avatar) -> float:
        p = one.field.relief.points
        return float(np.hypot(*(p[36] - p[45])[:2])) * one.view.zoom

    assert apart(avatar) / apart(made) == pytest.approx(distance, abs=0.005)


def test_a_distance_asked_for_is_applied_once_on_the_whole_road(
    admission: permit.Admission, ilse: Portrait
) -> None:
    """Motion engine and renderer get the same controls. (dlib reads a drawn face to two per cent;
    applied twice it would be 0.72.)"""
    hum = 0.2 * np.sin(np.arange(8000) / 8).astype(np.float32)

    def apart(distance: float) -> float:
        asked = Controls(distance=distance)
        moved = SpeechMotion().drive(admission, from_pcm(hum, 16_000), asked)
        made = PhotoWarp().prepare(admission, ilse, asked)
        frame = next(PhotoWarp().render(admission, made, moved))
        p = DlibLandmarker().find(frame, find_faces(frame)[0]).points
        return float(np.hypot(*(p[36:42].mean(0) - p[42:48].mean(0))))

    assert apart(1.0) / apart(0.85) == pytest.approx(0.85, abs=0.03)


# ---- mouth -------------------------------------------------------------------------------------

SHAPES: tuple[Row, ...] = (
    {}, both("mouthStretch", 0.5), {"mouthPucker": 0.7}, {"mouthFunnel": 0.5},
    {**both("mouthLowerDown", 0.5), **both("mouthUpperUp", 0.5)}, both("mouthSmile", 0.6),
)  # fmt: skip


@pytest.mark.parametrize("jaw", [0.0, 0.2, 0.5, 1.0])
def test_jaw_open_is_the_aperture_whatever_the_lips_do(
    avatar: Avatar, open_avatar: Avatar, jaw: float
) -> None:
    for made in (avatar, open_avatar):
        for shape in SHAPES:
            weights = made.rig.weights(track({"jawOpen": jaw, **shape}).coeffs[0], True)
            reached = made.rig.aperture(weights)
            wanted = APERTURE_AT_FULL_JAW * jaw
            # A funnel flares by itself; wider than asked is closed again, never wider left.
            assert -0.02 <= reached - wanted <= 0.005, (jaw, shape)


@pytest.mark.parametrize("jaw", [0.0, 0.3, 0.8])
def test_mouth_close_seals_the_lips_whatever_the_jaw_does(
    avatar: Avatar, open_avatar: Avatar, jaw: float
) -> None:
    for made in (avatar, open_avatar):
        for shape in SHAPES:
            motion = motion_of(
                made, {"jawOpen": jaw, "mouthClose": 1.0, "pose": (1, 0, 0, 0, 0, 1), **shape}
            )
            opening = open_mouth(made.mouth, motion)
            gap = (opening.lower - opening.upper)[:, 1] / (2 * made.mouth.half_px)
            assert gap.max() <= 0.03


def test_the_mouth_that_is_drawn_opens_as_commanded(
    admission: permit.Admission, avatar: Avatar
) -> None:
    commanded = np.linspace(0, 1, 7)
    drawn = frames(admission, avatar, *({"jawOpen": float(v)} for v in commanded))
    found = [points_in(f) for f in drawn]
    aperture = [np.hypot(*(p[62] - p[66])) / np.hypot(*(p[48] - p[54])) for p in found]
    assert np.corrcoef(commanded, aperture)[0, 1] >= 0.85
    assert np.polyfit(commanded * APERTURE_AT_FULL_JAW, aperture, 1)[0] > 0.5


def test_parted_lips_stay_as_photographed_until_a_track_closes_them(open_avatar: Avatar) -> None:
    rig = open_avatar.rig
    assert rig.gap > 0.05
    assert rig.aperture(rig.weights(track({}).coeffs[0])) == pytest.approx(rig.gap)
    shut = rig.weights(track({"mouthClose": 1.0}).coeffs[0])
    assert rig.aperture(shut) <= 0.005


def test_a_smile_is_measured_in_the_photo(avatar: Avatar, open_avatar: Avatar) -> None:
    assert open_avatar.rig.smile > 0.8
    assert avatar.rig.smile < 0.2


def test_a_smile_relaxes_to_a_mouth_of_usual_width_when_it_closes(open_avatar: Avatar) -> None:
    shut = open_avatar.rig.weights(track({"mouthClose": 1.0}).coeffs[0], True)
    assert shut[INDEX["smile_l"]] == shut[INDEX["smile_r"]]
    assert -open_avatar.rig.smile <= shut[INDEX["smile_l"]] < -0.4


def test_a_tucked_lip_comes_nearer_to_the_teeth(avatar: Avatar, open_avatar: Avatar) -> None:
    for made in (avatar, open_avatar):
        bare, tucked = (
            made.rig.aperture(made.rig.weights(track(row).coeffs[0], True))
            for row in ({"jawOpen": 0.12}, {"jawOpen": 0.12, "mouthRollLower": 1.0})
        )
        assert tucked < 0.7 * bare


def test_on_f_no_strip_of_teeth_stays_below_a_smiling_lip(open_avatar: Avatar) -> None:
    """Bright teeth show to their edge, and the lower lip rests on it: as far apart as 1 in 70 of
    the mouth's width, and not sealed."""
    f = {"jawOpen": 0.11, "mouthRollLower": 1.0, **both("mouthUpperUp", 0.18)}
    weights = open_avatar.rig.weights(track(f).coeffs[0], True)
    assert 0.002 < open_avatar.rig.aperture(weights) < 1 / 70


def test_teeth_vanish_when_a_broad_smile_closes(
    admission: permit.Admission, open_avatar: Avatar
) -> None:
    (rest,) = frames(admission, open_avatar, {})
    (shut,) = frames(admission, open_avatar, {"mouthClose": 1.0})
    view, points = open_avatar.view, open_avatar.field.relief.points[60:68, :2]
    inner = np.round(points - (view.left, view.top)).astype(np.int32)
    mask = np.zeros(rest.shape[:2], np.uint8)
    cv2.fillPoly(mask, [inner], 1)

    def toothy(frame: Picture) -> float:
        lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)[mask > 0].astype(int)
        return float(((lab[:, 0] > 185) & (lab[:, 1] < 137)).mean())

    assert toothy(rest) > 0.3
    assert toothy(shut) < 0.3 * toothy(rest)


def test_a_broad_smile_is_seen_without_colour_too(
    admission: permit.Admission, open_avatar: Avatar
) -> None:
    grey = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)
    portrait = portrait_of(np.repeat(grey[..., None], 3, axis=2))
    made = PhotoWarp().prepare(admission, portrait, Controls(crop="face"))
    assert made.rig.gap == pytest.approx(open_avatar.rig.gap, abs=0.03)


def test_a_drawn_closed_mouth_is_closed(avatar: Avatar) -> None:
    assert avatar.rig.gap == 0.0


# ---- eyes --------------------------------------------------------------------------------------


def eye_openness(frame: Picture) -> float:
    p = points_in(frame).astype(np.float64)

    def ratio(i: int) -> float:
        tall = np.hypot(*(p[i + 1] - p[i + 5])) + np.hypot(*(p[i + 2] - p[i + 4]))
        return float(tall / (2 * np.hypot(*(p[i] - p[i + 3]))))

    return (ratio(36) + ratio(42)) / 2


def test_a_blink_closes_the_eyes(admission: permit.Admission, open_avatar: Avatar) -> None:
    shut, wide = frames(admission, open_avatar, both("eyeBlink", 1.0), {})
    assert eye_openness(shut) <= 0.75 * eye_openness(wide)


def test_a_blink_hides_the_eyeball(admission: permit.Admission, avatar: Avatar) -> None:
    """What is blue or grey in the drawn eyes is gone; only skin and lashes are left."""
    shut, wide = frames(admission, avatar, both("eyeBlink", 1.0), {})

    def unlike_skin(frame: Picture) -> float:
        red = frame[..., 0].astype(int) - frame[..., 2]
        shares = []
        for ring in (slice(36, 42), slice(42, 48)):
            outline = avatar.field.relief.points[ring, :2] - (avatar.view.left, avatar.view.top)
            mask = np.zeros(frame.shape[:2], np.uint8)
            cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
            shares.append(float((red[mask > 0] < 15).mean()))
        return max(shares)

    assert unlike_skin(wide) > 0.5
    assert unlike_skin(shut) < 0.15


def test_a_shut_lid_is_lit_as_the_skin_below_it_and_ends_in_lashes(
    admission: permit.Admission, avatar: Avatar
) -> None:
    shut, wide = frames(admission, avatar, both("eyeBlink", 1.0), {})
    for eye in avatar.eyes:
        half, at = 1 / eye.pixel, eye.rest[:, 2] - (avatar.view.left, avatar.view.top)
        lower = float(eye.shape.lower.max())

        def row(frame: Picture, w: float, half: float = half, at: Any = at) -> float:
            """Mean light across the middle of the eye, w half widths below its corners."""
            x, y = np.round([at[0], at[1] + w * half]).astype(int)
            reach = round(0.4 * half)
            return float(frame[y, x - reach : x + reach + 1].mean())

        lid, cheek = row(shut, float(eye.crease.mean()) / 2), row(wide, 0.95)
        lashes = min(row(shut, lower * share) for share in (0.5, 0.7, 0.9, 1.1))
        assert 0.85 < lid / cheek < 1.06
        assert lashes < 0.75 * lid


def test_each_eye_blinks_alone(admission: permit.Admission, avatar: Avatar) -> None:
    rest, wink = frames(admission, avatar, {}, {"eyeBlinkLeft": 1.0})
    p = avatar.field.relief.points
    view = avatar.view

    def change(points: NDArray[np.float64]) -> float:
        x, y = np.round(points.mean(0)[:2] - (view.left, view.top)).astype(int)
        cut = (slice(y - 8, y + 9), slice(x - 14, x + 15))
        return float(np.abs(rest[cut].astype(int) - wink[cut]).mean())

    assert change(p[42:48]) > 10 > 20 * change(p[36:42])


@pytest.mark.parametrize(("gaze", "lids", "axis", "sign"), [
    ((15, 0), {}, 0, 1), ((-15, 0), {}, 0, -1),
    # Lids follow the gaze; compared with the same lids and a level gaze, the iris alone moves.
    ((0, 12), both("eyeBlink", 0.19), 1, 1), ((0, -12), both("eyeWide", 0.46), 1, -1),
])  # fmt: skip
def test_the_iris_goes_where_the_gaze_says(
    admission: permit.Admission,
    avatar: Avatar,
    gaze: tuple[float, float],
    lids: Row,
    axis: int,
    sign: int,
) -> None:
    level, moved = frames(admission, avatar, lids, {"gaze": gaze})
    shift = dark_centre(avatar, moved)[axis] - dark_centre(avatar, level)[axis]
    assert sign * shift > (0.8 if axis == 0 else 0.3)


def dark_centre(avatar: Avatar, frame: Picture) -> NDArray[np.float64]:
    """Centre of darkness inside the eyes' outlines, as the mean of both."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64)
    found = []
    for ring in (slice(36, 42), slice(42, 48)):
        outline = avatar.field.relief.points[ring, :2] - (avatar.view.left, avatar.view.top)
        mask = np.zeros(grey.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
        y, x = np.nonzero(mask)
        mass = np.maximum(np.percentile(grey[y, x], 60) - grey[y, x], 0)
        found.append([(mass * x).sum() / mass.sum(), (mass * y).sum() / mass.sum()])
    return np.mean(found, axis=0)


# ---- smoothness and coverage -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jawOpen", "eyeBlink", "mouthPucker", "eyeLookUp", "eyeSquint"])
def test_nothing_pops_into_view(admission: permit.Admission, avatar: Avatar, name: str) -> None:
    """Along a slow ramp no step may be far larger than the others."""
    pair = f"{name}Left" in COLUMN
    ramp = [both(name, float(v)) if pair else {name: float(v)} for v in np.linspace(0, 1, 21)]
    drawn = [cv2.blur(f, (7, 7)).astype(int) for f in frames(admission, avatar, *ramp)]
    steps = [np.abs(a - b).max() for a, b in itertools.pairwise(drawn)]
    assert max(steps) <= max(12, 4 * float(np.median(steps)))


def test_every_coefficient_is_driven_or_named() -> None:
    """What one photo cannot show is listed here, so that nothing is dropped in silence."""
    solved = {"jawOpen", "mouthClose"}
    eyes = {f"eyeLook{way}{side}" for way in ("Up", "Down", "In", "Out") for side in
            ("Left", "Right")} | {"eyeWideLeft", "eyeWideRight"}  # fmt: skip
    assert set(ARKIT_52) - set(DRIVES) - solved - eyes == {"tongueOut", "cheekPuff"} - set(DRIVES)
    assert {base for drives in DRIVES.values() for base, _ in drives} <= set(BASES)


def test_left_is_the_sitters_own(avatar: Avatar) -> None:
    weights = avatar.rig.weights(track({"mouthSmileLeft": 1.0}).coeffs[0])
    assert weights[INDEX["smile_l"]] == 1.0 and weights[INDEX["smile_r"]] == 0.0
    whole, _ = flow.forward(avatar.field, motion_of(avatar, {"mouthSmileLeft": 1.0}))
    middle = avatar.field.relief.points[30, 0]
    x = avatar.field.relief.place[..., 0]
    size = np.hypot(whole[..., 0], whole[..., 1])
    assert size[x > middle].sum() > 5 * size[x < middle].sum()


# ---- framing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("crop", "size", "shape"), [
    ("face", 256, (256, 256)), ("square", 720, (720, 720)), ("portrait", 360, (640, 360)),
    ("full", 300, (300, 300)),
])  # fmt: skip
def test_every_framing_gives_even_sides_and_a_face(
    admission: permit.Admission, ilse: Portrait, crop: Any, size: int, shape: tuple[int, int]
) -> None:
    avatar = PhotoWarp().prepare(admission, ilse, Controls(crop=crop, size=size))
    (frame,) = frames(admission, avatar, {"jawOpen": 0.4, "pose": (6, 3, 3, 0, 0, 1)})
    assert frame.shape == (*shape, 3) and frame.dtype == np.uint8 and frame.flags.c_contiguous
    assert (avatar.height, avatar.width) == shape
    assert find_faces(frame)[0].probability > 0.97
