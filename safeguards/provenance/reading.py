"""What a reader of marks found: a status, a number only if its tag verified, and how sure that is.

An absent mark means *unknown*, never *authentic* and never *not generated*: marks can be removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MarkStatus(StrEnum):
    """`read`: the payload's tag verified. `present`: our pattern is there, its payload is not
    readable.
    """

    READ = "read"
    PRESENT = "present"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the read picture lies with respect to the marked one.

    A point (y, x) of the marked picture, in units of its short side, is found again after, in this
    order, transposition, flips, rotation by `rotation_deg` (counter-clockwise) about the centre,
    and a stretch by `scale_y`, `scale_x`: the marked picture's short side is that many short sides
    of the read part long. `shift_y`, `shift_x` (fractions of the marked short side) say which
    point lies in the read part's upper left corner, known only up to multiples of `period`. The
    read part is `roi` (top, left, bottom, right as fractions of the read picture), mostly the
    whole. A picture marked below 448 pixels has a pattern 1.6 times as wide, so its scales come
    out 1.6 times too large and its shifts too small; only the registry knows.
    """

    scale_y: float = 1.0
    scale_x: float = 1.0
    shift_y: float = 0.0
    shift_x: float = 0.0
    flip_y: bool = False
    flip_x: bool = False
    transposed: bool = False
    rotation_deg: float = 0.0
    period: float = 0.0
    roi: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class PictureReading:
    """What the pictures carry. `asset_number` (56 bits) and `epoch` are set if and only if status
    is `read`.

    `confidence` is the pilot correlation in standard deviations, `correlation` that of the whole
    code word (0 when unread), `bound` an upper bound on the chance that pictures without our mark
    give this status.
    """

    status: MarkStatus
    asset_number: int | None = None
    epoch: int | None = None
    confidence: float = 0.0
    correlation: float = 0.0
    bound: float = 1.0
    geometry: Geometry | None = None
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class PictureSpan:
    """One reading for the time from `start_s` to `end_s` (seconds from the first frame given)."""

    start_s: float
    end_s: float
    reading: PictureReading


@dataclass(frozen=True, slots=True)
class SoundReading:
    """What the sound carries: `sound_number` is the low 32 bits of the asset number, set only when
    `read`.

    `speed` is the factor by which the sound was found to play faster than when it was marked.
    """

    status: MarkStatus
    sound_number: int | None = None
    epoch: int | None = None
    confidence: float = 0.0
    correlation: float = 0.0
    bound: float = 1.0
    speed: float = 1.0
    scheme: str = ""
