"""decode_picture: whatever the bytes are, upright RGB pixels or a sentence."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from primafacie.generator.errors import PortraitError
from primafacie.generator.picture import MAX_BYTES, MAX_SIDE, decode_picture


def picture(width: int = 90, height: int = 70, mode: str = "RGB") -> Image.Image:
    """A slope of colour that no flip or turn leaves as it was."""
    y, x = np.mgrid[0:height, 0:width]
    colours = np.dstack([x * 255 // width, y * 255 // height, (x + y) % 256]).astype(np.uint8)
    return Image.fromarray(colours).convert(mode)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def test_lossless_pixels_arrive_as_they_are() -> None:
    assert (decode_picture(saved(picture(), "PNG")) == np.asarray(picture())).all()
    assert (decode_picture(saved(picture(), "WEBP", lossless=True)) == np.asarray(picture())).all()


def test_jpeg_arrives_nearly() -> None:
    found = decode_picture(saved(picture(), "JPEG", quality=98, subsampling=0)).astype(int)
    assert np.abs(found - np.asarray(picture())).mean() < 2


def test_the_pixels_cannot_be_changed() -> None:
    with pytest.raises(ValueError):
        decode_picture(saved(picture(), "PNG"))[0, 0] = 0


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_a_photo_taken_sideways_stands_upright(orientation: int, turned: Image.Transpose) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode_picture(saved(picture(), "PNG", exif=exif))
    assert (found == np.asarray(picture().transpose(turned))).all()


def test_transparency_is_laid_on_white() -> None:
    clear = picture().convert("RGBA")
    clear.putalpha(0)
    assert (decode_picture(saved(clear, "PNG")) == 255).all()


def test_a_palette_with_a_transparent_colour_is_laid_on_white() -> None:
    flat = Image.new("P", (80, 80), 0)
    flat.putpalette([10, 20, 30] + [200, 0, 0] * 255)
    assert (decode_picture(saved(flat, "PNG", transparency=0)) == 255).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    found = decode_picture(saved(picture(mode=mode), form))
    assert found.shape == (70, 90, 3) and found.dtype == np.uint8
    expected = np.asarray(picture(mode=mode).convert("RGB")).astype(int)
    assert np.abs(found - expected).mean() < 6


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    slope = np.linspace(0, 65535, 90 * 70).reshape(70, 90).astype(np.uint16)
    found = decode_picture(saved(Image.fromarray(slope), "PNG"))
    assert np.abs(found[..., 0].astype(int) - slope // 257).max() <= 1


def test_a_gif_is_refused() -> None:
    with pytest.raises(PortraitError, match="PNG, JPEG or WebP"):
        decode_picture(saved(picture(), "GIF"))


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_an_animation_is_refused(form: str) -> None:
    other = picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    with pytest.raises(PortraitError, match="animation"):
        decode_picture(saved(picture(), form, save_all=True, append_images=[other]))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_short_is_refused(form: str) -> None:
    whole = saved(picture(300, 300), form)
    with pytest.raises(PortraitError):
        decode_picture(whole[: len(whole) // 2])


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (9_000, 9_000)])
def test_decompression_bomb(width: int, height: int) -> None:
    with pytest.raises(PortraitError, match="million pixels"):
        decode_picture(bomb(width, height))


def test_a_side_that_is_too_long_is_named() -> None:
    with pytest.raises(PortraitError, match=str(MAX_SIDE)):
        decode_picture(saved(picture(MAX_SIDE + 1, 64), "PNG"))


def test_a_picture_that_is_too_small_is_named() -> None:
    with pytest.raises(PortraitError, match="64"):
        decode_picture(saved(picture(63, 200), "PNG"))


def test_a_file_that_is_too_large_is_not_even_opened() -> None:
    with pytest.raises(PortraitError, match="MB"):
        decode_picture(bytes(MAX_BYTES + 1))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_noise_raises_nothing_but_portrait_error(noise: bytes) -> None:
    for head in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBPVP8 "):
        with pytest.raises(PortraitError):
            decode_picture(head + noise)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_flipped_byte_raises_nothing_but_portrait_error(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP"]))
    whole = bytearray(saved(picture(), form))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(PortraitError):
        assert decode_picture(bytes(whole)).dtype == np.uint8
