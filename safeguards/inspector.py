"""Inspector: looks at uploaded photos and clips in a sandboxed child, before anything is decided.

Uploads are foreign bytes; decoders and detectors run where they can harm nothing. The parent
keeps the numbers that come back and does all comparing itself.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.child import Child, Wire, wire_from_arguments
from primafacie.generator.errors import EngineError, VoiceError
from primafacie.generator.faces import find_faces
from primafacie.generator.landmarks import Landmarker
from primafacie.generator.registry import DLIB, Chosen, landmarker
from primafacie.safeguards.errors import CaptureError, FaceError, VoiceprintError
from primafacie.safeguards.face import (
    UNCOMPARED,
    FaceTemplate,
    FaceWeights,
    Gallery,
    Likeness,
)
from primafacie.safeguards.identify import (
    DlibEmbedder,
    FaceEmbedder,
    checked,
    count_hog,
    describe,
    embedder_of,
    identify,
    screen,
)
from primafacie.safeguards.liveness import LONGEST, Footage
from primafacie.safeguards.speaker import DIMENSIONS as VOICE_DIMENSIONS
from primafacie.safeguards.speaker import Voiceprint, installed

if TYPE_CHECKING:
    from primafacie.safeguards.provenance.mark_keys import MarkKeys

MODULE: Final = "primafacie.safeguards.inspector"
START_DEADLINE: Final = 120.0
LOOK_DEADLINE: Final = 120.0
WATCH_DEADLINE: Final = 480.0
DIMENSIONS: Final = 128  # of dlib's descriptor
INCEPTION_DIMENSIONS: Final = 512
LARGEST_ANSWER: Final = 32 * 1024 * 1024  # bytes; the largest grey picture takes 12 million
MOST_FACES: Final = 10_000
LONGEST_GREY: Final = 16_384  # pixels per side of the picture in which marks are looked for
#: Standard deviations of the pilots in a clip; chance gives 4.2, and 5.5 once in a hundred clips.
OWN_SOUND_Z: Final = 5.5
ENROLMENT_FRAMES: Final = 5
#: Enrolment pictures farther than this from their mean do not show one person.
ENROLMENT_SPREAD: Final = 0.50
#: What an answer that is none, or that cannot be believed, raises.
_BROKEN: Final = (EngineError, KeyError, TypeError, ValueError)

Picture = NDArray[np.uint8]


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
    own_mark: str = ""  # see Likeness
    unfit: tuple[str, ...] = ()  # see Sighting
    former: Mapping[str, NDArray[np.float32]] = field(repr=False, default_factory=dict)

    def likeness(
        self,
        subject_id: str,
        gallery: Gallery,
        never_me: Sequence[FaceTemplate],
        same: frozenset[str] = frozenset(),
    ) -> Likeness:
        """Whose face it is, or nobody's, against everybody enrolled and the never-me list. same:
        subjects that a reviewer found to be the same person; they are nobody else."""
        if self.vector is None:
            return Likeness(self.faces_a, self.faces_b, self.problems, model=self.model,
                            generator_mark=self.generator_mark, aspect=self.aspect,
                            own_mark=self.own_mark)  # fmt: skip
        if gallery.model != self.model:
            raise FaceError("this gallery was made by another model")
        found = gallery.nearest(self.vector, subject_id, same)
        by = {**self.former, self.model: self.vector}
        denied = min((t.distance(by[t.model], t.model) for t in never_me if t.model in by),
                     default=2.0)  # fmt: skip
        incomparable = any(t.model not in by for t in never_me)  # then nobody can be sure
        return Likeness(
            faces_a=self.faces_a,
            faces_b=self.faces_b,
            problems=(*self.problems, UNCOMPARED) if incomparable else self.problems,
            distance=found.own,
            best=found.best,
            margin=found.margin,
            other_distance=found.other,
            deny_distance=0.0 if incomparable else min(2.0, denied),
            model=self.model,
            generator_mark=self.generator_mark,
            aspect=self.aspect,
            own_mark=self.own_mark,
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """A voice clip as it came over the wire: its length, the voice in it, and our own mark, see
    `Utterance`."""

    milliseconds: int
    voice: Voiceprint
    own_mark: str = ""


class Inspector:
    """Starts its child on first use and replaces it when it fails.

    A child that crashes or hangs over an upload makes that upload a bad one; it never makes it a
    good one. `renew` before each request keeps an upload that takes the child over from judging
    anybody else's. Which model may answer is the parent's knowledge. Not thread-safe.
    """

    def __init__(
        self,
        must_hold: bool,
        marks: Sequence[MarkKeys],
        weights: FaceWeights | None = None,
        former: Sequence[FaceWeights] = (),
        landmarks: Chosen = DLIB,
    ) -> None:
        """must_hold: refuse to work unless the kernel enforces the sandbox (production). marks: the
        watermark keys of every epoch there was; our own videos are no photos of people. weights: an
        operator's recogniser instead of dlib's. former: those used before, whose descriptions in
        the never-me list are still compared; dlib's always is. landmarks: what finds the points of
        a face in the studio, which is asked here first. Raises FaceError, or EngineError for the
        landmarks, when a file is not what was named.
        """
        if not marks:
            raise FaceError("without watermark keys our own videos would pass for photos")
        for one in (*former, *(() if weights is None else (weights,))):
            checked(one)
        landmarks.read()
        self._weights, self._landmarks = weights, landmarks
        others = former if weights is None else (None, *former)  # dlib's, where it is not in use
        self._former = tuple(one for one in dict.fromkeys(others) if one != weights)
        self._marks = tuple(marks)
        self._child: Child | None = None
        self._spare: Child | None = None
        self._must_hold = must_hold
        self._used = self._greeted = False
        self.sandbox = ""
        self.model = _model(weights)
        names = {_model(one) for one in self._former}
        self.models = frozenset({self.model, *names})  # what a never-me entry may be described by
        verifier = installed()
        self.speaker = verifier.model if verifier else ""

    def renew(self) -> None:
        """Let the next look be taken by a child that has seen no upload yet."""
        if self._child is not None and self._child.alive and not self._used:
            return
        if self._child is not None:
            self._child.stop()
        ready = self._spare is not None and self._spare.alive
        self._child, self._spare = (self._spare if ready else self._spawn()), None
        self._used = self._greeted = False

    def rest(self) -> None:
        """While nobody waits, load what the next request uses up: a child for its uploads, and
        another for the frames made of them. One that cannot be started now is tried when needed.
        """
        with contextlib.suppress(OSError):
            self.renew()
            if self._spare is None or not self._spare.alive:
                self._spare = self._spawn()

    def photo(self, data: bytes) -> Seen:
        """What two detectors and the recogniser see in a photo. Never raises for a bad photo."""
        try:
            return self._told(self._ask({"look": "photo"}, data))
        except _BROKEN:
            return self._broken()

    def both(self, photo: bytes, voice: bytes, max_seconds: int) -> tuple[Seen, Heard | str]:
        """What `photo` and `voice` say of them, the clip's error as its sentence. The child listens
        to the clip while this process looks for our own mark in the photo; what a child says of a
        clip counts for nothing once it is found to have lied about the photo."""
        try:
            answer = self._ask({"look": "photo"}, photo)
        except _BROKEN:
            return self._broken(), self._heard(voice, max_seconds)
        with ThreadPoolExecutor(1, "marks") as aside:
            told = aside.submit(self._told, answer)
            heard = self._heard(voice, max_seconds)
        try:
            return told.result(), heard
        except _BROKEN:
            return self._broken(), self._heard(voice, max_seconds)

    def _told(self, answer: dict[str, Any]) -> Seen:
        return _seen(answer, self.model, self._marks, self._weights, self._former)

    def _broken(self) -> Seen:
        self._drop()
        problem = "the photo broke the program that looks at it; use another file"
        return Seen(0, 0, (problem,), self.model, None, "")

    def _heard(self, data: bytes, max_seconds: int) -> Heard | str:
        try:
            return self.voice(data, max_seconds)
        except VoiceError as error:
            return str(error)

    def voice(self, data: bytes, max_seconds: int) -> Heard:
        """A usable voice clip. Raises VoiceError, which says what is wrong."""
        try:
            answer = self._ask({"look": "voice", "max_seconds": max_seconds}, data)
            if "error" in answer:
                raise VoiceError(str(answer["error"]))
            voice = _voiceprint(answer["voice"], self.speaker)
            return Heard(int(answer["ms"]), voice, _own_sound(answer["pcm16k"], self._marks))
        except _BROKEN as error:
            self._drop()
            raise VoiceError("the clip broke the program that listens to it") from error

    def watch(self, data: bytes, words: Sequence[str]) -> Footage:
        """What a recording of the challenge shows. Raises CaptureError, which says why not."""
        self.renew()
        try:
            answer = self._ask({"look": "film", "words": list(words)}, data, WATCH_DEADLINE)
            if "error" in answer:
                raise CaptureError(str(answer["error"])[:300])
            return _footage(answer, self.model, self.speaker, self._weights)
        except _BROKEN as error:
            self._drop()
            raise CaptureError("the recording broke the program that looks at it") from error
        finally:
            self.rest()

    def enrol(self, photos: Sequence[bytes], least: int = ENROLMENT_FRAMES) -> FaceTemplate:
        """The mean template of good photos of one person, at least `least` of them. Fewer than
        five are too few to tell people apart; they serve self-declared subjects alone.

        Raises FaceError with a sentence when a photo is not good enough, or when the photos do
        not all show the same person.
        """
        if len(photos) < max(1, least):
            raise FaceError(f"at least {max(1, least)} photos are needed")
        self.renew()
        try:
            seen = [self.photo(photo) for photo in photos]
        finally:
            self.rest()
        return _template(seen)

    def drawn(self, frames: Iterable[Picture]) -> tuple[NDArray[np.float32] | None, ...]:
        """The descriptor of the face in each of these frames (H, W, 3), None for one that does not
        show exactly one. Asked of a child that has seen no upload: neither the photo nor whatever
        drew the frames has a say in it. Raises FaceError when it gives no answer."""
        self.renew()
        try:
            return tuple(self._drawn(frame) for frame in frames)
        except _BROKEN as error:
            self._drop()
            raise FaceError("the frames broke the program that looks at them") from error

    def _drawn(self, frame: Picture) -> NDArray[np.float32] | None:
        question = {"look": "frame", "height": frame.shape[0], "width": frame.shape[1]}
        vector = self._ask(question, frame.tobytes())["vector"]
        return None if vector is None else _vectors(vector, self._weights)[0]

    def close(self) -> None:
        """Stop the children; the next look starts others."""
        for child in (self._child, self._spare):
            if child is not None:
                child.stop()
        self._child = self._spare = None

    def _spawn(self) -> Child:
        """A child that was told which recogniser to load before it shuts itself in."""
        child = Child(MODULE)
        with contextlib.suppress(EngineError):  # one that is gone already is found out when asked
            child.wire.send_json(
                {
                    "faces": [_as_named(one) for one in (self._weights, *self._former)],
                    "landmarks": asdict(self._landmarks),
                }
            )
        return child

    def _drop(self) -> None:
        """End a child that failed; the spare will take its place."""
        if self._child is not None:
            self._child.stop()

    def _ask(
        self, question: dict[str, Any], data: bytes, deadline: float = LOOK_DEADLINE
    ) -> dict[str, Any]:
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
        self._used = True
        wire.send_json(question)
        wire.send(data)
        return wire.receive_json(deadline, LARGEST_ANSWER)


class Onlooker:
    """Looks at frames while others are still drawn: `drawn` of an inspector, in a thread that ends
    with `seen` or `leave`. The inspector is its alone until then."""

    def __init__(
        self, drawn: Callable[[Iterable[Picture]], Sequence[NDArray[np.float32] | None]]
    ) -> None:
        self._shown: SimpleQueue[Picture | None] = SimpleQueue()
        self._left = False
        self._thread = ThreadPoolExecutor(1, "onlooker")
        self._answer = self._thread.submit(drawn, self._frames())

    def show(self, frame: Picture) -> None:
        """One more frame; it must not change any more."""
        self._shown.put(frame)

    def seen(self) -> Sequence[NDArray[np.float32] | None]:
        """What `drawn` says of all that were shown, or raises."""
        self._shown.put(None)
        return self._answer.result()

    def leave(self) -> None:
        """Look at no other frame, and return when the thread is over."""
        self._left = True
        self._shown.put(None)
        self._thread.shutdown()

    def _frames(self) -> Iterator[Picture]:
        while (frame := self._shown.get()) is not None and not self._left:
            yield frame


def _template(seen: Sequence[Seen]) -> FaceTemplate:
    """The mean of good photos of one person. Raises FaceError for others."""
    for number, one in enumerate(seen, 1):
        if one.own_mark:
            raise FaceError(f"photo {number} comes from a video that was made here")
        problems = tuple(dict.fromkeys((*one.problems, *one.unfit)))
        if one.faces_a != 1 or one.faces_b != 1 or one.vector is None or problems:
            why = "; ".join(problems) or "it must show exactly one face"
            raise FaceError(f"photo {number} cannot be used: {why}")
    vectors = np.stack([one.vector for one in seen if one.vector is not None])
    mean = vectors.mean(0).astype(np.float32)
    spread = np.linalg.norm(vectors - mean, axis=1)
    if float(spread.max()) > ENROLMENT_SPREAD:
        odd = int(spread.argmax()) + 1
        raise FaceError(f"photo {odd} does not seem to show the same person as the others")
    former = tuple(
        FaceTemplate(model, len(seen), np.stack([one.former[model] for one in seen]).mean(0))
        for model in seen[0].former
    )
    return FaceTemplate(seen[0].model, len(seen), mean, former)


def _model(weights: FaceWeights | None) -> str:
    """What the recogniser calls itself; None: dlib's."""
    return DlibEmbedder().model if weights is None else weights.model


