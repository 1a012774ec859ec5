"""Speech is heard: who speaks when, which phones, along a text or without one."""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise

import numpy as np
import pytest

from primafacie.generator import espeak
from primafacie.generator.errors import EngineError, VoiceError
from primafacie.generator.speech import (
    align,
    benchmark,
    hearing,
    mel,
    net,
    phones,
    prosody,
    vad,
    visemes,
    words,
)
from primafacie.generator.speech.benchmark import nonspeech, synthetic
from primafacie.generator.voice import from_pcm

RIGHT = "Maybe Bob will jump over the moon, but five very fine thieves have their thumbs."
WRONG = "Seventeen students arrived late, so their teacher decided to cancel the lesson."


def spoken(text: str, language: str = "en", variant: str = "") -> np.ndarray:
    said = espeak.speak(text, language, variant)
    return from_pcm(said.pcm, said.rate).pcm16k


# ---- silero-vad --------------------------------------------------------------------------------


def test_our_forward_pass_of_silero_vad_agrees_with_onnxruntimes():
    onnxruntime = pytest.importorskip("onnxruntime")
    pcm = np.concatenate([spoken(RIGHT), nonspeech(3.0)["music"], spoken("hola", "es")])
    session = onnxruntime.InferenceSession(
        str(vad.weights_path()), providers=["CPUExecutionProvider"]
    )
    count = -(-len(pcm) // vad.CHUNK)
    padded = np.zeros(64 + count * vad.CHUNK, np.float32)
    padded[64 : 64 + len(pcm)] = pcm
    frames = np.stack([padded[i * vad.CHUNK : i * vad.CHUNK + 576] for i in range(count)])
    state = np.zeros((1, 1, 128), np.float32)
    theirs = session.run(["speech_probs"], {"input": frames, "h": state, "c": state})[0]
    assert theirs.max() > 0.9 > 0.1 > theirs.min()
    assert float(np.abs(vad.probabilities(pcm) - theirs.ravel()).max()) < 1e-3


def test_long_sound_is_heard_in_blocks_without_a_seam():
    pcm = np.tile(spoken(RIGHT), 6)
    assert len(pcm) > 513 * vad.CHUNK
    inside = 530 * vad.CHUNK
    whole = vad.probabilities(pcm)
    assert whole[:500] == pytest.approx(vad.probabilities(pcm[:inside])[:500], abs=1e-5)
    assert len(whole) == -(-len(pcm) // vad.CHUNK)


def test_speech_is_found_where_it_is():
    pcm = spoken(RIGHT)
    silence = np.zeros(16_000, np.float32)
    found = vad.segments(np.concatenate([silence, pcm, silence]))
    assert 0.85 < found[0].start < 1.1
    assert found[-1].end < 1 + len(pcm) / 16_000 + 0.1


def test_a_song_keeps_the_mouth_open() -> None:
    assert benchmark.sung_share() > 0.9


def test_a_voice_that_was_never_sure_is_none() -> None:
    unsure, sure = vad._Stretch(1.0, 2.0, vad.SURE - 0.01), vad._Stretch(4.0, 5.0, vad.SURE)
    assert [s.start for s in vad._padded([unsure, sure], 9.0)] == [sure.start - vad.PRE_ROLL]
    near = vad._Stretch(2.1, 3.0, vad.SURE)  # joined to what it follows at once
    assert len(vad._padded([unsure, near], 9.0)) == 1


def test_a_minute_of_silence_around_a_sentence_changes_nothing_in_it() -> None:
    pcm = spoken(RIGHT)
    quiet = np.zeros(30 * 16_000, np.float32)
    alone, amid = (
        hearing.hear(sound, RIGHT) for sound in (pcm, np.concatenate([quiet, pcm, quiet]))
    )
    assert amid.source == alone.source == "transcript"
    assert abs(amid.confidence - alone.confidence) < 0.05


def test_what_sounds_above_the_noise_is_no_silence() -> None:
    count = len(phones.CLASSES)
    even = np.full((2, count), -np.log(count), np.float32)
    level = np.array([-10.0, -55.0], np.float32)
    heard = np.exp(align.audible(even, level, quiet=-60.0))
    assert heard[0, phones.SIL] < 0.1 * heard[1, phones.SIL]
    assert np.allclose(heard.sum(1), 1) and np.allclose(heard[1], 1 / count)
    assert np.allclose(align.audible(even, level, quiet=-12.0), even, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(nonspeech(0.1)))
def test_nobody_speaks_in_noise_and_music(kind):
    assert vad.segments(nonspeech(5.0)[kind]) == ()


# ---- phones ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "es", "de", "fr", "it", "ru", "pl", "sv", "zh", "hi"])
def test_every_phone_espeak_makes_belongs_to_a_class(language):
    text = {"zh": "你好世界，我们都是朋友", "hi": "नमस्ते दुनिया भारत", "ru": "съешь ещё мягких булок"}
    latin = "Pablo kommt mit Zug, the judge amigo je suis"
    said = espeak.speak(text.get(language, latin), language)
    unknown = [p.ipa for p in said.phones if not phones.from_ipa(p.ipa) and p.ipa not in "ʔʲˈˌ"]
    assert not unknown
    for phone in said.phones:
        parts = phones.from_ipa(phone.ipa)
        assert not parts or sum(p.share for p in parts) == pytest.approx(1)


def test_every_word_of_cmudict_can_be_spelled_in_classes():
    names = {p for line in phones._cmudict().values() for p in line.lower().split()}
    assert len(phones._cmudict()) > 100_000
    assert names <= set(phones.ARPABET)


def test_english_is_still_spelled_without_espeak(monkeypatch):
    monkeypatch.setattr(espeak, "available", lambda: False)
    words = phones.spell("The map, Bob's MAP!")
    assert [w.text for w in words] == ["the", "map", "bob's", "map"]
    assert [phones.CLASSES[s.parts[0].phone] for s in words[1].sounds] == ["m", "ae", "pb"]
    with pytest.raises(VoiceError):
        phones.spell("hola", "es")


def test_numbers_and_abbreviations_are_spoken_as_words():
    assert len(phones.spell("Dr. Smith has 42 cats")) >= 6


# ---- the network -------------------------------------------------------------------------------


def test_the_network_hears_160_ms_ahead_and_not_a_frame_more():
    rng = np.random.default_rng(0)
    heard = rng.normal(size=(200, mel.BANDS)).astype(np.float32)
    changed = heard.copy()
    changed[120:] = rng.normal(size=(80, mel.BANDS))
    before, after = net.log_posteriors(heard), net.log_posteriors(changed)
    assert net.AHEAD == 16
    assert np.array_equal(before[: 120 - net.AHEAD], after[: 120 - net.AHEAD])
    assert not np.allclose(before[120 - net.AHEAD :][:4], after[120 - net.AHEAD :][:4])


def test_what_the_network_says_is_a_distribution():
    chance = np.exp(net.log_posteriors(mel.features(spoken(RIGHT))))
    assert chance.sum(axis=1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"x" * 1000, b"\x93NUMPY"])
def test_damaged_weights_are_refused(data):
    with pytest.raises(EngineError):
        net.read(data)


def test_weights_of_another_shape_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", prior=np.zeros(26))
    with pytest.raises(EngineError):
        net.read((tmp_path / "w.npz").read_bytes())


def test_the_model_card_names_the_weights_that_ship():
    data = net.PATH.read_bytes()
    card = net.PATH.with_name("MODEL_CARD.md").read_text("utf-8")
    assert len(data) <= 1_000_000
    assert hashlib.sha256(data).hexdigest() in re.findall(r"[0-9a-f]{64}", card)


# ---- alignment ---------------------------------------------------------------------------------


def test_lips_meet_when_they_should_along_a_text_in_five_languages():
    late: list[int] = []
    for clip in synthetic():
        heard = hearing.hear(clip.pcm, clip.text, clip.language)
        assert heard.source == "transcript"
        found = np.array([s.start for s in heard.spans if s.phone in phones.BILABIAL])
        true = [s.start for s in clip.spans if s.phone in phones.BILABIAL]
        late += [int(min(found - start, key=abs)) for start in true]
    assert len(late) > 40
    assert abs(float(np.median(late))) <= 1  # frames of 10 ms
    assert np.percentile(np.abs(late), 90) <= 6


def test_a_wrong_text_is_noticed_and_not_used():
    pcm = spoken(RIGHT)
    right, wrong, none = (hearing.hear(pcm, text) for text in (RIGHT, WRONG, ""))
    assert right.source == "transcript" and right.confidence > hearing.BELIEVED + 0.3
    assert wrong.source != "transcript" and wrong.confidence < hearing.BELIEVED - 0.3
    assert wrong.spans == none.spans
    assert any("does not match" in note for note in wrong.notes)


def test_a_text_far_too_long_for_its_clip_is_not_used():
    heard = hearing.hear(spoken("Hello there"), " ".join([WRONG] * 40))
    assert heard.source != "transcript"
    assert heard.spans


def test_a_text_in_a_language_nobody_knows_is_told_and_not_used():
    heard = hearing.hear(spoken("Hello there"), "hello", "xx")
    assert heard.source != "transcript"
    assert any("not used" in note for note in heard.notes)


def test_without_a_text_phones_last_thirty_milliseconds_at_least():
    spans = hearing.hear(spoken(RIGHT)).spans
    assert len(spans) > 30
    assert min(s.end - s.start for s in spans) >= 3
    assert all(a.end <= b.start for a, b in pairwise(spans))


def test_guessed_words_are_used_only_if_asked_for_in_english_and_only_if_they_fit(monkeypatch):
    pcm = spoken(RIGHT)
    monkeypatch.setattr(words, "guess", lambda pcm, segments: RIGHT)
    assert hearing.hear(pcm, guess=True).source == "words"
    assert hearing.hear(pcm).source == "sound"
    assert hearing.hear(pcm, language="es", guess=True).source == "sound"
    monkeypatch.setattr(words, "guess", lambda pcm, segments: WRONG)
    assert hearing.hear(pcm, guess=True).source == "sound"
    monkeypatch.setattr(words, "guess", lambda pcm, segments: "")
    assert hearing.hear(pcm, guess=True).source == "sound"


def test_the_recogniser_guesses_the_same_whoever_it_heard_before():
    pcm, other = spoken("ten of clubs"), spoken("go away", variant="f3")
    found = words.guess(pcm, vad.segments(pcm))
    words.guess(other, vad.segments(other))
    assert found
    assert words.guess(pcm, vad.segments(pcm)) == found


def test_a_long_text_is_searched_in_a_band():
    long = phones.spell(RIGHT) * 24
    pcm = np.tile(spoken(RIGHT), 24)
    log_post = net.log_posteriors(mel.features(pcm))
    speech = vad.mask(vad.segments(pcm), len(log_post))
    found = align.align(log_post, speech, long, net.default())
    assert 2 * sum(len(s.parts) for w in long for s in w.sounds) > align._BAND
    assert found is not None and found.confidence > hearing.BELIEVED + 0.3


def test_a_closure_for_which_little_speaks_is_another_sound():
    m, n, aa = (phones.CLASS[name] for name in ("m", "n", "aa"))
    chance = np.full((20, len(phones.CLASSES)), 0.001, np.float32)
    chance[:10, m], chance[:10, n] = 0.2, 0.6
    chance[10:, m], chance[10:, n] = 0.6, 0.2
    spans = (align.Span(m, 0, 8), align.Span(aa, 8, 12), align.Span(m, 12, 20))
    found = align.believed(spans, np.log(chance))
    assert [s.phone for s in found] == [n, aa, m]
    late = align.believed([s._replace(start=s.start + 50, end=s.end + 50) for s in spans],
                          np.log(chance), 50)  # fmt: skip
    assert [s.phone for s in late] == [n, aa, m]
    assert align.believed(spans, np.log(chance), 900) == spans  # too long ago to say


def test_nothing_to_align_is_no_alignment():
    empty = np.zeros((0, 26), np.float32)
    assert align.align(empty, np.zeros(0, bool), phones.spell("hi"), net.default()) is None
    assert align.free(empty, np.zeros(0, bool), net.default()) == ()


# ---- prosody -----------------------------------------------------------------------------------


@pytest.mark.parametrize("hertz", [80, 120, 200, 350])
def test_pitch_is_found_within_two_percent(hertz):
    t = np.arange(32_000) / 16_000
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.05 * np.sin(2 * np.pi * t))) / 16_000
    buzz = sum(np.sin(h * phase) / h for h in range(1, 12) if h * hertz < 4000)
    f0 = prosody.pitch((0.1 * buzz).astype(np.float32))[5:-5]
    true = hertz * (1 + 0.05 * np.sin(2 * np.pi * np.arange(len(f0) + 10) / 50))[5:-5]
    assert (f0 > 0).mean() > 0.98
    assert np.percentile(np.abs(f0 / true - 1), 95) < 0.02


