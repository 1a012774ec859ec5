"""A MotionTrack as the CSV of Apple's/Epic's Live Link Face app, which Unreal, Blender's add-ons,
Maya and MotionBuilder read.

Columns: Timecode, BlendShapeCount, the 52 ARKit coefficients in the app's order and spelling, then
HeadYaw, HeadPitch, HeadRoll, LeftEyeYaw … RightEyeRoll in radians. The app's angles: yaw > 0 turns
to the sitter's left, pitch > 0 looks down, roll > 0 tilts clockwise for the viewer, as ours do.
One column more, at the far right, holds the signed statement in its first row; readers go by
number or by name and do not look there.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
from typing import Final

import numpy as np

from primafacie.generator.errors import EngineError
from primafacie.generator.exports.timecode import timecode
from primafacie.generator.motion import COLUMN, MotionTrack

#: The app's order: ARKit's names with a capital, the face from the eyes down.
LIVE_LINK: Final[tuple[str, ...]] = (
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft",
    "EyeSquintLeft", "EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight",
    "EyeLookOutRight", "EyeLookUpRight", "EyeSquintRight", "EyeWideRight", "JawForward",
    "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight",
    "MouthLeft", "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft", "MouthFrownRight",
    "MouthDimpleLeft", "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight",
    "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft",
    "MouthPressRight", "MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft",
    "MouthUpperUpRight", "BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft",
    "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft",
    "NoseSneerRight", "TongueOut",
)  # fmt: skip
ANGLES: Final = (
    "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll",
    "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
)  # fmt: skip
STATEMENT: Final = "PrimafacieStatement"
#: As files of the app begin; ours up to 0.2.0 wrote "Blendshape".
START: Final = b"Timecode,Blend"
_COUNT: Final = str(len(LIVE_LINK) + len(ANGLES))
_ORDER: Final = [COLUMN[name[0].lower() + name[1:]] for name in LIVE_LINK]


def write(track: MotionTrack) -> bytes:
    """The track's angles and coefficients; shift and scale of the head have no column there."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["Timecode", "BlendShapeCount", *LIVE_LINK, *ANGLES, STATEMENT])
    head, eyes = np.radians(track.pose[:, :3]), np.radians(track.gaze)
    for n in range(len(track)):
        look = [eyes[n, 0], eyes[n, 1], 0.0]
        numbers = [*track.coeffs[n, _ORDER], *head[n], *look, *look]
        code = f"{timecode(n, track.fps)}.000"
        rows.writerow([code, _COUNT, *(f"{v:.5f}" for v in numbers), ""])
    return out.getvalue().encode()


def read(data: bytes, fps: float) -> MotionTrack:
    """The track in a Live Link Face CSV, ours or the app's own; the head keeps its place and size.

    fps: the rate it was recorded at, which the file does not tell. Raises EngineError for anything
    that is not such a file.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
        table = np.array(
            [[float(row[name]) for name in (*LIVE_LINK, *ANGLES)] for row in rows], np.float64
        ).reshape(-1, len(LIVE_LINK) + len(ANGLES))
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise EngineError("the motion file is no Live Link Face CSV") from error
    if len(table) == 0:
        raise EngineError("the motion file holds no frames")
    coeffs = np.zeros((len(table), len(LIVE_LINK)), np.float32)
    coeffs[:, _ORDER] = np.clip(table[:, : len(LIVE_LINK)], 0, 1)
    angles = np.degrees(table[:, len(LIVE_LINK) :])
    pose = np.zeros((len(table), 6), np.float32)
    pose[:, :3], pose[:, 5] = angles[:, :3], 1.0
    gaze = ((angles[:, 3:5] + angles[:, 6:8]) / 2).astype(np.float32)
    return MotionTrack(fps, pose, gaze, coeffs)


def attach(content: bytes, statement: bytes) -> bytes:
    """The statement, base64url, in the last cell of the first row."""
    head, row, rest = content.split(b"\n", 2)
    return b"\n".join([head, row + base64.urlsafe_b64encode(statement), rest])


def detach(data: bytes) -> tuple[bytes, bytes]:
    """The content as it was signed, and the statement or b""."""
    parts = data.split(b"\n", 2)
    if len(parts) < 3 or not parts[0].endswith(STATEMENT.encode()):
        raise EngineError("the motion file has lost its last column")
    row, _, cell = parts[1].rpartition(b",")
    try:
        statement = base64.b64decode(cell, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise EngineError("the motion file's statement is not base64") from error
    if base64.urlsafe_b64encode(statement) != cell:
        raise EngineError("the motion file's statement is not written as it should be")
    return b"\n".join([parts[0], row + b",", parts[2]]), statement
