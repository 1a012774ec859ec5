"""Gaze and blinks.

Gaze: the "Eyes Alive" model of a speaking person (Lee, Badler and Badler 2002; constants as in
SmartBody's me_ct_saccade.cpp): held on the listener for about 3.1 s, away for about 0.9 s, and
small drifts in between; the eyes counter-rotate to the head (VOR), so that they stay on what they
look at. Blinks: log-normal intervals, drawn to pauses, with the shape of VanderWerf et al. 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.speech.gesture import RATE, smooth
from primafacie.generator.speech.vad import Segment

Floats = NDArray[np.float32]

#: Share of saccades towards 0, 45, ... 315 degrees (0 = to the sitter's left).
_DIRECTIONS: Final = np.array([15.54, 6.46, 17.69, 7.44, 16.80, 7.89, 20.38, 7.79]) / 99.99
_MUTUAL: Final = 3.13
_AWAY: Final = 0.93
_LARGEST: Final = 9.0
_VERTICAL: Final = 0.5
_DIAGONAL: Final = 0.75
#: How much of a head turn the eyes undo.
VOR: Final = 0.85
#: Eyes beyond this, in degrees, would show a rim no photo has.
LIMIT: Final = 18.0

_BLINK_MEAN: Final = 3.0
_BLINK_VARIATION: Final = 0.7
_BLINK_SHORTEST: Final = 0.8
_BLINK_LONGEST: Final = 9.0
_FIRST_BLINK: Final = 3.2
#: A blink moves to a pause this near.
_DRAWN: Final = 0.45
#: Closed more or less at these times round its peak (s): closing 90 ms, opening 210 ms.
_BLINK_TIMES: Final = np.array([-0.11, -0.04, 0.0, 0.03, 0.07, 0.11, 0.15, 0.20, 0.24])
_BLINK_SHAPE: Final = np.array([0.0, 0.72, 1.0, 0.97, 0.72, 0.45, 0.22, 0.06, 0.0])


def gaze(
    head: Floats, direction: tuple[float, float], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Gaze in the head, (T, 2) degrees, and the times of large saccades, for a head at RATE.

    direction: the main direction of looking, relative to the photo's.
    """
    count = len(head)
    target = np.tile(np.asarray(direction, np.float32), (count, 1))
    jumps: list[float] = []
    t = 0.5  # the first look is the photo's own
    away = rng.exponential(_MUTUAL) + 0.8
    while t < count / RATE:
        step = float(rng.uniform(0.35, 1.1))
        if t + step >= away:
            offset = _saccade(rng)
            back = away + max(0.25, float(rng.exponential(_AWAY)))
            _look(target, away, back, np.add(direction, offset))
            jumps += [away]
            t = back
            away = back + max(0.6, float(rng.exponential(_MUTUAL)))
        else:
            drift = rng.normal(0, (0.6, 0.35))
            _look(target, t, t + step, np.add(direction, drift))
            t += step
    path = _travelled(target)
    in_head = np.clip(path - VOR * head[:, :2], -LIMIT, LIMIT)
    return np.asarray(in_head, np.float32), np.asarray(jumps, np.float32)


def _saccade(rng: np.random.Generator) -> NDArray[np.float64]:
    size = min(-6.9 * float(np.log(rng.uniform(0.3, 15) / 15.7)), _LARGEST)
    octant = int(rng.choice(8, p=_DIRECTIONS / _DIRECTIONS.sum()))
    scale = _DIAGONAL if octant % 2 else _VERTICAL if octant % 4 == 2 else 1.0
    angle = np.deg2rad(45 * octant)
    return size * scale * np.array([float(np.cos(angle)), -float(np.sin(angle))])


def _look(target: Floats, start: float, end: float, at: NDArray[np.float64]) -> None:
    target[int(start * RATE) : int(end * RATE) + 1] = at


def _travelled(target: Floats) -> Floats:
    """Saccades take 25 ms + 2.4 ms per degree; at RATE that is one to three samples."""
    out = target.copy()
    for i in np.flatnonzero(np.abs(np.diff(target, axis=0)).sum(axis=1) > 1e-6):
        size = float(np.hypot(*(target[i + 1] - target[i])))
        steps = max(1, round((0.025 + 0.0024 * size) * RATE))
        for k in range(1, min(steps, len(out) - int(i) - 1)):
            part = smooth(k / steps)
            out[i + k] = target[i] + (target[i + 1] - target[i]) * part
    return out


def blinks(
    duration: float, segments: Sequence[Segment], saccades: Floats, rng: np.random.Generator
) -> Floats:
    """The moments of full closure, in seconds."""
    spread = np.sqrt(np.log(1 + _BLINK_VARIATION**2))
    middle = np.log(_BLINK_MEAN) - spread**2 / 2
    calls = np.array([s.end + 0.08 for s in segments] + [float(s) + 0.02 for s in saccades])
    out: list[float] = []
    t = float(rng.uniform(0.9, _FIRST_BLINK))
    while t < duration - 0.3:
        near = calls[np.abs(calls - t) < _DRAWN] if len(calls) else calls
        at = float(near[np.argmin(np.abs(near - t))]) if len(near) else t
        if (not out or at - out[-1] > _BLINK_SHORTEST * 0.6) and 0.15 < at < duration - 0.25:
            out.append(at)
        t = at + float(np.clip(np.exp(rng.normal(middle, spread)), _BLINK_SHORTEST, _BLINK_LONGEST))
    return np.asarray(out, np.float32)


def lids(moments: Floats, frames: int, fps: float, lag: float) -> Floats:
    """How far a lid is shut in each frame of video, (frames,); every blink has a shut frame.

    lag: seconds by which this eye's lid comes late, 0 to 0.02.
    """
    out = np.zeros(frames, np.float32)
    for moment in moments:
        peak = round(float(moment) * fps) / fps
        t = np.arange(frames) / fps - peak
        shape = np.interp(t - lag, _BLINK_TIMES, _BLINK_SHAPE)
        shape[np.abs(t) < 0.5 / fps] = 1
        out = np.maximum(out, shape)
    return out
