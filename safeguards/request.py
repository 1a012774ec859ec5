"""Request: who wants which words from which face, and what for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from primafacie.audit.digest import sha256_hex
from primafacie.generator.controls import Controls


@dataclass(frozen=True, slots=True)
class Requester:
    """The person who asks, as the accounts know them at this moment.

    roles: researcher, reviewer, steward, auditor, admin. approved: access granted by a second
    person and not lapsed. used_today: outputs delivered to them since midnight UTC.
    """

    user_id: str
    roles: frozenset[str]
    approved: bool
    used_today: int
    daily_quota: int


@dataclass(frozen=True, slots=True)
class Project:
    """The approved project the request belongs to. in_force: approved, started, not ended."""

    project_id: str
    in_force: bool
    members: frozenset[str]
    purposes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it stands when the gate takes it up.

    photo and voice are the uploaded bytes; their digests are what permits name. voice_synthetic:
    the requester declares the clip to be a synthetic voice (a false declaration is a fact for the
    auditor). claim: the fencing token of the worker that holds the request.
    """

    rid: str
    requester_id: str
    project_id: str
    consent_id: str
    purpose: str
    audience: str
    photo: bytes = field(repr=False)
    voice: bytes = field(repr=False)
    controls: Controls
    received_at: datetime
    voice_synthetic: bool = False
    claim: int = 0

    @property
    def photo_sha256(self) -> str:
        """Digest of the photo's bytes."""
        return sha256_hex(self.photo)

    @property
    def voice_sha256(self) -> str:
        """Digest of the voice clip's bytes."""
        return sha256_hex(self.voice)
