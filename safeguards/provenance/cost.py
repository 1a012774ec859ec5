"""What a mark costs: quality, bytes and time, each beside the same clip without it.

VMAF needs an ffmpeg program with libvmaf, which the extra `bench` brings; without it the figure is
None, never a guess. Times are processor seconds of one thread, so that a busy machine changes
them little; they are given as ratios to encoding the same frames.
"""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.mark_keys import MarkKeys
from primafacie.safeguards.provenance.media import SOUND_RATE, FilmWriter, implicit_label
from primafacie.safeguards.provenance.reencode import encode_again
from primafacie.safeguards.provenance.residual import Frame
from primafacie.safeguards.provenance.schemes.stable_signs import lay_baseline
from primafacie.safeguards.provenance.watermark import PictureMarker, Preset, read_picture

KEYS = MarkKeys.derive(b"the benchmark's own secret", 0)
NUMBER = 0x5EED0FA55E7123
_FPS = 25.0
_RATIO_CRF = 20


@dataclass(frozen=True, slots=True)
class Quality:
    """One clip under one preset: dB and SSIM against the unmarked frames, VMAF of the unmarked and
    the marked frames against the unmarked ones, and bytes delivered (CRF 18, sound included) for
    the marked over the unmarked clip, as a share more. `picture_growth` leaves the sound out.
    """

    clip: str
    preset: str
    frames: int
    psnr_db: float
    ssim: float
    vmaf_plain: float | None
    vmaf_marked: float | None
    growth: float
    picture_growth: float


@dataclass(frozen=True, slots=True)
class Times:
    """Processor milliseconds on one thread: encoding one frame (x264 veryfast), laying it, laying
    it with dwtDctSvd; planning a clip; reading 16 frames as delivered, scaled, and unmarked.
    """

    side: int
    encode_ms: float
    lay_ms: float
    svd_ms: float | None
    plan_ms: float
    read_ms: float
    read_one_ms: float
    read_scaled_ms: float
    read_nothing_ms: float


