"""MotionTrack: how a face moves, frame by frame, independent of whose face it is.

The coefficient names are ARKit's 52 blend shapes (Apple, ARFaceAnchor.BlendShapeLocation), the
interchange format of games and film, so any motion engine can drive any render engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import EngineError

Floats = NDArray[np.float32]

ARKIT_52: Final[tuple[str, ...]] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
COLUMN: Final[dict[str, int]] = {name: i for i, name in enumerate(ARKIT_52)}

#: Lip aperture, in mouth widths, that jawOpen = 1 stands for when mouthClose = 0.
APERTURE_AT_FULL_JAW: Final = 0.35

#: Head limits in degrees beyond which one photo cannot be turned believably.
MAX_YAW: Final = 20.0
MAX_PITCH: Final = 12.0
MAX_ROLL: Final = 10.0


@dataclass(frozen=True, slots=True)
class MotionTrack:
    """T frames of motion at a constant rate.

    pose   (T, 6): yaw, pitch, roll in degrees; x, y in face widths; scale, 1 = as photographed.
           yaw > 0 turns the head to its own left (the viewer's right), pitch > 0 looks down,
           roll > 0 tilts clockwise for the viewer. 0, 0, 0, 0, 0, 1 is the photo's own pose.
    gaze   (T, 2): yaw, pitch in degrees relative to the photo's own gaze, signs as for the head.
    coeffs (T, 52): ARKIT_52 in [0, 1]. jawOpen is the lip aperture divided by
           APERTURE_AT_FULL_JAW mouth widths while mouthClose = 0; mouthClose = 1 seals the lips
           whatever jawOpen says. mouthRollLower is the labiodental tuck of f and v.
           Left and right are the sitter's own.

    Raises EngineError when shapes disagree or a number is not finite.
    """

    fps: float
    pose: Floats
    gaze: Floats
    coeffs: Floats
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        frames = len(self.pose)
        wanted = ((frames, 6), (frames, 2), (frames, len(ARKIT_52)))
        if (self.pose.shape, self.gaze.shape, self.coeffs.shape) != wanted:
            raise EngineError("a motion track's pose, gaze and coefficients must agree in length")
        if not all(bool(np.isfinite(a).all()) for a in (self.pose, self.gaze, self.coeffs)):
            raise EngineError("a motion track holds a number that is not finite")
        if not 1 <= self.fps <= 120:
            raise EngineError("a motion track's rate must lie between 1 and 120 frames per second")

    def __len__(self) -> int:
        return len(self.pose)

    def column(self, name: str) -> Floats:
        """One coefficient over time, (T,). Raises KeyError for a name outside ARKIT_52."""
        return self.coeffs[:, COLUMN[name]]


def still(frames: int, fps: float = 25.0) -> MotionTrack:
    """A track in which nothing moves: the photo itself, `frames` times."""
    pose = np.zeros((frames, 6), np.float32)
    pose[:, 5] = 1.0
    return MotionTrack(
        fps=fps,
        pose=pose,
        gaze=np.zeros((frames, 2), np.float32),
        coeffs=np.zeros((frames, len(ARKIT_52)), np.float32),
    )
