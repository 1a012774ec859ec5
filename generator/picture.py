"""Pictures from strangers: bytes in, plain sRGB pixels out, or a sentence that says why not.

This is the only place where picture bytes are parsed. Whoever looks at the photo (the face gate,
the engines) looks at what this function returned, so all of them judge the same pixels.
"""

from __future__ import annotations

import io
import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from primafacie.generator.errors import PortraitError

FORMATS: Final = ("PNG", "JPEG", "WEBP")
MAX_BYTES: Final = 32 * 2**20
MAX_PIXELS: Final = 40_000_000
MAX_SIDE: Final = 4096
MIN_SIDE: Final = 64


def decode_picture(data: bytes) -> NDArray[np.uint8]:
    """The photo as uint8 RGB (height, width, 3), read-only, upright, without transparency.

    PNG, JPEG and WebP, one frame, at most MAX_BYTES, MAX_PIXELS and MAX_SIDE. EXIF orientation is
    applied; transparency is laid on white; CMYK, grey, palette and 16-bit pictures are converted;
    colour profiles are ignored and the numbers read as sRGB. Raises PortraitError and nothing
    else, whatever the bytes are.
    """
    if len(data) > MAX_BYTES:
        raise PortraitError(f"the photo file is larger than {MAX_BYTES // 2**20} MB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = _decode(data)
    except PortraitError:
        raise
    except Image.DecompressionBombError:
        raise PortraitError(_too_many_pixels()) from None
    except Exception as error:  # a hostile file may raise anything inside a codec
        raise PortraitError(
            "the photo cannot be read: it must be a complete PNG, JPEG or WebP picture"
        ) from error
    pixels.flags.writeable = False
    return pixels


def _decode(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        # The header alone decides, before a single pixel is unpacked.
        _check_size(image.width, image.height)
        # A JPEG with a preview beside it (MPO) is one photo; an animation is not.
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise PortraitError("the photo is an animation; a single still picture is needed")
        image.load()
        upright = ImageOps.exif_transpose(image)
        return np.array(_flatten(upright), np.uint8)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PortraitError(_too_many_pixels())
    if max(width, height) > MAX_SIDE:
        raise PortraitError(
            f"the photo is {width} x {height}; the longer side may have {MAX_SIDE} pixels at most"
        )
    if min(width, height) < MIN_SIDE:
        raise PortraitError(
            f"the photo is {width} x {height}; both sides need at least {MIN_SIDE} pixels"
        )


def _too_many_pixels() -> str:
    return f"the photo has more than {MAX_PIXELS // 1_000_000} million pixels"


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips 16-bit grey when it converts; scaling keeps the picture.
        deep = np.asarray(image, np.float64)
        return Image.fromarray(np.clip(deep / 257.0, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")
