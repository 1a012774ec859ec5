"""ConsentBook: what every side of a consent shares: its rows, its moves, how it looks.

A move along the life cycle is one transaction: state, epoch, effects and log entry, or nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit.canonical import Json
from primafacie.audit.entry import Kind, Outcome
from primafacie.audit.log import Receipt
from primafacie.platform.accounts import Account
from primafacie.platform.assets import Assets
from primafacie.platform.database import now_ms
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    LinkError,
    NotFoundError,
)
from primafacie.platform.four_eyes import require_apart
from primafacie.platform.journal import Journal
from primafacie.platform.likenesses import Likenesses
from primafacie.platform.outbox import tell
from primafacie.platform.projects import Projects
from primafacie.platform.queue import COMPARING, Queue
from primafacie.platform.settings import Settings
from primafacie.platform.subjects import Subjects
from primafacie.platform.tables import (
    assets,
    consent_approvals,
    consent_files,
    consent_links,
    consent_moves,
    consent_versions,
    consents,
    photo_offers,
    requests,
    templates,
    thumbnails,
)
from primafacie.platform.vault import Vault
from primafacie.safeguards.consent import (
    AUDIENCES,
    CAPTIONS,
    LABEL_POSITIONS,
    PURPOSES,
    ConsentRecord,
    ConsentState,
    SubjectKind,
    check_move,
    hides,
)
from primafacie.safeguards.errors import ConsentError

SUBJECT: Final = "subject"  # who moved it, where the mover has no account
HOUSE, BOTH = "platform", "both"  # who holds a consent that is suspended
ENDED: Final = (
    ConsentState.WITHDRAWN, ConsentState.EXPIRED, ConsentState.REVOKED, ConsentState.SUPERSEDED,
    ConsentState.REJECTED,
)  # fmt: skip
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")
_C = consents.c


@dataclass(frozen=True, slots=True)
class Offer:
    """What a steward offers; the subject ticks purposes and may give less, never more.

    See ConsentRecord for the meaning of the fields. days: the longest validity offered.
    """

    purposes: tuple[str, ...]
    purpose_text: str
    projects: tuple[str, ...] = ()
    requesters: tuple[str, ...] = ()
    kind: str = "living"
    audience: str = "internal"
    max_seconds: int = 30
    max_side: int = 512
    max_outputs: int = 100
    max_per_day: int = 10
    languages: tuple[str, ...] = ()
    photo_mode: str = "registered"
    voice_source: str = "own"
    label: str = ""
    days: int = 365
    jurisdiction: str = ""
    language: str = "en"
    motion: bool = False  # ask whether the movement may leave as data
    label_position: str = ""  # see ConsentRecord
    caption: str = ""
    strict: bool = False  # a reviewer confirms each match; the subject may ask for it as well

    def check(self, settings: Settings) -> None:
        """Return if this can be offered; raise InputError naming every problem."""
        problems = [text for broken, text in self._rules(settings) if broken]
        if problems:
            raise InputError("; ".join(problems))

    def _rules(self, settings: Settings) -> Sequence[tuple[bool, str]]:
        numbers = (self.max_seconds, self.max_outputs, self.max_per_day)
        declared = self.kind == SubjectKind.SELF_DECLARED
        dead = self.kind == SubjectKind.DECEASED
        return (
            (self.kind not in set(SubjectKind), "unknown kind of person"),
            (dead and (self.photo_mode != "registered" or self.voice_source == "own"),
             "of somebody who has died only registered photos are used, and never a voice that is "
             "recognised as theirs"),
            (declared and settings.production, "a self-declared consent is for development alone"),
            (declared and self.max_seconds > 10, "a self-declared consent allows 10 seconds"),
            (not self.purposes, "offer at least one purpose"),
            (not set(self.purposes) <= set(PURPOSES), "a purpose is not in the vocabulary"),
            (not 20 <= len(self.purpose_text.strip()) <= 2000,
             "describe the purpose in 20 to 2000 characters"),
            (hides(self.purpose_text), "the purpose holds characters that nobody can see"),
            (not (self.projects or self.requesters), "name a project or a requester"),
            (self.audience not in AUDIENCES, f"the audience is among {', '.join(AUDIENCES)}"),
            (min(numbers) < 1 or max(numbers) > 100_000, "limits are positive numbers"),
            (not 256 <= self.max_side <= 1920, "the longer side is 256 to 1920 pixels"),
            (self.photo_mode not in ("registered", "matched"), "photos: registered or matched"),
            (self.voice_source not in ("own", "synthetic", "clips"),
             "voice: own, synthetic or clips"),
            (len(self.label) > 60 or not self.label.isascii()
             or not (self.label.isprintable() or not self.label),
             "a label has at most 60 plain ASCII characters"),
            (self.label_position not in LABEL_POSITIONS, "unknown position of the label"),
            (self.caption not in CAPTIONS, "a caption stands at the start, the end, or both"),
            (not 1 <= self.days <= settings.consent_days,
             f"a consent lasts 1 to {settings.consent_days} days"),
        )  # fmt: skip

    @classmethod
    def kept(cls, row: dict[str, Any]) -> Offer:
        """The offer a row keeps."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        return cls(**given)

    def keep(self) -> dict[str, Any]:
        """As a row keeps it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class PhotoView:
    """A registered photo."""

    sha256: str
    width: int
    height: int
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file the consent rests on. kind: video, voice, id-check, written-release, ..."""

    kind: str
    sha256: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Transition:
    """A step of the life cycle. who: a user id, `subject`, or `system`."""

    state: str
    at: datetime
    who: str
    log_index: int


