"""Requests: asking for a video, following it, fetching it. What decides is the gate, not this file.

A well-formed request becomes a row and a log entry in one transaction; a malformed one becomes a
log entry alone. Whether it is allowed is decided when a worker takes it up, from the facts of that
moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, BinaryIO, Final

import sqlalchemy as sa

from primafacie.audit.digest import sha256_hex, sha256_stream
from primafacie.audit.entry import Kind, Outcome
from primafacie.generator.controls import Controls
from primafacie.platform.accounts import Account
from primafacie.platform.assets import Assets, AssetView, released_by
from primafacie.platform.database import now_ms
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    PlatformError,
)
from primafacie.platform.journal import SYSTEM, Journal
from primafacie.platform.likenesses import Likenesses
from primafacie.platform.queue import Queue, outputs_of
from primafacie.platform.tables import (
    assets,
    consents,
    projects,
    request_entries,
    request_stages,
    requests,
    users,
)
from primafacie.platform.vault import Vault
from primafacie.safeguards.consent import AUDIENCES
from primafacie.safeguards.decision import Reason
from primafacie.safeguards.errors import ConsentError

DONE: Final = ("released", "refused", "withheld", "failed", "aborted", "cancelled")
STATES: Final = ("queued", "running", *DONE)
CONSENT_OVER: Final = ("withdrawn", "expired", "revoked", "superseded", "rejected", "erased")
WAITING: Final = 20  # requests one person may have in the queue
_CHANGED: Final = ("file_changed", "the file is not the one that was released; it is locked away")
_OVERSEERS: Final = ("reviewer", "steward", "auditor", "admin")
_ID = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"[a-z-]{1,32}")
_KEY = re.compile(r"[!-~]{1,128}")
_R = requests.c


@dataclass(frozen=True, slots=True)
class Submission:
    """What a requester hands in. idempotency_key: the same key means the same request."""

    project_id: str
    consent_id: str
    purpose: str
    audience: str
    photo: bytes = field(repr=False)
    voice: bytes = field(repr=False)
    controls: Controls
    voice_synthetic: bool = False
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class StageEvent:
    """The request reached a stage; n counts from 1."""

    n: int
    stage: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a request stands, and what happened after event `after`."""

    state: str
    stage: str
    done: bool
    events: tuple[StageEvent, ...]


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as people see it. place: its place in the queue, 0 when it is not waiting.

    reasons: every rule that said no. entries: (log index, kind, time) of its story.
    """

    rid: str
    requester_id: str
    project_id: str
    consent_id: str
    purpose: str
    audience: str
    controls: Controls
    photo_sha256: str
    voice_sha256: str
    voice_synthetic: bool
    state: str
    stage: str
    received_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    cancel_asked: bool
    place: int
    reasons: tuple[Reason, ...]
    message: str
    decision_id: str
    policy_sha256: str
    asset: AssetView | None
    entries: tuple[tuple[int, str, datetime], ...]

    @property
    def done(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in DONE


@dataclass(frozen=True, slots=True)
class CompanionFile:
    """The still or the sound of a released video, ready to be handed out."""

    name: str
    sha256: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A released file, ready to be handed out. file: open at its start, and to be closed by whoever
    is handed it; these are the bytes that were compared with the log, whatever lies there now."""

    file: BinaryIO = field(repr=False)
    name: str
    size: int
    sha256: str

    def read(self) -> bytes:
        """All of it; can be called once."""
        with self.file:
            return self.file.read()

    @property
    def etag(self) -> str:
        """A strong entity tag."""
        return f'"{self.sha256}"'


