"""Take: one sentence as one face spoke it, seen from outside; and what can be said of takes.

Times of phones come from the voice (espeak-ng knows its own, recordings are aligned), never from
the engine, so a track that heard wrongly scores badly. Every function here pools over the takes
it is given and returns NaN where they hold nothing to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.speech import phones
from primafacie.generator.watcher import SHUT, Watched

Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: How wide each class of phones opens the lips, by the height of the tongue alone (IPA chart):
#: open vowels 1, mid 0.6, close 0.3, consonants 0.15, lips shut 0. Nothing here is the engine's.
_WIDE: Final = {"aa": 1.0, "ae": 1.0, "ah": 0.7, "ao": 0.7, "eh": 0.6, "er": 0.5, "ih": 0.35,
                "iy": 0.3, "uh": 0.35, "uw": 0.25, "uy": 0.25, "y": 0.25, "w": 0.15, "hh": 0.4,
                "pb": 0.0, "m": 0.0, "fv": 0.05, "sil": 0.0}  # fmt: skip
_CONSONANT: Final = 0.15
_OPEN: Final = ("aa", "ae")
#: A closure is looked for from 60 ms before a phone to 20 ms after it.
_BEFORE, _AFTER = 0.060, 0.020
#: Lips this close count as sealed: eye distances, or a share of the take's own opening.
_SEALED: Final = (0.03, 0.15)
_LAGS: Final = np.arange(-0.32, 0.3201, 0.04)
#: The lips may lead the sound by this much, and never follow it.
LEADS: Final = (-0.120, 0.0)
_LONGEST_BLINK: Final = 0.6


class Sound(NamedTuple):
    """A phone class of speech.phones, from start to end in seconds."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """sounds: what was said. end: when the last of it ends. samples: every tenth frame, for what
    is too dear to measure on all of them."""

    name: str
    watched: Watched
    sounds: tuple[Sound, ...]
    samples: tuple[Picture, ...] = ()

    @property
    def end(self) -> float:
        """Seconds at which nothing is said any more."""
        return max((s.end for s in self.sounds), default=0.0)

    def minimum(self, sound: Sound) -> float:
        """The least aperture round a phone."""
        part = self._part(sound.start - _BEFORE, sound.end + _AFTER)
        return float(np.nanmin(part)) if len(part) else float("nan")

    def maximum(self, sound: Sound) -> float:
        """The widest aperture within a phone."""
        part = self._part(sound.start, sound.end)
        return float(np.nanmax(part)) if len(part) else float("nan")

    def sealed_below(self) -> float:
        """The aperture that still counts as sealed lips in this take."""
        low, high = np.nanpercentile(self.watched.aperture, [5, 95])
        return max(_SEALED[0], float(low + _SEALED[1] * (high - low)))

    def of(self, *kinds: str) -> tuple[Sound, ...]:
        """The phones of these classes."""
        return tuple(s for s in self.sounds if s.kind in kinds)

    def _part(self, start: float, end: float) -> Doubles:
        """Frames that are on screen at some time between start and end."""
        fps = self.watched.fps
        first, last = int(np.floor(start * fps)), int(np.ceil(end * fps))
        part = self.watched.aperture[max(0, first) : max(0, last)]
        return part if np.isfinite(part).any() else part[:0]


def sounds_of(marks: Sequence[tuple[str, float, float]]) -> tuple[Sound, ...]:
    """IPA phones with their times as classes; a phone of several parts is cut into them."""
    found = []
    for ipa, start, end in marks:
        at = start
        for part in phones.from_ipa(ipa):
            until = at + part.share * (end - start)
            found.append(Sound(phones.CLASSES[part.phone], at, until))
            at = until
    return tuple(found)


# 1, 2, 5: closures -------------------------------------------------------------------------------


def sealed(takes: Sequence[Take]) -> float:
    """Share of p, b and m on which the lips met."""
    hits = [t.minimum(s) <= t.sealed_below() for t in takes for s in t.of("pb", "m")]
    return float(np.mean(hits)) if hits else float("nan")


def separable(takes: Sequence[Take]) -> float:
    """AUC: how surely a p, b or m (at its narrowest) is told from an open vowel (at its widest)."""
    shut = [t.minimum(s) for t in takes for s in t.of("pb", "m")]
    wide = [t.maximum(s) for t in takes for s in t.of(*_OPEN)]
    if not shut or not wide:
        return float("nan")
    a, b = np.array(shut)[:, None], np.array(wide)[None, :]
    return float(np.mean(np.where(a < b, 1.0, np.where(a == b, 0.5, 0.0))))


def tucked(takes: Sequence[Take]) -> float:
    """Share of f and v on which the lower lip came near the teeth: the lips at most 0.035
    eye distances, or 0.2 of the take's own opening, apart. Teeth themselves are not seen."""
    hits = []
    for t in takes:
        low, high = np.nanpercentile(t.watched.aperture, [5, 95])
        near = max(0.035, float(low + 0.2 * (high - low)))
        hits += [t.minimum(s) <= near for s in t.of("fv")]
    return float(np.mean(hits)) if hits else float("nan")