def quality(
    clip: str, frames: Sequence[Frame], presets: Sequence[Preset], ffmpeg: str | None
) -> tuple[Quality, ...]:
    """Return what the mark of each preset does to frames uint8 (H, W, 3); raises `MarkError` when
    one cannot be laid."""
    whole, picture = film_bytes(frames)
    plain = vmaf(frames, frames, ffmpeg)
    found = []
    for preset in presets:
        marked = mark(frames, preset)
        whole_marked, picture_marked = film_bytes(marked)
        pairs = list(zip(frames, marked, strict=True))[:: max(1, len(frames) // 6)]
        found.append(
            Quality(
                clip,
                preset,
                len(frames),
                psnr(frames, marked),
                float(np.mean([ssim(one, two) for one, two in pairs])),
                plain,
                vmaf(frames, marked, ffmpeg),
                whole_marked / whole - 1.0,
                picture_marked / picture - 1.0,
            )
        )
    return tuple(found)


def times(frames: Sequence[Frame], *, with_svd: bool = True) -> Times:
    """Return the times of laying and reading for frames uint8 (H, W, 3) of one size."""
    marker = PictureMarker(KEYS, NUMBER)
    plan = _spent(lambda: marker.plan(frames[:6]))
    marked: list[Frame] = []
    lay = _spent(lambda: marked.extend(marker.apply(frame) for frame in frames))
    encode = _spent(lambda: encode_again(marked, _RATIO_CRF))
    side = min(frames[0].shape[:2])
    smaller = [
        cv2.resize(frame[side // 20 :, side // 12 :], None, fx=0.83, fy=0.83) for frame in marked
    ]
    svd = None
    if with_svd:
        bits = [NUMBER >> i & 1 for i in range(32)]
        lay_baseline(frames[0], "dwtDctSvd", bits)  # the first call imports the package
        svd = _spent(lambda: lay_baseline(frames[0], "dwtDctSvd", bits))
    return Times(
        side,
        encode / len(frames),
        lay / len(frames),
        svd,
        plan,
        _read_ms(marked[:16], NUMBER),
        _read_ms(marked[:1], NUMBER),
        _read_ms([np.ascontiguousarray(each) for each in smaller[:16]], NUMBER),
        _read_ms(frames[:16], None),
    )


def mark(frames: Sequence[Frame], preset: Preset = "robust", number: int = NUMBER) -> list[Frame]:
    """Return the frames with the benchmark's own mark; raises `MarkError`."""
    marker = PictureMarker(KEYS, number, preset)
    marker.plan(frames[:6])
    return [marker.apply(frame) for frame in frames]


def film_bytes(frames: Sequence[Frame]) -> tuple[int, int]:
    """Return the size of the frames as a film is delivered, whole and of its picture alone.

    The sound under it is noise, which takes the whole of its 128 kbit/s, as a voice does.
    """
    import av

    height, width = frames[0].shape[:2]
    count = round(len(frames) / _FPS * SOUND_RATE)
    sound = np.random.default_rng(5).uniform(-0.1, 0.1, count).astype(np.float32)
    writer = FilmWriter(width, height, _FPS, sound, implicit_label("benchmark", "benchmark"))
    for frame in frames:
        writer.add(frame)
    data = writer.finish()
    with av.open(io.BytesIO(data)) as container:
        picture = sum(packet.size for packet in container.demux(video=0))
    return len(data), picture


def ffmpeg_with_vmaf() -> str | None:
    """Return an ffmpeg program that knows libvmaf, or None."""
    try:
        import imageio_ffmpeg

        program = str(imageio_ffmpeg.get_ffmpeg_exe())
        told = subprocess.run([program, "-filters"], capture_output=True, text=True, check=True)
    except (ImportError, RuntimeError, OSError, subprocess.SubprocessError):
        return None
    return program if "libvmaf" in told.stdout else None


def vmaf(before: Sequence[Frame], after: Sequence[Frame], ffmpeg: str | None) -> float | None:
    """Return the mean VMAF of `after` against `before`, None without a program for it.

    Raises `MarkError` when the program fails.
    """
    if ffmpeg is None:
        return None
    height, width = before[0].shape[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stem, frames in (("before", before), ("after", after)):
            (folder / stem).write_bytes(b"".join(frame.tobytes() for frame in frames))
        kind = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25"]
        inputs = [*kind, "-i", "after", *kind, "-i", "before"]
        both = "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];[a][b]"
        graph = f"{both}libvmaf=log_fmt=json:log_path=vmaf.json"
        command = [ffmpeg, "-v", "error", *inputs, "-lavfi", graph, "-f", "null", "-"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            told = json.loads((folder / "vmaf.json").read_text("utf-8"))
            return float(told["pooled_metrics"]["vmaf"]["mean"])
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            raise MarkError("VMAF could not be measured") from error


def psnr(before: Sequence[Frame], after: Sequence[Frame]) -> float:
    """Return the PSNR of two clips over all frames and channels, dB."""
    errors = [
        np.mean((one.astype(np.float32) - two) ** 2) for one, two in zip(before, after, strict=True)
    ]
    return float(10.0 * np.log10(255.0**2 / max(float(np.mean(errors)), 1e-9)))


def ssim(one: Frame, two: Frame) -> float:
    """Return the structural similarity of two pictures' luma (Wang et al. 2004, Gaussian window
    1.5).
    """
    a, b = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float64) for each in (one, two))
    mean_a, mean_b = (cv2.GaussianBlur(each, (11, 11), 1.5) for each in (a, b))
    var_a = cv2.GaussianBlur(a * a, (11, 11), 1.5) - mean_a**2
    var_b = cv2.GaussianBlur(b * b, (11, 11), 1.5) - mean_b**2
    both = cv2.GaussianBlur(a * b, (11, 11), 1.5) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    like = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float(np.mean(like / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))


def difference(before: Frame, after: Frame, factor: float = 10.0) -> Frame:
    """Return what a mark changed, times `factor`, around middle grey: uint8 (H, W, 3)."""
    change = factor * (after.astype(np.float32) - before)
    return np.asarray(np.clip(128.0 + change, 0, 255), np.uint8)


def _read_ms(frames: Sequence[Frame], number: int | None) -> float:
    def read() -> None:
        if read_picture(frames, [KEYS]).asset_number != number:
            raise MarkError("a timed reading gave something else than was laid")

    return _spent(read)


def _spent(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return 1000.0 * (time.process_time() - begun)
