"""Visemes: how phones shape the lips, blended as real lips blend them.

Six numbers describe the mouth: jaw (aperture over motion.APERTURE_AT_FULL_JAW), round, spread,
close (lips sealed), tuck (lower lip under the upper teeth) and tongue (its tip forward). Each phone
class has a target for each, and a dominance that says how much it insists (Cohen and Massaro 1993,
"Modeling coarticulation in synthetic visual speech"); half of the result is the dominance blend,
half the smoothed mean over everything the network thinks possible. Then come the promises no blend
may break: lips meet on p, b and m, the lip tucks on f and v, in a frame of the video, every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from primafacie.generator.speech.align import Span
from primafacie.generator.speech.mel import FRAME_RATE
from primafacie.generator.speech.phones import BILABIAL, CLASS, CLASSES, LABIODENTAL, SIL

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

JAW, ROUND, SPREAD, CLOSE, TUCK, TONGUE = range(6)
NUMBERS: Final = 6

#: Lips lead the sound by this much: early lips are noticed later than late ones (ITU-R BT.1359).
LEAD: Final = 0.040
#: A pause shorter than this leaves the lips slightly parted, as people do who breathe in.
SHORT_PAUSE: Final = 0.6
_REST: Final = 0.02
_PARTED: Final = 0.09
_ATTACK: Final = 0.060
_RELEASE: Final = 0.160
#: Voice activity lasts this much longer than the last phone at most: its hang-over and the time it
#: needs to be sure. In it the lips shut already.
_TRAILING: Final = 0.35
#: The lips of a stop part at its burst, about here in the phone; nasals hold to the end.
_CLOSURE_SHARE: Final = 0.8
#: Jaw opening a sealed mouth may keep behind its lips.
_SEALED_JAW: Final = 0.10
#: Jaw opening that lets the lower lip reach the teeth.
_TUCKED_JAW: Final = 0.11
#: The jaw comes to a contact and leaves it at most so fast, in units of jaw a second (a lower lip
#: does some 15 cm a second), and is slowed within this many seconds of it.
_JAW_SPEED: Final = 7.0
_APPROACH: Final = 0.12
#: Vowels whose jaw is at least this open keep this share of it in one frame, however near the
#: contacts on both sides: a jaw that closes again has opened before.
_OPEN_VOWEL: Final = 0.60
_KEPT: Final = 0.5

#: class: jaw, round, spread; and how much it insists on its jaw and on its rounding.
_TABLE: Final[dict[str, tuple[float, float, float, float, float]]] = {
    "sil": (0.03, 0.00, 0.00, 0.35, 0.25), "pb": (0.08, 0.00, 0.00, 1.00, 0.25),
    "m": (0.08, 0.00, 0.00, 1.00, 0.25), "fv": (0.10, 0.00, 0.10, 1.00, 0.25),
    "th": (0.18, 0.00, 0.15, 0.45, 0.25), "td": (0.15, 0.00, 0.15, 0.35, 0.25),
    "n": (0.16, 0.00, 0.10, 0.35, 0.25), "l": (0.22, 0.00, 0.10, 0.35, 0.25),
    "kg": (0.22, 0.00, 0.05, 0.35, 0.25), "sz": (0.08, 0.00, 0.40, 1.00, 0.80),
    "sh": (0.12, 0.55, 0.00, 1.00, 0.90), "r": (0.18, 0.40, 0.00, 0.35, 0.80),
    "w": (0.12, 0.90, 0.00, 0.80, 1.00), "y": (0.14, 0.00, 0.55, 0.60, 0.60),
    "hh": (0.30, 0.00, 0.05, 0.35, 0.25), "iy": (0.22, 0.00, 0.80, 0.90, 0.80),
    "ih": (0.30, 0.00, 0.45, 0.90, 0.60), "eh": (0.50, 0.00, 0.35, 0.90, 0.60),
    "ae": (0.68, 0.00, 0.35, 0.90, 0.60), "ah": (0.48, 0.00, 0.05, 0.90, 0.40),
    "aa": (0.85, 0.00, 0.05, 0.90, 0.60), "ao": (0.62, 0.60, 0.00, 0.90, 1.00),
    "uh": (0.28, 0.50, 0.00, 0.90, 1.00), "uw": (0.17, 0.90, 0.00, 0.90, 1.00),
    "er": (0.28, 0.35, 0.00, 0.90, 0.80), "uy": (0.18, 0.85, 0.00, 0.90, 1.00),
}  # fmt: skip

#: How far forward the tip of the tongue comes: between the teeth, or up behind the upper ones.
_TONGUE: Final = {"th": 0.9, "l": 0.6, "n": 0.4, "td": 0.4, "r": 0.2}


def _targets() -> Floats:
    table = np.zeros((len(CLASSES), NUMBERS), np.float32)
    for i, name in enumerate(CLASSES):
        table[i, :3] = _TABLE[name][:3]
        table[i, CLOSE] = i in BILABIAL
        table[i, TUCK] = i == LABIODENTAL
        table[i, TONGUE] = _TONGUE.get(name, 0)
    return table


def _dominance() -> tuple[Floats, Floats, Floats]:
    """Strength, rate before and rate after (1/s), each (classes, 6)."""
    strength = np.ones((len(CLASSES), NUMBERS), np.float32)
    before = np.full((len(CLASSES), NUMBERS), 14.0, np.float32)
    after = np.full((len(CLASSES), NUMBERS), 12.0, np.float32)
    for i, name in enumerate(CLASSES):
        strength[i, JAW] = _TABLE[name][3]
        strength[i, ROUND] = strength[i, SPREAD] = _TABLE[name][4]
        strength[i, TONGUE] = 1.0 if name in _TONGUE else 0.5
        before[i, TONGUE] = after[i, TONGUE] = 25
        hard = i in BILABIAL or i == LABIODENTAL
        if hard:
            before[i, JAW] = after[i, JAW] = 25
            column = CLOSE if i in BILABIAL else TUCK
            strength[i, column] = 3
            before[i, column] = after[i, column] = 35
    return strength, before, after


TARGETS: Final = _targets()
_STRENGTH, _BEFORE, _AFTER = _dominance()


class Lips(NamedTuple):
    """shape: (F, 6), one row a frame of video. closures: for each sealed sound, its frames."""

    shape: Floats
    closures: tuple[tuple[int, ...], ...]


def blended(spans: Sequence[Span], frames: int) -> Floats:
    """The dominance blend at 100 values a second, (frames, 6)."""
    above = np.zeros((frames, 6), np.float64)
    below = np.full((frames, 6), 1e-9)
    reach = int(0.45 * FRAME_RATE)
    for span in _with_silences(spans, frames):
        low, high = max(0, span.start - reach), min(frames, span.end + reach)
        t = (np.arange(low, high) + 0.5)[:, None] / FRAME_RATE
        start = span.start / FRAME_RATE
        apex_end = start + 0.75 * (span.end - span.start) / FRAME_RATE
        early, late = np.maximum(start - t, 0), np.maximum(t - apex_end, 0)
        p = span.phone
        d = _STRENGTH[p] * np.exp(-_BEFORE[p] * early - _AFTER[p] * late)
        above[low:high] += d * TARGETS[p]
        below[low:high] += d
    return np.asarray(above / below, np.float32)


def _with_silences(spans: Sequence[Span], frames: int) -> list[Span]:
    """The spans and, as phones of their own, the silences between and around them."""
    out: list[Span] = []
    at = 0
    for span in spans:
        if span.start > at:
            out.append(Span(SIL, at, span.start))
        out.append(span)
        at = span.end
    if at < frames:
        out.append(Span(SIL, at, frames))
    return out


def voiced(spans: Sequence[Span], speech: Mask) -> Mask:
    """Speech without what follows the last phone of each stretch, (T,)."""
    out = speech.copy()
    edges = np.flatnonzero(np.diff(speech.astype(np.int8), prepend=0, append=0))
    for start, end in edges.reshape(-1, 2):
        last = max((s.end for s in spans if start < s.end <= end), default=end)
        if end - last <= _TRAILING * FRAME_RATE:
            out[last:end] = False
    return np.asarray(out, np.bool_)


def gate(speech: Mask) -> Floats:
    """How far the mouth may move, 0 to 1, (T,)."""
    level = speech.astype(np.float32)
    rise = np.ones(int(_ATTACK * FRAME_RATE), np.float32)
    fall = np.ones(int(_RELEASE * FRAME_RATE), np.float32)
    early = np.convolve(level, rise / len(rise))[len(rise) // 2 :][: len(level)]
    late = np.convolve(level, fall / len(fall))[: len(level)]
    return np.asarray(np.maximum(np.minimum(early, 1), np.where(speech, early, late)), np.float32)


def _parted(speech: Mask) -> Floats:
    out = np.zeros(len(speech), np.float32)
    edges = np.flatnonzero(np.diff(speech.astype(np.int8), prepend=0, append=0))
    for end, start in zip(edges[1::2], edges[2::2], strict=False):
        if start - end <= SHORT_PAUSE * FRAME_RATE:
            out[end:start] = 1
    return np.asarray(gaussian_filter1d(out, 4), np.float32) if len(out) else out


def lips(spans: Sequence[Span], posteriors: Floats, speech: Mask, frames: int, fps: float) -> Lips:
    """The mouth in each of `frames` frames of video.

    posteriors: (T, 26) probabilities, 100 a second; speech: (T,), where somebody speaks.
    """
    count = len(posteriors)
    if not count or not speech.any():
        return Lips(np.tile(resting(), (frames, 1)), ())
    shape = shaped(spans, posteriors, speech)
    times = np.arange(frames) / fps + LEAD
    at = np.clip(times * FRAME_RATE - 0.5, 0, count - 1)
    grid = np.arange(count)
    sampled = np.stack([np.interp(at, grid, column) for column in shape.T], axis=1)
    return _sealed(np.asarray(sampled, np.float32), spans, fps)


def resting() -> Floats:
    """A mouth nobody moves, (6,)."""
    row = np.zeros(NUMBERS, np.float32)
    row[JAW] = _REST
    return row


def shaped(
    spans: Sequence[Span], posteriors: Floats, speech: Mask, parted: Floats | None = None
) -> Floats:
    """The mouth's six numbers at 100 values a second, before contact is enforced, (T, 6).

    parted: how far the lips rest parted, (T,), where it is not to be read from `speech`.
    """
    dominant = blended(spans, len(posteriors))
    mean = gaussian_filter1d(posteriors @ TARGETS, 0.05 * FRAME_RATE, axis=0)
    shape = 0.5 * dominant + 0.5 * mean
    shape[:, CLOSE:] = dominant[:, CLOSE:]
    shape[:, JAW] = _widened(shape[:, JAW]) * (1 - 0.85 * shape[:, CLOSE])
    shape[:, CLOSE] = _decided(shape[:, CLOSE])
    speech = voiced(spans, speech)
    shape *= gate(speech)[:, None]
    rest = _REST + (_PARTED - _REST) * (_parted(speech) if parted is None else parted)
    shape[:, JAW] = np.maximum(shape[:, JAW], rest * (1 - shape[:, CLOSE]))
    return np.asarray(shape, np.float32)


def _widened(jaw: Floats) -> Floats:
    """Undoes the flattening of the blend: mean and 95th percentile as in real speakers' video."""
    return np.asarray(0.85 * np.tanh(1.6 * jaw), np.float32)


