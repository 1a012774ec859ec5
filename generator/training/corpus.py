"""The corpus the speech network learns from: synthetic voices that know what they say, and when.

    python -m primafacie.generator.training.corpus FOLDER

writes FOLDER/train.npz and FOLDER/heldout.npz. Needs the Debian packages flite, festival,
festvox-kallpc16k, festvox-kdlpc16k, festvox-us-slt-hts, festvox-italp16k, festvox-itapc16k,
festvox-czech-{dita,krb,machac,ph}, festvox-suopuhe-{lj,mv}, festvox-ca-ona-hts, festvox-ru,
fortunes and fortunes-{cs,de,es,it,pl,ru}. All of them are used as tools: none of their sound or
text goes into the project. Held out are the voices in HELD_OUT and one text in ten.

No recording of a real person is used directly. Every voice but espeak-ng's was once built by its
authors from the recordings of a reader.
"""

from __future__ import annotations

import io
import pydoc_data.topics
import re
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from primafacie.generator import espeak
from primafacie.generator.errors import VoiceError
from primafacie.generator.speech.phones import ARPABET, Part, from_ipa

RATE: Final = 16_000
HOP: Final = 160
UNKNOWN: Final = 255
HELD_OUT: Final = frozenset({"flite-rms", "fest-pc_diphone", "fest-czech_machac",
                             "fest-hy_fi_mv_diphone", "espeak-heldout"})  # fmt: skip
FORTUNES: Final = Path("/usr/share/games/fortunes")


@dataclass(frozen=True, slots=True)
class Utterance:
    """16 kHz int16 sound and one class per 10 ms (UNKNOWN where nobody can say)."""

    source: str
    pcm: NDArray[np.int16]
    labels: NDArray[np.uint8]


# ---- texts -------------------------------------------------------------------------------------


def sentences(language: str) -> list[str]:
    """Short sentences of a language, in a fixed shuffled order."""
    raw = "\n%\n".join(_texts(language))
    found = []
    for piece in re.split(r"\n%\n|(?<=[.!?])\s+", raw):
        line = re.sub(r"[^\w\s.,;:!?'-]", " ", re.sub(r"\s+", " ", piece)).strip()
        line = re.sub(r"[_\d]", " ", line)
        if not 25 <= len(line) <= 130 or sum(c.isalpha() for c in line) < 0.7 * len(line):
            continue
        # The English folder holds other languages too.
        if language != "en" or re.search(r"\b(the|is|of|and|you|that|it)\b", line):
            found.append(line)
    return [found[i] for i in np.random.default_rng(7).permutation(len(found))]


def _texts(language: str) -> Iterator[str]:
    if language == "en":
        yield from pydoc_data.topics.topics.values()
    folder = FORTUNES if language == "en" else FORTUNES / language
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file() and path.suffix not in {".dat", ".u8"}:
            data = path.read_bytes()
            try:
                yield data.decode("utf-8")
            except UnicodeDecodeError:
                yield data.decode("iso8859-2" if language in {"cs", "pl"} else "latin-1")


def split(texts: list[str]) -> tuple[list[str], list[str]]:
    """Nine in ten for training, one in ten for measuring."""
    return [t for i, t in enumerate(texts) if i % 10], texts[::10]


# ---- labels ------------------------------------------------------------------------------------


def label(
    spans: Iterable[tuple[float, float, tuple[Part, ...] | None]], frames: int
) -> NDArray[np.uint8]:
    """One class per frame from (start, end, parts) spans; silence where no span lies."""
    out = np.zeros(frames, np.uint8)
    for start, end, parts in spans:
        at = start
        for phone, share in parts if parts else ((UNKNOWN, 1.0),):
            to = at + share * (end - start)
            first, last = (int(np.ceil(t * RATE / HOP - 0.5)) for t in (at, to))
            out[max(0, first) : max(0, last)] = phone
            at = to
    return out