@dataclass(frozen=True, slots=True)
class ConsentView:
    """A consent as people see it. Before the subject signs, the fields show what is offered.

    enrolment: why no face template could be made or what a reviewer should look at, "" if nothing.
    """

    consent_id: str
    version: int
    state: str
    epoch: int
    subject_id: str
    display_name: str
    kind: str
    steward: str
    projects: tuple[str, ...]
    requesters: tuple[str, ...]
    purposes: tuple[str, ...]
    purpose_text: str
    audience: str
    max_seconds: int
    max_side: int
    max_outputs: int
    max_per_day: int
    languages: tuple[str, ...]
    photo_mode: str
    voice_source: str
    label: str
    photos: tuple[PhotoView, ...]
    voices: tuple[str, ...]
    liveness: int
    created_at: datetime
    not_before: str
    not_after: str
    reviewer: str
    held_by: str
    enrolment: str
    enrolled: bool
    outputs: int
    record_sha256: str
    motion: bool
    label_position: str
    caption: str
    strict: bool
    history: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """What the subject takes away. token: opens the subject's own page, without an account."""

    name: str
    data: bytes = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ConsentTools:
    """What the consents work with."""

    settings: Settings
    journal: Journal
    vault: Vault
    subjects: Subjects
    likenesses: Likenesses
    projects: Projects
    queue: Queue
    assets: Assets
    platform_key: Ed25519PrivateKey = field(repr=False)


