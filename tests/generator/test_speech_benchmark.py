"""The benchmark of hearing: its truth, its scores, and that both can tell right from wrong."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from primafacie.generator import espeak
from primafacie.generator.errors import VoiceError
from primafacie.generator.speech import (
    benchmark,
    hearing,
    phones,
    stream,
    truth,
    vad,
    visemes,
    words,
)
from primafacie.generator.speech.truth import LABELS, OURSELVES, SPHINX, synthetic
from primafacie.generator.voice import RATE, from_pcm

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.0
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.0
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.0
            text = "map 2 ""go"""
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.0
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.2
            text = "sil"
        intervals [2]:
            xmin = 0.2
            xmax = 0.35
            text = "M"
        intervals [3]:
            xmin = 0.35
            xmax = 0.6
            text = "AE1"
        intervals [4]:
            xmin = 0.6
            xmax = 0.8
            text = "P"
'''
SHORT = (
    '"ooTextFile"\n"TextGrid"\n0\n1\n<exists>\n1\n"IntervalTier"\n"phones"\n0\n1\n3\n'
    '0\n0.1\n""\n0.1\n0.3\n"m"\n0.3\n0.6\n"ø"\n'
)


def write(path: Path, pcm: np.ndarray, rate: int = RATE) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((pcm * 32767).astype("<i2").tobytes())


def names(spans: tuple) -> list[tuple[str, int, int]]:
    return [(phones.CLASSES[s.phone], s.start, s.end) for s in spans]


# ---- truth -------------------------------------------------------------------------------------


def test_labels_are_read_in_every_form(tmp_path):
    tone = np.full(RATE, 0.1, np.float32) * np.sin(np.arange(RATE) / 9).astype(np.float32)
    for name in ("long", "short", "lab", "phn"):
        write(tmp_path / f"{name}.wav", tone)
    (tmp_path / "long.TextGrid").write_text(LONG)
    (tmp_path / "short.TextGrid").write_text(SHORT, "utf-8")
    (tmp_path / "lab.lab").write_text("0.0\t0.2\tsil\n0.2\t0.35\tm\n0.35 0.6 ae\n0.6 0.8 p\n")
    (tmp_path / "phn.phn").write_text(
        "0 3200 h#\n3200 5600 m\n5600 9600 ae\n9600 12000 pcl\n12000 12800 p\n"
    )
    clips = {clip.name: clip for clip in truth.recorded(tmp_path)}
    spelled = [("m", 20, 35), ("ae", 35, 60), ("pb", 60, 80)]
    assert {clip.judge for clip in clips.values()} == {LABELS}
    assert names(clips["long"].spans) == spelled
    assert names(clips["lab"].spans) == spelled
    assert names(clips["phn"].spans) == spelled
    assert names(clips["short"].spans) == [("m", 10, 30), ("uy", 30, 60)]


def test_texts_are_judged_by_pocketsphinx_in_english_and_by_ourselves_elsewhere(tmp_path):
    (tmp_path / "apart").mkdir()
    said = {"a": truth.SENTENCES[1], "b": truth.SENTENCES[3], "c": ("en", "nobody knows")}
    for name, (language, text) in said.items():
        sound = espeak.speak(text, language)
        write(tmp_path / "apart" / f"{name}.wav", sound.pcm, sound.rate)
        tag = "" if language == "en" else f".{language}"
        if name != "c":
            (tmp_path / "apart" / f"{name}{tag}.txt").write_text(text, "utf-8")
    english, spanish = truth.recorded(tmp_path)
    assert (english.name, english.judge, english.group) == ("a", SPHINX, "apart")
    assert (spanish.language, spanish.judge) == ("es", OURSELVES)
    assert any(s.phone in phones.BILABIAL for s in spanish.spans)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.TextGrid", '"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "x" 0 1 9 0 1'),
     ("a.TextGrid", "hello"), ("a.lab", "zero one m")],
)  # fmt: skip
def test_broken_labels_are_refused(tmp_path, name, text):
    write(tmp_path / "a.wav", np.sin(np.arange(RATE) / 9).astype(np.float32))
    (tmp_path / name).write_text(text)
    with pytest.raises(VoiceError):
        list(truth.recorded(tmp_path))


def test_a_folder_without_any_clip_of_use_is_refused(tmp_path):
    with pytest.raises(VoiceError):
        benchmark.benchmark(tmp_path)


# ---- scores ------------------------------------------------------------------------------------


def test_the_score_tells_a_perfect_answer_from_a_late_one_and_from_silence():
    clips = synthetic()[:2]
    perfect = benchmark.score("two", clips, "truth", lambda clip: clip.spans)
    late = benchmark.score(
        "two", clips, "late", lambda clip: tuple(
            s._replace(start=s.start + 5, end=s.end + 5) for s in clip.spans)
    )  # fmt: skip
    silent = benchmark.score("two", clips, "nothing", lambda clip: ())
    assert perfect.accuracy == perfect.f1 == perfect.recall == perfect.precision == 1
    assert perfect.jaw == pytest.approx(1) and perfect.rounding == pytest.approx(1)
    assert late.offset == 50 and late.accuracy < 0.75 and late.jaw < 0.9
    assert silent.recall == 0 and silent.jaw < 0.5 and silent.accuracy < 0.5


def test_the_offset_of_two_tracks_is_found_to_a_millisecond():
    t = np.arange(600) / 100
    rng = np.random.default_rng(0)
    parts = [(f, rng.uniform(0, 6)) for f in rng.uniform(0.3, 6, 20)]

    def track(late: float) -> np.ndarray:
        return sum(np.sin(2 * np.pi * f * (t - late) + p) for f, p in parts).astype(np.float32)

    for late in (-0.103, 0.0, 0.034, 0.2):
        assert benchmark.offset(track(0), track(late)) == pytest.approx(1000 * late, abs=1)


def test_noise_is_as_loud_as_it_says():
    clip = synthetic()[0]
    for snr in (20, 0):
        dirty = benchmark.noised(clip, "white", snr, 1, {})
        quiet = np.ones(len(clip.pcm), bool)
        for span in clip.spans:
            quiet[span.start * 160 : span.end * 160] = False
        inside = dirty.pcm[~quiet]
        ratio = np.mean(inside**2) / np.mean(dirty.pcm[quiet] ** 2)
        assert 10 * np.log10(ratio - 1) == pytest.approx(snr, abs=2)


@pytest.mark.parametrize("kind", benchmark.FORMATS)
def test_what_is_encoded_for_the_benchmark_can_be_heard(kind):
    said = espeak.speak("Maybe Bob")
    voice = from_pcm(said.pcm, said.rate)
    from primafacie.generator.voice import decode

    other = decode(benchmark.encoded(voice.native, kind))
    assert other.duration == pytest.approx(voice.duration, abs=0.06)


# ---- a second opinion --------------------------------------------------------------------------


def test_the_recogniser_of_sounds_says_the_same_whoever_it_heard_before():
    clips = synthetic()[:4]
    first = [words.sounds(c.pcm, vad.segments(c.pcm)) for c in clips[:2]]
    words.sounds(clips[3].pcm, vad.segments(clips[3].pcm))
    assert [words.sounds(c.pcm, vad.segments(c.pcm)) for c in clips[:2]] == first
    assert all(a.end <= b.start for a, b in zip(first[0], first[0][1:], strict=False))


def test_a_second_recogniser_is_asked_in_english_alone_and_only_without_a_text(monkeypatch):
    asked: list[int] = []
    real = words.sounds
    monkeypatch.setattr(
        words, "sounds", lambda pcm, segments: asked.append(1) or real(pcm, segments)
    )
    clip = synthetic()[1]
    hearing.hear(clip.pcm, clip.text)
    hearing.hear(clip.pcm, language="es")
    assert not asked
    with_it = hearing.hear(clip.pcm)
    assert len(asked) == 1
    assert with_it.posteriors.sum(axis=1) == pytest.approx(1, abs=1e-3)


def test_live_hearing_is_scored_close_to_the_whole_clip():
    clip = replace(synthetic()[3], language="es")
    live = benchmark.score("one", [clip], "live", benchmark.METHODS[benchmark.LIVE])
    whole = benchmark.score("one", [clip], "alone", benchmark.METHODS[benchmark.ALONE])
    assert live.accuracy > whole.accuracy - 0.06
    assert abs(live.offset) <= 20


def test_a_listener_who_is_always_right_scores_one(monkeypatch):
    clip = synthetic()[0]

    class Knowing:
        """Says the true phone of the time a frame is for, or of `late` seconds before it."""

        late = 0.0

        def __init__(self, fps: float, language: str = "") -> None:
            self._fps, self._frame = fps, 0

        def due(self) -> int:
            return int(self._frame / self._fps * RATE)

        def hear(self, pcm: object) -> None: ...

        def end(self) -> None: ...

        def moment(self) -> SimpleNamespace:
            time = self._frame / self._fps - self.late
            self._frame += 1
            return SimpleNamespace(phone=stream._phone_at(clip.spans, time + visemes.LEAD))

    monkeypatch.setattr(benchmark, "Listener", Knowing)
    right = benchmark.score("one", [clip], "live", benchmark.METHODS[benchmark.LIVE])
    # What is spoken in the first 40 ms is shown before the clip begins.
    assert right.accuracy > 0.99 and right.recall == right.precision == 1 and not right.offset
    monkeypatch.setattr(Knowing, "late", 0.05)
    late = benchmark.score("one", [clip], "live", benchmark.METHODS[benchmark.LIVE])
    assert late.accuracy < 0.75 and late.offset == 50
