"""Content binding: whether a file that carries an asset's mark also shows that asset's pictures.

A mark can be copied onto other pictures by whoever holds a marked and an unmarked version of one
clip; no watermark prevents that. So the registry keeps small grey pictures of every asset, and a
reader compares them with what it sees after undoing the geometry the mark revealed. Only fine
detail is compared, place by place: two portraits share their large shapes, a bright oval in the
middle, but not where each edge runs.

The thumbnails show the person. They are personal data and are erased with the asset.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.lattice_pattern import pattern_stretch
from primafacie.safeguards.provenance.reading import Geometry
from primafacie.safeguards.provenance.residual import Frame, Map, luma

THRESHOLD = 0.6  # least agreement of the same content; tests/robustness measures both sides

_SIDE = 64  # pixels: a thumbnail's short side
_LONGEST = 8 * _SIDE
_LIMIT = 16
_COARSE_SIGMA = 2.0  # pixels: what is coarser than this is not compared
_WINDOW = (9, 9)  # pixels: the neighbourhoods compared
_ALIKE = 0.8  # least correlation of two neighbourhoods that show the same
_DETAIL_ENERGY = 15.0  # grey levels squared: below it a neighbourhood hardly counts
_LEAST_OVERLAP = 0.5  # of the smaller picture
_MAGIC = b"PFT1"
_HEADER = struct.Struct(">4sBHHH")  # magic, count, height, width, stretch in tenths
_COMPARED = 8  # frames of the found file

Item = TypeVar("Item")
Thumbnails = npt.NDArray[np.uint8]  # (count, height, width)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Up to sixteen grey thumbnails (count, height, width) spread over a clip, short side 64
    pixels.
    """

    thumbnails: Thumbnails
    stretch: float = 1.0  # of the pattern laid in the clip, which sets the unit of a found geometry

    @classmethod
    def of(cls, frames: Iterable[Frame], *, limit: int = _LIMIT) -> Fingerprint:
        """Return the fingerprint of frames uint8 (H, W, 3); raises `MarkError` when there are
        none.
        """
        builder = FingerprintBuilder(limit)
        for frame in frames:
            builder.add(frame)
        return builder.finish()

    def to_bytes(self) -> bytes:
        """Return the fingerprint as bytes that `from_bytes` reads; some 40 kB if square."""
        count, height, width = self.thumbnails.shape
        header = _HEADER.pack(_MAGIC, count, height, width, round(10 * self.stretch))
        return header + zlib.compress(self.thumbnails.tobytes(), 9)

    @classmethod
    def from_bytes(cls, data: bytes) -> Fingerprint:
        """Return the fingerprint written by `to_bytes`; raises `MarkError` on anything else."""
        try:
            magic, count, height, width, tenths = _HEADER.unpack_from(data)
            size = count * height * width
            if magic != _MAGIC or not tenths or not 0 < size <= 64 * _SIDE * _LONGEST:
                raise MarkError("these bytes are no fingerprint")
            plain = zlib.decompressobj().decompress(data[_HEADER.size :], size + 1)
        except (struct.error, zlib.error) as error:
            raise MarkError("these bytes are no fingerprint") from error
        if len(plain) != size:
            raise MarkError("the fingerprint is cut short or too long")
        return cls(np.frombuffer(plain, np.uint8).reshape(count, height, width), tenths / 10.0)

    def agreement(self, frames: Iterable[Frame], geometry: Geometry | None = None) -> float:
        """Return which share of this content's detail frames uint8 (H, W, 3) show, in [0, 1].

        `geometry` is what the mark's reader found; without it the frames are taken to be the whole
        picture. The median over up to eight frames of each one's best match in time; 0 when nothing
        can be compared.
        """
        kept: _Spread[Frame] = _Spread(_COMPARED)
        for frame in frames:
            kept.add(frame)
        if geometry is not None:
            geometry = _in_clip_units(geometry, self.stretch)
        details = [_detail(thumbnail) for thumbnail in self.thumbnails]
        scores = [self._frame_agreement(frame, geometry, details) for frame in kept.chosen()]
        return float(np.median(scores)) if scores else 0.0

    def _frame_agreement(
        self, frame: Frame, geometry: Geometry | None, details: list[Map]
    ) -> float:
        height, width = self.thumbnails.shape[1:]
        if geometry is None or geometry.period <= 0.0:
            seen = _detail(cv2.resize(luma(frame), (width, height), interpolation=cv2.INTER_AREA))
            return max(_agreeing_share(seen, detail) for detail in details)
        upright, corner = _undone(frame, geometry)
        seen = _detail(upright)
        places = [
            (top, left)
            for top, left in product(
                _corners(corner[0], geometry.period, seen.shape[0], height),
                _corners(corner[1], geometry.period, seen.shape[1], width),
            )
        ]
        scores = [
            _overlap_share(seen, detail, top, left) for top, left in places for detail in details
        ]
        return max(scores, default=0.0)