def _vectors(given: Any, weights: FaceWeights | None) -> NDArray[np.float32]:
    """Descriptors (N, D) as the recogniser in use makes them. Raises ValueError for others."""
    if weights is None:
        return _numbers(given, DIMENSIONS)
    found = _numbers(given, INCEPTION_DIMENSIONS)
    lengths = np.linalg.norm(found, axis=1)
    if len(found) and float(np.abs(lengths - weights.scale).max()) > 1e-3 * weights.scale:
        raise ValueError("an impossible descriptor")
    return found


def _seen(
    answer: dict[str, Any],
    model: str,
    marks: Sequence[MarkKeys],
    weights: FaceWeights | None = None,
    former: Sequence[FaceWeights | None] = (),
) -> Seen:
    """The child's answer, held against what an honest child can say. Raises ValueError."""
    vector = answer["vector"]
    counts = int(answer["faces_a"]), int(answer["faces_b"])
    aspect = float(answer["aspect"])
    if not all(0 <= count <= MOST_FACES for count in counts) or not 1.0 <= aspect <= 64.0:
        raise ValueError("an impossible count")
    if vector is not None:
        (vector,) = _vectors(vector, weights)
        if answer["grey"] is None:  # then no mark of ours was looked for in it
            raise ValueError("a face was seen, but no picture")
    others = {}
    for one in former if vector is not None else ():
        name = _model(one)
        (others[name],) = _vectors(answer["former"][name], one)  # each of them, or it is no answer
    if str(answer["model"]) != model:
        raise ValueError("another model than the one in use")
    problems = tuple(str(p)[:300] for p in answer["problems"])[:20]
    mark = str(answer["generator_mark"])[:40]
    ours = _own_mark(answer["grey"], marks)
    unfit = tuple(str(p)[:300] for p in answer["unfit"])[:20]
    return Seen(counts[0], counts[1], problems, model, vector, mark, aspect, ours, unfit, others)


