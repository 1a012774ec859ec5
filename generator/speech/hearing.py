"""Hearing: everything a face needs to know about a clip of speech.

pcm -> speech segments -> phone opinions -> phones in time (along a text where there is one)
    -> pitch, loudness, accents
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import VoiceError
from primafacie.generator.speech import align, mel, net, phones, prosody, vad, words
from primafacie.generator.speech.align import Span
from primafacie.generator.speech.prosody import Accent

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: A transcript is believed from this confidence on (align.Alignment), and fully 0.35 above it;
#: guessed words must fit better, other languages than English do not fit as well: of 16 recordings
#: by four speakers of Spanish, French, Italian and Russian the right text lay between -0.5 and
#: -1.7, wrong ones of the same kind between -2.0 and -3.1.
BELIEVED: Final = -1.45
BELIEVED_ELSEWHERE: Final = -1.80
BELIEVED_GUESS: Final = -1.25
_FULLY: Final = 0.35
_MOST_TRUST: Final = 0.8
_MOST_TRUST_GUESS: Final = 0.6

#: The recording's colour and loudness are taken from speech and so many seconds around it.
_AROUND: Final = 0.5

#: Without a text: how much a second recogniser's opinion counts in English. Chosen on 12 recordings
#: and on voices kept out of training; in other languages it does harm.
_SECOND_OPINION: Final = 0.25

Source = Literal["transcript", "words", "sound"]


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard, 100 frames a second.

    segments: where somebody speaks; speech: the same as a mask (T,). spans: phones in order,
    silences left out. posteriors: (T, 26) probabilities with the text's share mixed in.
    f0: Hz at 50 a second, 0 = unvoiced. loudness: dB below the loud frames (T,).
    confidence: how well the transcript fits, -inf without one. source: what the phones were
    timed along: the transcript, words guessed from the sound, or the sound alone.
    """

    segments: tuple[vad.Segment, ...]
    speech: Mask
    spans: tuple[Span, ...]
    posteriors: Floats
    f0: Floats
    loudness: Floats
    accents: tuple[Accent, ...]
    confidence: float
    source: Source
    notes: tuple[str, ...]

    @property
    def frames(self) -> int:
        return len(self.speech)


class _Reading(NamedTuple):
    """A text laid along the sound, and how far to trust it."""

    spans: tuple[Span, ...]
    trust: float
    source: Source


class _Ear(NamedTuple):
    """The sound as the aligner sees it."""

    pcm: Floats
    log_post: Floats
    segments: tuple[vad.Segment, ...]
    speech: Mask


def hear(
    pcm16k: Floats, transcript: str = "", language: str = "en", guess: bool = False
) -> Hearing:
    """Listens to 16 kHz mono sound of common loudness (Voice.pcm16k).

    transcript: what is said, as far as known. It is used only if it fits the sound; whether it
    did is in `source`, `confidence` and `notes`. guess: whether words may be guessed without one
    (English only; 0.15 s of computing per second of clear sound, several times that for a voice
    the recogniser finds hard). In English a recogniser of single sounds is asked besides, for
    0.04 s per second.
    """
    power = mel.power(pcm16k)
    segments = vad.segments(pcm16k)
    speech = vad.mask(segments, len(power))
    near = vad.mask(tuple(vad.Segment(a - _AROUND, b + _AROUND) for a, b in segments), len(power))
    loud = mel.loudness(power, near)
    log_post = align.audible(
        net.log_posteriors(mel.normalised(power, near)), loud, mel.quiet(loud, near)
    )
    ear = _Ear(pcm16k, log_post, segments, speech)
    confidence, reading, notes = _along(ear, transcript, language)
    if reading is None and guess and segments and words.understood(language):
        reading = _guessed(ear)
    if reading is None and segments and words.understood(language):
        ear = _seconded(ear)
    spans, posteriors = _timed(ear, reading)
    if segments:
        notes = (*notes, _SOURCES[reading.source if reading else "sound"])
    f0 = prosody.pitch(pcm16k)
    return Hearing(
        segments=segments, speech=ear.speech, spans=spans, posteriors=posteriors, f0=f0,
        loudness=loud, accents=prosody.accents(f0, loud, spans), confidence=confidence,
        source=reading.source if reading else "sound",
        notes=notes if segments else ("nobody was heard to speak: the mouth stays shut",),
    )  # fmt: skip


