"""Registry: which engines there are, which one an installation uses, and the files they run on.

Engines come from this package or from any installed package that names them in the entry-point
group `primafacie.engines`. An entry point is a factory: it gets the bytes of the file its operator
registered, or b"", and returns a MotionEngine or a RenderEngine. The operator chooses, not the
request: what an installation draws with is decided once, stands in the facts of every decision as
`name` or `name@sha256`, and needs a rule that approves it.

A factory is called inside the studio's box, after its file was read and its digest compared, so a
package can neither open a file nor a connection while it loads.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, cast

from primafacie.generator.engine import MotionEngine, RenderEngine
from primafacie.generator.errors import EngineError
from primafacie.generator.landmarks import (
    DLIB_68,
    FACE_MESH,
    DlibLandmarker,
    Landmarker,
    MeshLandmarker,
)

GROUP: Final = "primafacie.engines"
#: What this package brings: name -> module and factory.
BUILT_IN: Final[Mapping[str, str]] = {
    "speech-motion": "primafacie.generator.engines.speech_motion:speech_motion",
    "photo-warp": "primafacie.generator.engines.photo_warp.engine:photo_warp",
    "recorded-motion": "primafacie.generator.engines.recorded_motion:recorded_motion",
    "onnx-animation": "primafacie.generator.engines.onnx_animation:onnx_animation",
}
LARGEST_FILE: Final = 4 * 1024**3
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Factory = Callable[[bytes, str, str], Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine by name and, where it runs on a file (weights, a recording), that file by its
    sha256 with its licence. Raises EngineError for a file without digest or licence."""

    name: str
    file: str = ""
    sha256: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise EngineError("an engine's name has small letters, digits, dots and hyphens")
        if self.file and not (_SHA256.fullmatch(self.sha256) and self.licence.strip()):
            raise EngineError(f"the file of engine {self.name} needs its sha256 and its licence")
        if not self.file and (self.sha256 or self.licence):
            raise EngineError(f"engine {self.name} has a digest or a licence, but no file")

    @property
    def identity(self) -> str:
        """What rules call it: its name, with the digest of its file."""
        return f"{self.name}@{self.sha256}" if self.sha256 else self.name

    def read(self) -> bytes:
        """The registered file's bytes, b"" without one. Raises EngineError when it is gone or is
        not the one that was registered."""
        if not self.file:
            return b""
        try:
            path = Path(self.file)
            if path.stat().st_size > LARGEST_FILE:
                raise EngineError(f"the file of engine {self.name} is too large")
            data = path.read_bytes()
        except OSError as error:
            raise EngineError(f"the file of engine {self.name} cannot be read") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise EngineError(f"the file of engine {self.name} is not the one that was registered")
        return data


SPEECH_MOTION: Final = Chosen("speech-motion")
PHOTO_WARP: Final = Chosen("photo-warp")
DLIB: Final = Chosen(DLIB_68)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The two engines an installation performs with, and what finds a face's points for them."""

    motion: Chosen = SPEECH_MOTION
    render: Chosen = PHOTO_WARP
    landmarks: Chosen = DLIB

    @property
    def identities(self) -> tuple[str, ...]:
        """By the names that rules know: the renderer, the movement, and a landmarker that is not
        the one this package brings."""
        own = self.landmarks == DLIB
        return (self.render.identity, self.motion.identity,
                *(() if own else (self.landmarks.identity,)))  # fmt: skip

    def to_json(self) -> dict[str, dict[str, str]]:
        """For the studio's child."""
        return {
            "motion": asdict(self.motion),
            "render": asdict(self.render),
            "landmarks": asdict(self.landmarks),
        }

    @classmethod
    def from_json(cls, value: Any) -> Ensemble:
        """What `to_json` gave."""
        return cls(*(Chosen(**value[part]) for part in ("motion", "render", "landmarks")))


def known() -> tuple[str, ...]:
    """The names of every engine that is installed; nothing is imported."""
    return tuple(sorted({*BUILT_IN, *(e.name for e in entry_points(group=GROUP))}))


def motion_engine(chosen: Chosen, data: bytes) -> MotionEngine:
    """The engine, made from its file's bytes. Raises EngineError when there is none of this name
    or it is not what it says."""
    return cast(MotionEngine, _made(chosen, data, ("drive",)))


def render_engine(chosen: Chosen, data: bytes) -> RenderEngine:
    """The same for the half that draws."""
    return cast(RenderEngine, _made(chosen, data, ("prepare", "render")))


def landmarker(chosen: Chosen, data: bytes) -> Landmarker:
    """What finds the points of a face, made from its file's bytes. Raises EngineError when there
    is none of this name, or the file is none of its kind."""
    if chosen == DLIB:
        return DlibLandmarker()
    if chosen.name != FACE_MESH or not data:
        raise EngineError(f"landmarks are found by {DLIB_68}, or by {FACE_MESH} with its file")
    return MeshLandmarker(data, chosen.licence)


def _made(chosen: Chosen, data: bytes, parts: tuple[str, ...]) -> Any:
    engine = _factory(chosen.name)(data, chosen.sha256, chosen.licence)
    if not all(callable(getattr(engine, part, None)) for part in parts):
        raise EngineError(f"engine {chosen.name} cannot {' and '.join(parts)}")
    if engine.info.name != chosen.name:
        raise EngineError(f"engine {chosen.name} calls itself {engine.info.name}")
    if chosen.sha256 and chosen.sha256 not in {w.sha256 for w in engine.info.weights}:
        raise EngineError(f"engine {chosen.name} does not report the file it was given")
    return engine


def _factory(name: str) -> Factory:
    if name in BUILT_IN:
        module, _, factory = BUILT_IN[name].partition(":")
        return cast(Factory, getattr(import_module(module), factory))
    found = [e for e in entry_points(group=GROUP) if e.name == name]
    if len(found) != 1:
        raise EngineError(f"there is no engine named {name}" if not found else
                          f"several packages bring an engine named {name}")  # fmt: skip
    return cast(Factory, found[0].load())
