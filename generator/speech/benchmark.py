"""How well speech is heard, measured the same way for this engine and for two simple rivals.

Truth comes from speech.truth: espeak-ng, which knows its own phones (the texts are not in the
training corpus, espeak's voices are), and folders of recordings. Rivals: pocketsphinx's phone
recogniser (what Rhubarb Lip Sync runs without a text) and an opening that follows loudness.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator import espeak
from primafacie.generator.errors import VoiceError
from primafacie.generator.speech import (
    hearing,
    mel,
    net,
    phones,
    prosody,
    vad,
    visemes,
    whisper,
    words,
)
from primafacie.generator.speech.align import VISEME, VISEMES, Span
from primafacie.generator.speech.stream import LOOK_AHEAD, Listener
from primafacie.generator.speech.truth import (
    OURSELVES,
    SENTENCES,
    SOUNDS,
    Truth,
    synthetic,
)
from primafacie.generator.speech.truth import recorded as recorded
from primafacie.generator.speech.visemes import JAW, ROUND
from primafacie.generator.voice import RATE, Voice, decode, from_pcm

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Method = Callable[[Truth], tuple[Span, ...]]

#: A closure counts as found within this many frames of the true one.
_NEAR: Final = 6
SNRS: Final = (20, 10, 0)
FORMATS: Final = ("wav", "flac", "mp3", "m4a", "ogg opus", "webm opus")
#: Noise is measured on about so many seconds of speech.
_NOISE_SECONDS: Final = 30
#: Frames a second at which live hearing is asked: as many as there are labels, for at 50 even the
#: right phones would agree with only 95 % of the labels. Its speed is told at 25, as videos have.
_LIVE_FPS: Final = 100
_VIDEO_FPS: Final = 25


@dataclass(frozen=True, slots=True)
class Score:
    """What one method reached on one set of clips.

    accuracy, f1: of 15 visemes, by 10 ms frame, f1 averaged over visemes. recall, precision: of
    p, b, m as events, within 60 ms. offset: median of found minus true onset of p, b, m, in ms.
    jaw, rounding: correlation of the label-only tracks. speed: seconds of computing per second
    of sound.
    """

    method: str
    clips: str
    accuracy: float
    f1: float
    recall: float
    precision: float
    offset: float
    jaw: float
    rounding: float
    speed: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A set of clips and every method's score on it. believed: right texts believed, of; refused:
    wrong texts refused, of."""

    name: str
    judges: tuple[str, ...]
    count: int
    seconds: float
    closures: int
    scores: tuple[Score, ...]
    believed: tuple[int, int]
    refused: tuple[int, int]

    def score(self, method: str) -> Score:
        """One method's. Raises KeyError when it was not measured."""
        found = next((s for s in self.scores if s.method == method), None)
        if found is None:
            raise KeyError(method)
        return found