# 3: timing ---------------------------------------------------------------------------------------


class Timing(NamedTuple):
    """r between what the phones ask and what the lips do, at the best lag (seconds, negative: the
    lips lead); null: the 95th percentile of r when the phones belong to other moments."""

    r: float
    lag: float
    null: float


def timing(takes: Sequence[Take]) -> Timing:
    """How well and when the lips follow the phones."""
    scores = np.array([np.mean([_follows(t, lag) for t in takes]) for lag in _LAGS])
    best = int(np.nanargmax(scores))
    rng = np.random.default_rng(5)
    far = [
        np.mean([_follows(t, float(rng.uniform(0.6, max(0.7, t.end - 0.6))), True) for t in takes])
        for _ in range(40)
    ]
    return Timing(float(scores[best]), float(_LAGS[best]), float(np.nanpercentile(far, 95)))


def _follows(take: Take, lag: float, around: bool = False) -> float:
    watched = take.watched
    at = np.arange(len(watched)) / watched.fps
    asked = _asked(take.sounds, at - lag if not around else np.mod(at + lag, max(take.end, 0.1)))
    spoken = (at < take.end + 0.2) & np.isfinite(watched.aperture)
    a, b = asked[spoken], watched.aperture[spoken]
    if len(a) < 8 or a.std() < 1e-9 or b.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _asked(sounds: Sequence[Sound], at: Doubles) -> Doubles:
    """The opening the phones ask for, averaged over the 100 ms round each moment."""
    grid = np.arange(-0.5, max((s.end for s in sounds), default=0.0) + 1.0, 0.01)
    wide = np.zeros(len(grid))
    for s in sounds:
        wide[(grid >= s.start) & (grid < s.end)] = _WIDE.get(s.kind, _CONSONANT)
    soft = np.convolve(wide, np.ones(10) / 10, "same")
    return np.asarray(np.interp(at, grid, soft), np.float64)


# 4: silence --------------------------------------------------------------------------------------


def shut_after(takes: Sequence[Take]) -> float:
    """Seconds after the last sound until the lips stay within 0.02 of their rest, in the slowest
    of the takes; a mouth that never shuts counts to the end of its clip."""
    return max((_until_shut(t) for t in takes), default=float("nan"))


def _until_shut(take: Take) -> float:
    fps, aperture = take.watched.fps, take.watched.aperture
    first = round(take.end * fps)
    tail = aperture[first:]
    if len(tail) == 0:
        return float("nan")
    rest = min(float(np.nanmedian(aperture[: max(3, round(0.2 * fps))])), 0.02)
    open_ = np.flatnonzero(np.nan_to_num(tail, nan=0.0) > rest + 0.02)
    return 0.0 if len(open_) == 0 else float((open_[-1] + 1) / fps)


# 6: head -----------------------------------------------------------------------------------------


class Head(NamedTuple):
    """speed: mean change of yaw, pitch and roll per 40 ms, as one angle in degrees, below 5 Hz.
    spread: standard deviation of each. half, most: Hz below which 50 and 95 % of the power lie,
    NaN where nothing moves."""

    speed: float
    spread: tuple[float, float, float]
    half: float
    most: float


def head(takes: Sequence[Take], held: Sequence[Take] = ()) -> Head:
    """How the head moves. held: the same takes with the head held still. What is read as movement
    there (landmarks that tremble or follow a mouth) is the reading's own noise; its power is taken
    from that of the takes."""
    still = [t.watched.pose for t in held]
    return head_of([t.watched.pose for t in takes], takes[0].watched.fps, still)


def head_of(poses: Sequence[Doubles], fps: float, still: Sequence[Doubles] = ()) -> Head:
    """The same, of angles (T, 3) from anywhere; still: as long as poses, each."""
    from scipy.signal import butter, sosfiltfilt

    low = butter(2, 5.0, fs=fps, output="sos")
    smooth, noise = ([sosfiltfilt(low, _whole(p), axis=0) for p in group if len(p) > 15]
                     for group in (poses, still))  # fmt: skip
    if not smooth:
        nan = float("nan")
        return Head(nan, (nan, nan, nan), nan, nan)
    steps = np.concatenate([np.linalg.norm(np.diff(p, axis=0), axis=1) for p in smooth])
    spread = np.concatenate([p - p.mean(0) for p in smooth]).std(0)
    half, most = _power_below(np.maximum(_power(smooth, fps) - _power(noise, fps), 0), fps)
    return Head(
        float(steps.mean() * fps / 25), (float(spread[0]), float(spread[1]), float(spread[2])),
        half, most,
    )  # fmt: skip


