"""What happens to a clip after it left: the attacks whose floors stand in floors.toml.

An attack takes the delivered frames (uint8 (H, W, 3) RGB, 25 per second) and returns what a reader
is given. All are fixed: no chance takes part that is not seeded here.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder writes its banner to stderr otherwise

Frame = npt.NDArray[np.uint8]
Frames = Sequence[Frame]


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: name, kind, whether it takes long, whether a deep search is due."""

    name: str
    kind: str
    apply: Callable[[Frames], Frames]
    slow: bool = False
    deep: bool = False


def drawn_portrait(seed: int = 0, size: int = 512) -> Frame:
    """A head and shoulders of nobody: smooth skin before a soft wall, RGB (size, size, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size].astype(np.float64) / size
    zoom, aside, down = 1 + 0.08 * rng.normal(), 0.05 * rng.normal(), 0.03 * rng.normal()
    y, x = (y - 0.5 - down) / zoom + 0.5, (x - 0.5 - aside) / zoom + 0.5
    skin = np.array([205.0, 165.0, 140.0]) + rng.normal(0, 15, 3)
    wall = np.array([95.0, 110.0, 128.0]) + rng.normal(0, 20, 3)
    picture = wall * (1.2 - 0.5 * y - 0.2 * np.hypot(y - 0.4, x - 0.5))[..., None]

    def put(
        at: tuple[float, float], radii: tuple[float, float], colour: object, soft: float
    ) -> None:
        nonlocal picture
        beyond = (np.hypot((y - at[0]) / radii[0], (x - at[1]) / radii[1]) - 1.0) * min(radii)
        inside = 0.5 * (1.0 - np.tanh(beyond / (2 * soft)))[..., None]
        picture = picture * (1 - inside) + np.asarray(colour) * inside

    put((1.05, 0.5), (0.35, 0.45), (60, 70, 100), 0.006)
    put((0.30, 0.5), (0.27, 0.25), (60, 45, 35), 0.006)
    put((0.75, 0.5), (0.20, 0.09), skin * 0.85, 0.006)
    light = (1.08 - 0.35 * np.abs(x - 0.47) - 0.2 * (y - 0.3))[..., None]
    put((0.45, 0.5), (0.26, 0.19), skin * light, 0.006)
    for side in (0.42, 0.58):
        put((0.41, side), (0.022, 0.036), (240, 238, 235), 0.003)
        put((0.41, side), (0.017, 0.017), (70, 50, 40), 0.003)
        put((0.355, side), (0.010, 0.045), (70, 50, 40), 0.004)
    put((0.58, 0.5), (0.018, 0.06), (170, 90, 90), 0.004)
    weave = cv2.GaussianBlur(rng.normal(0, 6, (size, size)), (0, 0), 1.2)[..., None]
    return np.clip(picture + weave * (y[..., None] > 0.78), 0, 255).astype(np.uint8)


def talking(picture: Frame, count: int) -> list[Frame]:
    """The picture with its middle moving a little, as a talking head does before a still wall."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    head = np.exp(-((((y / height - 0.5) / 0.3) ** 2 + ((x / width - 0.5) / 0.25) ** 2) ** 2))
    mouth = np.exp(-(((y / height - 0.6) / 0.05) ** 2 + ((x / width - 0.5) / 0.09) ** 2))
    frames = []
    for index in range(count):
        across = x + np.float32(4.0 * np.sin(index / 9.0)) * head
        down = y + np.float32(2.4 * np.sin(index / 13.0)) * head
        down += np.float32(0.01 * height * np.sin(index / 3.0)) * mouth
        frames.append(
            cv2.remap(picture, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        )
    return frames


def encode(
    frames: Frames,
    codec: str,
    *,
    fps: int = 25,
    pixels: str = "yuv420p",
    container: str = "mp4",
    **options: str,
) -> list[Frame]:
    """Return the frames after one pass through an FFmpeg encoder, odd sides cut to even ones."""
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    store = io.BytesIO()
    with av.open(store, "w", format=container) as file:
        named = {key.replace("_", "-"): value for key, value in options.items()}
        stream = file.add_stream(codec, rate=Fraction(fps), options=named)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.thread_count = 1
        for frame in frames:
            even = np.ascontiguousarray(frame[:height, :width])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        file.mux(stream.encode())
    store.seek(0)
    with av.open(store) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def x264(frames: Frames, crf: int, preset: str = "medium") -> list[Frame]:
    return encode(frames, "libx264", crf=str(crf), preset=preset)


def x265(frames: Frames, crf: int) -> list[Frame]:
    return encode(
        frames, "libx265", crf=str(crf), preset="fast", x265_params="log-level=none:pools=1"
    )


def vp9(frames: Frames, crf: int) -> list[Frame]:
    return encode(
        frames,
        "libvpx-vp9",
        container="webm",
        crf=str(crf),
        b="0",
        cpu_used="5",
        deadline="realtime",
    )


def av1(frames: Frames, crf: int) -> list[Frame]:
    return encode(frames, "libsvtav1", crf=str(crf), preset="10", svtav1_params="lp=1")


def scaled(frames: Frames, factor: float) -> list[Frame]:
    height, width = frames[0].shape[:2]
    return resized(frames, round(width * factor) // 2 * 2, round(height * factor) // 2 * 2)


def resized(frames: Frames, width: int, height: int) -> list[Frame]:
    way = cv2.INTER_AREA if width < frames[0].shape[1] else cv2.INTER_CUBIC
    return [cv2.resize(frame, (width, height), interpolation=way) for frame in frames]


def scaled_back(frames: Frames, factor: float) -> list[Frame]:
    height, width = frames[0].shape[:2]
    return resized(scaled(frames, factor), width, height)


def cropped(frames: Frames, share: float, top: float = 0.37, left: float = 0.61) -> list[Frame]:
    """Cut `share` off each side's length, from a place no grid knows."""
    height, width = frames[0].shape[:2]
    tall, wide = round(height * (1 - share)), round(width * (1 - share))
    y, x = round((height - tall) * top), round((width - wide) * left)
    return [np.ascontiguousarray(frame[y : y + tall, x : x + wide]) for frame in frames]


def cropped_back(frames: Frames, share: float) -> list[Frame]:
    height, width = frames[0].shape[:2]
    return resized(cropped(frames, share), width, height)


def upright(frames: Frames) -> list[Frame]:
    """The middle 9:16 of a square picture, as for a phone."""
    height, width = frames[0].shape[:2]
    wide = round(height * 9 / 16)
    x = (width - wide) // 2 + 7
    return [np.ascontiguousarray(frame[:, x : x + wide]) for frame in frames]


def mirrored(frames: Frames, axis: int) -> list[Frame]:
    return [np.ascontiguousarray(np.flip(frame, axis)) for frame in frames]


def quarter_turned(frames: Frames) -> list[Frame]:
    return [np.ascontiguousarray(np.rot90(frame)) for frame in frames]


def rotated(frames: Frames, degrees: float) -> list[Frame]:
    height, width = frames[0].shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return [cv2.warpAffine(frame, matrix, (width, height)) for frame in frames]


def tilted(frames: Frames, share: float) -> list[Frame]:
    """A perspective as of a screen seen from one side: one edge shorter by `share` at both ends."""
    height, width = frames[0].shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    moved = corners + np.array([(0, 0), (0, share * height), (0, -share * height), (0, 0)])
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return [
        cv2.warpPerspective(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        for frame in frames
    ]


def toned(
    frames: Frames, tone: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
) -> list[Frame]:
    """Apply one curve, from 0..1 to 0..1, to all channels."""
    table = np.clip(255.0 * tone(np.arange(256) / 255.0), 0, 255).round().astype(np.uint8)
    return [cv2.LUT(frame, table) for frame in frames]


def grey(frames: Frames) -> list[Frame]:
    return [
        cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        for frame in frames
    ]


def hued(frames: Frames, turn: int, saturation: float) -> list[Frame]:
    out = []
    for frame in frames:
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV).astype(np.int32)
        hsv[..., 0] = (hsv[..., 0] + turn) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 255)
        out.append(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))
    return out


