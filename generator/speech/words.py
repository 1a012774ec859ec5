"""Words guessed from the sound: English only, when nobody has typed what is said.

pocketsphinx and its models (BSD licence) guess; the speech network then times the guess and says
how far to trust it, which also throws out the English words it invents for other languages.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.speech.mel import RATE
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
            piece = pcm16k[int(start * RATE) : int(end * RATE)]
            decoder.start_utt()
            decoder.process_raw(
                np.clip(piece * 32767, -32768, 32767).astype("<i2").tobytes(), full_utt=True
            )
            decoder.end_utt()
            said = decoder.hyp()
            found.append(said.hypstr if said is not None else "")
    return " ".join(" ".join(found).split())


def _pieces(segments: Sequence[Segment]) -> list[Segment]:
    """Segments joined until a piece would be longer than _PIECE."""
    out: list[Segment] = []
    for segment in segments:
        if out and segment.end - out[-1].start <= _PIECE:
            out[-1] = Segment(out[-1].start, segment.end)
        else:
            out.append(segment)
    return out
