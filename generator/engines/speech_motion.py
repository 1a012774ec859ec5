"""SpeechMotion: a voice becomes the motion of a speaking face.

Lips from phones (speech.visemes), head and brows from a seeded wander and the voice's accents
(speech.gesture), eyes from a model of gaze (speech.gaze). The same voice, controls and seed give
the same track to the last bit; no number in it comes from the clock or from a global generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import Controls
from primafacie.generator.errors import EngineError
from primafacie.generator.info import EngineInfo, Weights
from primafacie.generator.motion import ARKIT_52, COLUMN, MotionTrack
from primafacie.generator.permit import require
from primafacie.generator.speech import gaze as eyes
from primafacie.generator.speech import net, vad
from primafacie.generator.speech.gesture import RATE as RATE_OF_GESTURE
from primafacie.generator.speech.gesture import gesture, smooth
from primafacie.generator.speech.hearing import hear
from primafacie.generator.speech.manner import Manner
from primafacie.generator.speech.mel import RATE
from primafacie.generator.speech.stream import LOOK_AHEAD, Listener
from primafacie.generator.speech.visemes import CLOSE, JAW, ROUND, SPREAD, TONGUE, TUCK, lips

if TYPE_CHECKING:
    from primafacie.generator.permit import Admission
    from primafacie.generator.voice import Voice

Floats = NDArray[np.float32]

#: Expressions at full intensity; the lips keep speaking through them.
_EXPRESSIONS: Final[dict[str, dict[str, float]]] = {
    "neutral": {},
    "happy": {"mouthSmile": 0.60, "cheekSquint": 0.45, "eyeSquint": 0.22, "browOuterUp": 0.10,
              "mouthDimple": 0.15},
    "sad": {"browInnerUp": 0.60, "mouthFrown": 0.50, "eyeSquint": 0.12, "browDown": 0.10,
            "mouthShrugLower": 0.20},
    "angry": {"browDown": 0.75, "noseSneer": 0.30, "eyeSquint": 0.35, "mouthPress": 0.20,
              "mouthFrown": 0.20},
    "surprised": {"browInnerUp": 0.60, "browOuterUp": 0.65, "eyeWide": 0.60},
    "afraid": {"browInnerUp": 0.70, "browOuterUp": 0.25, "eyeWide": 0.50, "mouthStretch": 0.30},
    "disgusted": {"noseSneer": 0.65, "mouthUpperUp": 0.25, "browDown": 0.35, "mouthFrown": 0.25,
                  "eyeSquint": 0.30},
}  # fmt: skip
#: Pitch of the head that goes with an expression, in degrees; down is positive.
_BEARING: Final = {"sad": 3.0, "angry": 1.5, "surprised": -1.5, "afraid": -1.0, "happy": -0.5}

_LARGEST_SKEW: Final = 0.10
_EASE_IN: Final = 0.5
#: Degrees of gaze at which ARKit's look coefficients reach 1.
_FULL_LOOK: Final = 30.0
#: Face widths the head shifts per degree of yaw and pitch.
_SHIFT: Final = (0.0022, 0.0016)
_BREATHS: Final = 0.24  # a second


@dataclass(frozen=True, slots=True)
class _Take:
    """Some frames of a performance: which, and what was asked for."""

    controls: Controls
    first: int
    frames: int

    @property
    def t(self) -> Floats:
        """Their times in seconds, (frames,)."""
        return np.asarray((self.first + np.arange(self.frames)) / self.controls.fps, np.float32)


class _Seen(NamedTuple):
    """What the parts of a performance say about the frames of a take.

    lips (T, 6); head (T, 3) and gaze (T, 2) in degrees; inner and outer brow (T,); blinks: the
    moments of shut eyes, in seconds.
    """

    lips: Floats
    head: Floats
    gaze: Floats
    inner: Floats
    outer: Floats
    blinks: Floats


class SpeechMotion:
    """Promises what engine.MotionEngine promises; sealed lips on every p, b and m it heard."""

    info: EngineInfo

    def __init__(self, guess_words: bool = False) -> None:
        """guess_words: recognise English words where no transcript was given; better lips for
        more computing (speech.words)."""
        self._guess = guess_words
        learned = (
            Weights("speech.npz", net.default().sha256, "Apache-2.0"),
            Weights(vad.weights_path().name, vad.weights_sha256(), "MIT"),
        )
        self.info = EngineInfo("speech-motion", "1.0", "Apache-2.0", learned)

    def drive(self, admission: Admission, voice: Voice, controls: Controls) -> MotionTrack:
        """The motion of a face that says `voice`.

        Raises PermitError without a valid admission. What was used and what was not (a transcript
        that does not match, a clip without speech) is told in the track's notes.
        """
        require(admission)
        frames = int(np.ceil(voice.duration * controls.fps - 1e-6))
        take = _Take(controls, 0, frames)
        heard = hear(voice.pcm16k, controls.transcript, controls.language, self._guess)
        move, look, wink, skew = _generators(controls)
        gestures = gesture(
            voice.duration, heard.segments, heard.accents, controls.pose, controls.amplitude,
            move, controls.gaze,
        )  # fmt: skip
        # Eyes undo only a turn that is shown.
        head = gestures.head if "pose" in controls.regions else np.zeros_like(gestures.head)
        looking, jumps = eyes.gaze(head, controls.gaze, look)
        mouth = lips(heard.spans, heard.posteriors, heard.speech, frames, controls.fps)
        inner, outer = _sampled(np.stack((gestures.inner, gestures.outer), axis=1), take).T
        seen = _Seen(
            mouth.shape, _sampled(gestures.head, take), _sampled(looking, take), inner, outer,
            eyes.blinks(voice.duration, heard.segments, jumps, wink),
        )  # fmt: skip
        return _track(take, seen, _skews(skew), heard.notes)

    def stream(self, admission: Admission, controls: Controls) -> SpeechStream:
        """The same face for a voice that is still being spoken.

        Raises PermitError without a valid admission. A transcript is not used.
        """
        return SpeechStream(admission, controls)


class SpeechStream:
    """Sound in, motion out, `look_ahead` seconds behind.

    The track depends on the sound, the controls and the seed, and not on how the sound was cut
    into pieces. Differences from SpeechMotion.drive are told in speech.stream and speech.manner;
    besides, the head does not come back to the photo's pose at the end, which is not known.
    Memory does not grow with time.
    """

    #: Seconds of sound after a frame's time that must have come before the frame does.
    look_ahead: Final = LOOK_AHEAD

    def __init__(self, admission: Admission, controls: Controls) -> None:
        """Raises PermitError without a valid admission."""
        self._admission = require(admission)
        self._controls = controls
        move, look, wink, skew = _generators(controls)
        self._listener = Listener(controls.fps, controls.language)
        self._manner = Manner(
            controls.pose, controls.gaze, controls.amplitude, "pose" not in controls.regions,
            move, look, wink,
        )  # fmt: skip
        self._skews = _skews(skew)
        self._waiting: list[Floats] = []
        self._pending = self._samples = self._frame = 0
        self._ended = False

    def push(self, pcm16k: Floats) -> MotionTrack:
        """The next piece of sound, mono at 16 kHz as recorded, of any length; returns the frames
        that can be known now, perhaps none.

        Raises PermitError when the admission has ended, EngineError after `finish` or for sound
        that holds a number that is not finite.
        """
        require(self._admission)
        if self._ended:
            raise EngineError("this stream was finished")
        pcm = np.asarray(pcm16k, np.float32).reshape(-1)
        if not np.isfinite(pcm).all():
            raise EngineError("the sound holds a number that is not finite")
        self._waiting.append(pcm)
        self._pending += len(pcm)
        parts = []
        while self._samples + self._pending >= self._listener.due():
            self._listener.hear(self._taken(self._listener.due() - self._samples))
            parts.append(self._draw())
        return self._joined(parts)

    def finish(self) -> MotionTrack:
        """No more sound comes; returns the frames that are left, so that there are
        ceil(duration x fps) in all. Raises PermitError when the admission has ended, EngineError
        when it was called before."""
        require(self._admission)
        if self._ended:
            raise EngineError("this stream was finished")
        self._ended = True
        self._listener.hear(self._taken(self._pending))
        self._listener.end()
        frames = int(np.ceil(self._samples / RATE * self._controls.fps - 1e-6))
        return self._joined([self._draw() for _ in range(frames - self._frame)])

    def _taken(self, count: int) -> Floats:
        """The next `count` of the waiting samples."""
        sound = np.concatenate([*self._waiting, np.zeros(0, np.float32)])
        self._waiting, self._pending = [sound[count:]], len(sound) - count
        self._samples += count
        return sound[:count]

    def _draw(self) -> MotionTrack:
        """The next frame."""
        take = _Take(self._controls, self._frame, 1)
        heard = self._listener.moment()
        time = self._frame / self._controls.fps
        posture = self._manner.posture(time, heard.speaking, heard.segments, heard.accents)
        self._frame += 1
        seen = _Seen(
            heard.shape[None], posture.head[None], posture.gaze[None],
            np.array([posture.inner], np.float32), np.array([posture.outer], np.float32),
            np.asarray(self._manner.blinks.moments, np.float32),
        )  # fmt: skip
        return _track(take, seen, self._skews, ())

    def _joined(self, parts: list[MotionTrack]) -> MotionTrack:
        if not parts:
            nothing = np.zeros((0, 0), np.float32)
            return MotionTrack(
                self._controls.fps, nothing.reshape(0, 6), nothing.reshape(0, 2),
                nothing.reshape(0, len(ARKIT_52)),
            )  # fmt: skip
        notes: tuple[str, ...] = _STREAM_NOTES if self._frame == len(parts) else ()
        if notes and self._controls.transcript.strip():
            notes = (*notes, "transcript not used: the sound was heard as it came")
        return MotionTrack(
            self._controls.fps, np.concatenate([p.pose for p in parts]),
            np.concatenate([p.gaze for p in parts]), np.concatenate([p.coeffs for p in parts]),
            notes,
        )  # fmt: skip


_STREAM_NOTES: Final = ("lips timed from the sound alone, as it came",)


def _generators(controls: Controls) -> list[np.random.Generator]:
    """One generator a part, so that taking a region away leaves the others as they were."""
    return np.random.default_rng(controls.seed).spawn(4)


def _track(take: _Take, seen: _Seen, skews: Floats, notes: tuple[str, ...]) -> MotionTrack:
    regions = take.controls.regions
    coeffs = np.zeros((take.frames, len(ARKIT_52)), np.float32)
    if "lips" in regions:
        _speak(coeffs, seen.lips)
    if "expression" in regions:
        _express(coeffs, take)
        _add(coeffs, "browInnerUp", seen.inner)
        _add(coeffs, "browOuterUp", seen.outer)
    turned = np.zeros((take.frames, 2), np.float32)
    if "eyes" in regions:
        _blink(coeffs, take, seen.blinks)
        turned = seen.gaze
        _look(coeffs, turned)
    coeffs *= skews
    pose = _pose(take, seen.head)
    return MotionTrack(take.controls.fps, pose, turned, np.clip(coeffs, 0, 1), notes)


def _sampled(rows: Floats, take: _Take) -> Floats:
    """Rows at gesture.RATE, read off at the video's frames."""
    at = np.arange(take.frames) / take.controls.fps * RATE_OF_GESTURE
    grid = np.arange(len(rows))
    columns = [np.interp(at, grid, column) for column in rows.reshape(len(rows), -1).T]
    return np.asarray(np.stack(columns, axis=1), np.float32)


