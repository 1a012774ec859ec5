"""Controls: what the person who asks may choose about a performance."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

from primafacie.audit import canonical
from primafacie.generator.errors import EngineError

Emotion = Literal["neutral", "happy", "sad", "angry", "surprised", "afraid", "disgusted"]
Crop = Literal["face", "square", "portrait", "full"]
Background = Literal["photo", "green"]
Region = Literal["lips", "expression", "pose", "eyes"]
EMOTIONS: Final = ("neutral", "happy", "sad", "angry", "surprised", "afraid", "disgusted")
BACKGROUNDS: Final = ("photo", "green")
CROPS: Final = ("face", "square", "portrait", "full")
REGIONS: Final = ("lips", "expression", "pose", "eyes")
RATES: Final = (25, 30, 50, 60)
MOTIONS: Final = ("", "json", "csv", "glb")
#: Where the visible label may lie: "" as the consent has it, else below; "none" for no label.
LABELS: Final = (
    "", "bottom", "top", "top-left", "top-right", "bottom-left", "bottom-right", "none",
)  # fmt: skip
CAPTIONS: Final = ("", "start", "end", "both")
#: Fields that came later: left out of the bytes while they have their default, so that parameters
#: written before stay what they were.
_LATER: Final = {"motion": "", "background": "photo", "label": "", "caption": ""}


@dataclass(frozen=True, slots=True)
class PoseKey:
    """The head at time t (seconds) should be at yaw, pitch, roll (degrees)."""

    t: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


def pose_keys(text: str) -> tuple[PoseKey, ...]:
    """Pose keys as people write them: a line for each, of four numbers: second, yaw, pitch, roll.
    Raises EngineError naming the first line that is none."""
    keys = []
    for number, line in enumerate(filter(str.strip, text.splitlines()), 1):
        try:
            t, yaw, pitch, roll = map(float, line.replace(",", " ").split())
        except ValueError as error:
            raise EngineError(
                f"pose key {number}: four numbers, please: second, yaw, pitch, roll"
            ) from error
        keys.append(PoseKey(t, yaw, pitch, roll))
    return tuple(keys)


@dataclass(frozen=True, slots=True)
class Controls:
    """Every field has a safe default; the ranges are checked, never clipped in silence.

    size: shorter side of the picture in pixels, even, 256 to 1080. crop: `face` and `square` are
    squares round the head, `portrait` is 9:16, `full` keeps the whole photo. background: the
    photo's own, or `green` for keying (H.264 carries no alpha channel). amplitude: head movement,
    1 = as measured on real speakers, 0 to 1.5. distance: 1 = as photographed, below is nearer,
    0.8 to 1.25. gaze: main direction in degrees (yaw, pitch), within 20. region: what may move.
    transcript: what the clip says, "" if unknown; language: BCP 47 tag of the speech.
    label, caption: where the visible words lie that the seal burns in; "" as the consent asks.
    """

    size: int = 512
    fps: int = 25
    crop: Crop = "square"
    background: Background = "photo"
    emotion: Emotion = "neutral"
    intensity: float = 0.5
    amplitude: float = 1.0
    distance: float = 1.0
    gaze: tuple[float, float] = (0.0, 0.0)
    pose: tuple[PoseKey, ...] = ()
    regions: tuple[Region, ...] = REGIONS
    seed: int = 0
    transcript: str = ""
    language: str = "en"
    motion: str = ""
    label: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        problems = [text for broken, text in self._limits() if broken]
        if problems:
            raise EngineError("; ".join(problems))

    def _limits(self) -> tuple[tuple[bool, str], ...]:
        return (
            (not 256 <= self.size <= 1080 or self.size % 2 != 0,
             "size must be an even number from 256 to 1080 pixels"),
            (self.fps not in RATES, "fps must be 25, 30, 50 or 60"),
            (self.crop not in CROPS, f"crop must be one of {', '.join(CROPS)}"),
            (self.background not in BACKGROUNDS,
             f"background must be one of {', '.join(BACKGROUNDS)}"),
            (self.emotion not in EMOTIONS, f"emotion must be one of {', '.join(EMOTIONS)}"),
            (not 0 <= self.intensity <= 1, "intensity must lie between 0 and 1"),
            (not 0 <= self.amplitude <= 1.5, "amplitude must lie between 0 and 1.5"),
            (not 0.8 <= self.distance <= 1.25, "distance must lie between 0.8 and 1.25"),
            (not all(abs(a) <= 20 for a in self.gaze), "gaze must stay within 20 degrees"),
            (not set(self.regions) <= set(REGIONS),
             f"regions must be among {', '.join(REGIONS)}"),
            (self.motion not in MOTIONS, "motion must be one of json, csv, glb, or nothing"),
            (self.label not in LABELS, f"label must be one of {', '.join(LABELS[1:])}, or nothing"),
            (self.caption not in CAPTIONS, "caption must be one of start, end, both, or nothing"),
            (not 0 <= self.seed < 2**32, "seed must lie between 0 and 4294967295"),
            (len(self.transcript) > 5000, "transcript must have at most 5000 characters"),
            (len(self.pose) > 500 or not all(
                abs(k.yaw) <= 20 and abs(k.pitch) <= 12 and abs(k.roll) <= 10
                and 0 <= k.t < float("inf")
                for k in self.pose),
             "at most 500 pose keys, from second 0 on, within 20, 12 and 10 degrees of yaw, pitch "
             "and roll"),
        )  # fmt: skip

    def to_params(self) -> bytes:
        """Canonical JSON of the fields; numbers with a fraction are written as decimal strings,
        so that the digest in a permit does not hang on how a float is printed."""
        body = {k: v for k, v in asdict(self).items() if k not in _LATER or v != _LATER[k]}
        return canonical.encode(_exact(body))

    @classmethod
    def from_params(cls, params: bytes) -> Controls:
        """The controls in `params`. Raises EngineError for anything but their canonical bytes."""
        try:
            given = json.loads(params)
            known = {f.name: f for f in fields(cls)}
            if not set(known) - set(_LATER) <= set(given) <= set(known):
                raise EngineError("the parameters have missing or unexpected fields")
            controls = cls(
                **{
                    **given,
                    "intensity": float(given["intensity"]),
                    "amplitude": float(given["amplitude"]),
                    "distance": float(given["distance"]),
                    "gaze": tuple(float(a) for a in given["gaze"]),
                    "pose": tuple(
                        PoseKey(**{k: float(v) for k, v in key.items()}) for key in given["pose"]
                    ),
                    "regions": tuple(given["regions"]),
                }
            )
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise EngineError("the parameters cannot be read") from error
        if controls.to_params() != params:
            raise EngineError("the parameters' bytes are not canonical")
        return controls


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {k: _exact(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(v) for v in value]
    return value