def _own_mark(grey: Any, marks: Sequence[MarkKeys]) -> str:
    """Our own mark in the picture the child reduced; see `Likeness`. Raises ValueError."""
    from primafacie.safeguards.provenance.watermark import MarkStatus, read_picture

    if grey is None:  # the picture could not be decoded, which is refused for itself
        return ""
    height, width = int(grey["height"]), int(grey["width"])
    if not 0 < height <= LONGEST_GREY or not 0 < width <= LONGEST_GREY:
        raise ValueError("an impossible picture")
    plane = np.frombuffer(base64.b64decode(grey["pixels"], validate=True), np.uint8)
    reading = read_picture([plane.reshape(height, width)], marks)
    if reading.asset_number is not None:
        return f"{reading.asset_number:014x}"
    return "" if reading.status is MarkStatus.NONE else str(reading.status)


def _own_sound(pcm16k: Any, marks: Sequence[MarkKeys]) -> str:
    """Our own mark in the sound the child decoded; see `Utterance`. Raises ValueError.

    The sound's tag has 24 bits and every piece of a clip is decoded, so a number counts only
    where the pilots stand out too: chance does both less than once in a million clips.
    """
    from primafacie.safeguards.provenance.watermark import MarkStatus, read_sound

    pcm = np.frombuffer(base64.b64decode(pcm16k, validate=True), "<i2")
    reading = read_sound(pcm, 16_000, marks, deep=True)
    if reading.sound_number is not None and reading.confidence >= OWN_SOUND_Z:
        return f"{reading.sound_number:08x}"
    return str(reading.status) if reading.status is MarkStatus.PRESENT else ""


