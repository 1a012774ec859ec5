"""Films in and out: times, colours, tags, limits."""

from __future__ import annotations

import io
import json
from typing import Any

import av
import numpy as np
import pytest

from primafacie.safeguards.errors import MediaError
from primafacie.safeguards.provenance.media import (
    Film,
    FilmLimits,
    FilmWriter,
    implicit_label,
    read_film,
    read_implicit_label,
    sniff,
)

TAG = implicit_label("Primafacie", "0" * 32)


def film(frames: Any, sound: Any, side: int = 320, fps: float = 25.0) -> bytes:
    writer = FilmWriter(side, side, fps, sound, TAG)
    for frame in frames:
        writer.add(frame)
    return writer.finish()


def opened(data: bytes, **limits: Any) -> Film:
    return read_film(io.BytesIO(data), FilmLimits(**limits))


def psnr(a: Any, b: Any) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_both_streams_start_at_zero_and_the_index_comes_first(
    make_scene: Any, make_voice: Any
) -> None:
    data = film(make_scene(1, 30), make_voice(1, 1.2))
    with av.open(io.BytesIO(data)) as container:
        assert [s.start_time for s in container.streams] == [0, 0]
        assert {s.type: s.codec_context.name for s in container.streams} == {
            "video": "h264", "audio": "aac",
        }  # fmt: skip
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert container.streams.audio[0].rate == 48_000
        assert container.streams.video[0].frames == 30
    assert data.index(b"moov") < data.index(b"mdat")


def test_sound_comes_back_without_a_shift(make_scene: Any) -> None:
    """The encoder's priming samples are hidden from the player: lips stay with the voice."""
    rng = np.random.default_rng(4)
    sound = np.zeros(48_000, np.float32)
    sound[20_000:24_000] = rng.normal(0, 0.2, 4000)
    back = opened(film(make_scene(1, 25), sound)).sound[:48_000]
    spectrum = np.fft.rfft(sound, 96_000) * np.conj(np.fft.rfft(back, 96_000))
    assert int(np.argmax(np.fft.irfft(spectrum))) == 0


def test_colours_come_back_unbiased(make_scene: Any, make_voice: Any) -> None:
    frames = list(make_scene(2, 16))
    back = opened(film(frames, make_voice(1, 0.64))).frames
    assert len(back) == 16
    assert min(psnr(a, b) for a, b in zip(back, frames, strict=True)) > 33
    drift = np.mean(np.stack(back).astype(float) - np.stack(frames), axis=(0, 1, 2))
    assert np.abs(drift).max() < 0.6


@pytest.mark.parametrize("fps", [24.0, 25.0, 30.0, 29.97])
def test_the_film_lasts_as_long_as_its_frames(make_scene: Any, make_voice: Any, fps: float) -> None:
    back = opened(film(make_scene(1, 36), make_voice(1, 0.5), fps=fps))
    assert abs(back.fps - fps) < 0.01
    assert abs(back.duration - 36 / fps) < 0.03
    assert len(back.sound) / 48_000 >= 36 / fps - 0.001


def test_the_implicit_label_is_where_the_standard_wants_it(
    make_scene: Any, make_voice: Any
) -> None:
    tag = json.loads(read_implicit_label(io.BytesIO(film(make_scene(1, 5), make_voice(1)))))
    assert tag["AIGC"]["Label"] == "1"
    assert tag["AIGC"]["ContentProducer"] == tag["AIGC"]["ContentPropagator"] == "Primafacie"
    assert tag["AIGC"]["ProduceID"] == "0" * 32


def test_an_implicit_label_cannot_be_broken_out_of() -> None:
    for text in ('a"b', "a\\b", "a\nb", "münchen"):
        with pytest.raises(MediaError):
            implicit_label(text, "x")


@pytest.mark.parametrize(
    ("width", "height", "fps"), [(321, 320, 25.0), (320, 8, 25.0), (320, 320, 0.5), (9000, 320, 25)]
)
def test_films_that_cannot_be_are_refused(width: int, height: int, fps: float) -> None:
    with pytest.raises(MediaError):
        FilmWriter(width, height, fps, np.zeros(10, np.float32), TAG)


def test_frames_of_another_size_and_films_without_frames_are_refused() -> None:
    writer = FilmWriter(320, 320, 25.0, np.zeros(10, np.float32), TAG)
    with pytest.raises(MediaError):
        writer.add(np.zeros((320, 322, 3), np.uint8))
    with pytest.raises(MediaError):
        writer.finish()


def test_sound_that_is_not_finite_is_refused() -> None:
    with pytest.raises(MediaError):
        FilmWriter(320, 320, 25.0, np.array([0.0, np.nan], np.float32), TAG)


def test_a_long_film_is_sampled_over_its_whole_length(make_scene: Any, make_voice: Any) -> None:
    frames = list(make_scene(3, 50))
    data = film(frames, make_voice(1))
    few = opened(data, frames=4)
    assert len(few.frames) == 4
    assert psnr(few.frames[0], frames[0]) > 33 and psnr(few.frames[-1], frames[-8]) > 20
    jumped = opened(data, frames=4, max_decoded=20)
    assert len(jumped.frames) == 4 and "jumps" in jumped.notes[0]


def test_only_the_first_seconds_of_sound_are_listened_to(make_scene: Any, make_voice: Any) -> None:
    back = opened(film(make_scene(1, 50), make_voice(1, 2.0)), sound_seconds=1.0)
    assert len(back.sound) == 48_000 and "not listened" in back.notes[-1]


def test_pixel_bombs_are_not_unpacked(make_scene: Any, make_voice: Any) -> None:
    with pytest.raises(MediaError):
        opened(film(make_scene(1, 5), make_voice(1)), max_side=256)


def test_large_frames_are_sampled_smaller(make_scene: Any, make_voice: Any) -> None:
    back = opened(film(make_scene(1, 5), make_voice(1)), sample_side=160)
    assert back.frames[0].shape == (160, 160, 3) and (back.width, back.height) == (320, 320)


def test_a_cut_film_shows_what_came_before_the_cut(make_scene: Any, make_voice: Any) -> None:
    data = film(make_scene(1, 40), make_voice(1))
    back = opened(data[: len(data) * 2 // 3])
    assert back.frames


@pytest.mark.parametrize("data", [b"", b"\0" * 99, b"#!/bin/sh\n", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_film_raises_media_errors_only(data: bytes) -> None:
    with pytest.raises(MediaError):
        opened(data)


def test_kinds_are_told_by_their_first_bytes() -> None:
    assert sniff(b"\0\0\0\x20ftypisom....") == "video/mp4"
    assert sniff(b"\x89PNG\r\n\x1a\n....") == "image/png"
    assert sniff(b"RIFF\0\0\0\0WAVEfmt ") == "audio/wav"
    assert sniff(b"hello") == ""
