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
from primafacie.generator.faces import find_faces
from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import FaceTemplate, Likeness, nearest
from primafacie.safeguards.identify import DlibEmbedder, count_hog, identify, screen

MODULE: Final = "primafacie.safeguards.inspector"
START_DEADLINE: Final = 120.0
LOOK_DEADLINE: Final = 120.0
DIMENSIONS: Final = 128
MOST_FACES: Final = 10_000
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
    aspect: float = 1.0  # longer side over shorter side

    def likeness(
        self, subject_id: str, gallery: Gallery, never_me: Sequence[FaceTemplate]
    ) -> Likeness:
        """Whose face it is, or nobody's, against everybody enrolled and the never-me list."""
        if self.vector is None:
            return Likeness(self.faces_a, self.faces_b, self.problems, model=self.model,
                            generator_mark=self.generator_mark, aspect=self.aspect)  # fmt: skip
        found = nearest(self.vector, self.model, subject_id, gallery)
        denied = nearest(self.vector, self.model, "", [("never-me", t) for t in never_me])
        incomparable = any(t.model != self.model for t in never_me)  # then nobody can be sure
        return Likeness(
            faces_a=self.faces_a,
            faces_b=self.faces_b,
            problems=self.problems,
            distance=found.own,
            best=found.best,
            margin=found.margin,
            other_distance=found.other,
            deny_distance=0.0 if incomparable else denied.other,
            model=self.model,
            generator_mark=self.generator_mark,
            aspect=self.aspect,
        )


class Inspector:
    """Starts its child on first use and replaces it when it fails.

    A child that crashes or hangs over an upload makes that upload a bad one; it never makes it a
    good one. `renew` before each request keeps an upload that takes the child over from judging
    anybody else's. Which model may answer is the parent's knowledge. Not thread-safe.
    """

    def __init__(self, must_hold: bool) -> None:
        """must_hold: refuse to work unless the kernel enforces the sandbox (production)."""
        self._child: Child | None = None
        self._spare: Child | None = None
        self._must_hold = must_hold
        self._used = self._greeted = False
        self.sandbox = ""
        self.model = DlibEmbedder().model

    def renew(self) -> None:
        """Let the next look be taken by a child that has seen no upload yet. Another one loads
        its models meanwhile, so that this rarely means waiting."""
        if self._child is not None and self._child.alive and not self._used:
            return
        if self._child is not None:
            self._child.stop()
        ready = self._spare is not None and self._spare.alive
        self._child, self._spare = (self._spare if ready else Child(MODULE)), None
        self._used = self._greeted = False

    def photo(self, data: bytes) -> Seen:
        """What two detectors and the recogniser see in a photo. Never raises for a bad photo."""
        try:
            answer = self._ask({"look": "photo"}, data)
            return _seen(answer, self.model)
        except (EngineError, KeyError, TypeError, ValueError):
            self._drop()
            problem = "the photo broke the program that looks at it; use another file"
            return Seen(0, 0, (problem,), self.model, None, "")

    def voice(self, data: bytes, max_seconds: int) -> int:
        """Milliseconds of a usable voice clip. Raises VoiceError, which says what is wrong."""
        try:
            answer = self._ask({"look": "voice", "max_seconds": max_seconds}, data)
            if "error" in answer:
                raise VoiceError(str(answer["error"]))
            return int(answer["ms"])
        except (EngineError, KeyError, TypeError, ValueError) as error:
            self._drop()
            raise VoiceError("the clip broke the program that listens to it") from error

    def enrol(self, photos: Sequence[bytes], least: int = ENROLMENT_FRAMES) -> FaceTemplate:
        """The mean template of good photos of one person, at least `least` of them. Fewer than
        five are too few to tell people apart; they serve self-declared subjects alone.

        Raises FaceError with a sentence when a photo is not good enough, or when the photos do
        not all show the same person.
        """
        if len(photos) < max(1, least):
            raise FaceError(f"at least {max(1, least)} photos are needed")
        self.renew()
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
        """Stop the children; the next look starts others."""
        for child in (self._child, self._spare):
            if child is not None:
                child.stop()
        self._child = self._spare = None

    def _drop(self) -> None:
        """End a child that failed; the spare will take its place."""
        if self._child is not None:
            self._child.stop()

    def _ask(self, question: dict[str, Any], data: bytes) -> dict[str, Any]:
        if self._child is None or not self._child.alive:
            self._used = True
            self.renew()
        assert self._child is not None
        wire = self._child.wire
        if not self._greeted:
            self.sandbox = str(wire.receive_json(START_DEADLINE)["sandbox"])
            self._greeted = True
        if self._must_hold and self.sandbox != "enforced":
            raise EngineError("the inspector's sandbox is not enforced on this machine")
        if self._spare is None:
            self._spare = Child(MODULE)
        self._used = True
        wire.send_json(question)
        wire.send(data)
        return wire.receive_json(LOOK_DEADLINE)


def _seen(answer: dict[str, Any], model: str) -> Seen:
    """The child's answer, held against what an honest child can say. Raises ValueError."""
    vector = answer["vector"]
    counts = int(answer["faces_a"]), int(answer["faces_b"])
    aspect = float(answer["aspect"])
    if not all(0 <= count <= MOST_FACES for count in counts) or not 1.0 <= aspect <= 64.0:
        raise ValueError("an impossible count")
    if vector is not None:
        vector = np.asarray(vector, np.float32)
        if vector.shape != (DIMENSIONS,) or not bool(np.isfinite(vector).all()):
            raise ValueError("an impossible descriptor")
    if str(answer["model"]) != model:
        raise ValueError("another model than the one in use")
    problems = tuple(str(p)[:300] for p in answer["problems"])[:20]
    mark = str(answer["generator_mark"])[:40]
    return Seen(counts[0], counts[1], problems, model, vector, mark, aspect)


# --- the child's side -----------------------------------------------------------------------------


def _serve(wire: Wire) -> None:
    from primafacie.generator import sandbox

    level = sandbox.enter()
    _warm()
    wire.send_json({"sandbox": str(level)})
    while True:
        question = wire.receive_json()
        data = bytes(wire.receive())
        if question.get("look") == "photo":
            wire.send_json(_look(data))
        else:
            wire.send_json(_listen(data, int(question["max_seconds"])))


def _warm() -> None:
    """Load the models before the first upload comes, while the parent does something else."""
    blank = np.zeros((64, 64, 3), np.uint8)
    find_faces(blank)
    count_hog(blank)
    screen(blank)


def _look(data: bytes) -> dict[str, Any]:
    seen = identify(data)
    return {
        "faces_a": seen.faces_a,
        "faces_b": seen.faces_b,
        "problems": list(seen.problems),
        "model": seen.model,
        "vector": None if seen.vector is None else [float(x) for x in seen.vector],
        "generator_mark": seen.generator_mark,
        "aspect": seen.aspect,
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
