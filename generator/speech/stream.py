"""Live hearing: the same network, rules and visemes on sound that arrives piece by piece.

What differs from a whole clip: loudness and the recording's colour are those of the speech heard
so far; the newest frames are judged by a network that has not yet heard what follows, and judged
again when it has; no text is known, nor is a word guessed; the second recogniser of English has
not heard what follows either; and a pause is not known to be short while it lasts, so the
lips shut in it. Everything happens at fixed positions of the sound, never at the end of a piece,
so that the result cannot depend on how the sound was cut.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.speech import align, hearing, mel, net, prosody, vad, visemes, words
from primafacie.generator.speech.align import Span
from primafacie.generator.speech.mel import BANDS, FRAME_RATE, HOP, RATE
from primafacie.generator.speech.phones import BILABIAL, CLASSES, LABIODENTAL, SIL
from primafacie.generator.voice import MOST_GAIN, TARGET_RMS

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Sound that must be known after a frame's time before the frame can be drawn, in seconds.
LOOK_AHEAD: Final = 0.170
#: Frames of sound and of opinions that are kept.
_KEPT: Final = 160
#: Frames before the moment drawn that the lips still feel.
_FELT: Final = 60
#: Long-term spectrum of speech (log mel power against its mean), at these bands: the colour that is
#: assumed until enough was heard.
_COLOUR: Final = np.interp(
    np.arange(BANDS), (0, 3, 8, 14, 24, 30, 36, 40, 47),
    (-0.2, 1.1, 1.2, -0.3, -0.15, 0.85, 0.6, -0.9, -3.4),
).astype(np.float32)  # fmt: skip
#: Frames of sounding speech that outweigh the assumed colour.
_ASSUMED: Final = 30.0
#: What sounds while nobody speaks counts this much in the statistics.
_UNSPOKEN: Final = 0.02
#: Statistics forget with this time constant, in frames.
_MEMORY: Final = 6000.0
#: A closure that is heard too late is still shown within this time, in seconds.
_LATE: Final = 0.045
#: RMS that is assumed at first, and the number of chunks it counts for.
_FIRST_RMS: Final = (0.07, 15.0)


class Spread:
    """Weighted distribution of a number whose past fades; `rows` are averaged per bin."""

    def __init__(self, low: float, high: float, step: float, rows: int = 1) -> None:
        self._low, self._step = low, step
        self.weight = np.zeros(int((high - low) / step) + 1, np.float64)
        self._sum = np.zeros((len(self.weight), rows), np.float64)

    def add(self, value: float, weight: float, row: Floats | float = 0.0) -> None:
        """One more observation."""
        i = min(max(int((value - self._low) / self._step), 0), len(self.weight) - 1)
        self.weight[i] += weight
        self._sum[i] += weight * np.asarray(row)

    def fade(self, share: float) -> None:
        """Everything so far counts for `share` of what it did."""
        self.weight *= share
        self._sum *= share

    def percentile(self, q: float) -> float:
        """The value below which q per cent of the weight lie, to half a step."""
        total = np.cumsum(self.weight)
        i = int(np.searchsorted(total, q / 100 * total[-1]))
        return self._low + (min(i, len(total) - 1) + 0.5) * self._step

    def above(self, value: float) -> tuple[float, NDArray[np.float64]]:
        """Weight and weighted sum of the rows from `value` up."""
        i = min(max(int((value - self._low) / self._step), 0), len(self.weight) - 1)
        return float(self.weight[i:].sum()), self._sum[i:].sum(axis=0)


class _Colour:
    """mel.normalised and mel.loudness with the statistics of the speech so far."""

    def __init__(self) -> None:
        self._peak = Spread(-36, 16, 0.1)
        self._level = Spread(-36, 16, 0.1, BANDS)
        self._power = Spread(-140, 90, 0.5)

    def add(self, log: Floats, spoken: Mask) -> None:
        weights = np.where(spoken, 1.0, _UNSPOKEN)
        for row, power, weight in zip(log, _decibels(log), weights, strict=True):
            self._peak.add(float(row.max()), float(weight))
            self._power.add(float(power), float(weight))
        # Bands that hold nothing, as a telephone's upper ones, count as they are heard: floored.
        for row, weight in zip(np.maximum(log, self._floor), weights, strict=True):
            self._level.add(float(row.mean()), float(weight), row)
        fade = float(np.exp(-len(log) / _MEMORY))
        for spread in (self._peak, self._level, self._power):
            spread.fade(fade)

    @property
    def _floor(self) -> float:
        return self._peak.percentile(98) - 14

    @property
    def quiet(self) -> float:
        """mel.quiet so far."""
        return max(-60.0, self._power.percentile(mel.QUIET) - self._power.percentile(98))

    def loudness(self, log: Floats) -> Floats:
        loud = _decibels(log) - self._power.percentile(98)
        return np.asarray(np.clip(loud, -60, 0), np.float32)

    def normalised(self, log: Floats) -> Floats:
        floor = self._floor
        weight, total = self._level.above(self._level.percentile(95) - 7)
        heard = total / max(weight, 1e-9)
        assumed = _COLOUR + heard.mean()
        mean = (_ASSUMED * assumed + weight * heard) / (_ASSUMED + weight)
        return np.asarray((np.maximum(log, floor) - mean) / 3, np.float32)


def _decibels(log: Floats) -> Floats:
    """Level of each frame of log mel power, (T,)."""
    return np.asarray(10 * np.log10(np.exp(log).sum(axis=1) + 1e-14), np.float32)


class _Gain:
    """voice's common loudness, from the chunks so far."""

    def __init__(self) -> None:
        self._rms = Spread(-100, 20, 0.5)
        self._rms.add(20 * np.log10(_FIRST_RMS[0]), _FIRST_RMS[1])

    def levelled(self, chunk: Floats) -> Floats:
        rms = float(np.sqrt(np.mean(np.square(chunk, dtype=np.float64))))
        if rms > 1e-5:
            self._rms.add(20 * np.log10(rms), 1.0)
            self._rms.fade(float(np.exp(-vad.CHUNK / HOP / _MEMORY)))
        sounding = self._rms.weight.copy()
        bins = -100 + 0.5 * (np.arange(len(sounding)) + 0.5)
        sounding[bins < self._rms.percentile(98) - 20] = 0
        half = np.cumsum(sounding) >= 0.5 * sounding.sum()
        power = 10 ** (bins / 10)
        level = float(np.sqrt((sounding * power)[half].sum() / sounding[half].sum()))
        return np.asarray(chunk * min(TARGET_RMS / level, MOST_GAIN), np.float32)


