"""Complaints: what a subject wants to have looked at, and what a reviewer answers."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind
from primafacie.platform.accounts import Account
from primafacie.platform.consent_book import SUBJECT, ConsentBook
from primafacie.platform.errors import ConflictError, InputError, NotFoundError
from primafacie.platform.outbox import tell
from primafacie.platform.tables import complaints, consents

MOST_OPEN: Final = 10
MOST_CHARACTERS: Final = 4000
_P = complaints.c


@dataclass(frozen=True, slots=True)
class Complaint:
    """One complaint, as both sides see it. state: `open` or `answered`."""

    complaint_id: str
    consent_id: str
    state: str
    text: str
    answer: str
    received_at: datetime
    answered_at: datetime | None


class Complaints(ConsentBook):
    """Complaints lie under the subject's own key and go with it."""

    def complain(self, token: str, text: str) -> str:
        """Complain; the id. Works in every state of the consent but after its erasure."""
        if not 1 <= len(text.strip()) <= MOST_CHARACTERS:
            raise InputError(f"a complaint has 1 to {MOST_CHARACTERS} characters")
        complaint_id = uuid.uuid4().hex
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            waiting = sa.select(sa.func.count()).where(_P.consent_id == row.id, _P.state == "open")
            if tx.execute(waiting).scalar_one() >= MOST_OPEN:
                raise ConflictError(f"{MOST_OPEN} of your complaints are being looked at already")
            sealed = self._tools.subjects.seal(
                tx, row.subject_id, text.strip().encode(), f"complaint|{complaint_id}"
            )
            tx.execute(
                complaints.insert().values(
                    id=complaint_id, consent_id=row.id, state="open", text_ct=sealed,
                    received_at=self._journal.clock(),
                )
            )  # fmt: skip
            self._log(tx, row, Kind.COMPLAINT_RECEIVED, SUBJECT)
        return complaint_id

    def my_complaints(self, token: str) -> tuple[Complaint, ...]:
        """One's own, newest first."""
        with self._journal.database.read() as tx:
            row = self._held(tx, token)
            return self._complaints(tx, _P.consent_id == row.id)

    def complaints(self, actor: Account, state: str = "open") -> tuple[Complaint, ...]:
        """What waits for an answer, or what was answered."""
        actor.require("reviewer", "admin")
        with self._journal.database.read() as tx:
            return self._complaints(tx, _P.state == state)

    def answer(self, actor: Account, complaint_id: str, text: str) -> None:
        """Answer a complaint; the subject reads it on their page."""
        actor.require("reviewer", "admin")
        if not 1 <= len(text.strip()) <= MOST_CHARACTERS:
            raise InputError(f"an answer has 1 to {MOST_CHARACTERS} characters")
        with self._journal.writing() as tx:
            chosen = sa.select(complaints.c.consent_id, _P.state).where(_P.id == complaint_id)
            found = tx.execute(chosen).first()
            if found is None:
                raise NotFoundError("there is no such complaint")
            if found.state != "open":
                raise ConflictError("the complaint was answered already")
            row, now = self._row(tx, found.consent_id), self._journal.clock()
            sealed = self._tools.subjects.seal(
                tx, row.subject_id, text.strip().encode(), f"answer|{complaint_id}"
            )
            tx.execute(
                complaints.update().where(_P.id == complaint_id).values(
                    state="answered", answer_ct=sealed, answered_at=now,
                    answered_by=actor.user_id,
                )
            )  # fmt: skip
            self._log(tx, row, Kind.COMPLAINT_ANSWERED, actor.user_id)
            tell(tx, row.subject_id, row.id, "complaint.answered", now)

    def _complaints(
        self, tx: sa.Connection, which: sa.ColumnElement[bool]
    ) -> tuple[Complaint, ...]:
        chosen = (
            sa.select(complaints, consents.c.subject_id)
            .join(consents, consents.c.id == _P.consent_id)
            .where(which)
            .order_by(_P.received_at.desc())
            .limit(200)
        )
        return tuple(self._opened(tx, row) for row in tx.execute(chosen).all())

    def _opened(self, tx: sa.Connection, row: Any) -> Complaint:
        def text(sealed: bytes | None, about: str) -> str:
            if sealed is None:
                return ""
            return self._tools.subjects.open(
                tx, row.subject_id, sealed, f"{about}|{row.id}"
            ).decode()

        return Complaint(
            complaint_id=row.id,
            consent_id=row.consent_id,
            state=row.state,
            text=text(row.text_ct, "complaint"),
            answer=text(row.answer_ct, "answer"),
            received_at=row.received_at,
            answered_at=row.answered_at,
        )
