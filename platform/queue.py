"""Queue: the request's row is the queue, and the gate's Journal writes through it.

A worker claims a request for a lease and renews it while it works. The claim is a fencing token:
whoever holds an older one can change nothing any more, release least of all. What is true when:

    claim     state running, claim + 1; a crash now is found when the lease has run out
    record    the entry is in the log, but only while the claim still holds
    release   request released, asset stored, entry appended, all in one transaction or not at all
    ask       put aside until a person has compared the faces, or 72 hours are over: then the
              request comes up again, and the gate decides anew
    finish    the request's one outcome, with the same fencing

A worker that died before its permit was logged costs nothing: `sweep` queues the request again, at
most three times. One that died after is closed as aborted, for a second permit could mean a second
video.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.audit.errors import ErasedError
from primafacie.audit.log import Log, Receipt
from primafacie.audit.tables import log_index
from primafacie.generator.controls import Controls
from primafacie.generator.errors import EngineError
from primafacie.platform.database import now_ms
from primafacie.platform.errors import NotFoundError
from primafacie.platform.journal import Journal
from primafacie.platform.outbox import tell_of_request
from primafacie.platform.tables import (
    assets,
    companions,
    consent_versions,
    consents,
    manifests,
    matches,
    motions,
    request_stages,
    requests,
    users,
)
from primafacie.platform.vault import Vault
from primafacie.safeguards.asset import SOUND_NUMBER_MASK, AssetRecord
from primafacie.safeguards.consent import ConsentState
from primafacie.safeguards.errors import GateError
from primafacie.safeguards.motion_file import MotionFile
from primafacie.safeguards.request import Request

ATTEMPTS: Final = 3
ANSWER_WITHIN: Final = timedelta(hours=72)  # for a person to compare two faces, and to be believed
COMPARING: Final = "comparing"  # the stage of a request that waits for that
BACKOFF_MS: Final = 1000  # doubled with every attempt
_R = requests.c


class Queue:
    """Hands requests to workers and keeps the gate's promises about them.

    One queue object per worker process: it remembers the claims made through it, so that an entry
    of a request that was lost meanwhile is refused. Implements the gate's Journal.
    """

    def __init__(self, journal: Journal, vault: Vault, lease_seconds: float) -> None:
        self._journal, self._vault = journal, vault
        self._lease_ms = int(lease_seconds * 1000)
        self._held: dict[str, int] = {}

    # the worker's side -------------------------------------------------------------------------

    def claim(self, owner: str, queue: str) -> Request | None:
        """The next request of this queue, now ours for one lease; None when there is none.

        An idle look takes no write lock. A request whose uploads are gone is closed as failed.
        """
        waiting = sa.select(_R.id).where(
            _R.state == "queued", _R.queue == queue, _R.run_after <= now_ms()
        )
        with self._journal.database.read() as tx:
            if tx.execute(waiting.limit(1)).first() is None:
                return None
        pick = waiting.order_by(_R.priority.desc(), _R.received_at, _R.id).limit(1)
        with self._journal.writing() as tx:
            if tx.dialect.name == "postgresql":
                pick = pick.with_for_update(skip_locked=True)
            row = tx.execute(
                requests.update()
                .where(_R.id == pick.scalar_subquery())
                .values(
                    state="running",
                    stage="claimed",
                    owner=owner,
                    claim=_R.claim + 1,
                    attempts=_R.attempts + 1,
                    lease_until=now_ms() + self._lease_ms,
                    started_at=self._journal.clock(),
                )
                .returning(*_R)
            ).first()
            if row is not None:
                self._mark(tx, row.id, "claimed")
        if row is None:
            return None
        self._held[row.id] = row.claim
        return self._load(row)

    def heartbeat(self, rid: str, claim: int) -> bool:
        """Renew the lease; False when the request is no longer ours."""
        with self._journal.writing() as tx:
            done = tx.execute(
                requests.update()
                .where(_ours(rid, claim))
                .values(lease_until=now_ms() + self._lease_ms)
            )
            return bool(done.rowcount == 1)

    def sweep(self) -> tuple[str, ...]:
        """Take back what dead workers held: queue it again, or close it. Returns the rids."""
        lost = sa.select(requests).where(_R.state == "running", _R.lease_until < now_ms())
        with self._journal.database.read() as tx:
            if tx.execute(lost.limit(1)).first() is None:
                return ()
        swept: list[Any] = []
        with self._journal.writing() as tx:
            if tx.dialect.name == "postgresql":
                lost = lost.with_for_update(skip_locked=True)
            for row in tx.execute(lost).all():
                self._take_back(tx, row)
                swept.append(row)
        for row in swept:
            self._vault.discard(row.id, row.claim)
        return tuple(row.id for row in swept)

    def _take_back(self, tx: sa.Connection, row: Any) -> None:
        if not row.permitted and not row.cancel and row.attempts < ATTEMPTS:
            delay = BACKOFF_MS * 2 ** (row.attempts - 1)
            tx.execute(
                requests.update()
                .where(_R.id == row.id)
                .values(
                    state="queued",
                    stage="queued",
                    owner="",
                    claim=_R.claim + 1,
                    run_after=now_ms() + delay,
                )
            )
            self._mark(tx, row.id, "queued")
            return
        why = "worker_lost" if row.permitted else "cancelled" if row.cancel else "attempts"
        kind = Kind.REQUEST_CANCELLED if why == "cancelled" else Kind.REQUEST_ABORTED
        entry = self._journal.event(
            kind, row.requester, rid=row.id, out=Outcome.ERROR, why=(why,),
            facts=(("attempts", row.attempts),),
        )  # fmt: skip
        message = "The machine that worked on it stopped. Ask again."
        state = "cancelled" if why == "cancelled" else "aborted"
        self._close(tx, row.id, state, entry, message=message, claim=row.claim + 1)

    def close_queued(self, tx: sa.Connection, rid: str, actor: str, why: str) -> bool:
        """End a request nobody has claimed yet, in the caller's transaction. False if one has."""
        entry = self._journal.event(
            Kind.REQUEST_CANCELLED, actor, rid=rid, out=Outcome.INFO, why=(why,)
        )
        still = sa.select(_R.id).where(_R.id == rid, _R.state == "queued")
        if tx.execute(still.with_for_update()).first() is None:
            return False
        self._close(tx, rid, "cancelled", entry, message="")
        return True

    # the gate's Journal ------------------------------------------------------------------------

    def ready(self) -> bool:
        """Can an entry be written now? Tried, not assumed."""
        return self._journal.ready()

    def record(self, entry: LogEntry) -> Receipt:
        """Append an entry; one about a request held here only while it is still held."""
        claim = self._held.get(entry.rid)
        with self._journal.writing() as tx:
            if claim is not None:
                permit = {"permitted": True} if entry.kind is Kind.PERMIT_ISSUED else {}
                self._fence(tx, entry.rid, claim, lease_until=_R.lease_until, **permit)
            return self._journal.append(tx, entry)

    def prove(self, receipt: Receipt) -> str:
        """The tlog-proof of a committed entry."""
        return self._journal.prove(receipt)

    def stage(self, request: Request, stage: str) -> None:
        """Note how far the request has come. Raises GateError when it was cancelled or lost."""
        with self._journal.writing() as tx:
            self._fence(tx, request.rid, request.claim, stage=stage[:32])
            cancel = sa.select(_R.cancel).where(_R.id == request.rid)
            if tx.execute(cancel).scalar_one():
                raise GateError("the request was cancelled")
            self._mark(tx, request.rid, stage[:32])

    def release(
        self, request: Request, consent_epoch: int, asset: AssetRecord, entry: LogEntry
    ) -> Receipt:
        """Release, if the request is still ours, its permit logged and it not cancelled, the
        consent still active in this epoch, and nobody's quota used up meanwhile. Otherwise
        GateError, and no change."""
        file = self._vault.staged(request.rid, request.claim)
        with self._journal.writing() as tx:
            row = tx.execute(sa.select(requests).where(_R.id == request.rid)).first()
            if row is None or row.cancel:
                raise GateError("the request was cancelled")
            if not row.permitted:
                raise GateError("no permit was logged for this request")
            self._consent_holds(tx, request.consent_id, consent_epoch)
            self._quotas_hold(tx, request)
            receipt = self._journal.append(tx, entry)
            self._fence(
                tx,
                request.rid,
                request.claim,
                state="released",
                stage="released",
                finished_at=self._journal.clock(),
                **_decision(entry),
            )
            self._mark(tx, request.rid, "released")
            tx.execute(assets.insert().values(_asset_row(asset, file, receipt)))
            if asset.motion is not None:
                tx.execute(motions.insert().values(_motion_row(asset.asset_number, asset.motion)))
            tell_of_request(tx, request.consent_id, entry.kind.value, self._journal.clock())
            self._keep_beside(tx, asset, receipt)
        self._held.pop(request.rid, None)
        return receipt

    @staticmethod
    def _keep_beside(tx: sa.Connection, asset: AssetRecord, receipt: Receipt) -> None:
        """The manifest, for copies of the video that lose it, and the still and the sound."""
        label, store = asset.manifest
        if store:
            row = {"label": label, "asset_number": asset.asset_number, "store": store}
            row |= {"sha256": asset.manifest_sha256, "stored_at": receipt.at}
            tx.execute(manifests.insert().values(row))
        for one in asset.companions:
            beside = {"rid": asset.rid, "kind": one.kind, "sha256": one.sha256, "data": one.data}
            tx.execute(companions.insert().values(beside))

    def confirmation(self, request: Request, consent_epoch: int) -> str:
        """What a person said of this photo, under this epoch of the consent; see gate.Journal. An
        answer under another epoch is none: what was agreed has changed since."""
        chosen = sa.select(matches).where(
            matches.c.rid == request.rid,
            matches.c.consent_id == request.consent_id,
            matches.c.epoch == consent_epoch,
            matches.c.photo_sha256 == request.photo_sha256,
        )
        with self._journal.database.read() as tx:
            row = tx.execute(chosen).first()
            if row is None:
                return "none"
            if row.state == "confirmed" and not answered(tx, self._journal.log, row):
                return "none"  # a row that says yes where nobody did
        if row.state != "refused" and row.ends_at <= self._journal.clock():
            return "expired"
        return str(row.state)

    def ask_to_confirm(self, request: Request, consent_epoch: int, entry: LogEntry) -> Receipt:
        """Put the request aside; `confirmations.py` brings it back with an answer."""
        now = self._journal.clock()
        ends = now + ANSWER_WITHIN
        entry = replace(entry, facts=(*entry.facts, ("ends", int(ends.timestamp()))))
        with self._journal.writing() as tx:
            cancel = sa.select(_R.cancel).where(_R.id == request.rid)
            if tx.execute(cancel).scalar_one():
                raise GateError("the request was cancelled")
            self._fence(
                tx, request.rid, request.claim, state="queued", stage=COMPARING, owner="",
                attempts=_R.attempts - 1,
                run_after=now_ms() + round(ANSWER_WITHIN.total_seconds() * 1000),
            )  # fmt: skip
            tx.execute(matches.delete().where(matches.c.rid == request.rid))
            tx.execute(
                matches.insert().values(
                    rid=request.rid, consent_id=request.consent_id, epoch=consent_epoch,
                    photo_sha256=request.photo_sha256, state="asked", asked_at=now, ends_at=ends,
                    reviewer="",
                )
            )  # fmt: skip
            self._mark(tx, request.rid, COMPARING)
            receipt = self._journal.append(tx, entry)
        self._held.pop(request.rid, None)
        return receipt

    def finish(self, request: Request, state: str, entry: LogEntry) -> Receipt:
        """End the request as refused, withheld, failed or cancelled. One that broke off because it
        was cancelled ends as cancelled."""
        with self._journal.writing() as tx:
            cancel = sa.select(_R.cancel).where(_R.id == request.rid)
            if state == "failed" and tx.execute(cancel).scalar():
                state, entry = "cancelled", replace(entry, kind=Kind.REQUEST_CANCELLED)
            receipt = self._close(tx, request.rid, state, entry, fence=request.claim)
        self._held.pop(request.rid, None)
        return receipt

    # -------------------------------------------------------------------------------------------

    def _close(
        self,
        tx: sa.Connection,
        rid: str,
        state: str,
        entry: LogEntry,
        *,
        fence: int | None = None,
        message: str | None = None,
        **values: Any,
    ) -> Receipt:
        payload = dict(entry.payload or {})
        sentences = payload.get("reasons")
        reasons = zip(entry.why, sentences, strict=False) if isinstance(sentences, list) else ()
        values |= {
            "state": state,
            "stage": state,
            "finished_at": self._journal.clock(),
            "reasons": [list(pair) for pair in reasons],
            "message": str(payload.get("message", "")) if message is None else message,
            **_decision(entry),
        }
        if fence is None:
            tx.execute(requests.update().where(_R.id == rid).values(values))
        else:
            self._fence(tx, rid, fence, **values)
        self._mark(tx, rid, state)
        named = tx.execute(sa.select(_R.consent_id).where(_R.id == rid)).scalar_one()
        tell_of_request(tx, named, entry.kind.value, self._journal.clock())
        return self._journal.append(tx, entry)

    @staticmethod
    def _fence(tx: sa.Connection, rid: str, claim: int, **values: Any) -> None:
        done = tx.execute(requests.update().where(_ours(rid, claim)).values(values))
        if done.rowcount != 1:
            raise GateError("another worker holds this request now")

    def _mark(self, tx: sa.Connection, rid: str, stage: str) -> None:
        last = tx.execute(
            sa.select(sa.func.coalesce(sa.func.max(request_stages.c.n), 0)).where(
                request_stages.c.rid == rid
            )
        ).scalar_one()
        tx.execute(
            request_stages.insert().values(
                rid=rid, n=last + 1, stage=stage, at=self._journal.clock()
            )
        )

    def _consent_holds(self, tx: sa.Connection, consent_id: str, epoch: int) -> None:
        row = tx.execute(
            sa.select(consents.c.state, consents.c.epoch, consents.c.not_after)
            .where(consents.c.id == consent_id)
            .with_for_update()
        ).first()
        if row is None or row.state != ConsentState.ACTIVE or row.epoch != epoch:
            raise GateError("the consent ended or changed while the video was made")
        if row.not_after is None or row.not_after <= self._journal.clock():
            raise GateError("the consent expired while the video was made")

    def _quotas_hold(self, tx: sa.Connection, request: Request) -> None:
        """Counted again under the write lock: two workers may have passed the policy together."""
        midnight = self._journal.clock().replace(hour=0, minute=0, second=0, microsecond=0)
        who = sa.select(users.c.daily_quota).where(users.c.id == request.requester_id)
        quota = tx.execute(who.with_for_update()).scalar_one()  # others count after us
        total, today = outputs_of(tx, assets.c.consent_id == request.consent_id, midnight)
        newest = (
            sa.select(consent_versions.c.limits)
            .where(consent_versions.c.consent_id == request.consent_id)
            .order_by(consent_versions.c.version.desc())
        )
        limits = tx.execute(newest.limit(1)).scalar_one()
        if total >= limits["max_outputs"] or today >= limits["max_per_day"]:
            raise GateError("the consent's number of videos was used up meanwhile")
        mine = assets.c.rid.in_(sa.select(_R.id).where(_R.requester == request.requester_id))
        if outputs_of(tx, mine, midnight)[1] >= quota:
            raise GateError("your daily quota was used up meanwhile")

    def _load(self, row: Any) -> Request | None:
        request = Request(
            rid=row.id,
            requester_id=row.requester,
            project_id=row.project_id,
            consent_id=row.consent_id,
            purpose=row.purpose,
            audience=row.audience,
            photo=b"",
            voice=b"",
            controls=Controls(),
            received_at=row.received_at,
            voice_synthetic=row.voice_synthetic,
            claim=row.claim,
        )
        try:
            return replace(
                request,
                photo=self._vault.get(row.photo_sha256),
                voice=self._vault.get(row.voice_sha256),
                controls=Controls.from_params(row.controls.encode()),
            )
        except (NotFoundError, EngineError) as error:
            entry = self._journal.event(
                Kind.REQUEST_FAILED, row.requester, rid=row.id, out=Outcome.ERROR,
                why=(type(error).__name__,), payload={"message": str(error)},
            )  # fmt: skip
            self.finish(request, "failed", entry)
            return None


