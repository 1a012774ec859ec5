"""decode: any bytes become a Voice within the limits, or a VoiceError that says what to change."""

from __future__ import annotations

import io
import struct
import wave

import av
import numpy as np
import pytest

from primafacie.generator import espeak
from primafacie.generator.errors import VoiceError
from primafacie.generator.voice import NATIVE_RATE, RATE, decode, from_pcm

FORMATS = {
    "wav": ("wav", "pcm_s16le", 22_050), "flac": ("flac", "flac", 22_050),
    "mp3": ("mp3", "libmp3lame", 44_100), "m4a": ("mp4", "aac", 44_100),
    "ogg": ("ogg", "libopus", 48_000), "webm": ("webm", "libopus", 48_000),
}  # fmt: skip


def encoded(pcm: np.ndarray, rate: int, kind: str) -> bytes:
    container, codec, out_rate = FORMATS[kind]
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=out_rate, layout="mono")
        into = av.AudioResampler(stream.codec_context.format, "mono", out_rate)
        frame = av.AudioFrame.from_ndarray((pcm[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        for part in [*into.resample(frame), *into.resample(None)]:
            part.pts = None
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (part := fifo.read(size, partial=True)) is not None:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()


def wav(pcm: np.ndarray, rate: int = 16_000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.repeat(pcm, channels) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def tone(seconds: float, rate: int = 16_000, level: float = 0.2) -> np.ndarray:
    return level * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate)) / rate)


@pytest.fixture(scope="module")
def said() -> espeak.Speech:
    return espeak.speak("Peter bought a big beautiful map. Why?")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_promised_format_is_read_in_time_and_full_length(said, kind):
    voice = decode(encoded(said.pcm, said.rate, kind))
    truth = decode(wav(said.pcm, said.rate))
    assert abs(voice.duration - said.duration) < 0.03
    assert len(voice.native) == round(voice.duration * NATIVE_RATE)
    assert abs(len(voice.pcm16k) - voice.duration * RATE) < 32
    piece = truth.pcm16k[3000:23_000]
    lag = int(np.correlate(voice.pcm16k[2500:23_500], piece, "valid").argmax()) - 500
    assert abs(lag) <= 16  # one millisecond


def test_analysis_hears_a_quiet_clip_as_loud_as_a_loud_one(said):
    loud = from_pcm(said.pcm, said.rate)
    quiet = from_pcm(said.pcm * 0.02, said.rate)
    ratio = np.sqrt(np.mean(quiet.pcm16k**2) / np.mean(loud.pcm16k**2))
    assert 0.9 < ratio < 1.1
    assert float(np.abs(quiet.native).max()) < 0.03


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_rates_and_channels_within_the_limits_are_read(rate, channels):
    voice = decode(wav(tone(1, rate), rate, channels))
    assert abs(voice.duration - 1) < 0.01
    assert voice.native.ndim == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"hello, I am a text file", "of no kind read here"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "of no kind read here"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "of no kind read here"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "of no kind read here"),
        (b"RIFF\xff\xff\xff\xffWAVE", "damaged"),
        (b"OggS" + bytes(200), "damaged"),
        (b"\x00\x00\x00\x18ftypM4A " + bytes(50), "damaged"),
        (wav(np.zeros(16_000)), "silent"),
        (wav(tone(1, level=1e-4)), "silent"),
        (wav(tone(0.1)), "shorter than 0.3 seconds"),
        (wav(tone(0.5, 4000), 4000), "between 8 and 96 kHz"),
        (wav(tone(0.5, 192_000), 192_000), "between 8 and 96 kHz"),
        (wav(tone(0.5), 16_000, 9), "channels"),
    ],
)
def test_a_clip_that_cannot_be_used_is_refused_in_plain_words(data, says):
    with pytest.raises(VoiceError, match=says):
        decode(data)


def test_a_clip_longer_than_the_limit_is_refused_with_the_limit():
    with pytest.raises(VoiceError, match="longer than 2 seconds"):
        decode(wav(tone(2.2)), longest=2)
    assert decode(wav(tone(2.0)), longest=2).duration == pytest.approx(2.0, abs=0.01)


def test_a_film_without_sound_is_refused():
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    with pytest.raises(VoiceError, match="no sound"):
        decode(out.getvalue())


def test_a_header_that_claims_two_gigabytes_costs_no_memory():
    data = bytearray(wav(tone(1)))
    data[4:8] = struct.pack("<I", 2**31 - 1)
    data[40:44] = struct.pack("<I", 2**31 - 37)
    assert decode(bytes(data)).duration == pytest.approx(1, abs=0.01)


def float_wav(pcm: np.ndarray) -> bytes:
    pcm = pcm.astype("<f4")
    fmt = struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)
    return (b"RIFF" + struct.pack("<I", 36 + pcm.nbytes) + b"WAVEfmt " + struct.pack("<I", 16)
            + fmt + b"data" + struct.pack("<I", pcm.nbytes) + pcm.tobytes())  # fmt: skip


def test_samples_that_are_not_numbers_are_refused():
    pcm = tone(1)
    assert decode(float_wav(pcm)).duration == pytest.approx(1, abs=0.01)
    pcm[5000:5100] = np.nan
    with pytest.raises(VoiceError, match="not numbers"):
        decode(float_wav(pcm))


@pytest.mark.parametrize("kind", FORMATS)
def test_broken_files_raise_nothing_but_voice_errors(said, kind):
    good = encoded(said.pcm[:22_050], said.rate, kind)
    rng = np.random.default_rng(3)
    for _ in range(40):
        bad = bytearray(good)
        for _ in range(int(rng.integers(1, 20))):
            where = rng.integers(4, len(bad) if rng.random() < 0.4 else 200)
            bad[int(where)] = int(rng.integers(0, 256))
        cut = int(rng.integers(1, len(bad))) if rng.random() < 0.3 else len(bad)
        try:
            voice = decode(bytes(bad[:cut]), longest=5)
        except VoiceError:
            continue
        assert np.isfinite(voice.pcm16k).all() and np.isfinite(voice.native).all()
        assert voice.duration <= 5.1


def test_what_fits_in_memory_is_held_to_the_same_limits():
    with pytest.raises(VoiceError, match="finite"):
        from_pcm(np.array([np.nan] * 16_000, np.float32), 16_000)
    with pytest.raises(VoiceError, match="shorter"):
        from_pcm(np.ones(100, np.float32), 16_000)