class ConsentBook:
    """Rows, moves and views; the sides of a consent build on it."""

    def __init__(self, tools: ConsentTools) -> None:
        self._tools, self._journal = tools, tools.journal

    # rows --------------------------------------------------------------------------------------

    def _row(self, tx: sa.Connection, consent_id: str) -> Any:
        row = tx.execute(sa.select(consents).where(_C.id == consent_id)).first()
        if row is None:
            raise NotFoundError("there is no such consent")
        return row

    def _held(self, tx: sa.Connection, token: str) -> Any:
        """The consent whose receipt carries this token. Raises LinkError for a dead one."""
        row = tx.execute(
            sa.select(consents).where(_C.receipt_sha256 == token_digest(token))
        ).first()
        if row is None:
            raise LinkError("this address leads nowhere; it may have been erased")
        return row

    def second_person(self, actor: Account, row: Any) -> None:
        """Four eyes: raise AccessError unless this reviewer asked for nothing here."""
        offer = Offer.kept(row.offer)
        part = {row.steward, *offer.requesters}
        for project_id in offer.projects:
            part |= self._tools.projects.get(project_id).people
        if actor.user_id in part:
            raise AccessError("a second person, who asked for nothing here, must decide this")
        if "steward" in actor.roles:
            raise AccessError("whoever can draft consents cannot review them; somebody else must")
        with self._journal.database.read() as tx:
            for one in part:
                require_apart(tx, actor.user_id, one)

    def _files(self, tx: sa.Connection, consent_id: str) -> Sequence[Any]:
        chosen = sa.select(consent_files).where(consent_files.c.consent_id == consent_id)
        return tx.execute(chosen.order_by(consent_files.c.added_at, consent_files.c.sha256)).all()

    def _add_file(
        self, tx: sa.Connection, row: Any, kind: str, data: bytes, who: str, *,
        size: tuple[int, int] = (0, 0), replace: bool = False,
    ) -> str:  # fmt: skip
        """Keep a file with the consent; whatever was prepared for signing is void."""
        files = consent_files.c
        if replace:
            tx.execute(consent_files.delete().where(files.consent_id == row.id, files.kind == kind))
        limit = "photo" if kind == "photo" else "voice" if kind == "voice" else "video"
        digest = self._tools.vault.put(tx, limit, data)
        same = (files.consent_id == row.id, files.sha256 == digest, files.kind == kind)
        if tx.execute(sa.select(files.sha256).where(*same)).first():
            return digest
        tx.execute(
            consent_files.insert().values(
                consent_id=row.id,
                sha256=digest,
                kind=kind,
                width=size[0],
                height=size[1],
                added_at=self._journal.clock(),
            )
        )
        self._void(tx, row.id)
        added = Kind.PHOTO_ADDED if kind == "photo" else Kind.EVIDENCE_ADDED
        self._log(tx, row, added, who, facts=(("kind", kind),), payload={"sha256": digest})
        return digest

    @staticmethod
    def _void(tx: sa.Connection, consent_id: str) -> None:
        """The files changed: what was prepared, and what a witness saw, no longer holds."""
        tx.execute(
            consents.update()
            .where(_C.id == consent_id)
            .values(prepared=None, prepared_public=None, witness=None)
        )

    # moves -------------------------------------------------------------------------------------

    def _move(
        self,
        tx: sa.Connection,
        row: Any,
        new: ConsentState,
        kind: Kind,
        who: str,
        *,
        out: Outcome = Outcome.OK,
        why: Sequence[str] = (),
        note: str = "",
        facts: Sequence[tuple[str, str | int]] = (),
        **values: Any,
    ) -> Receipt:
        """Move the consent, with everything that follows from it. Raises ConflictError when it may
        not go there, or when somebody else moved it first."""
        try:
            check_move(ConsentState(row.state), new)
        except ConsentError as error:
            raise ConflictError(str(error)) from error
        return self._step_on(
            tx, row, new, kind, who, out=out, why=why, note=note, facts=facts, **values
        )

    def _step_on(
        self,
        tx: sa.Connection,
        row: Any,
        new: ConsentState,
        kind: Kind,
        who: str,
        *,
        out: Outcome = Outcome.OK,
        why: Sequence[str] = (),
        note: str = "",
        facts: Sequence[tuple[str, str | int]] = (),
        **values: Any,
    ) -> Receipt:
        """The next epoch: a move that was checked, or a change within a state. Every permit that
        was issued in the epoch before dies with it."""
        epoch = row.epoch + 1
        moved = tx.execute(
            consents.update()
            .where(_C.id == row.id, _C.epoch == row.epoch)
            .values(state=new.value, epoch=epoch, **values)
        )
        if moved.rowcount != 1:
            raise ConflictError("the consent was changed by somebody else; look again")
        named = any(name == "record_sha256" for name, _ in facts)
        signed = () if named else _signed(tx, row)
        receipt = self._log(
            tx, row, kind, who, out=out, why=why,
            facts=(("epoch", epoch), ("state", new.value), *facts, *signed),
            payload={"note": note[:2000]} if note else None,
        )  # fmt: skip
        tx.execute(
            consent_moves.insert().values(
                consent_id=row.id, epoch=epoch, state=new.value, actor=who,
                log_index=receipt.index, at=self._journal.clock(),
            )
        )  # fmt: skip
        self._follow(tx, row, new, who)
        tx.execute(  # what a reviewer was asked before is void: the gate decides anew at once
            requests.update()
            .where(requests.c.consent_id == row.id, requests.c.state == "queued",
                   requests.c.stage == COMPARING)
            .values(run_after=now_ms())
        )  # fmt: skip
        if new is not ConsentState.UNDER_REVIEW:  # of that the person was told when they signed
            tell(tx, row.subject_id, row.id, kind.value, self._journal.clock())
        return receipt

    def _hold(self, tx: sa.Connection, row: Any, who: str, actor: str, note: str = "") -> Receipt:
        """Suspend for `who` (subject or house); each holds for itself, whatever the other does."""
        other = HOUSE if who == SUBJECT else SUBJECT
        if row.state == ConsentState.SUSPENDED and row.held_by == other:
            return self._step_on(
                tx, row, ConsentState.SUSPENDED, Kind.CONSENT_SUSPENDED, actor, note=note,
                held_by=BOTH,
            )  # fmt: skip
        return self._move(
            tx, row, ConsentState.SUSPENDED, Kind.CONSENT_SUSPENDED, actor, note=note, held_by=who
        )

    def _let_go(self, tx: sa.Connection, row: Any, who: str, actor: str) -> Receipt:
        """Lift the hold of `who`; one that the other has as well stays. Where the face was
        forgotten meanwhile, the consent is enrolled and reviewed anew."""
        if row.held_by == BOTH:
            other = HOUSE if who == SUBJECT else SUBJECT
            return self._step_on(
                tx, row, ConsentState.SUSPENDED, Kind.CONSENT_SUSPENDED, actor,
                why=("one_hold_lifted",), held_by=other,
            )  # fmt: skip
        if not self._tools.likenesses.enrolled(tx, row):
            return self._move(
                tx, row, ConsentState.CAPTURED, Kind.CONSENT_CAPTURED, actor, why=("resumed",),
                held_by="", enrolment="",
            )  # fmt: skip
        return self._move(tx, row, ConsentState.ACTIVE, Kind.CONSENT_RESUMED, actor, held_by="")

    def _follow(self, tx: sa.Connection, row: Any, new: ConsentState, who: str) -> None:
        """What ends with a consent: what waits or runs, its templates, its videos, its links. What
        reviewers said of a face ends when it is enrolled anew."""
        if new is ConsentState.CAPTURED:
            said = consent_approvals
            tx.execute(said.delete().where(said.c.consent_id == row.id))
        if new not in ENDED:
            return
        live = sa.select(requests.c.id, requests.c.requester).where(
            requests.c.consent_id == row.id, requests.c.state.in_(("queued", "running"))
        )
        for request in tx.execute(live).all():
            tx.execute(requests.update().where(requests.c.id == request.id).values(cancel=True))
            self._tools.queue.close_queued(tx, request.id, request.requester, f"consent_{new}")
        for ended in (consent_links, photo_offers, thumbnails):
            tx.execute(ended.delete().where(ended.c.consent_id == row.id))
        self._tools.likenesses.forget(tx, row)
        if new in (ConsentState.WITHDRAWN, ConsentState.REVOKED):
            of_this = assets.c.consent_id == row.id
            self._tools.assets.quarantine(tx, of_this, self._actor(row, who), f"consent_{new}")

    def _log(
        self,
        tx: sa.Connection,
        row: Any,
        kind: Kind,
        who: str,
        *,
        out: Outcome = Outcome.OK,
        why: Sequence[str] = (),
        facts: Sequence[tuple[str, str | int]] = (),
        payload: dict[str, Json] | None = None,
    ) -> Receipt:
        entry = self._journal.event(
            kind,
            self._actor(row, who),
            subject=row.subject_id,
            out=out,
            why=why,
            facts=facts,
            payload={"consent": row.id, **(payload or {})},
        )
        return self._journal.append(tx, entry)

    @staticmethod
    def _actor(row: Any, who: str) -> str:
        return row.subject_id if who == SUBJECT else who

    # views -------------------------------------------------------------------------------------

    def _view(self, tx: sa.Connection, row: Any) -> ConsentView:
        offer, record = Offer.kept(row.offer), self._record(tx, row)
        files = self._files(tx, row.id)
        photos = [f for f in files if f.kind == "photo"]
        moves = tx.execute(
            sa.select(consent_moves)
            .where(consent_moves.c.consent_id == row.id)
            .order_by(consent_moves.c.epoch)
        )
        outputs = sa.select(sa.func.count()).where(assets.c.consent_id == row.id)
        enrolled = sa.select(templates.c.model).where(templates.c.consent_id == row.id)
        given: Any = record or offer
        return ConsentView(
            consent_id=row.id,
            version=row.version,
            state=row.state,
            epoch=row.epoch,
            subject_id=row.subject_id,
            display_name=self._tools.subjects.name(tx, row.subject_id),
            kind=offer.kind,
            steward=row.steward,
            projects=given.projects,
            requesters=given.requesters,
            purposes=given.purposes,
            purpose_text=given.purpose_text,
            audience=given.audience,
            max_seconds=given.max_seconds,
            max_side=given.max_side,
            max_outputs=given.max_outputs,
            max_per_day=given.max_per_day,
            languages=given.languages,
            photo_mode=given.photo_mode,
            voice_source=given.voice_source,
            label=given.label,
            photos=tuple(PhotoView(p.sha256, p.width, p.height, p.added_at) for p in photos),
            voices=tuple(f.sha256 for f in files if f.kind == "voice"),
            liveness=record.liveness if record else _liveness(row, files),
            created_at=row.created_at,
            not_before=record.not_before if record else "",
            not_after=record.not_after if record else "",
            reviewer=row.reviewer or "",
            held_by=row.held_by,
            enrolment=row.enrolment,
            enrolled=tx.execute(enrolled.limit(1)).first() is not None,
            outputs=int(tx.execute(outputs).scalar_one()),
            record_sha256=record.sha256 if record else "",
            motion=given.motion,
            label_position=given.label_position,
            caption=given.caption,
            strict=given.strict,
            history=tuple(Transition(m.state, m.at, m.actor, m.log_index) for m in moves),
        )

    def _record(self, tx: sa.Connection, row: Any) -> ConsentRecord | None:
        if row.version == 0 or row.state == ConsentState.ERASED:
            return None
        return self._tools.likenesses.record(tx, row)[0]


