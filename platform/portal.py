"""Portal: the subject's own page, behind the token on the receipt. No account, no login.

Withdrawing is as easy as consenting was, and works whatever else is out of order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from primafacie.audit.entry import Kind
from primafacie.platform.amendments import Amendments
from primafacie.platform.complaints import Complaint, Complaints
from primafacie.platform.consent_book import (
    BOTH,
    SUBJECT,
    ConsentView,
    Offer,
    PhotoView,
    ReceiptFile,
)
from primafacie.platform.erasure import Erasure
from primafacie.platform.errors import AccessError, InputError, NotFoundError
from primafacie.platform.queue import COMPARING
from primafacie.platform.review import Review
from primafacie.platform.tables import (
    assets,
    consents,
    projects,
    request_entries,
    requests,
    thumbnails,
    users,
)
from primafacie.safeguards.asset import format_asset_number
from primafacie.safeguards.consent import ConsentState

_S = ConsentState
_R = requests.c
_A = assets.c


@dataclass(frozen=True, slots=True)
class Use:
    """Something that was done, or refused, with a subject's face. what: the request's state.
    comparing: it waits for a reviewer to compare the faces.

    released_at, locked_at, deleted_at: of the video, where there is one. pictured: there is a small
    picture of it. log_index: of the last entry of its story.
    """

    rid: str
    at: datetime
    what: str
    who: str
    project: str
    purpose: str
    audience: str
    reasons: tuple[str, ...]
    asset_number: str
    released_at: datetime | None
    locked_at: datetime | None
    deleted_at: datetime | None
    pictured: bool
    log_index: int | None
    comparing: bool = False


@dataclass(frozen=True, slots=True)
class MyConsent:
    """A subject's own page: the consent, what was offered, and everything that was asked of it."""

    view: ConsentView
    offer: Offer
    uses: tuple[Use, ...]
    photos_offered: tuple[PhotoView, ...]
    complaints: tuple[Complaint, ...]
    told_at: str  # the webhook's address, "" for none


