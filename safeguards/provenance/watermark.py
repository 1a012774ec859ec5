"""The invisible mark in picture and sound: what may be laid, what may be read, and which schemes
there are.

A mark says *which asset* this is, authenticated under a secret key. It proves neither authenticity
nor, by its absence, anything at all. Content binding (`fingerprint`) is what tells a moved mark
from a marked picture.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.lattice_pattern import (
    PICTURE_FORMAT,
    PICTURE_SCHEME,
    LatticePattern,
)
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
    SoundReading,
)
from primafacie.safeguards.provenance.residual import Frame
from primafacie.safeguards.provenance.schemes.lattice import (
    LatticeMarker,
    PicturePlan,
    StrengthGoal,
)
from primafacie.safeguards.provenance.schemes.lattice_sound import (
    SOUND_FORMAT,
    SoundPattern,
    find_sound,
    lay_sound,
)
from primafacie.safeguards.provenance.schemes.lattice_sound import SOUND_SCHEME as SOUND_SCHEME

__all__ = [
    "SCHEME",
    "SCHEMES",
    "SOUND_SCHEME",
    "Geometry",
    "MarkKeys",
    "MarkStatus",
    "PictureMarker",
    "PicturePlan",
    "PictureReading",
    "Preset",
    "Scheme",
    "SoundReading",
    "mark_sound",
    "parse_soft_binding",
    "read_picture",
    "read_sound",
    "soft_binding_value",
]

SCHEME = PICTURE_SCHEME

_BINDING = struct.Struct(">QH")
Sound = npt.NDArray[np.float32]

Preset = Literal["robust", "standard", "hd"]

PRESETS: dict[Preset, StrengthGoal] = {
    "robust": StrengthGoal(start_db=42.5, needed=26.0, plenty=44.0, calm=0.0),
    "standard": StrengthGoal(start_db=49.5, needed=17.0, plenty=17.5, calm=0.2),
    "hd": StrengthGoal(start_db=50.5, needed=17.0, plenty=17.5, calm=0.2),
}


class PictureReader(Protocol):
    """Reads one scheme. Never raises, gives a number only if its tag verified, keeps no state."""

    def __call__(
        self, frames: Sequence[Frame], keys: Sequence[MarkKeys], deep: bool, /
    ) -> PictureReading: ...


@dataclass(frozen=True, slots=True)
class Scheme:
    """One registered way of marking; `alg`, its C2PA soft binding name, is never reused."""

    alg: str
    medium: Literal["picture", "sound"]
    number_bits: int
    tag_bits: int


SCHEMES = (
    Scheme(SCHEME, "picture", PICTURE_FORMAT.number_bits, PICTURE_FORMAT.tag_bits),
    Scheme(SOUND_SCHEME, "sound", SOUND_FORMAT.number_bits, SOUND_FORMAT.tag_bits),
)


class PictureMarker:
    """Marks the frames of one clip with a 56-bit asset number; refuses, and never skips, what it
    cannot mark.
    """

    def __init__(self, keys: MarkKeys, asset_number: int, preset: Preset = "robust") -> None:
        goal = PRESETS.get(preset)
        if goal is None:
            raise MarkError("there is no such watermark preset")
        self._marker = LatticeMarker(_pattern(keys), asset_number, goal)

    def plan(self, first_frames: Sequence[Frame]) -> PicturePlan:
        """See `LatticeMarker.plan`; needs about half a second for pictures of 512 pixels."""
        return self._marker.plan(first_frames)

    def apply(self, frame: Frame) -> Frame:
        """See `LatticeMarker.apply`."""
        return self._marker.apply(frame)


def read_picture(
    frames: Iterable[object], keys: Sequence[MarkKeys], *, deep: bool = False
) -> PictureReading:
    """Return what the frames carry under any of the keys; never raises, whatever the frames are.

    One frame is enough; of more, up to sixteen spread over the whole are used. `deep` also undoes
    rotations up to 10.8 degrees and looks at parts of the picture, which takes some seconds.
    Every scheme ever laid is tried, the newest first; the first to read wins, else the first to
    see a pattern.
    """
    kept = list(sample(frames, FRAMES_READ))
    readings = []
    for read in PICTURE_READERS.values():
        readings.append(read(kept, keys, deep))
        if readings[-1].status is MarkStatus.READ:
            return readings[-1]
    return next((one for one in readings if one.status is MarkStatus.PRESENT), readings[0])


def soft_binding_value(asset_number: int, epoch: int) -> bytes:
    """Return the value of a C2PA soft binding for this scheme: number (8 bytes) and epoch (2), big
    endian.
    """
    if not 0 <= asset_number < 1 << PICTURE_FORMAT.number_bits or not 0 <= epoch <= 0xFFFF:
        raise MarkError("the asset number or epoch does not fit a soft binding")
    return _BINDING.pack(asset_number, epoch)


def parse_soft_binding(value: bytes) -> tuple[int, int]:
    """Return (asset number, epoch) of `soft_binding_value`; raises `MarkError` on anything else."""
    if len(value) != _BINDING.size:
        raise MarkError("this soft binding is not one of ours")
    number, epoch = _BINDING.unpack(value)
    if number >= 1 << PICTURE_FORMAT.number_bits:
        raise MarkError("this soft binding is not one of ours")
    return int(number), int(epoch)


def mark_sound(pcm: Sound, rate: int, keys: MarkKeys, asset_number: int) -> Sound:
    """Return the sound (M,) with the low 32 bits of the asset number under it; same length and
    rate.

    See `lay_sound` for what is promised. Raises `MarkError` when the sound cannot carry the mark.
    """
    number = asset_number & ((1 << SOUND_FORMAT.number_bits) - 1)
    return lay_sound(pcm, rate, _sound_pattern(keys), number).pcm


def read_sound(
    pcm: object, rate: int, keys: Sequence[MarkKeys], *, deep: bool = False
) -> SoundReading:
    """Return what a sound (M,) carries under any of the keys; never raises. Two seconds of speech
    are enough. `deep` also finds sounds that play up to two per cent too fast or too slow, which
    takes about a second for each key.
    """
    return find_sound(pcm, rate, [_sound_pattern(each) for each in keys], deep=deep)


def _read_lattice(frames: Sequence[Frame], keys: Sequence[MarkKeys], deep: bool) -> PictureReading:
    effort = Effort.DEEP if deep else Effort.USUAL
    return LatticeSearch([_pattern(each) for each in keys]).read(frames, effort)


@lru_cache(maxsize=128)
def _pattern(keys: MarkKeys) -> LatticePattern:
    return LatticePattern(keys)


@lru_cache(maxsize=128)
def _sound_pattern(keys: MarkKeys) -> SoundPattern:
    return SoundPattern(keys)


# A scheme keeps its line for ever: what was marked once must stay readable.
PICTURE_READERS: dict[str, PictureReader] = {SCHEME: _read_lattice}