def _signed(tx: sa.Connection, row: Any) -> tuple[tuple[str, str | int], ...]:
    """What names the signed record in an entry; nothing for a draft."""
    chosen = sa.select(consent_versions.c.record_sha256).where(
        consent_versions.c.consent_id == row.id, consent_versions.c.version == row.version
    )
    digest = tx.execute(chosen).scalar()
    return (("record_sha256", digest), ("version", row.version)) if digest else ()


def _liveness(row: Any, files: Sequence[Any]) -> int:
    """0 none, 1 a recording of the challenge that passed every measured check for these photos
    (or left a question to the reviewer), 2 seen live by a reviewer."""
    if row.witness:
        return 2
    return int(is_measured(row, files) and row.challenge["verdict"] in ("passed", "open"))


def is_measured(row: Any, files: Sequence[Any]) -> bool:
    """Was the recording measured against these very photos?"""
    videos = {f.sha256 for f in files if f.kind == "video"}
    measured = row.challenge.get("video") in videos
    return measured and row.challenge.get("photos") == photos_digest(files)


def photos_digest(files: Sequence[Any]) -> str:
    """Names the set of photos a recording was measured against."""
    photos = sorted(f.sha256 for f in files if f.kind == "photo")
    return hashlib.sha256("".join(photos).encode()).hexdigest()


def liveness_of(row: Any, files: Sequence[Any], kind: str) -> int:
    """What the record may claim: a self-declared consent claims nothing."""
    return 0 if kind == SubjectKind.SELF_DECLARED else _liveness(row, files)


def fresh_token() -> tuple[str, str]:
    """(text for the person, sha256 for the row)."""
    text = secrets.token_urlsafe(32)
    return text, token_digest(text)


def token_digest(text: str) -> str:
    """What a row keeps of a token; a malformed one has a digest that is nowhere."""
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        return "malformed"
    return hashlib.sha256(text.encode()).hexdigest()