class Requests:
    """The requests of one installation."""

    def __init__(
        self, journal: Journal, vault: Vault, queue: Queue, assets: Assets,
        likenesses: Likenesses, queue_name: str,
    ) -> None:  # fmt: skip
        self._journal, self._vault, self._queue = journal, vault, queue
        self._assets, self._likenesses, self._queue_name = assets, likenesses, queue_name

    def submit(self, actor: Account, submission: Submission) -> RequestView:
        """Take a request in: row and log entry in one transaction.

        Raises AccessError for who is no researcher and InputError for a malformed one (both logged
        too), ConflictError when too many wait. The same idempotency key from the same person gives
        the same request again.
        """
        try:
            actor.require("researcher")
            self._check(submission)
        except (AccessError, InputError) as error:
            self._refuse(actor, submission, error)
            raise
        same = _same_key(actor, submission)
        with self._journal.writing() as tx:
            known = self._known(tx, same)
            if known is not None:
                _require_same(tx, known, submission)
                return self.show(actor, known)
            self._check_waiting(tx, actor)
            rid = uuid.uuid4().hex
            photo = self._vault.put(tx, "photo", submission.photo)
            voice = self._vault.put(tx, "voice", submission.voice)
            row = self._row(rid, actor, submission, photo, voice, same)
            tx.execute(requests.insert().values(row))
            tx.execute(
                request_stages.insert().values(
                    rid=rid, n=1, stage="queued", at=self._journal.clock()
                )
            )
            self._journal.append(
                tx,
                self._journal.event(
                    Kind.REQUEST_RECEIVED,
                    actor.user_id,
                    rid=rid,
                    facts=(("project", submission.project_id), ("purpose", submission.purpose)),
                    payload={"consent": submission.consent_id, "audience": submission.audience},
                ),
            )
        return self.show(actor, rid)

    def show(self, actor: Account, rid: str) -> RequestView:
        """The request, for whoever asked and for those who oversee. Raises NotFoundError."""
        with self._journal.database.read() as tx:
            return self._view(tx, self._mine(tx, actor, rid), story=True)

    def listed(
        self,
        actor: Account,
        *,
        state: str | None = None,
        everyone: bool = False,
        consent_id: str | None = None,
        before: datetime | None = None,
        limit: int = 50,
    ) -> tuple[RequestView, ...]:
        """Requests, newest first: one's own, or everyone's for those who oversee."""
        if everyone:
            actor.require(*_OVERSEERS)
        chosen = sa.select(requests).order_by(_R.received_at.desc(), _R.id)
        if not everyone:
            chosen = chosen.where(_R.requester == actor.user_id)
        if state is not None:
            chosen = chosen.where(_R.state == state)
        if consent_id is not None:
            chosen = chosen.where(_R.consent_id == consent_id)
        if before is not None:
            chosen = chosen.where(_R.received_at < before)
        with self._journal.database.read() as tx:
            rows = tx.execute(chosen.limit(max(1, min(limit, 200)))).all()
            return tuple(self._view(tx, row, story=False) for row in rows)

    def cancel(self, actor: Account, rid: str) -> RequestView:
        """Stop it: at once while it waits, at the next step while it runs."""
        with self._journal.writing() as tx:
            row = self._mine(tx, actor, rid)
            if row.requester != actor.user_id:
                actor.require("reviewer", "steward", "admin")
            if row.state in DONE:
                raise ConflictError(f"the request is {row.state} already")
            tx.execute(requests.update().where(_R.id == rid).values(cancel=True))
            if not self._queue.close_queued(tx, rid, actor.user_id, "asked"):
                asked = self._journal.event(
                    Kind.CANCEL_ASKED, actor.user_id, rid=rid, why=("asked",)
                )
                self._journal.append(tx, asked)  # its end will come from the worker, unasked
        return self.show(actor, rid)

    def progress(self, actor: Account, rid: str, after: int = 0) -> Progress:
        """Where it stands and the stages after number `after`."""
        with self._journal.database.read() as tx:
            row = self._mine(tx, actor, rid)
            stages = tx.execute(
                sa.select(request_stages)
                .where(request_stages.c.rid == rid, request_stages.c.n > after)
                .order_by(request_stages.c.n)
            )
            events = tuple(StageEvent(s.n, s.stage, s.at) for s in stages)
        return Progress(row.state, row.stage, row.state in DONE, events)

    def deliver(self, actor: Account, rid: str, how: str = "viewed") -> SealedFile:
        """The released file; the log entry is written first. how: `viewed` or `downloaded`. Each
        part that a player asks for is compared and logged like the whole.

        Raises NotFoundError before a release, after deletion, and where the file is no longer the
        one that was released; AccessError when the consent no longer stands, when the subject no
        longer allows its purpose or audience, when the video was called back, or when whoever asks
        may no longer have it.
        """
        with self._journal.database.read() as tx:
            self._mine(tx, actor, rid)
            asset = self._assets.view(tx, rid)
        if asset is None:
            raise NotFoundError("there is no video to this request")
        file = self._compared(actor, rid, how, "file_sha256", asset.path)
        return SealedFile(file, f"primafacie-{asset.name}.mp4", asset.size, asset.file_sha256)

    def motion(self, actor: Account, rid: str) -> SealedFile:
        """The movement that was released beside the video; logged as handed out first.

        Raises as `deliver` does, NotFoundError where no movement was asked for, and AccessError
        where the subject no longer allows it to leave as data.
        """
        with self._journal.database.read() as tx:
            self._mine(tx, actor, rid)
            asset = self._assets.view(tx, rid)
        if asset is None or asset.motion is None:
            raise NotFoundError("no movement was released with this request")
        found = asset.motion
        file = self._compared(actor, rid, "downloaded", "motion_sha256", found.path)
        return SealedFile(file, f"primafacie-{asset.name}.{found.form}", found.size, found.sha256)

    def companion(self, actor: Account, rid: str, kind: str) -> CompanionFile:
        """A still (`png`, `jpg`) or the sound (`wav`) of a released video, handed out as it is.

        Raises as `deliver` does, and NotFoundError where none was made: no sound stands beside a
        video whose voice was not declared synthetic or sounds like the person's own, or beside a
        long one.
        """
        with self._journal.database.read() as tx:
            self._mine(tx, actor, rid)
            found = self._assets.companion(tx, rid, kind)
        if found is None:
            raise NotFoundError("there is no such file to this request")
        digest = sha256_hex(found[1])
        asset = self._handed_out(actor, rid, "downloaded", f"{kind}_sha256", digest)
        return CompanionFile(f"primafacie-{asset.name}.{kind}", digest, found[1])

    def _compared(self, actor: Account, rid: str, how: str, part: str, name: str) -> BinaryIO:
        """The released file, open: a file put in its place after it was compared is not served."""
        with contextlib.ExitStack() as open_until_known:
            try:
                file = open_until_known.enter_context(self._vault.sealed(name).open("rb"))
                digest = sha256_stream(file)
                file.seek(0)
            except (NotFoundError, OSError):
                digest = ""  # gone: `_handed_out` says so, and raises
            self._handed_out(actor, rid, how, part, digest)
            open_until_known.pop_all()
        return file

    def _handed_out(self, actor: Account, rid: str, how: str, part: str, digest: str) -> AssetView:
        """Log that it is, before it is. part: the fact of the release that names these bytes."""
        with self._journal.writing() as tx:
            row = self._mine(tx, actor, rid)
            asset = self._assets.view(tx, rid)
            if asset is None or asset.deleted_at is not None:
                raise NotFoundError("there is no video to this request")
            kind = Kind.OUTPUT_DOWNLOADED if how == "downloaded" else Kind.OUTPUT_VIEWED
            closed = self._ended(tx, actor, row) or self._closed(
                tx, row, asset, motion=part == "motion_sha256"
            )
            released = self._journal.log.leaf(tx, asset.log_index).fact(part)
            changed = not closed and digest != released
            closed = _CHANGED if changed else closed
            self._journal.append(
                tx,
                self._journal.event(
                    kind, actor.user_id, rid=rid, out=Outcome.DENY if closed else Outcome.ALLOW,
                    why=closed[:1], facts=(("asset", asset.name), (part, digest or "gone")),
                ),
            )  # fmt: skip
            if changed and digest:
                of_this = assets.c.asset_number == asset.asset_number
                self._assets.quarantine(tx, of_this, SYSTEM, _CHANGED[0])
        if changed:
            raise NotFoundError(closed[1])
        if closed:
            raise AccessError(closed[1])
        return asset

    def _ended(self, tx: sa.Connection, actor: Account, row: Any) -> tuple[str, ...]:
        """(code, sentence) why this person may not have it any more, () when they may: access and
        project end, and what was released under them is not fetched after that."""
        if row.requester != actor.user_id:
            said = "only whoever asked for it, or a reviewer, is handed the video"
            return () if actor.has("reviewer") else ("not_the_requester", said)
        now = self._journal.clock()
        until = tx.execute(
            sa.select(users.c.approved_until).where(users.c.id == actor.user_id)
        ).scalar()
        if until is None or until <= now:
            return ("access_ended", "your access has ended; nothing is handed out to you any more")
        running = sa.select(projects.c.id).where(
            projects.c.id == row.project_id, projects.c.state == "approved",
            projects.c.starts_at <= now, projects.c.ends_at > now,
        )  # fmt: skip
        if tx.execute(running).first() is None:
            return ("project_ended", "the project is over; nothing of it is handed out any more")
        return ()

    def _closed(
        self, tx: sa.Connection, row: Any, asset: AssetView, motion: bool = False
    ) -> tuple[str, ...]:
        """(code, sentence) why it is not handed out now, () when it is. The newest version that
        the subject signed decides, not the one of the release."""
        if not asset.available:
            said = f"the video is not handed out: its consent is {asset.consent_status}"
            return (f"consent_{asset.consent_status}", said)
        consent = tx.execute(sa.select(consents).where(consents.c.id == row.consent_id)).one()
        try:
            record, _ = self._likenesses.record(tx, consent)
            self._likenesses.require_logged(tx, consent)
        except ConsentError:
            return ("consent_unreadable", "the record of the consent does not verify")
        if row.purpose not in record.purposes:
            return ("purpose_narrowed", "the person no longer allows this purpose")
        if row.audience not in AUDIENCES[: AUDIENCES.index(record.audience) + 1]:
            return ("audience_narrowed", "the person no longer allows so wide an audience")
        if motion and not record.motion:
            return ("motion_narrowed", "the person no longer allows movement to leave as data")
        return ()

    def receipt(self, actor: Account, rid: str) -> bytes:
        """JSON with which anybody can verify, offline, that the release is in the log."""
        with self._journal.database.read() as tx:
            self._mine(tx, actor, rid)
            asset = self._assets.view(tx, rid)
            if asset is None:
                raise NotFoundError("there is no video to this request")
            leaf = self._journal.log.leaf_bytes(tx, asset.log_index)
        body = {
            "format": "primafacie.release-receipt/1",
            "rid": rid,
            "file_sha256": asset.file_sha256,
            "leaf": leaf.decode(),
            "proof": self._journal.proof_of(asset.log_index),
            "log_keys": list(self._journal.log.vkeys),
        }
        return json.dumps(body, indent=1).encode()

    def photo(self, actor: Account, rid: str) -> bytes:
        """The uploaded photo, for whoever uploaded it."""
        with self._journal.database.read() as tx:
            row = self._mine(tx, actor, rid)
        if row.requester != actor.user_id:
            raise AccessError("only the requester sees the uploaded photo")
        seen = self._journal.event(Kind.LOG_READ, actor.user_id, rid=rid, why=("photo",))
        self._journal.record(seen)
        return self._vault.get(row.photo_sha256)

    def counts(self, actor: Account) -> Mapping[str, int]:
        """state -> how many of one's own requests."""
        chosen = (
            sa.select(_R.state, sa.func.count())
            .where(_R.requester == actor.user_id)
            .group_by(_R.state)
        )
        with self._journal.database.read() as tx:
            return {state: int(n) for state, n in tx.execute(chosen)}

    def used_today(self, user_id: str) -> int:
        """Videos released to this person since midnight UTC."""
        midnight = self._journal.clock().replace(hour=0, minute=0, second=0, microsecond=0)
        with self._journal.database.read() as tx:
            return outputs_of(tx, released_by(user_id), midnight)[1]

    def forget_uploads(self, before: datetime) -> int:
        """Delete the uploads of requests that ended before then, or whose consent has ended, and
        that nothing else needs. The rows keep the digests. Returns how many requests."""
        over = sa.select(consents.c.id).where(consents.c.state.in_(CONSENT_OVER))
        due = sa.and_(
            _R.finished_at.is_not(None),
            _R.kept,
            sa.or_(_R.finished_at < before, _R.consent_id.in_(over)),
        )
        with self._journal.writing() as tx:
            digests = let_go(tx, due)
        self._vault.drop(digests)
        return len(digests) // 2

    # -------------------------------------------------------------------------------------------

    def _check(self, submission: Submission) -> None:
        for what, text in (("project", submission.project_id), ("consent", submission.consent_id)):
            if not _ID.fullmatch(text):
                raise InputError(f"the {what} is named by 32 hexadecimal digits")
        for what, text in (("purpose", submission.purpose), ("audience", submission.audience)):
            if not _WORD.fullmatch(text):
                raise InputError(f"the {what} is one word of the vocabulary")
        if submission.idempotency_key and not _KEY.fullmatch(submission.idempotency_key):
            raise InputError("an idempotency key has at most 128 visible characters")
        self._vault.check("photo", submission.photo)
        self._vault.check("voice", submission.voice)

    def _refuse(self, actor: Account, submission: Submission, error: PlatformError) -> None:
        why = "malformed_request" if isinstance(error, InputError) else "no_researcher"
        self._journal.record(
            self._journal.event(
                Kind.HTTP_REQUEST,
                actor.user_id,
                out=Outcome.DENY,
                why=(why,),
                payload={"message": str(error), "consent": submission.consent_id[:64]},
            )
        )

    def _check_waiting(self, tx: sa.Connection, actor: Account) -> None:
        waiting = sa.select(sa.func.count()).where(
            _R.requester == actor.user_id, _R.state.in_(("queued", "running"))
        )
        if tx.execute(waiting).scalar_one() >= WAITING:
            raise ConflictError(f"{WAITING} of your requests are waiting; let some of them finish")

    @staticmethod
    def _known(tx: sa.Connection, same: str | None) -> str | None:
        if same is None:
            return None
        return tx.execute(sa.select(_R.id).where(_R.same_key == same)).scalar()

    def _row(
        self, rid: str, actor: Account, asked: Submission, photo: str, voice: str, same: str | None
    ) -> dict[str, Any]:
        return {
            "id": rid,
            "requester": actor.user_id,
            "project_id": asked.project_id,
            "consent_id": asked.consent_id,
            "purpose": asked.purpose,
            "audience": asked.audience,
            "photo_sha256": photo,
            "voice_sha256": voice,
            "voice_synthetic": asked.voice_synthetic,
            "controls": asked.controls.to_params().decode(),
            "same_key": same,
            "state": "queued",
            "stage": "queued",
            "received_at": self._journal.clock(),
            "decision_id": "",
            "policy_sha256": "",
            "reasons": [],
            "message": "",
            "permitted": False,
            "kept": True,
            "queue": self._queue_name,
            "priority": 0,
            "run_after": now_ms(),
            "owner": "",
            "claim": 0,
            "attempts": 0,
            "lease_until": 0,
            "cancel": False,
        }

    def _mine(self, tx: sa.Connection, actor: Account, rid: str) -> Any:
        row = tx.execute(sa.select(requests).where(_R.id == rid)).first()
        if row is None or (row.requester != actor.user_id and not actor.has(*_OVERSEERS)):
            raise NotFoundError("there is no such request")
        return row

    def _view(self, tx: sa.Connection, row: Any, *, story: bool) -> RequestView:
        entries = tx.execute(
            sa.select(request_entries)
            .where(request_entries.c.rid == row.id)
            .order_by(request_entries.c.log_index)
        ).all() if story else ()  # fmt: skip
        return RequestView(
            rid=row.id,
            requester_id=row.requester,
            project_id=row.project_id,
            consent_id=row.consent_id,
            purpose=row.purpose,
            audience=row.audience,
            controls=Controls.from_params(row.controls.encode()),
            photo_sha256=row.photo_sha256,
            voice_sha256=row.voice_sha256,
            voice_synthetic=row.voice_synthetic,
            state=row.state,
            stage=row.stage,
            received_at=row.received_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            attempts=row.attempts,
            cancel_asked=row.cancel,
            place=self._place(tx, row),
            reasons=tuple(Reason(rule, sentence) for rule, sentence in row.reasons),
            message=row.message,
            decision_id=row.decision_id,
            policy_sha256=row.policy_sha256,
            asset=self._asset(tx, row) if row.state == "released" else None,
            entries=tuple((e.log_index, e.kind, e.at) for e in entries),
        )

    def _asset(self, tx: sa.Connection, row: Any) -> AssetView | None:
        """The video, with what of it can be had now."""
        asset = self._assets.view(tx, row.id)
        if asset is None or not asset.available:
            return asset
        if self._closed(tx, row, asset):
            return replace(asset, available=False, motion=None)
        keep = asset.motion is None or not self._closed(tx, row, asset, motion=True)
        return asset if keep else replace(asset, motion=None)

    @staticmethod
    def _place(tx: sa.Connection, row: Any) -> int:
        if row.state != "queued":
            return 0
        ahead = sa.select(sa.func.count()).where(
            _R.state == "queued", _R.queue == row.queue, _R.received_at < row.received_at
        )
        return int(tx.execute(ahead).scalar_one()) + 1