def repeats(paths: Doubles, fps: float, least: float = 10.0) -> float:
    """How far a movement (T, n) repeats itself after `least` seconds or more: the largest
    correlation of any of its parts with itself that much later, 1 = a loop."""
    first, count = round(least * fps), len(paths)
    most = 0.0
    for path in np.asarray(paths, np.float64).T:
        centred = path - path.mean()
        size = 1 << (2 * count).bit_length()
        power = np.abs(np.fft.rfft(centred, size)) ** 2
        shared = np.fft.irfft(power, size)[: count // 2]
        energy = np.r_[0.0, np.cumsum(centred**2)]
        lags = np.arange(count // 2)
        both = np.sqrt(energy[count - lags] * (energy[count] - energy[lags]))
        r = shared / np.maximum(both, 1e-12)
        most = max(most, float(r[first:].max(initial=0.0)))
    return most


def _power(poses: Sequence[Doubles], fps: float) -> Doubles:
    """Power by frequency, 0 to fps / 2 in steps of an eighth of a hertz, of all angles together."""
    size = round(8 * fps)
    total = np.zeros(size // 2 + 1)
    for pose in poses:
        for start in range(0, max(1, len(pose) - size // 2), size // 2):
            piece = pose[start : start + size]
            window = np.hanning(len(piece))[:, None]
            spectrum = np.fft.rfft((piece - piece.mean(0)) * window, size, axis=0)
            total += (np.abs(spectrum) ** 2).sum(1)
    return total


def _power_below(power: Doubles, fps: float) -> tuple[float, float]:
    if power.sum() < 1e-9:
        return float("nan"), float("nan")
    share = np.cumsum(power) / power.sum()
    hertz = np.linspace(0, fps / 2, len(power))
    return float(np.interp(0.5, share, hertz)), float(np.interp(0.95, share, hertz))


def _whole(values: Doubles) -> Doubles:
    """Frames without a face filled in from their neighbours."""
    out = values.copy()
    at = np.arange(len(out))
    for column in out.T:
        good = np.isfinite(column)
        if good.any():
            column[~good] = np.interp(at[~good], at[good], column[good])
        else:
            column[:] = 0.0
    return out


# 7: blinks ---------------------------------------------------------------------------------------


class Blinks(NamedTuple):
    """per_minute over all takes; median, longest: seconds; cv: of the intervals between blinks of
    one take, NaN with fewer than five intervals."""

    per_minute: float
    median: float
    longest: float
    cv: float


def blinks(takes: Sequence[Take]) -> Blinks:
    """How the eyes blink. A squint longer than 0.6 s is no blink."""
    return blinks_of([t.watched.lids < SHUT for t in takes], takes[0].watched.fps)


def blinks_of(shut: Sequence[NDArray[np.bool_]], fps: float) -> Blinks:
    """The same, of shut or open eyes (T,) from anywhere."""
    lengths: list[float] = []
    gaps: list[float] = []
    for eyes in shut:
        edges = np.flatnonzero(np.diff(np.r_[0, eyes.astype(np.int8), 0]))
        spans = [(a, b) for a, b in edges.reshape(-1, 2) if (b - a) / fps <= _LONGEST_BLINK]
        lengths += [(b - a) / fps for a, b in spans]
        gaps += list(np.diff([a for a, _ in spans]) / fps)
    minutes = sum(len(e) for e in shut) / fps / 60
    cv = float(np.std(gaps) / np.mean(gaps)) if len(gaps) >= 5 else float("nan")
    return Blinks(
        len(lengths) / max(minutes, 1e-9),
        float(np.median(lengths)) if lengths else float("nan"),
        max(lengths, default=float("nan")),
        cv,
    )


# 11: jitter --------------------------------------------------------------------------------------


def jitter(takes: Sequence[Take]) -> float:
    """How much the bridge of the nose trembles: RMS second difference beyond that of the pose, in
    thousandths of an eye distance. Anchors: a still picture about 6, real clips 28 to 42."""
    found = []
    for take in takes:
        points = take.watched.rigid
        apart = np.nanmean(np.hypot(*(points[:, 3] - points[:, 0]).T)) / 1.45
        nose = points[:, 4:8].mean(1) / apart
        bend = np.diff(nose, 2, axis=0)
        found.append(float(np.sqrt(np.nanmean((bend**2).sum(1)))))
    return 1000 * float(np.mean(found)) if found else float("nan")
