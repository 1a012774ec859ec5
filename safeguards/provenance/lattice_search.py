"""Finding the lattice pattern in pictures that were scaled, cropped, turned or stretched since it
was laid.

The search goes from cheap to dear and stops at the first verified tag: the geometry of the
marking, mirrored and transposed pictures, usual changes of aspect, then a scan of scales, small
rotations, single frames and parts of the picture. Whatever it tries is counted, because every try
is a chance of a false tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import product

import cv2
import numpy as np

from primafacie.safeguards.provenance.lattice_pattern import (
    PICTURE_SCHEME,
    PILOT_REACH,
    SMALL_STRETCH,
    LatticePattern,
    flattened,
)
from primafacie.safeguards.provenance.reading import Geometry, MarkStatus, PictureReading
from primafacie.safeguards.provenance.residual import (
    CANONICAL_SHORT_SIDE,
    Frame,
    Map,
    canonical,
    residual,
)
from primafacie.safeguards.provenance.spectrum import (
    PERIOD,
    Complex,
    Floats,
    Scales,
    Spectrum,
    measure,
    values_only,
)

PRESENT_Z = 8.5  # exp(-z^2 / 2) times the 2e7 places of a search is below 1e-8
FRAMES_READ = 16
SMALLEST_SIDE, LARGEST_SIDE, LARGEST_ASPECT = 64, 16384, 8.0

CUTOFFS = (np.inf, 22.0, 15.0, 10.0)  # lattice radii: channels that keep all, or only the low part
_BREADTH, _PATIENT_BREADTH = 8, 32
_FIXED_Z = 3.0  # least pilot correlation for decoding at a given shift
_FOUND_Z = 4.7  # and at the best of all shifts; without a mark that is 4.2 +- 0.3
_SCALED_Z, _TURNED_Z, _PART_Z = 5.0, 5.4, 5.6  # and the more places, the further chance goes
_PATIENT_Z = 6.0
_ANGLES_READ = 2  # of those close to the best
MOST_CHANCE = 1e-9  # that a search without a mark reads one: then it decodes no more
_ASPECTS = (1.0, 4 / 3, 3 / 4, 16 / 9, 9 / 16)
_FLIPS = ((False, False), (False, True), (True, False), (True, True))
_SCALES = tuple(float(0.45 * 1.009**i) for i in range(183))  # 0.45 .. 2.3
_NEAR_SCALES = tuple(float(0.95 * 1.009**i) for i in range(25))  # 0.95 .. 1.18
_SMALL_ANGLES = (-3.0, -2.4, -1.8, -1.2, -0.6, 0.6, 1.2, 1.8, 2.4, 3.0)  # degrees
_DEEP_ANGLES = tuple(sign * 0.6 * i for i in range(6, 19) for sign in (1, -1))  # to 10.8 degrees
_ROI_SIDES = (0.7, 0.5)
_AT_ONCE = 16  # scales that go through one product
_STEPS = (0.0045, 0.0022, 0.0011, 0.0005)
_TOGETHER = ((1, 1), (-1, -1))  # how both scales move
_FREELY = (*_TOGETHER, (0, 1), (0, -1), (1, 0), (-1, 0))
_CLEARLY = 0.4  # standard deviations that a second scale has to bring

_Moves = tuple[tuple[int, int], ...]
Box = tuple[float, float, float, float]
_WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class Effort(Enum):
    """How far a search goes; each step includes those before it.

    GLANCE: the geometry of the marking, moved, mirrored or transposed. QUICK: other aspects,
    borders and scales. USUAL: single frames and small rotations. DEEP: parts and larger rotations.
    """

    GLANCE = auto()
    QUICK = auto()
    USUAL = auto()
    DEEP = auto()


@dataclass(frozen=True, slots=True)
class _Hit:
    """A place of the search and how well the pilots agree there; `plane` is the residual map it
    was seen in.
    """

    z: float
    pattern: LatticePattern
    geometry: Geometry
    plane: Map


class LatticeSearch:
    """One query: looks for any of `patterns`, remembers the best it saw and how often it tried."""

    def __init__(self, patterns: Sequence[LatticePattern]) -> None:
        self._patterns = patterns
        self._best: _Hit | None = None
        self._bound = 0.0

    def read(self, frames: Iterable[object], effort: Effort = Effort.USUAL) -> PictureReading:
        """Return what the frames (uint8 (H, W[, 3 or 4])) carry; others are passed over."""
        usable = sample(frames, FRAMES_READ)
        if not usable or not self._patterns:
            return PictureReading(MarkStatus.NONE, scheme=PICTURE_SCHEME)
        for reading in self._stages(usable, effort):
            if reading is not None:
                return reading
        best = self._best
        if best is not None and best.z >= PRESENT_Z:
            geometry, z, epoch = best.geometry, best.z, best.pattern.keys.epoch
            return PictureReading(
                MarkStatus.PRESENT, None, epoch, z, 0.0, 1e-8, geometry, PICTURE_SCHEME
            )
        z = 0.0 if best is None else best.z
        return PictureReading(MarkStatus.NONE, confidence=z, scheme=PICTURE_SCHEME)

    def read_at(self, frames: Iterable[object], geometry: Geometry) -> PictureReading:
        """Return what the frames carry at one known geometry without rotation, and nothing else."""
        seen = self._seen_at(frames, geometry)
        if seen is not None:
            spectrum, hit = seen
            reading = self._decode(hit, spectrum) if hit.z >= _FIXED_Z else None
            if reading is not None:
                return reading
        return PictureReading(MarkStatus.NONE, scheme=PICTURE_SCHEME)

    def z_at(self, frames: Iterable[object], geometry: Geometry) -> float:
        """Return the pilots' correlation in standard deviations at one known geometry."""
        seen = self._seen_at(frames, geometry)
        return 0.0 if seen is None else seen[1].z

    def _seen_at(
        self, frames: Iterable[object], geometry: Geometry
    ) -> tuple[Spectrum, _Hit] | None:
        usable = sample(frames, FRAMES_READ)
        if not usable or not self._patterns:
            return None
        height, width = usable[0].shape[:2]
        top, left, bottom, right = geometry.roi
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        parts = [_usable(frame[rows, columns]) for frame in usable]
        planes = [residual(canonical(part)) for part in parts if part is not None]
        if not planes:
            return None
        plane = _mean(planes)
        spectrum = measure(plane, geometry.scale_y, geometry.scale_x)
        turned = spectrum.turned(geometry.flip_y, geometry.flip_x, geometry.transposed)
        side = CANONICAL_SHORT_SIDE
        shift = (geometry.shift_y * side, geometry.shift_x * side)
        pattern = self._patterns[0]
        return spectrum, _Hit(pattern.pilot_z(turned, shift), pattern, geometry, plane)

    def _stages(self, frames: list[Frame], effort: Effort) -> Iterator[PictureReading | None]:
        planes = [residual(canonical(frame)) for frame in frames]
        mean = _mean(planes)
        yield self._where_it_was_laid(mean)
        if effort is Effort.GLANCE:
            return
        yield self._stretched(mean)
        inner, roi = _without_border(frames)
        if inner:
            mean_inner = _mean([residual(canonical(frame)) for frame in inner])
            yield _within(self._where_it_was_laid(mean_inner), roi)
            yield _within(self._stretched(mean_inner), roi)
            yield _within(self._scaled(mean_inner, _SCALES), roi)
        yield self._scaled(mean, _SCALES)
        if effort is Effort.QUICK:
            return
        if len(planes) > 1:
            # A camera move or jitter smears the mean; one frame still has its pattern in one place.
            yield self._scaled(planes[len(planes) // 2], _SCALES)
        yield self._rotated(mean, _SMALL_ANGLES, _NEAR_SCALES)
        if effort is Effort.DEEP:
            yield self._in_parts(mean)
            yield self._rotated(mean, _DEEP_ANGLES, tuple(0.9 * 1.009**i for i in range(56)))

    def _where_it_was_laid(self, plane: Map) -> PictureReading | None:
        """Try the scales marks are laid at: unmoved, then any shift, mirror, transposition."""
        spectra = {scale: measure(plane, scale, scale) for scale in (1.0, SMALL_STRETCH)}
        for pattern, (scale, spectrum) in product(self._patterns, spectra.items()):
            z = pattern.pilot_z(spectrum, (0.0, 0.0))
            if z >= _FIXED_Z:
                reading = self._decode(_Hit(z, pattern, _geometry(scale, scale), plane), spectrum)
                if reading is not None:
                    return reading
        for scale, spectrum in spectra.items():
            reading = self._any_shift(plane, spectrum, scale, scale)
            if reading is not None:
                return reading
        return None

    def _stretched(self, plane: Map) -> PictureReading | None:
        """Try pictures of a usual aspect that were squeezed into this one."""
        height, width = plane.shape
        seen = {(1.0, 1.0)}
        for aspect in (*_ASPECTS, *(1.0 / a for a in _ASPECTS)):
            scale_y = height / (CANONICAL_SHORT_SIDE * max(1.0, 1.0 / aspect))
            scale_x = width / (CANONICAL_SHORT_SIDE * max(1.0, aspect))
            scales = (round(scale_y, 3), round(scale_x, 3))
            if scales in seen or abs(np.log(scale_y / scale_x)) < 0.02:
                continue
            seen.add(scales)
            reading = self._any_shift(plane, measure(plane, scale_y, scale_x), scale_y, scale_x)
            if reading is not None:
                return reading
        return None

    def _any_shift(
        self, plane: Map, spectrum: Spectrum, scale_y: float, scale_x: float
    ) -> PictureReading | None:
        hits = []
        for pattern, (flip_y, flip_x), transposed in product(self._patterns, _FLIPS, (False, True)):
            sync = pattern.find_shift(spectrum.turned(flip_y, flip_x, transposed))
            geometry = replace(
                _geometry(scale_y, scale_x, sync.shift_y, sync.shift_x),
                flip_y=flip_y,
                flip_x=flip_x,
                transposed=transposed,
            )
            hits.append(_Hit(sync.z, pattern, geometry, plane))
        best = max(hits, key=lambda hit: hit.z)
        return self._decode(best, spectrum) if best.z >= _FOUND_Z else None

    def _scaled(
        self, plane: Map, scales: Sequence[float], least: float = _SCALED_Z
    ) -> PictureReading | None:
        """Scan scales on a coarse map, then refine and decode the most promising."""
        return self._closer(self._scan(plane, scales, 0.0, keep=3), least)

    def _closer(self, hits: Iterable[_Hit], least: float) -> PictureReading | None:
        """Refine hits, and decode those that stand out enough."""
        for hit in hits:
            refined, spectrum = self._refine(hit)
            reading = self._decode(refined, spectrum) if refined.z >= least else None
            if reading is not None:
                return reading
        return None

    def _scan(self, plane: Map, scales: Sequence[float], angle: float, keep: int) -> list[_Hit]:
        small = _halved(plane)
        seen: list[Floats] = []
        for first in range(0, len(scales), _AT_ONCE):
            some = np.array(scales[first : first + _AT_ONCE])
            flat = _coarse(plane, small, np.stack((some, some), axis=1))
            seen.append(np.stack([one.coarse_z(flat, _FLIPS) for one in self._patterns], axis=1))
        z = np.concatenate(seen)  # (scales, patterns, flips)

        def hit(place: int) -> _Hit:
            at, which, how = (int(i) for i in np.unravel_index(place, z.shape))
            flip_y, flip_x = _FLIPS[how]
            geometry = replace(
                _geometry(scales[at], scales[at]),
                flip_y=flip_y,
                flip_x=flip_x,
                rotation_deg=angle,
            )
            return _Hit(float(z[at, which, how]), self._patterns[which], geometry, plane)

        return _apart(map(hit, np.argsort(-z, axis=None, kind="stable").tolist()), keep)

    def _refine(self, hit: _Hit) -> tuple[_Hit, Spectrum]:
        """Climb to the best scale, from half a per cent down to a twentieth, and to the best pair
        of scales where that agrees clearly better: nearly every picture keeps its aspect, and two
        numbers fit chance better than one.
        """
        small = _halved(hit.plane)
        turn = hit.geometry
        flips = ((turn.flip_y, turn.flip_x),)

        def climb(best: float, y: float, x: float, moves: _Moves) -> tuple[float, float, float]:
            for step, (move_y, move_x) in product(_STEPS, moves):
                while True:
                    at = (y * (1 + step * move_y), x * (1 + step * move_x))
                    flat = _coarse(hit.plane, small, np.array([at]))
                    z = float(hit.pattern.coarse_z(flat, flips)[0, 0])
                    if z <= best:
                        break
                    best, (y, x) = z, at
            return best, y, x

        z, scale_y, scale_x = climb(hit.z, turn.scale_y, turn.scale_x, _TOGETHER)
        freely = climb(z, scale_y, scale_x, _FREELY)
        if freely[0] > z + _CLEARLY:
            _, scale_y, scale_x = freely
        spectrum = measure(hit.plane, scale_y, scale_x)
        sync = hit.pattern.find_shift(spectrum.turned(turn.flip_y, turn.flip_x, turn.transposed))
        moved = _geometry(scale_y, scale_x, sync.shift_y, sync.shift_x)
        geometry = replace(
            turn,
            scale_y=scale_y,
            scale_x=scale_x,
            shift_y=moved.shift_y,
            shift_x=moved.shift_x,
        )
        return replace(hit, z=sync.z, geometry=geometry), spectrum

    def _rotated(
        self, plane: Map, angles: Sequence[float], scales: Sequence[float]
    ) -> PictureReading | None:
        """Undo each rotation, keep the best by a scan, and look closer there."""
        best: _Hit | None = None
        for angle in angles:
            hit = self._scan(_turn(plane, angle), scales, angle, keep=1)[0]
            best = hit if best is None or hit.z > best.z else best
        if best is None:
            return None
        near = [best.geometry.scale_y * step for step in (0.991, 1.0, 1.009)]
        angles = [best.geometry.rotation_deg + offset for offset in (0.0, -0.3, 0.3, -0.15, 0.15)]
        hits = [self._scan(_turn(plane, angle), near, angle, keep=1)[0] for angle in angles]
        hits.sort(key=lambda hit: -hit.z)
        return self._closer(hits[:_ANGLES_READ], _TURNED_Z)

    def _in_parts(self, plane: Map) -> PictureReading | None:
        """Look at overlapping parts of the picture, as when a clip plays inside another."""
        height, width = plane.shape
        for side in _ROI_SIDES:
            for top, left in product(np.linspace(0.0, 1.0 - side, 3), repeat=2):
                part = plane[
                    int(top * height) : int((top + side) * height),
                    int(left * width) : int((left + side) * width),
                ]
                whole = np.ascontiguousarray(part)
                factor = CANONICAL_SHORT_SIDE / min(whole.shape)
                reading = self._scaled(whole, [scale / factor for scale in _SCALES], _PART_Z)
                if reading is not None:
                    roi = (float(top), float(left), float(top + side), float(left + side))
                    return _within(reading, roi, factor)
        return None

    def _decode(self, hit: _Hit, spectrum: Spectrum) -> PictureReading | None:
        if self._best is None or hit.z > self._best.z:
            self._best = hit
        geometry, code = hit.geometry, hit.pattern.code
        turned = spectrum.turned(geometry.flip_y, geometry.flip_x, geometry.transposed)
        shift = (
            geometry.shift_y * CANONICAL_SHORT_SIDE,
            geometry.shift_x * CANONICAL_SHORT_SIDE,
        )
        rows = [hit.pattern.soft(turned, shift, cutoff) for cutoff in CUTOFFS]
        soft = np.stack([row for row, _ in rows])
        for breadth in (_BREADTH, _PATIENT_BREADTH)[: 2 if hit.z >= _PATIENT_Z else 1]:
            chance = code.false_bound(len(rows), breadth)
            if self._bound + chance > MOST_CHANCE:
                return None
            self._bound += chance
            found = code.read(soft, breadth)
            if found is not None:
                d = max(float(abs(row @ found.signs)) / spread for row, spread in rows)
                return PictureReading(
                    MarkStatus.READ,
                    found.number,
                    hit.pattern.keys.epoch,
                    hit.z,
                    d,
                    min(1.0, self._bound),
                    geometry,
                    PICTURE_SCHEME,
                )
        return None


def sample(frames: Iterable[object], count: int) -> list[Frame]:
    """Return up to `count` usable frames spread evenly over `frames`, all of the first one's shape.

    Usable is a uint8 array (H, W), (H, W, 3) or (H, W, 4) with sides from 64 to 16384 pixels.
    """
    kept: list[Frame] = []
    stride = 1
    for index, frame in enumerate(frames):
        if index % stride:
            continue
        picture = _usable(frame)
        if picture is None or (kept and picture.shape != kept[0].shape):
            continue
        kept.append(picture)
        if len(kept) >= 4 * count:
            kept, stride = kept[::2], 2 * stride
    chosen = np.unique(np.linspace(0, max(len(kept) - 1, 0), count).astype(int))
    return [kept[i] for i in chosen] if kept else []


def _usable(frame: object) -> Frame | None:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim not in (2, 3):
        return None
    if frame.ndim == 3 and frame.shape[2] not in (3, 4):
        return None
    short, long = sorted(frame.shape[:2])
    if short < SMALLEST_SIDE or long > LARGEST_SIDE or long > LARGEST_ASPECT * short:
        return None
    return frame if frame.ndim == 2 else np.ascontiguousarray(frame[:, :, :3])


def _geometry(
    scale_y: float, scale_x: float, shift_y: float = 0.0, shift_x: float = 0.0
) -> Geometry:
    side = CANONICAL_SHORT_SIDE
    return Geometry(scale_y, scale_x, shift_y / side, shift_x / side, period=PERIOD / side)


def _mean(planes: Sequence[Map]) -> Map:
    total = planes[0].copy()
    for plane in planes[1:]:
        total += plane
    return np.asarray(total / len(planes), np.float32)


def _apart(hits: Iterable[_Hit], keep: int) -> list[_Hit]:
    """Return the best hits whose scales differ by more than two per cent (neighbours find the same
    peak).
    """
    chosen: list[_Hit] = []
    for hit in hits:
        if all(_differs(hit, other) for other in chosen):
            chosen.append(hit)
        if len(chosen) == keep:
            break
    return chosen


def _differs(one: _Hit, other: _Hit) -> bool:
    apart = abs(np.log(one.geometry.scale_y / other.geometry.scale_y)) > 0.02
    return bool(apart) or one.pattern is not other.pattern


def _halved(plane: Map) -> Map:
    half = cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(half, np.float32)


def _coarse(plane: Map, half: Map, scales: Scales) -> Complex:
    """Return the pilots' flattened coefficients (S, 45, 23) for `scales` (S, 2), from the map of
    half size where that still holds them.
    """
    flat = np.empty((len(scales), 2 * PILOT_REACH + 1, PILOT_REACH + 1), np.complex64)
    wide = scales.min(axis=1) > 0.7
    if wide.any():
        # The halved map has half as many pixels per period, counted exactly for odd sizes.
        ratio = np.array(half.shape) / np.array(plane.shape)
        flat[wide] = flattened(values_only(half, ratio * scales[wide], PILOT_REACH))
    if not wide.all():
        flat[~wide] = flattened(values_only(plane, scales[~wide], PILOT_REACH))
    return flat


def _turn(plane: Map, angle: float) -> Map:
    height, width = plane.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    return np.asarray(cv2.warpAffine(plane, matrix, (width, height)), np.float32)


def _without_border(frames: Sequence[Frame]) -> tuple[list[Frame], Box]:
    """Return the frames without their flat borders and where that part lies; none when there is no
    border.
    """
    stack = np.stack([canonical(frame) for frame in frames[:: max(1, len(frames) // 4)]])
    rows = np.flatnonzero(stack.std(axis=2).max(axis=0) > 2.0)
    columns = np.flatnonzero(stack.std(axis=1).max(axis=0) > 2.0)
    if rows.size < 2 or columns.size < 2:
        return [], _WHOLE
    height, width = frames[0].shape[:2]
    scale = CANONICAL_SHORT_SIDE / min(height, width)
    top, bottom = int(np.ceil(rows[0] / scale)), int((rows[-1] + 1) / scale)
    left, right = int(np.ceil(columns[0] / scale)), int((columns[-1] + 1) / scale)
    if (top + height - bottom) < 0.02 * height and (left + width - right) < 0.02 * width:
        return [], _WHOLE
    inner = [_usable(frame[top:bottom, left:right]) for frame in frames]
    box = (top / height, left / width, bottom / height, right / width)
    return [frame for frame in inner if frame is not None], box


def _within(reading: PictureReading | None, roi: Box, factor: float = 1.0) -> PictureReading | None:
    """Return the reading as one of the part `roi`, whose short side is 1/factor canonical ones."""
    if reading is None or reading.geometry is None:
        return reading
    geometry = replace(
        reading.geometry,
        scale_y=reading.geometry.scale_y * factor,
        scale_x=reading.geometry.scale_x * factor,
        roi=roi,
    )
    return replace(reading, geometry=geometry)