def let_go(tx: sa.Connection, which: sa.ColumnElement[bool]) -> list[str]:
    """Say that these requests need their uploads no more; the digests, to be dropped after the
    commit."""
    chosen = sa.select(_R.photo_sha256, _R.voice_sha256).where(which)
    digests = [digest for pair in tx.execute(chosen).all() for digest in pair]
    tx.execute(requests.update().where(which).values(kept=False))
    return digests


def _require_same(tx: sa.Connection, rid: str, submission: Submission) -> None:
    """Raises ConflictError where the key was used for something else."""
    row = tx.execute(sa.select(requests).where(_R.id == rid)).one()
    kept = (row.project_id, row.consent_id, row.purpose, row.audience, row.photo_sha256,
            row.voice_sha256, row.voice_synthetic, row.controls)  # fmt: skip
    given = (submission.project_id, submission.consent_id, submission.purpose, submission.audience,
             sha256_hex(submission.photo), sha256_hex(submission.voice),
             submission.voice_synthetic, submission.controls.to_params().decode())  # fmt: skip
    if kept != given:
        raise ConflictError("this idempotency key was used for another request")


def _same_key(actor: Account, submission: Submission) -> str | None:
    if not submission.idempotency_key:
        return None
    named = f"{actor.user_id}\0{submission.idempotency_key}"
    return hashlib.sha256(named.encode()).hexdigest()
