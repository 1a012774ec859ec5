"""An upload that carries our own mark, or a generator's: known before anything is decided."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import signal

from primafacie.safeguards import inspector
from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import Gallery
from primafacie.safeguards.gate import TOO_SHORT, _marks_seen, _utterance
from primafacie.safeguards.identify import reduced
from primafacie.safeguards.provenance.reencode import encode_sound_again
from primafacie.safeguards.provenance.sound_benchmark import voice as sung
from primafacie.safeguards.provenance.watermark import MarkKeys, PictureMarker, mark_sound

A: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "robustness" / "attacks.py"))
MASTER = b"a master secret for tests"
EPOCHS = [MarkKeys.derive(MASTER, epoch) for epoch in (2, 1, 0)]
NUMBER = 0x5EED0FA55E7123


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """One frame of a video of ours, of an older epoch."""
    frames = A["talking"](A["drawn_portrait"](4, 640), 3)
    marker = PictureMarker(EPOCHS[1], NUMBER)
    marker.plan(frames)
    return marker.apply(frames[0])


def told(picture: np.ndarray) -> str:
    grey = reduced(picture)
    pixels = inspector.base64.b64encode(grey.tobytes()).decode()
    size = {"height": grey.shape[0], "width": grey.shape[1]}
    return inspector._own_mark({**size, "pixels": pixels}, EPOCHS)


def test_a_frame_of_ours_is_known_by_its_asset_under_any_epoch(frame: np.ndarray) -> None:
    assert told(frame) == f"{NUMBER:014x}"


def test_a_cropped_enlarged_jpeg_of_a_frame_is_known_too(frame: np.ndarray) -> None:
    cut = cv2.resize(frame[40:600, 50:610], (1000, 1000), interpolation=cv2.INTER_CUBIC)
    assert told(A["jpeg"]([cut], 80)[0]) == f"{NUMBER:014x}"


def test_a_photo_is_not_taken_for_ours() -> None:
    assert told(A["drawn_portrait"](4, 640)) == ""


@pytest.mark.parametrize(
    "grey",
    [
        {"height": 0, "width": 5, "pixels": ""},
        {"height": 10**9, "width": 10**9, "pixels": ""},
        {"height": 9, "width": 9, "pixels": "AAAA"},
        {"height": 9, "width": 9, "pixels": "not base64!"},
    ],
    ids=["empty", "huge", "too short", "not base64"],
)
def test_a_child_that_lies_about_its_picture_is_found_out(grey: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        inspector._own_mark(grey, EPOCHS)


def test_an_inspector_without_keys_does_not_start() -> None:
    with pytest.raises(FaceError, match="watermark keys"):
        inspector.Inspector(must_hold=False, marks=())


def test_a_photo_from_a_video_made_here_is_no_enrolment(monkeypatch: pytest.MonkeyPatch) -> None:
    eyes = inspector.Inspector.__new__(inspector.Inspector)
    seen = inspector.Seen(1, 1, (), "m", np.zeros(128, np.float32), "", own_mark="present")
    for started in ("renew", "rest"):
        monkeypatch.setattr(inspector.Inspector, started, lambda self: None)
    monkeypatch.setattr(inspector.Inspector, "photo", lambda self, data: seen)
    with pytest.raises(FaceError, match="made here"):
        eyes.enrol([b"x"], least=1)


def test_both_marks_reach_the_facts_and_the_log(make_facts: Any) -> None:
    seen = inspector.Seen(0, 0, (), "m", None, "SDXL", own_mark="present")
    likeness = seen.likeness("", Gallery.of("m", []), [])
    assert (likeness.generator_mark, likeness.own_mark) == ("SDXL", "present")
    facts = make_facts(likeness_generator_mark="SDXL", likeness_own_mark=f"{NUMBER:014x}")
    assert facts.context()["face"]["own_mark"] == f"{NUMBER:014x}"
    assert _marks_seen(facts) == (
        ("photo_generator", "SDXL"),
        ("photo_mark", f"{NUMBER:014x}"),
    )


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """The sound of a video of ours, of an older epoch."""
    return mark_sound(sung(4.0, 2), 48_000, EPOCHS[1], NUMBER)


def heard(pcm: np.ndarray, rate: int = 48_000) -> str:
    narrow = signal.resample_poly(pcm, 1, rate // 16_000).astype(np.float32)
    said = inspector.base64.b64encode(inspector._int16(narrow)).decode()
    return inspector._own_sound(said, EPOCHS)


LOW = f"{NUMBER & 0xFFFFFFFF:08x}"


class TestLaundering:
    """The sound of a released video, handed in again as somebody's voice."""

    def test_as_it_is(self, sound: np.ndarray) -> None:
        assert heard(sound) == LOW

    def test_through_a_codec(self, sound: np.ndarray) -> None:
        assert heard(*encode_sound_again(sound, 48_000, "libopus", 24_000)) == LOW

    def test_two_seconds_cut_out_of_it(self, sound: np.ndarray) -> None:
        assert heard(sound[48_000 : 3 * 48_000]) == LOW

    def test_played_a_little_faster(self, sound: np.ndarray) -> None:
        places = np.arange(0, sound.size - 1, 1.012)
        quick = np.interp(places, np.arange(sound.size), sound).astype(np.float32)
        assert heard(quick) == LOW

    def test_glued_behind_other_speech(self, sound: np.ndarray) -> None:
        assert heard(np.concatenate([sung(12.0, 5), sound])) == LOW

    def test_it_is_refused_by_the_rules_and_named_in_the_log(self, make_facts: Any) -> None:
        heard_so = inspector.Heard(4000, inspector.Voiceprint(4.0), LOW)
        said = _utterance(heard_so, None)
        assert said.own_mark == LOW
        facts = make_facts(utterance_own_mark=said.own_mark)
        assert facts.context()["voice"]["own_mark"] == LOW
        assert _marks_seen(facts) == (("voice_mark", LOW),)


def test_a_voice_is_not_taken_for_ours() -> None:
    assert heard(sung(4.0, 2)) == ""


def test_a_child_that_lies_about_its_sound_is_found_out() -> None:
    for said in ("not base64!", "AAA", "AAAA"):
        with pytest.raises(ValueError):
            inspector._own_sound(said, EPOCHS)


def test_a_clip_too_short_for_the_mark_is_refused_before_the_work_starts() -> None:
    assert _utterance(inspector.Heard(790, inspector.Voiceprint(0.7)), None).problems == (
        TOO_SHORT,
    )
    assert not _utterance(inspector.Heard(800, inspector.Voiceprint(0.8)), None).problems


@pytest.mark.slow
def test_the_child_hands_over_what_the_search_needs(frame: np.ndarray) -> None:
    data = cv2.imencode(".png", frame[:, :, ::-1])[1].tobytes()
    answer = inspector._look(data)
    seen = inspector._seen(answer, answer["model"], EPOCHS)
    assert seen.own_mark == f"{NUMBER:014x}"
