"""Portal: the subject's own page, behind the token on the receipt. No account, no login.

Withdrawing is as easy as consenting was, and works whatever else is out of order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from primafacie.audit import store
from primafacie.audit.entry import Kind
from primafacie.platform.consent_book import SUBJECT, ConsentView, ReceiptFile, token_digest
from primafacie.platform.errors import AccessError, LinkError
from primafacie.platform.requests import let_go
from primafacie.platform.review import Review
from primafacie.platform.tables import (
    assets,
    consent_files,
    consent_versions,
    consents,
    projects,
    request_entries,
    requests,
    users,
)
from primafacie.safeguards.asset import format_asset_number
from primafacie.safeguards.consent import LIFE_CYCLE, ConsentState

_S = ConsentState
_R = requests.c


@dataclass(frozen=True, slots=True)
class Use:
    """Something that was done, or refused, with a subject's face. what: the request's state."""

    at: datetime
    what: str
    who: str
    project: str
    purpose: str
    reasons: tuple[str, ...]
    asset_number: str
    log_index: int | None


@dataclass(frozen=True, slots=True)
class MyConsent:
    """A subject's own page: the consent, and everything that was asked of it."""

    view: ConsentView
    uses: tuple[Use, ...]


class Portal(Review):
    """What a person with a receipt can do. Every method raises LinkError for a dead token."""

    def mine(self, token: str) -> MyConsent:
        """The consent, its uses and its refused attempts, newest first."""
        with self._journal.database.read() as tx:
            row = self._held(tx, token)
            return MyConsent(self._view(tx, row), self._uses(tx, row.id))

    def pause(self, token: str) -> None:
        """Nothing more until one resumes."""
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            self._move(tx, row, _S.SUSPENDED, Kind.CONSENT_SUSPENDED, SUBJECT, held_by="subject")

    def resume(self, token: str) -> None:
        """In force again; a hold of the house stays."""
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            if row.held_by != "subject":
                raise AccessError("the house holds this consent; ask the contact on your receipt")
            self._move(tx, row, _S.ACTIVE, Kind.CONSENT_RESUMED, SUBJECT, held_by="")

    def withdraw(self, token: str, note: str = "") -> None:
        """The end of it, in one transaction: no new decision, nothing running is released, the
        template is gone, the videos are locked away."""
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            self._move(tx, row, _S.WITHDRAWN, Kind.CONSENT_WITHDRAWN, SUBJECT, note=note)

    def erase(self, token: str) -> None:
        """Withdraw if need be, then forget the person: name, contact, photos, recordings, record
        and every payload in the log. What stays cannot be tied to anybody."""
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            if _S.WITHDRAWN in LIFE_CYCLE[_S(row.state)]:
                self._move(tx, row, _S.WITHDRAWN, Kind.CONSENT_WITHDRAWN, SUBJECT)
                row = self._row(tx, row.id)
            files = [f.sha256 for f in self._files(tx, row.id)]
            files += let_go(tx, _R.consent_id == row.id)
            tx.execute(assets.update().where(assets.c.consent_id == row.id).values(fingerprint=b""))
            self._move(
                tx, row, _S.ERASED, Kind.CONSENT_ERASED, SUBJECT, receipt_sha256=None, offer={
                    **row.offer, "purpose_text": "", "label": "",
                },
            )  # fmt: skip
            tx.execute(consent_files.delete().where(consent_files.c.consent_id == row.id))
            tx.execute(
                consent_versions.update()
                .where(consent_versions.c.consent_id == row.id)
                .values(envelope=b"")
            )
            self._tools.subjects.erase(tx, row.subject_id)
            self._journal.log.erase_subject(tx, row.subject_id)
        self._tools.vault.drop(files)
        store.scrub(self._journal.database.engine)

    def receipt(self, token: str) -> ReceiptFile:
        """The receipt as things stand, with the proof of the last step."""
        with self._journal.database.read() as tx:
            row = self._held(tx, token)
        return self._receipt(row, token)

    # -------------------------------------------------------------------------------------------

    def _held(self, tx: sa.Connection, token: str) -> Any:
        chosen = sa.select(consents).where(consents.c.receipt_sha256 == token_digest(token))
        row = tx.execute(chosen).first()
        if row is None:
            raise LinkError("this address leads nowhere; it may have been erased")
        return row

    @staticmethod
    def _uses(tx: sa.Connection, consent_id: str) -> tuple[Use, ...]:
        last = (
            sa.select(sa.func.max(request_entries.c.log_index))
            .where(request_entries.c.rid == _R.id)
            .scalar_subquery()
        )
        chosen = (
            sa.select(
                requests, users.c.name.label("who"), projects.c.title, assets.c.asset_number,
                last.label("last"),
            )
            .join(users, users.c.id == _R.requester)
            .outerjoin(projects, projects.c.id == _R.project_id)
            .outerjoin(assets, assets.c.rid == _R.id)
            .where(_R.consent_id == consent_id)
            .order_by(_R.received_at.desc())
        )  # fmt: skip
        return tuple(
            Use(
                at=row.finished_at or row.received_at,
                what=row.state,
                who=row.who,
                project=row.title or "",
                purpose=row.purpose,
                reasons=tuple(sentence for _, sentence in row.reasons),
                asset_number=format_asset_number(row.asset_number) if row.asset_number else "",
                log_index=row.last,
            )
            for row in tx.execute(chosen)
        )
