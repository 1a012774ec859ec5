"""Consents: a person's permission from the invitation to its end, every side of it in one object.

- the subject, by a one-time link: capture.py
- stewards, reviewers, the worker: review.py
- the subject, by the token on the receipt: portal.py, and behind it amendments.py (a new version),
  complaints.py, erasure.py
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind
from primafacie.platform.accounts import Account
from primafacie.platform.amendments import Change
from primafacie.platform.capture import Capture, Choices, Estate, Invitation, Prepared
from primafacie.platform.complaints import Complaint
from primafacie.platform.consent_book import (
    SUBJECT,
    ConsentTools,
    ConsentView,
    Evidence,
    Offer,
    PhotoView,
    ReceiptFile,
    Transition,
)
from primafacie.platform.export import Held, bundle, dpv_record
from primafacie.platform.portal import MyConsent, Portal, Use
from primafacie.platform.tables import consent_versions, notices

GIVEN: Final = ("photo", "voice", "video")  # what the person gave; a house's document is its own

__all__ = [
    "Change",
    "Choices",
    "Complaint",
    "ConsentTools",
    "ConsentView",
    "Consents",
    "Estate",
    "Evidence",
    "Invitation",
    "MyConsent",
    "Offer",
    "PhotoView",
    "Prepared",
    "ReceiptFile",
    "Transition",
    "Use",
]


class Consents(Capture, Portal):
    """The consents of one installation."""

    def take_away(self, token: str) -> bytes:
        """Everything about a consent as a ZIP, for its giver; that it was taken is logged."""
        mine = self.mine(token)
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            held = self._everything(tx, row, mine, self._receipt(row, token).data)
            self._log(tx, row, Kind.LOG_EXPORTED, SUBJECT, why=("subject",))
        return bundle(held, self._tools.settings)

    def exported(self, actor: Account, consent_id: str) -> dict[str, Any]:
        """The record in DPV terms, for the house."""
        actor.require("steward", "auditor", "admin")
        with self._journal.database.read() as tx:
            row = self._row(tx, consent_id)
            held = self._everything(tx, row, None, b"")
        return dpv_record(held, self._tools.settings)

    def _everything(
        self, tx: sa.Connection, row: Any, mine: MyConsent | None, receipt: bytes
    ) -> Held:
        record, _ = self._tools.likenesses.record(tx, row)
        kept = consent_versions.c
        chosen = sa.select(kept.envelope).where(kept.consent_id == row.id).order_by(kept.version)
        notice = sa.select(notices.c.text).where(notices.c.sha256 == record.notice_sha256)
        return Held(
            record=record,
            state=row.state,
            history=self._view(tx, row).history,
            notice=tx.execute(notice).scalar() or "",
            versions=tx.execute(chosen).scalars().all(),
            receipt=receipt,
            uses=mine.uses if mine else (),
            files=self._given(tx, row.id) if mine else (),
            name=self._tools.subjects.name(tx, row.subject_id),
            contact=self._tools.subjects.contact(tx, row.subject_id),
            complaints=[
                (c.received_at, c.text, c.answer) for c in (mine.complaints if mine else ())
            ],
        )

    def _given(self, tx: sa.Connection, consent_id: str) -> list[tuple[str, bytes]]:
        found = []
        for n, file in enumerate(self._files(tx, consent_id), 1):
            if file.kind in GIVEN:
                name = f"{n:02d}-{file.kind}-{file.sha256[:12]}"
                found.append((name, self._tools.vault.get(file.sha256)))
        return found
