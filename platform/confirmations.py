"""Confirmations: where distances do not suffice, a reviewer says whether a photo shows the person.

The gate asks (queue.py) when a consent, or the installation, is strict and every other rule says
yes. The reviewer sees the photo beside the registered ones and nothing else: no names, no purpose,
no distance that could lean on them. Whoever asked for anything here cannot confirm it. The answer
goes back to the gate, which decides anew; no answer in time is a no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.consent_book import ConsentBook, ConsentTools
from primafacie.platform.database import now_ms
from primafacie.platform.errors import AccessError, ConflictError, NotFoundError
from primafacie.platform.queue import COMPARING
from primafacie.platform.tables import consents, matches, requests
from primafacie.safeguards.consent import ConsentRecord
from primafacie.safeguards.errors import ConsentError

_M = matches.c
_R = requests.c


@dataclass(frozen=True, slots=True)
class Match:
    """One photo to be compared. registered: photos of the consent, by digest; never the photo
    itself, with which nothing could be compared. known: the photo is one of the registered."""

    rid: str
    registered: tuple[str, ...]
    known: bool
    asked_at: datetime
    ends_at: datetime


class Confirmations:
    """What waits for a pair of eyes, and what they said."""

    def __init__(self, tools: ConsentTools) -> None:
        self._tools, self._journal, self._book = tools, tools.journal, ConsentBook(tools)

    def waiting(self, actor: Account) -> tuple[Match, ...]:
        """What this reviewer may answer, the most urgent first."""
        actor.require("reviewer")
        chosen = sa.select(_M.rid).join(requests, _R.id == _M.rid)
        chosen = chosen.join(consents, consents.c.id == _M.consent_id).where(*self._open())
        with self._journal.database.read() as tx:
            rids: Sequence[str] = tx.execute(chosen.order_by(_M.ends_at)).scalars().all()
        found = []
        for rid in rids:
            try:
                found.append(self.show(actor, rid))
            except AccessError:  # their own; somebody else is asked
                continue
            except (NotFoundError, ConsentError):  # just answered, or of a consent that is broken
                continue
        return tuple(found)

    def show(self, actor: Account, rid: str) -> Match:
        """One of them. Raises NotFoundError when nobody is asked any more, AccessError for whoever
        has a part in it."""
        actor.require("reviewer")
        with self._journal.database.read() as tx:
            row = self._row(tx, rid)
            self._require_second(tx, actor, row)
            return self._view(tx, row)

    def picture(self, actor: Account, rid: str, which: str) -> bytes:
        """The photo asked for (`which` is "photo"), or a registered one by its digest; that it was
        looked at is logged first."""
        match = self.show(actor, rid)
        with self._journal.writing() as tx:
            row = self._row(tx, rid)
            digest = row.photo_sha256 if which == "photo" else which
            if digest not in (row.photo_sha256, *match.registered):
                raise NotFoundError("there is no such photo")
            self._log(tx, row, actor, Kind.LOG_READ, Outcome.INFO, "match", digest)
        return self._tools.vault.get(digest)

    def answer(self, actor: Account, rid: str, same: bool) -> None:
        """Say whether it is the same person. The request goes back to the gate at once. Raises
        ConflictError for a yes where no second photo is there to compare with."""
        actor.require("reviewer")
        with self._journal.writing() as tx:
            row = self._row(tx, rid)
            self._require_second(tx, actor, row)
            if same and not self._view(tx, row).registered:
                raise ConflictError("no other photo is registered: there is nothing to compare")
            done = tx.execute(
                matches.update()
                .where(_M.rid == rid, _M.state == "asked")
                .values(
                    state="confirmed" if same else "refused", reviewer=actor.user_id,
                    answered_at=self._journal.clock(),
                )
            )  # fmt: skip
            if done.rowcount != 1:
                raise ConflictError("somebody else has answered this already")
            tx.execute(requests.update().where(_R.id == rid).values(run_after=now_ms()))
            out = Outcome.ALLOW if same else Outcome.DENY
            why = "same" if same else "not_same"
            self._log(tx, row, actor, Kind.MATCH_ANSWERED, out, why, row.photo_sha256)

    # -------------------------------------------------------------------------------------------

    def _open(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            _M.state == "asked", _M.ends_at > self._journal.clock(), _R.state == "queued",
            _R.stage == COMPARING, _R.cancel.is_(False), _M.epoch == consents.c.epoch,
        )  # fmt: skip

    def _row(self, tx: sa.Connection, rid: str) -> Any:
        chosen = sa.select(matches, _R.requester).join(requests, _R.id == _M.rid)
        chosen = chosen.join(consents, consents.c.id == _M.consent_id)
        row = tx.execute(chosen.where(_M.rid == rid, *self._open())).first()
        if row is None:
            raise NotFoundError("nobody is asked about this photo any more")
        return row

    def _require_second(self, tx: sa.Connection, actor: Account, row: Any) -> None:
        if actor.user_id == row.requester:
            raise AccessError("you asked for this video; somebody else compares the faces")
        self._book.second_person(actor, self._consent(tx, row))

    @staticmethod
    def _consent(tx: sa.Connection, row: Any) -> Any:
        return tx.execute(sa.select(consents).where(consents.c.id == row.consent_id)).one()

    def _view(self, tx: sa.Connection, row: Any) -> Match:
        record: ConsentRecord = self._tools.likenesses.record(tx, self._consent(tx, row))[0]
        others = tuple(one for one in record.photos if one != row.photo_sha256)
        known = row.photo_sha256 in record.photos
        return Match(row.rid, others, known, row.asked_at, row.ends_at)

    def _log(
        self,
        tx: sa.Connection,
        row: Any,
        actor: Account,
        kind: Kind,
        out: Outcome,
        why: str,
        photo: str,
    ) -> None:
        entry = self._journal.event(
            kind, actor.user_id, subject=self._consent(tx, row).subject_id, rid=row.rid, out=out,
            why=(why,), facts=(("ends", int(row.ends_at.timestamp())), ("epoch", row.epoch)),
            payload={"photo_sha256": photo},
        )  # fmt: skip
        self._journal.append(tx, entry)
