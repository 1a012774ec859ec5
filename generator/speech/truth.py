"""Clips whose phones are known: spoken by espeak-ng, or read from a folder of recordings.

A folder holds sounds (wav, mp3, m4a, ogg, webm, flac) and beside each, under the same name,

    NAME.TextGrid     phones in time, as Praat writes them: the tier "phones" or the last one
    NAME.lab, .phn    the same as lines "start end phone", in seconds or, as TIMIT has it, samples
    NAME.txt          what is said, in English
    NAME.es.txt       what is said, in the language with this tag

Labels are ARPABET or IPA. With a text alone the times come from a judge: for English pocketsphinx's
forced alignment, an independent one that is itself right about four times in five; for any other
language this engine's own alignment, which can tell how the sound alone compares with the text and
no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator import espeak
from primafacie.generator.errors import VoiceError
from primafacie.generator.speech import hearing, mel, phones
from primafacie.generator.speech.align import Span
from primafacie.generator.speech.phones import Part
from primafacie.generator.voice import RATE, decode, from_pcm

Floats = NDArray[np.float32]

#: (language, text): sentences written for this benchmark; none is in the training corpus.
SENTENCES: Final[tuple[tuple[str, str], ...]] = (
    ("en", "My neighbour Barbara paints maps of empty villages, because people might move back."),
    ("en", "Before lunch, five brave boys brought a heavy basket of apples up the hill."),
    ("en", "Thirty-two musicians rehearse the same symphony every Thursday evening."),
    ("es", "Mi hermano pequeño siempre pide pan con mermelada y un vaso de leche caliente."),
    ("es", "Por la mañana subimos al barco blanco para ver el puente desde el mar."),
    ("de", "Am Abend brummt der Motor, und Emma bringt ihrem Papa eine warme Suppe."),
    ("fr", "Mon père prépare un bon repas pour toute la famille, puis il boit un peu d'eau."),
    ("it", "La mamma compra il pane fresco e un po' di burro prima di tornare a casa."),
)
SOUNDS: Final = (".wav", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".webm", ".flac")

ESPEAK: Final = "espeak-ng's own times"
LABELS: Final = "labels beside the clips"
SPHINX: Final = "pocketsphinx along the text"
OURSELVES: Final = "this engine along the text"


@dataclass(frozen=True, slots=True)
class Truth:
    """A clip and what is said in it. judge: who says so, one of the constants above. group: the
    name of the folder it lay in."""

    pcm: Floats
    spans: tuple[Span, ...]
    text: str
    language: str
    name: str = ""
    judge: str = ESPEAK
    group: str = ""


def synthetic() -> tuple[Truth, ...]:
    """espeak-ng in several colours of voice."""
    out = []
    for i, (language, text) in enumerate(SENTENCES):
        said = espeak.speak(text, language, ("", "f3", "m3", "f2")[i % 4], 150 + 10 * (i % 3))
        voice = from_pcm(said.pcm, said.rate)
        name = f"{language}-{i}"
        out.append(Truth(voice.pcm16k, true_spans(said), text, language, name))
    return tuple(out)


def true_spans(said: espeak.Speech) -> tuple[Span, ...]:
    """The phones espeak-ng spoke, as classes in feature frames."""
    named = [(phone.ipa, phone.start, phone.end) for phone in said.phones]
    return _spans((phones.from_ipa(ipa), start, end) for ipa, start, end in named)


def recorded(folder: Path) -> Iterator[Truth]:
    """The clips of a folder and of its folders in order of name; one without labels or text, or
    whose judge fails, is left out. Raises VoiceError for a sound that cannot be read."""
    for sound in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SOUNDS):
        language, text = _text_of(sound)
        labels = _labels_of(sound)
        if not text and labels is None:
            continue
        pcm = decode(sound.read_bytes()).pcm16k
        judge = LABELS
        if labels is None and language == "en":
            judge, labels = SPHINX, sphinx_aligned(pcm, text)
        elif labels is None:
            heard = hearing.hear(pcm, text, language)
            judge, labels = OURSELVES, heard.spans if heard.source == "transcript" else ()
        if labels:
            yield Truth(pcm, labels, text, language, sound.stem, judge, sound.parent.name)


def _text_of(sound: Path) -> tuple[str, str]:
    """Language and text beside a sound, ("en", "") without one."""
    for path in sorted(sound.parent.glob(f"{sound.stem}*.txt")):
        rest = path.name[len(sound.stem) :]
        tag = re.fullmatch(r"\.(?:([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)?)\.)?txt", rest)
        if tag:
            return tag.group(1) or "en", path.read_text("utf-8").strip()
    return "en", ""


# ---- labels ------------------------------------------------------------------------------------


def _labels_of(sound: Path) -> tuple[Span, ...] | None:
    """The labels beside a sound, None without any."""
    for suffix, read in ((".TextGrid", _text_grid), (".lab", _lines), (".phn", _lines)):
        path = sound.with_suffix(suffix)
        if path.is_file():
            return named_spans(read(path.read_text("utf-8", "replace")))
    return None


def named_spans(named: Sequence[tuple[str, float, float]]) -> tuple[Span, ...]:
    """Phones by name, start and end (s) as spans; names are ARPABET if all of them can be."""
    arpabet = all(_bare(name) in _ARPABET for name, _, _ in named)
    return _spans(
        (_ARPABET[_bare(name)] if arpabet else phones.from_ipa(name), start, end)
        for name, start, end in named
    )


def _bare(name: str) -> str:
    return name.strip().lower().rstrip("012")


#: With TIMIT's finer symbols: closures belong to their stops, which follow.
_ARPABET: Final[dict[str, tuple[Part, ...]]] = {
    **phones.ARPABET,
    **{name: phones.ARPABET[like] for like, names in (
        ("b", "bcl pcl"), ("d", "dcl tcl q"), ("g", "gcl kcl"), ("n", "eng"), ("ah", "ax-h"),
        ("uw", "ux"), ("pau", "epi sp spn sil nsn"),
    ) for name in names.split()},
    "": (Part(phones.SIL, 1.0),),
}  # fmt: skip


def _spans(found: Iterable[tuple[tuple[Part, ...], float, float]]) -> tuple[Span, ...]:
    out = []
    for parts, start, end in found:
        at = start
        for part in parts:
            to = at + part.share * (end - start)
            a, b = round(at * mel.FRAME_RATE), round(to * mel.FRAME_RATE)
            if part.phone != phones.SIL and b > a:
                out.append(Span(part.phone, a, b))
            at = to
    return _joined(out)


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """A closure and its burst, labelled apart, are one sound."""
    out: list[Span] = []
    for span in spans:
        if out and out[-1].phone == span.phone and out[-1].end == span.start:
            out[-1] = Span(span.phone, out[-1].start, span.end)
        else:
            out.append(span)
    return tuple(out)


_MARKS: Final = r'"((?:[^"]|"")*)"|(?<![\[\w.])(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?![\]\w])'


def _text_grid(text: str) -> list[tuple[str, float, float]]:
    """The intervals of the phone tier of a TextGrid, long or short form: as Praat itself reads
    them, only free-standing numbers and quoted strings count."""
    marks = re.findall(
        r'"((?:[^"]|"")*)"|(?<![\[\w.])(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(?![\]\w])', text
    )
    values: list[str | float] = [float(n) if n else s.replace('""', '"') for s, n in marks]
    tiers: dict[str, list[tuple[str, float, float]]] = {}
    at = 5  # file type, object class, start, end, number of tiers
    try:
        while at < len(values):
            kind, name, count = values[at], str(values[at + 1]), int(values[at + 4])
            size = 3 if kind == "IntervalTier" else 2
            rows = [values[at + 5 + size * i : at + 5 + size * (i + 1)] for i in range(count)]
            if size == 3:
                tiers[name.lower()] = [(str(r[2]), float(r[0]), float(r[1])) for r in rows]
            at += 5 + size * count
    except (IndexError, ValueError) as error:
        raise VoiceError("a TextGrid cannot be read") from error
    if not tiers:
        raise VoiceError("a TextGrid has no tier of intervals")
    chosen = next((n for n in tiers if n.startswith("phon")), list(tiers)[-1])
    return tiers[chosen]


def _lines(text: str) -> list[tuple[str, float, float]]:
    """Lines of start, end and phone, in seconds or, when all are whole and large, in samples."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    try:
        found = [(row[2] if len(row) > 2 else "", float(row[0]), float(row[1])) for row in rows]
    except (IndexError, ValueError) as error:
        raise VoiceError("a label file must have lines of start, end and phone") from error
    if found and found[-1][2] > 600:
        return [(name, start / RATE, end / RATE) for name, start, end in found]
    return found


