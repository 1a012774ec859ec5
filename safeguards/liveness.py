"""Footage: what a recording of the challenge shows, and what follows from it.

Five words and three movements that nobody could have recorded in advance: the movements are done by
one face that is the face of the photos, the words are heard. That this face says these words is NOT
measured: lips and sound are never compared, a reviewer looks at that. `look` runs inside the
sandbox and returns numbers; `judge` runs in the parent and compares. This is no presentation attack
detection in the sense of ISO/IEC 30107-3: a face drawn into a live camera picture within two
minutes is not told from a person.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import PortraitError
from primafacie.generator.faces import FaceBox, find_faces
from primafacie.safeguards.errors import CaptureError, FaceError
from primafacie.safeguards.face import MATCH, FaceTemplate
from primafacie.safeguards.speaker import LEAST_SPEECH, RATE, Voiceprint

Floats = NDArray[np.float32]

SHORTEST: Final = 8.0
LONGEST: Final = 120.0
#: Words that may be asked for, and movements, each with the measure that shows it.
MOVES: Final[dict[str, str]] = {
    "turn your head to your left": "left",
    "turn your head to your right": "right",
    "look up": "up",
    "look down": "down",
    "tilt your head towards your left shoulder": "tilt-left",
    "tilt your head towards your right shoulder": "tilt-right",
}
WORDS: Final = tuple(
    """
    able acid acorn actor adult agent alarm album amber angle apple apron arrow artist august aunt
    autumn bacon badge baker balloon bamboo banana barn basket beach beard bench berry bicycle
    birthday blanket blossom board bottle branch bread breeze brick bridge brother bucket butter
    button cabin cable cactus camera candle canoe canvas captain carpet carrot castle cattle cedar
    cellar chair cheese cherry chimney circle citrus clock cloud clover coast coffee collar comet
    copper coral corner cotton cousin cradle crayon cricket crystal cushion daisy dancer daughter
    desert diamond dinner doctor dolphin donkey dragon drawer driver eagle early earth echo elbow
    elephant engine evening fabric falcon family farmer father feather fiddle finger flower forest
    fountain fruit garage garden garlic giant ginger glacier glass glove grape grass guitar hammer
    harbor harvest hazel helmet hobby honey horizon hotel husband island ivory jacket jelly jewel
    journey jungle kettle kitchen kitten ladder lagoon lantern lemon letter library lily lizard
    lobster magnet maple marble market meadow melon metal mirror monkey morning mother mountain
    museum napkin needle nephew nickel noodle north ocean olive onion orange orchard otter oyster
    paddle paint palace panda paper parade parrot peach peanut pebble pencil pepper piano picnic
    pillow pilot pirate planet pocket pony potato prince pumpkin puzzle rabbit radio rainbow ribbon
    river robin rocket saddle sailor salad sandal scarf school season shadow shell shoulder silver
    singer sister skater slipper snow soldier spider spoon squirrel stable station stone storm sugar
    summer sunset table teacher temple thunder ticket tiger tomato tower tractor train travel tulip
    tunnel turtle uncle valley velvet village violin
    """.split()  # noqa: SIM905  (a list of strings would fill a page)
)
PASSED, DOUBTFUL, FAILED, UNMEASURED = "passed", "doubtful", "failed", "unmeasured"

_SIDE: Final = 320  # pixels of the longer side that is looked at
_FRAME_RATE: Final = 3.0  # frames looked at, a second
_SURE: Final = 0.95  # the detector's probability from which a face counts
_PORTRAITS: Final = 8  # frames whose face is compared, spread over the recording
#: Degrees from the person's own middle attitude that count as a movement. Drawn heads turned by
#: 14 degrees measure 15 of yaw; nods are seen at two thirds of their angle.
_TURN: Final = {"yaw": 10.0, "pitch": 6.0, "roll": 10.0}
_HELD: Final = 2  # frames in a row
_RESTLESS: Final = 6  # movements more than asked for: a head that does everything obeys nothing
_MISSED: Final = 0.15  # share of frames in which the face may be lost while it turns
#: One frame against the mean of others is less sure than a mean against a mean.
_STRANGER: Final = 0.60
#: A turned face is farther from the same face looking ahead.
_TURNED: Final = 0.60
#: Of 320 pixels, what the nose of somebody who sits moves from one picture to the next; that of a
#: photo held before the lens moves less. Seldom, a living one rests for a moment.
_STIRS: Final = 0.0005
_RESTS: Final = 0.6  # share of moments in which nothing stirred, beyond which nobody is there
_DECOYS: Final = 26  # other words the recogniser may choose
_WORDS_WITHIN: Final = 13.0  # seconds of the end of speech in which the words must be
_TRACK: Final = 4.0  # points of the movement's trace a second
#: From here on two recordings move alike, and stir alike as well: see `alike`.
_ALIKE: Final = 0.90
_STIRRED: Final = 0.30


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked for."""

    words: tuple[str, ...]
    moves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Footage:
    """What was seen and heard, without judgement.

    faces: faces counted in each frame looked at. attitude (T, 3): yaw, pitch and roll in degrees of
    the frames with one face. portraits (K, D): the face in frames spread over the recording.
    turned (M, D): the face where each movement goes farthest.
    words: those recognised, in order. trace: how head and loudness moved, to know a replay by.
    """

    seconds: float
    faces: tuple[int, ...]
    attitude: Floats = field(repr=False)
    model: str
    portraits: Floats = field(repr=False)
    heard: bool
    words: tuple[str, ...]
    voice: Voiceprint
    trace: Floats = field(repr=False)  # (N, 3): x, y of the face and loudness, four a second
    turned: Floats | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the reviewer. verdict: passed, doubtful, failed or unmeasured."""

    check: str
    verdict: str
    sentence: str


#: Stands in every list, so that no recording looks as if all of it had been measured.
LIPS: Final = Finding(
    "lips and words", UNMEASURED,
    "Lips and sound are not compared by the machine; watch whether this mouth says these words.",
)  # fmt: skip


def look(data: bytes, words: Sequence[str], pcm: Floats | None, voice: Voiceprint,
         embedder: Any) -> Footage:  # fmt: skip
    """Look at a recording. pcm: its sound at 16 kHz, None where there is none to be heard.

    Raises CaptureError when its pictures cannot be read, or last longer than LONGEST.
    """
    counts: list[int] = []
    seen: list[tuple[float, NDArray[np.uint8], FaceBox]] = []
    attitude, places = [], []
    last = 0.0
    for at, picture in _frames(data):
        last = at
        faces = [f for f in find_faces(picture) if f.probability >= _SURE]
        counts.append(len(faces))
        if len(faces) != 1:
            continue
        angles = _attitude(picture, faces[0])
        if angles is None:
            continue
        attitude.append(angles)
        seen.append((at, picture, faces[0]))
        places.append((at, *_middle(picture, faces[0])))
    if not counts:
        raise CaptureError("the recording holds no pictures")
    turned = np.asarray(attitude, np.float32).reshape(-1, 3)
    chosen = _spread(turned, [at for at, _, _ in seen])
    portraits = [embedder.embed(embedder.chip(seen[i][1], seen[i][2])) for i in chosen]
    peaks = [peak for _, peak in _counted(turned)]
    moved = [embedder.embed(embedder.chip(seen[i][1], seen[i][2])) for i in peaks]
    return Footage(
        seconds=last + 1 / _FRAME_RATE,
        faces=tuple(counts),
        attitude=turned,
        model=embedder.model,
        portraits=np.asarray(portraits, np.float32).reshape(len(portraits), -1),
        heard=pcm is not None,
        words=recognise(pcm, words) if pcm is not None else (),
        voice=voice,
        trace=_trace(places, pcm, last),
        turned=np.asarray(moved, np.float32).reshape(len(moved), -1),
    )


def judge(
    footage: Footage, ask: Ask, template: FaceTemplate | None, earlier: Sequence[Floats] = ()
) -> tuple[Finding, ...]:
    """What follows, line by line. template: the face in the photos. earlier: traces of all other
    recordings that were ever taken here."""
    return (
        _length(footage),
        _one_face(footage),
        _one_person(footage),
        _turned(footage),
        _alive(footage),
        _same_face(footage, template),
        _moves(footage, ask),
        _words(footage, ask),
        LIPS,
        _voice(footage),
        _fresh(footage, earlier),
    )


def failed(findings: Sequence[Finding]) -> bool:
    """Did a check fail? Nobody may override that: record again, or be seen live."""
    return any(f.verdict == FAILED for f in findings)


def open_question(findings: Sequence[Finding]) -> bool:
    """Did this recording leave something open that a reviewer must look at and write about? What
    no recording is measured for is looked at each time, and is no question of this one."""
    return any(f.verdict in (DOUBTFUL, UNMEASURED) for f in findings if f != LIPS)


# --- judging --------------------------------------------------------------------------------------


def _length(footage: Footage) -> Finding:
    ok = SHORTEST <= footage.seconds <= LONGEST
    text = f"The recording lasts {footage.seconds:.0f} seconds"
    if ok:
        return Finding("length", PASSED, f"{text}.")
    return Finding("length", FAILED, f"{text}; {SHORTEST:.0f} to {LONGEST:.0f} are needed.")


def _one_face(footage: Footage) -> Finding:
    counts = np.asarray(footage.faces)
    several, none = int((counts > 1).sum()), float((counts == 0).mean())
    if several >= _HELD or not (counts == 1).any():
        return Finding("one face", FAILED, f"Several faces are seen in {several} of {len(counts)} "
                       "pictures, or none in all; be alone in front of the camera.")  # fmt: skip
    if none > _MISSED:
        return Finding("one face", FAILED, f"The face is lost in {none:.0%} of the pictures; stay "
                       "in front of the camera, in good light.")  # fmt: skip
    return Finding("one face", PASSED, "One face, from beginning to end.")


def _one_person(footage: Footage) -> Finding:
    if len(footage.portraits) < 3:
        return Finding("one person", FAILED, "Too few clear pictures of the face.")
    mean = footage.portraits.mean(0)
    worst = float(np.linalg.norm(footage.portraits - mean, axis=1).max())
    if worst > _STRANGER:
        return Finding("one person", FAILED, "The face does not stay the same person's.")
    return Finding("one person", PASSED, "The same person from beginning to end.")


def _turned(footage: Footage) -> Finding:
    """A cut to another head for the movements is no movement of this one."""
    seen = footage.turned
    if seen is None or not len(seen) or not len(footage.portraits):
        return Finding("who moves", FAILED, "No movement shows a face that could be compared.")
    far = np.linalg.norm(seen - footage.portraits.mean(0), axis=1)
    others = int((far > _TURNED).sum())
    if others:
        return Finding("who moves", FAILED, f"In {others} of {len(seen)} movements the face is not "
                       "surely the same person's.")  # fmt: skip
    return Finding("who moves", PASSED, "The same person moves who looks ahead.")


def _alive(footage: Footage) -> Finding:
    """Nobody alive sits as still as a photo does between the movements."""
    steps = np.abs(np.diff(footage.trace[:, :2], axis=0)).max(1)
    rests = float((steps < _STIRS).mean()) if len(steps) else 1.0
    if rests > _RESTS:
        return Finding("at rest", FAILED, f"Nothing stirs in {rests:.0%} of the recording, as in a "
                       "photo; record yourself, live.")  # fmt: skip
    return Finding("at rest", PASSED, "The head stirs a little all the time, as living ones do.")


def _same_face(footage: Footage, template: FaceTemplate | None) -> Finding:
    if template is None:
        return Finding("face and photos", UNMEASURED, "The photos gave no template to compare.")
    if not len(footage.portraits):
        return Finding("face and photos", FAILED, "No face to compare with the photos.")
    try:
        far = template.distance(footage.portraits.mean(0), footage.model)
    except FaceError:
        return Finding("face and photos", UNMEASURED, "The photos were measured by another model.")
    ok = far <= MATCH
    text = "shows the person" if ok else "does not surely show the person"
    return Finding("face and photos", PASSED if ok else FAILED,
                   f"The recording {text} of the photos (distance {far:.2f}, at most "
                   f"{MATCH:.2f}).")  # fmt: skip


def _moves(footage: Footage, ask: Ask) -> Finding:
    if not set(ask.moves) <= set(MOVES):
        return Finding("movements", UNMEASURED, "A movement was asked for that is not measured.")
    wanted = [MOVES[move] for move in ask.moves]
    done = movements(footage.attitude)
    hits = _common(wanted, done)
    text = f"{hits} of {len(wanted)} movements seen in their order"
    if len(done) > len(wanted) + _RESTLESS:
        return Finding("movements", FAILED, f"{text}, among {len(done)}; do only what is asked.")
    if hits == len(wanted) and len(done) <= len(wanted) + 3:
        return Finding("movements", PASSED, f"{text}.")
    if hits >= len(wanted) - 1:
        return Finding("movements", DOUBTFUL, f"{text}; watch whether the head moves as asked.")
    return Finding("movements", FAILED, f"{text}; do them one after the other, clearly.")


def _words(footage: Footage, ask: Ask) -> Finding:
    if not footage.heard:
        return Finding("words", FAILED, "No sound can be heard; switch the microphone on.")
    hits = _common(ask.words, footage.words)
    text = f"{hits} of {len(ask.words)} words recognised in their order"
    if hits >= len(ask.words) - 1:
        return Finding("words", PASSED, f"{text}.")
    if hits == len(ask.words) - 2:
        return Finding("words", DOUBTFUL, f"{text}; listen whether all five are said.")
    return Finding("words", FAILED, f"{text}; say each word when it is shown.")


def _voice(footage: Footage) -> Finding:
    voice = footage.voice
    if voice.vector is not None:
        return Finding("voice", PASSED, f"{voice.seconds:.0f} seconds of speech, the voice.")
    if voice.seconds >= LEAST_SPEECH:
        return Finding("voice", UNMEASURED, "This installation compares no voices.")
    return Finding("voice", UNMEASURED, f"Only {voice.seconds:.0f} seconds of speech; too little "
                   "to know the voice by.")  # fmt: skip


def _fresh(footage: Footage, earlier: Sequence[Floats]) -> Finding:
    found = [alike(footage.trace, trace) for trace in earlier]
    same = [pair for pair in found if pair[0] >= _ALIKE]
    if not same:
        return Finding("new", PASSED, "Not a copy of an earlier recording.")
    moved, stirred = max(same, key=lambda pair: pair[1])
    numbers = f"it moves and sounds alike by {moved:.2f}, it stirs alike by {stirred:.2f}"
    if stirred >= _STIRRED:
        return Finding("new", FAILED, f"This is an earlier recording, played again: {numbers}.")
    return Finding("new", DOUBTFUL, f"As in an earlier recording, or a copy of it: {numbers}. "
                   "The same movements at the same seconds look so, too; watch it.")  # fmt: skip


def movements(attitude: Floats) -> list[str]:
    """The movements a head made, in order, each held for two frames, from its own middle."""
    return [move for move, _ in _counted(attitude)]


def _counted(attitude: Floats) -> list[tuple[str, int]]:
    """(movement, the frame in which it goes farthest) of each."""
    if len(attitude) < 8:
        return []
    away = attitude - np.median(attitude, axis=0)
    share = away / np.array([_TURN["yaw"], _TURN["pitch"], _TURN["roll"]], np.float32)
    names = (("left", "right"), ("down", "up"), ("tilt-left", "tilt-right"))
    steps: list[str] = []
    for row in share:
        axis = int(np.abs(row).argmax())
        steps.append(names[axis][0 if row[axis] > 0 else 1] if abs(row[axis]) >= 1 else "")
    reach = np.abs(share).max(1)
    done: list[tuple[str, int]] = []
    run, length = "", 0
    for number, step in enumerate(steps):
        run, length = (run, length + 1) if step == run else (step, 1)
        if run and length == _HELD and (not done or done[-1][0] != run):
            done.append((run, number))
        elif run and length > _HELD and done and reach[number] > reach[done[-1][1]]:
            done[-1] = (run, number)  # it goes on
    return done


def alike(one: Floats, other: Floats) -> tuple[float, float]:
    """How alike two traces (N, 3) are, each -1 to 1: (head and loudness, how the head stirs).

    The first is the lowest correlation of x, y and loudness, at the best shift of at most three
    seconds; the second, at that shift or a step beside it, the lower one of x and y, of what a
    median over five points takes away. 1.0 where nothing stirs: then the first alone decides.

    Measured on drawn sitters. First: copies 0.95 and up, honest takes with the same movements 0.94
    to 0.97, with others 0.12. Second: copies 0.38 and up (filmed off a screen, the lowest), honest
    takes 0.09 at most in four and 0.31 in 600 simulated pairs. A copy that is shaken, or looked at
    a tenth of a second beside where the first was, stirs like an honest take (0.22 in the median
    of 30 simulated): so a low second number is a question for the reviewer and never an all-clear.
    """
    reach, least = round(3 * _TRACK), round(6 * _TRACK)
    moved, shift = max((_at(one, other, s, least), s) for s in range(-reach, reach + 1))
    if moved < _ALIKE:
        return moved, -1.0
    a, b = _stirring(one), _stirring(other)
    if not (a.any() and b.any()):
        return moved, 1.0
    return moved, max(_at(a, b, s, least) for s in (shift - 1, shift, shift + 1))


def _at(one: Floats, other: Floats, shift: int, least: int) -> float:
    """The lowest correlation of any column at a shift, -1 where too little is left of them."""
    a, b = one[max(0, shift) :], other[max(0, -shift) :]
    size = min(len(a), len(b))
    if size < least:
        return -1.0
    a, b = a[:size] - a[:size].mean(0), b[:size] - b[:size].mean(0)
    power = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return float(((a * b).sum(0) / np.maximum(power, 1e-6)).min())


def _stirring(trace: Floats) -> Floats:
    """What is left of x and y, (N, 2), without the movements: those outlast five points."""
    path = trace[:, :2]
    padded = np.pad(path, ((2, 2), (0, 0)), mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5, axis=0), axis=-1)
    return np.asarray(path - middle, np.float32)


def _common(wanted: Sequence[str], found: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    best = np.zeros((len(wanted) + 1, len(found) + 1), int)
    for i, w in enumerate(wanted):
        for j, f in enumerate(found):
            best[i + 1, j + 1] = max(best[i, j] + (w == f), best[i, j + 1], best[i + 1, j])
    return int(best[-1, -1])


# --- looking, inside the sandbox ------------------------------------------------------------------


def _frames(data: bytes) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """(seconds, RGB picture) at most four times a second, reduced to _SIDE."""
    import av
    import cv2

    demuxer = "matroska" if data[:4] == b"\x1aE\xdf\xa3" else "mov" if data[4:8] == b"ftyp" else ""
    if not demuxer:
        raise CaptureError("the recording is neither WebM nor MP4")
    due = 0.0
    first: float | None = None
    try:
        with av.open(io.BytesIO(data), format=demuxer, metadata_errors="ignore") as container:
            if not container.streams.video:
                raise CaptureError("the recording holds no pictures")
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                if frame.width * frame.height > 4096 * 4096:
                    raise CaptureError("the recording's pictures are too large")
                at = float(frame.time or 0.0)
                first = at if first is None else first
                if at - first > LONGEST + 1:
                    raise CaptureError(f"the recording is longer than {LONGEST:.0f} seconds")
                if at - first < due:
                    continue
                due += 1 / _FRAME_RATE
                picture = frame.to_ndarray(format="rgb24")
                shrink = min(1.0, _SIDE / max(picture.shape[:2]))
                if shrink < 1:
                    picture = cv2.resize(
                        picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA
                    )
                yield at - first, np.ascontiguousarray(picture)
    except CaptureError:
        raise
    except MemoryError:
        raise CaptureError("the recording asks for too much memory") from None
    except (av.FFmpegError, ValueError, LookupError, ArithmeticError, OSError, RuntimeError) as e:
        raise CaptureError("the recording cannot be read: it is damaged") from e


def _attitude(picture: NDArray[np.uint8], face: FaceBox) -> tuple[float, float, float] | None:
    from primafacie.generator.head import fit_pose
    from primafacie.generator.landmarks import DlibLandmarker

    try:
        points = DlibLandmarker().find(picture, face).points.astype(np.float64)
        return fit_pose(points).angles
    except PortraitError:
        return None


def _middle(picture: NDArray[np.uint8], face: FaceBox) -> tuple[float, float]:
    height, width = picture.shape[:2]
    nose = face.points[2]
    return float(nose[0]) / width, float(nose[1]) / height


def _spread(attitude: Floats, times: Sequence[float]) -> list[int]:
    """In each of _PORTRAITS equal parts of the recording the frame that looks most ahead."""
    if not len(attitude):
        return []
    off = np.abs(attitude - np.median(attitude, axis=0)).sum(1)
    part = np.minimum(np.asarray(times) / (max(times) + 1e-6) * _PORTRAITS, _PORTRAITS - 1)
    chosen = []
    for number in range(_PORTRAITS):
        here = np.flatnonzero(part.astype(int) == number)
        if len(here):
            chosen.append(int(here[off[here].argmin()]))
    return chosen


def _trace(places: Sequence[tuple[float, float, float]], pcm: Floats | None, last: float) -> Floats:
    """x and y of the face and loudness at _TRACK points a second, float32 (N, 3)."""
    count = max(2, round(min(last, LONGEST) * _TRACK))
    clock = np.arange(count) / _TRACK
    if places:
        times, x, y = (np.asarray(column) for column in zip(*places, strict=True))
        path = np.stack([np.interp(clock, times, x), np.interp(clock, times, y)], 1)
    else:
        path = np.zeros((count, 2))
    loud = np.zeros(count)
    if pcm is not None:
        step = round(RATE / _TRACK)
        blocks = pcm[: len(pcm) // step * step].reshape(-1, step)[:count]
        level = np.log10(np.sqrt(np.mean(np.square(blocks), axis=1)) + 1e-3)
        loud[: len(level)] = level
    return np.asarray(np.c_[path, loud], np.float32)


def recognise(pcm: Floats, words: Sequence[str]) -> tuple[str, ...]:
    """The words heard at the end of the speech in a recording, among the asked ones and decoys.

    pocketsphinx over a grammar. A little noise is added: on digital silence it hears nothing.
    """
    from primafacie.generator.speech.vad import segments

    found = segments(pcm)
    if not found or not words:
        return ()
    begin = max(found[0].start, found[-1].end - _WORDS_WITHIN)
    part = pcm[round(begin * RATE) : round(found[-1].end * RATE)]
    decoder = _decoder()
    decoder.add_jsgf_string("challenge", _grammar(words))
    decoder.activate_search("challenge")
    noise = np.random.default_rng(7).normal(0, 4, len(part))
    raw = np.clip(np.round(part * 32767 + noise), -32768, 32767).astype("<i2").tobytes()
    decoder.start_utt()
    decoder.process_raw(raw, full_utt=True)
    decoder.end_utt()
    said = [segment.word.split("(")[0] for segment in decoder.seg()]
    return tuple(word for word in said if word.isalpha())


def _grammar(words: Sequence[str]) -> str:
    known = sorted(set(WORDS) - set(words),
                   key=lambda w: hashlib.sha256(f"{words}{w}".encode()).digest())  # fmt: skip
    choice = " | ".join([*words, *known[:_DECOYS]])
    return f"#JSGF V1.0; grammar challenge; public <said> = ( {choice} )+ ;"


@lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(lm=None, loglevel="FATAL", samprate=RATE)
