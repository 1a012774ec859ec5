"""Hearing: everything a face needs to know about a clip of speech.

pcm -> speech segments -> phone opinions -> phones in time (along a text where there is one)
    -> pitch, loudness, accents
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import VoiceError
from primafacie.generator.speech import align, mel, net, phones, prosody, vad
from primafacie.generator.speech.align import Span
from primafacie.generator.speech.prosody import Accent

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: A text is believed from this confidence on (align.Alignment), and fully 0.35 above it.
BELIEVED: Final = -1.45
_FULLY: Final = 0.35
_MOST_TRUST: Final = 0.8


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard, 100 frames a second.

    segments: where somebody speaks; speech: the same as a mask (T,). spans: phones in order,
    silences left out. posteriors: (T, 26) probabilities with the text's share mixed in.
    f0: Hz at 50 a second, 0 = unvoiced. loudness: dB below the loud frames (T,).
    confidence: how well the given text fits, -inf without a text. text: it was given and believed.
    """

    segments: tuple[vad.Segment, ...]
    speech: Mask
    spans: tuple[Span, ...]
    posteriors: Floats
    f0: Floats
    loudness: Floats
    accents: tuple[Accent, ...]
    confidence: float
    text: bool
    notes: tuple[str, ...]

    @property
    def frames(self) -> int:
        return len(self.speech)


def hear(pcm16k: Floats, transcript: str = "", language: str = "en") -> Hearing:
    """Listens to 16 kHz mono sound of common loudness (Voice.pcm16k).

    transcript: what is said, as far as known. It is used only if it fits the sound; whether it
    did is in `text`, `confidence` and `notes`.
    """
    ear = net.default()
    power = mel.power(pcm16k)
    log_post = net.log_posteriors(mel.normalised(power), ear)
    segments = vad.segments(pcm16k)
    speech = vad.mask(segments, len(log_post))
    along, note = _along(transcript, language, log_post, speech, ear)
    trust = _trust(along)
    posteriors = np.exp(log_post)
    posteriors[~speech] = 0
    posteriors[~speech, phones.SIL] = 1
    if along is not None and trust > 0:
        spans = _heard(along.spans, speech)
        posteriors = (1 - trust) * posteriors + trust * _one_hot(spans, len(posteriors))
    else:
        spans = align.free(log_post, speech, ear)
    f0, loud = prosody.pitch(pcm16k), mel.loudness(power)
    return Hearing(
        segments=segments, speech=speech, spans=spans, posteriors=posteriors, f0=f0,
        loudness=loud, accents=prosody.accents(f0, loud, spans),
        confidence=along.confidence if along is not None else float("-inf"), text=trust > 0,
        notes=(*_speaking(segments), *note),
    )  # fmt: skip


def _speaking(segments: tuple[vad.Segment, ...]) -> tuple[str, ...]:
    return () if segments else ("nobody was heard to speak: the mouth stays shut",)


def _along(
    transcript: str, language: str, log_post: Floats, speech: Mask, ear: net.Net
) -> tuple[align.Alignment | None, tuple[str, ...]]:
    """The alignment along the text, believed or not, and a note about it."""
    if not transcript.strip():
        return None, ("lips from the sound alone: no transcript was given",)
    if not speech.any():
        return None, ()
    try:
        words = phones.spell(transcript, language)
    except VoiceError as error:
        return None, (f"transcript not used: {error}",)
    found = align.align(log_post, speech, words, ear)
    if found is None:
        return None, ("transcript not used: it is too long for this clip or cannot be pronounced",)
    if found.confidence <= BELIEVED:
        return found, (
            f"transcript not used: it does not match the sound ({found.confidence:.2f}, "
            f"needs {BELIEVED:.2f})",
        )
    return found, (f"lips timed along the transcript (confidence {found.confidence:.2f})",)


def _trust(along: align.Alignment | None) -> float:
    if along is None:
        return 0.0
    return float(np.clip((along.confidence - BELIEVED) / _FULLY, 0, 1)) * _MOST_TRUST


def _heard(spans: tuple[Span, ...], speech: Mask) -> tuple[Span, ...]:
    """Without phones that were laid where nobody speaks."""
    return tuple(s for s in spans if speech[s.start : s.end].any())


def _one_hot(spans: tuple[Span, ...], frames: int) -> Floats:
    out = np.zeros((frames, len(phones.CLASSES)), np.float32)
    silent = np.ones(frames, np.bool_)
    for span in spans:
        out[span.start : span.end, span.phone] = 1
        silent[span.start : span.end] = False
    out[silent, phones.SIL] = 1
    return out