def answered(tx: sa.Connection, log: Log, match: Any) -> bool:
    """Does the log, and not the row alone, say that somebody said yes of this photo, under this
    epoch of the consent, until then? What was erased says nothing."""
    said = sa.select(log_index.c.seq).where(
        log_index.c.rid == match.rid, log_index.c.kind == Kind.MATCH_ANSWERED.value,
        log_index.c.out == Outcome.ALLOW.value,
    )  # fmt: skip
    ends = int(match.ends_at.timestamp())
    for seq in tx.execute(said.order_by(log_index.c.seq.desc())).scalars():
        facts = dict(log.leaf(tx, seq).facts)
        if (facts.get("epoch"), facts.get("ends")) != (match.epoch, ends):
            continue
        with suppress(ErasedError):
            payload = log.payload(tx, seq) or {}
            return payload.get("photo_sha256") == match.photo_sha256
    return False


def outputs_of(tx: sa.Connection, which: sa.ColumnElement[bool], midnight: Any) -> tuple[int, int]:
    """(all, since midnight UTC) of the released videos that `which` names."""
    count = sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(sa.case((assets.c.released_at >= midnight, 1), else_=0)), 0),
    )
    total, today = tx.execute(count.select_from(assets).where(which)).one()
    return int(total), int(today)


