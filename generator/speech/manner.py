"""Manner: head, brows and eyes of somebody who is heard while speaking.

The same wander, gaze and constants as speech.gesture and speech.gaze have for a whole clip; what
there looks ahead (a turn that begins before the first word after a pause, a nod that lands on its
accent) begins here when it is heard, a fifth of a second later.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import PoseKey
from primafacie.generator.speech import gaze as eyes
from primafacie.generator.speech import gesture
from primafacie.generator.speech.gesture import RATE
from primafacie.generator.speech.prosody import Accent
from primafacie.generator.speech.vad import Segment

Floats = NDArray[np.float32]

#: Time constants: of liveliness, and of the mean of the nods.
_LIVELY: Final = 0.5
_BOWED: Final = 8.0


class Posture(NamedTuple):
    """At one moment: head yaw, pitch, roll (3,) and gaze yaw, pitch (2,) in degrees; lifts of the
    inner and outer brow, 0 to 1."""

    head: Floats
    gaze: Floats
    inner: float
    outer: float


class _Bump(NamedTuple):
    at: float
    rise: float
    fall: float
    size: tuple[float, float, float]  # nod in degrees, inner and outer brow

    def value(self, t: float) -> float:
        return float(gesture.bump(np.array([t], np.float32), self.at, self.rise, self.fall)[0])


class Manner:
    """One speaker; `advance` walks through time in steps of 1 / RATE."""

    def __init__(
        self, keys: tuple[PoseKey, ...], direction: tuple[float, float], amplitude: float,
        still: bool, move: np.random.Generator, look: np.random.Generator,
        wink: np.random.Generator,
    ) -> None:  # fmt: skip
        """still: the head is not to move, so that the eyes have nothing to undo."""
        self._still = still
        self._keys, self._amplitude = keys, amplitude
        self._towards = gesture.towards(direction)
        self._head = [gesture.Wander(child) for child in move.spawn(3)]
        self._brow = gesture.Wander(move.spawn(1)[0])
        self._rng = move
        self._step = 0
        self._level = gesture.SILENT
        self._from, self._to, self._turned = np.zeros(3), np.zeros(3), -np.inf
        self._bumps: list[_Bump] = []
        self._bowed = 0.0
        self._sight = eyes.Sight(direction, look)
        self.blinks = eyes.LiveBlinks(wink)
        self._segment = Segment(0.0, 0.0)
        self._last = [Posture(np.zeros(3, np.float32), np.zeros(2, np.float32), 0.0, 0.0)] * 2

    def posture(
        self, time: float, speaking: bool, segments: tuple[Segment, ...],
        accents: tuple[Accent, ...],
    ) -> Posture:  # fmt: skip
        """At `time`, which never goes back, after what was heard of late."""
        now = self._step / RATE
        self._turn(segments, now)
        for accent in accents:
            self._accent(accent, now)
        while self._step <= int(np.ceil(time * RATE - 1e-6)):
            self._last = [self._last[1], self._advance(speaking, segments)]
        before, after = self._last
        share = np.float32(np.clip(1 - (self._step - 1 - time * RATE), 0, 1))
        return Posture(
            before.head + (after.head - before.head) * share,
            before.gaze + (after.gaze - before.gaze) * share,
            float(before.inner + (after.inner - before.inner) * share),
            float(before.outer + (after.outer - before.outer) * share),
        )

    def _turn(self, segments: tuple[Segment, ...], now: float) -> None:
        """A new resting position where somebody speaks again after a pause."""
        if not segments or segments[-1].start <= self._segment.start:
            return
        pause = segments[-1].start - (segments[-2].end if len(segments) > 1 else 0.0)
        if len(segments) > 1 and pause >= gesture.LONG_PAUSE:
            self._from = self._turning(now)
            self._to = self._rng.normal(0, 1, 3) * gesture.TURN
            self._turned = now
        self._segment = segments[-1]

    def _turning(self, t: float) -> NDArray[np.float64]:
        share = float(gesture.smooth((t - self._turned) / gesture.TURN_TIME))
        return self._from + (self._to - self._from) * share

    def _accent(self, accent: Accent, now: float) -> None:
        nod, lift, size, ratio = self._rng.random(4)
        at, strength = max(accent.t, now + 0.14), accent.strength
        if nod < 0.8:
            deep = gesture.NOD * strength * (0.6 + 0.8 * size)
            self._bumps.append(_Bump(at + 0.02, 0.16, 0.34, (deep, 0.0, 0.0)))
        if lift < 0.05 + 0.55 * strength:
            up = 0.34 * strength
            sizes = (0.0, up * (0.6 + 0.4 * ratio), up * (1.0 - 0.4 * ratio))
            self._bumps.append(_Bump(at + 0.04, 0.18, 0.45, sizes))

    def _advance(self, speaking: bool, segments: tuple[Segment, ...]) -> Posture:
        t = self._step / RATE
        self._bumps = [b for b in self._bumps if b.at + b.fall > t]
        value = [b.value(t) for b in self._bumps]
        nod = sum(v * b.size[0] for v, b in zip(value, self._bumps, strict=True))
        self._bowed += (nod - self._bowed) / (_BOWED * RATE)
        goal = 1.0 if speaking else gesture.SILENT
        self._level += (goal - self._level) / (_LIVELY * RATE)
        spread = [w.step() * s for w, s in zip(self._head, gesture.SPREAD, strict=True)]
        head = (np.array(spread) + self._turning(t)) * self._level
        head[2] -= head[0] / 5
        head[1] += nod - self._bowed
        free = np.asarray(head[None] * self._amplitude, np.float32)
        at = np.array([t], np.float32)
        if not self._keys:
            free += self._towards
            free *= gesture.smooth(at / gesture.EASE)[:, None]
        whole = gesture.posed(at, free, self._keys)[0]
        if self._still:
            whole = np.zeros(3, np.float32)
        looking = self._sight.step(whole)
        self.blinks.step(t, segments, self._sight.jumps)
        lift = 0.05 * max(self._brow.step(), 0.0) * min(self._amplitude, 1)
        inner = max((v * b.size[1] for v, b in zip(value, self._bumps, strict=True)), default=0.0)
        outer = max((v * b.size[2] for v, b in zip(value, self._bumps, strict=True)), default=0.0)
        self._step += 1
        return Posture(whole, looking, min(inner + lift, 1.0), min(outer + lift, 1.0))
