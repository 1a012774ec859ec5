"""Attacks with a picture of a face: each is named after what the attacker tries.

First by numbers through the real rules, then with drawn people through the real detectors.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.interpolate import LinearNDInterpolator

from primafacie.audit.digest import sha256_hex
from primafacie.generator.faces import find_faces
from primafacie.generator.landmarks import DlibLandmarker
from primafacie.generator.picture import decode_picture
from primafacie.generator.portrait import Portrait
from primafacie.platform import sitter
from primafacie.platform.sitter import SITTERS, draw
from primafacie.safeguards import liveness
from primafacie.safeguards.decision import Refused
from primafacie.safeguards.face import FaceTemplate, Gallery
from primafacie.safeguards.identify import DlibEmbedder
from primafacie.safeguards.inspector import Inspector, Seen
from primafacie.safeguards.policy import PolicySet
from primafacie.safeguards.provenance.watermark import MarkKeys
from primafacie.safeguards.speaker import Voiceprint

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


@dataclass(frozen=True)
class Enrolled:
    """Two sitters as the gate knows them, and a picture of each."""

    templates: tuple[FaceTemplate, FaceTemplate]
    pictures: tuple[Any, Any]

    @property
    def crowd(self) -> Gallery:
        pairs = zip(("subject-1", "subject-2"), self.templates, strict=True)
        return Gallery.of(self.templates[0].model, list(pairs))

    def under(self, number: int, seen: Seen) -> Any:
        """The likeness of what was seen to sitter `number`."""
        return seen.likeness(f"subject-{number + 1}", self.crowd, ())


@pytest.fixture(scope="module")
def enrolled(inspector: Inspector, scene: Any) -> Enrolled:
    templates = tuple(inspector.enrol(scene.photos(person)) for person in (0, 1))
    pictures = tuple(draw(SITTERS[person].name, 512) for person in (0, 1))
    return Enrolled(templates, pictures)  # type: ignore[arg-type]


ANY_PHOTO = {"record_photo_mode": "matched", "request_photo": b"nobody registered it"}


def subject(number: int) -> dict[str, str]:
    return {"record_subject_id": f"subject-{number + 1}"}


def rgba(visible: Any, under: Any) -> bytes:
    """A PNG that shows `visible`, in grey, and holds the colours of `under`, darkened."""
    dark = (under.astype(np.float32) * 0.1).astype(np.uint8)
    grey = visible.astype(np.float32).mean(-1)
    alpha = np.clip((255 - grey) / np.maximum(255 - dark.mean(-1), 1), 0, 1)
    layer = np.dstack([dark, np.uint8(alpha * 255 + 0.5)])
    stream = io.BytesIO()
    Image.fromarray(layer, "RGBA").save(stream, "PNG")
    return stream.getvalue()


def poster(one: Any, other: Any) -> Any:
    wall = one.copy()
    wall[:130, :130] = np.asarray(Image.fromarray(other).resize((130, 130)))
    return wall


def twelve_pixels(one: Any, _: Any) -> Any:
    wall = np.full((384, 384, 3), 160, np.uint8)
    wall[170:210, 170:210] = np.asarray(Image.fromarray(one).resize((40, 40)))
    return wall


PICTURES: dict[str, Callable[[Any, Any], Any]] = {
    "two persons": lambda one, other: np.concatenate([one, other], 1),
    "no face": lambda one, _: np.full_like(one, 127),
    "poster in the background": poster,
    "180 degrees": lambda one, _: np.ascontiguousarray(one[::-1, ::-1]),
    "12-px face": twelve_pixels,
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("attack", PICTURES)
def test_picture_with(
    inspector: Inspector, scene: Any, sitting: Any, enrolled: Enrolled, rules: Any, attack: str
) -> None:
    """Refused for what is seen, even where this very file was registered."""
    seen = inspector.photo(scene.png(PICTURES[attack](*sitting)))
    said = rules(likeness=enrolled.under(0, seen), **subject(0))
    assert said & {"one_face", "photo_good_enough"}, attack


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("change", ["plain", "mirrored"])
def test_the_same_person_is_allowed(
    inspector: Inspector, scene: Any, sitting: Any, enrolled: Enrolled, rules: Any, change: str
) -> None:
    one = sitting[0] if change == "plain" else np.ascontiguousarray(sitting[0][:, ::-1])
    seen = inspector.photo(scene.png(one))
    assert not rules(likeness=enrolled.under(0, seen), **subject(0))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_another_person_of_whom_nothing_is_known(
    inspector: Inspector, scene: Any, sitting: Any, enrolled: Enrolled, rules: Any
) -> None:
    """Nobody's template tells that it is somebody else's face: it is only not this one."""
    template = enrolled.templates[0]
    alone = Gallery.of(template.model, [("subject-1", template)])
    seen = inspector.photo(scene.png(sitting[1]))
    likeness = seen.likeness("subject-1", alone, ())
    assert rules(likeness=likeness, **subject(0)) == {"face_is_consenting_subject"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_face_hidden_in_the_alpha_channel_is_neither_judged_nor_animated(
    inspector: Inspector, enrolled: Enrolled
) -> None:
    """What is transparent is white for the gate and for the studio, whatever colour lies under."""
    one, other = enrolled.pictures
    empty = np.dstack([other, np.zeros(other.shape[:2], np.uint8)])
    stream = io.BytesIO()
    Image.fromarray(empty, "RGBA").save(stream, "PNG")
    nobody = inspector.photo(stream.getvalue())
    assert nobody.faces_a == 0 and nobody.vector is None

    both = rgba(one, other)
    seen = inspector.photo(both)
    assert enrolled.under(0, seen).best, "the gate sees who is seen"
    assert enrolled.under(1, seen).distance > 0.5, "and not whom the file hides"
    drawn = decode_picture(both)
    assert Portrait.from_picture(drawn, "0" * 64) is not None
    looked = np.abs(drawn.astype(np.float32).mean(-1) - one.astype(np.float32).mean(-1))
    assert float(looked.mean()) < 8, "the studio animates the same pixels"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_photo_of_one_who_consented_under_anothers_consent(
    inspector: Inspector, scene: Any, enrolled: Enrolled, rules: Any
) -> None:
    for number in (0, 1):
        likeness = enrolled.under(number, inspector.photo(scene.png(enrolled.pictures[1 - number])))
        wanted = {"face_is_consenting_subject", "face_is_nobody_else"}
        for more in (ANY_PHOTO, {}):  # {}: even where the file was registered
            assert wanted <= rules(likeness=likeness, **subject(number), **more)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_pixels_in_other_bytes_pass_by_face_and_not_by_registration(
    inspector: Inspector, scene: Any, enrolled: Enrolled, rules: Any
) -> None:
    picture = enrolled.pictures[0]
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    first, second = scene.png(picture), stream.getvalue()
    assert first != second and (decode_picture(first) == decode_picture(second)).all()
    likeness = enrolled.under(0, inspector.photo(second))
    assert likeness.best and likeness.distance <= 0.5
    registered = {"record_photos": (sha256_hex(first),), **subject(0)}
    assert not rules(likeness=likeness, request_photo=first, **registered)
    assert rules(likeness=likeness, request_photo=second, **registered) == {
        "face_is_consenting_subject"
    }


def corners(picture: Any) -> Any:
    """68 landmarks and eight points on the rim, (76, 2)."""
    side = picture.shape[0]
    found = DlibLandmarker().find(picture, find_faces(picture)[0]).points[:, :2]
    rim = [(x, y) for x in (0, side / 2, side - 1) for y in (0, side / 2, side - 1)]
    rim.remove((side / 2, side / 2))
    return np.concatenate([found.astype(float), rim])


def onto(picture: Any, own: Any, shape: Any) -> Any:
    """The picture, with its points moved to `shape`: triangle by triangle."""
    side = picture.shape[0]
    y, x = np.mgrid[:side, :side]
    at = LinearNDInterpolator(shape, own)(np.stack([x, y], -1)).astype(np.float32)
    return cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def morph(one: Any, other: Any, share: float) -> Any:
    """Two faces warped to one shape between them and blended: `share` of the other."""
    a, b = corners(one), corners(other)
    shape = (1 - share) * a + share * b
    return np.uint8((1 - share) * onto(one, a, shape) + share * onto(other, b, shape) + 0.5)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_50_50_morph_of_two_who_consented_is_animated_under_neither(
    inspector: Inspector, scene: Any, enrolled: Enrolled, rules: Any
) -> None:
    """Distances alone admit it: it is nearer to both than 0.50, and to one of them by more than the
    margin. A photo near two people waits for a pair of eyes."""
    admitted_by_distance = 0
    for share in (0.4, 0.5, 0.6):
        seen = inspector.photo(scene.png(morph(*enrolled.pictures, share)))
        assert admitted(seen), "it is a good photo of a face"
        for number in (0, 1):
            likeness = enrolled.under(number, seen)
            said = rules(likeness=likeness, **subject(number), **ANY_PHOTO)
            assert said & {"face_is_consenting_subject", "match_confirmed"}, (share, number)
            admitted_by_distance += said == {"match_confirmed"}
            assert "face_is_consenting_subject" in rules(
                likeness=likeness, request_photo=b"not registered", **subject(number)
            )
    assert admitted_by_distance, "or this test shows nothing about the pair of eyes"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_look_alike_between_0_50_and_0_60_is_refused_as_a_picture(
    inspector: Inspector, scene: Any, enrolled: Enrolled, rules: Any, monkeypatch: Any
) -> None:
    """A sitter with the first one's hair and clothes and nearly the second one's bones."""
    a, b = (sitter.anatomy_of(SITTERS[n].name) for n in (0, 1))
    numbers = {
        f.name: 0.15 * getattr(a, f.name) + 0.85 * getattr(b, f.name)
        for f in fields(a)
        if isinstance(getattr(a, f.name), float)
    }
    colours = {
        f.name: tuple(
            round(0.15 * x + 0.85 * y)
            for x, y in zip(getattr(a, f.name), getattr(b, f.name), strict=True)
        )
        for f in fields(a)
        if isinstance(getattr(a, f.name), tuple)
    }
    known, alike = sitter.anatomy_of, replace(a, **numbers, **colours)
    monkeypatch.setattr(sitter, "anatomy_of", lambda seed: alike if seed == 10851 else known(seed))
    seen = inspector.photo(scene.png(draw(10851, 512)))
    likeness = enrolled.under(0, seen)
    assert admitted(seen) and 0.50 < likeness.distance <= 0.60
    assert "face_is_consenting_subject" in rules(likeness=likeness, **subject(0), **ANY_PHOTO)
    assert "face_is_consenting_subject" in rules(likeness=likeness, **subject(0))


# --- filmed captures ------------------------------------------------------------------------------

ASKED = ("bridge", "candle", "garden", "market", "ribbon")
TURNS = ("left", "up", "tilt-right")


def refilmed(frames: list[Any], pcm: Any) -> tuple[list[Any], Any]:
    """A capture played on a screen and filmed from beside it: keystone, bezel, moire, flicker,
    noise, another start; the sound through a room and a microphone."""
    dice = np.random.default_rng(11)
    side = frames[0].shape[0]
    square = np.float32([[0, 0], [side, 0], [side, side], [0, side]])
    seen = np.float32([[22, 14], [side - 9, 30], [side - 18, side - 24], [12, side - 10]])
    shape = cv2.getPerspectiveTransform(square, seen)
    y, x = np.mgrid[:side, :side]
    moire = 1 + 0.04 * np.sin(0.9 * x + 0.35 * y)[..., None]
    made = []
    for number, frame in enumerate([frames[0]] * 3 + frames):
        shown = cv2.GaussianBlur(cv2.warpPerspective(frame, shape, (side, side)), (0, 0), 0.8)
        light = 1 + 0.05 * np.sin(number * 1.7)
        grain = dice.normal(0, 4, shown.shape)
        shot = 255 * (shown / 255) ** 0.85 * moire * light + grain
        made.append(np.uint8(np.clip(shot, 0, 255)))
    late = np.concatenate([np.zeros(3 * 16_000 // 5, np.float32), pcm])
    echo = late.copy()
    for delay, loss in ((0.021, 0.35), (0.047, 0.2), (0.083, 0.1)):
        step = round(delay * 16_000)
        echo[step:] += loss * late[:-step]
    return made, 0.6 * echo + dice.normal(0, 0.0015, len(echo)).astype(np.float32)


@dataclass(frozen=True)
class Captured:
    """The capture that is copied: its frames, its sound, and the trace that is kept of it."""

    frames: list[Any]
    pcm: Any
    trace: Any


def looked_at(data: bytes, sound: Any) -> Any:
    return liveness.look(data, (), sound, Voiceprint(0.0), DlibEmbedder())


def is_new(seen: Any, earlier: Captured) -> str:
    """What the check for copies says of a recording."""
    found = liveness.judge(seen, liveness.Ask(ASKED, TURNS), None, [earlier.trace])
    return str({f.check: f.verdict for f in found}["new"])


@pytest.fixture(scope="module")
def captured(scene: Any) -> Captured:
    pcm = scene.sound(ASKED)
    frames = scene.pictures(len(pcm) / scene.RATE + 0.5, TURNS)
    return Captured(frames, pcm, looked_at(scene.film(frames, pcm), pcm).trace)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_capture_played_again_is_known_however_it_was_copied(
    scene: Any, captured: Captured
) -> None:
    """Recompressed, made smaller, filmed off a screen."""
    frames, pcm = captured.frames, captured.pcm
    small = [cv2.resize(f, (224, 224), interpolation=cv2.INTER_AREA) for f in frames]
    filmed, heard = refilmed(frames, pcm)
    copies = {
        "recompressed": (scene.film(frames, pcm, crf="40"), pcm),
        "smaller": (scene.film(small, pcm, crf="30"), pcm),
        "filmed off a screen": (scene.film(filmed, heard), heard),
    }
    for how, (data, sound) in copies.items():
        assert is_new(looked_at(data, sound), captured) == "failed", how


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_answer_to_another_challenge_is_no_copy(scene: Any, captured: Captured) -> None:
    """Each try draws words and movements anew."""
    pcm = scene.sound(("tiger", "piano", "lemon", "soldier", "turtle"))
    take = scene.pictures(len(pcm) / scene.RATE + 0.5, ("right", "down", "tilt-left"), jitter=2)
    assert is_new(looked_at(scene.film(take, pcm), pcm), captured) == "passed"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_words_and_movements_done_again_are_a_question_and_no_refusal(
    scene: Any, captured: Captured
) -> None:
    take = scene.pictures(len(captured.pcm) / scene.RATE + 0.5, TURNS, jitter=2)
    seen = looked_at(scene.film(take, captured.pcm), captured.pcm)
    assert is_new(seen, captured) == "doubtful"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_copy_begun_a_picture_later_is_never_taken_for_new(
    scene: Any, captured: Captured
) -> None:
    """Other moments are looked at than in the first, so the stirring alone would let it through."""
    late, heard = captured.frames[1:], captured.pcm[scene.RATE // scene.FPS :]
    assert is_new(looked_at(scene.film(late, heard), heard), captured) in ("failed", "doubtful")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_capture_recorded_before_the_words_were_shown(scene: Any) -> None:
    """Five words of 256 and three movements of six: what was filmed before answers others."""
    film, pcm = scene.recording(ASKED, TURNS), scene.sound(ASKED)
    others = ("tiger", "piano", "lemon", "soldier", "turtle")
    seen = liveness.look(film, others, pcm, Voiceprint(0.0), DlibEmbedder())
    moves = tuple(m for m, name in liveness.MOVES.items() if name in ("right", "down", "tilt-left"))
    found = liveness.judge(seen, liveness.Ask(others, moves), None)
    said = {f.check: f.verdict for f in found}
    assert said["words"] == "failed" and said["movements"] == "failed"
    assert liveness.failed(found), "and nobody may override that"