def _decided(close: Floats) -> Floats:
    """Half-shut lips mostly part again: between two closures the vowel must be seen."""
    x = np.clip((close - 0.3) / 0.6, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def _sealed(shape: Floats, spans: Sequence[Span], fps: float) -> Lips:
    """Hard lip contact, after the blend: a frame per sealed sound, at least."""
    closures = []
    taken: set[int] = set()
    for span in sorted(
        spans, key=lambda s: s.phone in BILABIAL
    ):  # lips that meet have the last word
        if span.phone in BILABIAL or span.phone == LABIODENTAL:
            held = contact(span, len(shape), fps)
            if len(held) > 1 and _short_vowel_before(span, spans, fps):
                held = held[1:]  # of its lead
            near = int(_APPROACH * fps)
            for frame in range(max(0, held[0] - near), min(len(shape), held[-1] + near + 1)):
                touch(shape[frame], span.phone, apart(frame, held) / fps)
            taken.update(held)
            if span.phone in BILABIAL:
                closures.append(held)
    _open_between(shape, spans, sorted(taken), fps)
    return Lips(np.clip(shape, 0, 1), tuple(closures))


def _short_vowel_before(span: Span, spans: Sequence[Span], fps: float) -> bool:
    """Whether an open vowel of less than two frames ends where this sound begins."""
    return any(
        other.end == span.start
        and TARGETS[other.phone, JAW] >= _OPEN_VOWEL
        and other.end - other.start < 2 * FRAME_RATE / fps
        for other in spans
    )


def _open_between(shape: Floats, spans: Sequence[Span], taken: Sequence[int], fps: float) -> None:
    """An open vowel is seen in one frame at least that no contact has taken, in place."""
    for span in spans:
        if TARGETS[span.phone, JAW] < _OPEN_VOWEL:
            continue
        start, end = span.start / FRAME_RATE - LEAD, span.end / FRAME_RATE
        frames = range(max(0, int(np.ceil(start * fps))), min(len(shape), int(end * fps) + 1))
        free = [frame for frame in frames if frame not in taken]
        if not free:
            continue
        frame = min(free, key=lambda f: abs(f / fps - (start + end) / 2))
        away = min((abs(frame - f) for f in taken), default=len(shape)) / fps
        row = shape[frame]
        row[CLOSE] = 0
        least = min(_KEPT * TARGETS[span.phone, JAW], _SEALED_JAW + _JAW_SPEED * away)
        row[JAW] = max(row[JAW], least)


def apart(frame: int, held: Sequence[int]) -> int:
    """How many frames lie between this one and those in which a contact holds, 0 inside."""
    return max(held[0] - frame, frame - held[-1], 0)


def touch(row: Floats, phone: int, away: float) -> None:
    """Makes a sound's contact in one frame's six numbers, or the jaw's way to it and back, in
    place. away: seconds between this frame and the contact, 0 inside."""
    limit = _SEALED_JAW if phone in BILABIAL else _TUCKED_JAW
    row[JAW] = min(row[JAW], limit + _JAW_SPEED * away)
    if away:
        return
    if phone in BILABIAL:
        row[CLOSE], row[TUCK] = 1, 0
    else:
        row[TUCK] = 1


def contact(span: Span, frames: int, fps: float) -> tuple[int, ...]:
    """The video frames in which the contact of a p, b, m, f or v holds, one at least."""
    return _held(span, _CLOSURE_SHARE if span.phone == CLASS["pb"] else 1.0, frames, fps)


def _held(span: Span, share: float, frames: int, fps: float) -> tuple[int, ...]:
    """The video frames in which a sound's contact holds: those inside it, or the nearest one.

    A contact of 60 ms can fall between two frames of 40 ms; then the frame nearest to its middle
    but before its release is taken, so that no contact is ever lost.
    """
    start = span.start / FRAME_RATE - LEAD
    end = start + share * (span.end - span.start) / FRAME_RATE
    if end - start < 2 / fps:  # a short one may give up half of its lead to be seen at all
        end += LEAD / 2
    first, last = int(np.ceil(start * fps - 1e-6)), int(np.floor(end * fps + 1e-6))
    if first > last:
        first = last = round((start + end) / 2 * fps)
        if first / fps > end + LEAD / 2:
            first = last = last - 1
    return tuple(sorted({min(max(f, 0), frames - 1) for f in range(first, last + 1)}))
