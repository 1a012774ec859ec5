"""SpeechMotion: a voice becomes the motion of a speaking face.

Lips from phones (speech.visemes), head and brows from a seeded wander and the voice's accents
(speech.gesture), eyes from a model of gaze (speech.gaze). The same voice, controls and seed give
the same track to the last bit; no number in it comes from the clock or from a global generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import Controls
from primafacie.generator.info import EngineInfo, Weights
from primafacie.generator.motion import ARKIT_52, COLUMN, MotionTrack
from primafacie.generator.permit import require
from primafacie.generator.speech import gaze as eyes
from primafacie.generator.speech import net, vad
from primafacie.generator.speech.gesture import RATE, Gesture, gesture, smooth
from primafacie.generator.speech.hearing import Hearing, hear
from primafacie.generator.speech.visemes import CLOSE, JAW, ROUND, SPREAD, TUCK, Lips, lips

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
class _Performance:
    """What the parts of one track have in common."""

    heard: Hearing
    controls: Controls
    frames: int
    duration: float


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
        heard = hear(voice.pcm16k, controls.transcript, controls.language, self._guess)
        act = _Performance(heard, controls, frames, voice.duration)
        # One generator per part, so that taking a region away leaves the others as they were.
        move, look, wink, skew = np.random.default_rng(controls.seed).spawn(4)
        gestures = gesture(
            voice.duration, heard.segments, heard.accents, controls.pose, controls.amplitude, move
        )
        pose = _pose(act, gestures)
        looking, jumps = eyes.gaze(gestures.head, controls.gaze, look)
        coeffs = np.zeros((frames, len(ARKIT_52)), np.float32)
        if "lips" in controls.regions:
            mouth = lips(heard.spans, heard.posteriors, heard.speech, frames, controls.fps)
            _speak(coeffs, mouth)
        if "expression" in controls.regions:
            _express(coeffs, act)
            _raise_brows(coeffs, act, gestures)
        turned = np.zeros((frames, 2), np.float32)
        if "eyes" in controls.regions:
            _blink(coeffs, act, eyes.blinks(voice.duration, heard.segments, jumps, wink))
            turned = _sampled(looking, act)
            _look(coeffs, turned)
        _skew(coeffs, skew)
        return MotionTrack(controls.fps, pose, turned, np.clip(coeffs, 0, 1), heard.notes)


def _sampled(rows: Floats, act: _Performance) -> Floats:
    """Rows at gesture.RATE, read off at the video's frames."""
    at = np.arange(act.frames) / act.controls.fps * RATE
    grid = np.arange(len(rows))
    columns = [np.interp(at, grid, column) for column in rows.reshape(len(rows), -1).T]
    return np.asarray(np.stack(columns, axis=1), np.float32)


def _pose(act: _Performance, gestures: Gesture) -> Floats:
    pose = np.zeros((act.frames, 6), np.float32)
    pose[:, 5] = 1 / act.controls.distance
    if "pose" not in act.controls.regions:
        return pose
    pose[:, :3] = _sampled(gestures.head, act)
    t = np.arange(act.frames) / act.controls.fps
    pose[:, 1] += _BEARING.get(act.controls.emotion, 0) * act.controls.intensity * smooth(t)
    breath = np.sin(2 * np.pi * _BREATHS * t) * min(act.controls.amplitude, 1)
    pose[:, 3] = _SHIFT[0] * pose[:, 0]
    pose[:, 4] = _SHIFT[1] * pose[:, 1] + 0.003 * breath
    return pose


def _speak(coeffs: Floats, mouth: Lips) -> None:
    """The five numbers of visemes as ARKit coefficients."""
    shape = mouth.shape
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
    _add(coeffs, "mouthUpperUp", 0.20 * teeth * np.maximum(0.6 * spread, tuck))
    _add(coeffs, "mouthLowerDown", 0.20 * teeth * spread)


def _express(coeffs: Floats, act: _Performance) -> None:
    """The chosen emotion, eased in; the mouth's share gives way while the lips are sealed."""
    t = np.arange(act.frames) / act.controls.fps
    level = act.controls.intensity * smooth(t / _EASE_IN)
    sealed = coeffs[:, COLUMN["mouthClose"]]
    for name, value in _EXPRESSIONS[act.controls.emotion].items():
        give = 1 - 0.5 * sealed if name.startswith("mouth") else 1.0
        _add(coeffs, name, value * level * give)


def _raise_brows(coeffs: Floats, act: _Performance, gestures: Gesture) -> None:
    inner, outer = _sampled(np.stack((gestures.inner, gestures.outer), axis=1), act).T
    _add(coeffs, "browInnerUp", inner)
    _add(coeffs, "browOuterUp", outer)


def _blink(coeffs: Floats, act: _Performance, moments: Floats) -> None:
    for side, lag in (("Left", 0.0), ("Right", 0.012)):
        shut = eyes.lids(moments, act.frames, act.controls.fps, lag)
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


def _skew(coeffs: Floats, rng: np.random.Generator) -> None:
    """No face is symmetrical: one side of each pair does 5 to 10 % less. Lids must still shut."""
    for name in ARKIT_52:
        pair = name[: -len("Left")] + "Right"
        if name.endswith("Left") and pair in COLUMN and not name.startswith("eye"):
            less, side = rng.uniform(0.05, _LARGEST_SKEW), rng.random() < 0.5
            coeffs[:, COLUMN[name if side else pair]] *= 1 - less
