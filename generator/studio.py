"""Studio.perform(permit, photo, voice, params) -> UnsealedClip: the sole entry to the generator.

The studio is a child process in a sandbox. It holds public keys and a ledger of spent permits;
it opens no file and no connection. What it sends back are a sound track and frames, one by one,
while it draws; they never touch a disk.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.child import Child, Wire, wire_from_arguments
from primafacie.generator.clip import UnsealedClip
from primafacie.generator.engine import MotionEngine, RenderEngine
from primafacie.generator.errors import (
    EngineError,
    GeneratorError,
    PermitError,
    PortraitError,
    VoiceError,
)
from primafacie.generator.info import EngineInfo, Weights
from primafacie.generator.landmarks import Landmarker
from primafacie.generator.permit import Permit, PermitLock
from primafacie.generator.read_ahead import ReadAhead
from primafacie.generator.registry import Ensemble, landmarker, motion_engine, render_engine

START_DEADLINE: Final = 120.0  # seconds for a cold start, imports included
WORK_DEADLINE: Final = 300.0  # seconds until the first frame
FRAME_DEADLINE: Final = 60.0  # seconds between frames
SLOWEST: Final = 1.0  # seconds a frame may take on average, beyond one FRAME_DEADLINE
BUILT_IN: Final = Ensemble()
LARGEST_MOTION: Final = 32 * 1024 * 1024  # bytes of a motion file
LARGEST_SOUND: Final = 512 * 1024 * 1024  # bytes of a sound track
LARGEST_WORD: Final = 1 << 20  # bytes of anything it says in JSON
_ERRORS: Final[dict[str, type[GeneratorError]]] = {
    e.__name__: e for e in (PermitError, PortraitError, VoiceError, EngineError)
}


@dataclass(frozen=True, slots=True)
class StudioTrust:
    """What a studio is told at its start: public keys, its own name, where its ledger lies, and
    which engines perform."""

    permit_keys: tuple[tuple[str, bytes], ...]
    log_vkeys: tuple[str, ...]
    audience: str
    ledger: Path
    engines: Ensemble = BUILT_IN

    def lock_in(self) -> dict[str, Any]:
        """As a JSON object for the child."""
        return {
            "permit_keys": {k: base64.b64encode(v).decode() for k, v in self.permit_keys},
            "log_vkeys": list(self.log_vkeys),
            "audience": self.audience,
            "ledger": str(self.ledger),
            "engines": self.engines.to_json(),
        }


class Studio:
    """A studio that starts on first use, performs once, and is replaced by a fresh one.

    One performance, one child: a photo that takes the child over cannot draw anything for anybody
    after it. The next one starts when this one is over. Not thread-safe: one performance at a
    time.
    """

    def __init__(self, trust: StudioTrust, must_hold: bool) -> None:
        """must_hold: refuse to work unless the kernel enforces the sandbox (production)."""
        self._trust = trust
        self._must_hold = must_hold
        self._child: Child | None = None
        self._ahead: ReadAhead | None = None
        self._used = False
        self.sandbox = ""

    def perform(self, permit: Permit, photo: bytes, voice: bytes, params: bytes) -> UnsealedClip:
        """Spend the permit and perform.

        Raises PermitError when the lock stays shut, PortraitError or VoiceError when the material
        cannot be used, EngineError when the performance breaks off. The permit is spent in every
        case but the first.
        """
        self.let_go()
        wire = self._open()
        self._used = True
        try:
            wire.send_json(_permit_to_json(permit))
            for part in (photo, voice, params):
                wire.send(part)
            head = wire.receive_json(WORK_DEADLINE, LARGEST_WORD)
            _raise_refusal(head)
        except GeneratorError:
            self.renew()
            raise
        return self._clip(wire, head)

    def _clip(self, wire: Wire, head: dict[str, Any]) -> UnsealedClip:
        try:
            width, height, count = int(head["width"]), int(head["height"]), int(head["frames"])
            fps = float(head["fps"])
            engines, report = _pairs(head["engines"]), _pairs(head["report"])
            if not (0 < width <= 4096 and 0 < height <= 4096 and 0 < count <= 10**6):
                raise EngineError("the studio announced an impossible clip")
            sound = np.frombuffer(wire.receive(FRAME_DEADLINE, LARGEST_SOUND), np.float32)
            motion = bytes(wire.receive(FRAME_DEADLINE, LARGEST_MOTION))
        except (KeyError, TypeError, ValueError, EngineError) as error:
            self._over(wire)
            raise EngineError("the studio's answer could not be understood") from error
        return UnsealedClip(
            width=width,
            height=height,
            fps=fps,
            frame_count=count,
            frames=self._frames(wire, (height, width, 3), count),
            sound=sound,
            engines=engines,
            report=report,
            motion=motion,
        )

    def _frames(
        self, wire: Wire, shape: tuple[int, int, int], count: int
    ) -> Iterator[NDArray[np.uint8]]:
        """The frames; they are fetched from now on, not from when the first is asked for."""
        size = shape[0] * shape[1] * shape[2]
        patience = FRAME_DEADLINE + SLOWEST * count  # what waiting for it may come to in all

        def fetch() -> bytearray:
            nonlocal patience
            begun = time.monotonic()
            data = wire.receive(min(FRAME_DEADLINE, patience), max(size, LARGEST_WORD))
            patience -= time.monotonic() - begun
            return data

        self._ahead = ReadAhead(fetch, count + 1)
        return self._shown(wire, self._ahead, shape, count)

    def _shown(
        self, wire: Wire, ahead: ReadAhead, shape: tuple[int, int, int], count: int
    ) -> Iterator[NDArray[np.uint8]]:
        try:
            for number, data in enumerate(ahead):
                if number == count or len(data) != shape[0] * shape[1] * shape[2]:
                    word = _json_or_empty(data)
                    _raise_refusal(word)
                    if number < count or not word:
                        raise EngineError("the studio sent a frame of the wrong size")
                    return
                yield np.frombuffer(data, np.uint8).reshape(shape)
        finally:
            ahead.stop()
            self._over(wire)

    def start(self) -> None:
        """Start the child, if there is none, and let it load while we do something else."""
        if self._child is None or not self._child.alive:
            self._child = self._spawn()
            self._used, self.sandbox = False, ""

    def renew(self) -> None:
        """End the child that has seen a photo; the next one has seen none."""
        self.close()
        self.start()

    def let_go(self) -> None:
        """End a performance that is not over: frames that nobody asks for are never over, because
        a generator that was not started has no end either."""
        if self._used:
            self.renew()

    def _over(self, wire: Wire) -> None:
        """This performance is over; nothing is started where the studio was closed meanwhile."""
        if self._child is not None and self._child.wire is wire:
            self.renew()

    def warm(self) -> str:
        """Wait until a child that saw nothing is ready; the level of its sandbox."""
        self.let_go()
        self._open()
        return self.sandbox

    def _spawn(self) -> Child:
        """A child that was told whom to trust before it shuts itself in."""
        child = Child("primafacie.generator.studio")
        with contextlib.suppress(EngineError):  # one that is gone already is found out when asked
            child.wire.send_json(self._trust.lock_in())
        return child

    def _open(self) -> Wire:
        self.start()
        assert self._child is not None
        wire = self._child.wire
        if not self.sandbox:
            hello = wire.receive_json(START_DEADLINE, LARGEST_WORD)
            _raise_refusal(hello)
            self.sandbox = str(hello.get("sandbox", "none"))
        if self._must_hold and self.sandbox != "enforced":
            self.close()
            raise EngineError("the studio's sandbox is not enforced on this machine")
        return wire

    def close(self) -> None:
        """Stop the child and what reads from it; the next performance starts another."""
        if self._ahead is not None:
            self._ahead.stop()
        if self._child is not None:
            self._child.stop()
        self._ahead = self._child = None
        self._used = False


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(text)) for name, text in value)


def _permit_to_json(permit: Permit) -> dict[str, str]:
    return {
        "envelope": base64.b64encode(permit.envelope).decode(),
        "leaf": base64.b64encode(permit.leaf).decode(),
        "proof": permit.proof,
    }


def _permit_from_json(head: dict[str, Any]) -> Permit:
    try:
        return Permit(
            envelope=base64.b64decode(head["envelope"], validate=True),
            leaf=base64.b64decode(head["leaf"], validate=True),
            proof=str(head["proof"]),
        )
    except (KeyError, TypeError, binascii.Error, ValueError) as error:
        raise PermitError("there is no permit") from error


def _raise_refusal(head: dict[str, Any]) -> None:
    if "error" in head:
        family = _ERRORS.get(str(head["error"]), EngineError)
        raise family(str(head.get("message", "the studio failed")))


def _json_or_empty(data: bytes | bytearray) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


# --- the child's side -----------------------------------------------------------------------------


def _serve(wire: Wire) -> None:
    """Shut the box, then perform once, if a good permit comes."""
    from primafacie.generator import sandbox
    from primafacie.generator.ledger import Ledger

    trust = wire.receive_json()
    ledger = Ledger(Path(trust["ledger"]))
    try:
        chosen = Ensemble.from_json(trust["engines"])
        parts = chosen.motion, chosen.render, chosen.landmarks
        files = [part.read() for part in parts]  # the last files read by name
        level = sandbox.enter()
        engines = motion_engine(chosen.motion, files[0]), render_engine(chosen.render, files[1])
        finder = landmarker(chosen.landmarks, files[2])
    except EngineError as error:
        wire.send_json({"error": "EngineError", "message": str(error)})
        return
    lock = PermitLock(
        permit_keys={k: base64.b64decode(v) for k, v in trust["permit_keys"].items()},
        log_vkeys=tuple(trust["log_vkeys"]),
        audience=trust["audience"],
        spent=ledger,
    )
    _load()
    wire.send_json({"sandbox": str(level)})
    head = wire.receive_json()
    work = (bytes(wire.receive()), bytes(wire.receive()), bytes(wire.receive()))
    try:
        _perform(wire, lock, _permit_from_json(head), work, engines, finder, str(level))
    except GeneratorError as error:
        wire.send_json({"error": type(error).__name__, "message": str(error)})
    except Exception as error:  # the kind may be told, the contents may hold the material
        wire.send_json({"error": "EngineError", "message": f"the studio failed: "
                        f"{type(error).__name__}"})  # fmt: skip
    wire.receive()  # stay until the gate hangs up: what was sent last must arrive


def _load() -> None:
    """Import the rest before the first permit comes: two minutes are all a permit has."""
    from primafacie.generator.exports import export  # noqa: F401
    from primafacie.generator.faces import find_faces

    find_faces(np.zeros((64, 64, 3), np.uint8))


def _perform(
    wire: Wire, lock: PermitLock, permit: Permit, work: tuple[bytes, bytes, bytes],
    engines: tuple[MotionEngine, RenderEngine], finder: Landmarker, level: str,
) -> None:  # fmt: skip
    photo, voice, params = work
    admission = lock.spend(permit, photo, voice, params)
    try:
        from primafacie.generator.controls import Controls
        from primafacie.generator.exports import export
        from primafacie.generator.portrait import Portrait
        from primafacie.generator.voice import decode

        claims = admission.claims
        controls = Controls.from_params(params)
        if controls.size > claims.maxWidth:
            raise PermitError("the picture asked for is larger than the permit allows")
        spoken = decode(voice, longest=claims.maxSeconds)
        portrait = Portrait.from_bytes(photo, finder)
        motion, render = engines
        track = motion.drive(admission, spoken, controls)
        avatar = render.prepare(admission, portrait, controls)
        frames = render.render(admission, avatar, track)
        wire.send_json(
            {
                "width": avatar.width,
                "height": avatar.height,
                "fps": track.fps,
                "frames": len(track),
                "engines": [[e.info.name, e.info.version] for e in (render, motion)],
                "report": [
                    ["sandbox", level],
                    *_report((render.info, motion.info), portrait.landmarker, track.notes),
                ],
            }
        )
        wire.send(np.ascontiguousarray(spoken.native, np.float32).view(np.uint8).data)
        wire.send(export.write(track, controls.motion) if controls.motion else b"")
        shape = (avatar.height, avatar.width, 3)
        for frame in frames:
            if frame.shape != shape or frame.dtype != np.uint8:
                raise EngineError("the engine drew a frame of another size or kind")
            wire.send(np.ascontiguousarray(frame).reshape(-1).data)
        wire.send_json({"end": True})
    finally:
        admission.close()


def _report(
    engines: tuple[EngineInfo, ...], landmarks: Weights, notes: tuple[str, ...]
) -> list[list[str]]:
    lines = [[f"licence.{e.name}", e.licence] for e in engines]
    for weights in (landmarks, *(w for e in engines for w in e.weights)):
        lines.append([f"weights.{weights.name}", f"{weights.sha256} {weights.licence}"])
    lines += [[f"note.{number}", note] for number, note in enumerate(notes)]
    return [[_plain(key).lower().replace(" ", "-"), _plain(value)] for key, value in lines]


def _plain(text: str) -> str:
    """At most 200 printable ASCII characters: reports end up in credentials and logs."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:200]


if __name__ == "__main__":
    try:
        _serve(wire_from_arguments())
    except EngineError:  # the gate hung up
        os._exit(0)
