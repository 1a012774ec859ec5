"""A MotionTrack as JSON: every number of it, with its units, and a reader that gives it back."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import EngineError
from primafacie.generator.exports.timecode import timecode
from primafacie.generator.motion import ARKIT_52, MotionTrack

FORMAT: Final = "primafacie.motion/1"
START: Final = b'{"format":"primafacie.motion/1"'
_MARK: Final = b',"statement":'
_PLACES: Final = 5
_POSE: Final = ("yaw_deg", "pitch_deg", "roll_deg", "x_face_widths", "y_face_widths", "scale")
_GAZE: Final = ("yaw_deg", "pitch_deg")
_MOST_FRAMES: Final = 100_000


def write(track: MotionTrack) -> bytes:
    """One object: names of the columns, then a row per frame, numbers to five places.

    Yaw > 0 turns to the sitter's left, pitch > 0 looks down, roll > 0 tilts clockwise for the
    viewer; left and right in ARKit's names are the sitter's own.
    """
    body = {
        "format": FORMAT,
        "fps": float(track.fps),
        "frames": len(track),
        "pose_columns": _POSE,
        "gaze_columns": _GAZE,
        "coefficients": ARKIT_52,
        "timecode": [timecode(n, track.fps) for n in range(len(track))],
        "pose": _rounded(track.pose),
        "gaze": _rounded(track.gaze),
        "coeffs": _rounded(track.coeffs),
    }
    return json.dumps(body, separators=(",", ":")).encode()


def read(data: bytes) -> MotionTrack:
    """The track in a file that `write` made, with or without a statement in it.

    Raises EngineError for anything else.
    """
    content, _ = detach(data)
    try:
        body = json.loads(content)
        if body["format"] != FORMAT or tuple(body["coefficients"]) != ARKIT_52:
            raise EngineError("the motion file names other coefficients than ARKit's 52")
        if not 0 < int(body["frames"]) <= _MOST_FRAMES:
            raise EngineError("the motion file holds no frames, or too many")
        return MotionTrack(
            float(body["fps"]), _array(body["pose"]), _array(body["gaze"]), _array(body["coeffs"])
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EngineError("the motion file cannot be read") from error


def attach(content: bytes, statement: bytes) -> bytes:
    """The statement as the object's last member."""
    return content[:-1] + _MARK + statement + b"}"


def detach(data: bytes) -> tuple[bytes, bytes]:
    """The content as it was signed, and the statement or b""."""
    before, found, after = data.partition(_MARK)
    if not found:
        return data, b""
    return before + b"}", after[:-1]


def _rounded(values: NDArray[np.float32]) -> list[list[float]]:
    found: list[list[float]] = np.round(values.astype(np.float64), _PLACES).tolist()
    return found


def _array(rows: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.asarray(rows, np.float32))