def _pose(take: _Take, head: Floats) -> Floats:
    controls = take.controls
    pose = np.zeros((take.frames, 6), np.float32)
    pose[:, 5] = 1  # the camera's distance is the renderer's
    if "pose" not in controls.regions:
        return pose
    pose[:, :3] = head
    if not controls.pose:  # a pose that was asked for is met as asked
        pose[:, 1] += _BEARING.get(controls.emotion, 0) * controls.intensity * smooth(take.t)
    breath = np.sin(2 * np.pi * _BREATHS * take.t) * min(controls.amplitude, 1)
    pose[:, 3] = _SHIFT[0] * pose[:, 0]
    pose[:, 4] = _SHIFT[1] * pose[:, 1] + 0.003 * breath
    return pose


def _speak(coeffs: Floats, shape: Floats) -> None:
    """The six numbers of visemes as ARKit coefficients."""
    jaw, round_, spread = shape[:, JAW], shape[:, ROUND], shape[:, SPREAD]
    close, tuck = shape[:, CLOSE], shape[:, TUCK]
    open_ = 1 - close
    funnel = round_ * np.clip(jaw / 0.5, 0, 1)
    _add(coeffs, "jawOpen", jaw)
    _add(coeffs, "mouthClose", close)
    _add(coeffs, "mouthRollLower", tuck * open_)
    _add(coeffs, "mouthFunnel", 0.75 * funnel)
    _add(coeffs, "mouthPucker", round_ - 0.6 * funnel)
    _add(coeffs, "mouthStretch", 0.45 * spread * open_)
    _add(coeffs, "mouthSmile", 0.12 * spread * open_)
    _add(coeffs, "mouthPress", 0.35 * close)
    # Teeth show where the jaw is nearly shut but the lips are spread or tucked.
    teeth = np.clip(1 - jaw / 0.4, 0, 1) * open_
    _add(coeffs, "mouthUpperUp", teeth * np.maximum(0.12 * spread, 0.25 * tuck))
    _add(coeffs, "mouthLowerDown", 0.20 * teeth * spread)
    _add(coeffs, "tongueOut", shape[:, TONGUE] * open_)