# ---- pocketsphinx ------------------------------------------------------------------------------


def sphinx_aligned(pcm: Floats, text: str) -> tuple[Span, ...]:
    """The phones of an English text as pocketsphinx lays them, () when it fails."""
    from pocketsphinx import Decoder

    decoder: Any = Decoder(lm=None, loglevel="FATAL", bestpath=False)
    words = " ".join(text.lower().replace("-", " ").split())
    try:
        decoder.set_align_text("".join(c for c in words if c.isalpha() or c in " '"))
        _sphinx_run(decoder, pcm)
        decoder.set_alignment()
        _sphinx_run(decoder, pcm)
        found = decoder.get_alignment()
    except RuntimeError:
        return ()
    if found is None:
        return ()
    return _from_sphinx((p.name, p.start, p.start + p.duration) for w in found for p in w)


def _sphinx_run(decoder: Any, pcm: Floats) -> None:
    """Lets a decoder hear a clip."""
    decoder.start_utt()
    decoder.process_raw(np.clip(pcm * 32767, -32768, 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()


def _from_sphinx(named: Iterable[tuple[str, int, int]]) -> tuple[Span, ...]:
    """pocketsphinx's phones, in frames of 10 ms, as spans."""
    return _spans(
        (phones.ARPABET.get(name.lower(), ()), start / mel.FRAME_RATE, end / mel.FRAME_RATE)
        for name, start, end in named
    )
