"""Frames and sound to MP4 and back: the one place where films are written and foreign ones opened.

Writing happens in memory only, because what is written here is marked but not yet signed. The
film is one progressive MP4: H.264 (CRF 18, 4:2:0, BT.709, limited range) with AAC at 48 kHz, the
index in front, both streams starting at zero, and the implicit label of GB 45438-2025 as a
metadata tag. Reading samples a film for the mark detector: evenly spaced frames and the first
minute of sound. `read_film` trusts the caller to have isolated it; files from strangers are read
in a child process (see quarantine.py).
"""

from __future__ import annotations

import html
import io
import json
import re
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from primafacie.safeguards.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer

Frame: TypeAlias = NDArray[np.uint8]  # (H, W, 3) RGB
Sound: TypeAlias = NDArray[np.float32]  # (M,) mono, [-1, 1]
_Shown: TypeAlias = tuple[float, Frame]  # when, in seconds, and what

PictureForm = Literal["png", "jpg"]

SOUND_RATE = 48_000
JPEG_QUALITY = 92
MAX_TAG = 1 << 20  # bytes of a picture or a sound among which its implicit label is looked for
_TC260: Final = "http://www.tc260.org.cn/ns/AIGC/1.0/"
CRF = 18
PRESET = "medium"
SOUND_BITRATE = 128_000
MAX_SIDE = 4320
_AAC_FRAME = 1024
_BT709 = 1  # the same number in AVColorSpace, AVColorPrimaries and AVColorTransferCharacteristic
_LIMITED, _FULL = 1, 2  # AVColorRange: 16..235 and 0..255
_EXACT = 262144 | 8192 | 2  # SWS_ACCURATE_RND, full chroma, bilinear: else all comes out darker


@dataclass(frozen=True, slots=True)
class FilmLimits:
    """How much of a foreign file is looked at. Sides in pixels, sound in seconds."""

    frames: int = 16
    max_side: int = 8192
    sample_side: int = 1080
    sound_seconds: float = 60.0
    max_decoded: int = 2000


@dataclass(frozen=True, slots=True)
class Film:
    """A sampled film: at most `FilmLimits.frames` frames over its whole length, and its sound.

    sound is at SOUND_RATE and empty when there is none. duration in seconds, 0 when unknown.
    times: when each frame is shown, in seconds, as the file says it. format is the container's own
    name. notes say what was left out.
    """

    width: int
    height: int
    fps: float
    duration: float
    format: str
    frames: tuple[Frame, ...]
    sound: Sound
    has_sound: bool
    notes: tuple[str, ...] = ()
    times: tuple[float, ...] = ()