def _voiceprint(answer: Any, model: str) -> Voiceprint:
    seconds = float(answer["seconds"])
    if not 0 <= seconds <= 3600:
        raise ValueError("an impossible length of speech")
    if answer["vector"] is None or not model:
        return Voiceprint(seconds)
    vector = _numbers(answer["vector"], VOICE_DIMENSIONS)[0]
    if str(answer["model"]) != model or abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
        raise ValueError("another voice model than the one in use")
    unity = float(answer["unity"])
    if not -1.001 <= unity <= 1.001:
        raise ValueError("an impossible likeness of voices")
    return Voiceprint(seconds, model, vector, unity)


def _footage(
    answer: dict[str, Any], model: str, speaker: str, weights: FaceWeights | None = None
) -> Footage:
    """The child's answer, held against what an honest child can say. Raises ValueError."""
    faces = tuple(int(n) for n in answer["faces"])
    seconds = float(answer["seconds"])
    if not 0 <= seconds <= LONGEST + 5 or not 0 < len(faces) <= 1000 or min(faces) < 0:
        raise ValueError("an impossible recording")
    if str(answer["model"]) != model:
        raise ValueError("another model than the one in use")
    return Footage(
        seconds=seconds,
        faces=faces,
        attitude=_numbers(answer["attitude"], 3),
        model=model,
        portraits=_vectors(answer["portraits"], weights),
        heard=bool(answer["heard"]),
        words=tuple(str(word)[:40] for word in answer["words"][:400]),
        voice=_voiceprint(answer["voice"], speaker),
        trace=_numbers(answer["trace"], 3),
        turned=_vectors(answer["turned"], weights),
    )