def test_noise_has_no_pitch():
    assert (prosody.pitch(nonspeech(2.0)["white noise"]) > 0).mean() < 0.05


def test_accents_fall_on_vowels_and_stay_apart():
    heard = hearing.hear(spoken(RIGHT), RIGHT)
    times = [a.t for a in heard.accents]
    assert 3 <= len(times) <= 16
    assert min(np.diff(times)) >= 0.28
    vowels = [s for s in heard.spans if s.phone in phones.VOWELS]
    assert all(any(v.start <= t * 100 <= v.end for v in vowels) for t in times)


# ---- visemes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
@pytest.mark.parametrize("shift", range(4))
def test_no_closure_is_lost_between_two_frames_however_short(fps, shift):
    m = phones.CLASS["pb"]
    aa = phones.CLASS["aa"]
    spans, at = [], shift
    for _ in range(12):  # 30 ms of p in 130 ms of a
        spans += [align.Span(m, at, at + 3), align.Span(aa, at + 3, at + 13)]
        at += 13
    chance = np.full((at, 26), 1 / 26, np.float32)
    mouth = visemes.lips(spans, chance, np.ones(at, bool), at * fps // 100, fps)
    assert len(mouth.closures) == 12
    for held, span in zip(mouth.closures, spans[::2], strict=True):
        assert held and (mouth.shape[list(held), visemes.CLOSE] == 1).all()
        assert all(span.start / 100 - 0.1 <= f / fps <= span.end / 100 for f in held if f)


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("length", [5, 6, 8])
def test_a_short_open_vowel_between_closures_is_seen(shift, length):
    """As long as a frame or more: the lips part in its own time, and both closures hold."""
    first, vowel, last = (phones.CLASS[name] for name in ("m", "aa", "pb"))
    start = 20 + shift
    spans = [align.Span(first, start, start + 9), align.Span(vowel, start + 9, start + 9 + length),
             align.Span(last, start + 9 + length, start + 18 + length)]  # fmt: skip
    chance = np.full((60, 26), 1 / 26, np.float32)
    mouth = visemes.lips(spans, chance, np.ones(60, bool), 15, 25)
    opened = [f for f in range(15) if spans[1].start - 4 <= 4 * f <= spans[1].end]
    assert any(mouth.shape[f, visemes.JAW] >= 0.3 and not mouth.shape[f, visemes.CLOSE]
               for f in opened)  # fmt: skip
    assert len(mouth.closures) == 2
    for held in mouth.closures:
        assert held and (mouth.shape[list(held), visemes.CLOSE] == 1).all()


def test_a_mouth_nobody_moves_is_at_rest():
    mouth = visemes.lips((), np.zeros((100, 26), np.float32), np.zeros(100, bool), 25, 25)
    assert mouth.shape[:, visemes.JAW].max() <= 0.02
    assert mouth.closures == ()


# ---- the benchmark -----------------------------------------------------------------------------


def test_the_benchmark_ranks_the_text_over_the_sound_over_loudness():
    clips = synthetic()[3:6]
    scores = {
        name: benchmark.score("three", clips, name, benchmark.METHODS[name])
        for name in ("this engine, along the text", "this engine, sound alone", "loudness")
    }
    along, alone, loud = scores.values()
    assert along.accuracy > alone.accuracy > loud.accuracy + 0.2
    assert along.f1 > alone.f1 > loud.f1
    assert along.recall >= 0.97 and along.precision >= 0.97
    assert alone.recall >= 0.8
    assert abs(along.offset) <= 10
    assert alone.speed < 0.2


def test_the_benchmark_can_tell_a_perfect_answer_from_silence():
    clips = synthetic()[:2]
    perfect = benchmark.score("two", clips, "truth", lambda clip: clip.spans)
    silent = benchmark.score("two", clips, "nothing", lambda clip: ())
    assert perfect.accuracy == 1 and perfect.recall == perfect.precision == 1
    assert silent.recall == 0 and silent.accuracy < 0.5


def test_no_sound_without_speech_opens_the_mouth():
    assert max(width for _, width in benchmark.openings()) <= 0.05
