"""The one door to espeak-ng: text in, synthetic speech with the exact time of every phone out.

espeak-ng speaks about 120 languages by rule, from no person's recordings, and knows when each of
its phones sounds. That gives the aligner a pronunciation for any language, demonstrations a voice
that belongs to nobody, and tests and training a clip whose truth is known.

Licence: espeak-ng is GPL-3.0-or-later. It is loaded as a separate shared library from its own
distribution (espeakng-loader); none of its code is part of this project.
"""

from __future__ import annotations

import _ctypes
import ctypes
import importlib.util
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import VoiceError

_SYNCHRONOUS: Final = 2
_PHONEMES_IPA_AND_NO_EXIT: Final = 0x1 | 0x2 | 0x8000
_UTF8: Final = 1
_END_PAUSE: Final = 0x1000
_END, _WORD, _PHONEME = 0, 1, 7
_RATE, _VOLUME, _PITCH, _RANGE, _WORDGAP = 1, 2, 3, 4, 7
#: espeak keeps its data path in a buffer of this size and would cut a longer one in silence.
_LONGEST_DATA_PATH: Final = 150
LONGEST_TEXT: Final = 20_000
#: Below this an espeak sample counts as the digital silence of a stop's closure.
_CLOSURE: Final = 3e-4

#: Where the first part of a BCP 47 tag is not espeak's own name for the language.
_NAMES: Final[dict[str, str]] = {"en": "en-us", "zh": "cmn", "no": "nb", "iw": "he", "fil": "tl"}

#: espeak takes a name it does not know for the path of a file, so only these may reach it.
_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")
_VARIANT: Final = re.compile(r"[A-Za-z0-9_]{0,20}")

_lock = threading.Lock()


class Phone(NamedTuple):
    """One sounding phone: IPA with its stress mark, and when it sounds, in seconds."""

    ipa: str
    start: float
    end: float


class Word(NamedTuple):
    """phones[first:last] of the same Speech belong to this word, found at text[at:at + length]."""

    at: int
    length: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Speech:
    """Synthetic speech whose truth is known.

    pcm: float32 mono in [-1, 1] at `rate` samples a second. phones: in order of time, pauses left
    out, a stop's closure counted as part of the stop. words: which phones make up which word.
    """

    pcm: NDArray[np.float32]
    rate: int
    phones: tuple[Phone, ...]
    words: tuple[Word, ...]

    @property
    def duration(self) -> float:
        return len(self.pcm) / self.rate


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Mark(NamedTuple):
    """A phone or word event as espeak reports it: sample, IPA ("" is a pause) or word span."""

    sample: int
    ipa: str | None
    position: int
    length: int


class _Recorder:
    """Collects what one synthesis says; its callback must stay alive as long as espeak has it."""

    def __init__(self) -> None:
        self.sound: list[NDArray[np.int16]] = []
        self.marks: list[_Mark] = []
        self.callback = _Callback(self._take)

    def _take(self, wave: Any, count: int, events: Any) -> int:
        if wave and count:
            self.sound.append(np.ctypeslib.as_array(wave, (count,)).astype(np.int16))
        index = 0
        while events[index].type != _END:
            event = events[index]
            if event.type == _PHONEME:
                raw = ctypes.string_at(ctypes.addressof(event.id), 8).split(b"\0")[0]
                ipa = raw.decode("utf-8", "ignore")
                # "(en)" and the like announce a change of language, not a sound.
                if not ipa.startswith("("):
                    self.marks.append(_Mark(event.sample, ipa, 0, 0))
            elif event.type == _WORD:
                self.marks.append(_Mark(event.sample, None, event.position - 1, event.length))
            index += 1
        return 0


class _Library:
    """espeak-ng, loaded afresh for one synthesis, then closed. Use it under the lock.

    The library keeps the phase of its voice and of its pitch flutter from one call to the next and
    has no way to reset them, so only a fresh copy (5 ms) says the same thing twice alike.
    """

    def __init__(self) -> None:
        import espeakng_loader

        data = Path(espeakng_loader.get_data_path())
        if len(str(data)) > _LONGEST_DATA_PATH:
            raise VoiceError("espeak-ng cannot be used: it is installed under too long a path")
        try:
            self.dll = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise VoiceError("espeak-ng cannot be used: its library could not be read") from error
        self.rate = int(
            self.dll.espeak_Initialize(
                _SYNCHRONOUS, 0, str(data).encode(), _PHONEMES_IPA_AND_NO_EXIT
            )
        )
        if self.rate <= 0:
            raise VoiceError("espeak-ng cannot be used: its data could not be read")
        self.dll.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self.recorder = _Recorder()
        self.dll.espeak_SetSynthCallback(self.recorder.callback)

    def close(self) -> None:
        self.dll.espeak_Terminate()
        _ctypes.dlclose(self.dll._handle)

    def synthesise(self, text: str, voice: str, speed: int, pitch: int) -> _Recorder:
        """Speaks and returns the recorder; VoiceError when the voice is unknown."""
        if self.dll.espeak_SetVoiceByName(voice.encode()) != 0:
            raise VoiceError(f"espeak-ng has no voice named {voice!r}")
        settings = ((_RATE, speed), (_VOLUME, 100), (_PITCH, pitch), (_RANGE, 50), (_WORDGAP, 0))
        for parameter, value in settings:
            self.dll.espeak_SetParameter(parameter, value, 0)
        raw = text.encode()
        if self.dll.espeak_Synth(raw, len(raw) + 1, 0, 0, 0, _UTF8 | _END_PAUSE, None, None) != 0:
            raise VoiceError("espeak-ng could not speak this text")
        return self.recorder


