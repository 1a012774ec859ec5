"""Conformance: what every engine must do, tried on any engine, in the studio's own box.

The checks run in a child process that is shut in as the studio is, with an admission from a
rehearsal. An engine that passes takes an admission first and ends with it, gives what its interface
says, keeps its word about determinism and the still track, and needs no file, program or
connection. Whether it looks good is the benchmark's part.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.child import Child, Wire, wire_from_arguments
from primafacie.generator.controls import Controls
from primafacie.generator.engine import MotionEngine, RenderEngine
from primafacie.generator.errors import EngineError, GeneratorError, PermitError
from primafacie.generator.motion import ARKIT_52, MotionTrack, still
from primafacie.generator.permit import Admission
from primafacie.generator.registry import Ensemble, landmarker, motion_engine, render_engine
from primafacie.generator.rehearsal import rehearse

DEADLINE: Final = 300.0
_FRAMES: Final = 6
_RATE: Final = 16_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing an engine must do, whether it did, and how it failed."""

    engine: str
    promise: str
    kept: bool
    text: str = ""


def conformance(ensemble: Ensemble, picture: bytes) -> tuple[Finding, ...]:
    """Try both engines. picture: a portrait of 512 x 512 pixels that shows one face.

    Raises EngineError when an engine cannot even be made, or breaks the process, and where this is
    no source checkout: see rehearsal.
    """
    child = Child("primafacie.generator.conformance")
    try:
        child.wire.send_json(
            {"engines": ensemble.to_json(), "picture": base64.b64encode(picture).decode()}
        )
        said = child.wire.receive_json(DEADLINE)
    finally:
        child.stop()
    if "error" in said:
        raise EngineError(str(said["error"]))
    return tuple(Finding(**finding) for finding in said["findings"])


# --- the child's side -----------------------------------------------------------------------------


def _serve(wire: Wire) -> None:
    from primafacie.generator import sandbox
    from primafacie.generator.portrait import Portrait

    told = wire.receive_json()
    chosen = Ensemble.from_json(told["engines"])
    try:
        files = [part.read() for part in (chosen.motion, chosen.render, chosen.landmarks)]
        rehearse()  # found before the box is shut
        level = sandbox.enter()
        motion = motion_engine(chosen.motion, files[0])
        render = render_engine(chosen.render, files[1])
        finder = landmarker(chosen.landmarks, files[2])
        portrait = Portrait.from_bytes(base64.b64decode(told["picture"]), finder)
    except GeneratorError as error:
        wire.send_json({"error": str(error)})
        return
    findings = [*_motion_findings(motion), *_render_findings(render, portrait)]
    shut = all(sandbox.probe().values()) if level == sandbox.Level.ENFORCED else True
    findings.append(Finding("both", f"works in the box ({level})", shut))
    wire.send_json(
        {"findings": [{"engine": f.engine, "promise": f.promise, "kept": f.kept, "text": f.text}
                      for f in findings]}
    )  # fmt: skip


def _admit(controls: Controls) -> Admission:
    return rehearse().admit(b"", b"", controls)


def _tried(engine: str, promise: str, attempt: Callable[[], bool]) -> Finding:
    try:
        return Finding(engine, promise, attempt())
    except Exception as error:  # whatever it raises, it did not keep its word
        return Finding(engine, promise, False, f"{type(error).__name__}: {str(error)[:200]}")


def _refuses(act: Callable[[Any], Any], controls: Controls) -> bool:
    """Does it raise PermitError for nothing, for something that only looks right, and for an
    admission that has ended?"""
    ended = _admit(controls)
    ended.close()
    for forged in (None, object(), ended):
        try:
            act(forged)
        except PermitError:
            continue
        return False
    return True