@dataclass(frozen=True, slots=True)
class Noisy:
    """Scores in one kind of noise at one ratio (dB)."""

    kind: str
    snr: int
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything measured.

    openings: widest jaw on sound without speech, by kind. sung: share of a synthetic sung phrase
    in which the lips move. formats: kind, r and offset (ms) of the jaw against the uncompressed
    clip. delay: by how many ms the track comes later when the sound comes 200 ms later. speeds:
    seconds of computing per second of sound, by part. first: ms of computing from the sound of
    the look-ahead to the first frame's motion. whisper: viseme accuracy on whispered clips and
    the share of their speech that is noticed at all.
    """

    sets: tuple[Heard, ...]
    noisy: tuple[Noisy, ...]
    noisy_clips: str
    openings: tuple[tuple[str, float], ...]
    sung: float
    formats: tuple[tuple[str, float, float], ...]
    delay: float
    speeds: tuple[tuple[str, float], ...]
    first: float
    whisper: tuple[float, float]


def benchmark(
    recordings: Path | None = None, nonspeech_folder: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Findings:  # fmt: skip
    """Runs everything.

    recordings: clips as speech.truth reads them; they never leave the machine. nonspeech_folder:
    recorded music and noise without a voice. Raises VoiceError for a file that cannot be read.
    """
    groups = {"synthetic, 5 languages": synthetic()}
    if recordings is not None:
        groups |= grouped(recorded(recordings))
    if len(groups) == 1 and recordings is not None:
        raise VoiceError("the folder holds no clip with labels or a text beside it")
    sounds = _recorded_nonspeech(nonspeech_folder) if nonspeech_folder else {}
    tell("silence and music, song, whisper, files, delay, speed")
    quick = (
        (*openings(), *openings_of(sounds)), sung_share(), tuple(formats()), delay(),
        tuple(speeds()), first_motion(), whispered(),
    )  # fmt: skip
    sets = []
    for name, clips in groups.items():
        tell(f"{name}: {len(clips)} clips")
        sets.append(heard_set(name, clips))
        for s in sets[-1].scores:
            tell(f"  {s.method}: {s.accuracy:.3f}, p b m {s.recall:.2f} / {s.precision:.2f}")
    hardest = max(
        list(groups)[1:] or groups, key=lambda name: ("English" in name, len(groups[name]))
    )
    some = _some(groups[hardest])
    noisy = []
    for kind in ("white", "babble", *(["recorded"] if sounds else [])):
        for snr in SNRS:
            tell(f"{kind} noise, {snr} dB")
            noisy.append(in_noise(some, kind, snr, sounds))
    return Findings(
        tuple(sets), tuple(noisy), f"{len(some)} clips of {hardest}",
        *quick,
    )  # fmt: skip


def grouped(clips: Iterator[Truth]) -> dict[str, tuple[Truth, ...]]:
    """Recordings by folder, language and judge, English first."""
    groups: dict[str, list[Truth]] = {}
    for clip in clips:
        language = "English" if clip.language.startswith("en") else "other languages"
        name = f"recordings {clip.group}, {language}, judged by {clip.judge}"
        groups.setdefault(name, []).append(clip)
    return {name: tuple(groups[name]) for name in sorted(groups, key=lambda n: "other" in n)}


def _some(clips: Sequence[Truth]) -> Sequence[Truth]:
    """Clips from all over a set, of _NOISE_SECONDS together."""
    share = sum(len(c.pcm) for c in clips) / RATE / _NOISE_SECONDS
    return clips[:: max(1, round(share))]


def heard_set(name: str, clips: Sequence[Truth]) -> Heard:
    """Every method's score on a set of clips, and how texts that do not belong are noticed."""
    methods = dict(METHODS)
    # Along the text is no method where it is the judge itself.
    if not any(clip.text and clip.judge != OURSELVES for clip in clips):
        del methods[ALONG]
    if not all(clip.language.startswith("en") for clip in clips):
        del methods[GUESSED]
    believed, refused = texts(clips)
    return Heard(
        name, tuple(sorted({c.judge for c in clips})), len(clips),
        sum(len(c.pcm) for c in clips) / RATE, sum(len(_bilabials(c.spans)) for c in clips),
        tuple(score(name, clips, method, run) for method, run in methods.items()),
        believed, refused,
    )  # fmt: skip


