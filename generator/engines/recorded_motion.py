"""RecordedMotion: a performance recorded elsewhere drives the face.

The recording is a motion file of this program (JSON) or a CSV of the Live Link Face app; it is the
engine's registered file, known by its digest. The voice sets the length: a shorter recording rests
on its last frame, a longer one is cut, and both are said in the track's notes. Regions that the
controls leave out do not move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import Controls
from primafacie.generator.errors import EngineError
from primafacie.generator.exports import export, live_link, motion_json
from primafacie.generator.info import EngineInfo, Weights
from primafacie.generator.motion import ARKIT_52, COLUMN, MotionTrack
from primafacie.generator.permit import require

if TYPE_CHECKING:
    from primafacie.generator.permit import Admission
    from primafacie.generator.voice import Voice

Floats = NDArray[np.float32]

#: The app records at 60 frames a second and does not write it down.
_APP_RATE: Final = 60.0
_EYES: Final = ("eye",)
_LIPS: Final = ("jaw", "mouth", "tongue")


class RecordedMotion:
    """Plays one MotionTrack, resampled to the rate that is asked for."""

    info: EngineInfo

    def __init__(self, recording: MotionTrack, sha256: str, licence: str) -> None:
        self._recording = recording
        weights = (Weights("recording", sha256, licence),)
        self.info = EngineInfo("recorded-motion", "1.0", "Apache-2.0", weights)

    def drive(self, admission: Admission, voice: Voice, controls: Controls) -> MotionTrack:
        """The recording for as long as the voice lasts."""
        require(admission)
        frames = int(np.ceil(voice.duration * controls.fps - 1e-6))
        at = np.arange(frames) / controls.fps * self._recording.fps
        pose, gaze, coeffs = (
            _read_at(values, at)
            for values in (self._recording.pose, self._recording.gaze, self._recording.coeffs)
        )
        _leave_out(controls, pose, gaze, coeffs)
        return MotionTrack(controls.fps, pose, gaze, coeffs, self._notes(at))

    def _notes(self, at: NDArray[np.float64]) -> tuple[str, ...]:
        last = len(self._recording) - 1
        if len(at) and at[-1] > last + 1:
            return ("the recording is shorter than the voice and rests on its last frame",)
        if len(at) and at[-1] < last - 1:
            return ("the recording is longer than the voice and was cut",)
        return ()


def recorded_motion(data: bytes, sha256: str, licence: str) -> RecordedMotion:
    """The engine that plays this file. Raises EngineError when it is no recording."""
    if not data:
        raise EngineError("recorded-motion needs a recording: register its file")
    form = export.form_of(data)
    if form == "glb":
        raise EngineError("recorded-motion reads JSON and Live Link Face CSV")
    track = motion_json.read(data) if form == "json" else live_link.read(data, _APP_RATE)
    return RecordedMotion(track, sha256, licence)


def _read_at(values: Floats, at: NDArray[np.float64]) -> Floats:
    grid = np.arange(len(values))
    return np.stack([np.interp(at, grid, column) for column in values.T], 1).astype(np.float32)


def _leave_out(controls: Controls, pose: Floats, gaze: Floats, coeffs: Floats) -> None:
    if "pose" not in controls.regions:
        pose[:] = (0, 0, 0, 0, 0, 1)
    if "eyes" not in controls.regions:
        gaze[:] = 0
    parts = {"eyes": _EYES, "lips": _LIPS}
    for name in ARKIT_52:
        part = next((p for p, starts in parts.items() if name.startswith(starts)), "expression")
        if part not in controls.regions:
            coeffs[:, COLUMN[name]] = 0