_SOURCES: Final[dict[Source, str]] = {
    "transcript": "lips timed along the transcript",
    "words": "lips timed along words recognised in the sound",
    "sound": "lips timed from the sound alone",
}


def _along(
    ear: _Ear, transcript: str, language: str
) -> tuple[float, _Reading | None, tuple[str, ...]]:
    """How well the transcript fits, its reading if it is believed, and a note about it."""
    nothing = float("-inf")
    if not transcript.strip() or not ear.segments:
        return nothing, None, ()
    try:
        spelled = phones.spell(transcript, language)
    except VoiceError as error:
        return nothing, None, (f"transcript not used: {error}",)
    found = align.align(ear.log_post, ear.speech, spelled, net.default())
    if found is None:
        return nothing, None, ("transcript not used: it has no words or too many for this clip",)
    least = BELIEVED if words.understood(language) else BELIEVED_ELSEWHERE
    fit = f"{found.confidence:.2f}, needs {least:.2f}"
    if found.confidence <= least:
        note = f"transcript not used: it does not match the sound ({fit})"
        return found.confidence, None, (note,)
    trust = _MOST_TRUST * min(1.0, (found.confidence - least) / _FULLY)
    return (
        found.confidence,
        _Reading(found.spans, trust, "transcript"),
        (f"transcript matches the sound ({fit})",),
    )


def _guessed(ear: _Ear) -> _Reading | None:
    """Words guessed from the sound, laid along it; None when there are none that fit."""
    try:
        spelled = phones.spell(words.guess(ear.pcm, ear.segments), "en")
    except VoiceError:
        return None
    found = align.align(ear.log_post, ear.speech, spelled, net.default())
    if found is None or found.confidence <= BELIEVED_GUESS:
        return None
    return _Reading(found.spans, _MOST_TRUST_GUESS, "words")


def _seconded(ear: _Ear) -> _Ear:
    """With a second opinion on the phones, from a recogniser trained on people's English."""
    found = words.sounds(ear.pcm, ear.segments)
    return ear._replace(log_post=seconded(ear.log_post, found))


def seconded(log_post: Floats, found: Sequence[Span]) -> Floats:
    """log_post (T, 26) with the phones another recogniser found mixed in, where it found any."""
    sure = _one_hot(found, len(log_post))
    share = np.where(sure[:, phones.SIL] == 1, 0, np.float32(_SECOND_OPINION))[:, None]
    mixed = np.log((1 - share) * np.exp(log_post) + share * sure + np.float32(1e-9))
    return np.asarray(mixed, np.float32)


def _timed(ear: _Ear, reading: _Reading | None) -> tuple[tuple[Span, ...], Floats]:
    """Phones in time, and what the network thinks with the text's share mixed in."""
    posteriors = np.exp(ear.log_post)
    posteriors[~ear.speech] = 0
    posteriors[~ear.speech, phones.SIL] = 1
    if reading is None:
        return align.free(ear.log_post, ear.speech, net.default()), posteriors
    spans = _heard(reading.spans, ear.speech)
    sure = _one_hot(spans, len(posteriors))
    mixed = (1 - reading.trust) * posteriors + reading.trust * sure
    return spans, np.asarray(mixed, np.float32)


def _heard(spans: tuple[Span, ...], speech: Mask) -> tuple[Span, ...]:
    """Without phones that were laid where nobody speaks."""
    return tuple(s for s in spans if speech[s.start : s.end].any())


def _one_hot(spans: Sequence[Span], frames: int) -> Floats:
    out = np.zeros((frames, len(phones.CLASSES)), np.float32)
    silent = np.ones(frames, np.bool_)
    for span in spans:
        out[span.start : span.end, span.phone] = 1
        silent[span.start : span.end] = False
    out[silent, phones.SIL] = 1
    return out
