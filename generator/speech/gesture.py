"""Gesture: the head and brows of somebody who speaks.

Real heads follow the voice only loosely (measured: best-lag r about 0.25), so most of the motion
is a slow seeded wander with the spectrum of real heads (half of its power below 0.2 to 0.6 Hz,
95 % below 1.4 to 2.6 Hz, measured on clips of real speakers; ours lie in the middle), and the voice
adds what listeners expect: a nod and a lift of the brows on accents, a new position after a
pause, less motion in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from primafacie.generator.controls import PoseKey
from primafacie.generator.motion import MAX_PITCH, MAX_ROLL, MAX_YAW
from primafacie.generator.speech.prosody import Accent
from primafacie.generator.speech.vad import Segment

Floats = NDArray[np.float32]

#: Everything here is made at this rate and then read off at the video's.
RATE: Final = 50
#: Standard deviation of the wander in degrees: yaw, pitch, roll.
SPREAD: Final = (2.4, 1.25, 0.85)
#: The wander's power falls from here on, in Hz, and is gone above _CUT. Below _HOME it falls too:
#: a head that speaks to somebody does not stay away.
_CORNER: Final = 0.6
_CUT: Final = 4.0
_HOME: Final = 0.1
_KERNEL: Final = 12.0
#: Standard deviation of the new position taken after a pause.
TURN: Final = (1.7, 0.8, 0.5)
TURN_TIME: Final = 0.55
LONG_PAUSE: Final = 0.4
#: How still a silent head is beside a speaking one.
SILENT: Final = 0.45
NOD: Final = 2.1
#: The wander that is left beside a pose somebody asked for.
_WITH_KEYS: Final = 0.2
#: It has died away within about this many seconds of such a pose.
_KEY_HOLD: Final = 0.4
#: The head helps the eyes beyond this angle, in degrees, with this share of the rest.
_EYES_ALONE: Final = 8.0
_HEAD_SHARE: Final = 0.5
#: Seconds in which the head leaves the photo's pose and comes back to it.
EASE: Final = 0.8


class Gesture(NamedTuple):
    """head (F, 3): yaw, pitch, roll in degrees. inner, outer (F,): lift of the brows, 0 to 1."""

    head: Floats
    inner: Floats
    outer: Floats


def wander(count: int, rng: np.random.Generator) -> Floats:
    """Unit-variance noise with the spectrum of heads, at RATE, (count,).

    A longer wander from the same generator state begins with the shorter one.
    """
    kernel = _kernel()
    white = rng.standard_normal(count + len(kernel) - 1)
    size = 1 << (len(white) + len(kernel)).bit_length()
    made = np.fft.irfft(np.fft.rfft(white, size) * np.fft.rfft(kernel, size), size)
    return np.asarray(made[len(kernel) - 1 : len(kernel) - 1 + count], np.float32)


@cache
def _kernel() -> Floats:
    """The filter that gives white noise the power spectrum f^2 / (f^2 + home^2) / (1 + (f /
    corner)^2)^1.5."""
    size = int(2 * _KERNEL * RATE)
    f = np.fft.rfftfreq(size, 1 / RATE)
    gain = (1 + (f / _CORNER) ** 2) ** -0.75 * np.exp(-((f / _CUT) ** 4))
    gain *= f / np.hypot(f, _HOME)
    kernel = np.roll(np.fft.irfft(gain, size), size // 2) * np.hanning(size)
    return np.asarray(kernel / np.sqrt(np.sum(kernel**2)), np.float32)


class Wander:
    """The same wander, one value after the other."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._turned = _kernel()[::-1].copy()
        self._white = np.zeros(0)

    def step(self) -> float:
        """The next value, 1 / RATE later."""
        size = len(self._turned)
        if len(self._white) < size:
            more = self._rng.standard_normal(2 * size - len(self._white))
            self._white = np.concatenate((self._white, more))
        value = float(self._white[:size] @ self._turned)
        self._white = self._white[1:]
        return value


def smooth(x: ArrayLike) -> Floats:
    """0 to 1 with no sudden start or stop (minimum jerk)."""
    x = np.clip(np.asarray(x, np.float64), 0, 1)
    return np.asarray(x**3 * (10 - 15 * x + 6 * x**2), np.float32)


def bump(t: Floats, at: float, rise: float, fall: float) -> Floats:
    """1 at `at`, smoothly from and to 0 within `rise` before and `fall` after."""
    return np.where(t < at, smooth((t - at + rise) / rise), smooth((at + fall - t) / fall))


