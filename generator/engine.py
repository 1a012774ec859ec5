"""What an engine is: voice in, motion out; motion and a portrait in, frames out.

Engines come in two halves so that any motion can drive any face. They receive an Admission, the
proof that the permit lock was opened for exactly this photo and voice, and must check it. They
return arrays only; marking, encoding and signing happen elsewhere, so no engine can emit a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import Controls
from primafacie.generator.info import EngineInfo
from primafacie.generator.motion import MotionTrack

if TYPE_CHECKING:
    from primafacie.generator.permit import Admission
    from primafacie.generator.portrait import Portrait
    from primafacie.generator.voice import Voice


class MotionEngine(Protocol):
    """Promises: same voice, controls and seed give the same track; one frame per 1/fps second,
    ceil(duration x fps) in all; coefficients in range; lips sealed on p, b and m."""

    info: EngineInfo

    def drive(self, admission: Admission, voice: Voice, controls: Controls) -> MotionTrack: ...


class RenderEngine(Protocol):
    """Promises: frames are uint8 RGB (H, W, 3), even sides, one per track frame, in order; the
    still track gives the photo back exactly; nothing is written or fetched."""

    info: EngineInfo

    def prepare(self, admission: Admission, portrait: Portrait, controls: Controls) -> Any: ...

    def render(
        self, admission: Admission, avatar: Any, track: MotionTrack
    ) -> Iterator[NDArray[np.uint8]]: ...
