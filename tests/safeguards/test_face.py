"""Whose face it is: numbers first, then real detectors on drawn people."""

from __future__ import annotations

import time

import numpy as np
import pytest

from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import FaceTemplate, Gallery
from primafacie.safeguards.identify import quality
from primafacie.safeguards.inspector import Seen

MODEL = "test@" + "0" * 64


def template(*values: float, model: str = MODEL) -> FaceTemplate:
    vector = np.zeros(128, np.float32)
    vector[: len(values)] = values
    return FaceTemplate(model, 5, vector)


def seen(*values: float) -> Seen:
    return Seen(1, 1, (), MODEL, template(*values).vector, "")


def test_the_nearest_enrolled_face_is_found_with_its_margin() -> None:
    gallery = Gallery.of(MODEL, [("ann", template(0.0)), ("bob", template(1.0))])
    found = gallery.nearest(template(0.3).vector, "ann")
    assert found.own == pytest.approx(0.3)
    assert found.other == pytest.approx(0.7)
    assert found.best and found.margin == pytest.approx(0.4)


def test_a_morph_between_two_people_has_no_margin() -> None:
    gallery = Gallery.of(MODEL, [("ann", template(0.0)), ("bob", template(0.8))])
    likeness = seen(0.39).likeness("ann", gallery, ())
    assert likeness.best and likeness.margin < 0.05


def test_nobody_enrolled_matches_nobody() -> None:
    likeness = seen(0.0).likeness("ann", Gallery.of(MODEL, ()), ())
    assert not likeness.best and likeness.distance == 2.0


def test_templates_of_another_model_never_match() -> None:
    other = template(0.0, model="other@" + "1" * 64)
    assert not seen(0.0).likeness("ann", Gallery.of(MODEL, [("ann", other)]), ()).best
    with pytest.raises(FaceError):
        seen(0.0).likeness("ann", Gallery.of("other@" + "1" * 64, [("ann", other)]), ())
    with pytest.raises(FaceError):
        other.distance(template(0.0).vector, MODEL)


def test_the_never_me_list_is_asked_for_every_face() -> None:
    gallery = Gallery.of(MODEL, [("ann", template(0.0))])
    likeness = seen(0.2).likeness("ann", gallery, [template(0.5)])
    assert likeness.deny_distance == pytest.approx(0.3)


def test_a_template_shows_nothing_of_itself() -> None:
    assert "0.123" not in repr(template(0.123))
    assert "0.123" not in repr(seen(0.123))


def test_two_consents_of_one_person_do_not_block_each_other_once_a_reviewer_said_so() -> None:
    gallery = Gallery.of(MODEL, [("ann", template(0.0)), ("ann again", template(0.02))])
    alone = seen(0.03).likeness("ann", gallery, ())
    assert not alone.best and alone.margin < 0.05
    linked = seen(0.03).likeness("ann", gallery, (), frozenset({"ann again"}))
    assert linked.best and linked.margin > 0.05 and linked.other_distance == 2.0


def test_a_link_lends_nobody_anothers_template() -> None:
    gallery = Gallery.of(MODEL, [("ann", template(0.0)), ("eve", template(0.45))])
    likeness = seen(0.7).likeness("ann", gallery, (), frozenset({"eve"}))
    assert likeness.distance == pytest.approx(0.7), "eve's template must not count for ann"


def test_a_third_person_still_counts_behind_a_crowd_of_ones_own_consents() -> None:
    mine = [(f"me {n}", template(0.001 * n)) for n in range(200)]
    gallery = Gallery.of(MODEL, [*mine, ("other", template(0.4))])
    same = frozenset(owner for owner, _ in mine[1:])
    assert gallery.nearest(template(0.1).vector, "me 0", same).other == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("what", "told"),
    [("sharp", ()), ("blurred", ("blurred",)), ("dark", ("too dark or too bright",)),
     ("bright", ("too dark or too bright",)), ("flat", ("hardly any contrast",))],
)  # fmt: skip
def test_a_face_nobody_could_be_sure_of_is_told_what_is_wrong(
    what: str, told: tuple[str, ...]
) -> None:
    """Chips with one thing wrong each, so that no other sentence hides a missing one."""
    rows, columns = np.mgrid[0:150, 0:150] / 150.0
    grain = np.random.default_rng(2).normal(0, 5, (150, 150))
    shade = 70 * (rows - 0.5) + 40 * (columns - 0.5)
    grey = {
        "sharp": 120 + shade + grain, "blurred": 120 + shade, "dark": 32 + 0.8 * shade + grain,
        "bright": 228 + 0.8 * shade + grain, "flat": 120 + grain,
    }[what]  # fmt: skip
    chip = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)
    found = quality(chip)
    assert len(found) == len(told) and all(t in f for t, f in zip(told, found, strict=True)), found


def test_the_gallery_agrees_with_plain_distances() -> None:
    dice = np.random.default_rng(3)
    rows = dice.normal(size=(3000, 128)).astype(np.float32) / 9
    gallery = Gallery.of(MODEL, [(f"s{n}", FaceTemplate(MODEL, 5, r)) for n, r in enumerate(rows)])
    for number in range(0, 3000, 500):
        probe = rows[number] + dice.normal(size=128).astype(np.float32) / 90
        plain = np.linalg.norm(rows - probe, axis=1)
        found = gallery.nearest(probe, f"s{number}")
        assert found.own == pytest.approx(float(plain[number]), abs=1e-6)
        assert found.other == pytest.approx(float(np.delete(plain, number).min()), abs=1e-6)


@pytest.mark.slow
def test_one_in_a_hundred_thousand_is_found_fast() -> None:
    dice = np.random.default_rng(1)
    matrix = dice.normal(size=(100_000, 128)).astype(np.float32) / 9
    gallery = Gallery.of(
        MODEL, [(f"s{n}", FaceTemplate(MODEL, 5, row)) for n, row in enumerate(matrix)]
    )
    spent = []
    for _ in range(5):
        start = time.process_time()
        found = gallery.nearest(matrix[77_777], "s77777")
        spent.append(time.process_time() - start)
        assert found.best and found.own == 0.0
    assert min(spent) < 0.1
