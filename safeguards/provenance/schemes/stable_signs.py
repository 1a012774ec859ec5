"""The invisible-watermark package behind one adapter: marks of image generators, and a baseline to
compare with.

Stable Diffusion 1, Stable Diffusion XL and FLUX lay a fixed, unkeyed bit string with this
package's `dwtDct` method. Found in a picture said to show a consenting person, it says that the
picture was generated. Not found, it says nothing. The package loads torch when imported, so it is
imported on first use, and version 0.2.0 is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.residual import Frame

Method = Literal["dwtDct", "dwtDctSvd", "rivaGan"]
SMALLEST_SIDE = 256  # pixels: the package refuses less
_LARGEST_SIDE = 8192


@dataclass(frozen=True, slots=True)
class GeneratorSign:
    """One generator's bit string and how many bits must match: chance alone does that once in 10^9
    pictures.
    """

    generator: str
    bits: tuple[int, ...]
    least: int


def _bits_of_text(text: str) -> tuple[int, ...]:
    return tuple(octet >> (7 - i) & 1 for octet in text.encode("ascii") for i in range(8))


def _bits_of_number(number: int) -> tuple[int, ...]:
    # As the generators do it, with bin(): leading zeros are not part of the sign.
    return tuple(int(digit) for digit in bin(number)[2:])


# Stable Diffusion: `wm = "StableDiffusionV1"` in CompVis/stable-diffusion scripts/txt2img.py.
# SDXL: diffusers, pipelines/stable_diffusion_xl/watermark.py.
# FLUX: black-forest-labs/flux, src/flux/util.py.
SIGNS = (
    GeneratorSign("Stable Diffusion 1", _bits_of_text("StableDiffusionV1"), 104),
    GeneratorSign("SDXL", _bits_of_number(0b101100111110110010010000011110111011000110011110), 44),
    GeneratorSign("FLUX", _bits_of_number(0b001010101111111010000111100111001111010100101110), 43),
)


def screen_source(picture: object) -> str | None:
    """Return the generator whose sign a picture (H, W, 3) uint8 RGB carries, or None; never
    raises.

    None also for pictures under 256 pixels, and for the great majority of generated pictures,
    which carry no such sign or lost it: the finding counts only when positive.
    """
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3:
        return None
    height, width, channels = picture.shape
    if channels != 3 or min(height, width) < SMALLEST_SIDE or max(height, width) > _LARGEST_SIDE:
        return None
    try:
        for sign in SIGNS:
            found = read_baseline(picture, "dwtDct", len(sign.bits))
            if int(np.sum(found == np.array(sign.bits))) >= sign.least:
                return sign.generator
    except MarkError:
        return None
    return None


def lay_baseline(picture: Frame, method: Method, bits: Sequence[int]) -> Frame:
    """Return the RGB picture (H, W, 3) marked by the package; raises `MarkError` when the package
    fails.
    """
    from imwatermark import WatermarkEncoder

    encoder = WatermarkEncoder()
    try:
        if method == "rivaGan":
            encoder.loadModel()
        encoder.set_watermark("bits", list(bits))
        marked = encoder.encode(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), method)
    except Exception as error:  # the package raises whatever its parts raise
        raise MarkError("the invisible-watermark package could not lay a mark") from error
    return np.asarray(cv2.cvtColor(marked, cv2.COLOR_BGR2RGB), np.uint8)


def read_baseline(picture: Frame, method: Method, length: int) -> npt.NDArray[np.uint8]:
    """Return the `length` bits the package reads (it always reads some); raises `MarkError` when
    it fails.
    """
    from imwatermark import WatermarkDecoder

    decoder = WatermarkDecoder("bits", length)
    try:
        if method == "rivaGan":
            decoder.loadModel()
        found = decoder.decode(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), method)
    except Exception as error:  # the package raises whatever its parts raise
        raise MarkError("the invisible-watermark package could not read") from error
    return np.asarray(found).astype(np.uint8)
