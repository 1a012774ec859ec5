"""PhotoWarp: one photo, moved. No learned weights draw; every skin pixel is the photo's own.

The face's 68 points lift the photo to a surface. Muscles move the surface, the head turns it,
the map is inverted and the photo sampled once through it. What a photo cannot show (the inside
of a closed mouth, a lid that comes down) is painted in the photo's own colours. A track that does
not move gives the photo back bit for bit, and no frame depends on the frame before, so nothing
drifts however long the clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import Controls
from primafacie.generator.engines.photo_warp._basis import INDEX, build_bases
from primafacie.generator.engines.photo_warp._eyes import (
    EyeMotion,
    EyePaint,
    build_eye,
    lid_weight,
    paint_eye,
    read_eye,
)
from primafacie.generator.engines.photo_warp._eyes_shape import find_eyes
from primafacie.generator.engines.photo_warp._flow import (
    Field,
    Motion,
    build_field,
    move_head,
    refine,
    warp,
)
from primafacie.generator.engines.photo_warp._lips import find_lips
from primafacie.generator.engines.photo_warp._matte import Matte, find_matte, on_green
from primafacie.generator.engines.photo_warp._mouth import (
    MouthPaint,
    build_mouth,
    cut_below,
    open_mouth,
    paint_mouth,
)
from primafacie.generator.engines.photo_warp._relief import Relief, head_room, shape_relief
from primafacie.generator.engines.photo_warp._rig import Rig, build_rig, lips_meet
from primafacie.generator.engines.photo_warp._shade import Shade, apply_shade, build_shade
from primafacie.generator.engines.photo_warp._view import View, face_mesh, frame_view
from primafacie.generator.errors import EngineError
from primafacie.generator.info import EngineInfo
from primafacie.generator.motion import COLUMN, MAX_PITCH, MAX_ROLL, MAX_YAW, MotionTrack
from primafacie.generator.permit import Admission, require

if TYPE_CHECKING:
    from primafacie.generator.portrait import Portrait

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]
Sampler = Literal["cv2", "torch"]

_INFO: Final = EngineInfo(
    name="photo-warp", version="1.0", licence="Apache-2.0", max_side=1920, deterministic=True
)
#: Head travel that one photo bears, in face widths, and scale.
_MAX_SHIFT: Final = 0.15
_SCALES: Final = (0.8, 1.2)
#: Frames that the reference sampler takes at once.
_BATCH: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Avatar:
    """A portrait made ready; width and height are the frames'. yaw_range: degrees the head may
    turn either way. room: share of its movement that the photo's borders leave to the head.
    matte: None where person and wall cannot be told apart; the wall then gives a little. base:
    the plate as it looks when nothing moves. fine: the plate at twice its size, to read between
    its pixels."""

    view: View
    field: Field
    rig: Rig
    shade: Shade
    mouth: MouthPaint
    eyes: tuple[EyePaint, EyePaint]
    yaw_range: tuple[float, float]
    room: float
    matte: Matte | None
    base: Picture
    fine: Picture

    @property
    def width(self) -> int:
        return self.view.width

    @property
    def height(self) -> int:
        return self.view.height


class PhotoWarp:
    """The photo-sampling engine.

    sampler "cv2" is the fast one; "torch" is the reference, in batches on the given device, and
    differs by less than one grey level on average. batch: frames that it draws at once; memory
    grows with it and the frames do not depend on it.
    """

    info: EngineInfo = _INFO

    def __init__(self, sampler: Sampler = "cv2", device: str = "cpu", batch: int = _BATCH) -> None:
        if batch < 1:
            raise EngineError("a batch holds at least one frame")
        self._sampler = sampler
        self._device = device
        self._batch = batch

    def prepare(self, admission: Admission, portrait: Portrait, controls: Controls) -> Avatar:
        """Measure the face once, in the framing that the controls ask for.

        controls.distance is applied here. Raises PermitError when the admission has ended.
        """
        require(admission)
        mesh = face_mesh(portrait)
        view = frame_view(portrait, mesh, controls)
        measured = portrait.landmarks.mesh is not None
        relief = shape_relief(view, mesh, portrait.landmarks.points.astype(np.float64), measured)
        if "pose" not in controls.regions:  # breathing is part of the pose
            relief = replace(relief, breath=np.zeros_like(relief.breath))
        lips, eyes = find_lips(view.plate, relief), find_eyes(relief, view.plate)
        bases = build_bases(relief, lips, eyes)
        first, second = (build_eye(relief, shape, view.plate) for shape in eyes)
        yaw = relief.pose.angles[0]
        matte, base = _background(view.plate, relief, controls)
        return Avatar(
            view, build_field(bases, view), build_rig(bases), build_shade(bases, view.plate),
            build_mouth(bases, view.plate, max(1.0, view.scale)), (first, second),
            # A head that is already turned has less left on that side.
            (-MAX_YAW - 0.5 * min(0.0, yaw), MAX_YAW - 0.5 * max(0.0, yaw)),
            head_room(view, relief), matte, base, refine(view.plate),
        )  # fmt: skip

    def render(self, admission: Admission, avatar: Avatar, track: MotionTrack) -> Iterator[Picture]:
        """One frame (height, width, 3) per row of the track; memory does not grow with it."""
        require(admission)
        if self._sampler == "torch":
            return self._render_in_batches(admission, avatar, track)
        return self._render_singly(admission, avatar, track)

    def _render_singly(
        self, admission: Admission, avatar: Avatar, track: MotionTrack
    ) -> Iterator[Picture]:
        speaking, breaths = lips_meet(track), _breaths(track)
        for index in range(len(track)):
            require(admission)
            motion, eyes = _pose_frame(avatar, track, index, speaking, breaths)
            if motion is None:
                yield _window_of(avatar, avatar.base)
                continue
            opening = open_mouth(avatar.mouth, motion)
            relief = avatar.field.relief
            cut = cut_below(opening, relief.x0, relief.y0, avatar.mouth.half_px)
            picture, back = warp(avatar.field, avatar.fine, motion, cut, avatar.matte, avatar.base)
            yield _finish(avatar, motion, eyes, picture, back)

    def _render_in_batches(
        self, admission: Admission, avatar: Avatar, track: MotionTrack
    ) -> Iterator[Picture]:
        from primafacie.generator.engines.photo_warp._flow_torch import TorchField

        field = TorchField(avatar.field, avatar.fine, avatar.matte, avatar.base, self._device)
        relief = avatar.field.relief
        speaking, breaths = lips_meet(track), _breaths(track)
        for start in range(0, len(track), self._batch):
            require(admission)
            frames = [
                _pose_frame(avatar, track, i, speaking, breaths)
                for i in range(start, min(start + self._batch, len(track)))
            ]
            motions = [motion for motion, _ in frames if motion is not None]
            cuts = [
                cut_below(open_mouth(avatar.mouth, m), relief.x0, relief.y0, avatar.mouth.half_px)
                for m in motions
            ]
            pictures = iter(field.warp(motions, cuts) if motions else ())
            for motion, eyes in frames:
                if motion is None:
                    yield _window_of(avatar, avatar.base)
                else:
                    yield _finish(avatar, motion, eyes, *next(pictures))


def photo_warp(data: bytes, sha256: str, licence: str) -> PhotoWarp:
    """The engine as the registry makes it; it has no weights and takes no file."""
    if data:
        raise EngineError("photo-warp takes no file")
    return PhotoWarp()


def _finish(
    avatar: Avatar, motion: Motion, eyes: tuple[EyeMotion, EyeMotion], picture: Picture,
    back: Floats,
) -> Picture:  # fmt: skip
    apply_shade(avatar.shade, avatar.field, motion, back, picture)
    for paint, eye in zip(avatar.eyes, eyes, strict=True):
        paint_eye(paint, eye, motion, picture)
    paint_mouth(avatar.mouth, motion, open_mouth(avatar.mouth, motion), picture)
    return _window_of(avatar, picture)


def _window_of(avatar: Avatar, picture: Picture) -> Picture:
    view = avatar.view
    return picture[view.top : view.top + view.height, view.left : view.left + view.width].copy()


def _background(plate: Picture, relief: Relief, controls: Controls) -> tuple[Matte | None, Picture]:
    matte = find_matte(plate, relief)
    if controls.background == "green":
        matte = on_green(matte)
        return matte, matte.lay(plate, matte.alpha, matte.clean, ...)
    return (matte if matte.sure else None), plate


#: Seconds from breath to breath; a clip holds whole breaths, so that it can be looped.
_BREATH: Final = 4.0


def _breaths(track: MotionTrack) -> int:
    """Whole breaths in a clip; people who do not move do not breathe either."""
    seconds = len(track) / track.fps
    if seconds < 0.75 * _BREATH or not _moves(track):
        return 0
    return max(1, round(seconds / _BREATH))


def _breath(track: MotionTrack, index: int, breaths: int) -> float:
    """How far the shoulders have risen in a frame, 0 to 1."""
    phase = (index / len(track) * breaths) % 1.0
    # In is quicker than out, with a rest before the next.
    bent = phase / 0.8 if phase < 0.4 else min(1.0, 0.5 + (phase - 0.4) / 1.04)
    return float(0.5 - 0.5 * np.cos(2 * np.pi * bent))


def _moves(track: MotionTrack) -> bool:
    """Whether anything changes in the clip's first minute; a still photo stays one."""
    head = min(len(track), int(60 * track.fps))
    return any(bool((part[1:head] != part[:1]).any()) for part in
               (track.pose, track.gaze, track.coeffs))  # fmt: skip


