"""What this machine has, what is missing, and the remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from primafacie.generator.registry import Chosen
from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import FaceWeights

BOX = (
    "import json; from primafacie.generator import sandbox; "
    "print(json.dumps({'level': sandbox.enter(), 'blocked': sandbox.probe()}), flush=True)"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ok None: there or not, nothing depends on it."""

    name: str
    ok: bool | None
    text: str


def survey(weights: FaceWeights | None, landmarks: Chosen) -> tuple[Finding, ...]:
    """Graphics card, codecs, sandbox and models. weights: an operator's face recogniser. landmarks:
    what finds the points of a face. Imports no torch and takes about a second."""
    return (_card(), *_codecs(), _sandbox(), _landmarks(landmarks), *_models(weights))


def _card() -> Finding:
    found = sorted(Path("/dev").glob("nvidia[0-9]*"))
    text = f"{len(found)} NVIDIA device(s)" if found else "none; the built-in engine needs none"
    return Finding("graphics card", None, text)


def _codecs() -> Iterator[Finding]:
    import av

    for name in ("libx264", "aac"):
        try:
            av.codec.Codec(name, "w")
            yield Finding(f"codec {name}", True, "in the installed PyAV")
        except av.FFmpegError:
            yield Finding(f"codec {name}", False, "missing: reinstall PyAV from its wheel")


def _sandbox() -> Finding:
    """The level, and whether what it claims to block is blocked, tried in a child."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", BOX], capture_output=True, text=True, timeout=60, check=False
    )
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return Finding("sandbox", False, "the sandbox could not be tried")
    leaks = [name for name, blocked in told["blocked"].items() if not blocked]
    if told["level"] == "enforced" and not leaks:
        return Finding("sandbox", True, "enforced: files, network and system calls")
    remedy = "production needs Linux 6.7 or newer with Landlock, and libseccomp2"
    return Finding("sandbox", None, f"{told['level']}, lets through: {', '.join(leaks)}; {remedy}")


def _recogniser(weights: FaceWeights | None) -> Finding:
    from primafacie.safeguards.identify import DlibEmbedder, checked

    if weights is None:
        return Finding(
            "face recogniser", True, f"dlib, {DlibEmbedder().model[:30]}…: public domain"
        )
    try:
        checked(weights)
    except FaceError as error:
        return Finding("face recogniser", False, f"{error}: correct face_weights")
    text = (
        f"facenet-pytorch, {weights.model[:32]}…: the operator's weights, match distance "
        f"{weights.match_distance}; no rate was measured by us"
    )
    return Finding("face recogniser", True, text)


def _landmarks(chosen: Chosen) -> Finding:
    from primafacie.generator.errors import EngineError
    from primafacie.generator.registry import landmarker

    try:
        info = landmarker(chosen, chosen.read()).info
    except EngineError as error:
        return Finding("landmarks", False, f"{error}: correct face_points")
    return Finding("landmarks", True, f"{info.name}@{info.sha256[:12]}…: {info.licence}")


def _models(weights: FaceWeights | None) -> Iterator[Finding]:
    try:
        yield _recogniser(weights)
    except (FaceError, OSError) as error:
        yield Finding("face models", False, f"{error}: install face_recognition_models")
    from primafacie.generator.speech import net, vad

    yield Finding("speech model", True, f"speech.npz@{net.default().sha256[:12]}…: Apache-2.0")
    yield Finding("voice activity", True, f"{vad.weights_path().name}: MIT")
    yield Finding("speaker check", None, "none: a voice is admitted by its clip's digest or as "
                  "declared synthetic")  # fmt: skip
