"""UnsealedClip: frames and sound on their way to the seal. It cannot be saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

SOUND_RATE = 48_000


@dataclass(slots=True)
class UnsealedClip:
    """A finished performance that nobody may see yet.

    `frames` yields `frame_count` uint8 RGB pictures (height, width, 3), once. `sound` is float32
    mono at 48 kHz in [-1, 1]. `engines` are (name, version), the renderer first. `report` says
    what else made it: weights, licences, sandbox level, notes, as (name, value) in plain ASCII.
    The clip can be neither pickled nor printed in full, so that no error report, cache or
    debugger carries an unmarked frame off. `motion` is the movement as a file in the format that
    was asked for, without any statement in it; b"" when none was.
    """

    width: int
    height: int
    fps: float
    frame_count: int
    frames: Iterator[NDArray[np.uint8]] = field(repr=False)
    sound: NDArray[np.float32] = field(repr=False)
    engines: tuple[tuple[str, str], ...] = ()
    report: tuple[tuple[str, str], ...] = ()
    motion: bytes = field(default=b"", repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an unsealed clip cannot be saved")