class FilmWriter:
    """Encodes frames one by one into an MP4 held in memory; sound is laid beside them as they come.

    `sound` is cut or padded with silence to the frames' length when the film is finished.
    """

    def __init__(
        self, width: int, height: int, fps: float, sound: Sound, implicit_label: str
    ) -> None:
        if width % 2 or height % 2 or not (16 <= width <= MAX_SIDE and 16 <= height <= MAX_SIDE):
            raise MediaError(f"a film has even sides of 16 to {MAX_SIDE} pixels")
        if not 1 <= fps <= 120:
            raise MediaError("a film has 1 to 120 frames a second")
        if sound.ndim != 1 or not np.isfinite(sound).all():
            raise MediaError("sound is one channel of finite numbers")
        import av

        self._size = (height, width, 3)
        self._sound = sound.astype(np.float32, copy=False)
        self._rate = Fraction(fps).limit_denominator(1001)
        self._buffer = io.BytesIO()
        self._container = av.open(
            self._buffer,
            "w",
            format="mp4",
            options={"movflags": "+faststart+use_metadata_tags"},
            io_open=self._reopen,
        )
        self._container.metadata["AIGC"] = implicit_label
        self._video = self._video_stream(width, height)
        self._audio = self._container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        self._audio.bit_rate = SOUND_BITRATE
        self._frames = 0
        self._samples = 0

    def _reopen(self, url: str, flags: int, options: dict[str, str]) -> io.BytesIO:
        """Moving the index to the front re-reads the film; it gets a copy of what is there."""
        return io.BytesIO(self._buffer.getvalue())

    def _video_stream(self, width: int, height: int) -> Any:
        stream = self._container.add_stream("libx264", rate=self._rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.options = {"crf": str(CRF), "preset": PRESET, "colorprim": "bt709"}
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        return stream

    def add(self, frame: Frame) -> None:
        """Encode the next frame and the sound that belongs under it."""
        import av

        if frame.shape != self._size or frame.dtype != np.uint8:
            raise MediaError("every frame is uint8 RGB of the film's own size")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = picture.reformat(
            format="yuv420p",
            dst_colorspace=_BT709,
            src_color_range=_FULL,
            dst_color_range=_LIMITED,
            interpolation=_EXACT,
        )
        picture.pts, picture.time_base = self._frames, 1 / self._rate
        self._mux(self._video, picture)
        self._frames += 1
        self._lay_sound(int(self._frames / self._rate * SOUND_RATE))

    def _lay_sound(self, until: int) -> None:
        """Encode whole AAC frames up to sample `until`; the last call completes the rest."""
        while self._samples + _AAC_FRAME <= until:
            self._lay(self._sound[self._samples : self._samples + _AAC_FRAME])

    def _lay(self, block: Sound) -> None:
        import av

        full = np.zeros((1, _AAC_FRAME), np.float32)
        full[0, : len(block)] = np.clip(block, -1.0, 1.0)
        frame = av.AudioFrame.from_ndarray(full, format="fltp", layout="mono")
        frame.sample_rate = SOUND_RATE
        frame.pts, frame.time_base = self._samples, Fraction(1, SOUND_RATE)
        self._mux(self._audio, frame)
        self._samples += _AAC_FRAME

    def _mux(self, stream: Any, frame: Any) -> None:
        import av

        try:
            for packet in stream.encode(frame):
                self._container.mux(packet)
        except av.FFmpegError as error:
            raise MediaError(f"the encoder gave up: {error}") from error

    def finish(self) -> bytes:
        """The finished film; the writer cannot be used again. Raises MediaError without frames."""
        if not self._frames:
            raise MediaError("a film has at least one frame")
        end = int(self._frames / self._rate * SOUND_RATE)
        self._lay_sound(end)
        if self._samples < end:
            self._lay(self._sound[self._samples : end])
        self._mux(self._video, None)
        self._mux(self._audio, None)
        self._container.close()
        return self._buffer.getvalue()


def picture_file(frame: Frame, form: PictureForm, implicit_label: str) -> bytes:
    """A frame as a PNG or a JPEG (quality 92, 4:4:4) with the implicit label in its XMP, where the
    practice guide TC260-PG-20258A wants it in pictures."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    target, packet = io.BytesIO(), _xmp(implicit_label)
    picture = Image.fromarray(frame)
    if form == "jpg":
        picture.save(target, "JPEG", quality=JPEG_QUALITY, subsampling=0, xmp=packet.encode())
    else:
        told = PngInfo()
        told.add_itxt("XML:com.adobe.xmp", packet)
        picture.save(target, "PNG", pnginfo=told)
    return target.getvalue()


def _xmp(implicit_label: str) -> str:
    fields = json.dumps(json.loads(implicit_label)["AIGC"], separators=(",", ":"))
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:TC260="{_TC260}"><TC260:AIGC>'
        f"{html.escape(fields, quote=False)}</TC260:AIGC></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="r"?>'
    )


def sound_file(sound: Sound, implicit_label: str) -> bytes:
    """Sound at SOUND_RATE as a 16-bit WAV with the implicit label as its comment (LIST INFO)."""
    samples = np.round(np.clip(sound, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    comment = b"AIGC=" + implicit_label.encode("ascii") + b"\0"
    about = b"INFO" + _chunk(b"ICMT", comment)
    form = struct.pack("<HHIIHH", 1, 1, SOUND_RATE, 2 * SOUND_RATE, 2, 16)
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"LIST", about) + _chunk(b"data", samples)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def implicit_label(producer: str, asset_uuid: str) -> str:
    """The implicit label of GB 45438-2025 as the JSON it wants: AI-made, by whom, under what id."""
    fields = {
        "Label": "1",
        "ContentProducer": producer,
        "ProduceID": asset_uuid,
        "ReservedCode1": "",
        "ContentPropagator": producer,
        "PropagateID": asset_uuid,
        "ReservedCode2": "",
    }
    texts = "".join(fields.values())
    if not texts.isascii() or not texts.isprintable() or set(texts) & set('"\\'):
        raise MediaError("label fields are printable ASCII without quotes and backslashes")
    return json.dumps({"AIGC": fields}, separators=(",", ":"))


def read_implicit_label(source: BinaryIO) -> str:
    """The implicit label of a film, a picture or a sound as its JSON `{"AIGC": ...}`, or an empty
    text when there is none. In-process, as `read_film` is."""
    import av

    head = source.read(MAX_TAG)
    source.seek(0)
    if sniff(head) in ("image/png", "image/jpeg"):
        packet = re.search(rb"<TC260:AIGC>([ -~]{1,4000}?)</TC260:AIGC>", head)
        if packet and _TC260.encode() in head:
            return '{"AIGC":' + html.unescape(packet.group(1).decode("ascii")) + "}"
        earlier = re.search(rb"tEXtAIGC\0(\{[ -~]{1,4000}\}\})", head)  # our PNGs up to 0.2.0
        return earlier.group(1).decode("ascii") if earlier else ""
    if sniff(head) == "audio/wav":
        comment = re.search(rb"ICMT....AIGC=([ -~]{1,4000})\0", head, re.DOTALL)
        return comment.group(1).decode("ascii") if comment else ""
    try:
        with av.open(source, "r", metadata_errors="replace") as container:
            return str(container.metadata.get("AIGC", ""))
    except (av.FFmpegError, ValueError, OSError) as error:
        raise MediaError("the file could not be opened as a film") from error


def read_film(source: BinaryIO, limits: FilmLimits | None = None) -> Film:
    """Sample a film, a picture or a sound file; raises MediaError on whatever cannot be read.

    In-process: give it your own files, or call it inside a process that may die.
    """
    import av

    try:
        with av.open(source, "r", metadata_errors="replace") as container:
            return _sample(container, limits or FilmLimits())
    except MediaError:
        raise
    except (av.FFmpegError, ValueError, OSError, ArithmeticError, MemoryError) as error:
        raise MediaError("the file could not be read as a film, a picture or a sound") from error


def _sample(container: InputContainer, limits: FilmLimits) -> Film:
    video = next(iter(container.streams.video), None)
    audio = next(iter(container.streams.audio), None)
    if video is None and audio is None:
        raise MediaError("the file holds neither picture nor sound")
    if any(stream is not None and stream.codec_context is None for stream in (video, audio)):
        raise MediaError("the file's encoding is not known")
    notes: list[str] = []
    shown: list[_Shown] = []
    width = height = 0
    fps = 0.0
    if video is not None:
        width, height = video.codec_context.width, video.codec_context.height
        if not (0 < width <= limits.max_side and 0 < height <= limits.max_side):
            raise MediaError(f"pictures over {limits.max_side} pixels a side are not opened")
        fps = float(video.average_rate or 0)
        shown = _sample_frames(container, video, limits, notes)
    sound, seconds = np.zeros(0, np.float32), 0.0
    if audio is not None:
        sound, seconds = _sample_sound(container, audio, limits, notes)
    return Film(
        width=width,
        height=height,
        fps=fps,
        duration=_duration(container) or seconds,
        format=container.format.name,
        frames=tuple(frame for _, frame in shown),
        sound=sound,
        has_sound=audio is not None,
        notes=tuple(notes),
        times=tuple(time for time, _ in shown),
    )


def _duration(container: InputContainer) -> float:
    return max(0.0, container.duration / 1_000_000) if container.duration else 0.0


def _sample_frames(
    container: InputContainer, video: Any, limits: FilmLimits, notes: list[str]
) -> list[_Shown]:
    """Evenly spaced frames from one pass; a long film is sampled by jumps instead."""
    video.thread_type = "NONE"
    expected = video.frames or int(_duration(container) * float(video.average_rate or 0))
    if expected > limits.max_decoded:
        notes.append("long film: sampled by jumps between key frames")
        return _jumped_frames(container, video, limits)
    kept: list[_Shown] = []
    stride = max(1, expected // limits.frames)
    for index, frame in enumerate(_decoded(container, video)):
        if index >= limits.max_decoded:
            notes.append(f"frames after number {limits.max_decoded} were not looked at")
            break
        if index % stride:
            continue
        kept.append((float(frame.time or 0.0), _rgb(frame, limits)))
        if len(kept) == 2 * limits.frames:  # the film was longer than it said
            del kept[1::2]
            stride *= 2
    pick = np.linspace(0, len(kept) - 1, min(len(kept), limits.frames)).round().astype(int)
    return [kept[i] for i in pick]


def _jumped_frames(container: InputContainer, video: Any, limits: FilmLimits) -> list[_Shown]:
    kept = []
    for share in np.linspace(0.02, 0.98, limits.frames):
        container.seek(int(share * _duration(container) * 1_000_000))
        for frame in _decoded(container, video):
            kept.append((float(frame.time or 0.0), _rgb(frame, limits)))
            break
    return kept


def last_frame(source: BinaryIO) -> tuple[float, Frame]:
    """When the last frame of a film is shown, and the frame; MediaError when there is none.

    In-process, as `read_film` is.
    """
    import av

    last = None
    try:
        with av.open(source, "r", metadata_errors="replace") as container:
            video = container.streams.video[0]
            video.thread_type = "NONE"
            container.seek(max(0, int(_duration(container) * 1_000_000) - 1))
            for frame in _decoded(container, video):
                last = frame
            if last is not None:
                return float(last.time or 0.0), _rgb(last, FilmLimits())
    except (av.FFmpegError, ValueError, OSError, IndexError, MemoryError) as error:
        raise MediaError("the end of the film could not be read") from error
    raise MediaError("the end of the film could not be read")


def _decoded(container: InputContainer, stream: Any) -> Any:
    """Frames of one stream; a broken tail ends it, as a player would show what came before."""
    import av

    try:
        yield from container.decode(stream)
    except (av.EOFError, av.InvalidDataError):
        return


def _rgb(frame: Any, limits: FilmLimits) -> Frame:
    """The frame as RGB, by the colour matrix it names; BT.601 when it names none."""
    width, height = frame.width, frame.height
    if not (0 < width <= limits.max_side and 0 < height <= limits.max_side):
        raise MediaError(f"pictures over {limits.max_side} pixels a side are not opened")
    short = min(width, height)
    if short > limits.sample_side:
        width = max(2, round(width * limits.sample_side / short))
        height = max(2, round(height * limits.sample_side / short))
    picture = frame.reformat(
        width=width, height=height, format="rgb24", dst_color_range=_FULL, interpolation=_EXACT
    )
    return np.ascontiguousarray(picture.to_ndarray())


def _sample_sound(
    container: InputContainer, audio: Any, limits: FilmLimits, notes: list[str]
) -> tuple[Sound, float]:
    """The first seconds of sound as mono at SOUND_RATE, and how many seconds that is."""
    import av

    if container.streams.video:
        container.seek(0)
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)
    blocks: list[Sound] = []
    wanted = int(limits.sound_seconds * SOUND_RATE)
    got = 0
    for frame in _decoded(container, audio):
        for part in resampler.resample(frame):
            blocks.append(part.to_ndarray()[0])
            got += part.samples
        if got >= wanted:
            notes.append(f"sound after second {limits.sound_seconds:g} was not listened to")
            break
    else:
        for part in resampler.resample(None):
            blocks.append(part.to_ndarray()[0])
    sound = np.concatenate(blocks)[:wanted] if blocks else np.zeros(0, np.float32)
    return np.nan_to_num(sound.astype(np.float32)), len(sound) / SOUND_RATE


def sniff(data: bytes) -> str:
    """The media type a file's first bytes announce, for the kinds that can carry a credential."""
    if data[4:8] == b"ftyp":
        return _FTYP.get(data[8:12], "video/mp4")
    if data[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"AVI ": "video/avi", b"WEBP": "image/webp"}.get(
            data[8:12], ""
        )
    return next((mime for magic, mime in _MAGIC if data.startswith(magic)), "")


_FTYP = {
    b"heic": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
