"""Export: a MotionTrack as a file of one of three formats, and the signed word inside it.

`write` makes the content, without any signature; `attach` puts a signed statement into it where
readers of the format skip it; `detach` takes it out again and gives the very bytes that were
signed. Each format has exactly one place for it, so a file cannot carry two statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from primafacie.generator.errors import EngineError
from primafacie.generator.exports import gltf, live_link, motion_json
from primafacie.generator.motion import MotionTrack

FORMATS: Final = ("json", "csv", "glb")
LARGEST: Final = 64 * 1024 * 1024
LONGEST_STATEMENT: Final = 16_384


@dataclass(frozen=True, slots=True)
class _Format:
    write: Callable[[MotionTrack], bytes]
    attach: Callable[[bytes, bytes], bytes]
    detach: Callable[[bytes], tuple[bytes, bytes]]


_KNOWN: Final[Mapping[str, _Format]] = {
    "json": _Format(motion_json.write, motion_json.attach, motion_json.detach),
    "csv": _Format(live_link.write, live_link.attach, live_link.detach),
    "glb": _Format(gltf.write, gltf.attach, gltf.detach),
}


def write(track: MotionTrack, form: str) -> bytes:
    """The track as a file of this format. Raises EngineError for an unknown one."""
    return _known(form).write(track)


def attach(content: bytes, form: str, statement: bytes) -> bytes:
    """The content with an ASCII JSON statement in it. Raises EngineError for content that `write`
    did not make, or a statement longer than LONGEST_STATEMENT."""
    if not 0 < len(statement) <= LONGEST_STATEMENT or not statement.isascii():
        raise EngineError("the statement of a motion file is too long or not plain")
    whole = _known(form).attach(content, statement)
    if _known(form).detach(whole) != (content, statement):
        raise EngineError("the statement would not come out of the motion file as it went in")
    return whole


def detach(data: bytes) -> tuple[str, bytes, bytes]:
    """(format, content, statement) of a motion file; the statement is b"" when there is none.

    Raises EngineError for bytes that are no motion file of ours.
    """
    if len(data) > LARGEST:
        raise EngineError("the motion file is too large")
    form = form_of(data)
    content, statement = _known(form).detach(data)
    if len(statement) > LONGEST_STATEMENT:
        raise EngineError("the motion file's statement is too long")
    return form, content, statement


def form_of(data: bytes) -> str:
    """The format by the first bytes. Raises EngineError for another kind of file."""
    starts = {"json": motion_json.START, "csv": live_link.START, "glb": gltf.START}
    for form, start in starts.items():
        if data.startswith(start):
            return form
    raise EngineError("this is no motion file of this program")


def _known(form: str) -> _Format:
    if form not in _KNOWN:
        raise EngineError(f"motion is written as {', '.join(FORMATS)}")
    return _KNOWN[form]
