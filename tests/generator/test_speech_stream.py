"""Live speech: the same face, from sound that arrives in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from primafacie.generator import espeak, permit
from primafacie.generator.controls import Controls, PoseKey
from primafacie.generator.engines.speech_motion import SpeechMotion, SpeechStream
from primafacie.generator.errors import EngineError, PermitError
from primafacie.generator.motion import COLUMN, MotionTrack
from primafacie.generator.speech import (
    align,
    benchmark,
    gaze,
    gesture,
    hearing,
    mel,
    net,
    prosody,
    vad,
    words,
)
from primafacie.generator.speech.benchmark import nonspeech
from primafacie.generator.speech.stream import Listener
from primafacie.generator.voice import Voice, from_pcm

TEXT = "Maybe Bob will jump over the moon, but five very fine thieves have their thumbs."


@pytest.fixture
def admission() -> permit.Admission:
    numbers = {"v": 1, "iat": 0, "nbf": 0, "exp": 60, "consentVersion": 1, "decisionLeafIndex": 1,
               "maxSeconds": 600, "maxWidth": 1080}  # fmt: skip
    names = permit.PermitClaims.__dataclass_fields__
    claims = permit.PermitClaims(**{n: numbers.get(n, "x") for n in names})
    return permit.Admission(permit._MINT, claims)


@pytest.fixture(scope="module")
def voice() -> Voice:
    said = espeak.speak(TEXT)
    quiet = np.zeros(said.rate // 2, np.float32)
    return from_pcm(np.concatenate([quiet, said.pcm, quiet, quiet]), said.rate)


@pytest.fixture(scope="module")
def sound(voice: Voice) -> np.ndarray:
    """The voice at 16 kHz as recorded."""
    return resample_poly(voice.native, 1, 3).astype(np.float32)


def pieces(sound: np.ndarray, size: Callable[[], int]) -> Iterator[np.ndarray]:
    at = 0
    while at < len(sound):
        step = size()
        yield sound[at : at + step]
        at += step


def played(stream: SpeechStream, sound: np.ndarray, size: Callable[[], int]) -> MotionTrack:
    parts = [stream.push(piece) for piece in pieces(sound, size)] + [stream.finish()]
    return MotionTrack(
        parts[0].fps, *(np.concatenate([getattr(p, name) for p in parts])
                        for name in ("pose", "gaze", "coeffs")),
        notes=tuple(note for p in parts for note in p.notes),
    )  # fmt: skip


# ---- the lock ----------------------------------------------------------------------------------


def test_no_stream_opens_without_an_admission():
    with pytest.raises(PermitError):
        SpeechMotion().stream(None, Controls())


def test_a_stream_stops_when_its_admission_ends(admission, sound):
    stream = SpeechMotion().stream(admission, Controls())
    assert len(stream.push(sound[:8000])) > 0
    admission.close()
    with pytest.raises(PermitError):
        stream.push(sound[8000:])
    with pytest.raises(PermitError):
        stream.finish()


# ---- the same result ---------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [25, 60])
def test_the_motion_does_not_depend_on_how_the_sound_was_cut(admission, sound, fps):
    controls = Controls(fps=fps, seed=3)
    rng = np.random.default_rng(0)
    sizes = (lambda: 320, lambda: len(sound), lambda: int(rng.integers(1, 5000)))
    tracks = [played(SpeechMotion().stream(admission, controls), sound, s) for s in sizes]
    assert len(tracks[0]) == int(np.ceil(len(sound) / 16_000 * fps - 1e-6))
    for other in tracks[1:]:
        for name in ("pose", "gaze", "coeffs"):
            assert getattr(other, name).tobytes() == getattr(tracks[0], name).tobytes()


@pytest.mark.parametrize("gain", [1.0, 0.02])
def test_live_lips_follow_those_of_the_whole_clip_within_a_tolerance(admission, voice, sound, gain):
    whole = SpeechMotion().drive(admission, voice, Controls())
    live = played(SpeechMotion().stream(admission, Controls()), sound * gain, lambda: 320)
    count = min(len(whole), len(live))
    for name, least in (("jawOpen", 0.9), ("mouthClose", 0.88), ("mouthPucker", 0.9)):
        a, b = whole.column(name)[:count], live.column(name)[:count]
        assert np.corrcoef(a, b)[0, 1] >= least
        assert np.abs(a - b).mean() <= 0.05


def test_a_live_mouth_closes_on_most_p_b_and_m(admission):
    for language, text in (("en", TEXT), ("es", "Pablo y María compraron un mapa de Bolivia.")):
        said = espeak.speak(text, language)
        pcm = resample_poly(from_pcm(said.pcm, said.rate).native, 1, 3).astype(np.float32)
        live = played(SpeechMotion().stream(admission, Controls()), pcm, lambda: 640)
        t, close = np.arange(len(live)) / live.fps, live.column("mouthClose")
        sealed = [
            (close[(t >= p.start - 0.06) & (t <= p.end + 0.02)] >= 0.99).any()
            for p in said.phones
            if p.ipa.lstrip("ˈˌ")[:1] in {"p", "b", "m"}
        ]
        assert np.mean(sealed) >= 0.8


def test_a_telephones_band_is_heard_live_as_it_is_in_a_whole_clip(sound):
    narrow = resample_poly(resample_poly(sound, 1, 2), 2, 1).astype(np.float32)
    clip = benchmark.Truth(narrow, (), TEXT, "en")
    frames = len(narrow) // mel.HOP
    live, whole = (
        align.VISEME[benchmark._labels(spans, frames)]
        for spans in (benchmark._live(clip), hearing.hear(narrow, language="").spans)
    )
    assert (live == whole).mean() > 0.6


def test_sound_that_starts_200_ms_later_moves_200_ms_later(admission, sound):
    early, late = (
        played(
            SpeechMotion().stream(admission, Controls(fps=50)),
            np.concatenate([np.zeros(lead, np.float32), sound]), lambda: 640,
        ).column("jawOpen")
        for lead in (0, 3200)
    )  # fmt: skip
    r = [np.corrcoef(early, late[k : k + len(early)])[0, 1] for k in range(11)]
    assert int(np.argmax(r)) == 10
    assert max(r) > 0.97


def test_no_frame_hears_further_than_the_look_ahead(admission, sound):
    stream = SpeechMotion().stream(admission, Controls())
    assert stream.look_ahead <= 0.17
    cut = 16_000
    before = stream.push(sound[:cut])
    last = (len(before) - 1) / 25
    assert last + stream.look_ahead <= cut / 16_000 < last + 1 / 25 + stream.look_ahead
    other = SpeechMotion().stream(admission, Controls())
    noise = np.random.default_rng(0).normal(0, 0.1, len(sound)).astype(np.float32)
    changed = np.concatenate([sound[:cut], noise[cut:]])
    assert np.array_equal(other.push(changed).coeffs[: len(before)], before.coeffs)


def test_the_second_recogniser_hears_live_nearly_what_it_hears_of_a_whole_clip(voice):
    pcm, segments = voice.pcm16k, vad.segments(voice.pcm16k)
    live, watch = words.Live(), vad.Watch()
    for at in range(0, len(pcm) - vad.CHUNK, vad.CHUNK):
        watch.hear(pcm[at : at + vad.CHUNK])
        live.hear(pcm[at : at + vad.CHUNK], watch.segments())
    frames = len(pcm) // mel.HOP
    a, b = (
        align.VISEME[benchmark._labels(spans, frames)]
        for spans in (live.spans(), words.sounds(pcm, segments))
    )
    assert (a == b).mean() > 0.8
    assert (b > 0).mean() > 0.4  # most of the clip is speech: silence is not what they agree on


def test_a_recogniser_of_english_is_not_asked_about_other_languages(monkeypatch, voice):
    heard = []
    monkeypatch.setattr(words.Live, "hear", lambda self, pcm, segments: heard.append(len(pcm)))
    for language in ("es", "", "en-GB"):
        Listener(25, language).hear(voice.pcm16k[:3200])
    assert heard == [3200]


# ---- behaviour ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["white noise", "music", "drum"])
def test_noise_and_music_do_not_open_a_live_mouth(admission, kind):
    live = played(SpeechMotion().stream(admission, Controls()), nonspeech(4.0)[kind], lambda: 999)
    assert live.column("jawOpen").max() <= 0.05


def test_a_live_mouth_is_shut_200_ms_after_the_last_word(admission, sound):
    live = played(SpeechMotion().stream(admission, Controls()), sound, lambda: 640)
    end = 0.5 + espeak.speak(TEXT).phones[-1].end
    jaw = live.column("jawOpen")
    assert jaw[int((end + 0.2) * 25) + 1 :].max() <= 0.05
    assert jaw[: int(0.3 * 25)].max() <= 0.05
    assert jaw.max() > 0.3


def test_a_live_head_wanders_and_blinks_and_looks_as_for_a_whole_clip(admission, voice, sound):
    long = np.tile(sound, 5)
    whole = Voice(np.tile(voice.pcm16k, 5), np.tile(voice.native, 5), 5 * voice.duration)
    live = played(SpeechMotion().stream(admission, Controls(seed=2)), long, lambda: 4000)
    drive = SpeechMotion().drive(admission, whole, Controls(seed=2))
    count = min(len(live), len(drive)) - 30
    assert 0.7 < live.pose[:, 0].std() / drive.pose[:, 0].std() < 1.4
    assert np.corrcoef(live.pose[:count, 0], drive.pose[:count, 0])[0, 1] > 0.6
    shut = live.column("eyeBlinkLeft")
    peaks = ((shut[1:-1] >= 0.99) & (shut[:-2] < 0.99)).sum()
    assert 10 <= peaks * 60 / (len(live) / 25) <= 32
    assert np.abs(live.gaze).max() <= gaze.LIMIT


def test_poses_asked_for_are_met_live_too(admission, sound):
    keys = (PoseKey(0.4, 10, -4, 2), PoseKey(2.0, -12, 5, -3))
    live = played(SpeechMotion().stream(admission, Controls(pose=keys)), sound, lambda: 640)
    for key in keys:
        wanted = [key.yaw, key.pitch, key.roll]
        assert live.pose[round(key.t * 25), :3] == pytest.approx(wanted, abs=0.05)


def test_only_the_chosen_region_moves_live(admission, sound):
    live = played(SpeechMotion().stream(admission, Controls(regions=("lips",))), sound, lambda: 640)
    assert live.coeffs[:, COLUMN["jawOpen"]].max() > 0.3
    assert live.coeffs[:, COLUMN["eyeBlinkLeft"]].max() == 0
    assert np.abs(live.pose[:, :5]).max() == 0


def test_a_stream_says_that_it_cannot_use_a_transcript(admission, sound):
    live = played(SpeechMotion().stream(admission, Controls(transcript=TEXT)), sound, lambda: 9000)
    assert any("not used" in note for note in live.notes)


def test_a_finished_stream_takes_no_more_and_broken_sound_is_refused(admission):
    stream = SpeechMotion().stream(admission, Controls())
    with pytest.raises(EngineError):
        stream.push(np.array([np.nan], np.float32))
    assert len(stream.push(np.zeros(0, np.float32))) == 0
    assert len(stream.finish()) == 0
    for call in (stream.finish, lambda: stream.push(np.zeros(10, np.float32))):
        with pytest.raises(EngineError):
            call()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_memory_stays_flat_over_ten_minutes(admission, sound):
    stream = SpeechMotion().stream(admission, Controls())
    held = []
    for _ in range(round(600 / (len(sound) / 16_000))):
        for piece in pieces(sound, lambda: 3200):
            stream.push(piece)
        held.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
    assert held[-1] < held[len(held) // 10] + 4_000_000


# ---- its parts ---------------------------------------------------------------------------------


def test_live_spectra_are_those_of_the_whole_clip(sound):
    live = mel.Live()
    parts = [live.hear(piece) for piece in pieces(sound, lambda: 777)]
    heard = np.concatenate([*parts, live.hear(np.zeros(400, np.float32))])
    whole = mel.power(sound)
    assert heard[: len(whole)] == pytest.approx(whole, rel=1e-4, abs=1e-8)


def test_live_voice_activity_is_that_of_the_whole_clip(sound):
    watch = vad.Watch()
    whole = np.pad(sound, (0, -len(sound) % vad.CHUNK))
    for at in range(0, len(whole), vad.CHUNK):
        watch.hear(whole[at : at + vad.CHUNK])
    found, live = vad.segments(sound), watch.segments()
    assert [s.start for s in live] == pytest.approx([s.start for s in found], abs=1e-6)
    assert [s.end for s in live][:-1] == pytest.approx([s.end for s in found][:-1], abs=1e-6)


def test_the_search_carried_on_in_pieces_finds_the_same_phones(voice):
    log_post = net.log_posteriors(mel.features(voice.pcm16k))
    speech = vad.mask(vad.segments(voice.pcm16k), len(log_post))
    whole = align.free(log_post, speech, net.default())
    search = align.FreeSearch(net.default())
    for at in range(0, len(log_post) - 40, 7):
        search.hear(log_post[at : at + 7], speech[at : at + 7])
    rest = search.heard
    assert search.spans(log_post[rest:], speech[rest:]) == whole
    forgetful = align.FreeSearch(net.default(), 100)
    forgetful.hear(log_post, speech)
    late = [s for s in whole if s.start > len(log_post) - 99]
    assert [s for s in forgetful.spans() if s.start > len(log_post) - 99] == late


def test_the_wander_step_by_step_is_the_wander():
    steps = gesture.Wander(np.random.default_rng(5))
    whole = gesture.wander(400, np.random.default_rng(5))
    assert [steps.step() for _ in range(400)] == pytest.approx(whole.tolist(), abs=1e-4)


def test_the_gaze_step_by_step_is_the_gaze():
    head = np.zeros((1500, 3), np.float32)
    whole, _ = gaze.gaze(head, (3.0, 1.0), np.random.default_rng(6))
    sight = gaze.Sight((3.0, 1.0), np.random.default_rng(6))
    steps = np.stack([sight.step(row) for row in head])
    assert np.abs(steps - whole).max(axis=1).mean() < 0.1
    assert (np.abs(steps - whole).max(axis=1) < 1e-3).mean() > 0.95


def test_live_accents_are_mostly_those_of_the_whole_clip(admission, voice, sound):
    listener, found = Listener(25), []
    at = 0
    while listener.due() <= len(sound):
        listener.hear(sound[at : listener.due()])
        at = listener.due()
        found += listener.moment().accents
    whole = hearing.hear(voice.pcm16k).accents
    near = [min(abs(a.t - b.t) for b in found) < 0.12 for a in whole]
    assert np.mean(near) >= 0.5
    assert len(found) <= 2 * len(whole)
    assert min(np.diff([a.t for a in found])) >= prosody._APART - 0.01
