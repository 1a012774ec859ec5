"""Order: a request as people and programs write it: one JSON object beside the two files.

The form of the console and the API read the same object, so that what the form shows under "JSON"
and "curl" is what the API takes.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from primafacie.generator.controls import Controls, PoseKey

Purpose = Literal["research", "perception-study", "education", "accessibility", "demonstration",
                  "publication", "dubbing"]  # fmt: skip
Audience = Literal["internal", "review-panel", "publication", "public"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PoseOrder(_Strict):
    """The head at time t."""

    t: float = Field(ge=0, description="Seconds from the start.")
    yaw: float = Field(
        default=0.0, ge=-20, le=20, description="Degrees; positive: to the sitter's left."
    )
    pitch: float = Field(default=0.0, ge=-12, le=12, description="Degrees; positive: down.")
    roll: float = Field(
        default=0.0, ge=-10, le=10, description="Degrees; positive: clockwise, as seen."
    )


class ControlsOrder(_Strict):
    """What may be chosen about the performance; every field has a safe default."""

    size: int = Field(
        default=512, ge=256, le=1080, multiple_of=2, description="Shorter side in pixels."
    )
    fps: Literal[25, 30, 50, 60] = Field(default=25, description="Frames per second.")
    crop: Literal["face", "square", "portrait", "full"] = "square"
    background: Literal["photo", "green"] = Field(
        default="photo", description="As photographed, or a green wall to be keyed out."
    )
    emotion: Literal["neutral", "happy", "sad", "angry", "surprised", "afraid", "disgusted"] = (
        "neutral"
    )
    intensity: float = Field(default=0.5, ge=0, le=1, description="How strongly the emotion shows.")
    amplitude: float = Field(
        default=1.0, ge=0, le=1.5, description="Head movement; 1 as real speakers."
    )
    distance: float = Field(
        default=1.0, ge=0.8, le=1.25, description="1 as photographed; below: nearer."
    )
    gaze: tuple[float, float] = Field(
        default=(0.0, 0.0), description="Main direction: yaw, pitch, degrees."
    )
    pose: list[PoseOrder] = Field(default_factory=list, max_length=500)
    regions: list[Literal["lips", "expression", "pose", "eyes"]] = Field(
        default=["lips", "expression", "pose", "eyes"], description="What may move."
    )
    seed: int = Field(default=0, ge=0, lt=2**32)
    transcript: str = Field(
        default="", max_length=5000, description="What the clip says, if known."
    )
    language: str = Field(default="en", max_length=35, description="BCP 47 tag of the speech.")
    motion: Literal["", "json", "csv", "glb"] = Field(
        default="", description="Movement as data beside the video; the consent must allow it."
    )
    label: Literal[
        "", "bottom", "top", "top-left", "top-right", "bottom-left", "bottom-right", "none"
    ] = Field(
        default="",
        description="Where the visible label lies; empty: as the consent has it, else below; none: "
        "without, where neither consent nor policy asks for one.",
    )
    caption: Literal["", "start", "end", "both"] = Field(
        default="",
        description="More words in the first or last three seconds; empty: as the consent asks.",
    )

    def controls(self) -> Controls:
        """As the generator takes it. Raises EngineError for what the ranges above do not catch."""
        given: dict[str, Any] = self.model_dump()
        given["pose"] = tuple(PoseKey(**p.model_dump()) for p in self.pose)
        given["regions"] = tuple(self.regions)
        return Controls(**given)


class Order(_Strict):
    """Who wants what from whom, and what for."""

    project_id: str = Field(pattern="^[0-9a-f]{32}$")
    consent_id: str = Field(pattern="^[0-9a-f]{32}$")
    purpose: Purpose
    audience: Audience = "internal"
    voice_synthetic: bool = Field(False, description="The clip is a declared synthetic voice.")
    controls: ControlsOrder = ControlsOrder()
