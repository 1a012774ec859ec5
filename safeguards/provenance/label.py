"""The visible label, burned into every frame: white on a dark plate, legible on any picture.

Letters are at least 5 % of the picture's shorter side high, as GB 45438-2025 asks, and stay for
the whole film, as the Code of Practice on marking asks of short ones. A text that does not fit on
one line is broken at spaces, never shrunk below that height. By default it lies in the middle of
the lower edge: every framing puts the face above that, and hair falls to the sides of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from primafacie.safeguards.consent import SELF_DECLARED_LABEL
from primafacie.safeguards.errors import MediaError
from primafacie.safeguards.provenance.order import LabelPosition

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

AI_GENERATED = "AI-generated"
SELF_DECLARED = SELF_DECLARED_LABEL
LETTER_SHARE = 0.05
MAX_TEXT = 80
MAX_WIDTH_SHARE = 0.9
_PLATE, _INK, _OPACITY = 16, 255, 0.72


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


def _plate(text: str, width: int, height: int) -> NDArray[np.uint8]:
    """Letters as coverage 0..255 on a plate with a border around them, shape (rows, columns)."""
    from PIL import Image, ImageDraw
    from PIL.ImageFont import load_default

    font_size = 8
    while True:  # the font's size is not its letters' height: grow until capitals are tall enough
        font = load_default(size=font_size)
        box = font.getbbox("A")
        if box[3] - box[1] >= LETTER_SHARE * min(width, height):
            break
        font_size += 1
    _check_drawable(text, font)
    border = max(3, font_size // 3)
    lines = _broken(text, font, width * MAX_WIDTH_SHARE - 2 * border)
    draft = ImageDraw.Draw(Image.new("L", (1, 1)))
    body = "\n".join(lines)
    left, top, right, bottom = draft.multiline_textbbox((0, 0), body, font=font)
    size = (round(right - left) + 2 * border, round(bottom - top) + 2 * border)
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).multiline_text((border - left, border - top), body, font=font, fill=255)
    return np.asarray(image, np.uint8)


def _check_drawable(text: str, font: FreeTypeFont | ImageFont) -> None:
    """A character without a glyph of its own would come out as an empty box."""
    nothing = bytes(font.getmask("\uffff"))
    for character in set(text) - {" "}:
        if bytes(font.getmask(character)) == nothing:
            raise MediaError(f"the label's font cannot draw {character!r}")


def _broken(text: str, font: FreeTypeFont | ImageFont, room: float) -> list[str]:
    """The text in as few lines as fit the room; a single word may still be wider."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
