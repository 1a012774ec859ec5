"""What was asked against what is seen: pose, distance and gaze, read from drawn frames.

The onlooker (bearing.py) sees the source and the frame and nothing else. The control is the photo
that does not move: whoever obeys no command must miss the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from primafacie.generator.bearing import Bearing, Onlooker
from primafacie.generator.benchmark import Sitting, Stage
from primafacie.generator.errors import PortraitError
from primafacie.generator.motion import MotionTrack, still
from primafacie.generator.rehearsal import rehearse

#: yaw, pitch, roll in degrees; distances; gaze yaw and pitch in degrees.
_POSES: Final = ((6, 0, 0), (-6, 0, 0), (10, 0, 0), (-10, 0, 0), (0, 5, 0), (0, -5, 0), (0, 0, 6),
                 (0, 0, -6), (7, 4, 4), (-7, -4, -4))  # fmt: skip
_DISTANCES: Final = (0.85, 0.92, 1.08, 1.2)
_GAZES: Final = ((8, 0), (-8, 0), (12, 0), (-12, 0), (0, 6), (0, -6))
#: What is reached at most, and what VASA-1 reports at its defaults.
TARGETS: Final = {"pose": 0.5, "distance": 0.005, "gaze": 3.0}
_VASA: Final = {"pose": "–", "distance": "0.005", "gaze": "5.25"}
_UNIT: Final = {"pose": "degrees", "distance": "of the distance", "gaze": "degrees"}


def conditions(sitting: Sitting, size: int) -> Iterator[str]:
    """Mean and largest error of each condition on one portrait, as lines of a report."""
    stage = Stage(sitting, rehearse(), size)
    try:
        onlooker = Onlooker(stage.source)
        found = _errors(stage, onlooker)
    except PortraitError as error:
        yield f"{sitting.name}: conditions not measured: {error}"
        return
    for name, (mean, most, unmoved) in found.items():
        target = TARGETS[name]
        yield (
            f"{sitting.name}: {name} asked against seen, {_UNIT[name]}: mean {mean:.3g}, most "
            f"{most:.3g} (target for the mean <= {target:g}: "
            f"{'reached' if mean <= target else 'not reached'}; VASA-1 {_VASA[name]}; a photo that "
            f"does not move {unmoved:.3g}: {'fails' if unmoved > target else 'PASSES'})"
        )


def _errors(stage: Stage, onlooker: Onlooker) -> dict[str, tuple[float, float, float]]:
    asked = _asked()
    seen = [onlooker.see(frame) for frame in stage.frames(asked)]
    rest = onlooker.see(stage.source)
    wanted = [Bearing(*map(float, row)) for row in np.c_[
        asked.pose[:, :3], asked.pose[:, 5], asked.gaze]]  # fmt: skip
    first, second = len(_POSES), len(_POSES) + len(_DISTANCES)
    parts = {"pose": slice(0, first), "distance": slice(first, second), "gaze": slice(second, None)}
    out = {}
    for name, part in parts.items():
        misses = [_miss(name, w, s) for w, s in zip(wanted[part], seen[part], strict=True)]
        unmoved = [_miss(name, w, rest) for w in wanted[part]]
        out[name] = (float(np.mean(misses)), max(misses), float(np.mean(unmoved)))
    return out


def _miss(name: str, asked: Bearing, seen: Bearing) -> float:
    if name == "pose":
        return max(
            abs(asked.yaw - seen.yaw), abs(asked.pitch - seen.pitch), abs(asked.roll - seen.roll)
        )
    if name == "distance":
        return abs(asked.scale / seen.scale - 1)
    return float(np.hypot(asked.gaze_yaw - seen.gaze_yaw, asked.gaze_pitch - seen.gaze_pitch))


def _asked() -> MotionTrack:
    """One frame for each pose, distance and gaze."""
    track = still(len(_POSES) + len(_DISTANCES) + len(_GAZES))
    pose, gaze = track.pose.copy(), track.gaze.copy()
    pose[: len(_POSES), :3] = _POSES
    pose[len(_POSES) : len(_POSES) + len(_DISTANCES), 5] = 1 / np.array(_DISTANCES)
    gaze[len(_POSES) + len(_DISTANCES) :] = _GAZES
    return MotionTrack(track.fps, pose, gaze, track.coeffs)