class Portal(Review, Amendments, Complaints, Erasure):
    """What a person with a receipt can do. Every method raises LinkError for a dead token."""

    def mine(self, token: str) -> MyConsent:
        """The consent, its uses and its refused attempts, newest first."""
        with self._journal.database.read() as tx:
            row = self._held(tx, token)
            return MyConsent(
                view=self._view(tx, row),
                offer=Offer.kept(row.offer),
                uses=self._uses(tx, row.id),
                photos_offered=self._offered(tx, row.id),
                complaints=self.my_complaints(token),
                told_at=self._tools.subjects.hook(tx, row.subject_id)[0],
            )

    def pause(self, token: str) -> None:
        """Nothing more until one resumes; also while the house holds the consent for itself."""
        with self._journal.writing() as tx:
            self._hold(tx, self._held(tx, token), SUBJECT, SUBJECT)

    def resume(self, token: str) -> None:
        """Lift one's own pause; a hold of the house stays. Where the face was forgotten, the
        consent is enrolled and reviewed anew."""
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            if row.held_by not in (SUBJECT, BOTH):
                raise AccessError("the house holds this consent; ask the contact on your receipt")
            self._let_go(tx, row, SUBJECT, SUBJECT)

    def withdraw(self, token: str, note: str = "") -> None:
        """The end of it, in one transaction: no new decision, nothing running is released, the
        template is gone, the videos are locked away."""
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            self._move(tx, row, _S.WITHDRAWN, Kind.CONSENT_WITHDRAWN, SUBJECT, note=note)

    def receipt(self, token: str) -> ReceiptFile:
        """The receipt as things stand, with the proof of the last step."""
        with self._journal.database.read() as tx:
            row = self._held(tx, token)
        return self._receipt(row, token)

    def tell_me_at(self, token: str, url: str) -> str:
        """Be told at this address too, or with "" no more. Returns the secret its messages are
        signed with, shown once. Raises InputError for an address that nobody outside could have."""
        from primafacie.platform.webhook import check_address

        if url:
            check_address(url)
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            return self._tools.subjects.set_hook(tx, row.subject_id, url)

    def use_picture(self, token: str, rid: str) -> bytes:
        """A small picture of one video, JPEG. Raises NotFoundError."""
        with self._journal.database.read() as tx:
            row = self._held(tx, token)
            chosen = (
                sa.select(thumbnails.c.jpeg_ct, thumbnails.c.asset_number)
                .join(assets, _A.asset_number == thumbnails.c.asset_number)
                .where(_A.rid == rid, _A.consent_id == row.id)
            )
            found = tx.execute(chosen).first()
            if found is None:
                raise NotFoundError("there is no picture of this")
            about = f"thumbnail|{found.asset_number}"
            return self._tools.subjects.open(tx, row.subject_id, found.jpeg_ct, about)

    def keep_picture(self, asset_number: int, jpeg: bytes) -> None:
        """Keep a small picture of a released video for its subject, under their key. The worker
        calls this after a release; without it the page shows none."""
        if not jpeg:
            return
        chosen = (
            sa.select(_A.consent_id, consents.c.subject_id)
            .join(consents, consents.c.id == _A.consent_id)
            .where(_A.asset_number == asset_number, consents.c.state.in_((_S.ACTIVE, _S.SUSPENDED)))
        )
        with self._journal.writing() as tx:
            row = tx.execute(chosen).first()
            if row is None:
                return
            about = f"thumbnail|{asset_number}"
            tx.execute(
                thumbnails.insert().values(
                    asset_number=asset_number,
                    consent_id=row.consent_id,
                    jpeg_ct=self._tools.subjects.seal(tx, row.subject_id, jpeg, about),
                    added_at=self._journal.clock(),
                )
            )

    def use_proof(self, token: str, rid: str) -> bytes:
        """JSON with which anybody can verify, offline, that a use or a refusal is in the log: each
        entry of its story with its tlog-proof."""
        with self._journal.database.read() as tx:
            row = self._held(tx, token)
            chosen = (
                sa.select(request_entries.c.log_index, request_entries.c.kind)
                .join(requests, _R.id == request_entries.c.rid)
                .where(_R.id == rid, _R.consent_id == row.id)
                .order_by(request_entries.c.log_index)
            )
            entries = tx.execute(chosen).all()
            log = self._journal.log
            leaves = [log.leaf_bytes(tx, e.log_index).decode() for e in entries]
        if not entries:
            raise InputError("nothing of the kind was asked of your face")
        body = {
            "format": "primafacie.use-proof/1",
            "log_keys": list(log.vkeys),
            "entries": [
                {"kind": e.kind, "leaf": leaf, "proof": self._journal.proof_of(e.log_index)}
                for e, leaf in zip(entries, leaves, strict=True)
            ],
        }
        return json.dumps(body, indent=1).encode()

    # -------------------------------------------------------------------------------------------

    @staticmethod
    def _uses(tx: sa.Connection, consent_id: str) -> tuple[Use, ...]:
        last = (
            sa.select(sa.func.max(request_entries.c.log_index))
            .where(request_entries.c.rid == _R.id)
            .scalar_subquery()
        )
        chosen = (
            sa.select(
                requests, users.c.name.label("who"), projects.c.title, _A.asset_number,
                _A.released_at, _A.quarantined_at, _A.deleted_at,
                thumbnails.c.added_at.label("pictured"), last.label("last"),
            )
            .join(users, users.c.id == _R.requester)
            .outerjoin(projects, projects.c.id == _R.project_id)
            .outerjoin(assets, _A.rid == _R.id)
            .outerjoin(thumbnails, thumbnails.c.asset_number == _A.asset_number)
            .where(_R.consent_id == consent_id)
            .order_by(_R.received_at.desc())
        )  # fmt: skip
        return tuple(_use(row) for row in tx.execute(chosen))


def _use(row: Any) -> Use:
    return Use(
        rid=row.id,
        at=row.finished_at or row.received_at,
        what=row.state,
        who=row.who,
        project=row.title or "",
        purpose=row.purpose,
        audience=row.audience,
        reasons=tuple(sentence for _, sentence in row.reasons),
        asset_number=format_asset_number(row.asset_number) if row.asset_number else "",
        released_at=row.released_at,
        locked_at=row.quarantined_at,
        deleted_at=row.deleted_at,
        pictured=row.pictured is not None,
        log_index=row.last,
        comparing=row.state == "queued" and row.stage == COMPARING,
    )
