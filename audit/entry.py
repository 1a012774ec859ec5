"""LogEntry: one thing that happened. Leaf: what of it stands in the log for ever.

An entry names its actor and its subject in plain ids; a leaf never does. The log replaces them by
pseudonyms whose keys can be destroyed, and replaces the payload by a commitment (see `vault.py`).
What is left in `facts`, `why` and `rid` is kept for ever and read by every auditor: digests,
numbers and rule names belong there; names, addresses and ids of persons never do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from primafacie.audit.canonical import Json, encode, parse
from primafacie.audit.errors import CanonicalError, EntryError

LEAF_VERSION = 1
MAX_LEAF_BYTES = 4096
MAX_PAYLOAD_BYTES = 256 * 1024
PSEUDONYM_CHARS = 32

_RID = re.compile(r"[A-Za-z0-9._:-]{1,64}\Z")
_FACT = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_HEX32 = re.compile(r"[0-9a-f]{32}\Z")
_HEX64 = re.compile(r"[0-9a-f]{64}\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Facts = tuple[tuple[str, str | int], ...]


class Kind(StrEnum):
    """What happened. A value is never reused for another meaning."""

    HTTP_REQUEST = "http.request"
    REQUEST_RECEIVED = "request.received"
    DECISION_GENERATE = "decision.generate"
    DECISION_REFUSED = "decision.refused"
    PERMIT_ISSUED = "permit.issued"
    PERMIT_REFUSED = "permit.refused"
    GENERATION_STARTED = "generation.started"
    GENERATION_FINISHED = "generation.finished"
    DECISION_RELEASE = "decision.release"
    OUTPUT_SEALED = "output.sealed"
    OUTPUT_RELEASED = "output.released"
    OUTPUT_WITHHELD = "output.withheld"
    REQUEST_FAILED = "request.failed"
    REQUEST_ABORTED = "request.aborted"
    REQUEST_CANCELLED = "request.cancelled"
    CANCEL_ASKED = "request.cancel_asked"
    MATCH_ASKED = "match.asked"
    MATCH_ANSWERED = "match.answered"
    CONSENT_DRAFT = "consent.draft"
    CONSENT_CAPTURED = "consent.captured"
    CONSENT_APPROVED = "consent.approved"
    CONSENT_ACTIVATED = "consent.activated"
    CONSENT_SUSPENDED = "consent.suspended"
    CONSENT_RESUMED = "consent.resumed"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CONSENT_EXPIRED = "consent.expired"
    CONSENT_REJECTED = "consent.rejected"
    CONSENT_SUPERSEDED = "consent.superseded"
    CONSENT_ERASED = "consent.erased"
    CONSENT_LINKED = "consent.linked"
    EVIDENCE_ADDED = "evidence.added"
    PHOTO_ADDED = "photo.added"
    PHOTO_REMOVED = "photo.removed"
    OUTPUT_VIEWED = "output.viewed"
    OUTPUT_DOWNLOADED = "output.downloaded"
    OUTPUT_QUARANTINED = "output.quarantined"
    OUTPUT_DELETED = "output.deleted"
    VERIFY_QUERY = "verify.query"
    VERIFY_FEEDBACK = "verify.feedback"
    LOG_READ = "log.read"
    LOG_EXPORTED = "log.exported"
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_APPROVED = "user.approved"
    USER_SUSPENDED = "user.suspended"
    USER_DELETED = "user.deleted"
    USER_SIGNED_IN = "user.signed_in"
    USER_SIGN_IN_FAILED = "user.sign_in_failed"
    USER_SIGNED_OUT = "user.signed_out"
    PROJECT_CREATED = "project.created"
    PROJECT_CHANGED = "project.changed"
    PROJECT_APPROVED = "project.approved"
    PROJECT_REJECTED = "project.rejected"
    PROJECT_CLOSED = "project.closed"
    POLICY_ACTIVATED = "policy.activated"
    KEY_ROTATED = "key.rotated"
    CERTIFICATE_REVOKED = "certificate.revoked"
    SIGNATURE_MADE = "signature.made"
    WITNESS_COSIGNED = "witness.cosigned"
    ERASURE_DONE = "erasure.done"
    TAKEDOWN_RECEIVED = "takedown.received"
    TAKEDOWN_CLOSED = "takedown.closed"
    OPT_OUT_RECEIVED = "opt_out.received"
    OPT_OUT_CLOSED = "opt_out.closed"
    OPT_OUT_RENEWAL = "opt_out.renewal"
    COMPLAINT_RECEIVED = "complaint.received"
    COMPLAINT_ANSWERED = "complaint.answered"
    OPERATOR_ACTED = "operator.acted"
    MEMORY_GIVEN = "memory.given"
    SERVICE_STARTED = "service.started"
    SERVICE_STOPPED = "service.stopped"


class Outcome(StrEnum):
    """How it went. INFO is for what has no verdict."""

    INFO = "info"
    ALLOW = "allow"
    DENY = "deny"
    OK = "ok"
    ERROR = "error"


TERMINAL = frozenset(
    {
        Kind.DECISION_REFUSED,
        Kind.OUTPUT_RELEASED,
        Kind.OUTPUT_WITHHELD,
        Kind.REQUEST_FAILED,
        Kind.REQUEST_ABORTED,
        Kind.REQUEST_CANCELLED,
    }
)
"""The kinds that end a request: each `request.received` gets exactly one of them."""

INDEXED_FACTS = frozenset(
    {"asset", "consent", "project", "job", "policy", "output", "photo", "status", "path", "method"}
)
"""The facts that can be searched by name; others are found by free text."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One thing that happened, as its caller tells it.

    rid: the request it belongs to, 1-64 characters of [A-Za-z0-9._:-]; system events make one.
    at: aware time, kept to the millisecond.
    actor, subject: plain ids of persons ("" for none); only keyed pseudonyms reach the leaf.
    why: names of rules or reasons. facts: small things kept for ever, keys [a-z][a-z0-9_]*.
    payload: anything JSON without floats up to 256 KiB; encrypted, erasable, committed in the leaf.
    Raises EntryError when it cannot be written as it stands.
    """

    kind: Kind
    rid: str
    at: datetime
    actor: str = ""
    subject: str = ""
    out: Outcome = Outcome.INFO
    why: tuple[str, ...] = ()
    facts: Facts = ()
    payload: Mapping[str, Json] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.kind, Kind) or not isinstance(self.out, Outcome):
            raise EntryError("kind and out are members of Kind and Outcome")
        if not _RID.match(self.rid):
            raise EntryError("rid is 1 to 64 letters, digits, dots, colons, dashes or underscores")
        if self.at.tzinfo is None:
            raise EntryError("at has no time zone")
        _check_facts(self.facts)
        if not all(isinstance(reason, str) and reason for reason in self.why):
            raise EntryError("every reason is a text that is not empty")


@dataclass(frozen=True, slots=True)
class Leaf:
    """What stands in the log for ever. Its bytes are one canonical JSON object (FORMAT.md).

    at: the log's time, never before that of the leaf before it. told: the caller's own time where
    that was earlier. actor, subject: pseudonyms, 32 hexadecimal characters, or "".
    commitment: 64 hexadecimal characters, or "" without payload.
    """

    log: str
    index: int
    at: datetime
    kind: Kind
    rid: str
    actor: str
    subject: str
    out: Outcome
    why: tuple[str, ...]
    facts: Facts
    commitment: str
    told: datetime | None = None

    def encode(self) -> bytes:
        """The leaf's bytes; EntryError beyond 4096 of them."""
        body: dict[str, Json] = {
            "v": LEAF_VERSION,
            "log": self.log,
            "n": self.index,
            "t": format_time(self.at),
            "e": self.kind.value,
            "rid": self.rid,
            "actor": self.actor,
            "subj": self.subject,
            "out": self.out.value,
            "why": list(self.why),
            "facts": dict(self.facts),
            "pc": self.commitment,
        }
        if self.told is not None:
            body["at"] = format_time(self.told)
        try:
            data = encode(body)
        except CanonicalError as error:
            raise EntryError(f"the entry cannot be written: {error}") from error
        if len(data) > MAX_LEAF_BYTES:
            raise EntryError(f"the entry makes a leaf of {len(data)} bytes; {MAX_LEAF_BYTES} fit")
        return data

    def fact(self, name: str) -> str | int | None:
        """The fact of that name, None where the leaf has none."""
        return dict(self.facts).get(name)


