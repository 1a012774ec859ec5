"""Words and sounds guessed by a recogniser of English, when nobody has typed what is said.

pocketsphinx and its models (BSD licence) guess. Words are timed by the speech network, which says
how far to trust them and so throws out the English ones that are invented for other languages.
Single sounds, without words, are a second opinion beside the network's.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.speech.align import Span
from primafacie.generator.speech.mel import HOP, RATE
from primafacie.generator.speech.phones import ARPABET, SIL
from primafacie.generator.speech.vad import Segment
from primafacie.generator.voice import MOST_GAIN, TARGET_RMS

Floats = NDArray[np.float32]

#: States searched per frame: a third faster than without a limit, the same words.
_WIDTH: Final = 3000
#: Sound is recognised in pieces of about this length, parted where nobody speaks.
_PIECE: Final = 20.0
#: Sounds of earlier stretches that live hearing keeps.
_REMEMBERED: Final = 64
#: Mean cepstrum of speech at common loudness, of five synthetic voices kept out of training: what
#: live hearing assumes of a voice at first, and how many frames of it that outweighs.
_COLOUR: Final = (47, 9, 0, 19, -1, 3, -3, -9, 0, -8, 3, 6, -4)
_ASSUMED: Final = 50
#: The colour is measured again after so many frames; pocketsphinx itself would weigh what it is
#: told like 500 of them, and take five seconds to know a voice.
_STEP: Final = 50
_REMEMBERED_VOICE: Final = 3000
_TOLD: Final = 500

_lock = threading.Lock()


@cache
def _decoder() -> tuple[Any, str]:
    """The recogniser, and its state of adaptation before it heard anybody."""
    from pocketsphinx import Decoder

    decoder: Any = Decoder(loglevel="FATAL", maxhmmpf=_WIDTH)
    return decoder, decoder.get_cmn(False)


def _sounder() -> Any:
    """A recogniser of single sounds that has heard nobody yet. Making one takes 10 ms, and one that
    heard somebody before hears the next a little otherwise, whatever state it is given back."""
    from pocketsphinx import Decoder, get_model_path

    decoder: Any = Decoder(
        allphone=get_model_path("en-us/en-us-phone.lm.bin"), allphone_ci=True, lm=None, dict=None,
        lw=0.8, beam=1e-20, pbeam=1e-20, loglevel="FATAL",
    )  # fmt: skip
    return decoder


def understood(language: str) -> bool:
    """Whether words of this language (BCP 47) can be guessed."""
    return language.lower().split("-")[0] == "en"


def guess(pcm16k: Floats, segments: Sequence[Segment]) -> str:
    """The English words in 16 kHz sound, "" when none; the same every time."""
    found = []
    with _lock:
        for start, end in _pieces(segments):
            decoder, fresh = _decoder()
            decoder.set_cmn(fresh)
            _hear(decoder, pcm16k[int(start * RATE) : int(end * RATE)])
            said = decoder.hyp()
            found.append(said.hypstr if said is not None else "")
    return " ".join(" ".join(found).split())


def sounds(pcm16k: Floats, segments: Sequence[Segment]) -> tuple[Span, ...]:
    """The English sounds in 16 kHz sound as phone classes in frames of 10 ms, () when there are
    none; the same every time. 0.04 s of computing per second of sound."""
    found: list[Span] = []
    for start, end in _pieces(segments):
        first = int(start * RATE) // HOP
        decoder = _sounder()
        _hear(decoder, pcm16k[first * HOP : int(end * RATE)])
        for part in decoder.seg():
            found += _classed(part.word, first + part.start_frame, first + part.end_frame + 1)
    return tuple(found)


class Live:
    """`sounds` while the sound still comes, a stretch of speech at a time.

    The sound may be of any loudness: it is raised by what its first syllable asks for, and what is
    then still wrong is learnt with the voice's colour. Memory does not grow with time: a stretch is
    heard in pieces of at most _PIECE seconds.
    """

    def __init__(self) -> None:
        self._kept, self._at = np.zeros(0, np.float32), 0  # the last sound and its first sample
        self._colour, self._weight = np.array(_COLOUR, np.float64), _ASSUMED
        self._decoder = self._fresh()
        self._gain = 0.0
        self._from: int | None = None  # first sample of the piece being heard
        self._fed = self._adapted = 0  # samples heard or passed by
        self._found: tuple[Span, ...] = ()

    def hear(self, pcm16k: Floats, segments: Sequence[Segment]) -> None:
        """The next samples, and the places of speech as far as they are known by now."""
        self._kept = np.concatenate((self._kept, pcm16k))
        end = self._at + len(self._kept)
        speech = segments[-1] if segments else Segment(0.0, 0.0)
        if self._from is None and speech.end * RATE > self._fed:
            begun = -(-max(self._fed, self._at, int(speech.start * RATE)) // HOP) * HOP
            self._from = self._fed = self._adapted = begun
            self._gain = self._gain or _raised(self._kept[begun - self._at :])
            self._decoder.start_utt()
        if self._from is not None:
            to = int(min(end, speech.end * RATE))
            if to > self._fed:
                part = self._kept[self._fed - self._at : to - self._at]
                self._decoder.process_raw(_bytes(part * np.float32(self._gain)))
                self._fed = to
                self._adapt()
            if speech.end * RATE <= end or self._fed - self._from > _PIECE * RATE:
                self._close()
        cut = max(0, len(self._kept) - RATE)
        self._kept, self._at = self._kept[cut:], self._at + cut

    def _fresh(self) -> Any:
        """A recogniser that knows the voice as far as it was heard."""
        decoder = _sounder()
        decoder.set_cmn(_told(self._colour))
        return decoder

    def _adapt(self) -> None:
        """Learns the colour of the voice from the sound since the last time."""
        frames = (self._fed - self._adapted) // HOP
        if frames < _STEP:
            return
        self._adapted = self._fed
        told = np.array([float(x) for x in self._decoder.get_cmn(True).split(",")])
        heard = ((_TOLD + frames) * told - _TOLD * self._colour) / frames
        self._weight = min(self._weight + frames, _REMEMBERED_VOICE)
        self._colour += (heard - self._colour) * frames / self._weight
        self._decoder.set_cmn(_told(self._colour))

    def _close(self) -> None:
        """Ends the piece, and has the next recogniser ready."""
        self._decoder.end_utt()
        self._found = (*self._found, *self._new())[-_REMEMBERED:]
        self._from, self._decoder = None, self._fresh()

    def _new(self) -> list[Span]:
        """What is found in the piece being heard."""
        first, out = (self._from or 0) // HOP, []
        for part in self._decoder.seg() or ():
            out += _classed(part.word, first + part.start_frame, first + part.end_frame + 1)
        return out

    def spans(self) -> tuple[Span, ...]:
        """The latest sounds, in frames from the start; the last of them can still change."""
        return self._found if self._from is None else (*self._found, *self._new())


def _raised(pcm: Floats) -> float:
    """By what the loud half of some sound comes to common loudness."""
    frames = pcm[: len(pcm) // HOP * HOP].reshape(-1, HOP)
    power = np.sort(np.square(frames, dtype=np.float64).mean(axis=1))
    level = float(np.sqrt(power[len(power) // 2 :].mean())) if len(power) else 0.0
    return min(TARGET_RMS / max(level, 1e-9), MOST_GAIN)


def _told(colour: NDArray[np.float64]) -> str:
    return ",".join(f"{x:.3f}" for x in colour)


def _classed(name: str, start: int, end: int) -> list[Span]:
    """One of pocketsphinx's phones as spans; none for silence and noise."""
    out, at = [], float(start)
    for part in ARPABET.get(name.lower(), ()):
        to = at + part.share * (end - start)
        if part.phone != SIL and round(to) > round(at):
            out.append(Span(part.phone, round(at), round(to)))
        at = to
    return out


def _hear(decoder: Any, pcm: Floats) -> None:
    decoder.start_utt()
    decoder.process_raw(_bytes(pcm), full_utt=True)
    decoder.end_utt()


def _bytes(pcm: Floats) -> bytes:
    return np.clip(pcm * 32767, -32768, 32767).astype("<i2").tobytes()


def _pieces(segments: Sequence[Segment]) -> list[Segment]:
    """Segments joined until a piece would be longer than _PIECE."""
    out: list[Segment] = []
    for segment in segments:
        if out and segment.end - out[-1].start <= _PIECE:
            out[-1] = Segment(out[-1].start, segment.end)
        else:
            out.append(segment)
    return out
