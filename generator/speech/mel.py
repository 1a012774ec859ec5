"""Log-mel features: what the speech network hears.

Frame i is centred at (i + 0.5) * 10 ms; 25 ms Hann windows, 512-point FFT, 48 bands from 60 Hz to
7.6 kHz, natural log, floored 60 dB below the loudest and freed of the recording's own colour.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

RATE: Final = 16_000
HOP: Final = 160
BANDS: Final = 48
#: Pauses are as loud as the quietest so many per cent of the frames; a held note has few of them.
QUIET: Final = 1
#: Feature frames a second.
FRAME_RATE: Final = RATE / HOP
_WINDOW: Final = 400
_FFT: Final = 512
_EMPHASIS: Final = 0.97
_BLOCK: Final = 3000


@cache
def filterbank(low: float = 60.0, high: float = 7600.0, warp: float = 1.0) -> Floats:
    """Area-normalised triangles, (257, BANDS); `warp` moves their centres for augmentation."""

    def mel(f: float) -> float:
        return float(2595 * np.log10(1 + f / 700))

    points = 700 * (10 ** (np.linspace(mel(low), mel(high), BANDS + 2) / 2595) - 1)
    if warp != 1:
        # Below 4.8 kHz by the full factor, above it in a line that still ends at `high`.
        points = np.interp(points, [0, 4800 / max(warp, 1), high], [0, 4800 * min(warp, 1), high])
    bins = np.arange(_FFT // 2 + 1) * RATE / _FFT
    left, centre, right = points[:-2], points[1:-1], points[2:]
    rise = (bins[:, None] - left) / (centre - left)
    fall = (right - bins[:, None]) / (right - centre)
    triangles = np.maximum(0, np.minimum(rise, fall)) * 2 / (right - left) * (RATE / _FFT)
    return np.asarray(triangles, np.float32)


def power(pcm: Floats, bank: Floats | None = None) -> Floats:
    """Mel power per 10 ms frame, (N // HOP, BANDS), before the logarithm."""
    before = (_WINDOW - HOP) // 2
    frames = len(pcm) // HOP
    sharp = np.zeros(frames * HOP + _WINDOW, np.float32)
    taken = pcm[: len(sharp) - before]
    sharp[before : before + len(taken)] = sharpened(taken, 0.0)
    return windowed(sharp, frames, bank)


def sharpened(pcm: Floats, before: float) -> Floats:
    """Pre-emphasised sound; before: the sample that came before the first."""
    late = np.concatenate((np.array([before], np.float32), pcm[:-1]))
    return np.asarray(pcm - np.float32(_EMPHASIS) * late, np.float32)


def windowed(sharp: Floats, frames: int, bank: Floats | None = None) -> Floats:
    """Mel power of `frames` windows, (frames, BANDS); window i begins at sample i * HOP of the
    pre-emphasised sound, which must be _WINDOW - HOP samples longer than the frames."""
    bank = filterbank() if bank is None else bank
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(sharp, _WINDOW)[: frames * HOP : HOP]
    out = np.empty((frames, BANDS), np.float32)
    for at in range(0, frames, _BLOCK):
        spectrum = np.fft.rfft(cut[at : at + _BLOCK] * window, _FFT)
        out[at : at + _BLOCK] = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ bank
    return np.asarray(out, np.float32)


class Live:
    """Mel power of sound that arrives piece by piece: the frames of `power`, as soon as their
    windows are full."""

    def __init__(self) -> None:
        self._rest = np.zeros((_WINDOW - HOP) // 2, np.float32)
        self._last = 0.0

    def hear(self, pcm: Floats) -> Floats:
        """The frames that are now complete, (k, BANDS)."""
        if not len(pcm):
            return np.zeros((0, BANDS), np.float32)
        self._rest = np.concatenate((self._rest, sharpened(pcm, self._last)))
        self._last = float(pcm[-1])
        frames = max(0, (len(self._rest) - _WINDOW) // HOP + 1)
        out = windowed(self._rest, frames) if frames else np.zeros((0, BANDS), np.float32)
        self._rest = self._rest[frames * HOP :]
        return out


def normalised(mel_power: Floats, near: Mask | None = None) -> Floats:
    """Log, floored 60 dB under the loud frames, minus each band's mean over the sounding ones.

    near: (T,), near speech; only there are loud and sounding frames looked for, so that minutes of
    silence around a sentence change nothing.
    """
    log = np.log(mel_power + 1e-10)
    if not len(log):
        return np.asarray(log, np.float32)
    log = np.maximum(log, float(np.percentile(_among(log, near).max(axis=1), 98)) - 14)
    heard = _among(log, near)
    level = heard.mean(axis=1)
    sounding = level >= float(np.percentile(level, 95)) - 7
    return np.asarray((log - heard[sounding].mean(axis=0)) / 3, np.float32)


def features(pcm: Floats) -> Floats:
    """What the network takes, (N // HOP, BANDS)."""
    return normalised(power(pcm))


def loudness(mel_power: Floats, near: Mask | None = None) -> Floats:
    """Level of each frame in dB below the loud frames of the clip, or of those `near` speech, (T,),
    0 to -60."""
    level = 10 * np.log10(mel_power.sum(axis=1) + 1e-10)
    if not len(level):
        return np.asarray(level, np.float32)
    loud = float(np.percentile(_among(level, near), 98))
    return np.asarray(np.clip(level - loud, -60, 0), np.float32)


def quiet(level: Floats, near: Mask | None = None) -> float:
    """The loudness of pauses, noise included: what one frame in a hundred stays below."""
    return float(np.percentile(_among(level, near), QUIET)) if len(level) else -60.0


def _among(rows: NDArray[Any], near: Mask | None) -> NDArray[Any]:
    """The rows near speech, all of them where there are none."""
    return rows if near is None or not near.any() else rows[near]
