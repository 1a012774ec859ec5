"""Whose face it is: numbers first, then real detectors on drawn people."""

from __future__ import annotations

import time

import numpy as np
import pytest

from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import FaceTemplate, nearest
from primafacie.safeguards.inspector import Seen

MODEL = "test@" + "0" * 64


def template(*values: float, model: str = MODEL) -> FaceTemplate:
    vector = np.zeros(128, np.float32)
    vector[: len(values)] = values
    return FaceTemplate(model, 5, vector)


def seen(*values: float) -> Seen:
    return Seen(1, 1, (), MODEL, template(*values).vector, "")


def test_the_nearest_enrolled_face_is_found_with_its_margin() -> None:
    gallery = [("ann", template(0.0)), ("bob", template(1.0))]
    found = nearest(template(0.3).vector, MODEL, "ann", gallery)
    assert found.own == pytest.approx(0.3)
    assert found.other == pytest.approx(0.7)
    assert found.best and found.margin == pytest.approx(0.4)


def test_a_morph_between_two_people_has_no_margin() -> None:
    gallery = [("ann", template(0.0)), ("bob", template(0.8))]
    likeness = seen(0.39).likeness("ann", gallery, ())
    assert likeness.best and likeness.margin < 0.05


def test_nobody_enrolled_matches_nobody() -> None:
    likeness = seen(0.0).likeness("ann", (), ())
    assert not likeness.best and likeness.distance == 2.0


def test_templates_of_another_model_never_match() -> None:
    other = template(0.0, model="other@" + "1" * 64)
    assert not seen(0.0).likeness("ann", [("ann", other)], ()).best
    with pytest.raises(FaceError):
        other.distance(template(0.0).vector, MODEL)


def test_the_never_me_list_is_asked_for_every_face() -> None:
    likeness = seen(0.2).likeness("ann", [("ann", template(0.0))], [template(0.5)])
    assert likeness.deny_distance == pytest.approx(0.3)


def test_a_template_shows_nothing_of_itself() -> None:
    assert "0.123" not in repr(template(0.123))
    assert "0.123" not in repr(seen(0.123))


@pytest.mark.slow
def test_one_in_a_hundred_thousand_is_found_fast() -> None:
    dice = np.random.default_rng(1)
    matrix = dice.normal(size=(100_000, 128)).astype(np.float32) / 9
    gallery = [(f"s{n}", FaceTemplate(MODEL, 5, row)) for n, row in enumerate(matrix)]
    start = time.process_time()
    found = nearest(matrix[77_777], MODEL, "s77777", gallery)
    assert found.best and found.own == 0.0
    assert time.process_time() - start < 2.0