def blurred(frames: Frames, sigma: float) -> list[Frame]:
    return [cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames]


def sharpened(frames: Frames) -> list[Frame]:
    soft = blurred(frames, 1.5)
    return [
        cv2.addWeighted(frame, 2.0, low, -1.0, 0) for frame, low in zip(frames, soft, strict=True)
    ]


def noised(frames: Frames, sigma: float) -> list[Frame]:
    rng = np.random.default_rng(7)
    return [
        np.clip(frame + rng.normal(0, sigma, frame.shape), 0, 255).astype(np.uint8)
        for frame in frames
    ]


def peppered(frames: Frames, share: float) -> list[Frame]:
    rng = np.random.default_rng(8)
    out = []
    for frame in frames:
        dice = rng.random(frame.shape[:2])[..., None]
        out.append(np.where(dice < share / 2, 0, np.where(dice > 1 - share / 2, 255, frame)))
    return [frame.astype(np.uint8) for frame in out]


def fewer(frames: Frames, every: int) -> list[Frame]:
    return list(frames[::every])


def blended(frames: Frames) -> list[Frame]:
    """25 to 30 frames a second by mixing neighbours."""
    out = []
    for index in range(int(len(frames) * 1.2) - 2):
        at = index / 1.2
        first = int(at)
        part = at - first
        out.append(cv2.addWeighted(frames[first], 1 - part, frames[first + 1], part, 0))
    return out


