"""Which seconds of a film are ours, and which parts of its picture: for edited and mixed material.

A whole film is read from a few frames spread over it, which finds nothing where one second in ten
is ours. Here every second is looked at: first where marks are laid, which is cheap; if no second
reads, a few of them are searched; a geometry found anywhere is tried everywhere. The borders of
what was found are then set frame by frame, by the pilots at the geometry already known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from primafacie.safeguards.errors import MediaError
from primafacie.safeguards.provenance.lattice_pattern import LatticePattern
from primafacie.safeguards.provenance.lattice_search import (
    FRAMES_READ,
    Effort,
    LatticeSearch,
    sample,
)
from primafacie.safeguards.provenance.mark_keys import MarkKeys
from primafacie.safeguards.provenance.reading import (
    Geometry,
    MarkStatus,
    PictureReading,
    PictureSpan,
)
from primafacie.safeguards.provenance.residual import Frame

if TYPE_CHECKING:
    from primafacie.safeguards.provenance.manifest import TrustList

_SEARCHED = 6  # seconds of a film that are searched for cropped, turned or scaled marks
_OURS_Z = 4.8  # pilots of one frame at a known place: chance gives that once in 10^5 frames
_FILM_FRAMES, _FILM_SIDE = 300, 360  # what a child may hold: 300 frames, 360 pixels high
_PART = 0.5  # of each side
_CORNERS = (0.0, 0.5)


@dataclass(frozen=True, slots=True)
class PicturePart:
    """One reading for a part of the picture: top, left, bottom, right as shares of its sides."""

    box: tuple[float, float, float, float]
    reading: PictureReading


def read_spans(
    frames: Sequence[object], fps: float, keys: Sequence[MarkKeys], *, window_s: float = 1.0
) -> tuple[PictureSpan, ...]:
    """Return what each stretch of a clip carries, without gaps, from frames `fps` to the second.

    Borders are exact to a frame where the marked material is at least `window_s` long. Never
    raises.
    """
    patterns = [LatticePattern(each) for each in keys]
    length = max(1, round(window_s * fps)) if fps > 0 and window_s > 0 else max(1, len(frames))
    starts = list(range(0, len(frames), length))
    windows = [frames[at : at + length] for at in starts]
    readings = [_glance(window, patterns) for window in windows]
    if patterns and not any(_tells(one) for one in readings):
        for at in _spread(len(windows), _SEARCHED):
            readings[at] = LatticeSearch(patterns).read(windows[at], Effort.QUICK)
    for geometry, pattern in _known(readings, patterns):
        for at, window in enumerate(windows):
            if not _tells(readings[at]):
                readings[at] = LatticeSearch([pattern]).read_at(window, geometry)
    owners = [at for at, window in enumerate(windows) for _ in window]
    _move_borders(frames, readings, owners, patterns)
    return tuple(_joined(readings, owners, max(fps, 1e-6)))


def read_parts(frames: Sequence[object], keys: Sequence[MarkKeys]) -> tuple[PicturePart, ...]:
    """Return every different number that the picture, its halves and its quarters carry.

    Finds two marked videos shown side by side or one inside the other; takes up to nine searches.
    Never raises.
    """
    patterns = [LatticePattern(each) for each in keys]
    kept = sample(frames, FRAMES_READ)
    found: dict[int, PicturePart] = {}
    for box in _boxes():
        reading = LatticeSearch(patterns).read(_cut(kept, box), Effort.QUICK)
        if reading.asset_number is not None:
            found.setdefault(reading.asset_number, PicturePart(box, reading))
    return tuple(found.values())


def film_spans(
    data: bytes, trust: TrustList, keys: Sequence[MarkKeys], deadline: float = 60.0
) -> tuple[PictureSpan, ...]:
    """Return `read_spans` of a foreign film, which is opened in a child that never sees a key.

    Up to 300 frames are looked at, every one of a film with no more; of longer ones the borders
    are as exact as the frames looked at lie apart. Raises `MediaError` when it cannot be opened.
    """
    from primafacie.safeguards.provenance.media import FilmLimits
    from primafacie.safeguards.provenance.quarantine import inspect

    limits = FilmLimits(frames=_FILM_FRAMES, sample_side=_FILM_SIDE, sound_seconds=1.0)
    film = inspect(data, trust, limits, deadline).film
    if film is None or not film.frames:
        raise MediaError("no picture of this file could be read")
    seconds = film.duration or len(film.frames) / max(film.fps, 1.0)
    return read_spans(film.frames, len(film.frames) / max(seconds, 1e-3), keys)


def _glance(window: Sequence[object], patterns: Sequence[LatticePattern]) -> PictureReading:
    return LatticeSearch(patterns).read(window, Effort.GLANCE)


def _tells(reading: PictureReading) -> bool:
    return reading.status is not MarkStatus.NONE


def _spread(count: int, most: int) -> list[int]:
    """Return up to `most` of 0..count-1, from the middle outwards in even steps."""
    return sorted(set(np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist()))


def _known(
    readings: Sequence[PictureReading], patterns: Sequence[LatticePattern]
) -> Iterator[tuple[Geometry, LatticePattern]]:
    """Yield each geometry that read, once, with the pattern it read under."""
    seen: set[tuple[float, ...]] = set()
    for one in list(readings):
        if one.asset_number is None or one.geometry is None or one.geometry.rotation_deg:
            continue
        place = (round(one.geometry.scale_y, 2), round(one.geometry.scale_x, 2))
        if place not in seen and len(seen) < 4:
            seen.add(place)
            yield one.geometry, next(p for p in patterns if p.keys.epoch == one.epoch)


def _move_borders(
    frames: Sequence[object],
    readings: Sequence[PictureReading],
    owners: list[int],
    patterns: Sequence[LatticePattern],
) -> None:
    """Give frames next to a reading window to it, or take them from it, one by one."""
    for at, reading in enumerate(readings):
        if reading.asset_number is None or reading.geometry is None:
            continue
        pattern = next(p for p in patterns if p.keys.epoch == reading.epoch)
        first = owners.index(at) if at in owners else None
        if first is None:
            continue
        last = len(owners) - 1 - owners[::-1].index(at)
        before = at == 0 or not _same(readings[at - 1], reading)
        after = at == len(readings) - 1 or not _same(readings[at + 1], reading)
        if before:
            _move(frames, readings, owners, reading, pattern, first, -1)
        if after:
            _move(frames, readings, owners, reading, pattern, last, 1)


def _move(
    frames: Sequence[object],
    readings: Sequence[PictureReading],
    owners: list[int],
    reading: PictureReading,
    pattern: LatticePattern,
    edge: int,
    step: int,
) -> None:
    """Walk from the edge of a window outwards while frames are of it, else inwards while not."""
    mine = owners[edge]

    def ours(index: int) -> bool:
        assert reading.geometry is not None
        search = LatticeSearch([pattern])
        return search.z_at(frames[index : index + 1], reading.geometry) >= _OURS_Z

    at = edge + step
    while 0 <= at < len(owners) and not _same(readings[owners[at]], reading) and ours(at):
        if readings[owners[at]].asset_number is not None:
            break
        owners[at] = mine
        at += step
    neighbour = edge + step
    if at != neighbour or not 0 <= neighbour < len(owners):
        return
    inside, other = edge, owners[neighbour]
    while 0 <= inside < len(owners) and owners[inside] == mine and not ours(inside):
        owners[inside] = other
        inside -= step


def _joined(
    readings: Sequence[PictureReading], owners: Sequence[int], fps: float
) -> Iterator[PictureSpan]:
    """Yield spans of neighbouring frames with the same finding, the surest reading for each."""
    start = 0
    key = [(readings[o].status, readings[o].asset_number) for o in owners]
    for _, group in groupby(range(len(owners)), key=lambda i: key[i]):
        indices = list(group)
        best = max((readings[owners[i]] for i in indices), key=lambda one: one.confidence)
        yield PictureSpan(start / fps, (indices[-1] + 1) / fps, best)
        start = indices[-1] + 1


def _same(one: PictureReading, other: PictureReading) -> bool:
    return (one.status, one.asset_number) == (other.status, other.asset_number)


def _boxes() -> list[tuple[float, float, float, float]]:
    """The whole, its halves, its quarters."""
    halves = [(0.0, 0.0, 1.0, _PART), (0.0, _PART, 1.0, 1.0), (0.0, 0.0, _PART, 1.0),
              (_PART, 0.0, 1.0, 1.0)]  # fmt: skip
    quarters = [(y, x, y + _PART, x + _PART) for y in _CORNERS for x in _CORNERS]
    return [(0.0, 0.0, 1.0, 1.0), *halves, *quarters]


def _cut(frames: Sequence[Frame], box: tuple[float, float, float, float]) -> list[Frame]:
    if not frames:
        return []
    height, width = frames[0].shape[:2]
    down = slice(int(box[0] * height), int(box[2] * height))
    across = slice(int(box[1] * width), int(box[3] * width))
    return [frame[down, across] for frame in frames]
