"""PhotoWarp: one photo, moved. No learned weights draw; every skin pixel is the photo's own.

The face's 68 points lift the photo to a surface. Muscles move the surface, the head turns it,
the map is inverted and the photo sampled once through it. What a photo cannot show (the inside
of a closed mouth, a lid that comes down) is painted in the photo's own colours. A track that does
not move gives the photo back bit for bit, and no frame depends on the frame before, so nothing
drifts however long the clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    warp,
)
from primafacie.generator.engines.photo_warp._lips import find_lips
from primafacie.generator.engines.photo_warp._mouth import (
    MouthPaint,
    build_mouth,
    cut_below,
    open_mouth,
    paint_mouth,
)
from primafacie.generator.engines.photo_warp._relief import head_room, shape_relief
from primafacie.generator.engines.photo_warp._rig import Rig, build_rig, lips_meet
from primafacie.generator.engines.photo_warp._shade import Shade, apply_shade, build_shade
from primafacie.generator.engines.photo_warp._view import View, face_mesh, frame_view
from primafacie.generator.info import EngineInfo
from primafacie.generator.motion import MAX_PITCH, MAX_ROLL, MAX_YAW, MotionTrack
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
_SCALES: Final = (0.85, 1.2)
#: Frames that the reference sampler takes at once.
_BATCH: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Avatar:
    """A portrait made ready; width and height are the frames'. yaw_range: degrees the head may
    turn either way. room: share of its movement that the photo's borders leave to the head."""

    view: View
    field: Field
    rig: Rig
    shade: Shade
    mouth: MouthPaint
    eyes: tuple[EyePaint, EyePaint]
    yaw_range: tuple[float, float]
    room: float

    @property
    def width(self) -> int:
        return self.view.width

    @property
    def height(self) -> int:
        return self.view.height


class PhotoWarp:
    """The photo-sampling engine.

    sampler "cv2" is the fast one; "torch" is the reference, in batches on the given device, and
    differs by less than one grey level on average.
    """

    info: EngineInfo = _INFO

    def __init__(self, sampler: Sampler = "cv2", device: str = "cpu") -> None:
        self._sampler = sampler
        self._device = device

    def prepare(self, admission: Admission, portrait: Portrait, controls: Controls) -> Avatar:
        """Measure the face once, in the framing that the controls ask for.

        controls.distance is applied here. Raises PermitError when the admission has ended.
        """
        require(admission)
        mesh = face_mesh(portrait)
        view = frame_view(portrait, mesh, controls)
        measured = portrait.landmarks.mesh is not None
        relief = shape_relief(view, mesh, portrait.landmarks.points.astype(np.float64), measured)
        lips, eyes = find_lips(view.plate, relief), find_eyes(relief, view.plate)
        bases = build_bases(relief, lips, eyes)
        first, second = (build_eye(relief, shape, view.plate) for shape in eyes)
        yaw = relief.pose.angles[0]
        return Avatar(
            view, build_field(bases), build_rig(bases), build_shade(bases, view.plate),
            build_mouth(bases, view.plate, max(1.0, view.scale)), (first, second),
            # A head that is already turned has less left on that side.
            (-MAX_YAW - 0.5 * min(0.0, yaw), MAX_YAW - 0.5 * max(0.0, yaw)),
            head_room(view, relief),
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
        speaking = lips_meet(track)
        for index in range(len(track)):
            require(admission)
            motion, eyes = _pose_frame(avatar, track, index, speaking)
            if motion is None:
                yield avatar.view.window.copy()
                continue
            opening = open_mouth(avatar.mouth, motion)
            relief = avatar.field.relief
            cut = cut_below(opening, relief.x0, relief.y0, avatar.mouth.half_px)
            picture, back = warp(avatar.field, avatar.view.plate, motion, cut)
            yield _finish(avatar, motion, eyes, picture, back)

    def _render_in_batches(
        self, admission: Admission, avatar: Avatar, track: MotionTrack
    ) -> Iterator[Picture]:
        from primafacie.generator.engines.photo_warp._flow_torch import TorchField

        field = TorchField(avatar.field, avatar.view.plate, self._device)
        relief = avatar.field.relief
        speaking = lips_meet(track)
        for start in range(0, len(track), _BATCH):
            require(admission)
            frames = [
                _pose_frame(avatar, track, i, speaking)
                for i in range(start, min(start + _BATCH, len(track)))
            ]
            motions = [motion for motion, _ in frames if motion is not None]
            cuts = [
                cut_below(open_mouth(avatar.mouth, m), relief.x0, relief.y0, avatar.mouth.half_px)
                for m in motions
            ]
            pictures = iter(field.warp(motions, cuts) if motions else ())
            for motion, eyes in frames:
                if motion is None:
                    yield avatar.view.window.copy()
                else:
                    yield _finish(avatar, motion, eyes, *next(pictures))


def _finish(
    avatar: Avatar, motion: Motion, eyes: tuple[EyeMotion, EyeMotion], picture: Picture,
    back: Floats,
) -> Picture:  # fmt: skip
    apply_shade(avatar.shade, avatar.field.relief, motion, back, picture)
    for paint, eye in zip(avatar.eyes, eyes, strict=True):
        paint_eye(paint, eye, motion, picture)
    paint_mouth(avatar.mouth, motion, open_mouth(avatar.mouth, motion), picture)
    view = avatar.view
    return np.ascontiguousarray(
        picture[view.top : view.top + view.height, view.left : view.left + view.width]
    )


def _pose_frame(
    avatar: Avatar, track: MotionTrack, index: int, speaking: bool
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
    still = not weights.any() and right.still and left.still and zoom == 1.0
    if still and np.array_equal(pose, (0, 0, 0, 0, 0, 1)):
        return None, (right, left)
    return move_head(avatar.field.relief, pose, weights, zoom), (right, left)
