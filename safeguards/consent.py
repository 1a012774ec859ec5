"""ConsentRecord: what a person allowed, signed by that person and by the platform.

The record follows ISO/IEC TS 27560:2023 (header, processing, parties, events) in flat canonical
JSON. Every change is a new version that names its predecessor's digest. The record says what was
allowed; its state says whether that still holds, and moves only along LIFE_CYCLE.
"""

from __future__ import annotations

import json
import unicodedata
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
from primafacie.safeguards.face import FaceTemplate, Gallery
from primafacie.safeguards.speaker import VoiceTemplate

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
#: The words beside the box for motion data. Not pre-ticked either.
MOTION_WORDS: Final = (
    "Handing out the movement of the face as data (JSON, CSV, glTF) beside the video. Movement can "
    "drive other faces."
)
#: What every frame says when nobody verified the consent.
SELF_DECLARED_LABEL: Final = "AI-generated. Consent self-declared, not verified"
_UTC: Final = ("Z", "+00:00")
#: Fields that came later stand in no bytes while they have their default, as in older records.
_LATER: Final[Mapping[str, object]] = {
    "motion": False, "label_position": "", "caption": "", "strict": False, "estate": "",
}  # fmt: skip
LABEL_POSITIONS: Final = (
    "", "bottom", "top", "top-left", "top-right", "bottom-left", "bottom-right",
)  # fmt: skip
CAPTIONS: Final = ("", "start", "end", "both")
#: Who may speak for somebody who has died, each with the words of the form.
RELATIONS: Final[Mapping[str, str]] = {
    "executor": "executor or administrator of the estate",
    "spouse": "husband, wife or registered partner",
    "child": "child",
    "parent": "mother or father",
    "sibling": "brother or sister",
    "heir": "heir, in no other relation",
}
#: The pieces of evidence without which nobody speaks for the dead: that they died, that it is the
#: representative's to decide, and what the representative stated, word for word.
ESTATE: Final = ("death-record", "estate-proof", "estate-statement")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
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
    # a wider version that the subject signed is looked at like the first; a narrower one is not
    _S.ACTIVE: _ENDED | {_S.SUSPENDED, _S.CAPTURED},
    _S.SUSPENDED: _ENDED | {_S.ACTIVE, _S.CAPTURED},
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
    motion: movement may leave as data. label, label_position: either demands a visible label, in
    these words, at this place. caption: see CAPTIONS. strict: a face must be nearer than
    elsewhere, and a person confirms each match. estate: how whoever signs is related to a subject
    who has died, one of RELATIONS, "" for everybody else. Fields of _LATER came after the first
    records.
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
    motion: bool = False  # the movement may be handed out as data beside the video
    label_position: str = ""  # where a visible label must lie; "": anywhere
    caption: str = ""  # where the video must say in larger words that it is generated
    strict: bool = False  # a person confirms that the photo shows the subject, each time
    estate: str = ""  # the relation of whoever speaks for a subject who has died

    def to_bytes(self) -> bytes:
        """The canonical JSON that is signed."""
        body = asdict(self)
        for name, nothing in _LATER.items():
            if body[name] == nothing and type(body[name]) is type(nothing):
                del body[name]
        return canonical.encode(body)

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
        _refuse(record._rules())
        return record

    def check(self) -> None:
        """Return if the record is one a person can give today; raise ConsentError otherwise.

        A record that was signed is read by the rules there were from the beginning: what came
        later must not keep anybody from seeing, narrowing or withdrawing what they once gave.
        Under those records the rule `nobody_alive` makes nothing.
        """
        _refuse((*self._rules(), *self._later_rules()))

    def _names(self) -> Sequence[str]:
        """Everything that is compared with something, never read."""
        lists = (self.requesters, self.projects, self.languages, self.photos, self.voices,
                 self.evidence, self.purposes)  # fmt: skip
        single = (self.consent_id, self.subject_id, self.subject_key, self.notice_sha256)
        return (*single, *(text for names in lists for text in names))

    def _rules(self) -> Sequence[tuple[bool, str]]:
        begins, ends = parse_time(self.not_before), parse_time(self.not_after)
        return (
            (self.schema != SCHEMA, "unknown schema of consent record"),
            (self.version < 1, "a version counts from 1"),
            (type(self.motion) is not bool, "motion is allowed or not"),
            (type(self.strict) is not bool, "a consent is strict or not"),
            *self._estate_rules(),
            (self.label_position not in LABEL_POSITIONS, "unknown position of the label"),
            (self.caption not in CAPTIONS, "a caption stands at the start, the end, or both"),
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
            (not all(text.endswith(_UTC) for text in (self.not_before, self.not_after)),
             "times are written in UTC: in another zone the day shown is not the day meant"),
            (not all(text.isascii() and text.isprintable() for text in self._names()),
             "a name, a digest or a language holds a character that only looks like another"),
            (any(hides(text) for text in (self.controller, self.purpose_text)),
             "a text holds characters that nobody can see"),
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

    def _later_rules(self) -> Sequence[tuple[bool, str]]:
        return (
            (self.subject_kind in (SubjectKind.SYNTHETIC, SubjectKind.ARTWORK)
             and (self.photo_mode != "registered" or not self.label),
             "an artwork or an invented person is animated from the very pictures that were "
             "registered, and carries a label"),
        )  # fmt: skip

    def _estate_rules(self) -> Sequence[tuple[bool, str]]:
        dead = self.subject_kind == SubjectKind.DECEASED
        pieces = {piece.split(":")[0] for piece in self.evidence}
        return (
            (dead != (self.estate in RELATIONS) or (not dead and self.estate != ""),
             "an estate speaks for somebody who has died, and for nobody else"),
            (dead and not set(ESTATE) <= pieces,
             f"an estate shows {', '.join(ESTATE)}"),
            (dead and (self.photo_mode != "registered" or self.voice_source == "own"
                       or self.adult != "adult"),
             "of somebody who has died only registered photos are used, no voice is recognised, "
             "and they were adult"),
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
    voice: VoiceTemplate | None = None


class ConsentRegistry(Protocol):
    """Finds consents. Promises: reads its store at each call (never a cache), so that a
    withdrawal committed before the call is seen by it."""

    def find(self, consent_id: str) -> Consent | None:
        """The consent's newest version and state now, or None when there is none."""

    def gallery(self, model: str) -> Gallery:
        """The templates by this model of everybody whose consent is active or suspended."""

    def same_person(self, subject_id: str) -> frozenset[str]:
        """Other subjects that a reviewer found to be this very person."""

    def never_me(self, model: str) -> Sequence[FaceTemplate]:
        """Templates of people who asked never to be animated. Those by another model too: whoever
        holds one cannot compare anybody with it, and must refuse."""


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


def _refuse(rules: Sequence[tuple[bool, str]]) -> None:
    problems = [text for broken, text in rules if broken]
    if problems:
        raise ConsentError("; ".join(problems))


def check_successor(new: ConsentRecord, old: ConsentRecord) -> None:
    """Return if `new` is the version after `old` of the same consent of the same person, signed
    with the same key; raise ConsentError otherwise."""
    same = ("consent_id", "subject_id", "subject_kind", "subject_key", "adult", "lawful_basis")
    if new.version != old.version + 1 or new.prev_sha256 != old.sha256:
        raise ConsentError("a new version follows the one before and names its digest")
    if any(getattr(new, name) != getattr(old, name) for name in same):
        raise ConsentError("a new version speaks of the same person, by the same key")


def is_within(new: ConsentRecord, old: ConsentRecord) -> bool:
    """Does `new` allow nothing that `old` did not? A field this does not know must be equal."""
    less: dict[str, bool] = {
        "version": True, "prev_sha256": True, "notice_sha256": True, "notice_language": True,
        "audience": AUDIENCES.index(new.audience) <= AUDIENCES.index(old.audience),
        "languages": not old.languages or (
            bool(new.languages) and set(new.languages) <= set(old.languages)),
        "photo_mode": new.photo_mode in ("registered", old.photo_mode),
        "prohibited": set(new.prohibited) >= set(old.prohibited),
        "label": new.label == old.label or not old.label,
        "label_position": new.label_position == old.label_position or not old.label_position,
        "caption": new.caption in (old.caption, "both") or not old.caption,
        "not_before": parse_time(new.not_before) >= parse_time(old.not_before),
        "not_after": parse_time(new.not_after) <= parse_time(old.not_after),
        "liveness": new.liveness <= old.liveness,
        "motion": new.motion <= old.motion,
        "strict": new.strict >= old.strict,
    }  # fmt: skip
    for name in ("purposes", "requesters", "projects", "photos", "voices", "evidence"):
        less[name] = set(getattr(new, name)) <= set(getattr(old, name))
    for name in ("max_seconds", "max_side", "max_outputs", "max_per_day"):
        less[name] = getattr(new, name) <= getattr(old, name)
    return all(less.get(f.name, getattr(new, f.name) == getattr(old, f.name)) for f in fields(new))


def hides(text: str) -> bool:
    """Does the text hold control, direction or invisible characters? Line breaks and the joiners
    that some scripts are written with are none."""
    return any(unicodedata.category(c) in _UNSEEN and c not in "\n\u200c\u200d" for c in text)


def parse_time(text: str) -> datetime:
    """The UTC time an RFC 3339 string names. Raises ConsentError when it names none."""
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ConsentError(f"not a time: {text!r}") from error
    if when.tzinfo is None:
        raise ConsentError("a time must carry its zone")
    return when.astimezone(UTC)
