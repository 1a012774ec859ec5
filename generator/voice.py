"""Voice: a clip of speech, decoded, checked, and ready to be listened to.

Promise: whatever bytes arrive, `decode` either returns a Voice within the limits or raises
VoiceError with a sentence that tells what to change. Memory stays bounded by the limits, because
decoding stops at the first sample too many; what a header claims is never believed.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from primafacie.generator.errors import VoiceError

if TYPE_CHECKING:
    import av

Floats = NDArray[np.float32]

#: Samples a second of the analysed and of the kept sound.
RATE: Final = 16_000
NATIVE_RATE: Final = 48_000

LONGEST: Final = 600.0
SHORTEST: Final = 0.3
LARGEST_FILE: Final = 200 * 1024 * 1024
_RATES: Final = (8_000, 96_000)
_MOST_CHANNELS: Final = 8
#: A clip whose loudest 30 ms stay below this RMS (-76 dBFS) is taken for silence.
_AUDIBLE: Final = 1.6e-4
#: The RMS speech is brought to for analysis, and the most it may be raised (50 dB).
TARGET_RMS: Final = 0.07
MOST_GAIN: Final = 316.0

#: First bytes -> the one demuxer allowed to read them. Nothing is probed, so that no playlist or
#: script format, which could open files or addresses, is ever tried.
_MAGIC: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"RIFF", "wav"), (0, b"RF64", "wav"), (0, b"fLaC", "flac"), (0, b"OggS", "ogg"),
    (0, b"\x1aE\xdf\xa3", "matroska"), (4, b"ftyp", "mov"), (0, b"ID3", "mp3"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Voice:
    """A clip of speech.

    pcm16k: float32 (N,) mono at 16 kHz, brought to a common loudness, for analysis only.
    native: float32 (M,) mono at 48 kHz in [-1, 1] as recorded, for the finished video.
    duration: seconds of the recording.
    """

    pcm16k: Floats
    native: Floats
    duration: float


def decode(data: bytes, longest: float = LONGEST) -> Voice:
    """Reads wav, mp3, m4a/aac, ogg (opus, vorbis), webm or flac; of a video, its first sound.

    Raises VoiceError when the file is empty, of another kind, damaged, silent, without sound,
    outside 8 to 96 kHz, shorter than 0.3 s or longer than `longest` seconds.
    """
    if not data:
        raise VoiceError("the voice file is empty")
    if len(data) > LARGEST_FILE:
        raise VoiceError(f"the voice file is larger than {LARGEST_FILE >> 20} MB")
    native = _read(data, _demuxer(data), longest)
    duration = len(native) / NATIVE_RATE
    if duration < SHORTEST:
        raise VoiceError(f"the voice clip is shorter than {SHORTEST} seconds")
    if not np.isfinite(native).all():
        raise VoiceError("the voice file is damaged: it holds samples that are not numbers")
    np.clip(native, -1.0, 1.0, out=native)
    slow = resample_poly(native, 1, NATIVE_RATE // RATE)  # linear phase: no delay
    return Voice(_levelled(np.asarray(slow, np.float32)), native, duration)


def from_pcm(pcm: Floats, rate: int, longest: float = LONGEST) -> Voice:
    """The Voice of mono sound already in memory; the same limits and errors as decode."""
    if pcm.ndim != 1 or not np.isfinite(pcm).all():
        raise VoiceError("the sound must be one row of finite samples")
    samples = np.clip(pcm, -1.0, 1.0) * 32767
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.round(samples).astype("<i2").tobytes())
    return decode(out.getvalue(), longest)


def _demuxer(data: bytes) -> str:
    for offset, magic, name in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return name
    # Bare MPEG audio: eleven set bits, then the layer tells mp3 (01) from AAC in ADTS (00).
    if data[0] == 0xFF and len(data) > 1 and data[1] & 0xE0 == 0xE0:
        return "aac" if data[1] & 0x06 == 0 else "mp3"
    raise VoiceError("the voice file is of no kind read here: use wav, mp3, m4a, ogg, webm or flac")


def _read(data: bytes, demuxer: str, longest: float) -> Floats:
    """The sound, mono at 48 kHz."""
    import av

    try:
        with av.open(io.BytesIO(data), format=demuxer, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise VoiceError("the voice file has no sound in it")
            return _resample(container, longest)
    except VoiceError:
        raise
    except MemoryError:
        raise VoiceError("the voice file cannot be read: it asks for too much memory") from None
    except (av.FFmpegError, ValueError, LookupError, ArithmeticError, OSError, RuntimeError) as e:
        raise VoiceError("the voice file cannot be read: it is damaged or not what it says") from e


def _resample(container: av.container.InputContainer, longest: float) -> Floats:
    import av

    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise VoiceError("the voice file's sound is in a codec that is not read here")
    _check_format(stream.codec_context.sample_rate, stream.codec_context.channels)
    end = av.AudioResampler(format="flt", layout="mono", rate=NATIVE_RATE)
    parts: list[Floats] = []
    most, seconds = longest + 0.05, 0.0
    for frame in _frames(container, stream):
        if frame is not None:
            _check_format(frame.sample_rate, len(frame.layout.channels))
            seconds += frame.samples / frame.sample_rate
            if seconds > most:
                raise VoiceError(f"the voice clip is longer than {longest:g} seconds")
        parts += [out.to_ndarray()[0].astype(np.float32) for out in end.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames, then None to flush; a tail torn off mid-packet ends the clip."""
    import av

    got = False
    try:
        for frame in container.decode(stream):
            if frame.samples:
                got = True
                frame.pts = None  # gaps in time stamps are not silence to be filled in
                yield frame
    except (av.InvalidDataError, av.EOFError):
        if not got:
            raise
    yield None


def _check_format(rate: int | None, channels: int | None) -> None:
    if not rate or not _RATES[0] <= rate <= _RATES[1]:
        raise VoiceError("the voice file's sampling rate must lie between 8 and 96 kHz")
    if not channels or channels > _MOST_CHANNELS:
        raise VoiceError(f"the voice file must have one to {_MOST_CHANNELS} channels")


def _levelled(pcm: Floats) -> Floats:
    """Brought to a common loudness, measured over the louder half of the sounding 30 ms frames."""
    count = len(pcm) // 480
    rms = np.sqrt(np.mean(np.square(pcm[: count * 480].reshape(count, 480)), axis=1))
    if not count or float(rms.max()) < _AUDIBLE:
        raise VoiceError("the voice clip is silent")
    sounding = rms[rms > 0.1 * float(np.percentile(rms, 98))]
    level = float(np.sqrt(np.mean(np.square(sounding[sounding >= np.median(sounding)]))))
    return np.asarray(pcm * min(TARGET_RMS / level, MOST_GAIN), np.float32)
