"""Inspector: looks at uploaded photos and clips in a sandboxed child, before anything is decided.

Uploads are foreign bytes; decoders and detectors run where they can harm nothing. The parent
keeps the numbers that come back and does all comparing itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.child import Child, Wire, wire_from_arguments
from primafacie.generator.errors import EngineError, VoiceError
from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import FaceTemplate, Likeness, nearest

START_DEADLINE: Final = 120.0
LOOK_DEADLINE: Final = 120.0
ENROLMENT_FRAMES: Final = 5
#: Enrolment pictures farther than this from their mean do not show one person.
ENROLMENT_SPREAD: Final = 0.50

Gallery = Sequence[tuple[str, FaceTemplate]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A Sighting as it came over the wire."""

    faces_a: int
    faces_b: int
    problems: tuple[str, ...]
    model: str
    vector: NDArray[np.float32] | None = field(repr=False)
    generator_mark: str

    def likeness(
        self, subject_id: str, gallery: Gallery, never_me: Sequence[FaceTemplate]
    ) -> Likeness:
        """Whose face it is, or nobody's, against everybody enrolled and the never-me list."""
        if self.vector is None:
            return Likeness(self.faces_a, self.faces_b, self.problems, model=self.model,
                            generator_mark=self.generator_mark)  # fmt: skip
        found = nearest(self.vector, self.model, subject_id, gallery)
        denied = nearest(self.vector, self.model, "", [("never-me", t) for t in never_me])
        return Likeness(
            faces_a=self.faces_a,
            faces_b=self.faces_b,
            problems=self.problems,
            distance=found.own,
            best=found.best,
            margin=found.margin,
            other_distance=found.other,
            deny_distance=denied.other,
            model=self.model,
            generator_mark=self.generator_mark,
        )


class Inspector:
    """Starts its child on first use, keeps it warm, and replaces it when it fails.

    A child that crashes or hangs over an upload makes that upload a bad one; it never makes it a
    good one. Not thread-safe.
    """

    def __init__(self) -> None:
        self._child: Child | None = None
        self.sandbox = ""

    def photo(self, data: bytes) -> Seen:
        """What two detectors and the recogniser see in a photo. Never raises for a bad photo."""
        try:
            answer = self._ask({"look": "photo"}, data)
            vector = answer["vector"]
            return Seen(
                faces_a=int(answer["faces_a"]),
                faces_b=int(answer["faces_b"]),
                problems=tuple(str(p) for p in answer["problems"]),
                model=str(answer["model"]),
                vector=None if vector is None else np.asarray(vector, np.float32),
                generator_mark=str(answer["generator_mark"]),
            )
        except (EngineError, KeyError, TypeError, ValueError):
            self.close()
            problem = "the photo broke the program that looks at it; use another file"
            return Seen(0, 0, (problem,), "", None, "")

    def voice(self, data: bytes, max_seconds: int) -> int:
        """Milliseconds of a usable voice clip. Raises VoiceError, which says what is wrong."""
        try:
            answer = self._ask({"look": "voice", "max_seconds": max_seconds}, data)
            if "error" in answer:
                raise VoiceError(str(answer["error"]))
            return int(answer["ms"])
        except (EngineError, KeyError, TypeError, ValueError) as error:
            self.close()
            raise VoiceError("the clip broke the program that listens to it") from error

    def enrol(self, photos: Sequence[bytes]) -> FaceTemplate:
        """The mean template of at least five good photos of one person.

        Raises FaceError with a sentence when a photo is not good enough, or when the photos do
        not all show the same person.
        """
        if len(photos) < ENROLMENT_FRAMES:
            raise FaceError(f"at least {ENROLMENT_FRAMES} photos are needed")
        seen = [self.photo(photo) for photo in photos]
        for number, one in enumerate(seen, 1):
            if one.faces_a != 1 or one.faces_b != 1 or one.vector is None or one.problems:
                why = "; ".join(one.problems) or "it must show exactly one face"
                raise FaceError(f"photo {number} cannot be used: {why}")
        vectors = np.stack([one.vector for one in seen if one.vector is not None])
        mean = vectors.mean(0).astype(np.float32)
        spread = np.linalg.norm(vectors - mean, axis=1)
        if float(spread.max()) > ENROLMENT_SPREAD:
            odd = int(spread.argmax()) + 1
            raise FaceError(f"photo {odd} does not seem to show the same person as the others")
        return FaceTemplate(seen[0].model, len(seen), mean)

    def close(self) -> None:
        """Stop the child; the next look starts another."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _ask(self, question: dict[str, Any], data: bytes) -> dict[str, Any]:
        if self._child is None or not self._child.alive:
            self._child = Child("primafacie.safeguards.inspector")
            self.sandbox = str(self._child.wire.receive_json(START_DEADLINE)["sandbox"])
        wire = self._child.wire
        wire.send_json(question)
        wire.send(data)
        return wire.receive_json(LOOK_DEADLINE)


# --- the child's side -----------------------------------------------------------------------------


def _serve(wire: Wire) -> None:
    from primafacie.generator import sandbox

    wire.send_json({"sandbox": str(sandbox.enter())})
    while True:
        question = wire.receive_json()
        data = bytes(wire.receive())
        if question.get("look") == "photo":
            wire.send_json(_look(data))
        else:
            wire.send_json(_listen(data, int(question["max_seconds"])))


def _look(data: bytes) -> dict[str, Any]:
    from primafacie.safeguards.identify import identify

    seen = identify(data)
    return {
        "faces_a": seen.faces_a,
        "faces_b": seen.faces_b,
        "problems": list(seen.problems),
        "model": seen.model,
        "vector": None if seen.vector is None else [float(x) for x in seen.vector],
        "generator_mark": seen.generator_mark,
    }


def _listen(data: bytes, max_seconds: int) -> dict[str, Any]:
    from primafacie.generator.voice import decode

    try:
        return {"ms": round(decode(data, longest=max_seconds).duration * 1000)}
    except VoiceError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    try:
        _serve(wire_from_arguments())
    except EngineError:  # the gate hung up
        os._exit(0)
