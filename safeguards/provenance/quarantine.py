"""Quarantine: a stranger's file is opened in a process of its own, which may die of it.

The child gets the file's bytes and the public trust list, never a key, an address or a folder; it
shuts itself into the sandbox before it parses anything, under limits on memory and time. What
comes back is text and pixels, never objects. A child that was taken over can lie about the
credential, so nothing it says is called exact without the log's digest, which the parent computes.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from primafacie.generator.child import Child, Wire, wire_from_arguments
from primafacie.generator.errors import EngineError
from primafacie.safeguards.errors import MediaError
from primafacie.safeguards.provenance.jumbf import Structure
from primafacie.safeguards.provenance.manifest import Anchor, Presence, RawReading, TrustList
from primafacie.safeguards.provenance.media import Film, FilmLimits, Frame

MAX_FILE = 256 * 1024 * 1024
MAX_MEMORY = 4 * 1024**3
_MAX_PIXELS = 4096 * 4096
_MAX_SAMPLES = 48_000 * 600


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the child found. film is None when the file could not be read as media; why says so.

    implicit_label: the JSON of GB 45438-2025 as it stands in the file, or an empty text."""

    raw: RawReading
    film: Film | None
    why: str = ""
    sandbox: str = "none"
    implicit_label: str = ""


def inspect(data: bytes, trust: TrustList, limits: FilmLimits, deadline: float) -> Inspection:
    """Open the file in a child; raises MediaError when it is too large, too slow or kills it."""
    if len(data) > MAX_FILE:
        raise MediaError(f"files over {MAX_FILE // 1024**2} MiB are not examined")
    child = Child(__name__)
    watchdog = threading.Timer(deadline, child.stop)
    watchdog.daemon = True
    watchdog.start()
    try:
        child.wire.send_json({**_order(trust, limits), "seconds": int(deadline) + 1})
        child.wire.send(data)
        return _receive(child.wire, deadline, limits)
    except EngineError as error:
        raise MediaError("the file could not be opened within the limits") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MediaError("the file made its reader misbehave") from error
    finally:
        watchdog.cancel()
        child.stop()


def _order(trust: TrustList, limits: FilmLimits) -> dict[str, Any]:
    def plain(anchors: tuple[Anchor, ...]) -> list[list[str]]:
        return [[a.uri, a.pem.decode()] for a in anchors]

    return {"claim": plain(trust.claim), "time": plain(trust.time), "limits": asdict(limits)}


def _receive(wire: Wire, deadline: float, limits: FilmLimits) -> Inspection:
    answer = wire.receive_json(deadline, MAX_FILE)
    raw, tag = _raw(answer["raw"]), str(answer["implicit_label"])[:5000]
    if answer["film"] is None:
        return Inspection(raw, None, str(answer["why"])[:200], str(answer["sandbox"]), tag)
    told = answer["film"]
    shapes = [(int(h), int(w)) for h, w in told["shapes"]]
    samples = int(told["samples"])
    if len(shapes) > limits.frames or not 0 <= samples <= _MAX_SAMPLES:
        raise MediaError("the file made its reader misbehave")
    frames = tuple(_frame(wire, shape, deadline) for shape in shapes)
    sound = np.frombuffer(wire.receive(deadline, 4 * samples), np.float32)
    if len(sound) != samples:
        raise MediaError("the file made its reader misbehave")
    film = Film(
        width=int(told["width"]),
        height=int(told["height"]),
        fps=float(told["fps"]),
        duration=float(told["duration"]),
        format=str(told["format"])[:60],
        frames=frames,
        sound=np.nan_to_num(sound),
        has_sound=bool(told["has_sound"]),
        notes=tuple(str(note)[:200] for note in told["notes"][:10]),
        times=tuple(float(time) for time in told["times"]),
    )
    if len(film.times) != len(frames):
        raise MediaError("the file made its reader misbehave")
    return Inspection(raw, film, "", str(answer["sandbox"]), tag)


def _frame(wire: Wire, shape: tuple[int, int], deadline: float) -> Frame:
    height, width = shape
    if height <= 0 or width <= 0 or height * width > _MAX_PIXELS:
        raise MediaError("the file made its reader misbehave")
    data = wire.receive(deadline, height * width * 3)
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def _raw(told: Mapping[str, Any]) -> RawReading:
    structure = told["structure"]
    return RawReading(
        presence=Presence(told["presence"]),
        state=str(told["state"]),
        report=str(told["report"]),
        crjson=str(told["crjson"]),
        structure=None if structure is None else _structure(structure),
        problem=str(told["problem"])[:300],
    )


def _structure(told: Mapping[str, Any]) -> Structure:
    def texts(name: str) -> tuple[str, ...]:
        return tuple(str(x) for x in told[name])

    return Structure(
        boxes=texts("boxes"),
        brands=texts("brands"),
        manifest_sha256=str(told["manifest_sha256"]),
        leaf_usages=texts("leaf_usages"),
        serials=texts("serials"),
        oddities=texts("oddities"),
    )


# in the child ----------------------------------------------------------------------------------


def main() -> None:
    """Receive one file, say what is in it, end."""
    from primafacie.generator import sandbox

    wire = wire_from_arguments()
    level = sandbox.enter()
    order = wire.receive_json()
    _limit(int(order["seconds"]))
    _answer(wire, wire.receive(), order, str(level))


def _limit(seconds: int) -> None:
    """No more memory, processor time, files or children than reading one file takes."""
    wishes = (
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_FSIZE, 0),
    )
    for kind, amount in wishes:
        with contextlib.suppress(ValueError, OSError):  # a lower hard limit is as good
            resource.setrlimit(kind, (amount, amount))


def _answer(wire: Wire, data: bytearray, order: Mapping[str, Any], level: str) -> None:
    import io

    from primafacie.safeguards.provenance.manifest import Credentials
    from primafacie.safeguards.provenance.media import read_film, read_implicit_label, sniff

    trust = TrustList(
        tuple(Anchor(uri, pem.encode()) for uri, pem in order["claim"]),
        tuple(Anchor(uri, pem.encode()) for uri, pem in order["time"]),
    )
    file = bytes(data)
    mime = sniff(file)
    raw = Credentials(trust).inspect(file, mime) if mime else RawReading(Presence.ABSENT)
    film, why, tag = None, "this kind of file is not known", ""
    try:
        film = read_film(io.BytesIO(file), FilmLimits(**order["limits"]))
        tag = read_implicit_label(io.BytesIO(file))
    except MediaError as error:
        why = str(error)
    told = {"raw": asdict(raw), "film": _told(film), "why": why, "sandbox": level}
    wire.send_json({**told, "implicit_label": tag})
    if film is not None:
        for frame in film.frames:
            wire.send(frame.data)
        wire.send(film.sound.data)


def _told(film: Film | None) -> dict[str, Any] | None:
    if film is None:
        return None
    skipped = {"frames", "sound"}
    told = {f.name: getattr(film, f.name) for f in fields(film) if f.name not in skipped}
    told["shapes"] = [frame.shape[:2] for frame in film.frames]
    told["samples"] = len(film.sound)
    return told


if __name__ == "__main__":
    main()
    sys.exit(0)
