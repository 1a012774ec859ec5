"""Recordings of the challenge by people who do not exist: drawn heads that move, synthetic speech.

It is loaded by path, since tests are no package.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import av
import cv2
import numpy as np

from primafacie.generator import espeak
from primafacie.platform.sitter import SITTERS, draw

RATE, FPS, SIDE = 16_000, 5, 384
STATEMENT = (
    "I am aware that pictures and recordings of me will be used by this research group to make "
    "videos of my talking face."
)
POSES = {
    "left": {"yaw": 18.0}, "right": {"yaw": -18.0}, "up": {"pitch": -18.0},
    "down": {"pitch": 18.0}, "tilt-left": {"roll": -18.0}, "tilt-right": {"roll": 18.0},
}  # fmt: skip


@lru_cache(maxsize=64)
def head(person: int, move: str = "", size: int = SIDE) -> Any:
    """A sitter, looking ahead or moving."""
    pose = dict(POSES.get(move, {}))
    roll = pose.pop("roll", 0.0)
    picture = draw(SITTERS[person].name, size, **pose)
    if roll:
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), roll, 1)
        picture = cv2.warpAffine(picture, turn, (size, size), borderMode=cv2.BORDER_REPLICATE)
    return picture


def say(text: str, voice: str = "") -> Any:
    """Synthetic speech, 16 kHz."""
    from scipy.signal import resample_poly

    speech = espeak.speak(text, "en-us", voice, speed=140)
    return np.asarray(resample_poly(speech.pcm, RATE, speech.rate), np.float32)


def sound(words: Sequence[str], voice: str = "") -> Any:
    """The statement, then the words one by one, two and a half seconds each."""
    parts = [say(STATEMENT, voice), np.zeros(RATE // 2, np.float32)]
    for word in words:
        slot = np.zeros(round(2.2 * RATE), np.float32)
        spoken = say(word, voice)[: len(slot)]
        slot[: len(spoken)] = spoken
        parts.append(slot)
    return np.concatenate(parts)


def pictures(seconds: float, moves: Sequence[str], person: int = 0, jitter: int = 1) -> list[Any]:
    """Looking ahead, breathing a little, for `seconds`; then one movement after the other."""
    dice, frames = np.random.default_rng(jitter), []
    for _ in range(round(seconds * FPS)):
        frames.append(np.roll(head(person), tuple(dice.integers(-3, 4, 2)), (0, 1)))
    for move in moves:
        frames += [head(person)] * FPS + [head(person, move)] * (2 * FPS)
    return [*frames, *[head(person)] * FPS]


def film(frames: Sequence[Any], pcm: Any, *, kind: str = "mp4", crf: str = "23") -> bytes:
    """The pictures and the sound as a browser would record them."""
    video, audio = ("libx264", "aac") if kind == "mp4" else ("libvpx", "libopus")
    target = io.BytesIO()
    with av.open(target, "w", format=kind) as sink:
        stream = sink.add_stream(video, rate=FPS, options={"crf": crf, "preset": "ultrafast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        voice = sink.add_stream(audio, rate=48_000 if kind == "webm" else RATE, layout="mono")
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
            sink.mux(stream.encode(picture))
        sink.mux(stream.encode())
        long = np.zeros(round(len(frames) / FPS * RATE), np.float32)
        long[: min(len(long), len(pcm))] = pcm[: len(long)]
        shaped = av.AudioResampler(format="fltp", layout="mono", rate=voice.rate)
        frame = av.AudioFrame.from_ndarray(long[None], format="fltp", layout="mono")
        frame.rate = RATE
        fifo = av.AudioFifo()
        for part in [*shaped.resample(frame), *shaped.resample(None)]:
            part.pts = None
            fifo.write(part)
        size = voice.codec_context.frame_size or 960
        while chunk := fifo.read(size, partial=True):
            sink.mux(voice.encode(chunk))
        sink.mux(voice.encode())
    return target.getvalue()


def recording(
    words: Sequence[str], moves: Sequence[str], *, person: int = 0, voice: str = "", **more: Any
) -> bytes:
    """A recording that answers a challenge. moves: names such as `left`."""
    pcm = sound(words, voice)
    jitter = more.pop("jitter", 1)
    return film(pictures(len(pcm) / RATE + 0.5, moves, person, jitter), pcm, **more)


def png(picture: Any) -> bytes:
    """A picture as a PNG file."""
    done, data = cv2.imencode(".png", picture[..., ::-1])
    assert done
    return bytes(data)


def photos(person: int = 0, size: int = 512) -> list[bytes]:
    """Five photos of a sitter."""
    poses: list[dict[str, Any]] = [
        {}, {"yaw": 6}, {"yaw": -6}, {"pitch": 4}, {"smile": 0.6},
    ]  # fmt: skip
    return [png(draw(SITTERS[person].name, size, **pose)) for pose in poses]
