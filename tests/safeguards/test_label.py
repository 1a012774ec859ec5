"""The visible label: legible on any picture, tall enough, never cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primafacie.audit.digest import sha256_file
from primafacie.safeguards.consent import SubjectKind
from primafacie.safeguards.errors import MediaError
from primafacie.safeguards.provenance import label as label_module
from primafacie.safeguards.provenance.label import (
    AI_GENERATED,
    LETTER_SHARE,
    SELF_DECLARED,
    Label,
    caption_text,
    label_text,
)

BACKGROUNDS = {
    "black": np.zeros((320, 320, 3), np.uint8),
    "white": np.full((320, 320, 3), 255, np.uint8),
    "grey": np.full((320, 320, 3), 128, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (320, 320, 3)).astype(np.uint8),
}


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("text", [AI_GENERATED, SELF_DECLARED])
def test_letters_stand_out_from_every_background(background: str, text: str) -> None:
    """WCAG 2.1 asks for a contrast of 4.5 to 1 between letters and what surrounds them."""
    label = Label(text, "bottom-left", 320, 320)
    area = label.burn(BACKGROUNDS[background])[label.area].astype(float) / 255
    linear = np.where(area <= 0.04045, area / 12.92, ((area + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    ink = np.asarray(Label(text, "bottom-left", 320, 320)._keep)[..., 0] == 0  # letters' cores
    paper = np.asarray(label._keep)[..., 0] == label._keep.max()
    assert ink.sum() > 100
    assert (luminance[ink].min() + 0.05) / (np.percentile(luminance[paper], 99) + 0.05) >= 4.5


@pytest.mark.parametrize(("width", "height"), [(320, 320), (512, 512), (720, 1280), (256, 320)])
def test_capitals_are_a_twentieth_of_the_shorter_side(width: int, height: int) -> None:
    label = Label("H", "top-left", width, height)
    frame = label.burn(np.zeros((height, width, 3), np.uint8))
    rows = np.flatnonzero((frame[..., 0] > 128).any(axis=1))
    assert len(rows) >= int(LETTER_SHARE * min(width, height))


@pytest.mark.parametrize("position", ["top-left", "top-right", "bottom-left", "bottom-right"])
def test_the_label_lies_in_its_corner_and_touches_nothing_else(position: Any) -> None:
    label = Label(AI_GENERATED, position, 320, 240)
    frame = np.full((240, 320, 3), 90, np.uint8)
    burnt = label.burn(frame)
    changed = np.argwhere((burnt != frame).any(axis=2))
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    assert (bottom < 120) == position.startswith("top")
    assert (right > 300) == position.endswith("right")
    assert top >= 4 and left >= 4 and bottom < 236 and right < 316
    assert (frame == 90).all()


def test_a_label_without_a_side_lies_in_the_middle_of_the_lower_edge() -> None:
    label = Label(AI_GENERATED, "bottom", 320, 240)
    rows, columns = label.area
    assert rows.start > 190 and rows.stop <= 236
    assert abs((columns.start + columns.stop) - 320) <= 1


def test_a_long_text_is_broken_not_shrunk() -> None:
    one, two = Label("AI", "top-left", 320, 320), Label(SELF_DECLARED, "top-left", 320, 320)
    height = one.area[0].stop - one.area[0].start
    assert two.area[0].stop - two.area[0].start > 1.5 * height
    assert two.area[1].stop <= 320


@pytest.mark.parametrize("text", ["", " ", "x" * 101, "two\nlines", "AI \u0628\u0631", "bell\a"])
def test_texts_that_cannot_be_drawn_are_refused(text: str) -> None:
    with pytest.raises(MediaError):
        Label(text, "top-left", 512, 512)


def test_a_picture_too_small_for_its_label_is_refused() -> None:
    with pytest.raises(MediaError):
        Label("A_single_word_that_does_not_fit_anywhere", "top-left", 64, 64)
    with pytest.raises(MediaError):
        Label("AI", "top-left", 320, 320).burn(np.zeros((320, 322, 3), np.uint8))


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "it", "zh", "zh-CN", "pt"])
@pytest.mark.parametrize("kind", SubjectKind)
def test_every_language_fits_the_smallest_picture_and_is_found_again(
    language: str, kind: SubjectKind
) -> None:
    frame = BACKGROUNDS["noise"][:256, :256]
    label = Label(label_text(language), "bottom", 256, 256)
    caption = Label(caption_text(language, kind), "top", 256, 256)
    shown = caption.burn(label.burn(frame))
    assert label.seen(shown) and caption.seen(shown)
    assert not label.seen(frame) and not caption.seen(frame)
    assert label.area[0].start >= caption.area[0].stop


def test_chinese_says_what_gb_45438_asks() -> None:
    assert label_text("zh-Hans") == "AI生成"
    assert caption_text("zh", SubjectKind.LIVING).startswith("AI生成")


def test_the_consents_own_words_stand_first_and_alone_if_they_say_it() -> None:
    assert label_text("en", "A study of lips, AI-generated") == "A study of lips, AI-generated"
    assert label_text("en", "A study of lips") == "A study of lips · AI-generated"
    assert label_text("zh", "AI-generated") == "AI-generated · AI生成"


def test_a_caption_claims_no_consent_that_nobody_gave() -> None:
    for kind in (SubjectKind.SYNTHETIC, SubjectKind.ARTWORK, SubjectKind.DECEASED):
        assert "consent of" not in caption_text("en", kind)
    assert caption_text("en", SubjectKind.SELF_DECLARED) == SELF_DECLARED


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_other_words_or_none_are_not_taken_for_the_label(background: str) -> None:
    """What finds the words again must not find them everywhere."""
    label = Label(AI_GENERATED, "bottom", 320, 320)
    bare = BACKGROUNDS[background]
    others = [
        Label(text, "bottom", 320, 320).burn(bare)
        for text in ("AI-assisted!", "KI-generiert", "A1-generated", SELF_DECLARED, "AI生成")
    ]
    elsewhere = Label(AI_GENERATED, "bottom-left", 320, 320).burn(bare)
    plate = bare.copy()
    plate[label.area] = 16
    assert not any(label.seen(frame) for frame in (bare, *others, elsewhere, plate))
    assert label.seen(label.burn(bare))


def test_our_glyphs_come_with_their_licence() -> None:
    folder = Path(label_module.__file__).with_name("glyphs")
    assert "SIL OPEN FONT LICENSE" in (folder / "OFL.txt").read_text("utf-8").upper()
    readme = (folder / "README.md").read_text("utf-8")
    assert sha256_file(folder / "label.otf") in readme