def texts(clips: Sequence[Truth]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Right texts believed, of; wrong texts of similar length in the same language refused, of."""
    right = wrong = tried = refused = 0
    for clip in clips:
        if not clip.text:
            continue
        right += 1
        wrong += hearing.hear(clip.pcm, clip.text, clip.language).source == "transcript"
        others = {c.text for c in clips if c.language == clip.language} - {clip.text}
        for text in sorted(others, key=lambda t: (abs(len(t) - len(clip.text)), t))[:2]:
            tried += 1
            refused += hearing.hear(clip.pcm, text, clip.language).source != "transcript"
    return (wrong, right), (refused, tried)


# ---- methods -----------------------------------------------------------------------------------


def _alone(clip: Truth) -> tuple[Span, ...]:
    return hearing.hear(clip.pcm, language=clip.language).spans


def _guessed(clip: Truth) -> tuple[Span, ...]:
    return hearing.hear(clip.pcm, language=clip.language, guess=True).spans


def _along(clip: Truth) -> tuple[Span, ...]:
    return hearing.hear(clip.pcm, clip.text, clip.language).spans


def _live(clip: Truth, fps: int = _LIVE_FPS) -> tuple[Span, ...]:
    """What the listener said at the moment each frame was drawn, without the lips' lead."""
    listener, at, said = Listener(fps, clip.language), 0, []
    while listener.due() <= len(clip.pcm):
        listener.hear(clip.pcm[at : listener.due()])
        at = listener.due()
        said.append(listener.moment().phone)
    listener.hear(clip.pcm[at:])
    listener.end()
    frames = int(np.ceil(len(clip.pcm) / RATE * fps))
    said += [listener.moment().phone for _ in range(frames - len(said))]
    labels = np.repeat(said, int(mel.FRAME_RATE / fps))
    lead = int(visemes.LEAD * mel.FRAME_RATE)
    edges = np.flatnonzero(np.diff(labels)) + 1
    spans = zip(np.r_[0, edges], np.r_[edges, len(labels)], strict=True)
    return tuple(Span(int(labels[a]), int(a) + lead, int(b) + lead) for a, b in spans if labels[a])


def _allphone(clip: Truth) -> tuple[Span, ...]:
    return words.sounds(clip.pcm, (vad.Segment(0.0, len(clip.pcm) / RATE),))


def _loudness(clip: Truth) -> tuple[Span, ...]:
    """Open (aa) by how loud it is, shut (m) where it dips between: no phone is known."""
    level = mel.loudness(mel.power(clip.pcm))
    steps = np.digitize(level, [-30, -20, -12, -6])
    kinds = [phones.CLASS[name] for name in ("sil", "m", "ih", "eh", "aa")]
    edges = np.flatnonzero(np.diff(steps)) + 1
    spans = zip(np.r_[0, edges], np.r_[edges, len(steps)], strict=True)
    return tuple(Span(kinds[int(steps[a])], int(a), int(b)) for a, b in spans if steps[a])


ALONG: Final = "this engine, along the text"
GUESSED: Final = "this engine, words guessed"
ALONE: Final = "this engine, sound alone"
LIVE: Final = "this engine, live"
ALLPHONE: Final = "pocketsphinx allphone"
LOUDNESS: Final = "loudness"
METHODS: Final[dict[str, Method]] = {
    ALONG: _along, GUESSED: _guessed, ALONE: _alone, LIVE: _live, ALLPHONE: _allphone,
    LOUDNESS: _loudness,
}  # fmt: skip


# ---- scores ------------------------------------------------------------------------------------


def _labels(spans: Sequence[Span], frames: int) -> Labels:
    out = np.zeros(frames, np.int64)
    for span in spans:
        out[span.start : span.end] = span.phone
    return out


def score(name: str, clips: Sequence[Truth], method: str, run: Method) -> Score:
    """Measures one method against the truth of the clips."""
    run(clips[0])  # loads what is loaded once
    started = time.process_time()
    heard = [run(clip) for clip in clips]
    spent = time.process_time() - started
    table = np.zeros((len(VISEMES), len(VISEMES)))
    true = found = right = backed = 0
    offsets: list[float] = []
    tracks: list[tuple[Floats, Floats]] = []
    for clip, spans in zip(clips, heard, strict=True):
        frames = len(clip.pcm) // mel.HOP
        pair = (VISEME[_labels(clip.spans, frames)], VISEME[_labels(spans, frames)])
        np.add.at(table, pair, 1)
        tracks.append((visemes.blended(clip.spans, frames), visemes.blended(spans, frames)))
        wanted, given = _bilabials(clip.spans), _bilabials(spans)
        true, found = true + len(wanted), found + len(given)
        hits = [[g for g in given if _meet(w, g)] for w in wanted]
        right += sum(map(bool, hits))
        backed += sum(any(_meet(w, g) for w in wanted) for g in given)
        offsets += [(h[0].start - w.start) * 10 for w, h in zip(wanted, hits, strict=True) if h]
    hit = np.diag(table)
    f1 = 2 * hit / np.maximum(table.sum(0) + table.sum(1), 1)
    ours, theirs = (np.concatenate(part) for part in zip(*tracks, strict=True))
    seconds = sum(len(c.pcm) for c in clips) / RATE
    return Score(
        method, name, float(hit.sum() / table.sum()), float(f1[table.sum(1) > 0].mean()),
        right / max(true, 1), backed / max(found, 1), float(np.median(offsets or [np.nan])),
        correlation(ours[:, JAW], theirs[:, JAW]), correlation(ours[:, ROUND], theirs[:, ROUND]),
        spent / seconds,
    )  # fmt: skip


def correlation(a: Floats, b: Floats) -> float:
    """Pearson's r, 0 where one does not move."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 1e-9 else 0.0


def _bilabials(spans: Sequence[Span]) -> list[Span]:
    return [s for s in spans if s.phone in phones.BILABIAL]


def _meet(a: Span, b: Span) -> bool:
    """Whether both sound at once, or start within 60 ms."""
    return (a.start < b.end and b.start < a.end) or abs(a.start - b.start) <= _NEAR


# ---- noise -------------------------------------------------------------------------------------


def in_noise(clips: Sequence[Truth], kind: str, snr: int, sounds: dict[str, Floats]) -> Noisy:
    """Scores of the methods that can be used live or alone, in added noise."""
    dirty = [noised(clip, kind, snr, i, sounds) for i, clip in enumerate(clips)]
    methods = (ALONG, ALONE, LIVE, ALLPHONE) if clips[0].text else (ALONE, LIVE, ALLPHONE)
    return Noisy(kind, snr, tuple(score("noisy", dirty, m, METHODS[m]) for m in methods))


def noised(clip: Truth, kind: str, snr: int, seed: int, sounds: dict[str, Floats]) -> Truth:
    """The clip with noise `snr` dB below its speech."""
    rng = np.random.default_rng(seed)
    count = len(clip.pcm)
    if kind == "white":
        noise = rng.standard_normal(count)
    else:
        source = _babble() if kind == "babble" else sounds[sorted(sounds)[seed % len(sounds)]]
        source = np.tile(source, -(-count // len(source)) + 1)
        first = int(rng.integers(0, len(source) - count))
        noise = source[first : first + count].astype(np.float64)
    speech = np.repeat(_labels(clip.spans, count // mel.HOP) > 0, mel.HOP)
    level = np.sqrt(np.mean(clip.pcm[: len(speech)][speech] ** 2))
    noise *= level / (np.sqrt(np.mean(noise**2)) + 1e-9) * 10 ** (-snr / 20)
    mixed = from_pcm(np.asarray(clip.pcm + noise, np.float32) * np.float32(0.3), RATE)
    return replace(clip, pcm=mixed.pcm16k)


def _babble() -> Floats:
    """Eight synthetic voices at once, unit power."""
    out = np.zeros(12 * RATE)
    for i, (language, text) in enumerate(SENTENCES):
        said = espeak.speak(text, language, f"m{i % 4 + 1}" if i % 2 else f"f{i % 4 + 1}")
        pcm = np.tile(from_pcm(said.pcm, said.rate).pcm16k, 6)
        out += pcm[i * 4000 : i * 4000 + len(out)]
    return np.asarray(out / np.sqrt(np.mean(out**2)), np.float32)


def whispered() -> tuple[float, float]:
    """Viseme accuracy on whispered synthetic clips, and the share of their speech that is noticed.

    Whisper is made from the clips: the same spectrum, excited by noise.
    """
    clips = [
        replace(c, pcm=from_pcm(whisper.whispered(c.pcm, np.random.default_rng(1)), RATE).pcm16k)
        for c in synthetic()
    ]
    noticed = [hearing.hear(c.pcm).speech[_labels(c.spans, len(c.pcm) // mel.HOP) > 0].mean()
               for c in clips]  # fmt: skip
    return score("whisper", clips, ALONE, _alone).accuracy, float(np.mean(noticed))


# ---- no speech, song ---------------------------------------------------------------------------


def openings() -> Iterator[tuple[str, float]]:
    """The widest jaw on ten seconds of sound in which nobody speaks."""
    yield from openings_of(nonspeech(10.0))


def openings_of(sounds: dict[str, Floats]) -> Iterator[tuple[str, float]]:
    """The widest jaw on each of these sounds."""
    for kind, pcm in sounds.items():
        yield kind, float(_mouth(pcm)[:, JAW].max())


def _mouth(pcm: Floats, text: str = "", fps: float = 25.0) -> Floats:
    """The mouth's six numbers over a clip, (F, 6)."""
    heard = hearing.hear(pcm, text)
    frames = int(len(pcm) / RATE * fps)
    return visemes.lips(heard.spans, heard.posteriors, heard.speech, frames, fps).shape


def _recorded_nonspeech(folder: Path) -> dict[str, Floats]:
    """Half a minute of each sound in a folder."""
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SOUNDS)
    if not found:
        raise VoiceError("the folder of sounds without speech holds none")
    return {p.stem: decode(p.read_bytes()).pcm16k[: 30 * RATE] for p in found}


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