def _ours(rid: str, claim: int) -> sa.ColumnElement[bool]:
    return sa.and_(_R.id == rid, _R.claim == claim, _R.state == "running")


def _decision(entry: LogEntry) -> dict[str, str]:
    facts = dict(entry.facts)
    named = {"decision_id": facts.get("decision"), "policy_sha256": facts.get("policy_sha256")}
    return {name: str(value) for name, value in named.items() if value}


def _motion_row(asset_number: int, motion: MotionFile) -> dict[str, Any]:
    return {
        "asset_number": asset_number,
        "form": motion.form,
        "sha256": motion.sha256,
        "path": motion.path.name,
        "size": motion.size,
    }


def _asset_row(asset: AssetRecord, file: Path, receipt: Receipt) -> dict[str, Any]:
    return {
        "asset_number": asset.asset_number,
        "sound_number": asset.asset_number & SOUND_NUMBER_MASK,
        "rid": asset.rid,
        "consent_id": asset.consent_id,
        "file_sha256": asset.file_sha256,
        "manifest_sha256": asset.manifest_sha256,
        "path": file.name,
        "size": file.stat().st_size,
        "fingerprint": asset.fingerprint,
        "log_index": receipt.index,
        "leaf": receipt.leaf,
        "released_at": receipt.at,
        "asset_uuid": asset.asset_uuid,
        "manifest_label": asset.manifest[0],
        "milliseconds": round(asset.duration * 1000),
        "width": asset.width,
        "height": asset.height,
        "millifps": round(asset.fps * 1000),
    }