def _numbers(given: Any, width: int) -> NDArray[np.float32]:
    """Finite float32 (N, width). Raises ValueError for anything else."""
    found = np.asarray(given, np.float32).reshape(-1, width)
    if len(found) > 1000 or not bool(np.isfinite(found).all()):
        raise ValueError("impossible numbers")
    return found


def _as_named(weights: FaceWeights | None) -> dict[str, Any]:
    """In the first message to a child: a recogniser it is to be; {} for dlib's."""
    if weights is None:
        return {}
    path = str(weights.path.resolve())
    return {"file": path, "sha256": weights.sha256, "distance": weights.match_distance}


# --- the child's side -----------------------------------------------------------------------------


def _serve(wire: Wire) -> None:
    from primafacie.generator import sandbox

    told = wire.receive_json()
    faces, landmarks = [_named(one) for one in told["faces"]], Chosen(**told["landmarks"])
    mesh = landmarks.read()
    level = sandbox.enter(tuple(one.path for one in faces if one is not None))
    try:
        embedder, *former = [embedder_of(one) for one in faces]
    except FaceError as error:  # the parent checked the file; it is another one now
        raise EngineError(str(error)) from error
    finder = landmarker(landmarks, mesh)
    _warm()
    wire.send_json({"sandbox": str(level)})
    while True:
        question = wire.receive_json()
        data = bytes(wire.receive())
        if question.get("look") == "photo":
            wire.send_json(_look(data, embedder, former, finder))
        elif question.get("look") == "frame":
            shape = int(question["height"]), int(question["width"]), 3
            vector = describe(np.frombuffer(data, np.uint8).reshape(shape), embedder)
            wire.send_json({"vector": None if vector is None else vector.tolist()})
        elif question.get("look") == "film":
            wire.send_json(_watch(data, [str(word) for word in question["words"]], embedder))
        else:
            wire.send_json(_listen(data, int(question["max_seconds"])))


