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
from primafacie.generator.clip import SOUND_RATE
from primafacie.generator.controls import Controls
from primafacie.generator.engines.photo_warp.engine import Avatar, PhotoWarp
from primafacie.generator.engines.speech_motion import SpeechMotion
from primafacie.generator.errors import PortraitError
from primafacie.generator.motion import APERTURE_AT_FULL_JAW, COLUMN, MotionTrack, still
from primafacie.generator.permit import Admission
from primafacie.generator.portrait import Portrait
from primafacie.generator.rehearsal import Rehearsal, rehearse
from primafacie.generator.sentences import SENTENCES
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
_THUMBNAIL: Final = 256
#: Seconds of speech on which head and blinks are judged: in one sentence a head has hardly left the
#: photo's pose before it comes back, and blinks twice.
MONOLOGUE: Final = 40


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
    of chosen moments, only for drawn portraits. long: a monologue seen at every second frame, for
    the head and the blinks; nothing else was measured on it. held: the same with the head held
    still, for the noise of reading it.
    """

    take: Take
    distances: tuple[float, ...]
    sharpness: tuple[float, ...]
    outside: float
    asked: Doubles
    digest: str
    seconds: float
    thumbnails: tuple[tuple[str, Picture], ...] = ()
    long: bool = False
    held: Take | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A measure on a set of shots. Its target goes from low to high. by_lips: its baseline is the
    jaw that follows loudness, else a still photo."""

    number: str
    name: str
    unit: str
    low: float
    high: float
    value: Callable[[Sequence[Shot]], float]
    by_lips: bool = False

    def reached(self, value: float) -> bool:
        """Whether a value lies in the target; one that could not be measured does not."""
        return self.excess(value) <= 1e-6

    def excess(self, value: float) -> float:
        """How far a value lies outside the target; below 0: inside, by so much."""
        return max(self.low - value, value - self.high) if np.isfinite(value) else np.inf

    @property
    def target(self) -> str:
        """The target in words."""
        if np.isinf(self.low):
            return f"<= {self.high:g}"
        return f">= {self.low:g}" if np.isinf(self.high) else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. value: of all portraits together; worst: of the one that lies furthest
    outside the target, or nearest to its edge; portraits: how many of `of` reach it. same, baseline
    and control: the engine, the baseline and the spoiled clip on one and the same take of one
    portrait. control_red: the spoiled clip failed the target, as it must. tells: the baseline does
    worse than the engine there."""

    number: str
    name: str
    unit: str
    value: float
    worst: float
    worst_of: str
    target: str
    reached: bool
    portraits: int
    of: int
    same: float
    baseline_name: str
    baseline: float
    control_name: str
    control: float
    control_red: bool
    tells: bool


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

    def observe(self, track: MotionTrack, held: Take | None = None) -> Shot:
        """Only look: every second frame of a long track, one after the other."""
        half = MotionTrack(
            track.fps / 2, track.pose[::2], track.gaze[::2], track.coeffs[::2], track.notes
        )
        watched = self.watcher.watch(self.frames(half), half.fps)
        seen = Take("monologue", watched, ())
        return Shot(seen, (), (), 0.0, opening(half), "", 0.0, long=True, held=held)

    def _drawn(self, track: MotionTrack) -> tuple[list[Picture], float]:
        begun = time.process_time()
        frames = list(self.frames(track))
        return frames, time.process_time() - begun


def monologue(said: Sequence[Utterance], first: int) -> Utterance:
    """MONOLOGUE seconds of the same voices, one sentence after the other, from a given one on."""
    order = [said[(first + n) % len(said)].voice for n in range(len(said))]
    sound = np.concatenate([voice.native for voice in order])
    sound = np.tile(sound, -(-MONOLOGUE * SOUND_RATE // len(sound)))[: MONOLOGUE * SOUND_RATE]
    return Utterance("monologue", "en", "", from_pcm(sound, SOUND_RATE), ())


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
    return [shot.take for shot in shots if not shot.long]


def _long(shots: Sequence[Shot]) -> list[Take]:
    return [shot.take for shot in shots if shot.long]


def _held(shots: Sequence[Shot]) -> list[Take]:
    return [shot.held for shot in shots if shot.long and shot.held is not None]


def _tracking(shots: Sequence[Shot]) -> float:
    return float(np.mean([
        measures.correlation(list(s.asked[ok]), list(s.take.watched.aperture[ok]))
        for s in shots if not s.long for ok in [np.isfinite(s.take.watched.aperture)]
    ]))  # fmt: skip


def _margin(shots: Sequence[Shot]) -> float:
    found = take.timing(_takes(shots))
    return found.r - found.null


def _mean_distance(shots: Sequence[Shot]) -> float:
    return float(np.mean([d for s in shots for d in s.distances]))


def _far_distance(shots: Sequence[Shot]) -> float:
    return max(d for s in shots for d in s.distances)


def _outside(shots: Sequence[Shot]) -> float:
    return float(np.mean([s.outside for s in shots if not s.long]))


def _late_sharpness(shots: Sequence[Shot]) -> float:
    """Sharpness of the last third of a take over that of its first, the same moments of speech
    apart; the median over takes."""
    shares = [np.array_split(np.array(s.sharpness), 3) for s in shots if len(s.sharpness) >= 3]
    return float(np.median([np.median(p[2]) / np.median(p[0]) for p in shares]))


_INF: Final = float("inf")
CHECKS: Final[tuple[Check, ...]] = (
    Check("1", "p b m sealed", "share", 0.99, _INF, lambda s: take.sealed(_takes(s)), True),
    Check("2", "closed told from open, AUC", "", 0.98, _INF,
          lambda s: take.separable(_takes(s)), True),
    Check("3a", "lips follow phones, r", "", 0.60, _INF, lambda s: take.timing(_takes(s)).r, True),
    Check("3b", "that r above chance (null95)", "", 0.20, _INF, _margin, True),
    Check("3c", "lag of the lips", "ms", -120, 0,
          lambda s: 1000 * take.timing(_takes(s)).lag, True),
    Check("3d", "aperture asked against seen, r", "", 0.90, _INF, _tracking, True),
    Check("4", "mouth shut after speech, slowest", "s", -_INF, 0.20,
          lambda s: take.shut_after(_takes(s)), True),
    Check("5", "f v near the teeth", "share", 0.90, _INF, lambda s: take.tucked(_takes(s)), True),
    Check("6a", "head, dP below 5 Hz", "deg/40 ms", 0.35, 0.55,
          lambda s: take.head(_long(s)).speed),
    Check("6b", "head, half of the power below", "Hz", 0.2, 0.6,
          lambda s: take.head(_long(s), _held(s)).half),
    Check("6c", "head, 95 % of the power below", "Hz", 1.4, 2.6,
          lambda s: take.head(_long(s), _held(s)).most),
    Check("7a", "blinks", "per min", 12, 30, lambda s: take.blinks(_long(s)).per_minute),
    Check("7b", "blink, median length", "s", 0.15, 0.40, lambda s: take.blinks(_takes(s)).median),
    Check("8a", "distance to the source face, mean", "", -_INF, 0.20, _mean_distance),
    Check("8b", "distance to the source face, most", "", -_INF, 0.35, _far_distance),
    Check("9", "sharpness, end over start", "ratio", 0.99, _INF, _late_sharpness),
    Check("10", "background, mean difference", "grey", -_INF, 0.05, _outside),
    Check("11", "tremble of the nose", "1e-3 eyes", -_INF, 42, lambda s: take.jitter(_takes(s))),
)  # fmt: skip


def shifted(shot: Shot, frames: int) -> Shot:
    """The same take with the picture late by so many frames."""
    watched = shot.take.watched
    late = replace(watched, aperture=np.roll(watched.aperture, frames))
    return replace(shot, take=replace(shot.take, watched=late))


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
    stage: Stage, other: Stage, track: MotionTrack, said: Utterance, wrong: Sequence[Sound],
    alone: Shot, monologue: MotionTrack, held: Take | None,
) -> dict[str, tuple[str, Sequence[Shot]]]:  # fmt: skip
    """What each check must refuse: number -> (what was done, shots). alone: the unspoiled take;
    wrong: the phones of another sentence; held: the monologue with the head held still."""
    late = [shifted(alone, 8)]
    mistaken = [replace(alone, take=replace(alone.take, sounds=tuple(wrong)))]
    awake = stage.shoot(_without(track, "eyeBlink"), said)
    rigid = stage.observe(_posed(_without(monologue, "eyeBlink"), 0))
    stranger = [stage.shoot(track, said, lambda _, frame: other.source)]
    mute = stage.shoot(_without(track, "jaw", "mouth"), said)
    return {
        "1": ("picture 320 ms late", late),
        "2": ("phones of another sentence", mistaken),
        "3a": ("phones of another sentence", mistaken),
        "3b": ("phones of another sentence", mistaken),
        "3c": ("picture 320 ms late", late),
        "3d": ("lips that rest", [replace(mute, asked=opening(track))]),
        "4": ("picture 320 ms late", late),
        "5": ("phones of another sentence", mistaken),
        "6a": ("frozen head", [rigid]),
        "6b": ("trembling head", [stage.observe(_trembling(monologue), held)]),
        "6c": ("head ten times slower", [stage.observe(_slow(monologue), held)]),
        "7a": ("eyes that never shut", [rigid]),
        "7b": ("eyes that never shut", [awake]),
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
    tracks = [driven(rehearsal, motion, u, size, number) for number, u in enumerate(said)]
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
        talk = monologue(said, number * each)
        walked = driven(rehearsal, motion, talk, size, number, listen=True)
        held = stage.observe(_posed(walked, 0)).take
        shots = (*(stage.shoot(tracks[i], said[i]) for i in mine), stage.observe(walked, held))
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
    walked = driven(rehearsal, motion, monologue(said, 0), size, 0, listen=True)
    lines = _lines(stages, [f for f in faces if f.shots], tracks, said, walked)
    return FaceReport(
        lines=lines,
        faces=tuple(faces),
        motion=tuple(_motion_rows(rehearsal, motion, said, tracks, size)),
        heads=tuple(_head_rows(rehearsal, motion, size)),
        shifts=_shifts([s for f in faces for s in f.shots if not s.long]),
        notes=tuple(_notes(stages, tracks, said)),
    )


def driven(
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
    said: Sequence[Utterance], monologue: MotionTrack,
) -> tuple[Line, ...]:  # fmt: skip
    first, second = stages[0], stages[1 % len(stages)]
    longest = max(range(len(said)), key=lambda i: len(tracks[i]))
    track, text = tracks[longest], said[longest]
    wrong = said[(longest + 1) % len(said)].sounds
    alone = first.shoot(track, text)
    ours = (alone, next(s for s in faces[0].shots if s.long))
    bad = spoiled(first, second, track, text, wrong, alone, monologue, ours[1].held)
    frozen = first.shoot(still(len(track)), text)
    plain = (first.shoot(loudness(text, track), text),)
    quiet = (frozen, replace(frozen, long=True, held=frozen.take))
    return tuple(_line(c, faces, ours, plain if c.by_lips else quiet, bad[c.number])
                 for c in CHECKS)  # fmt: skip


def _line(
    check: Check, faces: Sequence[Face], ours: Sequence[Shot], plain: Sequence[Shot],
    bad: tuple[str, Sequence[Shot]],
) -> Line:  # fmt: skip
    value = check.value([shot for face in faces for shot in face.shots])
    each = [(check.value(face.shots), face.name) for face in faces]
    worst, worst_of = max(each, key=lambda pair: check.excess(pair[0]))
    same, baseline, control = (check.value(shots) for shots in (ours, plain, bad[1]))
    return Line(
        check.number, check.name, check.unit, value, worst, worst_of, check.target,
        check.reached(value), sum(check.reached(v) for v, _ in each), len(each), same,
        "loudness" if check.by_lips else "still photo", baseline, bad[0], control,
        not check.reached(control), check.excess(same) < check.excess(baseline),
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
    alone = [driven(rehearsal, motion, u, size, 0, listen=True) for u in said]
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
    track = driven(rehearsal, motion, said, size, 3, listen=True)
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
    yield f"14 head movement read when only the lips move, share of the usual: {leak:.3f}"
    yield from _masked(first, track)
    mute = first.shoot(_without(track, "jaw", "mouth"), sentence).take.watched.aperture
    share = float(np.nanstd(mute) / np.nanstd(seen[0]))
    yield f"14 lip movement seen when only the head moves, share of the usual: {share:.3f}"


def _masked(stage: Stage, track: MotionTrack) -> Iterator[str]:
    """The landmarks' pose follows an opening mouth, so the picture itself is asked as well."""
    points, shape = stage.watcher.source_points, stage.source.shape
    brow, lid = int(points[17:27, 1].min()), int(points[36:48, 1].max())
    for name, moved in (
        ("only the lips move", _posed(_without(track, "eye", "brow", "cheek", "nose"), 0)),
        ("only the head moves, the control", _without(track, "jaw", "mouth", "tongue", "eye")),
    ):
        gone = replace(moved, gaze=np.zeros_like(moved.gaze))
        most = np.zeros(shape, np.int16)
        for frame in stage.frames(gone):
            np.maximum(most, np.abs(frame.astype(np.int16) - stage.source), out=most)
        yield (f"14 most a pixel changes when {name}: above the brows {most[:brow].max()}, "
               f"down to the lower lids {most[:lid].max()} grey levels")  # fmt: skip
