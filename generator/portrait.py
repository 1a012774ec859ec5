"""Portrait: one photo of one face that can be animated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import PortraitError
from primafacie.generator.faces import FaceBox, find_faces
from primafacie.generator.head import HeadPose, fit_pose, fit_pose_to_mesh
from primafacie.generator.info import Weights
from primafacie.generator.landmarks import (
    DlibLandmarker,
    Landmarker,
    Landmarks,
    check_agreement,
)
from primafacie.generator.picture import decode_picture

#: Thresholds measured on 57 portraits and animals; see the messages for what each one refuses.
MIN_PROBABILITY: Final = 0.97
MAX_DISAGREEMENT: Final = 0.10
SECOND_FACE: Final = (0.95, 0.25)  # probability, share of the largest face's area
MAX_SOURCE_YAW: Final = 30.0
WARN_SOURCE_YAW: Final = 22.0
MAX_SOURCE_PITCH: Final = 30.0
MIN_FACE: Final = 80.0  # pixels from ear to ear
WARN_FACE: Final = 120.0
WARN_MARGIN: Final = 0.25  # free space beside the face, in face widths
MIN_SHARPNESS: Final = 0.005  # reached when a face is blurred by about 2.5 % of its width


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A photo that passed every check below, with all that engines need to know about its face.

    photo: uint8 RGB (H, W, 3), read-only. sha256: of the file's bytes. landmarks and face in
    photo pixels. pose: the head's own attitude in the photo. landmarker: what found the landmarks,
    with its licence, for the report. warnings: what will look worse, as
    sentences for the person who asked.
    """

    photo: NDArray[np.uint8]
    sha256: str
    face: FaceBox
    landmarks: Landmarks
    pose: HeadPose
    landmarker: Weights
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes, landmarker: Landmarker | None = None) -> Portrait:
        """The portrait in a picture file. Raises PortraitError, which says what to change."""
        photo = decode_picture(data)
        return cls.from_picture(photo, hashlib.sha256(data).hexdigest(), landmarker)

    @classmethod
    def from_picture(
        cls,
        photo: NDArray[np.uint8],
        sha256: str,
        landmarker: Landmarker | None = None,
        faces: tuple[FaceBox, ...] | None = None,
    ) -> Portrait:
        """The portrait in pixels that `decode_picture` returned for the file with this digest.
        faces: what `find_faces` found in them, where somebody looked already."""
        face = _only_face(find_faces(photo) if faces is None else faces)
        finder = landmarker or DlibLandmarker()
        landmarks = finder.find(photo, face)
        pose = _pose(landmarks)
        # Yaw first: on side views the landmarks disagree too, but the turn is what can be changed.
        yaw, pitch, _ = pose.angles
        _check_turn(max(abs(yaw), _turn_by_detector(face)), abs(pitch))
        if check_agreement(face, landmarks) > MAX_DISAGREEMENT:
            raise PortraitError(
                "the face cannot be measured reliably; use a frontal photo with eyes, nose and"
                " mouth uncovered"
            )
        width = face_width(landmarks)
        if width < MIN_FACE:
            raise PortraitError(
                f"the face is {width:.0f} pixels wide; at least {MIN_FACE:.0f} are needed"
            )
        if sharpness(photo, landmarks) < MIN_SHARPNESS:
            raise PortraitError("the face is blurred; use a sharp photo")
        return cls(
            photo,
            sha256,
            face,
            landmarks,
            pose,
            finder.info,
            _warnings(photo, landmarks, abs(yaw), width),
        )


def face_width(landmarks: Landmarks) -> float:
    """Pixels from ear to ear."""
    return float(np.hypot(*(landmarks.points[16] - landmarks.points[0])))


def sharpness(photo: NDArray[np.uint8], landmarks: Landmarks) -> float:
    """How much of the face's contrast lives in fine detail: 0 for a blurred face, no unit.

    Variance of the Laplacian divided by the variance of grey, on the eyes and mouth, at a fixed
    size of 128 pixels from ear to ear, so that a large photo is not called blurred.
    """
    import cv2

    points = landmarks.points
    (left, top), (right, bottom) = points[17:68].min(0), points[17:68].max(0)
    height, width = photo.shape[:2]
    patch = photo[
        max(0, int(top)) : min(height, int(bottom) + 1),
        max(0, int(left)) : min(width, int(right) + 1),
    ]
    if min(patch.shape[:2]) < 8:
        return 0.0
    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float32)
    scale = 128.0 / max(face_width(landmarks), 1.0)
    kernel = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=kernel)
    detail = cv2.Laplacian(grey, cv2.CV_32F)
    return float(detail.var() / max(float(grey.var()), 25.0))


def _only_face(faces: tuple[FaceBox, ...]) -> FaceBox:
    sure = [face for face in faces if face.probability >= MIN_PROBABILITY]
    if not sure:
        raise PortraitError("no face was found; use a photo that shows one face from the front")
    largest = sure[0]
    probability, share = SECOND_FACE
    for other in faces:
        sure_and_large = other.probability >= probability and other.area >= share * largest.area
        if other is not largest and sure_and_large:
            raise PortraitError("the photo shows several faces; crop it to one")
    return largest


def _pose(landmarks: Landmarks) -> HeadPose:
    if landmarks.mesh is not None:
        return fit_pose_to_mesh(landmarks.mesh.astype(np.float64))
    return fit_pose(landmarks.points.astype(np.float64))


def _turn_by_detector(face: FaceBox) -> float:
    """Degrees of yaw from five points alone: a second opinion where landmarks fail.

    How far the nose tip leaves the middle line, in eye distances; 0.33 is about 30 degrees,
    measured on modelled heads at 12 and 20 degrees.
    """
    five = face.points.astype(np.float64)
    eyes, mouth = (five[0] + five[1]) / 2, (five[3] + five[4]) / 2
    axis = five[1] - five[0]
    apart = max(float(np.hypot(*axis)), 1e-6)
    off = float(((five[2] - eyes) - 0.5 * (mouth - eyes)) @ axis) / apart**2
    return abs(off) / 0.33 * MAX_SOURCE_YAW


def _check_turn(yaw: float, pitch: float) -> None:
    if yaw > MAX_SOURCE_YAW:
        raise PortraitError(
            f"the head is turned about {yaw:.0f} degrees to the side; use a photo within"
            f" {MAX_SOURCE_YAW:.0f} degrees of the front"
        )
    if pitch > MAX_SOURCE_PITCH:
        raise PortraitError(
            "the head is tilted far up or down; use a photo that looks straight ahead"
        )


def _warnings(
    photo: NDArray[np.uint8], landmarks: Landmarks, yaw: float, width: float
) -> tuple[str, ...]:
    found = []
    if yaw > WARN_SOURCE_YAW:
        found.append("the head is turned to the side; the far cheek will look stretched")
    if width < WARN_FACE:
        found.append("the face is small; the video will look soft")
    across = landmarks.points[:, 0]
    beside = min(float(across.min()), photo.shape[1] - float(across.max()))
    if beside < WARN_MARGIN * width:
        found.append("the photo cuts the head close; it will move less")
    return tuple(found)
