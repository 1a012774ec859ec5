"""Visible words, burned into frames: white on a dark plate, legible on any picture.

A label stays for the whole film, as the Code of Practice on marking asks of short ones; a caption
says more in its first or last seconds. Letters are at least 5 % of the picture's shorter side high,
as GB 45438-2025 asks. A text that does not fit on one line is broken, never shrunk below that
height. By default the label lies in the middle of the lower edge: every framing puts the face above
that, and hair falls to the sides of it. What was burned in can be found again (`Label.seen`), so
that nobody has to believe the credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.safeguards.consent import SELF_DECLARED_LABEL, SubjectKind
from primafacie.safeguards.errors import MediaError
from primafacie.safeguards.provenance.order import MAX_TEXT, LabelPosition

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

AI_GENERATED = "AI-generated"
SELF_DECLARED = SELF_DECLARED_LABEL
LETTER_SHARE = 0.05
MAX_WIDTH_SHARE = 0.9
_PLATE, _INK, _OPACITY = 16, 255, 0.72
SEEN = 0.8  # correlation of a frame with the letters; other words and pictures reach half of it
SEEN_CONTRAST = 60.0  # grey levels between letters and plate
#: Drawn with glyphs of our own where Pillow's font has none; see glyphs/README.md.
_GLYPHS = Path(__file__).with_name("glyphs") / "label.otf"
_UNITS = re.compile(r"[^\s，。]+[，。]?")

_LABELS: Final[Mapping[str, str]] = {
    "en": AI_GENERATED,
    "de": "KI-generiert",
    "es": "Generado por IA",
    "fr": "Généré par IA",
    "it": "Generato con IA",
    "zh": "AI生成",
}
_CONSENTED: Final[Mapping[str, str]] = {
    "en": "AI-generated, with the consent of the person shown",
    "de": "KI-generiert, mit Einwilligung der gezeigten Person",
    "es": "Generado por IA, con el consentimiento de la persona mostrada",
    "fr": "Généré par IA, avec le consentement de la personne montrée",
    "it": "Generato con IA, con il consenso della persona mostrata",
    "zh": "AI生成，已获得画面中人物的同意",
}
_INVENTED: Final[Mapping[str, str]] = {
    "en": "AI-generated. The person shown does not exist",
    "de": "KI-generiert. Die gezeigte Person gibt es nicht",
    "es": "Generado por IA. La persona mostrada no existe",
    "fr": "Généré par IA. La personne montrée n'existe pas",
    "it": "Generato con IA. La persona mostrata non esiste",
    "zh": "AI生成，画面中的人物并不存在",
}
_PERMITTED: Final[Mapping[str, str]] = {
    "en": "AI-generated, under a recorded permission",
    "de": "KI-generiert, mit hinterlegter Erlaubnis",
    "es": "Generado por IA, con un permiso registrado",
    "fr": "Généré par IA, avec une autorisation enregistrée",
    "it": "Generato con IA, con un permesso registrato",
    "zh": "AI生成，已有存档的许可",
}


def label_text(language: str, own: str = "") -> str:
    """The label in a language (BCP 47; English where there are no words), after the consent's own.

    Own words that say it already stand alone.
    """
    standard = _in(_LABELS, language)
    if not own:
        return standard
    return own if standard.lower() in own.lower() else f"{own} · {standard}"


def caption_text(language: str, kind: str) -> str:
    """What the caption of a film says, by whose face it shows (a SubjectKind)."""
    if kind == SubjectKind.SELF_DECLARED:
        return SELF_DECLARED_LABEL
    table = {SubjectKind.LIVING: _CONSENTED, SubjectKind.SYNTHETIC: _INVENTED}
    return _in(table.get(SubjectKind(kind), _PERMITTED), language)


def _in(words: Mapping[str, str], language: str) -> str:
    return words.get(language.split("-")[0].lower(), words["en"])


class Label:
    """A text laid out for one picture size; `burn` writes it into frames."""

    def __init__(self, text: str, position: LabelPosition, width: int, height: int) -> None:
        if not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
            raise MediaError(f"a label is 1 to {MAX_TEXT} printable characters")
        plate = _plate(text, width, height)
        margin = max(4, round(min(width, height) * 0.02))
        rows, columns = plate.shape
        if rows + 2 * margin > height or columns + 2 * margin > width:
            raise MediaError("the label does not fit into the picture")
        vertical, _, side = position.partition("-")
        top = margin if vertical == "top" else height - margin - rows
        left = {"left": margin, "right": width - margin - columns}.get(side, (width - columns) // 2)
        self._where = slice(top, top + rows), slice(left, left + columns)
        self._size = (height, width, 3)
        ink = plate[..., None].astype(np.float32) / 255.0  # (rows, columns, 1): 1 inside letters
        self._keep = (1.0 - ink) * (1.0 - _OPACITY)
        self._add = ink * _INK + (1.0 - ink) * _OPACITY * _PLATE
        self._ink = ink[..., 0]

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns the label covers."""
        return self._where

    def burn(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of the frame with the label on it; MediaError for a frame of another size."""
        if frame.shape != self._size:
            raise MediaError("the label was laid out for another picture size")
        labelled = frame.copy()
        under = labelled[self._where].astype(np.float32)
        labelled[self._where] = np.rint(under * self._keep + self._add).astype(np.uint8)
        return labelled

    def seen(self, frame: NDArray[np.uint8]) -> bool:
        """Do these very letters stand out in a decoded frame, at this place?"""
        if frame.shape != self._size:
            return False
        grey = frame[self._where].astype(np.float32).mean(axis=2)
        letters, plate = grey[self._ink > 0.9], grey[self._ink < 0.1]
        if not letters.size or not plate.size or grey.std() == 0:
            return False
        alike = float(np.corrcoef(grey.ravel(), self._ink.ravel())[0, 1])
        return alike >= SEEN and float(letters.mean() - plate.mean()) >= SEEN_CONTRAST


def letter_height(text: str, width: int, height: int) -> int:
    """Pixels from foot to head of a capital of this label, in a picture of this size."""
    box = _font_for(text, width, height).getbbox("A")
    return round(box[3] - box[1])


def _plate(text: str, width: int, height: int) -> NDArray[np.uint8]:
    """Letters as coverage 0..255 on a plate with a border around them, shape (rows, columns)."""
    from PIL import Image, ImageDraw

    font = _font_for(text, width, height)
    border = max(3, round(font.size) // 3)
    lines = _broken(text, font, width * MAX_WIDTH_SHARE - 2 * border)
    draft = ImageDraw.Draw(Image.new("L", (1, 1)))
    body = "\n".join(lines)
    left, top, right, bottom = draft.multiline_textbbox((0, 0), body, font=font)
    size = (round(right - left) + 2 * border, round(bottom - top) + 2 * border)
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).multiline_text((border - left, border - top), body, font=font, fill=255)
    return np.asarray(image, np.uint8)


def _font_for(text: str, width: int, height: int) -> FreeTypeFont:
    """Pillow's own font where it can draw the text, else ours; MediaError where neither can."""
    for ours in (False, True):
        font = _font(min(width, height), ours)
        undrawn = _undrawn(text, font)
        if not undrawn:
            return font
    raise MediaError(f"the label's font cannot draw {undrawn[0]!r}")


@lru_cache(maxsize=32)
def _font(short: int, ours: bool) -> FreeTypeFont:
    """The font at the size that makes its capitals tall enough for a shorter side of `short`.

    A font's size is not its letters' height: it grows until they are.
    """
    from PIL.ImageFont import FreeTypeFont, load_default, truetype

    size = 8
    while True:
        font = truetype(str(_GLYPHS), size) if ours else load_default(size)
        assert isinstance(font, FreeTypeFont)
        box = font.getbbox("A")
        if box[3] - box[1] >= LETTER_SHARE * short:
            return font
        size += 1


def _undrawn(text: str, font: FreeTypeFont) -> list[str]:
    """Characters without a glyph of their own: they would come out as empty boxes."""
    nothing = bytes(font.getmask("\uffff"))
    return [c for c in sorted(set(text) - {" "}) if bytes(font.getmask(c)) == nothing]


def _broken(text: str, font: FreeTypeFont, room: float) -> list[str]:
    """The text in as few lines as fit the room; a single word may still be wider."""
    lines: list[str] = []
    for word in _UNITS.findall(text):
        gap = "" if lines and lines[-1].endswith(("，", "。")) else " "
        longer = f"{lines[-1]}{gap}{word}" if lines else word
        if lines and font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