class FingerprintBuilder:
    """Collects a fingerprint from frames as they pass; keeps at most twice `limit` thumbnails."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._spread: _Spread[Frame] = _Spread(max(1, min(limit, 64)))
        self._stretch = 1.0

    def add(self, frame: Frame) -> None:
        """Take note of the next frame, uint8 (H, W, 3)."""
        self._stretch = pattern_stretch(min(frame.shape[:2]))
        if self._spread.wants_next():
            self._spread.add(_thumbnail(frame))
        else:
            self._spread.skip()

    def finish(self) -> Fingerprint:
        """Return the fingerprint; raises `MarkError` when no frame was added."""
        chosen = self._spread.chosen()
        if not chosen:
            raise MarkError("a fingerprint needs at least one frame")
        return Fingerprint(np.stack(chosen), self._stretch)


class _Spread(Generic[Item]):
    """Keeps up to `limit` items spread evenly over a stream of unknown length."""

    def __init__(self, limit: int) -> None:
        self._limit, self._stride, self._seen = limit, 1, 0
        self._kept: list[Item] = []

    def wants_next(self) -> bool:
        return self._seen % self._stride == 0

    def skip(self) -> None:
        self._seen += 1

    def add(self, item: Item) -> None:
        if self.wants_next():
            self._kept.append(item)
            if len(self._kept) > 2 * self._limit:
                self._kept, self._stride = self._kept[::2], 2 * self._stride
        self._seen += 1

    def chosen(self) -> list[Item]:
        if not self._kept:
            return []
        count = min(self._limit, len(self._kept))
        return [self._kept[i] for i in np.linspace(0, len(self._kept) - 1, count).astype(int)]


def _in_clip_units(geometry: Geometry, stretch: float) -> Geometry:
    return replace(
        geometry,
        scale_y=geometry.scale_y / stretch,
        scale_x=geometry.scale_x / stretch,
        shift_y=geometry.shift_y * stretch,
        shift_x=geometry.shift_x * stretch,
        period=geometry.period * stretch,
    )


def _thumbnail(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    scale = _SIDE / min(height, width)
    size = (min(round(width * scale), _LONGEST), min(round(height * scale), _LONGEST))
    small = cv2.resize(luma(frame), size, interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(np.clip(small, 0, 255)), np.uint8)


def _detail(grey: npt.NDArray[np.generic]) -> Map:
    plane = np.asarray(grey, np.float32)
    return np.asarray(plane - cv2.GaussianBlur(plane, (0, 0), _COARSE_SIGMA), np.float32)


def _undone(frame: Frame, geometry: Geometry) -> tuple[Map, tuple[int, int]]:
    """Return the frame turned and sampled on the thumbnails' grid, and its corner's place there.

    The corner is known up to whole periods, which are a whole number of thumbnail pixels.
    """
    grey = luma(frame)
    top, left, bottom, right = geometry.roi
    height, width = grey.shape
    grey = grey[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
    height, width = grey.shape
    short = max(1, min(height, width))
    if geometry.rotation_deg:
        centre = ((width - 1) / 2, (height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, geometry.rotation_deg, 1.0)
        grey = cv2.warpAffine(grey, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    pixels_y, pixels_x = (short * scale / _SIDE for scale in (geometry.scale_y, geometry.scale_x))
    grey = grey[::-1] if geometry.flip_y else grey
    grey = grey[:, ::-1] if geometry.flip_x else grey
    back_y, back_x = height / pixels_y * geometry.flip_y, width / pixels_x * geometry.flip_x
    if geometry.transposed:
        grey, back_y, back_x = grey.T, back_x, back_y
        pixels_y, pixels_x = pixels_x, pixels_y
    corner_y, corner_x = _SIDE * geometry.shift_y - back_y, _SIDE * geometry.shift_x - back_x
    return _sampled(np.ascontiguousarray(grey), (corner_y, corner_x), (pixels_y, pixels_x))


def _sampled(
    grey: Map, corner: tuple[float, float], pixels: tuple[float, float]
) -> tuple[Map, tuple[int, int]]:
    """Sample a picture whose corner lies at `corner` on the grid of whole thumbnail pixels.

    `pixels` is how many of its pixels make one of a thumbnail, per axis.
    """
    first = [int(np.ceil(at)) for at in corner]
    count = [
        max(1, int(corner[axis] + grey.shape[axis] / pixels[axis]) - first[axis]) for axis in (0, 1)
    ]
    shrunk = [max(1, round(grey.shape[axis] * min(1.0, 4.0 / pixels[axis]))) for axis in (0, 1)]
    small = cv2.resize(grey, (shrunk[1], shrunk[0]), interpolation=cv2.INTER_AREA)
    step = [pixels[axis] * shrunk[axis] / grey.shape[axis] / 4.0 for axis in (0, 1)]
    start = [
        (first[axis] - corner[axis]) * 4.0 * step[axis] + 0.5 * step[axis] - 0.5 for axis in (0, 1)
    ]
    matrix = np.array([[step[1], 0.0, start[1]], [0.0, step[0], start[0]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (4 * count[1], 4 * count[0])
    fine = cv2.warpAffine(small, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    coarse = cv2.resize(fine, (count[1], count[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(coarse, np.float32), (first[0], first[1])


def _corners(corner: int, period: float, seen: int, known: int) -> list[int]:
    """Return every place the corner may lie at, one period apart, where enough of both pictures
    overlaps.
    """
    step = _SIDE * period
    places = []
    first = int(np.floor((-seen - corner) / step))
    for turn in range(first, first + int((seen + known) / step) + 3):
        at = round(corner + turn * step)
        overlap = min(at + seen, known) - max(at, 0)
        if overlap >= _LEAST_OVERLAP * min(seen, known):
            places.append(at)
    return places


def _overlap_share(seen: Map, detail: Map, top: int, left: int) -> float:
    """Return the best agreement within one thumbnail pixel of a place."""
    best = 0.0
    for y, x in product((top - 1, top, top + 1), (left - 1, left, left + 1)):
        down = slice(max(y, 0), min(y + seen.shape[0], detail.shape[0]))
        across = slice(max(x, 0), min(x + seen.shape[1], detail.shape[1]))
        mine = detail[down, across]
        theirs = seen[down.start - y : down.stop - y, across.start - x : across.stop - x]
        best = max(best, _agreeing_share(theirs, mine))
    return best


def _agreeing_share(seen: Map, known: Map) -> float:
    """Return which share of the known detail is there: its neighbourhoods correlate above 0.8."""
    if min(known.shape) < _WINDOW[0]:
        return 0.0
    energy = np.maximum(_around(known * known), 0.0)
    theirs = np.maximum(_around(seen * seen), 0.0)
    alike = _around(known * seen) > _ALIKE * np.sqrt(energy * theirs + 1e-3)
    weight = energy / (energy + _DETAIL_ENERGY)
    return float(np.sum(weight * alike) / max(float(np.sum(weight)), 1e-6))


def _around(plane: Map) -> Map:
    return np.asarray(cv2.boxFilter(plane, -1, _WINDOW, borderType=cv2.BORDER_REFLECT), np.float32)
