"""Prosody: how high and how loud somebody speaks, and which syllables stand out.

F0 is found by normalised autocorrelation with five candidates a frame and a Viterbi search (the
plan of Boersma 1993), 65 to 450 Hz, 50 values a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from primafacie.generator.speech.align import Span
from primafacie.generator.speech.mel import FRAME_RATE
from primafacie.generator.speech.phones import VOWELS

Floats = NDArray[np.float32]

RATE: Final = 50
_SOUND: Final = 8_000
_WINDOW: Final = 400
_FFT: Final = 1024
_BLOCK: Final = 2000
_LOWEST: Final = 65.0
_HIGHEST: Final = 450.0
_CANDIDATES: Final = 5
_VOICED: Final = 0.45
_OCTAVE_COST: Final = 0.35
_VOICING_COST: Final = 0.14
#: Accents closer together than this are one.
_APART: Final = 0.28


class Accent(NamedTuple):
    """A syllable that stands out, at t seconds; strength 0 to 1."""

    t: float
    strength: float


def pitch(pcm16k: Floats) -> Floats:
    """F0 in Hz, 50 values a second, 0 where the voice does not sound, (ceil(N / 320),)."""
    half = np.asarray(pcm16k[: len(pcm16k) // 2 * 2].reshape(-1, 2).mean(axis=1), np.float32)
    frames = len(pcm16k) // 320
    if frames < 2:
        return np.zeros(frames, np.float32)
    padded = np.pad(half, (_WINDOW // 2, _WINDOW))
    cut = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[:: _SOUND // RATE][:frames]
    blocks = [_strengths(cut[at : at + _BLOCK]) for at in range(0, frames, _BLOCK)]
    r, loud = (np.concatenate(part) for part in zip(*blocks, strict=True))
    r[loud < 0.05 * np.percentile(loud, 95)] = 0
    return _best_path(r)


def _strengths(cut: Floats) -> tuple[Floats, Floats]:
    """Normalised autocorrelation (T, lags) and level (T,) of frames (T, _WINDOW)."""
    cut = cut - cut.mean(axis=1, keepdims=True)
    window = np.hanning(_WINDOW).astype(np.float32)
    r = _autocorrelation(cut * window) / _autocorrelation(window[None])
    level = np.sqrt((cut**2).mean(axis=1))
    return r / np.maximum(r[:, :1], 1e-9), np.asarray(level, np.float32)


def _autocorrelation(x: Floats) -> Floats:
    spectrum = np.fft.rfft(x, _FFT)
    lags = int(_SOUND / _LOWEST) + 2
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2)[:, :lags], np.float32)


def _best_path(r: Floats) -> Floats:
    low, high = int(_SOUND / _HIGHEST), int(_SOUND / _LOWEST)
    middle = r[:, low : high + 1]
    peak = (middle >= r[:, low - 1 : high]) & (middle > r[:, low + 1 : high + 2])
    lags = np.arange(low, high + 1)
    # A small bonus for short lags keeps the search from falling an octave.
    worth = np.where(peak, middle - 0.01 * np.log2(lags / low), 0)
    order = np.argsort(-worth, axis=1)[:, :_CANDIDATES]
    strength = np.take_along_axis(worth, order, 1)
    octave = np.log2(_SOUND / lags)[order]
    # The last candidate is "no voice", as good as a strength of _VOICED.
    value = np.concatenate([strength, np.full((len(r), 1), _VOICED)], axis=1)
    octave = np.concatenate([octave, np.full((len(r), 1), np.nan)], axis=1)
    total, came = value[0], []
    for t in range(1, len(r)):
        jump = np.abs(octave[t][None, :] - octave[t - 1][:, None]) * _OCTAVE_COST
        silent = np.isnan(octave[t][None, :]) != np.isnan(octave[t - 1][:, None])
        cost = np.where(np.isnan(jump), silent * _VOICING_COST, jump)
        choice = total[:, None] - cost
        came.append(choice.argmax(axis=0))
        total = choice.max(axis=0) + value[t]
    state = int(total.argmax())
    out = np.zeros(len(r), np.float32)
    for t in range(len(r) - 1, -1, -1):
        out[t] = 0 if np.isnan(octave[t, state]) else 2 ** octave[t, state]
        state = int(came[t - 1][state]) if t else state
    return out


def accents(f0: Floats, loudness: Floats, spans: Sequence[Span]) -> tuple[Accent, ...]:
    """The syllables that stand out by pitch and loudness, the word's own stress counting too.

    loudness: dB, 100 values a second, as mel.loudness gives it.
    """
    if not len(f0) or not spans:
        return ()
    voiced = f0 > 0
    tone = np.zeros(len(f0), np.float32)
    if voiced.any():
        log = np.where(voiced, 12 * np.log2(np.maximum(f0, 1) / np.median(f0[voiced])), 0)
        weight = gaussian_filter1d(voiced.astype(np.float32), 1.5)
        tone = gaussian_filter1d(np.where(voiced, log, 0), 1.5) / np.maximum(weight, 0.2)
        # Above the phrase's own slow line, which falls all the time.
        tone = tone - uniform_filter1d(tone, int(1.5 * RATE))
    found = [_prominence(span, tone, loudness) for span in spans if span.phone in VOWELS]
    return _thinned(found)


def _prominence(span: Span, tone: Floats, loudness: Floats) -> Accent:
    t = (span.start + span.end) / 2 / FRAME_RATE
    first = min(int(span.start / FRAME_RATE * RATE), len(tone) - 1)
    last = max(first + 1, int(span.end / FRAME_RATE * RATE))
    high = float(tone[first:last].max())
    loud = float(loudness[span.start : span.end].max()) if span.end > span.start else -60.0
    long = (span.end - span.start) / FRAME_RATE
    value = 0.5 + 0.11 * high + 0.03 * (loud + 6) + 1.2 * (long - 0.1) + 0.22 * span.stressed
    return Accent(t, float(np.clip(value, 0, 1)))


def _thinned(found: list[Accent]) -> tuple[Accent, ...]:
    """The strongest first, none within _APART of a stronger one, weak ones left out."""
    kept: list[Accent] = []
    for accent in sorted(found, key=lambda a: (-a.strength, a.t)):
        if accent.strength >= 0.5 and all(abs(accent.t - k.t) >= _APART for k in kept):
            kept.append(accent)
    return tuple(sorted(kept))