_FIELDS = frozenset(
    {"v", "log", "n", "t", "e", "rid", "actor", "subj", "out", "why", "facts", "pc"}
)


def read_leaf(data: bytes) -> Leaf:
    """The leaf whose bytes are exactly `data`; EntryError for any other bytes."""
    if len(data) > MAX_LEAF_BYTES:
        raise EntryError("the leaf is too large")
    try:
        body = parse(data)
    except CanonicalError as error:
        raise EntryError(str(error)) from error
    if not isinstance(body, dict) or body.keys() - {"at"} != _FIELDS or body["v"] != LEAF_VERSION:
        raise EntryError("the leaf has missing or unexpected fields, or another version")
    try:
        leaf = _leaf(body)
    except ValueError as error:
        raise EntryError(f"the leaf holds an unknown value: {error}") from error
    _check_facts(leaf.facts)
    if not _RID.match(leaf.rid):
        raise EntryError("the leaf's rid is malformed")
    if leaf.encode() != data:
        raise EntryError("the leaf is not in its canonical form")
    return leaf


def format_time(at: datetime) -> str:
    """RFC 3339, UTC, exactly three digits of fraction, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The time that `format_time` writes as exactly `text`; EntryError for any other text."""
    if not _TIME.match(text):
        raise EntryError("a time reads 2026-11-24T21:35:00.000Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise EntryError("there is no such time") from error


def to_millis(at: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def from_millis(millis: int) -> datetime:
    """The aware UTC time that many milliseconds after 1970."""
    seconds, rest = divmod(millis, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def _leaf(body: Mapping[str, Json]) -> Leaf:
    facts, why = body["facts"], body["why"]
    if not isinstance(facts, dict) or not isinstance(why, list):
        raise EntryError("facts or why have the wrong shape")
    if not all(isinstance(reason, str) and reason for reason in why):
        raise EntryError("a reason is not a text")
    told = parse_time(_text(body, "at")) if "at" in body else None
    index = body["n"]
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise EntryError("the leaf's index is no number")
    return Leaf(
        log=_text(body, "log"),
        index=index,
        at=parse_time(_text(body, "t")),
        kind=Kind(_text(body, "e")),
        rid=_text(body, "rid"),
        actor=_hex(body, "actor", _HEX32),
        subject=_hex(body, "subj", _HEX32),
        out=Outcome(_text(body, "out")),
        why=tuple(why),
        facts=tuple(facts.items()),
        commitment=_hex(body, "pc", _HEX64),
        told=told,
    )


def _text(body: Mapping[str, Json], name: str) -> str:
    value = body[name]
    if not isinstance(value, str):
        raise EntryError(f"{name} is not a text")
    return value


def _hex(body: Mapping[str, Json], name: str, shape: re.Pattern[str]) -> str:
    value = _text(body, name)
    if value and not shape.match(value):
        raise EntryError(f"{name} is malformed")
    return value


def _check_facts(facts: Facts) -> None:
    seen = set[str]()
    for name, value in facts:
        if name in seen or not _FACT.match(name):
            raise EntryError("fact names are lower-case words, each used once")
        seen.add(name)
        if not isinstance(value, str | int):
            raise EntryError(f"the fact {name} is neither a text nor a whole number")
