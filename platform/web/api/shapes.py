"""Shapes: what the API answers with, as Pydantic models, so that OpenAPI describes it exactly."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from primafacie.platform.requests import RequestView
from primafacie.platform.web.words import stamp

HEX32 = "^[0-9a-f]{32}$"


class ReasonShape(BaseModel):
    """One rule that was broken, and what to do about it."""

    rule: str
    sentence: str


class ProblemShape(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    reasons: list[ReasonShape] = Field(default_factory=list)


class AssetShape(BaseModel):
    """The sealed video."""

    asset_number: str = Field(description="56 bits, 14 hex characters: what the mark carries.")
    file_sha256: str
    manifest_sha256: str
    size: int
    width: int
    height: int
    duration_ms: int
    released_at: str
    log_index: int
    available: bool


class RequestShape(BaseModel):
    """A request and where it stands."""

    rid: str
    state: str
    stage: str
    project_id: str
    consent_id: str
    purpose: str
    audience: str
    photo_sha256: str
    voice_sha256: str
    received_at: str
    finished_at: str | None
    place: int = Field(description="Place in the queue; 0 when not waiting.")
    decision_id: str
    policy_sha256: str
    message: str
    reasons: list[ReasonShape]
    asset: AssetShape | None


class RequestsShape(BaseModel):
    """A page of requests, newest first."""

    requests: list[RequestShape]


class ConsentShape(BaseModel):
    """A consent, without anything that names the person."""

    consent_id: str
    version: int
    state: str
    kind: str
    purposes: list[str]
    audience: str
    not_before: str | None
    not_after: str | None
    photos: list[str] = Field(description="SHA-256 of each registered photo.")
    outputs: int


class ConsentsShape(BaseModel):
    """The consents this account may use or look after."""

    consents: list[ConsentShape]


class EntryShape(BaseModel):
    """One log entry."""

    index: int
    kind: str
    at: str
    rid: str
    actor: str
    subject: str
    out: str
    why: list[str]
    facts: dict[str, Any]
    leaf_hash: str


class PageShape(BaseModel):
    """A page of log entries, newest first."""

    entries: list[EntryShape]
    next_before: int | None
    as_of: int = Field(description="The size of the tree when this was read.")


class ProofShape(BaseModel):
    """A C2SP tlog-proof."""

    index: int
    proof: str


class CheckpointShape(BaseModel):
    """The newest signed checkpoint and the keys to check it with."""

    origin: str
    size: int
    root: str
    at: str | None
    text: str
    keys: list[str]


class VerdictShape(BaseModel):
    """What can be said about a file."""

    level: str
    sentence: str
    details: dict[str, Any]
    statement: str = Field(description="The same, signed: a DSSE envelope.")


class StatusShape(BaseModel):
    """Whether the consent behind a video still holds."""

    asset_number: str
    consent: str = Field(description="active, suspended, withdrawn, expired, ...")
    withdrawn_at: str | None
    called_back_at: str | None = Field(
        description="when this video itself was taken down or locked away, whatever the consent"
    )
    file_sha256: str
    log_index: int


class HealthLineShape(BaseModel):
    """One part of the installation."""

    name: str
    ok: bool
    text: str


class HealthShape(BaseModel):
    """Is this installation able to work?"""

    ok: bool
    lines: list[HealthLineShape]


def of_request(view: RequestView) -> dict[str, Any]:
    """A request as the API tells it."""
    asset = view.asset
    return {
        "rid": view.rid, "state": view.state, "stage": view.stage, "project_id": view.project_id,
        "consent_id": view.consent_id, "purpose": view.purpose, "audience": view.audience,
        "photo_sha256": view.photo_sha256, "voice_sha256": view.voice_sha256,
        "received_at": stamp(view.received_at),
        "finished_at": stamp(view.finished_at) if view.finished_at else None,
        "place": view.place, "decision_id": view.decision_id,
        "policy_sha256": view.policy_sha256, "message": view.message,
        "reasons": [{"rule": r.rule, "sentence": r.sentence} for r in view.reasons],
        "asset": None if asset is None else {
            "asset_number": asset.name, "file_sha256": asset.file_sha256,
            "manifest_sha256": asset.manifest_sha256, "size": asset.size, "width": asset.width,
            "height": asset.height, "duration_ms": round(asset.duration * 1000),
            "released_at": stamp(asset.released_at), "log_index": asset.log_index,
            "available": asset.available,
        },
    }  # fmt: skip
