"""Facts: everything a policy may ask, gathered once, typed, and handed to Cedar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from primafacie.audit import canonical
from primafacie.audit.digest import sha256_hex
from primafacie.safeguards.consent import AUDIENCES, ESTATE, Consent, parse_time
from primafacie.safeguards.face import Likeness
from primafacie.safeguards.request import Project, Request, Requester
from primafacie.safeguards.speaker import MATCH, NEAR

#: Beyond this a number is not a fact but an attack; Cedar's Long would refuse it anyway.
HUGE: Final = 10**12
FAR: Final = "2.0000"
#: What an invented or painted subject needs: where the picture comes from, on record.
PROVENANCE: Final = "provenance:"


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was heard: length, whose voice (`match`, `review`, `mismatch` or `unknown`), and what
    is wrong with the clip, as sentences. similarity: to the subject's voice, None: unknown.
    own_mark: the low 32 bits of the asset number (8 hex digits) of our own mark in the clip,
    "present" for one that cannot be read, "" for none."""

    milliseconds: int
    speaker: str = "unknown"
    problems: tuple[str, ...] = ()
    similarity: float | None = None
    own_mark: str = ""

    @property
    def like_the_person(self) -> bool:
        """It may be the subject's own voice, whatever it is declared to be."""
        return self.speaker in (MATCH, NEAR)


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one decision. None stands for "there is no such thing" and satisfies nothing.

    engines: names of the engines that would do the work, with their files' digests. strict: does
    this installation have a person confirm every match? confirmation: what that person said, see
    `Journal.confirmation` in gate.py; all but "confirmed" satisfy nothing.
    """

    request: Request
    requester: Requester | None
    project: Project | None
    consent: Consent | None
    likeness: Likeness
    utterance: Utterance
    now: datetime
    production: bool
    log_ready: bool
    engines: tuple[str, ...] = ()
    strict: bool = False
    confirmation: str = "none"

    @property
    def sha256(self) -> str:
        """Digest of what the policies saw; a decision can be replayed from the same facts."""
        seen: dict[str, Any] = {"entities": self.entities(), "context": self.context()}
        return sha256_hex(canonical.encode(seen))

    def entities(self) -> list[dict[str, Any]]:
        """The requester and the consent as Cedar entities."""
        return [
            {"uid": {"type": "User", "id": self.request.requester_id},
             "attrs": _user(self.requester), "parents": []},
            {"uid": {"type": "Consent", "id": self.request.consent_id},
             "attrs": _consent(self.consent), "parents": []},
        ]  # fmt: skip

    def context(self) -> dict[str, Any]:
        """The measured facts and the work asked for, as Cedar context."""
        request, project = self.request, self.project
        return {
            "now": _milliseconds(self.now),
            "requester": request.requester_id,
            "project": request.project_id,
            "project_in_force": project is not None and project.in_force,
            "project_member": project is not None and request.requester_id in project.members,
            "project_purposes": sorted(project.purposes) if project else [],
            "purpose": request.purpose,
            "audience": _audience(request.audience),
            "language": request.controls.language.split("-")[0],
            "side": longer_side(request, self.likeness.aspect),
            "motion": request.controls.motion != "",
            "label": label_at(request, self.consent),
            "caption": caption_at(request, self.consent),
            "engines": sorted(self.engines),
            "photo_sha256": request.photo_sha256,
            "face": _face(self.likeness),
            "voice": {
                "sha256": request.voice_sha256,
                "ms": min(self.utterance.milliseconds, HUGE),
                "synthetic": request.voice_synthetic,
                "speaker": self.utterance.speaker,
                "problems": len(self.utterance.problems),
                "own_mark": self.utterance.own_mark,
            },
            "production": self.production,
            "log_ready": self.log_ready,
            "strict": self.strict,
            "confirmed": self.confirmation == "confirmed",
        }


def longer_side(request: Request, aspect: float) -> int:
    """Pixels of the longer side of the video asked for; never less than will be drawn."""
    stretch = {"portrait": 16 / 9, "full": aspect}.get(request.controls.crop, 1.0)
    return 2 * math.ceil(request.controls.size * stretch / 2)


def label_at(request: Request, consent: Consent | None) -> str:
    """Where the visible label will lie, `none` for no label: as asked, else as the consent has it,
    else below."""
    demanded = consent.record.label_position if consent else ""
    return request.controls.label or demanded or "bottom"


def caption_at(request: Request, consent: Consent | None) -> str:
    """Where the caption will stand, `none` for no caption: as asked, else as the consent has it."""
    demanded = consent.record.caption if consent else ""
    return request.controls.caption or demanded or "none"


def _user(user: Requester | None) -> dict[str, Any]:
    return {
        "roles": sorted(user.roles) if user else [],
        "approved": user is not None and user.approved,
        "used_today": user.used_today if user else HUGE,
        "daily_quota": user.daily_quota if user else 0,
    }


def _consent(consent: Consent | None) -> dict[str, Any]:
    if consent is None:
        return _NO_CONSENT
    record = consent.record
    return {
        "state": str(consent.state),
        "subject_kind": record.subject_kind,
        "adult": record.adult,
        "liveness": record.liveness,
        "evidence": sum(e.startswith(PROVENANCE) for e in record.evidence),
        "not_before": _milliseconds(parse_time(record.not_before)),
        "not_after": _milliseconds(parse_time(record.not_after)),
        "purposes": sorted(record.purposes),
        "requesters": sorted(record.requesters),
        "projects": sorted(record.projects),
        "audience": AUDIENCES.index(record.audience),
        "languages": sorted(record.languages),
        "photo_mode": record.photo_mode,
        "photos": sorted(record.photos),
        "voice_source": record.voice_source,
        "voices": sorted(record.voices),
        "max_ms": record.max_seconds * 1000,
        "max_side": record.max_side,
        "max_outputs": record.max_outputs,
        "max_per_day": record.max_per_day,
        "outputs": consent.outputs,
        "outputs_today": consent.outputs_today,
        "motion": record.motion,
        "label": bool(record.label or record.label_position),
        "label_position": record.label_position,
        "caption": record.caption,
        "strict": record.strict,
        "estate": bool(record.estate) and set(ESTATE) <= {e.split(":")[0] for e in record.evidence},
    }


_NO_CONSENT: Final[dict[str, Any]] = {
    "state": "none", "subject_kind": "none", "adult": "unknown", "liveness": 0, "evidence": 0,
    "not_before": 0, "not_after": 0, "purposes": [], "requesters": [], "projects": [],
    "audience": -1, "languages": ["none"], "photo_mode": "registered", "photos": [],
    "voice_source": "clips", "voices": [], "max_ms": 0, "max_side": 0, "max_outputs": 0,
    "max_per_day": 0, "outputs": 0, "outputs_today": 0, "motion": False,
    "label": True, "label_position": "none", "caption": "none",
    "strict": False, "estate": False,
}  # fmt: skip


def _face(likeness: Likeness) -> dict[str, Any]:
    """Distances that should be small are rounded up, those that should be large down."""
    return {
        "count_a": likeness.faces_a,
        "count_b": likeness.faces_b,
        "problems": len(likeness.problems),
        "distance": _decimal(likeness.distance, math.ceil),
        "margin": _decimal(likeness.margin, math.floor),
        "best": likeness.best,
        "other_distance": _decimal(likeness.other_distance, math.floor),
        "deny_distance": _decimal(likeness.deny_distance, math.floor),
        "generator_mark": likeness.generator_mark,
        "own_mark": likeness.own_mark,
    }


def _decimal(value: float, rounding: Any) -> dict[str, Any]:
    """Cedar's decimal takes four places and no more; NaN and infinities become 'no match'."""
    if not math.isfinite(value):
        text = FAR if rounding is math.ceil else "0.0000"
    else:
        whole = rounding(round(max(-2.0, min(2.0, value)) * 10_000, 6))
        text = f"{whole / 10_000:.4f}"
    return {"__extn": {"fn": "decimal", "arg": text}}


def _audience(name: str) -> int:
    return AUDIENCES.index(name) if name in AUDIENCES else len(AUDIENCES)


def _milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)