def _express(coeffs: Floats, take: _Take) -> None:
    """The chosen emotion, eased in; the mouth's share gives way while the lips are sealed."""
    level = take.controls.intensity * smooth(take.t / _EASE_IN)
    sealed = coeffs[:, COLUMN["mouthClose"]]
    for name, value in _EXPRESSIONS[take.controls.emotion].items():
        give = 1 - 0.5 * sealed if name.startswith("mouth") else 1.0
        _add(coeffs, name, value * level * give)


def _blink(coeffs: Floats, take: _Take, moments: Floats) -> None:
    for side, lag in (("Left", 0.0), ("Right", 0.012)):
        shut = eyes.lids(moments, take.frames, take.controls.fps, lag, take.first)
        coeffs[:, COLUMN[f"eyeBlink{side}"]] = shut
        coeffs[:, COLUMN[f"eyeWide{side}"]] *= 1 - shut


def _look(coeffs: Floats, turned: Floats) -> None:
    """Gaze once more as ARKit's look coefficients, for renderers that know only those."""
    left, down = np.clip(turned / _FULL_LOOK, -1, 1).T
    for name, value in (
        ("eyeLookOutLeft", left), ("eyeLookInRight", left), ("eyeLookInLeft", -left),
        ("eyeLookOutRight", -left), ("eyeLookDownLeft", down), ("eyeLookDownRight", down),
        ("eyeLookUpLeft", -down), ("eyeLookUpRight", -down),
    ):  # fmt: skip
        coeffs[:, COLUMN[name]] = np.maximum(value, 0)


def _add(coeffs: Floats, name: str, value: Floats) -> None:
    """Adds to the coefficient, or to both of a pair."""
    for column in (name, f"{name}Left", f"{name}Right"):
        if column in COLUMN:
            coeffs[:, COLUMN[column]] += value


def _skews(rng: np.random.Generator) -> Floats:
    """No face is symmetrical: one side of each pair does 5 to 10 % less, (52,). Lids must still
    shut."""
    out = np.ones(len(ARKIT_52), np.float32)
    for name in ARKIT_52:
        pair = name[: -len("Left")] + "Right"
        if name.endswith("Left") and pair in COLUMN and not name.startswith("eye"):
            less, side = rng.uniform(0.05, _LARGEST_SKEW), rng.random() < 0.5
            out[COLUMN[name if side else pair]] = 1 - less
    return out


def speech_motion(data: bytes, sha256: str, licence: str) -> SpeechMotion:
    """The engine as the registry makes it: its weights come with the package, no file is taken."""
    if data:
        raise EngineError("speech-motion takes no file")
    return SpeechMotion()