def _utterance(
    source: str, pcm: NDArray[np.int16], spans: list[tuple[float, float, tuple[Part, ...] | None]]
) -> Utterance:
    return Utterance(source, pcm, label(spans, len(pcm) // HOP))


def _read_wave(data: bytes) -> NDArray[np.int16]:
    with wave.open(io.BytesIO(data)) as sound:
        rate = sound.getframerate()
        pcm = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    return _to_16k(pcm.astype(np.float32), rate)


def _to_16k(pcm: NDArray[np.float32], rate: int) -> NDArray[np.int16]:
    if rate != RATE:
        common = int(np.gcd(rate, RATE))
        pcm = resample_poly(pcm, RATE // common, rate // common)
    return np.clip(np.round(pcm), -32768, 32767).astype(np.int16)


# ---- flite -------------------------------------------------------------------------------------


def flite(voice: str, texts: list[str], rng: np.random.Generator) -> Iterator[Utterance]:
    """flite prints the end time of every segment."""
    for text in texts:
        pitch = {"slt": 180, "rms": 100, "awb": 125}.get(voice, 105) * rng.uniform(0.75, 1.5)
        with tempfile.NamedTemporaryFile(suffix=".wav") as out:
            stretch = f"duration_stretch={rng.uniform(0.75, 1.3):.2f}"
            done = subprocess.run(
                ["flite", "-voice", voice, "--setf", stretch, "--setf",
                 f"int_f0_target_mean={pitch:.0f}", "-psdur", "-t", text, "-o", out.name],
                capture_output=True, check=True, timeout=60,
            )  # fmt: skip
            pcm = _read_wave(Path(out.name).read_bytes())
        spans, start = [], 0.0
        for item in done.stdout.decode().split():
            name, _, end = item.rpartition(":")
            spans.append((start, float(end), ARPABET.get(name)))
            start = float(end)
        yield _utterance(f"flite-{voice}", pcm, spans)


# ---- festival ----------------------------------------------------------------------------------

_SAMPA: Final = {"J": "ɲ", "L": "ʎ", "S": "ʃ", "Z": "ʒ", "E": "ɛ", "O": "ɔ", "N": "ŋ", "tS": "tʃ",
                 "dZ": "dʒ", "ax": "ə", "rr": "r", "@": "æ", "7": "ø"}  # fmt: skip
_CZECH: Final = {"c": "ts", "c~": "tʃ", "dz~": "dʒ", "s~": "ʃ", "z~": "ʒ", "t~": "t", "d~": "d",
                 "n~": "ɲ", "n*": "ŋ", "h": "ɦ", "ch": "x", "r~": "rʒ", "r~*": "rʃ"}  # fmt: skip
_RUSSIAN: Final = {"ae": "ə", "ay": "ə", "ur": "u", "y": "ɨ", "yy": "ɨ", "h": "x", "hh": "x",
                   "c": "ts", "ch": "tʃ", "sch": "ɕ", "sh": "ʃ", "zh": "ʒ"}  # fmt: skip


def _sampa(name: str) -> tuple[Part, ...] | None:
    bare = name.rstrip("0123456789:") or name
    return from_ipa(_SAMPA.get(bare, bare)) or None


def _czech(name: str) -> tuple[Part, ...] | None:
    bare = name.rstrip(":")
    return from_ipa(_CZECH.get(bare, bare)) or None


def _russian(name: str) -> tuple[Part, ...] | None:
    return from_ipa(_RUSSIAN.get(name, name[:1])) or None


def _american(name: str) -> tuple[Part, ...] | None:
    return ARPABET.get(name)


Reader = Callable[[str], tuple[Part, ...] | None]
#: voice: language of its texts, their encoding, reader of its phone names, training utterances.
FESTIVAL: Final[dict[str, tuple[str, str, Reader, int]]] = {
    "kal_diphone": ("en", "latin-1", _american, 200),
    "ked_diphone": ("en", "latin-1", _american, 200),
    "cmu_us_slt_arctic_hts": ("en", "latin-1", _american, 330),
    "lp_diphone": ("it", "latin-1", _sampa, 230),
    "pc_diphone": ("it", "latin-1", _sampa, 30),
    "czech_dita": ("cs", "iso8859-2", _czech, 160),
    "czech_krb": ("cs", "iso8859-2", _czech, 110),
    "czech_ph": ("cs", "iso8859-2", _czech, 110),
    "czech_machac": ("cs", "iso8859-2", _czech, 30),
    "suo_fi_lj_diphone": ("fi", "latin-1", _sampa, 160),
    "hy_fi_mv_diphone": ("fi", "latin-1", _sampa, 30),
    "upc_ca_ona_hts": ("es", "latin-1", _sampa, 160),
    "msu_ru_nsh_clunits": ("ru", "utf-8", _russian, 180),
}
_SILENT: Final = frozenset({"#", "pau", "sil", "h#"})


def festival(voice: str, texts: list[str]) -> Iterator[Utterance]:
    """One festival process for all texts of a voice; utterances it fails on are left out."""
    _, encoding, reader, _ = FESTIVAL[voice]
    with tempfile.TemporaryDirectory() as folder:
        script = [f"(voice_{voice})".encode()]
        for i, text in enumerate(texts):
            script.append(
                b'(unwind-protect (begin (set! u (utt.synth (Utterance Text "'
                + text.replace('"', " ").encode(encoding, "ignore")
                + f'")))(utt.save.segs u "{folder}/{i}.lab")'.encode()
                + f'(utt.save.wave u "{folder}/{i}.wav" \'riff)) nil)'.encode()
            )
        path = Path(folder) / "all.scm"
        path.write_bytes(b"\n".join(script))
        subprocess.run(["festival", "-b", str(path)], capture_output=True, timeout=1200)
        for i in range(len(texts)):
            lab, sound = Path(folder) / f"{i}.lab", Path(folder) / f"{i}.wav"
            if lab.is_file() and sound.is_file():
                yield _festival_utterance(voice, lab, sound, reader)


def _festival_utterance(voice: str, lab: Path, sound: Path, reader: Reader) -> Utterance:
    spans: list[tuple[float, float, tuple[Part, ...] | None]] = []
    start = 0.0
    for line in lab.read_text("latin-1").splitlines():
        fields = line.split()
        if len(fields) == 3:
            end, name = float(fields[0]), fields[2]
            parts: tuple[Part, ...] | None = (Part(0, 1.0),) if name in _SILENT else reader(name)
            spans.append((start, end, parts))
            start = end
    return _utterance(f"fest-{voice}", _read_wave(sound.read_bytes()), spans)


# ---- espeak ------------------------------------------------------------------------------------

ACCENTS: Final = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan",
                  "en-gb-x-gbcwmd", "en-029", "en-us-nyc")  # fmt: skip
#: Languages spelt in Latin or Cyrillic letters: any text in that script makes their sounds.
TONGUES: Final = {
    "de": ("de", "nl", "da", "sv", "nb", "is", "hu"), "es": ("es", "es-419", "pt", "pt-br", "ca"),
    "it": ("it", "ro", "fr", "id", "sw", "vi", "fi", "et", "tr"), "ru": ("ru", "bg", "uk"),
    "cs": ("cs", "sk", "lt", "hr"), "pl": ("pl",),
}  # fmt: skip


def _variants() -> list[str]:
    import espeakng_loader

    names = (p.name for p in (Path(espeakng_loader.get_data_path()) / "voices/!v").iterdir())
    return sorted(n for n in names if re.fullmatch(r"[A-Za-z0-9]+", n))


def espeak_utterances(
    source: str, voices: list[str], texts: list[str], rng: np.random.Generator
) -> Iterator[Utterance]:
    variants = _variants()
    for text in texts:
        try:
            said = espeak.speak(
                text, str(rng.choice(voices)), str(rng.choice(variants)),
                int(rng.integers(120, 240)), int(rng.integers(15, 85)),
            )  # fmt: skip
        except VoiceError:
            continue
        if said.phones:
            spans = [(p.start, p.end, from_ipa(p.ipa) or None) for p in said.phones]
            yield _utterance(source, _to_16k(said.pcm * 32767, said.rate), spans)


# ---- all of it ---------------------------------------------------------------------------------


def generate() -> Iterator[Utterance]:
    """Every utterance of the corpus, training and held out, in a fixed order."""
    rng = np.random.default_rng(11)
    train, held = split(sentences("en"))
    rng.shuffle(train)
    at = 0
    for voice, count in (("slt", 650), ("awb", 650), ("kal16", 220), ("kal", 90)):
        yield from flite(voice, train[at : at + count], rng)
        at += count
    yield from flite("rms", held[:60], rng)
    texts = {k: split(sentences(k)) for k in ("it", "cs", "es", "ru", "de", "pl")}
    texts["en"] = (train, held)
    # Debian has no Finnish fortunes; Italian and Czech letters make Finnish diphones all the same.
    texts["fi"] = texts["it"]
    for voice, (language, _, _, count) in FESTIVAL.items():
        measured = f"fest-{voice}" in HELD_OUT
        pool = texts[language][1 if measured else 0]
        order = rng.permutation(len(pool))[:count]
        yield from festival(voice, [pool[i] for i in order])
    yield from espeak_utterances("espeak-en", list(ACCENTS), train[at : at + 1200], rng)
    for language, voices in TONGUES.items():
        pool = texts[language][0]
        order = rng.permutation(len(pool))[: 36 * len(voices)]
        yield from espeak_utterances("espeak-ml", list(voices), [pool[i] for i in order], rng)
    for language in ("en", "es", "de", "cs"):
        pool = texts[language][1][60:90]
        yield from espeak_utterances("espeak-heldout", [language], pool, rng)


def save(path: Path, utterances: list[Utterance]) -> None:
    np.savez(
        path,
        pcm=np.concatenate([u.pcm[: len(u.labels) * HOP] for u in utterances]),
        labels=np.concatenate([u.labels for u in utterances]),
        frames=np.array([len(u.labels) for u in utterances]),
        source=np.array([u.source for u in utterances]),
    )


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    everything = list(generate())
    for name, wanted in (("train", False), ("heldout", True)):
        chosen = [u for u in everything if (u.source in HELD_OUT) is wanted]
        save(folder / f"{name}.npz", chosen)
        hours = sum(len(u.labels) for u in chosen) / 360_000
        print(f"{name}: {len(chosen)} utterances, {hours:.2f} h")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
