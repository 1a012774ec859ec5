"""Attacks with a picture of a face: each is named after what the attacker tries.

First by numbers through the real rules, then with drawn people through the real detectors.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from primafacie.safeguards.decision import Refused
from primafacie.safeguards.face import FaceTemplate, Gallery
from primafacie.safeguards.inspector import Inspector, Seen
from primafacie.safeguards.policy import PolicySet
from primafacie.safeguards.provenance.watermark import MarkKeys

MODEL = "test@" + "0" * 64
SAFEGUARDS = Path(__file__).parents[1] / "safeguards"


def _load(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def rules() -> Any:
    """(facts with these changes) -> names of the rules that refuse; none is admitted."""
    built = _load("facts_for_attacks", SAFEGUARDS / "conftest.py")
    policies = PolicySet.shipped()

    def ask(**changes: Any) -> set[str]:
        answer = policies.decide(built.facts(**changes), "generate", policies.sha256)
        return {r.rule for r in answer.reasons} if isinstance(answer, Refused) else set()

    return ask


def at(value: float) -> FaceTemplate:
    vector = np.zeros(128, np.float32)
    vector[0] = value
    return FaceTemplate(MODEL, 5, vector)


def face(value: float, faces: int = 1) -> Seen:
    return Seen(faces, faces, (), MODEL, at(value).vector, "")


CROWD = Gallery.of(MODEL, [("subject-1", at(0.0)), ("subject-2", at(0.8))])


def test_a_look_alike_within_0_60_is_refused(rules: Any) -> None:
    look_alike = face(-0.55).likeness("subject-1", CROWD, ())
    assert "face_is_consenting_subject" in rules(likeness=look_alike)
    assert not rules(likeness=face(-0.45).likeness("subject-1", CROWD, ()))


def test_a_morph_of_two_people_is_refused_where_any_photo_is_allowed(rules: Any) -> None:
    morph = face(0.4).likeness("subject-1", CROWD, ())
    assert morph.distance <= 0.5 and morph.other_distance <= 0.5
    assert "face_is_consenting_subject" in rules(likeness=morph, record_photo_mode="matched",
                                                 request_photo=b"not registered")  # fmt: skip


def test_a_photo_of_somebody_else_who_consented_is_refused(rules: Any) -> None:
    other = face(0.79).likeness("subject-1", CROWD, ())
    assert {"face_is_consenting_subject", "face_is_nobody_else"} <= rules(likeness=other)


def test_a_registered_photo_of_somebody_else_is_refused_too(rules: Any) -> None:
    near_both = Gallery.of(MODEL, [("subject-1", at(0.0)), ("subject-2", at(0.45))])
    stolen = face(0.44).likeness("subject-1", near_both, ())
    assert "face_is_nobody_else" in rules(likeness=stolen)


def test_the_same_pixels_in_other_bytes_are_not_the_registered_photo(rules: Any) -> None:
    again = face(0.1).likeness("subject-1", CROWD, ())
    assert not rules(likeness=again)
    assert "face_is_consenting_subject" in rules(likeness=again, request_photo=b"other bytes")


def test_two_persons_and_no_face_are_refused(rules: Any) -> None:
    assert "one_face" in rules(likeness=face(0.1, faces=2).likeness("subject-1", CROWD, ()))
    nobody = Seen(0, 0, (), MODEL, None, "").likeness("subject-1", CROWD, ())
    assert {"one_face", "face_is_consenting_subject"} <= rules(likeness=nobody)


@pytest.mark.parametrize("speaker", ["review", "mismatch", "unknown", "", "MATCH"])
def test_another_speaker_is_refused(rules: Any, speaker: str) -> None:
    own = {"record_voice_source": "own", "record_voices": ()}
    assert "voice_allowed" in rules(**own, utterance_speaker=speaker)
    assert not rules(**own, utterance_speaker="match")


# --- drawn people, real detectors -----------------------------------------------------------------


@pytest.fixture(scope="module")
def inspector() -> Iterator[Inspector]:
    made = Inspector(False, [MarkKeys.derive(b"k" * 32, 1)])
    yield made
    made.close()


@pytest.fixture(scope="module")
def scene() -> Any:
    return _load("recording_scene", SAFEGUARDS / "recording_scene.py")


@pytest.fixture(scope="module")
def sitting(scene: Any) -> Any:
    """Two sitters, 384 pixels."""
    return scene.head(0), scene.head(1)


def admitted(seen: Seen) -> bool:
    """Exactly one usable face, by both detectors."""
    return seen.faces_a == 1 and seen.faces_b == 1 and not seen.problems


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pictures_that_hide_turn_shrink_or_multiply_a_face(
    inspector: Inspector, scene: Any, sitting: Any
) -> None:
    one, other = sitting
    look = lambda picture: inspector.photo(scene.png(picture))  # noqa: E731
    plain = look(one)
    assert admitted(plain) and plain.vector is not None
    assert not admitted(look(np.concatenate([one, other], 1))), "two persons"
    assert not admitted(look(np.full_like(one, 127))), "no face"
    poster = one.copy()
    poster[:130, :130] = np.asarray(Image.fromarray(other).resize((130, 130)))
    assert not admitted(look(poster)), "a poster in the background"
    assert not admitted(look(np.ascontiguousarray(one[::-1, ::-1]))), "turned by 180 degrees"
    tiny = np.asarray(Image.fromarray(one).resize((40, 40)))
    wall = np.full((384, 384, 3), 160, np.uint8)
    wall[170:210, 170:210] = tiny
    assert not admitted(look(wall)), "a face of 12 pixels"

    mirrored = look(np.ascontiguousarray(one[:, ::-1]))
    assert admitted(mirrored) and mirrored.vector is not None
    assert np.linalg.norm(mirrored.vector - plain.vector) <= 0.5, "mirrored: the same person"
    stranger = look(other)
    assert stranger.vector is not None
    assert np.linalg.norm(stranger.vector - plain.vector) > 0.5, "another person"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_second_face_hidden_in_the_alpha_channel_is_not_what_is_judged(
    inspector: Inspector, sitting: Any
) -> None:
    """What is transparent is white for the gate and for the studio, whatever colour lies under."""
    _, other = sitting
    layer = np.zeros((384, 384, 4), np.uint8)
    layer[..., :3], layer[..., 3] = other, 0
    stream = io.BytesIO()
    Image.fromarray(layer, "RGBA").save(stream, "PNG")
    hidden = inspector.photo(stream.getvalue())
    assert hidden.faces_a == 0 and hidden.vector is None