def gesture(
    duration: float, segments: Sequence[Segment], accents: Sequence[Accent],
    keys: tuple[PoseKey, ...], amplitude: float, rng: np.random.Generator,
    direction: tuple[float, float] = (0.0, 0.0),
) -> Gesture:  # fmt: skip
    """Head and brows at RATE; amplitude 1 is as measured on real speakers, 0 is still.

    direction: where the eyes mainly look, in degrees; the head turns a part of a long way.
    """
    count = int(np.ceil(duration * RATE)) + 1
    t = np.asarray(np.arange(count) / RATE, np.float32)
    head = np.stack([wander(count, child) * s for child, s in
                     zip(rng.spawn(3), SPREAD, strict=True)], axis=1)  # fmt: skip
    brow = wander(count, rng.spawn(1)[0])
    head += _turns(t, segments, rng)
    head *= _liveliness(count, segments)[:, None]
    head[:, 2] -= head[:, 0] / 5  # a turning head tilts a little against the turn
    nods, inner, outer = _accented(t, accents, rng)
    head[:, 1] += nods
    head *= amplitude
    if not keys:
        head += towards(direction)
        head *= np.minimum(smooth(t / EASE), smooth((duration - t) / EASE))[:, None]
    head = posed(t, head, keys)
    lift = 0.05 * np.maximum(brow, 0) * min(amplitude, 1)
    return Gesture(head, np.clip(inner + lift, 0, 1), np.clip(outer + lift, 0, 1))


def _turns(t: Floats, segments: Sequence[Segment], rng: np.random.Generator) -> Floats:
    """A new resting position each time somebody speaks again after a pause."""
    out = np.zeros((len(t), 3), np.float32)
    at = np.zeros(3)
    for before, after in pairwise(segments):
        if after.start - before.end < LONG_PAUSE:
            continue
        to = rng.normal(0, 1, 3) * TURN
        step = smooth((t - after.start + 0.6 * TURN_TIME) / TURN_TIME)
        out += step[:, None] * np.asarray(to - at, np.float32)
        at = to
    return out


def _liveliness(count: int, segments: Sequence[Segment]) -> Floats:
    level = np.full(count, SILENT, np.float32)
    for start, end in segments:
        level[int(start * RATE) : int(end * RATE) + 1] = 1
    return np.asarray(gaussian_filter1d(level, 0.5 * RATE, mode="nearest"), np.float32)


def _accented(
    t: Floats, accents: Sequence[Accent], rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Nods in degrees and lifts of the inner and outer brow; not every accent has both."""
    nods, inner, outer = (np.zeros(len(t), np.float32) for _ in range(3))
    for at, strength in accents:
        nod, lift, size, ratio = rng.random(4)
        if nod < 0.8:
            nods += NOD * strength * (0.6 + 0.8 * size) * bump(t, at + 0.02, 0.16, 0.34)
        if lift < 0.05 + 0.55 * strength:
            up = 0.34 * strength * bump(t, at, 0.18, 0.45)
            inner = np.maximum(inner, up * (0.6 + 0.4 * ratio))
            outer = np.maximum(outer, up * (1.0 - 0.4 * ratio))
    # A head that nods comes from above: the mean of the nods is no bowed head.
    return nods - nods.mean(), inner, outer


def towards(direction: tuple[float, float]) -> Floats:
    """What the head adds to a far main direction of gaze, yaw, pitch, roll in degrees, (3,)."""
    yaw, pitch = (float(np.sign(d) * max(abs(d) - _EYES_ALONE, 0) * _HEAD_SHARE) for d in direction)
    return np.array([yaw, pitch, 0.0], np.float32)


def posed(t: Floats, free: Floats, keys: tuple[PoseKey, ...]) -> Floats:
    """The head at times t (T,), from its free motion (T, 3) and the poses asked for, which are
    met at their times to the hundredth of a degree."""
    limit = np.array([MAX_YAW, MAX_PITCH, MAX_ROLL], np.float32)
    if not keys:
        return _limited(free, limit)
    asked = _keyed(t, keys)
    nearest = np.abs(t[:, None] - np.array([k.t for k in keys], np.float32)).min(axis=1)
    loose = _WITH_KEYS * (1 - np.exp(-((nearest / _KEY_HOLD) ** 2)))
    room = np.maximum(limit - np.abs(asked), 1e-3)
    return np.asarray(asked + room * np.tanh(free * loose[:, None] / room), np.float32)


def _keyed(t: Floats, keys: tuple[PoseKey, ...]) -> Floats:
    """The asked-for poses, without overshoot between them."""
    times, rows, curve = _curve(keys)
    if curve is None:
        return np.asarray(np.repeat(rows, len(t), axis=0), np.float32)
    return np.asarray(curve(np.clip(t, times[0], times[-1])), np.float32)


@lru_cache(maxsize=8)
def _curve(keys: tuple[PoseKey, ...]) -> tuple[Floats, Floats, PchipInterpolator | None]:
    last = {k.t: k for k in keys}
    order = [last[at] for at in sorted(last)]
    times = np.array([k.t for k in order])
    rows = np.array([(k.yaw, k.pitch, k.roll) for k in order])
    return times, rows, PchipInterpolator(times, rows) if len(order) > 1 else None


def _limited(head: Floats, limit: Floats) -> Floats:
    """Within what one photo can be turned: straight to 70 % of the limit, then ever slower."""
    knee = 0.7 * limit
    over = np.maximum(np.abs(head) - knee, 0)
    soft = knee + (limit - knee) * np.tanh(over / (limit - knee))
    return np.asarray(np.where(np.abs(head) > knee, np.sign(head) * soft, head), np.float32)