def sung() -> Floats:
    """ "La mi lo ma" on five long notes with vibrato, 16 kHz: harmonics through three formants,
    each syllable begun by a nasal or an l."""
    size = int(0.9 * RATE)
    t = np.arange(size) / RATE
    out = []
    for note, vowel in zip((0, 4, 7, 4, 0), (
        (750, 1200, 2600), (300, 2200, 3000), (450, 850, 2600), (750, 1200, 2600), (350, 750, 2400),
    ), strict=True):  # fmt: skip
        pitch = 196 * 2 ** (note / 12) * (1 + 0.012 * np.sin(2 * np.pi * 5.5 * t))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        opened = np.clip((t - 0.06) / 0.06, 0, 1)
        sound = np.zeros(size)
        for h in range(1, 30):
            hertz = h * pitch
            clear = sum(1 / (1 + ((hertz - f) / (60 + 0.05 * f)) ** 2) / (1 + i)
                        for i, f in enumerate(vowel))  # fmt: skip
            nasal = 0.5 / (1 + ((hertz - 280) / 80) ** 2)
            sound += (opened * clear + (1 - opened) * nasal) * np.sin(h * phase) / h**0.6
        out.append(sound * np.minimum(1, np.minimum(t, 0.9 - t) / 0.05))
    song = np.concatenate(out)
    return np.asarray(0.1 * song / song.std(), np.float32)


