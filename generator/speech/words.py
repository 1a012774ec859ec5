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

Floats = NDArray[np.float32]

#: States searched per frame: a third faster than without a limit, the same words.
_WIDTH: Final = 3000
#: Sound is recognised in pieces of about this length, parted where nobody speaks.
_PIECE: Final = 20.0

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
    decoder.process_raw(np.clip(pcm * 32767, -32768, 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()


def _pieces(segments: Sequence[Segment]) -> list[Segment]:
    """Segments joined until a piece would be longer than _PIECE."""
    out: list[Segment] = []
    for segment in segments:
        if out and segment.end - out[-1].start <= _PIECE:
            out[-1] = Segment(out[-1].start, segment.end)
        else:
            out.append(segment)
    return out