def _named(said: dict[str, Any]) -> FaceWeights | None:
    if not said:
        return None
    return FaceWeights(Path(said["file"]), str(said["sha256"]), float(said["distance"]))


def _warm() -> None:
    """Load the models before the first upload comes, while the parent does something else."""
    from primafacie.generator.voice import decode  # noqa: F401

    blank = np.zeros((64, 64, 3), np.uint8)
    find_faces(blank)
    count_hog(blank)
    screen(blank)
    installed()


def _look(
    data: bytes,
    embedder: FaceEmbedder | None = None,
    former: Sequence[FaceEmbedder] = (),
    finder: Landmarker | None = None,
) -> dict[str, Any]:
    seen = identify(data, embedder, former, finder)
    return {
        "faces_a": seen.faces_a,
        "faces_b": seen.faces_b,
        "problems": list(seen.problems),
        "model": seen.model,
        "vector": None if seen.vector is None else [float(x) for x in seen.vector],
        "generator_mark": seen.generator_mark,
        "aspect": seen.aspect,
        "unfit": list(seen.unfit),
        "former": {model: [float(x) for x in vector] for model, vector in seen.former.items()},
        "grey": None if seen.grey is None else {
            "height": seen.grey.shape[0],
            "width": seen.grey.shape[1],
            "pixels": base64.b64encode(seen.grey.tobytes()).decode(),
        },
    }  # fmt: skip


def _listen(data: bytes, max_seconds: int) -> dict[str, Any]:
    from primafacie.generator.voice import decode
    from primafacie.safeguards import speaker

    try:
        clip = decode(data, longest=max_seconds)
        return {
            "ms": round(clip.duration * 1000),
            "voice": _as_said(speaker.listen(clip.pcm16k, installed())),
            "pcm16k": base64.b64encode(_int16(clip.pcm16k)).decode(),
        }
    except (VoiceError, VoiceprintError) as error:
        return {"error": str(error)}


def _int16(pcm: NDArray[np.float32]) -> bytes:
    return np.rint(np.clip(pcm, -1, 1) * 32767).astype("<i2").tobytes()


def _watch(data: bytes, words: Sequence[str], embedder: FaceEmbedder) -> dict[str, Any]:
    from primafacie.generator.voice import decode
    from primafacie.safeguards import liveness, speaker

    pcm, voice = None, Voiceprint(0.0)
    try:
        pcm = decode(data, longest=LONGEST + 1).pcm16k
        voice = speaker.listen(pcm, installed())
    except (VoiceError, VoiceprintError):  # the recording is judged as one without sound
        pcm = None
    try:
        seen = liveness.look(data, words, pcm, voice, embedder)
    except CaptureError as error:
        return {"error": str(error)}
    return {
        "seconds": seen.seconds,
        "faces": list(seen.faces),
        "attitude": seen.attitude.tolist(),
        "model": seen.model,
        "portraits": seen.portraits.tolist(),
        "heard": seen.heard,
        "words": list(seen.words),
        "voice": _as_said(seen.voice),
        "trace": seen.trace.tolist(),
        "turned": [] if seen.turned is None else seen.turned.tolist(),
    }


def _as_said(voice: Voiceprint) -> dict[str, Any]:
    vector = None if voice.vector is None else voice.vector.tolist()
    return {"seconds": voice.seconds, "model": voice.model, "vector": vector, "unity": voice.unity}


if __name__ == "__main__":
    try:
        _serve(wire_from_arguments())
    except EngineError:  # the gate hung up
        os._exit(0)