def _pose_frame(
    avatar: Avatar, track: MotionTrack, index: int, speaking: bool, breaths: int = 0
) -> tuple[Motion | None, tuple[EyeMotion, EyeMotion]]:
    """One frame's motion, None when nothing moves."""
    coeffs, pose = track.coeffs[index], track.pose[index].astype(np.float64)
    weights = avatar.rig.weights(coeffs, speaking)
    right = read_eye(coeffs, track.gaze[index], False, float(weights[INDEX["low_r"]]))
    left = read_eye(coeffs, track.gaze[index], True, float(weights[INDEX["low_l"]]))
    weights[INDEX["lid_r"]], weights[INDEX["lid_l"]] = lid_weight(right), lid_weight(left)
    pose[:5] *= avatar.room
    low, high = avatar.yaw_range
    pose = np.array([
        np.clip(pose[0], low, high), np.clip(pose[1], -MAX_PITCH, MAX_PITCH),
        np.clip(pose[2], -MAX_ROLL, MAX_ROLL),
        np.clip(pose[3], -_MAX_SHIFT, _MAX_SHIFT), np.clip(pose[4], -_MAX_SHIFT, _MAX_SHIFT),
        np.clip(pose[5], *_SCALES),
    ])  # fmt: skip
    zoom = avatar.view.zoom
    breath = _breath(track, index, breaths)
    still = not weights.any() and not breath and right.still and left.still and zoom == 1.0
    if still and np.array_equal(pose, (0, 0, 0, 0, 0, 1)):
        return None, (right, left)
    motion = move_head(avatar.field.relief, pose, weights, zoom)
    tongue = float(np.clip(coeffs[COLUMN["tongueOut"]], 0, 1))
    return replace(motion, tongue=tongue, breath=breath), (right, left)