def _motion_findings(engine: MotionEngine) -> Iterator[Finding]:
    from primafacie.generator.voice import from_pcm

    name, controls = engine.info.name, Controls(seed=7)
    voice = from_pcm(_hum(1.3), _RATE)

    def drive(chosen: Controls) -> MotionTrack:
        return engine.drive(_admit(chosen), voice, chosen)

    yield _tried(name, "takes an admission first", lambda: _refuses(
        lambda a: engine.drive(a, voice, controls), controls))  # fmt: skip
    for fps in (25, 60):
        wanted = int(np.ceil(voice.duration * fps - 1e-6))
        yield _tried(name, f"gives ceil(duration x {fps}) frames",
                     lambda w=wanted, f=fps: len(drive(Controls(fps=f))) == w)  # type: ignore[misc] # fmt: skip
    yield _tried(name, "keeps ARKit's 52 coefficients between 0 and 1", lambda: _in_range(
        drive(controls)))  # fmt: skip
    if engine.info.deterministic:
        yield _tried(name, "same voice, controls and seed give the same track",
                     lambda: _same(drive(controls), drive(controls)))  # fmt: skip


def _in_range(track: MotionTrack) -> bool:
    coeffs = track.coeffs
    return bool(coeffs.shape[1] == len(ARKIT_52) and coeffs.min() >= 0 and coeffs.max() <= 1)


def _same(a: MotionTrack, b: MotionTrack) -> bool:
    pairs = ((a.pose, b.pose), (a.gaze, b.gaze), (a.coeffs, b.coeffs))
    return all(np.array_equal(x, y) for x, y in pairs)


def _render_findings(engine: RenderEngine, portrait: Any) -> Iterator[Finding]:
    name, controls = engine.info.name, Controls(size=256)
    avatar = engine.prepare(_admit(controls), portrait, controls)

    def frames(track: MotionTrack, of: Any = avatar) -> list[NDArray[np.uint8]]:
        return list(engine.render(_admit(controls), of, track))

    yield _tried(name, "prepares nothing without an admission", lambda: _refuses(
        lambda a: engine.prepare(a, portrait, controls), controls))  # fmt: skip
    yield _tried(name, "draws nothing without an admission", lambda: _refuses(
        lambda a: list(engine.render(a, avatar, still(1))), controls))  # fmt: skip
    yield _tried(name, "ends with its admission", lambda: _ends(engine, avatar, controls))
    yield _tried(name, "gives one uint8 RGB frame of the announced size for each of the track's",
                 lambda: _shaped(frames(_speech()), avatar, controls.size))  # fmt: skip
    if engine.info.deterministic:
        yield _tried(name, "same track gives the same bytes", lambda: all(
            np.array_equal(a, b)
            for a, b in zip(frames(_speech()), frames(_speech()), strict=True)))  # fmt: skip
    if engine.info.exact:
        whole = Controls(size=512, crop="full")
        yield _tried(name, "a still track gives the photo back", lambda: np.array_equal(
            frames(still(1), engine.prepare(_admit(whole), portrait, whole))[0],
            portrait.photo))  # fmt: skip


def _ends(engine: RenderEngine, avatar: Any, controls: Controls) -> bool:
    admission = _admit(controls)
    drawn = iter(engine.render(admission, avatar, still(100)))
    next(drawn)
    admission.close()
    try:
        return sum(1 for _ in drawn) == 0
    except PermitError:
        return True


def _shaped(frames: list[NDArray[np.uint8]], avatar: Any, size: int) -> bool:
    shape = (avatar.height, avatar.width, 3)
    even = avatar.height % 2 == 0 and avatar.width % 2 == 0
    right = all(f.shape == shape and f.dtype == np.uint8 for f in frames)
    return bool(right and even and min(shape[:2]) == size and len(frames) == _FRAMES)


def _speech() -> MotionTrack:
    """Six frames in which everything moves a little."""
    track = still(_FRAMES)
    wave = np.sin(np.arange(_FRAMES))[:, None]
    pose = track.pose + wave * np.array([3, 2, 1, 0.01, 0.01, 0.01])
    coeffs = np.repeat(0.3 * np.abs(wave), len(ARKIT_52), 1)
    return MotionTrack(
        25.0, pose.astype(np.float32), np.repeat(wave, 2, 1).astype(np.float32),
        coeffs.astype(np.float32),
    )  # fmt: skip


def _hum(seconds: float) -> NDArray[np.float32]:
    """Something like a voice: harmonics of 120 Hz in syllables."""
    t = np.arange(int(seconds * _RATE)) / _RATE
    tone = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    return np.asarray(0.1 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)), np.float32)


if __name__ == "__main__":
    try:
        _serve(wire_from_arguments())
    except EngineError:  # the caller hung up
        os._exit(0)
