"""How good the face is: every measure beside a baseline and beside something that must fail it.

Portraits are animated in memory with a voice whose phones are known, and the frames are measured
as a stranger would see them (watcher.py, take.py). A measure that a spoiled clip passes as well is
worthless, so each one is shown its negative control in the same run.

The benchmark opens no road round the gate. It makes keys, a log and a lock that live as long as
the process; no studio knows them. Frames stay in memory and go with their take; what a caller gets
are numbers, and for portraits that were drawn by code small pictures of chosen moments.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator import espeak, measures, take
from primafacie.generator.clip import UnsealedClip
from primafacie.generator.controls import Controls
from primafacie.generator.engines.photo_warp.engine import Avatar, PhotoWarp
from primafacie.generator.engines.speech_motion import SpeechMotion
from primafacie.generator.errors import PortraitError
from primafacie.generator.motion import APERTURE_AT_FULL_JAW, COLUMN, MotionTrack, still
from primafacie.generator.permit import Admission
from primafacie.generator.portrait import Portrait
from primafacie.generator.rehearsal import Rehearsal, rehearse
from primafacie.generator.sentences import LONG, SENTENCES
from primafacie.generator.take import Sound, Take
from primafacie.generator.voice import Voice, from_pcm
from primafacie.generator.watcher import RIGID, Watched, Watcher

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

_SAMPLE_EVERY: Final = 10
#: Seconds of silence before and after every sentence.
_QUIET: Final = (0.3, 0.9)
#: Mouth width in eye distances on an average face, to speak of both in one unit.
_MOUTH: Final = 0.78
_THUMBNAIL: Final = 176


@dataclass(frozen=True, slots=True)
class Sitting:
    """A portrait to be animated: the bytes of a picture file. drawn: by code, nobody's likeness;
    only such portraits may come back as pictures."""

    name: str
    picture: bytes = field(repr=False)
    drawn: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """A sentence, how it sounds, and when each of its phones sounds."""

    name: str
    language: str
    text: str
    voice: Voice
    sounds: tuple[Sound, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A take with what was measured on every tenth frame.

    distances: of the face to the source's, 0.6 is another person. sharpness: over the source's.
    outside: mean grey levels by which the picture far from the head differs from the source.
    asked (T,): the opening the track asked for. digest: of all frames. thumbnails: (name, picture)
    of chosen moments, only for drawn portraits.
    """

    take: Take
    distances: tuple[float, ...]
    sharpness: tuple[float, ...]
    outside: float
    asked: Doubles
    digest: str
    seconds: float
    thumbnails: tuple[tuple[str, Picture], ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A measure on a set of shots, its target, and what fails it."""

    number: str
    name: str
    unit: str
    target: str
    value: Callable[[Sequence[Shot]], float]
    reached: Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. control_red: the spoiled clip failed the target, as it must."""

    number: str
    name: str
    unit: str
    value: float
    worst: float
    worst_of: str
    target: str
    reached: bool
    baseline: str
    control: str
    control_red: bool


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One portrait's results. shots: its takes; refused: why it could not be animated, or "";
    source: a small picture of it, for drawn ones alone."""

    name: str
    drawn: bool
    instrument: str
    shots: tuple[Shot, ...]
    refused: str = ""
    warnings: tuple[str, ...] = ()
    source: Picture = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class FaceReport:
    """Everything one run found."""

    lines: tuple[Line, ...]
    faces: tuple[Face, ...]
    motion: tuple[tuple[str, str, float, float, float, float, float], ...]
    heads: tuple[tuple[str, take.Head, take.Blinks], ...]
    shifts: tuple[tuple[int, float], ...]
    notes: tuple[str, ...]


# ---- material -----------------------------------------------------------------------------------


def spoken() -> tuple[Utterance, ...]:
    """The sentences of sentences.py by espeak-ng, which knows its own phones."""
    return tuple(
        speak(f"{language}-{number:02d}", language, text, variant)
        for number, (language, text, variant) in enumerate(SENTENCES)
    )


def speak(name: str, language: str, text: str, variant: str = "") -> Utterance:
    """One sentence with silence before and after it."""
    said = espeak.speak(text, language, variant, 155)
    before, after = (np.zeros(round(s * said.rate), np.float32) for s in _QUIET)
    voice = from_pcm(np.concatenate([before, said.pcm, after]), said.rate)
    marks = [(p.ipa, p.start + _QUIET[0], p.end + _QUIET[0]) for p in said.phones]
    return Utterance(name, language, text, voice, take.sounds_of(marks))


def recorded(folder: Path) -> tuple[Utterance, ...]:
    """NAME.wav with NAME.txt beside it, English, aligned by pocketsphinx."""
    from primafacie.generator.speech import benchmark as hearing
    from primafacie.generator.speech import mel, phones
    from primafacie.generator.voice import RATE

    step = mel.HOP / RATE
    found = []
    for number, truth in enumerate(hearing.recorded(folder)):
        sounds = tuple(
            Sound(phones.CLASSES[s.phone], s.start * step, s.end * step) for s in truth.spans
        )
        voice = from_pcm(truth.pcm, RATE)
        found.append(Utterance(f"voice-{number:02d}", truth.language, truth.text, voice, sounds))
    return tuple(found)


# ---- one portrait -------------------------------------------------------------------------------


class Stage:
    """One portrait, ready to speak."""

    def __init__(self, sitting: Sitting, rehearsal: Rehearsal, size: int) -> None:
        self.sitting, self._rehearsal = sitting, rehearsal
        self.controls = Controls(size=size)
        self._engine = PhotoWarp()
        self.portrait = Portrait.from_bytes(sitting.picture)
        admission = rehearsal.admit(sitting.picture, b"", self.controls)
        self.avatar: Avatar = self._engine.prepare(admission, self.portrait, self.controls)
        first = self.frames(still(1))
        self.source = next(first)
        self.watcher = Watcher(self.source)
        reading = measures.read_frame(self.source)
        if reading is None:
            raise PortraitError("no face was found to measure")
        self._reading = reading
        self._outside = _far_from(self.watcher.source_points, self.source.shape)

    @property
    def instrument(self) -> str:
        """Which instrument reads the lips."""
        return "strips" if self.watcher.lips_touch else "landmarks"

    def admission(self) -> Admission:
        """A new one for this portrait."""
        return self._rehearsal.admit(self.sitting.picture, b"", self.controls)

    def frames(self, track: MotionTrack) -> Iterator[Picture]:
        """The frames of a track, one by one."""
        return self._engine.render(self.admission(), self.avatar, track)

    def shoot(
        self, track: MotionTrack, said: Utterance,
        spoil: Callable[[int, Picture], Picture] | None = None,
    ) -> Shot:  # fmt: skip
        """Animate, look, measure, and let the frames go. spoil: changes frames, for a control."""
        frames, seconds = self._drawn(track)
        if spoil is not None:
            frames = [spoil(number, frame) for number, frame in enumerate(frames)]
        watched = self.watcher.watch(frames, track.fps)
        readings = [measures.read_frame(f) for f in frames[::_SAMPLE_EVERY]]
        seen = [r for r in readings if r is not None]
        changes = [
            measures.difference_outside(self.source, f, ~self._outside)
            for f in frames[::_SAMPLE_EVERY]
        ]
        distances = tuple(
            float(np.linalg.norm(r.descriptor - self._reading.descriptor)) for r in seen
        )
        picked = _moments(watched, distances, frames) if self.sitting.drawn else ()
        return Shot(
            take=Take(said.name, watched, said.sounds),
            distances=distances,
            sharpness=tuple(r.sharpness / self._reading.sharpness for r in seen),
            outside=float(np.mean(changes)),
            asked=opening(track),
            digest=_digest(frames),
            seconds=seconds / max(len(frames), 1),
            thumbnails=picked,
        )

    def _drawn(self, track: MotionTrack) -> tuple[list[Picture], float]:
        begun = time.process_time()
        frames = list(self.frames(track))
        return frames, time.process_time() - begun


def opening(track: MotionTrack) -> Doubles:
    """The lips' distance the track asks for, in eye distances of an average face."""
    jaw, close = track.column("jawOpen"), track.column("mouthClose")
    return np.asarray(APERTURE_AT_FULL_JAW * _MOUTH * jaw * (1 - close), np.float64)


def commanded(track: MotionTrack) -> Watched:
    """The track itself as if it had been seen perfectly: what the motion engine alone can do."""
    shut = np.maximum(track.column("eyeBlinkLeft"), track.column("eyeBlinkRight"))
    count = len(track)
    return Watched(
        fps=track.fps, aperture=opening(track), by_landmarks=opening(track),
        lids=np.asarray(1.0 - shut, np.float64), pose=track.pose[:, :3].astype(np.float64),
        rigid=np.full((count, len(RIGID), 2), np.nan), found=np.ones(count, bool),
    )  # fmt: skip


def loudness(said: Utterance, track: MotionTrack) -> MotionTrack:
    """The baseline: the same track with a jaw that follows loudness and knows no phones."""
    from primafacie.generator.speech import mel

    level = mel.loudness(mel.power(said.voice.pcm16k))
    at = np.arange(len(track)) / track.fps * mel.FRAME_RATE
    jaw = np.clip((np.interp(at, np.arange(len(level)), level) + 30) / 30, 0, 1)
    coeffs = track.coeffs.copy()
    for name in [n for n in COLUMN if n.startswith(("jaw", "mouth"))]:
        coeffs[:, COLUMN[name]] = 0.0
    coeffs[:, COLUMN["jawOpen"]] = 0.6 * jaw
    return replace(track, coeffs=coeffs)


def _far_from(points: Doubles, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """What no head movement may touch: above the shoulders, far beyond the face."""
    wide = float(np.hypot(*(points[16] - points[0])))
    middle, chin = points[27], points[8]
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    beyond = np.hypot((x - middle[0]) / (1.15 * wide), (y - middle[1]) / (1.5 * wide)) > 1
    return np.asarray(beyond & (y < chin[1]), bool)


def _digest(frames: Sequence[Picture]) -> str:
    total = hashlib.sha256()
    for frame in frames:
        total.update(np.ascontiguousarray(frame).tobytes())
    return total.hexdigest()


def _moments(
    watched: Watched, distances: Sequence[float], frames: Sequence[Picture]
) -> tuple[tuple[str, Picture], ...]:
    """Small pictures of the moments that say most, and of the one that is worst."""
    aperture = np.nan_to_num(watched.aperture)
    middle = np.argsort(aperture)[len(aperture) * 3 // 4]
    turned = np.nan_to_num(np.abs(watched.pose - watched.pose[0]).sum(1))
    worst = int(np.argmax(distances)) * _SAMPLE_EVERY if distances else 0
    chosen = {
        "half open": int(middle),
        "widest": int(aperture.argmax()),
        "eyes": int(np.nan_to_num(watched.lids, nan=1.0).argmin()),
        "turned": int(turned.argmax()),
        "worst": worst,
    }
    return tuple((name, _small(frames[at])) for name, at in chosen.items())


def _small(frame: Picture) -> Picture:
    import cv2

    size = (_THUMBNAIL, round(_THUMBNAIL * frame.shape[0] / frame.shape[1]))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


# ---- measures and their controls ----------------------------------------------------------------


def _takes(shots: Sequence[Shot]) -> list[Take]:
    return [shot.take for shot in shots]


def _tracking(shots: Sequence[Shot]) -> float:
    return float(np.mean([
        measures.correlation(list(s.asked[ok]), list(s.take.watched.aperture[ok]))
        for s in shots for ok in [np.isfinite(s.take.watched.aperture)]
    ]))  # fmt: skip


def _margin(shots: Sequence[Shot]) -> float:
    found = take.timing(_takes(shots))
    return found.r - found.null


def _mean_distance(shots: Sequence[Shot]) -> float:
    return float(np.mean([d for s in shots for d in s.distances]))


def _far_distance(shots: Sequence[Shot]) -> float:
    return max(d for s in shots for d in s.distances)


def _late_sharpness(shots: Sequence[Shot]) -> float:
    """Sharpness of the last third of a take over that of its first, the same moments of speech
    apart; the median over takes."""
    shares = [np.array_split(np.array(s.sharpness), 3) for s in shots if len(s.sharpness) >= 3]
    return float(np.median([np.median(p[2]) / np.median(p[0]) for p in shares]))


CHECKS: Final[tuple[Check, ...]] = (
    Check("1", "p b m sealed", "share", ">= .99",
          lambda s: take.sealed(_takes(s)), lambda v: v >= 0.99),
    Check("2", "closed told from open, AUC", "", ">= .98",
          lambda s: take.separable(_takes(s)), lambda v: v >= 0.98),
    Check("3a", "lips follow phones, r", "", ">= .60",
          lambda s: take.timing(_takes(s)).r, lambda v: v >= 0.60),
    Check("3b", "that r above chance (null95)", "", ">= .20", _margin, lambda v: v >= 0.20),
    Check("3c", "lag of the lips", "ms", "-120..0",
          lambda s: 1000 * take.timing(_takes(s)).lag, lambda v: -120.5 <= v <= 0.5),
    Check("3d", "aperture asked against seen, r", "", ">= .90", _tracking, lambda v: v >= 0.90),
    Check("4", "mouth shut after speech", "s", "<= .20",
          lambda s: take.shut_after(_takes(s)), lambda v: v <= 0.2),
    Check("5", "f v near the teeth", "share", ">= .90",
          lambda s: take.tucked(_takes(s)), lambda v: v >= 0.90),
    Check("6a", "head, dP below 5 Hz", "deg/40 ms", ".35...55",
          lambda s: take.head(_takes(s)).speed, lambda v: 0.35 <= v <= 0.55),
    Check("6b", "head, half of the power below", "Hz", ".2...6",
          lambda s: take.head(_takes(s)).half, lambda v: 0.2 <= v <= 0.6),
    Check("6c", "head, 95 % of the power below", "Hz", "1.4..2.6",
          lambda s: take.head(_takes(s)).most, lambda v: 1.4 <= v <= 2.6),
    Check("7a", "blinks", "per min", "12..30",
          lambda s: take.blinks(_takes(s)).per_minute, lambda v: 12 <= v <= 30),
    Check("7b", "blink, median length", "s", ".15...40",
          lambda s: take.blinks(_takes(s)).median, lambda v: 0.12 <= v <= 0.40),
    Check("8a", "distance to the source face, mean", "", "<= .20", _mean_distance,
          lambda v: v <= 0.20),
    Check("8b", "distance to the source face, most", "", "<= .35", _far_distance,
          lambda v: v <= 0.35),
    Check("9", "sharpness, end over start", "ratio", ">= .99", _late_sharpness,
          lambda v: v >= 0.99),
    Check("10", "background, mean difference", "grey", "<= .05",
          lambda s: float(np.mean([x.outside for x in s])), lambda v: v <= 0.05),
    Check("11", "tremble of the nose", "1e-3 eyes", "<= 42",
          lambda s: take.jitter(_takes(s)), lambda v: v <= 42),
)  # fmt: skip


def shifted(shot: Shot, frames: int) -> Shot:
    """The same take with the picture late by so many frames."""
    watched = shot.take.watched
    late = replace(watched, aperture=np.roll(watched.aperture, frames))
    return replace(shot, take=replace(shot.take, watched=late))


def _mistaken(shots: Sequence[Shot]) -> list[Shot]:
    """Every take with the phones of the next one."""
    others = [*shots[1:], shots[0]]
    return [
        replace(s, take=replace(s.take, sounds=o.take.sounds))
        for s, o in zip(shots, others, strict=True)
    ]


def _without(track: MotionTrack, *starts: str) -> MotionTrack:
    coeffs = track.coeffs.copy()
    for name in [n for n in COLUMN if n.startswith(starts)]:
        coeffs[:, COLUMN[name]] = 0.0
    return replace(track, coeffs=coeffs)


def _posed(track: MotionTrack, times: float) -> MotionTrack:
    pose = track.pose.copy()
    pose[:, :5] *= times
    return replace(track, pose=pose)


def _blurred(number: int, frame: Picture) -> Picture:
    import cv2

    sigma = 0.2 + number / 60
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.uint8)


def _shaken(number: int, frame: Picture) -> Picture:
    dx, dy = np.random.default_rng(number).integers(-3, 4, 2)
    return np.asarray(np.roll(frame, (int(dy), int(dx)), (0, 1)), np.uint8)


def _swimming(number: int, frame: Picture) -> Picture:
    return np.asarray(np.roll(frame, round(2 * np.sin(number / 4)), 1), np.uint8)


def spoiled(
    stage: Stage, other: Stage, track: MotionTrack, said: Utterance, shots: Sequence[Shot]
) -> dict[str, tuple[str, Sequence[Shot]]]:
    """What each check must refuse: number -> (what was done, shots)."""
    late = [shifted(shot, 8) for shot in shots]
    wrong = _mistaken(shots)
    awake = [stage.shoot(_without(track, "eyeBlink"), said)]
    stranger = [stage.shoot(track, said, lambda _, frame: other.source)]
    mute = stage.shoot(_without(track, "jaw", "mouth"), said)
    return {
        "1": ("picture 320 ms late", late),
        "2": ("phones of another sentence", wrong),
        "3a": ("phones of another sentence", wrong),
        "3b": ("phones of another sentence", wrong),
        "3c": ("picture 320 ms late", late),
        "3d": ("lips that rest", [replace(mute, asked=opening(track))]),
        "4": ("picture 320 ms late", late),
        "5": ("phones of another sentence", wrong),
        "6a": ("frozen head", [stage.shoot(_posed(track, 0), said)]),
        "6b": ("trembling head", [stage.shoot(_trembling(track), said)]),
        "6c": ("head ten times slower", [stage.shoot(_slow(track), said)]),
        "7a": ("eyes that never shut", awake),
        "7b": ("eyes that never shut", awake),
        "8a": ("another sitter", stranger),
        "8b": ("another sitter", stranger),
        "9": ("blur that grows", [stage.shoot(track, said, _blurred)]),
        "10": ("a picture that swims", [stage.shoot(_posed(track, 0), said, _swimming)]),
        "11": ("a picture shaken by 3 pixels", [stage.shoot(track, said, _shaken)]),
    }


def _trembling(track: MotionTrack) -> MotionTrack:
    pose = track.pose.copy()
    pose[:, :3] = np.random.default_rng(4).normal(0, 1.5, (len(track), 3))
    return replace(track, pose=pose)


def _slow(track: MotionTrack) -> MotionTrack:
    at = np.arange(len(track)) / 10
    pose = np.stack([np.interp(at, np.arange(len(track)), c) for c in track.pose.T], 1)
    return replace(track, pose=pose.astype(np.float32))


# ---- the run ------------------------------------------------------------------------------------


def run(
    sittings: Sequence[Sitting],
    said: Sequence[Utterance],
    report: Callable[[str], None],
    size: int = 512,
    each: int = 3,
) -> FaceReport:
    """Animate every portrait with `each` sentences, so that together they say all of them.

    Raises PortraitError when no portrait can be animated.
    """
    rehearsal, motion = rehearse(), SpeechMotion()
    tracks = [_driven(rehearsal, motion, u, size, number) for number, u in enumerate(said)]
    report(f"{len(said)} sentences driven")
    stages, faces = [], []
    for sitting in sittings:
        try:
            stages.append(Stage(sitting, rehearsal, size))
        except PortraitError as error:
            faces.append(Face(sitting.name, sitting.drawn, "", (), str(error)))
    if not stages:
        raise PortraitError("no portrait could be animated")
    each = max(each, -(-len(said) // len(stages)))
    for number, stage in enumerate(stages):
        mine = [(number * each + i) % len(said) for i in range(each)]
        shots = tuple(stage.shoot(tracks[i], said[i]) for i in mine)
        warned = stage.portrait.warnings
        small = _small(stage.source) if stage.sitting.drawn else np.zeros((0, 0, 3), np.uint8)
        faces.append(
            Face(
                stage.sitting.name,
                stage.sitting.drawn,
                stage.instrument,
                shots,
                warnings=warned,
                source=small,
            )
        )
        report(f"{stage.sitting.name}: " + "; ".join(_figures(shots)))
    lines = _lines(stages, [f for f in faces if f.shots], tracks, said)
    return FaceReport(
        lines=lines,
        faces=tuple(faces),
        motion=tuple(_motion_rows(rehearsal, motion, said, tracks, size)),
        heads=tuple(_head_rows(rehearsal, motion, size)),
        shifts=_shifts([s for f in faces for s in f.shots]),
        notes=tuple(_notes(stages, tracks, said)),
    )


def _driven(
    rehearsal: Rehearsal, motion: SpeechMotion, said: Utterance, size: int, seed: int,
    listen: bool = False,
) -> MotionTrack:  # fmt: skip
    controls = Controls(
        size=size, seed=seed, transcript="" if listen else said.text, language=said.language
    )
    return motion.drive(rehearsal.admit(b"", b"", controls), said.voice, controls)


def _figures(shots: Sequence[Shot]) -> Iterator[str]:
    for check in CHECKS:
        value = check.value(shots)
        yield f"{check.number} {value:.3g}{'' if check.reached(value) else ' !'}"


def _lines(
    stages: Sequence[Stage], faces: Sequence[Face], tracks: Sequence[MotionTrack],
    said: Sequence[Utterance],
) -> tuple[Line, ...]:  # fmt: skip
    shots = [shot for face in faces for shot in face.shots]
    first, second = stages[0], stages[1 % len(stages)]
    longest = max(range(len(said)), key=lambda i: len(tracks[i]))
    bad = spoiled(first, second, tracks[longest], said[longest], shots)
    loud = [first.shoot(loudness(said[longest], tracks[longest]), said[longest])]
    frozen = [first.shoot(still(len(tracks[longest])), said[longest])]
    return tuple(_line(check, shots, faces, bad[check.number], loud, frozen) for check in CHECKS)


def _line(
    check: Check, shots: Sequence[Shot], faces: Sequence[Face],
    bad: tuple[str, Sequence[Shot]], loud: Sequence[Shot], frozen: Sequence[Shot],
) -> Line:  # fmt: skip
    value = check.value(shots)
    each = [(check.value(face.shots), face.name) for face in faces]
    failing = [(v, name) for v, name in each if not check.reached(v)] or each
    worst, worst_of = max(failing, key=lambda pair: abs(np.nan_to_num(pair[0]) - value))
    by_lips = check.number in ("1", "2", "3a", "3b", "3c", "3d", "4", "5")
    baseline = check.value(loud if by_lips else frozen)
    control = check.value(bad[1])
    return Line(
        check.number, check.name, check.unit, value, worst, worst_of, check.target,
        check.reached(value), f"{'loudness' if by_lips else 'still photo'} {baseline:.2f}",
        f"{bad[0]} {control:.2f}", not check.reached(control),
    )  # fmt: skip


def _shifts(shots: Sequence[Shot]) -> tuple[tuple[int, float], ...]:
    """Share of sealed p b m when the picture is late by so many frames."""
    return tuple(
        (n, take.sealed(_takes([shifted(s, n) for s in shots]))) for n in (-8, -4, -2, 0, 2, 4, 8)
    )


def _motion_rows(
    rehearsal: Rehearsal, motion: SpeechMotion, said: Sequence[Utterance],
    tracks: Sequence[MotionTrack], size: int,
) -> Iterator[tuple[str, str, float, float, float, float, float]]:  # fmt: skip
    """The tracks alone: method, language, sealed, AUC, r, lag ms, shut after."""
    alone = [_driven(rehearsal, motion, u, size, 0, listen=True) for u in said]
    loud = [loudness(u, t) for u, t in zip(said, tracks, strict=True)]
    for method, made in (("along the text", tracks), ("sound alone", alone), ("loudness", loud)):
        for language in ("all", *dict.fromkeys(u.language for u in said)):
            takes = [
                Take(u.name, commanded(t), u.sounds)
                for u, t in zip(said, made, strict=True) if language in ("all", u.language)
            ]  # fmt: skip
            timed = take.timing(takes)
            yield (method, language, take.sealed(takes), take.separable(takes), timed.r,
                   1000 * timed.lag, take.shut_after(takes))  # fmt: skip


def _head_rows(
    rehearsal: Rehearsal, motion: SpeechMotion, size: int
) -> Iterator[tuple[str, take.Head, take.Blinks]]:
    """Head and blinks of two minutes, as the engine commands them, and of things that must fail."""
    text = " ".join(t for language, t, _ in SENTENCES if language == "en")
    said = speak("two minutes", "en", " ".join([text] * 4))
    track = _driven(rehearsal, motion, said, size, 3, listen=True)
    shut = np.maximum(track.column("eyeBlinkLeft"), track.column("eyeBlinkRight")) > 0.5
    even = np.zeros(len(track), bool)
    for at in range(40, len(track), 90):
        even[at : at + 5] = True
    for name, pose, eyes in (
        ("this engine", track.pose, shut),
        ("metronome: a blink every 3.6 s, head x 3", 3 * track.pose, even),
        ("frozen: no blink, no movement", 0 * track.pose, np.zeros(len(track), bool)),
    ):
        yield (name, take.head_of([pose[:, :3].astype(np.float64)], track.fps),
               take.blinks_of([eyes], track.fps))  # fmt: skip


def _notes(
    stages: Sequence[Stage], tracks: Sequence[MotionTrack], said: Sequence[Utterance]
) -> Iterator[str]:
    """13 and 14: the same seed twice, another seed; one motion on two faces; what leaks."""
    first, track, sentence = stages[0], tracks[0], said[0]
    again, once = (_digest(list(first.frames(track))) for _ in range(2))
    yield f"13 same track twice: {'the same' if again == once else 'OTHER'} frames"
    moved = _digest(list(first.frames(_posed(track, 0.9))))
    yield f"13 another track: {'other' if moved != once else 'THE SAME'} frames"
    shots = [stage.shoot(track, sentence) for stage in stages[:2]]
    seen = [s.take.watched.aperture for s in shots]
    r = measures.correlation(list(seen[0]), list(seen[-1]))
    yield f"14 one motion on two faces, aperture r: {r:.3f}"
    only_lips = first.shoot(_posed(_without(track, "eye", "brow"), 0), sentence).take.watched.pose
    whole = shots[0].take.watched.pose
    leak = float(np.nanstd(only_lips, 0).mean() / max(float(np.nanstd(whole, 0).mean()), 1e-9))
    yield f"14 head movement seen when only the lips move, share of the usual: {leak:.3f}"
    mute = first.shoot(_without(track, "jaw", "mouth"), sentence).take.watched.aperture
    share = float(np.nanstd(mute) / np.nanstd(seen[0]))
    yield f"14 lip movement seen when only the head moves, share of the usual: {share:.3f}"


# ---- speed --------------------------------------------------------------------------------------


def performance(sitting: Sitting, said: Utterance, size: int) -> UnsealedClip:
    """A clip as the studio makes it, for the seal to be timed with."""
    rehearsal = rehearse()
    track = _driven(rehearsal, SpeechMotion(), said, size, 1)
    stage = Stage(sitting, rehearsal, size)
    return UnsealedClip(
        width=stage.avatar.width, height=stage.avatar.height, fps=track.fps,
        frame_count=len(track), frames=stage.frames(track), sound=said.voice.native,
    )  # fmt: skip


def speed(sitting: Sitting, said: Utterance, size: int) -> Iterator[str]:
    """CPU time of each part on one thread, and frames a second on a CUDA device where there is
    one."""
    rehearsal = rehearse()
    begun = time.process_time()
    track = _driven(rehearsal, SpeechMotion(), said, size, 1)
    heard = time.process_time() - begun
    begun = time.process_time()
    stage = Stage(sitting, rehearsal, size)
    ready = time.process_time() - begun
    begun = time.process_time()
    frames = sum(1 for _ in stage.frames(track))
    each = (time.process_time() - begun) / frames
    yield (f"movement from {said.voice.duration:.1f} s of voice: {heard:.2f} s of CPU; "
           f"portrait made ready: {ready:.1f} s")  # fmt: skip
    yield (f"drawing: {1000 * each:.1f} ms of CPU a frame at {size} x {size} (target <= 20: "
           f"{'reached' if each <= 0.02 else 'not reached'})")  # fmt: skip
    yield from _on_cuda(stage, track, size)


def _on_cuda(stage: Stage, track: MotionTrack, size: int) -> Iterator[str]:
    import torch

    if not torch.cuda.is_available():
        yield "CUDA: no device on this machine; not measured"
        return
    name = torch.cuda.get_device_name(0)
    engine = PhotoWarp("torch", "cuda")
    for _ in range(2):  # the first pass pays for what is loaded once
        begun = time.perf_counter()
        admission = stage.admission()
        count = sum(1 for _ in engine.render(admission, stage.avatar, track))
        took = time.perf_counter() - begun
    yield f"CUDA, {name}: {count / took:.0f} frames a second at {size} x {size}, engine alone"


def long_run(
    sitting: Sitting, minutes: int, size: int, report: Callable[[str], None]
) -> list[str]:  # fmt: skip
    """One long clip, drawn whole: does it blur, drift or fill the memory?"""
    import resource

    text = " ".join(text for language, text, _ in SENTENCES if language == LONG)
    piece = espeak.speak(text, LONG, "", 155)
    pcm = np.tile(piece.pcm, -(-minutes * 60 * piece.rate // len(piece.pcm)))
    voice = from_pcm(pcm[: minutes * 60 * piece.rate], piece.rate)
    said = Utterance("long", LONG, "", voice, ())
    rehearsal = rehearse()
    track = _driven(rehearsal, SpeechMotion(), said, size, 9, listen=True)
    stage = Stage(sitting, rehearsal, size)
    kept: list[Picture] = []
    early = 0
    for number, frame in enumerate(stage.frames(track)):
        if number % (len(track) // 60) == 0:
            kept.append(frame)
        if number == len(track) // 10:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if number % 1500 == 0:
            report(f"long clip: {number} of {len(track)} frames")
    late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = [r for r in map(measures.read_frame, kept) if r is not None]
    sharp, third = [r.sharpness for r in seen], len(seen) // 3
    apart = [float(np.linalg.norm(r.descriptor - seen[0].descriptor)) for r in seen]
    ratio = float(np.median(sharp[-third:]) / np.median(sharp[:third]))
    shut = np.maximum(track.column("eyeBlinkLeft"), track.column("eyeBlinkRight")) > 0.5
    blinks, moved = take.blinks_of([shut], track.fps), take.head_of(
        [track.pose[:, :3].astype(np.float64)], track.fps)  # fmt: skip
    return [
        f"{minutes} minutes, {len(track)} frames: sharpness of the last third over the first "
        f"{ratio:.3f} (target >= .99: {'reached' if ratio >= 0.99 else 'not reached'})",
        f"{minutes} minutes: distance to the source, first third {np.mean(apart[:third]):.3f}, "
        f"last third {np.mean(apart[-third:]):.3f}; memory grew by {(late - early) / 1024:.0f} MB "
        "after the first tenth",
        f"{minutes} minutes: {blinks.per_minute:.1f} blinks a minute, interval CV "
        f"{blinks.cv:.2f} (target .4 to .9); head dP {moved.speed:.2f}, half of the power below "
        f"{moved.half:.2f} Hz, 95 % below {moved.most:.2f} Hz",
    ]
