"""Erasure: forgetting a person. What stays cannot be tied to anybody, not even by us.

One transaction: the videos and every upload are let go, what requests kept of them is blanked, the
person's key is destroyed and with it name, contact, templates, complaints and every payload of the
log. The log's leaves stay as they were, under a pseudonym whose key is gone, so every proof holds.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit import store
from primafacie.audit.entry import Kind
from primafacie.audit.errors import StoreError
from primafacie.generator.controls import Controls
from primafacie.platform.consent_book import SUBJECT, ConsentBook
from primafacie.platform.errors import ConflictError, NotFoundError
from primafacie.platform.journal import SYSTEM
from primafacie.platform.mail import mail_folder
from primafacie.platform.outbox import unsend
from primafacie.platform.requests import let_go
from primafacie.platform.tables import (
    assets,
    complaints,
    consent_files,
    consent_moves,
    consent_versions,
    consents,
    matches,
    outbox,
    photo_offers,
    requests,
    subject_hooks,
    thumbnails,
)
from primafacie.safeguards.consent import LIFE_CYCLE, ConsentState

_S = ConsentState
_C = consents.c
_R = requests.c
OVER: Final = (_S.WITHDRAWN, _S.EXPIRED, _S.REVOKED, _S.SUPERSEDED, _S.REJECTED)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What must go from the disk once the transaction is durable."""

    uploads: tuple[str, ...]
    files: tuple[str, ...]
    contact: str


class Erasure(ConsentBook):
    """What makes a person forgotten."""

    def erase(self, token: str) -> None:
        """Withdraw if need be, then forget the person: name, contact, photos, recordings, record,
        videos and every payload in the log."""
        with self._journal.writing() as tx:
            leftovers = self._forget(tx, self._held(tx, token), SUBJECT)
        self._clear(leftovers)

    def forget_biometrics(self, token: str) -> None:
        """Destroy what the system knows of the face, and the key it lay under. The consent rests;
        to take it up again the face is enrolled and reviewed anew. Raises ConflictError while the
        house is looking at the face: it would be measured once more."""
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            if row.state in (_S.CAPTURED, _S.UNDER_REVIEW):
                raise ConflictError(
                    "your face is being looked at just now, so nothing of it can be forgotten for "
                    "good; withdraw the consent instead, and what is known of your face goes"
                )
            if row.state == _S.ACTIVE or (row.state == _S.SUSPENDED and row.held_by == "platform"):
                self._hold(tx, row, SUBJECT, SUBJECT, "")
                row = self._row(tx, row.id)
            self._tools.likenesses.forget(tx, row)
            tx.execute(thumbnails.delete().where(thumbnails.c.consent_id == row.id))
            self._log(tx, row, Kind.ERASURE_DONE, SUBJECT, why=("biometrics",))
        self.scrub()

    def erase_unanswered(self, before: datetime) -> int:
        """Forget people who were invited and never had a consent in force, once that is over."""
        lived = sa.select(consent_moves.c.consent_id).where(
            consent_moves.c.state == _S.ACTIVE.value
        )
        return self._erase_over(before, sa.and_(_C.state.in_((*OVER,)), _C.id.not_in(lived)))

    def erase_ended(self, before: datetime) -> int:
        """Forget people whose consent ended before then."""
        return self._erase_over(before, _C.state.in_(OVER))

    def scrub(self) -> bool:
        """Drive erased bytes out of the database's own files. False while somebody reads them:
        the next sweep then does it."""
        with contextlib.suppress(StoreError):
            store.scrub(self._journal.database.engine)
            return True
        return False

    # -------------------------------------------------------------------------------------------

    def _erase_over(self, before: datetime, which: sa.ColumnElement[bool]) -> int:
        moved = sa.select(consent_moves.c.consent_id).where(consent_moves.c.at >= before)
        due = sa.select(_C.id).where(which, _C.id.not_in(moved))
        with self._journal.database.read() as tx:
            ids = tx.execute(due).scalars().all()
        for consent_id in ids:
            with self._journal.writing() as tx:
                row = self._row(tx, consent_id)
                if consent_id not in tx.execute(due).scalars().all():
                    continue
                leftovers = self._forget(tx, row, SYSTEM)
            self._clear(leftovers)
        return len(ids)

    def _forget(self, tx: sa.Connection, row: Any, who: str) -> Leftovers:
        if row.state == _S.ERASED:
            raise NotFoundError("everything was erased already")
        if _S.WITHDRAWN in LIFE_CYCLE[_S(row.state)]:
            self._move(tx, row, _S.WITHDRAWN, Kind.CONSENT_WITHDRAWN, who)
            row = self._row(tx, row.id)
        contact = self._tools.subjects.contact(tx, row.subject_id)
        files = self._tools.assets.delete(tx, assets.c.consent_id == row.id, "erasure")
        uploads = [f.sha256 for f in self._files(tx, row.id)]
        uploads += tx.execute(
            sa.select(photo_offers.c.sha256).where(photo_offers.c.consent_id == row.id)
        ).scalars().all()  # fmt: skip
        uploads += let_go(tx, _R.consent_id == row.id)
        self._blank_requests(tx, row.id)
        self._move(
            tx, row, _S.ERASED, Kind.CONSENT_ERASED, who, receipt_sha256=None, prepared=None,
            prepared_public=None, enrolment="", challenge={"words": [], "moves": []},
            offer={**row.offer, "purpose_text": "", "label": ""},
        )  # fmt: skip
        self._blank_rows(tx, row)
        self._tools.subjects.erase(tx, row.subject_id)
        self._journal.log.erase_subject(tx, row.subject_id)
        return Leftovers(tuple(uploads), files, contact)

    def _blank_requests(self, tx: sa.Connection, consent_id: str) -> None:
        """A digest names the photo to whoever has it, a transcript says what was said."""
        tx.execute(matches.delete().where(matches.c.consent_id == consent_id))
        for row in tx.execute(sa.select(_R.id, _R.controls).where(_R.consent_id == consent_id)):
            controls = replace(Controls.from_params(row.controls.encode()), transcript="")
            tx.execute(
                requests.update().where(_R.id == row.id).values(
                    photo_sha256="", voice_sha256="", controls=controls.to_params().decode(),
                    message="",
                )
            )  # fmt: skip

    def _blank_rows(self, tx: sa.Connection, row: Any) -> None:
        tx.execute(assets.update().where(assets.c.consent_id == row.id).values(fingerprint=b""))
        for table in (consent_files, photo_offers, thumbnails, complaints):
            tx.execute(table.delete().where(table.c.consent_id == row.id))
        for table in (outbox, subject_hooks):
            tx.execute(table.delete().where(table.c.subject_id == row.subject_id))
        tx.execute(
            consent_versions.update()
            .where(consent_versions.c.consent_id == row.id)
            .values(envelope=b"")
        )

    def _clear(self, leftovers: Leftovers) -> None:
        self._tools.vault.drop(leftovers.uploads)
        for name in leftovers.files:
            (self._tools.vault.outputs / name).unlink(missing_ok=True)
        unsend(mail_folder(self._tools.settings), leftovers.contact)
        self.scrub()
