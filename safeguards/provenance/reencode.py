"""What a careless world does to a clip, in memory: smaller, and encoded again at a low rate; its
sound too.

The embedder runs its own reader on this before it commits to a strength. The encoder's `veryfast`
preset is the harshest of the usual ones to a faint pattern.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np
import numpy.typing as npt

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.residual import Frame

Sound = npt.NDArray[np.float32]


def encode_again(frames: Sequence[Frame], crf: int, size: float = 1.0) -> list[Frame]:
    """Return RGB frames (H, W, 3) after scaling by `size` and one x264 pass at `crf`, 4:2:0.

    Raises `MarkError` when the encoder cannot be had.
    """
    height, width = (max(2, round(side * size)) // 2 * 2 for side in frames[0].shape[:2])
    store = io.BytesIO()
    options = {"crf": str(crf), "preset": "veryfast"}
    try:
        with av.open(store, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=Fraction(25), options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.thread_count = 1
            for frame in frames:
                fitted = _fit(frame, width, height)
                picture = av.VideoFrame.from_ndarray(fitted, format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        store.seek(0)
        with av.open(store) as container:
            return [
                np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                for frame in container.decode(video=0)
            ]
    except av.FFmpegError as error:
        raise MarkError("the mark could not be tried out: no x264 encoder") from error


def _fit(frame: Frame, width: int, height: int) -> Frame:
    if frame.shape[1] == width and frame.shape[0] == height:
        return np.ascontiguousarray(frame)
    if frame.shape[1] - width < 2 and frame.shape[0] - height < 2:
        return np.ascontiguousarray(frame[:height, :width])
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def encode_sound_again(pcm: Sound, rate: int, codec: str, bit_rate: int) -> tuple[Sound, int]:
    """Return mono sound (M,) and its rate after one pass through an FFmpeg audio encoder.

    Raises `MarkError` when the encoder cannot be had.
    """
    store = io.BytesIO()
    try:
        with av.open(store, "w", format="matroska") as container:
            used = 48_000 if codec == "libopus" else rate
            stream = container.add_stream(codec, rate=used, layout="mono", bit_rate=bit_rate)
            whole = av.AudioFrame.from_ndarray(pcm[None, :], format="fltp", layout="mono")
            whole.sample_rate = rate
            size = stream.codec_context.frame_size or None
            fit = av.AudioResampler(stream.format.name, "mono", used, size)
            for piece in (*fit.resample(whole), *fit.resample(None)):
                container.mux(stream.encode(piece))
            container.mux(stream.encode())
        store.seek(0)
        with av.open(store) as container:
            flat = av.AudioResampler("flt", "mono", used)
            heard = [
                part.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for part in flat.resample(frame)
            ]
    except av.FFmpegError as error:
        raise MarkError(f"the mark could not be tried out: no {codec} encoder") from error
    return np.concatenate(heard).astype(np.float32), used
