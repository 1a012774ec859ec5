"""How well speech is heard, measured the same way for this engine and for two simple rivals.

Truth comes from espeak-ng, which knows its own phones (the texts are not in the training corpus,
espeak's voices are), and, where a folder of recordings with their texts is given, from
pocketsphinx's forced alignment, an independent judge that is itself right about four times in
five. Rivals: pocketsphinx's phone recogniser (what Rhubarb Lip Sync runs without a text) and an
opening that follows loudness.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator import espeak
from primafacie.generator.speech import align, hearing, mel, net, phones, vad
from primafacie.generator.speech.align import VISEME, VISEMES, Span
from primafacie.generator.speech.visemes import JAW, lips
from primafacie.generator.voice import RATE, decode, from_pcm

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

#: (language, text): sentences written for this benchmark.
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
#: A closure counts as found within this many frames of the true one.
_NEAR: Final = 3


@dataclass(frozen=True, slots=True)
class Truth:
    """A clip and what is really said in it."""

    pcm: Floats
    spans: tuple[Span, ...]
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Score:
    """What one method reached on one set of clips.

    accuracy, f1: of 15 visemes, by 10 ms frame, f1 averaged over visemes. recall, precision: of
    p, b, m as events. offset: median of found minus true onset of p, b, m, in ms. speed: seconds
    of computing per second of sound.
    """

    method: str
    clips: str
    accuracy: float
    f1: float
    recall: float
    precision: float
    offset: float
    speed: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """scores by method and set; openings: largest jawOpen on sound without speech, by kind."""

    scores: tuple[Score, ...]
    openings: tuple[tuple[str, float], ...]

    def table(self) -> str:
        """The numbers as a Markdown table."""
        rows = [
            "| clips | method | viseme accuracy | F1 | pbm recall | precision | offset ms | RTF |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for s in self.scores:
            rows.append(
                f"| {s.clips} | {s.method} | {s.accuracy:.3f} | {s.f1:.3f} | {s.recall:.2f} | "
                f"{s.precision:.2f} | {s.offset:+.0f} | {s.speed:.3f} |"
            )
        rows += ["", "| no speech | largest jawOpen |", "|---|---|"]
        rows += [f"| {kind} | {value:.3f} |" for kind, value in self.openings]
        return "\n".join(rows)


def benchmark(recordings: Path | None = None) -> Benchmark:
    """Runs everything. recordings: a folder of NAME.wav (or mp3 …) with NAME.txt beside it,
    English, which never leave the machine. Raises VoiceError for a clip that cannot be read."""
    sets = [("synthetic, 5 languages", synthetic())]
    if recordings is not None:
        sets.append(("recordings", tuple(recorded(recordings))))
    scores = [
        score(name, clips, method, run)
        for name, clips in sets
        for method, run in METHODS.items()
        if clips
    ]
    return Benchmark(tuple(scores), tuple(openings()))


# ---- truth -------------------------------------------------------------------------------------


def synthetic() -> tuple[Truth, ...]:
    """espeak-ng in several colours of voice."""
    out = []
    for i, (language, text) in enumerate(SENTENCES):
        said = espeak.speak(text, language, ("", "f3", "m3", "f2")[i % 4], 150 + 10 * (i % 3))
        voice = from_pcm(said.pcm, said.rate)
        out.append(Truth(voice.pcm16k, _true_spans(said), text, language))
    return tuple(out)


def _true_spans(said: espeak.Speech) -> tuple[Span, ...]:
    spans = []
    for phone in said.phones:
        at = phone.start
        for part in phones.from_ipa(phone.ipa):
            to = at + part.share * (phone.end - phone.start)
            spans.append(Span(part.phone, round(at * mel.FRAME_RATE), round(to * mel.FRAME_RATE)))
            at = to
    return tuple(spans)


def recorded(folder: Path) -> Iterator[Truth]:
    """Each recording with the phones pocketsphinx finds along its text; failures are left out."""
    for text_path in sorted(folder.glob("*.txt")):
        for sound in sorted(folder.glob(f"{text_path.stem}.*")):
            if sound.suffix == ".txt":
                continue
            text = text_path.read_text("utf-8").strip()
            pcm = decode(sound.read_bytes()).pcm16k
            spans = _sphinx_aligned(pcm, text)
            if spans:
                yield Truth(pcm, spans, text, "en")


def _int16(pcm: Floats) -> bytes:
    return np.clip(pcm * 32767, -32768, 32767).astype("<i2").tobytes()


def _sphinx_aligned(pcm: Floats, text: str) -> tuple[Span, ...]:
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
    decoder.start_utt()
    decoder.process_raw(_int16(pcm), full_utt=True)
    decoder.end_utt()


def _from_sphinx(named: Any) -> tuple[Span, ...]:
    spans = []
    for name, start, end in named:
        at = float(start)
        for part in phones.ARPABET.get(name.lower(), ()):
            to = at + part.share * (end - start)
            if part.phone != phones.SIL:
                spans.append(Span(part.phone, round(at), round(to)))
            at = to
    return tuple(spans)


# ---- methods -----------------------------------------------------------------------------------


def _alone(clip: Truth) -> tuple[Span, ...]:
    return hearing.hear(clip.pcm).spans


def _guessed(clip: Truth) -> tuple[Span, ...]:
    return hearing.hear(clip.pcm, language=clip.language, guess=True).spans


def _along(clip: Truth) -> tuple[Span, ...]:
    return hearing.hear(clip.pcm, clip.text, clip.language).spans


def _allphone(clip: Truth) -> tuple[Span, ...]:
    from pocketsphinx import Decoder, get_model_path

    decoder: Any = Decoder(
        allphone=get_model_path("en-us/en-us-phone.lm.bin"), allphone_ci=True, lm=None, dict=None,
        lw=0.8, beam=1e-20, pbeam=1e-20, loglevel="FATAL",
    )  # fmt: skip
    _sphinx_run(decoder, clip.pcm)
    return _from_sphinx((s.word, s.start_frame, s.end_frame + 1) for s in decoder.seg())


def _loudness(clip: Truth) -> tuple[Span, ...]:
    """Open (aa) by how loud it is, shut (m) where it dips between: no phone is known."""
    level = mel.loudness(mel.power(clip.pcm))
    steps = np.digitize(level, [-30, -20, -12, -6])
    kinds = [phones.CLASS[name] for name in ("sil", "m", "ih", "eh", "aa")]
    edges = np.flatnonzero(np.diff(steps)) + 1
    spans = zip(np.r_[0, edges], np.r_[edges, len(steps)], strict=True)
    return tuple(Span(kinds[int(steps[a])], int(a), int(b)) for a, b in spans if steps[a])


METHODS: Final[dict[str, Callable[[Truth], tuple[Span, ...]]]] = {
    "this engine, along the text": _along,
    "this engine, words guessed": _guessed,
    "this engine, sound alone": _alone,
    "pocketsphinx allphone": _allphone,
    "loudness": _loudness,
}


# ---- scores ------------------------------------------------------------------------------------


def _labels(spans: Sequence[Span], frames: int) -> Labels:
    out = np.zeros(frames, np.int64)
    for span in spans:
        out[span.start : span.end] = span.phone
    return out


def score(
    name: str, clips: Sequence[Truth], method: str, run: Callable[[Truth], tuple[Span, ...]]
) -> Score:
    run(clips[0])  # loads what is loaded once
    started = time.process_time()
    heard = [run(clip) for clip in clips]
    spent = time.process_time() - started
    table = np.zeros((len(VISEMES), len(VISEMES)))
    true = found = right = backed = 0
    offsets: list[float] = []
    for clip, spans in zip(clips, heard, strict=True):
        frames = len(clip.pcm) // mel.HOP
        pair = (VISEME[_labels(clip.spans, frames)], VISEME[_labels(spans, frames)])
        np.add.at(table, pair, 1)
        wanted, given = _bilabials(clip.spans), _bilabials(spans)
        true, found = true + len(wanted), found + len(given)
        hits = [[g for g in given if _meet(w, g)] for w in wanted]
        right += sum(map(bool, hits))
        backed += sum(any(_meet(w, g) for w in wanted) for g in given)
        offsets += [(h[0].start - w.start) * 10 for w, h in zip(wanted, hits, strict=True) if h]
    hit = np.diag(table)
    f1 = 2 * hit / np.maximum(table.sum(0) + table.sum(1), 1)
    seconds = sum(len(c.pcm) for c in clips) / RATE
    return Score(
        method, name, float(hit.sum() / table.sum()), float(f1[table.sum(1) > 0].mean()),
        right / max(true, 1), backed / max(found, 1), float(np.median(offsets or [np.nan])),
        spent / seconds,
    )  # fmt: skip


def _bilabials(spans: Sequence[Span]) -> list[Span]:
    return [s for s in spans if s.phone in phones.BILABIAL]


def _meet(a: Span, b: Span) -> bool:
    return a.start - _NEAR < b.end and b.start < a.end + _NEAR


def openings() -> Iterator[tuple[str, float]]:
    """The widest jaw on ten seconds of sound in which nobody speaks."""
    for kind, pcm in nonspeech(10.0).items():
        speech = vad.mask(vad.segments(pcm), len(pcm) // mel.HOP)
        log_post = net.log_posteriors(mel.features(pcm))
        spans = align.free(log_post, speech, net.default())
        mouth = lips(spans, np.exp(log_post), speech, 250, 25.0)
        yield kind, float(mouth.shape[:, JAW].max())


def nonspeech(seconds: float) -> dict[str, Floats]:
    """Sounds in which nobody speaks, at 16 kHz, always the same."""
    rng = np.random.default_rng(2)
    count = int(seconds * RATE)
    t = np.arange(count) / RATE
    white = rng.standard_normal(count)
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 5), count)
    tune = sum(
        np.sin(2 * np.pi * 220 * 2 ** (note / 12) * t * h) / h * np.exp(-3 * ((t - k * 0.4) % 3.2))
        for k, note in enumerate((0, 4, 7, 12, 7, 4, 2, 5))
        for h in (1, 2, 3)
    )
    beat = white * np.exp(-18 * (t % 0.5))
    chirp = np.sin(2 * np.pi * (200 * t + 150 * t**2))
    sounds = {"digital silence": np.zeros(count), "white noise": white, "pink noise": pink,
              "music": tune, "drum": beat, "chirp": chirp}  # fmt: skip
    return {
        name: np.asarray(0.1 * x / (np.std(x) + 1e-9), np.float32) for name, x in sounds.items()
    }
