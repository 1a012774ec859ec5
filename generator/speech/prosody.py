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
#: An accent is at least this strong.
_WEAKEST: Final = 0.5
#: Sound fainter than this share of the loud frames has no pitch.
_FAINT: Final = 0.05
#: Live: seconds of a vowel that are heard before it is judged, seconds of pitch and of loudness
#: that it is judged against.
_SOON: Final = 0.09
_PITCH_PAST: Final = 1.5
_LOUD_PAST: Final = 10.0


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
    r[loud < _FAINT * np.percentile(loud, 95)] = 0
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
    tone = _tone(f0)
    found = [_prominence(span, tone, loudness) for span in spans if span.phone in VOWELS]
    return _thinned(found)


def _tone(f0: Floats) -> Floats:
    """Semitones above the phrase's own slow line, which falls all the time."""
    voiced = f0 > 0
    if not voiced.any():
        return np.zeros(len(f0), np.float32)
    log = np.where(voiced, 12 * np.log2(np.maximum(f0, 1) / np.median(f0[voiced])), 0)
    weight = gaussian_filter1d(voiced.astype(np.float32), 1.5)
    tone = gaussian_filter1d(np.where(voiced, log, 0), 1.5) / np.maximum(weight, 0.2)
    return np.asarray(tone - uniform_filter1d(tone, int(1.5 * RATE)), np.float32)


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
        if accent.strength >= _WEAKEST and all(abs(accent.t - k.t) >= _APART for k in kept):
            kept.append(accent)
    return tuple(sorted(kept))


class Live:
    """Accents of a voice that arrives: each vowel is judged 90 ms after it began, against the
    pitch of the last second and a half and the loudness of the last ten."""

    def __init__(self) -> None:
        self._odd = np.zeros(0, np.float32)
        self._half = np.zeros(_WINDOW // 2, np.float32)
        self._strength: list[tuple[Floats, float]] = []
        self._loud: list[float] = []
        self._pitched = self._levels = 0  # frames of each that were ever heard
        self._judged = 0  # feature frame up to which vowels were judged
        self._last = -1.0

    def hear(self, pcm: Floats, log_mel: Floats) -> None:
        """The next samples at 16 kHz and the log mel power of the frames they completed."""
        pcm = np.concatenate((self._odd, pcm))
        even = len(pcm) // 2 * 2
        self._odd = pcm[even:]
        self._half = np.concatenate((self._half, pcm[:even].reshape(-1, 2).mean(axis=1)))
        hop = _SOUND // RATE
        frames = max(0, (len(self._half) - _WINDOW) // hop + 1)
        if frames:
            cut = np.lib.stride_tricks.sliding_window_view(self._half, _WINDOW)[::hop][:frames]
            self._strength += zip(*_strengths(cut), strict=True)
            self._half = self._half[frames * hop :]
        self._pitched += frames
        self._levels += len(log_mel)
        self._loud += [float(x) for x in 10 * np.log10(np.exp(log_mel).sum(axis=1) + 1e-14)]
        del self._strength[: -int(_PITCH_PAST * RATE)]
        del self._loud[: -int(_LOUD_PAST * FRAME_RATE)]

    def accents(self, spans: Sequence[Span], known: int) -> tuple[Accent, ...]:
        """The accents found since the last call; spans: the phones of late, known: feature
        frames heard."""
        soon = int(_SOON * FRAME_RATE)
        fresh = [
            s for s in spans
            if s.phone in VOWELS and s.start >= self._judged and known - s.start >= soon
        ]  # fmt: skip
        if not fresh or not self._strength:
            return ()
        self._judged = fresh[-1].start + soon
        tone, loud = self._past(known)
        first = known - len(loud)
        found = []
        for span in fresh:
            inside = Span(span.phone, span.start - first, min(span.end, known) - first)
            if inside.start >= 0:
                t, strength = _prominence(inside, tone, loud)
                found.append(Accent(t + first / FRAME_RATE, strength))
        kept = [a for a in _thinned(found) if a.t - self._last >= _APART]
        if kept:
            self._last = kept[-1].t
        return tuple(kept)

    def _past(self, known: int) -> tuple[Floats, Floats]:
        """Tone at 50 and loudness at 100 values a second, both over the last _PITCH_PAST and up
        to `known`."""
        r = np.stack([row for row, _ in self._strength])
        level = np.array([loud for _, loud in self._strength], np.float32)
        r[level < _FAINT * np.percentile(level, 95)] = 0
        tone = _tone(_best_path(r))
        count = min(2 * len(tone), len(self._loud))
        loud = np.asarray(self._loud, np.float32) - np.percentile(self._loud, 98)
        # Pitch is known up to 25 ms less far than loudness; its last value is held.
        behind = max(0, (known + 1) // 2 - self._pitched)
        tone = np.concatenate((tone[behind:], np.full(behind, tone[-1], np.float32)))
        return tone, np.asarray(np.clip(loud, -60, 0)[len(loud) - count :], np.float32)