def sung_share() -> float:
    """Share of the sung phrase in which the jaw is open."""
    return float((_mouth(sung())[:, JAW] > 0.12).mean())


# ---- files, delay, speed -----------------------------------------------------------------------


def formats() -> Iterator[tuple[str, float, float]]:
    """Each format's jaw against that of the sound before it was encoded: r and offset in ms."""
    voice = _clip()
    plain = _mouth(voice.pcm16k, fps=100)[:, JAW]
    for kind in FORMATS:
        other = _mouth(decode(encoded(voice.native, kind)).pcm16k, fps=100)[:, JAW]
        count = min(len(plain), len(other))
        yield kind, correlation(plain[:count], other[:count]), offset(plain, other)


def _clip() -> Voice:
    said = espeak.speak(SENTENCES[0][1])
    quiet = np.zeros(said.rate // 2, np.float32)
    return from_pcm(np.concatenate((quiet, said.pcm, quiet)), said.rate)


def offset(a: Floats, b: Floats) -> float:
    """By how many ms b comes after a; both at 100 values a second, to a fraction of a value."""
    lags = range(-40, 41)
    size = min(len(a), len(b)) - 80
    r = np.array([correlation(a[40 : 40 + size], b[40 + k : 40 + k + size]) for k in lags])
    i = int(np.clip(r.argmax(), 1, len(r) - 2))
    bend = r[i - 1] - 2 * r[i] + r[i + 1]
    part = 0.5 * (r[i - 1] - r[i + 1]) / bend if abs(bend) > 1e-9 else 0.0
    return float((lags[i] + part) * 10)


def encoded(native: Floats, kind: str) -> bytes:
    """Sound at 48 kHz as a file of one of FORMATS."""
    import av

    container, codec, rate, layout = {
        "wav": ("wav", "pcm_s16le", 48_000, "mono"), "flac": ("flac", "flac", 48_000, "mono"),
        "mp3": ("mp3", "libmp3lame", 44_100, "stereo"), "m4a": ("mp4", "aac", 44_100, "mono"),
        "ogg opus": ("ogg", "libopus", 48_000, "mono"),
        "webm opus": ("webm", "libopus", 48_000, "stereo"),
    }[kind]  # fmt: skip
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        into = av.AudioResampler(stream.codec_context.format, layout, rate)
        whole = np.round(native[None] * 32767).clip(-32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole, "s16", "mono")
        frame.sample_rate = 48_000
        fifo = av.AudioFifo()
        for part in (*into.resample(frame), *into.resample(None)):
            part.pts = None
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (piece := fifo.read(size, partial=True)) is not None:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


def delay() -> float:
    """How many ms later the jaw moves when the sound comes 200 ms later."""
    pcm = _clip().pcm16k
    late = np.concatenate((np.zeros(RATE // 5, np.float32), pcm))
    return offset(*(_mouth(sound, fps=100)[:, JAW] for sound in (pcm, late)))


def speeds() -> Iterator[tuple[str, float]]:
    """Seconds of computing per second of sound for each part, on a minute of speech."""
    pcm = np.tile(_clip().pcm16k, 10)
    features = mel.features(pcm)
    clip = Truth(pcm, (), SENTENCES[0][1], "en")
    parts: dict[str, Callable[[], object]] = {
        "network alone": lambda: net.log_posteriors(features),
        "spectrum": lambda: mel.features(pcm), "voice activity": lambda: vad.probabilities(pcm),
        "pitch": lambda: prosody.pitch(pcm), "all of it, sound alone": lambda: hearing.hear(pcm),
        f"live, {_VIDEO_FPS} frames a second": lambda: _live(clip, _VIDEO_FPS),
    }  # fmt: skip
    for name, run in parts.items():
        run()
        started = time.process_time()
        run()
        yield name, (time.process_time() - started) / (len(pcm) / RATE)


def first_motion() -> float:
    """ms of computing from the sound of the look-ahead to the first frame's lips, median of 9."""
    pcm = _clip().pcm16k[RATE // 2 :]
    taken = []
    for _ in range(9):
        listener = Listener(25, "en")
        started = time.process_time()
        listener.hear(pcm[: int(LOOK_AHEAD * RATE)])
        listener.moment()
        taken.append(time.process_time() - started)
    return float(np.median(taken)) * 1000