def available() -> bool:
    """True when espeak-ng is installed; nothing is loaded."""
    return importlib.util.find_spec("espeakng_loader") is not None


def voice_name(language: str, variant: str = "") -> str:
    """espeak's name for a BCP 47 tag such as en, en-GB, pt-BR or zh, with a variant such as f3."""
    tag = language.lower()
    name = _NAMES.get(tag) or (tag if "-" in tag else _NAMES.get(tag.split("-")[0], tag))
    return f"{name}+{variant}" if variant else name


def _clean(text: str) -> str:
    """Without control characters, which espeak may take for commands."""
    return "".join(c if c.isprintable() else " " for c in text)


def speak(
    text: str, language: str = "en", variant: str = "", speed: int = 165, pitch: int = 50
) -> Speech:
    """Speaks `text`, the same way every time.

    variant: one of espeak's voice colours, e.g. "f3", "m7"; speed: words a minute, 80 to 450;
    pitch: 0 to 99. Raises VoiceError for text longer than LONGEST_TEXT characters, for an unknown
    language or variant, and when espeak-ng is not installed.
    """
    if len(text) > LONGEST_TEXT:
        raise VoiceError(f"the text must have at most {LONGEST_TEXT} characters")
    if not (80 <= speed <= 450 and 0 <= pitch <= 99):
        raise VoiceError("speed must lie between 80 and 450 and pitch between 0 and 99")
    if not _TAG.fullmatch(language) or not _VARIANT.fullmatch(variant):
        raise VoiceError("the language must be a BCP 47 tag such as en, pt-BR or zh")
    if not available():
        raise VoiceError("espeak-ng is not installed")
    clean, sound = _clean(text), np.zeros(0, np.int16)
    with _lock:
        library = _Library()
        try:
            told = _say(library, clean, language, variant, speed, pitch)
            sound = np.concatenate([sound, *told.sound])
        finally:
            library.close()
    return _speech(sound.astype(np.float32) / np.float32(32768), library.rate, told.marks)


def _say(
    library: _Library, text: str, language: str, variant: str, speed: int, pitch: int
) -> _Recorder:
    try:
        return library.synthesise(text, voice_name(language, variant), speed, pitch)
    except VoiceError:
        # A region espeak does not know ("de-AT") still has its language ("de").
        if "-" not in language:
            raise
        base = voice_name(language.split("-")[0], variant)
        return library.synthesise(text, base, speed, pitch)


def _speech(pcm: NDArray[np.float32], rate: int, marks: list[_Mark]) -> Speech:
    sounding = [m for m in marks if m.ipa is not None]
    edges = [_with_closure(pcm, sounding, i, rate) for i in range(len(sounding))]
    edges.append(len(pcm) / rate)
    phones: list[Phone] = []
    words: list[Word] = []
    span: tuple[int, int, int] | None = None
    order = iter(range(len(sounding)))
    for mark in marks:
        if mark.ipa is None:
            words += _word(span, len(phones))
            span = (mark.position, mark.length, len(phones))
            continue
        index = next(order)
        if mark.ipa and edges[index + 1] > edges[index]:
            phones.append(Phone(mark.ipa, edges[index], edges[index + 1]))
    words += _word(span, len(phones))
    return Speech(pcm, rate, tuple(phones), tuple(words))


def _word(span: tuple[int, int, int] | None, last: int) -> list[Word]:
    return [Word(*span, last)] if span is not None and last > span[2] else []


def _with_closure(pcm: NDArray[np.float32], marks: list[_Mark], index: int, rate: int) -> float:
    """When phone `index` starts, in seconds.

    espeak reports a stop at its burst and leaves the silence of its closure to the phone before;
    the lips, however, close with that silence.
    """
    start = marks[index].sample
    if index and (marks[index].ipa or "").lstrip("ˈˌ")[:1] in set("pbtdkɡgcɟq"):
        floor = max(marks[index - 1].sample, start - rate // 8)
        quiet = np.abs(pcm[floor:start]) < _CLOSURE
        loud = np.flatnonzero(~quiet)
        start = floor + (int(loud[-1]) + 1 if len(loud) else 0)
    return start / rate


def phonemize(text: str, language: str = "en") -> tuple[tuple[str, ...], ...]:
    """The words of `text` as IPA phones, stress marks kept. Raises VoiceError as speak does."""
    speech = speak(text, language)
    return tuple(
        tuple(phone.ipa for phone in speech.phones[word.first : word.last]) for word in speech.words
    )
