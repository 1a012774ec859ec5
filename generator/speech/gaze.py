"""Gaze and blinks.

Gaze: the "Eyes Alive" model of a speaking person (Lee, Badler and Badler 2002; constants as in
SmartBody's me_ct_saccade.cpp): held on the listener for about 3.1 s, away for about 0.9 s, and
small drifts in between; the eyes counter-rotate to the head (VOR), so that they stay on what they
look at. Blinks: log-normal intervals, drawn to pauses, with the shape of VanderWerf et al. 2003.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

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
#: A blink begins this long before its peak, the other eye's lag included.
LID_AHEAD: Final = 0.16
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
    for look in looks(rng):
        if look.start >= count / RATE:
            break
        _look(target, look.start, look.end, np.add(direction, look.offset))
        jumps += [look.start] if look.away else []
    path = _travelled(target)
    in_head = np.clip(path - VOR * head[:, :2], -LIMIT, LIMIT)
    return np.asarray(in_head, np.float32), np.asarray(jumps, np.float32)


class Look(NamedTuple):
    """The eyes rest from start to end (seconds) at an offset (degrees) from the main direction.
    away: this is a glance aside, not a drift."""

    start: float
    end: float
    offset: NDArray[np.float64]
    away: bool


def looks(rng: np.random.Generator) -> Iterator[Look]:
    """Where a speaking person looks, one rest after the other, for ever."""
    t = 0.5  # the first look is the photo's own
    away = rng.exponential(_MUTUAL) + 0.8
    while True:
        step = float(rng.uniform(0.35, 1.1))
        if t + step >= away:
            offset = _saccade(rng)
            back = away + max(0.25, float(rng.exponential(_AWAY)))
            yield Look(away, back, offset, True)
            t = back
            away = back + max(0.6, float(rng.exponential(_MUTUAL)))
        else:
            yield Look(t, t + step, rng.normal(0, (0.6, 0.35)), False)
            t += step


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


def lids(
    moments: Sequence[float] | Floats, frames: int, fps: float, lag: float, first: int = 0
) -> Floats:
    """How far a lid is shut in each frame of video, (frames,); every blink has a shut frame.

    lag: seconds by which this eye's lid comes late, 0 to 0.02. first: the number of the first
    frame.
    """
    out = np.zeros(frames, np.float32)
    for moment in moments:
        peak = round(float(moment) * fps) / fps
        t = (first + np.arange(frames)) / fps - peak
        shape = np.interp(t - lag, _BLINK_TIMES, _BLINK_SHAPE)
        shape[np.abs(t) < 0.5 / fps] = 1
        out = np.maximum(out, shape)
    return out


class Sight:
    """The gaze of `gaze`, one step of 1 / RATE after the other."""

    def __init__(self, direction: tuple[float, float], rng: np.random.Generator) -> None:
        self._direction = np.asarray(direction, np.float64)
        self._looks = looks(rng)
        self._coming: list[Look] = [next(self._looks)]
        self._from = self._to = self._direction
        self._since = self._steps = 1
        self._at = 0
        self.jumps: tuple[float, ...] = ()

    def step(self, head: Floats) -> Floats:
        """Gaze in a head turned like this (3,), in degrees, (2,). `jumps` then holds the times of
        the glances aside of the last and the next second."""
        t, i = self._at / RATE, self._at
        self._at += 1
        while self._coming[-1].start < t + 1.0:
            self._coming.append(next(self._looks))
        while int(self._coming[0].end * RATE) + 1 <= i and t - self._coming[0].start > 1.0:
            del self._coming[0]
        self.jumps = tuple(c.start for c in self._coming if c.away and c.start < t + 1.0)
        self._aim(i)
        share = smooth(self._since / self._steps) if self._since < self._steps else 1.0
        looked = self._from + (self._to - self._from) * share
        return np.asarray(np.clip(looked - VOR * head[:2], -LIMIT, LIMIT), np.float32)

    def _aim(self, i: int) -> None:
        """What is looked at in step i, and how long the eyes have been on their way."""
        target = self._direction
        for look in self._coming:
            if int(look.start * RATE) <= i < int(look.end * RATE) + 1:
                target = self._direction + look.offset
        self._since += 1
        size = float(np.hypot(*(target - self._to)))
        if size > 1e-6:
            self._from, self._to, self._since = self._to, target, 1
            self._steps = max(1, round((0.025 + 0.0024 * size) * RATE))


class LiveBlinks:
    """The blinks of `blinks`, one step of 1 / RATE after the other. `moments` holds those of the
    last seconds and the one that comes next, once it is certain."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._next = float(rng.uniform(0.9, _FIRST_BLINK))
        self.moments: tuple[float, ...] = ()

    def step(self, t: float, segments: Sequence[Segment], saccades: Sequence[float]) -> None:
        """At t seconds; segments: the last places of speech; saccades: the last and next ones."""
        ahead = t + LID_AHEAD
        calls = [s.end + 0.08 for s in segments] + [s + 0.02 for s in saccades]
        near = [c for c in calls if abs(c - self._next) < _DRAWN and c >= ahead]
        at = min([*near, self._next])
        if at > ahead + 1 / RATE:
            return
        if not self.moments or at - self.moments[-1] > _BLINK_SHORTEST * 0.6:
            self.moments = (*self.moments[-3:], at)
        spread = np.sqrt(np.log(1 + _BLINK_VARIATION**2))
        pause = np.exp(self._rng.normal(np.log(_BLINK_MEAN) - spread**2 / 2, spread))
        self._next = at + float(np.clip(pause, _BLINK_SHORTEST, _BLINK_LONGEST))