class Moment(NamedTuple):
    """What is heard when a frame is drawn.

    shape: the mouth's six numbers (visemes). phone: the class the lips speak. speaking: whether
    somebody speaks at that time. segments: the last places of speech, the last one perhaps without
    an end. accents: syllables found to stand out since the last moment.
    """

    shape: Floats
    phone: int
    speaking: bool
    segments: tuple[vad.Segment, ...]
    accents: tuple[prosody.Accent, ...]


class Listener:
    """Hears sound as it comes and says, frame by frame, what the mouth does.

    `hear` takes the sound up to where `due` says; then `moment` gives the next frame.
    """

    def __init__(self, fps: float, language: str = "") -> None:
        """language: BCP 47; in English a second recogniser is asked besides, as for a clip."""
        self._fps = fps
        self._second = words.Live() if words.understood(language) else None
        self._net = net.default()
        self._gain = _Gain()
        self._watch, self._chunk = vad.Watch(), np.zeros(0, np.float32)
        self._mel, self._colour = mel.Live(), _Colour()
        self._voice = prosody.Live()
        self._search = align.FreeSearch(self._net, _KEPT)
        self._log = np.zeros((0, BANDS), np.float32)  # log mel power of the last frames
        self._first = 0  # index of the first of them
        self._opinion = np.zeros((0, len(CLASSES)), np.float32)  # their log posteriors
        self._counted = 0  # frames whose loudness entered the statistics
        self._samples = self._frame = 0
        self._ended = False
        self._sealed: deque[tuple[float, float]] = deque(maxlen=16)

    def due(self) -> int:
        """How many samples must have been heard before the next frame can be drawn."""
        return int(np.ceil((self._frame / self._fps + LOOK_AHEAD) * RATE - 1e-6))

    @property
    def _known(self) -> int:
        """Feature frames heard."""
        return self._first + len(self._log)

    def hear(self, pcm: Floats) -> None:
        """The next samples, at most as far as `due`."""
        self._samples += len(pcm)
        self._hear_voice(pcm)
        if self._second is not None:
            self._second.hear(pcm, self._watch.segments())
        log = np.log(self._mel.hear(pcm) + np.float32(1e-14))
        self._voice.hear(pcm, log)
        self._log = np.concatenate((self._log, log))
        self._judge(len(log))

    def end(self) -> None:
        """Nothing follows: the frames left can be drawn."""
        rest = self._samples // HOP - self._known
        self._ended = True
        if len(self._chunk):
            self._hear_voice(np.zeros(vad.CHUNK - len(self._chunk), np.float32))
        if rest > 0:
            log = np.log(self._mel.hear(np.zeros(400, np.float32))[:rest] + np.float32(1e-14))
            self._log = np.concatenate((self._log, log))
            self._judge(rest)

    def _hear_voice(self, pcm: Floats) -> None:
        self._chunk = np.concatenate((self._chunk, pcm))
        while len(self._chunk) >= vad.CHUNK:
            self._watch.hear(self._gain.levelled(self._chunk[: vad.CHUNK]))
            self._chunk = self._chunk[vad.CHUNK :]

    def _speech(self, first: int, last: int) -> Mask:
        """Whether somebody speaks in frames first to last; beyond what was judged: as before."""
        middle = (np.arange(first, last) + 0.5) / FRAME_RATE
        out = np.zeros(last - first, np.bool_)
        for start, end in self._watch.segments():
            out |= (middle >= start) & (middle < end)
        return out

    def _judge(self, new: int) -> None:
        """The network's opinion of the newest frames, and of those it had judged too early."""
        settled = min(int(self._watch.known * FRAME_RATE), self._known)
        if settled > self._counted:
            part = self._log[self._counted - self._first : settled - self._first]
            self._colour.add(part, self._speech(self._counted, settled))
            self._counted = settled
        if not new:
            return
        again = self._known - new - net.AHEAD - 2
        start = max(self._first, (again - net.BEHIND) // 2 * 2)
        log = self._log[start - self._first :]
        opinion = align.audible(
            net.log_posteriors(self._colour.normalised(log), self._net),
            self._colour.loudness(log), self._colour.quiet,
        )  # fmt: skip
        if self._second is not None:
            opinion = self._seconded(self._second, opinion, start)
        keep = max(again, self._first)
        self._opinion = np.concatenate(
            (self._opinion[: keep - self._first], opinion[keep - start :])
        )
        self._settle()

    @staticmethod
    def _seconded(second: words.Live, opinion: Floats, first: int) -> Floats:
        """With the second recogniser's opinion on the frames it has heard."""
        found = [
            Span(s.phone, max(s.start - first, 0), s.end - first)
            for s in second.spans() if s.end > first
        ]  # fmt: skip
        return hearing.seconded(opinion, found)

    def _settle(self) -> None:
        """Hands over to the search what will not be judged again, and forgets the distant past."""
        done = self._known - (0 if self._ended else net.AHEAD + 2)
        a, b = self._search.heard, max(done, self._search.heard)
        if b > a:
            self._search.hear(self._opinion[a - self._first : b - self._first], self._speech(a, b))
        drop = (len(self._log) - _KEPT) // 2 * 2
        if drop > 0:
            self._log, self._opinion = self._log[drop:], self._opinion[drop:]
            self._first += drop

    def moment(self) -> Moment:
        """The next frame of the video."""
        time = self._frame / self._fps
        tail = self._search.heard
        spans = align.believed(
            self._search.spans(
                self._opinion[tail - self._first :], self._speech(tail, self._known)
            ),
            self._opinion, self._first,
        )  # fmt: skip
        shape = self._shape(time, spans)
        self._touch(shape, spans)
        self._frame += 1
        middle = int(time * FRAME_RATE + 1e-6)
        return Moment(
            np.clip(shape, 0, 1), _phone_at(spans, time + visemes.LEAD),
            bool(self._speech(middle, middle + 1)[0]), self._watch.segments(),
            self._voice.accents(spans, self._known),
        )  # fmt: skip

    def _shape(self, time: float, spans: tuple[Span, ...]) -> Floats:
        """The mouth before contact is enforced, (6,)."""
        at = (time + visemes.LEAD) * FRAME_RATE - 0.5
        first = max(self._first, int(at) - _FELT)
        speech = self._speech(first, self._known)
        if not speech.any():
            return visemes.resting()
        near = [
            Span(s.phone, max(s.start, first) - first, s.end - first)
            for s in spans if s.end > first
        ]  # fmt: skip
        chance = np.exp(self._opinion[first - self._first :])
        chance[~speech] = 0
        chance[~speech, SIL] = 1
        shut = np.zeros(len(speech), np.float32)
        rows = visemes.shaped(near, chance, speech, shut)
        grid = np.arange(first, self._known)
        return np.array([np.interp(at, grid, column) for column in rows.T], np.float32)

    def _touch(self, shape: Floats, spans: tuple[Span, ...]) -> None:
        """Contact of the lips in this frame, for every sound whose contact falls into it or has
        only now been heard to have fallen into the one before."""
        for span in sorted(spans, key=lambda s: s.phone in BILABIAL):
            if span.phone not in BILABIAL and span.phone != LABIODENTAL:
                continue
            held = visemes.contact(span, 1 << 30, self._fps)
            away = visemes.apart(self._frame, held) / self._fps
            late = self._frame > held[-1] and away <= _LATE and span.phone in BILABIAL
            if late and not self._shown(span):
                away = 0.0
            visemes.touch(shape, span.phone, away)
            if not away and span.phone in BILABIAL:
                self._sealed.append((span.start, span.end))

    def _shown(self, span: Span) -> bool:
        """Whether this sound was sealed already, when its bounds were perhaps heard otherwise."""
        return any(a < span.end + 2 and span.start < b + 2 for a, b in self._sealed)


def _phone_at(spans: tuple[Span, ...], time: float) -> int:
    frame = int(time * FRAME_RATE + 1e-6)
    return next((s.phone for s in spans if s.start <= frame < s.end), SIL)
