"""ConsentRecord: what a person allowed, signed by that person and by the platform.

The record follows ISO/IEC TS 27560:2023 (header, processing, parties, events) in flat canonical
JSON. Every change is a new version that names its predecessor's digest. The record says what was
allowed; its state says whether that still holds, and moves only along LIFE_CYCLE.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import canonical, dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.errors import AuditError
from primafacie.safeguards.errors import ConsentError
from primafacie.safeguards.face import FaceTemplate

PAYLOAD_TYPE: Final = "application/vnd.primafacie.consent.v1+json"
SCHEMA: Final = "primafacie.consent/1"
LONGEST: Final = timedelta(days=3653)  # the hard cap; 365 days is what the forms offer

#: What a person can agree to, each with the words shown beside its box. Nothing is pre-ticked.
PURPOSES: Final[Mapping[str, str]] = {
    "research": "Scientific study of talking faces, inside the research group.",
    "perception-study": "Showing the video to participants of a study.",
    "education": "Teaching and lectures.",
    "accessibility": "Helping people to follow speech, for example lip-reading practice.",
    "demonstration": "Showing what the system does, in talks or on a project page.",
    "publication": "Printing or publishing the video in a paper or its supplement.",
    "dubbing": "Speaking in another language.",
}
#: Never, whatever a record says.
PROHIBITED: Final[tuple[str, ...]] = (
    "sexual content", "political persuasion", "fraud or impersonation", "endorsement",
    "medical or legal advice", "content addressed to children",
)  # fmt: skip
#: What every frame says when nobody verified the consent.
SELF_DECLARED_LABEL: Final = "AI-generated. Consent self-declared, not verified"
AUDIENCES: Final[tuple[str, ...]] = ("internal", "review-panel", "publication", "public")


class SubjectKind(StrEnum):
    """Whose face it is."""

    LIVING = "living"
    SELF_DECLARED = "self-declared"  # typed statement only: development, watermarked label, 10 s
    SYNTHETIC = "synthetic"
    ARTWORK = "artwork"
    DECEASED = "deceased"


class ConsentState(StrEnum):
    """Where a consent stands."""

    DRAFT = "draft"
    CAPTURED = "captured"
    UNDER_REVIEW = "under_review"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    ERASED = "erased"


_S = ConsentState
_ENDED = frozenset({_S.WITHDRAWN, _S.EXPIRED, _S.REVOKED, _S.SUPERSEDED})
#: The only moves there are. Withdrawn is terminal but for erasure: a new consent is a new id.
LIFE_CYCLE: Final[Mapping[ConsentState, frozenset[ConsentState]]] = {
    _S.DRAFT: frozenset({_S.CAPTURED, _S.WITHDRAWN, _S.EXPIRED}),
    _S.CAPTURED: frozenset({_S.UNDER_REVIEW, _S.WITHDRAWN, _S.EXPIRED}),
    _S.UNDER_REVIEW: frozenset({_S.ACTIVE, _S.REJECTED, _S.WITHDRAWN, _S.EXPIRED}),
    _S.ACTIVE: _ENDED | {_S.SUSPENDED},
    _S.SUSPENDED: _ENDED | {_S.ACTIVE},
    _S.REJECTED: frozenset({_S.ERASED}),
    **{ended: frozenset({_S.ERASED}) for ended in _ENDED},
    _S.ERASED: frozenset(),
}


def check_move(old: ConsentState, new: ConsentState) -> None:
    """Return if a consent may go from `old` to `new`; raise ConsentError otherwise."""
    if new not in LIFE_CYCLE[old]:
        raise ConsentError(f"a consent that is {old} cannot become {new}")


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One version of one consent: what is signed. All strings; times as RFC 3339 in UTC.

    subject_id: a pairwise pseudonym. photos: sha256 of each registered photo's bytes.
    photo_mode: `registered` (only those photos) or `matched` (any photo the face gate matches).
    voices: sha256 of allowed clips. voice_source: `own` (the subject's voice, by registered clip or
    speaker check), `synthetic` (a declared synthetic voice), or `clips` (the named clips alone).
    requesters and projects: ids; an empty tuple means nobody. liveness: 0 none, 1 challenge
    video, 2 witnessed. notice_sha256: the notice the person read, word for word.
    """

    consent_id: str
    version: int
    prev_sha256: str
    subject_id: str
    subject_kind: str
    adult: str  # "adult" | "unknown" | "minor"
    jurisdiction: str
    subject_key: str  # key id of the subject's Ed25519 key
    controller: str
    notice_sha256: str
    notice_language: str
    lawful_basis: str
    purposes: tuple[str, ...]
    purpose_text: str
    prohibited: tuple[str, ...]
    requesters: tuple[str, ...]
    projects: tuple[str, ...]
    audience: str
    max_seconds: int
    max_side: int
    max_outputs: int
    max_per_day: int
    languages: tuple[str, ...]  # () = any
    photo_mode: str
    photos: tuple[str, ...]
    voice_source: str
    voices: tuple[str, ...]
    label: str  # the words burned into every frame, "" for none
    not_before: str
    not_after: str
    liveness: int
    evidence: tuple[str, ...]  # kind:sha256 of each piece, kinds such as video or provenance
    schema: str = SCHEMA

    def to_bytes(self) -> bytes:
        """The canonical JSON that is signed."""
        return canonical.encode(asdict(self))

    @property
    def sha256(self) -> str:
        """The digest of the signed bytes: the record's name in permits and manifests."""
        return sha256_hex(self.to_bytes())

    @classmethod
    def from_bytes(cls, body: bytes) -> ConsentRecord:
        """The record in `body`. Raises ConsentError for anything but its canonical bytes."""
        try:
            given = json.loads(body)
            lists = {f.name for f in fields(cls) if str(f.type).startswith("tuple")}
            values: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in given.items()}
            record = cls(**values)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ConsentError("this is not a consent record") from error
        if record.to_bytes() != body:
            raise ConsentError("the consent record's bytes are not canonical")
        record.check()
        return record

    def check(self) -> None:
        """Return if the record is one a person could have given; raise ConsentError otherwise."""
        problems = [text for broken, text in self._rules() if broken]
        if problems:
            raise ConsentError("; ".join(problems))

    def _rules(self) -> Sequence[tuple[bool, str]]:
        begins, ends = parse_time(self.not_before), parse_time(self.not_after)
        return (
            (self.schema != SCHEMA, "unknown schema of consent record"),
            (self.version < 1, "a version counts from 1"),
            ((self.version == 1) != (self.prev_sha256 == ""),
             "version 1 has no predecessor, every later one names it"),
            (self.subject_kind not in set(SubjectKind), "unknown kind of subject"),
            (self.adult not in ("adult", "unknown", "minor"), "adult, unknown or minor"),
            (not self.purposes, "at least one purpose must be ticked"),
            (not set(self.purposes) <= set(PURPOSES), "a purpose is not in the vocabulary"),
            (not set(PROHIBITED) <= set(self.prohibited), "the standing prohibitions must be kept"),
            (self.audience not in AUDIENCES, f"audience must be one of {', '.join(AUDIENCES)}"),
            (self.photo_mode not in ("registered", "matched"), "photo mode: registered or matched"),
            (self.voice_source not in ("own", "synthetic", "clips"),
             "voice source: own, synthetic or clips"),
            (not begins < ends <= begins + LONGEST, 
             "the validity must be positive, at most 10 years"),
            (min(self.max_seconds, self.max_side, self.max_outputs, self.max_per_day) < 1,
             "limits must be positive"),
            (self.subject_kind == SubjectKind.ARTWORK and self.photo_mode != "registered",
             "an artwork is animated from the very pictures that were registered"),
            (self.subject_kind == SubjectKind.SELF_DECLARED and (
                self.liveness != 0 or self.max_seconds > 10 or self.label != SELF_DECLARED_LABEL
                or self.photo_mode != "registered"),
             "a self-declared consent has liveness 0, registered photos, at most 10 seconds and "
             "the label that says so"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Consent:
    """A record, its envelope and its state, as a registry holds them.

    epoch counts state changes: a permit or release decided under another epoch is void. `outputs`
    and `outputs_today` count what was delivered under it so far.
    """

    record: ConsentRecord
    envelope: bytes
    state: ConsentState
    epoch: int
    outputs: int = 0
    outputs_today: int = 0
    template: FaceTemplate | None = None


class ConsentRegistry(Protocol):
    """Finds consents. Promises: reads its store at each call (never a cache), so that a
    withdrawal committed before the call is seen by it."""

    def find(self, consent_id: str) -> Consent | None:
        """The consent's newest version and state now, or None when there is none."""

    def templates(self, model: str) -> Sequence[tuple[str, FaceTemplate]]:
        """(subject id, enrolment template) of everybody whose consent is active or suspended."""

    def never_me(self, model: str) -> Sequence[FaceTemplate]:
        """Templates of people who asked never to be animated."""


def sign_consent(record: ConsentRecord, *keys: Ed25519PrivateKey) -> bytes:
    """The record in a DSSE envelope, signed by the subject's and the platform's key."""
    record.check()
    return dsse.sign(record.to_bytes(), PAYLOAD_TYPE, *keys)


def open_consent(envelope: bytes, keys: Mapping[str, bytes], platform_key: str) -> ConsentRecord:
    """The record, if the subject AND the platform signed it. keys: key id -> raw public key.

    Raises ConsentError otherwise: a platform alone can never speak for a subject.
    """
    try:
        statement = dsse.verify(envelope, PAYLOAD_TYPE, keys, threshold=2)
    except AuditError as error:
        raise ConsentError(f"the consent is not validly signed: {error}") from error
    record = ConsentRecord.from_bytes(statement.payload)
    if platform_key not in statement.signers or record.subject_key not in statement.signers:
        raise ConsentError("the consent needs the subject's signature and the platform's")
    if record.subject_key == platform_key:
        raise ConsentError("the platform cannot sign as the subject")
    return record


def parse_time(text: str) -> datetime:
    """The UTC time an RFC 3339 string names. Raises ConsentError when it names none."""
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ConsentError(f"not a time: {text!r}") from error
    if when.tzinfo is None:
        raise ConsentError("a time must carry its zone")
    return when.astimezone(UTC)
