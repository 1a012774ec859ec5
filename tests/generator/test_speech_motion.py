"""SpeechMotion: what a face driven by a voice promises, measured on voices whose truth is known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from scipy.signal import butter, filtfilt, welch

from primafacie.generator import espeak, permit
from primafacie.generator.controls import EMOTIONS, REGIONS, Controls, PoseKey
from primafacie.generator.engines import speech_motion
from primafacie.generator.engines.speech_motion import SpeechMotion
from primafacie.generator.errors import PermitError
from primafacie.generator.motion import ARKIT_52, MAX_PITCH, MAX_ROLL, MAX_YAW, MotionTrack
from primafacie.generator.speech.benchmark import SENTENCES, nonspeech
from primafacie.generator.take import repeats
from primafacie.generator.voice import Voice, decode, from_pcm

TEXTS = {
    "en": "Maybe Bob will jump over the moon, but five very fine thieves have their thumbs. "
          "Peter's mother bought a big beautiful map of the whole empire.",
    "es": "Pablo y María compraron un mapa de Bolivia. Buenos días, amigo, vamos a beber un poco.",
    "de": "Peter bummelt mit Papa am Bahnhof. Bitte mach mir einen Apfelkuchen, Mama.",
}  # fmt: skip
TALK = " ".join(text for language, text in SENTENCES if language == "en")


@pytest.fixture
def admission() -> permit.Admission:
    numbers = {"v": 1, "iat": 0, "nbf": 0, "exp": 60, "consentVersion": 1, "decisionLeafIndex": 1,
               "maxSeconds": 600, "maxWidth": 1080}  # fmt: skip
    names = permit.PermitClaims.__dataclass_fields__
    claims = permit.PermitClaims(**{n: numbers.get(n, "x") for n in names})
    return permit.Admission(permit._MINT, claims)


def voice_of(text: str, language: str = "en", variant: str = "", speed: int = 165) -> Voice:
    said = espeak.speak(text, language, variant, speed)
    return from_pcm(said.pcm, said.rate)


@pytest.fixture(scope="module")
def minute() -> Iterator[Voice]:
    """A minute of talk. It is heard once: what a face makes of it is what is measured here."""
    said = espeak.speak(TALK + " " + TEXTS["en"] + " " + TALK, speed=110)
    pcm = np.tile(said.pcm, 3)[: 60 * said.rate]
    voice, hear = from_pcm(pcm, said.rate), speech_motion.hear
    once = cache(lambda *rest: hear(voice.pcm16k, *rest))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            speech_motion, "hear",
            lambda pcm, *rest: once(*rest) if pcm is voice.pcm16k else hear(pcm, *rest),
        )  # fmt: skip
        yield voice


def sealed(track: MotionTrack, said: espeak.Speech, offset: float = 0.0) -> list[bool]:
    """For each p, b and m: is there a frame with sealed lips while it sounds?"""
    t = np.arange(len(track)) / track.fps - offset
    close = track.column("mouthClose")
    return [
        bool((close[(t >= p.start - 0.06) & (t <= p.end + 0.02)] >= 0.99).any())
        for p in said.phones
        if p.ipa.lstrip("ˈˌ")[:1] in {"p", "b", "m"}
    ]


# ---- the lock ----------------------------------------------------------------------------------


def test_nothing_moves_without_an_admission():
    with pytest.raises(PermitError):
        SpeechMotion().drive(None, voice_of("Hello there"), Controls())


def test_nothing_moves_after_the_performance_ended(admission):
    admission.close()
    with pytest.raises(PermitError):
        SpeechMotion().drive(admission, voice_of("Hello there"), Controls())


# ---- lips --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [25, 60])
@pytest.mark.parametrize("variant", ["", "f3", "m7"])
@pytest.mark.parametrize("language", TEXTS)
def test_every_p_b_and_m_is_sealed_along_a_text(admission, language, variant, fps):
    said = espeak.speak(TEXTS[language], language, variant, 190)
    controls = Controls(fps=fps, transcript=TEXTS[language], language=language)
    track = SpeechMotion().drive(admission, from_pcm(said.pcm, said.rate), controls)
    assert all(sealed(track, said))
    # … and not by never opening: the lips are apart most of the time, and wide on vowels.
    assert (track.column("mouthClose") > 0.5).mean() < 0.35
    assert np.percentile(track.column("jawOpen"), 95) > 0.35


@pytest.mark.parametrize("language", TEXTS)
def test_most_p_b_and_m_are_sealed_from_the_sound_alone(admission, language):
    said = espeak.speak(TEXTS[language], language)
    track = SpeechMotion().drive(admission, from_pcm(said.pcm, said.rate), Controls())
    assert np.mean(sealed(track, said)) >= 0.8


def test_the_lower_lip_tucks_on_f_and_v(admission):
    said = espeak.speak(TEXTS["en"])
    controls = Controls(transcript=TEXTS["en"])
    track = SpeechMotion().drive(admission, from_pcm(said.pcm, said.rate), controls)
    t, tuck = np.arange(len(track)) / track.fps, track.column("mouthRollLower")
    jaw = track.column("jawOpen")
    for phone in said.phones:
        if phone.ipa in {"f", "v"}:
            near = (t >= phone.start - 0.08) & (t <= phone.end + 0.04)
            assert tuck[near].max() > 0.8
            assert jaw[near].min() <= 0.115  # the lip is at the teeth, whatever the neighbours do


def test_the_tongue_shows_on_th_and_l_and_never_opens_sealed_lips(admission):
    said = espeak.speak("Think of this little theatre on the lake, Timothy, my baby.")
    track = SpeechMotion().drive(
        admission, from_pcm(said.pcm, said.rate),
        Controls(transcript="Think of this little theatre on the lake, Timothy, my baby."),
    )  # fmt: skip
    t, tongue = np.arange(len(track)) / track.fps, track.column("tongueOut")
    for phone in said.phones:
        near = (t >= phone.start - 0.06) & (t <= phone.end)
        if phone.ipa in {"θ", "ð"}:
            assert tongue[near].max() > 0.45
    assert tongue[track.column("mouthClose") >= 0.99].max() == 0
    assert np.abs(np.diff(tongue)).max() < 0.9


def test_the_jaw_comes_to_a_contact_no_faster_than_a_jaw_can(admission):
    said = espeak.speak(TEXTS["en"])
    controls = Controls(transcript=TEXTS["en"], fps=50)
    track = SpeechMotion().drive(admission, from_pcm(said.pcm, said.rate), controls)
    assert np.abs(np.diff(track.column("jawOpen"))).max() <= 7.0 / 50 + 0.03


def test_lips_round_on_oo_and_spread_on_ee(admission):
    tracks = {
        text: SpeechMotion().drive(admission, voice_of(text), Controls(transcript=text))
        for text in ("who knew two shoes", "three green trees lead")
    }
    oo, ee = tracks.values()
    assert oo.column("mouthPucker").max() > 0.45 > ee.column("mouthPucker").max()
    assert ee.column("mouthStretchLeft").max() > 0.2


def test_the_mouth_is_shut_200_ms_after_the_last_word_and_before_the_first(admission):
    said = espeak.speak("Hello my friend")
    quiet = np.zeros(said.rate, np.float32)
    voice = from_pcm(np.concatenate([quiet, said.pcm, quiet]), said.rate)
    jaw = SpeechMotion().drive(admission, voice, Controls()).column("jawOpen")
    last = 1 + said.phones[-1].end
    assert jaw[int((last + 0.2) * 25) + 1 :].max() <= 0.05
    assert jaw[: int((1 + said.phones[0].start - 0.2) * 25)].max() <= 0.05
    assert jaw.max() > 0.2


@pytest.mark.parametrize("kind", sorted(set(nonspeech(0.1)) - {"digital silence"}))
def test_noise_and_music_do_not_open_the_mouth(admission, kind):
    voice = from_pcm(nonspeech(4.0)[kind], 16_000)
    track = SpeechMotion().drive(admission, voice, Controls())
    assert track.column("jawOpen").max() <= 0.05
    assert any("nobody" in note for note in track.notes)


def test_a_clip_that_starts_200_ms_later_moves_200_ms_later(admission):
    said = espeak.speak(TEXTS["en"])
    lead = np.zeros(said.rate // 2, np.float32)
    early, late = (
        SpeechMotion().drive(
            admission, from_pcm(np.concatenate([lead, more, said.pcm]), said.rate), Controls(fps=50)
        )
        for more in (lead[:0], lead[: said.rate // 5])
    )
    a, b = early.column("jawOpen"), late.column("jawOpen")
    r = [np.corrcoef(a[:200], b[k : k + 200])[0, 1] for k in range(20)]
    assert int(np.argmax(r)) == 10
    assert max(r) > 0.98


@pytest.mark.parametrize("kind", ["flac", "mp3", "m4a", "ogg", "webm"])
def test_every_format_of_one_clip_gives_the_same_motion(admission, kind):
    said = espeak.speak(TEXTS["en"])
    known = Controls(transcript=TEXTS["en"])
    plain = SpeechMotion().drive(admission, from_pcm(said.pcm, said.rate), known)
    other = SpeechMotion().drive(admission, decode(_encoded(said.pcm, said.rate, kind)), known)
    count = min(len(plain), len(other))
    assert abs(len(plain) - len(other)) <= 1
    for name in ("jawOpen", "mouthPucker"):
        a, b = plain.column(name)[:count], other.column(name)[:count]
        assert np.corrcoef(a, b)[0, 1] >= 0.98
    assert np.corrcoef(plain.pose[:count, 0], other.pose[:count, 0])[0, 1] >= 0.98


def _encoded(pcm: np.ndarray, rate: int, kind: str) -> bytes:
    import io

    import av

    container, codec, out_rate = {
        "flac": ("flac", "flac", rate), "mp3": ("mp3", "libmp3lame", 44_100),
        "m4a": ("mp4", "aac", 44_100), "ogg": ("ogg", "libopus", 48_000),
        "webm": ("webm", "libopus", 48_000),
    }[kind]  # fmt: skip
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=out_rate, layout="mono")
        into = av.AudioResampler(stream.codec_context.format, "mono", out_rate)
        frame = av.AudioFrame.from_ndarray((pcm[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        for part in [*into.resample(frame), *into.resample(None)]:
            part.pts = None
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (part := fifo.read(size, partial=True)) is not None:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()


# ---- a transcript ------------------------------------------------------------------------------


def test_a_wrong_transcript_is_dropped_and_said_so(admission):
    voice = voice_of(TEXTS["en"])
    wrong = Controls(transcript="Seventeen students arrived late, so their teacher cancelled.")
    track = SpeechMotion().drive(admission, voice, wrong)
    alone = SpeechMotion().drive(admission, voice, Controls())
    assert any("does not match" in note for note in track.notes)
    assert track.coeffs.tobytes() == alone.coeffs.tobytes()


def test_a_right_transcript_is_used_and_said_so(admission):
    track = SpeechMotion().drive(admission, voice_of(TEXTS["en"]), Controls(transcript=TEXTS["en"]))
    assert any("timed along the transcript" in note for note in track.notes)


# ---- the same again ----------------------------------------------------------------------------


def test_the_same_clip_and_seed_give_the_same_bytes_and_another_seed_another_head(admission):
    voice = voice_of(TALK)
    one, two = (SpeechMotion().drive(admission, voice, Controls(seed=4)) for _ in range(2))
    for name in ("pose", "gaze", "coeffs"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    other = SpeechMotion().drive(admission, voice, Controls(seed=5))
    assert np.abs(other.pose - one.pose).max() > 1
    assert np.allclose(other.column("jawOpen"), one.column("jawOpen"))


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
def test_one_frame_a_moment_and_everything_in_range(admission, fps):
    voice = voice_of(TALK)
    track = SpeechMotion().drive(admission, voice, Controls(fps=fps, amplitude=1.5))
    assert len(track) == int(np.ceil(voice.duration * fps - 1e-6))
    assert track.coeffs.min() >= 0 and track.coeffs.max() <= 1
    assert (np.abs(track.pose[:, :3]).max(axis=0) <= [MAX_YAW, MAX_PITCH, MAX_ROLL]).all()
    assert np.abs(track.gaze).max() <= 20


# ---- head, eyes, brows over a minute -----------------------------------------------------------


def test_the_head_moves_as_real_heads_do(admission, minute):
    track = SpeechMotion().drive(admission, minute, Controls(seed=1))
    angles = track.pose[:, :3].astype(float)
    smooth = filtfilt(*butter(2, 5 / 12.5), angles, axis=0)
    per_frame = np.linalg.norm(np.diff(smooth, axis=0), axis=1).mean()
    f, power = welch(angles - angles.mean(0), 25, nperseg=750, axis=0)
    share = np.cumsum(power.sum(1)) / power.sum()
    assert 0.35 <= per_frame <= 0.55
    assert 0.25 < f[np.searchsorted(share, 0.5)] < 0.5
    assert 1.5 < f[np.searchsorted(share, 0.95)] < 2.2
    # How far it goes follows from how fast (above) and how often: real heads go further.
    low, high = [2.0, 1.2, 0.8], [5.5, 3.5, 2.5]
    assert (angles.std(0) > low).all() and (angles.std(0) < high).all()


def test_the_head_starts_and_ends_in_the_photos_pose(admission, minute):
    pose = SpeechMotion().drive(admission, minute, Controls(seed=2)).pose
    for frame in (pose[0], pose[-1]):
        assert np.abs(frame[:3]).max() < 0.1
        assert frame[5] == 1


@pytest.mark.parametrize("seed", range(4))
def test_blinks_are_neither_rare_nor_a_metronome(admission, minute, seed):
    shut = SpeechMotion().drive(admission, minute, Controls(seed=seed)).column("eyeBlinkLeft")
    peaks = np.flatnonzero((shut[1:-1] >= 0.99) & (shut[:-2] < 0.99)) / 25
    gaps = np.diff(peaks)
    assert 12 <= len(peaks) <= 30
    assert peaks[0] < 4
    assert gaps.min() > 0.4
    assert 0.35 <= gaps.std() / gaps.mean() <= 0.9


def test_the_eyes_stay_on_the_viewer_while_the_head_turns(admission, minute):
    track = SpeechMotion().drive(admission, minute, Controls())
    looked_at = track.gaze[:, 0] + track.pose[:, 0]
    assert np.median(np.abs(looked_at)) < 2
    assert np.corrcoef(track.gaze[:, 0], track.pose[:, 0])[0, 1] < -0.5


@pytest.mark.slow
def test_ten_minutes_never_repeat_themselves_though_the_speech_does(admission, minute):
    """One minute said ten times over: the head is never again where it was in the same way."""
    ten = Voice(np.tile(minute.pcm16k, 10), minute.native[:0], 600.0)
    track = SpeechMotion().drive(admission, ten, Controls(seed=4))
    assert repeats(track.pose[:, :3], track.fps) < 0.3
    assert repeats(track.gaze, track.fps) < 0.3
    looped = np.tile(track.pose[: 60 * 25, :3], (10, 1))
    assert repeats(looped, track.fps) > 0.99


def test_brows_and_nods_come_with_the_voice_and_not_without(admission, minute):
    talking = SpeechMotion().drive(admission, minute, Controls())
    humming = SpeechMotion().drive(
        admission, from_pcm(nonspeech(10.0)["music"], 16_000), Controls()
    )
    assert talking.column("browInnerUp").max() > 0.2
    assert humming.column("browInnerUp").max() < 0.2


# ---- controls ----------------------------------------------------------------------------------


def test_amplitude_scales_the_head_and_zero_holds_it_still(admission):
    voice = voice_of(TALK)
    spread = [
        SpeechMotion().drive(admission, voice, Controls(amplitude=a)).pose[:, :3].std()
        for a in (0, 0.5, 1)
    ]
    assert spread[0] == 0
    assert spread[1] == pytest.approx(spread[2] / 2, rel=0.1)


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_pose_keys_are_met_at_their_times_however_far_and_whatever_else_is_asked(admission, fps):
    keys = (PoseKey(0.4, 20, -12, 10), PoseKey(2.4, -20, 12, -10), PoseKey(4.4, 5, 5, 5))
    controls = Controls(pose=keys, fps=fps, emotion="sad", intensity=1, gaze=(15, 0))
    pose = SpeechMotion().drive(admission, voice_of(TALK), controls).pose
    for key in keys:
        frame = pose[round(key.t * fps), :3]
        assert np.abs(frame - [key.yaw, key.pitch, key.roll]).max() < 0.05
    between = pose[int(1.2 * fps) : int(1.6 * fps), :3]
    assert np.abs(np.diff(between, 2, axis=0)).max() > 1e-4  # alive on the way


@pytest.mark.parametrize("direction", [(0, 0), (12, 0), (-10, 6), (20, 0), (-20, -10), (0, 15)])
def test_the_main_direction_of_gaze_is_followed_within_three_degrees(admission, minute, direction):
    """The mean error of where the eyes look, glances aside included."""
    wrong = []
    for seed in (0, 1):
        controls = Controls(gaze=direction, seed=seed, language="es")
        track = SpeechMotion().drive(admission, minute, controls)
        looked_at = track.gaze + track.pose[:, :2]
        wrong.append(np.hypot(*(looked_at - direction).T).mean())
    assert max(wrong) <= 3


def test_eyes_in_a_still_head_look_where_they_are_told(admission):
    controls = Controls(gaze=(6, 0), regions=("eyes",))
    gaze = SpeechMotion().drive(admission, voice_of(TALK), controls).gaze
    assert np.median(gaze[:, 0]) == pytest.approx(6, abs=1)
    assert np.abs(gaze[:10] - [6, 0]).max() < 1e-4


def test_distance_is_the_cameras_and_not_the_heads(admission):
    """The renderer applies it; a track that did too would apply it twice."""
    track = SpeechMotion().drive(admission, voice_of("Hello there"), Controls(distance=0.8))
    assert (track.pose[:, 5] == 1).all()


@pytest.mark.parametrize("emotion", [e for e in EMOTIONS if e != "neutral"])
def test_each_emotion_shows_and_grows_with_its_intensity_and_lips_still_seal(admission, emotion):
    said = espeak.speak(TEXTS["en"])
    voice = from_pcm(said.pcm, said.rate)
    mean = []
    for intensity in (0, 0.5, 1):
        controls = Controls(emotion=emotion, intensity=intensity, transcript=TEXTS["en"])
        track = SpeechMotion().drive(admission, voice, controls)
        assert all(sealed(track, said))
        mean.append(track.coeffs[25:].mean(axis=0))
    assert np.abs(mean[1] - mean[0]).sum() > 0.2
    assert np.abs(mean[2] - mean[0]).sum() > 1.5 * np.abs(mean[1] - mean[0]).sum()


MOUTH = ("mouth", "jaw", "tongue")
BELONG = {"lips": MOUTH, "expression": ("brow",), "eyes": ("eye",), "pose": ()}


@pytest.mark.parametrize("region", BELONG)
def test_only_the_chosen_region_moves_and_moves_as_before(admission, region):
    voice = voice_of("Hello my friend, we talk about the weather.")
    # Eyes undo a turn of the head only where it is shown.
    every = REGIONS if region == "pose" else ("lips", "expression", "eyes")
    whole = SpeechMotion().drive(admission, voice, Controls(regions=every))
    part = SpeechMotion().drive(admission, voice, Controls(regions=(region,)))
    for name in ARKIT_52:
        mine = name.startswith(BELONG[region]) if BELONG[region] else False
        expected = whole.column(name) if mine else np.zeros(len(part))
        assert np.array_equal(part.column(name), expected), name
    still = np.tile(np.float32([0, 0, 0, 0, 0, 1]), (len(part), 1))
    assert np.array_equal(part.pose, whole.pose if region == "pose" else still)
    assert np.array_equal(part.gaze, np.zeros_like(part.gaze)) == (region != "eyes")


def test_a_mask_leaves_exactly_nothing_of_what_else_was_asked_for(admission):
    """Emotion, gaze, pose keys and amplitude are of other regions; distance is the camera's."""
    asked = Controls(
        regions=("lips",), emotion="angry", intensity=1, gaze=(12, -5), amplitude=1.5,
        pose=(PoseKey(0.5, 10, 5, 3),), distance=0.8,
    )  # fmt: skip
    voice = voice_of(TALK)
    track = SpeechMotion().drive(admission, voice, asked)
    plain = SpeechMotion().drive(admission, voice, Controls(regions=("lips",)))
    assert np.array_equal(track.coeffs, plain.coeffs)
    assert not track.gaze.any() and not track.pose[:, :5].any()
    assert (track.pose[:, 5] == 1).all()


# ---- speed -------------------------------------------------------------------------------------


def test_ten_seconds_are_driven_within_a_second_and_a_half(admission, minute):
    voice = Voice(minute.pcm16k[:160_000], minute.native[:480_000], 10.0)
    SpeechMotion().drive(admission, voice, Controls())
    started = time.process_time()
    SpeechMotion().drive(admission, voice, Controls())
    assert time.process_time() - started < 1.5