def averaged(frames: Frames, count: int) -> list[Frame]:
    return [
        np.mean(frames[at : at + count], axis=0).astype(np.uint8)
        for at in range(0, len(frames) - count + 1, count)
    ]


def shuffled(frames: Frames) -> list[Frame]:
    order = np.random.default_rng(9).permutation(len(frames))
    return [frames[index] for index in order[: len(frames) // 2]]


def jpeg(frames: Frames, quality: int) -> list[Frame]:
    """One frame, as a JPEG file."""
    middle = cv2.cvtColor(frames[len(frames) // 2], cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", middle, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return [cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)]


def webp(frames: Frames, quality: int) -> list[Frame]:
    store = io.BytesIO()
    Image.fromarray(frames[len(frames) // 2]).save(store, "WEBP", quality=quality)
    return [np.asarray(Image.open(store).convert("RGB"))]


def on_desktop(frames: Frames, zoom: float) -> list[Frame]:
    """A screenshot of a player: the picture zoomed, inside a window with bars and other text."""
    picture = scaled(frames[len(frames) // 2 :][:1], zoom)[0]
    height, width = picture.shape[:2]
    screen = np.full((height + 180, width + 420, 3), 236, np.uint8)
    screen[:48] = (58, 62, 70)
    for row in range(8):
        cv2.putText(
            screen,
            f"clip {row} of the list",
            (width + 70, 110 + 60 * row),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.7,
            (30, 30, 30),
            2,
        )
    screen[80 : 80 + height, 30 : 30 + width] = picture
    return [screen]


def overlaid(frames: Frames) -> list[Frame]:
    """A caption bar below and a badge above."""
    out = []
    for frame in frames:
        drawn = frame.copy()
        height, width = drawn.shape[:2]
        drawn[int(0.84 * height) : int(0.95 * height)] = (20, 20, 24)
        cv2.putText(
            drawn,
            "BREAKING: somebody said something",
            (20, int(0.91 * height)),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.7,
            (255, 255, 255),
            2,
        )
        cv2.circle(drawn, (width - 60, 60), 38, (200, 30, 30), -1)
        out.append(drawn)
    return out


def erased(frames: Frames) -> list[Frame]:
    """The middle quarter of the picture covered."""
    out = [frame.copy() for frame in frames]
    for frame in out:
        height, width = frame.shape[:2]
        frame[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 128
    return out


def letterboxed(frames: Frames, width: int, height: int) -> list[Frame]:
    tall, wide = frames[0].shape[:2]
    factor = min(width / wide, height / tall)
    inner = resized(frames, round(wide * factor), round(tall * factor))
    top, left = (height - inner[0].shape[0]) // 2, (width - inner[0].shape[1]) // 2
    bottom, right = height - top - inner[0].shape[0], width - left - inner[0].shape[1]
    return [
        cv2.copyMakeBorder(frame, top, bottom, left, right, cv2.BORDER_CONSTANT) for frame in inner
    ]


def inset(frames: Frames) -> list[Frame]:
    """A picture in a picture: 400 pixels high inside a busy 720p page."""
    rng = np.random.default_rng(10)
    page = cv2.resize(rng.integers(0, 255, (24, 43, 3), np.uint8), (1280, 720))
    inner = resized(frames, 400, 400)
    out = []
    for frame in inner:
        whole = page.copy()
        whole[211:611, 807:1207] = frame
        out.append(whole)
    return out


def gif(frames: Frames, side: int) -> list[Frame]:
    """Ten frames a second with a palette of 256 colours."""
    small = resized(frames[::3], side, side)
    images = [Image.fromarray(frame).quantize(256) for frame in small]
    return [np.asarray(image.convert("RGB")) for image in images]


def posterised(frames: Frames, bits: int) -> list[Frame]:
    step = 1 << (8 - bits)
    return [(frame // step * step + step // 2).astype(np.uint8) for frame in frames]


def jittered(frames: Frames) -> list[Frame]:
    """Every frame moved by up to four pixels, as by a bad stabiliser."""
    rng = np.random.default_rng(11)
    out = []
    for frame in frames:
        matrix = np.array([[1, 0, rng.uniform(-4, 4)], [0, 1, rng.uniform(-4, 4)]])
        size = (frame.shape[1], frame.shape[0])
        out.append(cv2.warpAffine(frame, matrix, size, borderMode=cv2.BORDER_REFLECT))
    return out


def slowly_zoomed(frames: Frames) -> list[Frame]:
    """A zoom of 15 per cent over the clip."""
    out = []
    for index, frame in enumerate(frames):
        height, width = frame.shape[:2]
        zoom = 1.0 + 0.15 * index / len(frames)
        matrix = cv2.getRotationMatrix2D((width * 0.5, height * 0.45), 0.0, zoom)
        out.append(cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_CUBIC))
    return out


def denoised_by_patches(frames: Frames) -> list[Frame]:
    """Non-local means, every third frame: what a phone's clean-up does."""
    return [cv2.fastNlMeansDenoisingColored(frame, None, 5, 5, 5, 11) for frame in frames[::6]]


def equalised(frames: Frames) -> list[Frame]:
    """Contrast stretched place by place (CLAHE on lightness)."""
    stretch = cv2.createCLAHE(3.0, (8, 8))
    out = []
    for frame in frames:
        lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)
        lab[..., 0] = stretch.apply(lab[..., 0])
        out.append(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))
    return out


def stickered(frames: Frames) -> list[Frame]:
    """Opaque stickers over a fifth of the picture, one of them moving."""
    out = []
    for index, frame in enumerate(frames):
        drawn = frame.copy()
        height, width = drawn.shape[:2]
        cv2.rectangle(drawn, (0, 0), (width // 3, height // 4), (250, 210, 40), -1)
        cv2.circle(drawn, (width - 90, height - 90), 70, (40, 160, 90), -1)
        cv2.circle(drawn, (60 + 3 * index % (width - 120), height // 2), 45, (220, 60, 160), -1)
        out.append(drawn)
    return out


def reposted(frames: Frames) -> list[Frame]:
    """Through three services: smaller and x264, a caption and HEVC, cropped and x264 again."""
    first = x264(scaled(frames, 0.75), 26, "veryfast")
    second = x265(overlaid(first), 28)
    return x264(cropped(second, 0.06), 28, "veryfast")


def denoised(frames: Frames) -> list[Frame]:
    return [cv2.bilateralFilter(frame, 7, 20, 5) for frame in frames]


def filmed_off_a_screen(frames: Frames) -> list[Frame]:
    """A slight perspective, blur, a moire of stripes, noise, and JPEG frames."""
    width = frames[0].shape[1]
    stripes = 6.0 * np.sin(2 * np.pi * np.arange(width) / 3.7)[None, :, None]
    seen = noised(blurred(tilted(frames[::4], 0.015), 1.0), 5.0)
    return [jpeg([np.clip(frame + stripes, 0, 255).astype(np.uint8)], 75)[0] for frame in seen]


def _table() -> tuple[Attack, ...]:
    a = Attack
    return (
        a("none", "nothing", lambda f: f),
        a("the_road", "codec", lambda f: x264(scaled(f, 0.75), 28)),
        a("the_road_fast", "codec", lambda f: x264(scaled(f, 0.75), 28, "veryfast")),
        a("x264_crf28", "codec", lambda f: x264(f, 28), slow=True),
        a("x264_crf33", "codec", lambda f: x264(f, 33), slow=True),
        a("x264_crf38", "codec", lambda f: x264(f, 38), slow=True),
        a("x264_crf28_twice", "codec", lambda f: x264(x264(f, 28), 28), slow=True),
        a("x265_crf28", "codec", lambda f: x265(f, 28), slow=True),
        a("x265_crf34", "codec", lambda f: x265(f, 34), slow=True),
        a("vp9_crf36", "codec", lambda f: vp9(f, 36), slow=True),
        a("av1_crf40", "codec", lambda f: av1(f, 40), slow=True),
        a("mpeg4", "codec", lambda f: encode(f, "mpeg4", b="600k"), slow=True),
        a("x264_crf23", "codec", lambda f: x264(f, 23)),
        a("vp9_crf45", "codec", lambda f: vp9(f, 45), slow=True),
        a("av1_crf50", "codec", lambda f: av1(f, 50), slow=True),
        a("gif_512", "codec", lambda f: gif(f, 512), slow=True),
        a("gif_320", "codec", lambda f: gif(f, 320)),
        a("scale_75", "size", lambda f: scaled(f, 0.75)),
        a("scale_50", "size", lambda f: scaled(f, 0.5)),
        a("scale_25", "size", lambda f: scaled(f, 0.25)),
        a("scale_150", "size", lambda f: scaled(f[:12], 1.5)),
        a("scale_200", "size", lambda f: scaled(f[:12], 2.0)),
        a("scale_75_back", "size", lambda f: scaled_back(f, 0.75)),
        a("scale_50_back", "size", lambda f: scaled_back(f, 0.5)),
        a("aspect_4_3", "size", lambda f: resized(f, 640, 480)),
        a("aspect_16_9", "size", lambda f: resized(f, 854, 480)),
        a("letterbox_640x360", "size", lambda f: letterboxed(f, 640, 360)),
        a("crop_5", "crop", lambda f: cropped(f, 0.05)),
        a("crop_10", "crop", lambda f: cropped(f, 0.10)),
        a("crop_20", "crop", lambda f: cropped(f, 0.20)),
        a("crop_quarter_area", "crop", lambda f: cropped(f, 0.5)),
        a("crop_20_back", "crop", lambda f: cropped_back(f, 0.20)),
        a("crop_9_16", "crop", upright),
        a("flip_sideways", "turn", lambda f: mirrored(f, 1)),
        a("flip_upside_down", "turn", lambda f: mirrored(f, 0)),
        a("flip_and_crop_10", "turn", lambda f: mirrored(cropped(f, 0.1), 1)),
        a("rotate_90", "turn", quarter_turned),
        a("rotate_2", "turn", lambda f: rotated(f, 2.0)),
        a("rotate_7", "turn", lambda f: rotated(f, 7.0), slow=True, deep=True),
        a("rotate_minus_10", "turn", lambda f: rotated(f, -10.0), slow=True, deep=True),
        a("rotate_180", "turn", lambda f: mirrored(mirrored(f, 0), 1)),
        a("perspective_3", "turn", lambda f: tilted(f, 0.03)),
        a("brighter_30", "tone", lambda f: toned(f, lambda x: x + 30 / 255)),
        a("darker_40", "tone", lambda f: toned(f, lambda x: x - 40 / 255)),
        a("contrast_140", "tone", lambda f: toned(f, lambda x: 0.5 + 1.4 * (x - 0.5))),
        a("contrast_60", "tone", lambda f: toned(f, lambda x: 0.5 + 0.6 * (x - 0.5))),
        a("gamma_06", "tone", lambda f: toned(f, lambda x: x**0.6)),
        a("gamma_17", "tone", lambda f: toned(f, lambda x: x**1.7)),
        a("negative", "tone", lambda f: toned(f, lambda x: 1.0 - x)),
        a("posterise_3_bits", "tone", lambda f: posterised(f, 3)),
        a("equalised", "tone", equalised),
        a("grey", "colour", grey),
        a("hue_and_saturation", "colour", lambda f: hued(f, 25, 1.4)),
        a("blur_1", "filter", lambda f: blurred(f, 1.0)),
        a("blur_2", "filter", lambda f: blurred(f, 2.0)),
        a("median_5", "filter", lambda f: [cv2.medianBlur(frame, 5) for frame in f]),
        a("sharpen", "filter", sharpened),
        a("bilateral", "filter", denoised, slow=True),
        a("denoised_by_patches", "filter", denoised_by_patches, slow=True),
        a("noise_5", "noise", lambda f: noised(f, 5.0)),
        a("noise_15", "noise", lambda f: noised(f, 15.0)),
        a("salt_and_pepper_2", "noise", lambda f: peppered(f, 0.02)),
        a("one_second", "time", lambda f: f[-25:]),
        a("four_times_as_fast", "time", lambda f: fewer(f, 4)),
        a("half_the_frame_rate", "time", lambda f: fewer(f, 2)),
        a("blended_to_30_fps", "time", blended),
        a("averaged_by_three", "time", lambda f: averaged(f, 3)),
        a("shuffled_half", "time", shuffled),
        a("jitter_4_pixels", "time", jittered),
        a("slow_zoom_15", "time", slowly_zoomed),
        a("frame_jpeg_90", "still", lambda f: jpeg(f, 90)),
        a("frame_jpeg_70", "still", lambda f: jpeg(f, 70)),
        a("frame_jpeg_50", "still", lambda f: jpeg(f, 50)),
        a("frame_jpeg_20", "still", lambda f: jpeg(f, 20)),
        a("frame_webp_50", "still", lambda f: webp(f, 50)),
        a("screenshot_png", "still", lambda f: on_desktop(f, 1.17)),
        a("screenshot_jpeg_70", "still", lambda f: jpeg(on_desktop(f, 1.17), 70)),
        a("caption_and_badge", "overlay", overlaid),
        a("stickers", "overlay", stickered),
        a("middle_covered", "overlay", erased),
        a("picture_in_picture", "overlay", inset, slow=True, deep=True),
        a("crop_10_scale_75_crf28", "combined", lambda f: x264(scaled(cropped(f, 0.1), 0.75), 28)),
        a(
            "small_360_crf30_brighter",
            "combined",
            lambda f: toned(x264(resized(f, 360, 360), 30), lambda x: x + 20 / 255),
        ),
        a("three_services", "combined", reposted, slow=True),
        a("filmed_off_a_screen", "combined", filmed_off_a_screen, slow=True, deep=True),
    )


ATTACKS = _table()
