"""Review: the house's side of a consent. Stewards invite, reviewers decide, the worker enrols.

Nobody puts in force what he himself asked for: the reviewer is not the steward, not a requester the
record names, and has no part in its projects.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.capture import least_photos
from primafacie.platform.challenge import Challenge
from primafacie.platform.consent_book import (
    ConsentBook,
    ConsentView,
    Evidence,
    Offer,
    ReceiptFile,
    fresh_token,
)
from primafacie.platform.errors import AccessError, ConflictError, InputError, NotFoundError
from primafacie.platform.journal import SYSTEM
from primafacie.platform.likenesses import FaceGate
from primafacie.platform.receipts import write_receipt
from primafacie.platform.tables import (
    consent_links,
    consent_moves,
    consents,
    requests,
    templates,
)
from primafacie.safeguards.consent import ConsentState
from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import DENY, FaceTemplate

LONGEST_IDLE: Final = timedelta(days=3 * 365)  # after that no biometric data may be kept
ATTACHED: Final = ("id-check", "written-release", "witness", "provenance")
_READERS: Final = ("steward", "reviewer", "auditor", "admin")
_C = consents.c
_S = ConsentState
_REFUSED: Final = "no template was made"


class Review(ConsentBook):
    """What stewards, reviewers and the worker do."""

    # steward -----------------------------------------------------------------------------------

    def draft(
        self, actor: Account, display_name: str, contact: str, offer: Offer
    ) -> tuple[ConsentView, str]:
        """A draft and the text of its one-time link, which is shown once."""
        actor.require("steward")
        offer.check(self._tools.settings)
        if not 1 <= len(display_name.strip()) <= 120 or len(contact) > 200:
            raise InputError("a name has 1 to 120 characters, a contact at most 200")
        for project_id in offer.projects:
            if self._tools.projects.get(project_id).state != "approved":
                raise ConflictError("the project is not approved")
        challenge = Challenge.fresh(display_name.strip(), self._tools.settings.controller)
        with self._journal.writing() as tx:
            subject_id = self._tools.subjects.add(
                tx, offer.kind, display_name.strip(), contact.strip()
            )
            row = self._insert(tx, subject_id, actor, offer, challenge)
            receipt = self._log(
                tx, row, Kind.CONSENT_DRAFT, actor.user_id, facts=(("kind", offer.kind),)
            )
            tx.execute(
                consent_moves.insert().values(
                    consent_id=row.id, epoch=0, state=_S.DRAFT.value, actor=actor.user_id,
                    log_index=receipt.index, at=self._journal.clock(),
                )
            )  # fmt: skip
            link = self._fresh_link(tx, row.id)
        return self.show(actor, row.id), link

    def new_link(self, actor: Account, consent_id: str) -> str:
        """Another link to a draft; every older one dies."""
        actor.require("steward")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            if row.state != _S.DRAFT:
                raise ConflictError(f"the consent is {row.state}; only a draft has a link")
            link = self._fresh_link(tx, consent_id)
            self._log(tx, row, Kind.CONSENT_DRAFT, actor.user_id, why=("new_link",))
        return link

    def attach(self, actor: Account, consent_id: str, kind: str, data: bytes) -> str:
        """Add a document to a draft: an id check, a written release, where a picture came from."""
        actor.require("steward")
        if kind not in ATTACHED:
            raise InputError(f"a document is one of {', '.join(ATTACHED)}")
        with self._journal.writing() as tx:
            row = self._draft_row(tx, consent_id)
            return self._add_file(tx, row, kind, data, actor.user_id)

    def suspend(self, actor: Account, consent_id: str, note: str) -> ConsentView:
        """Hold a consent that is in force; the house lifts its own hold, never the subject's."""
        actor.require("steward", "reviewer", "admin")
        self._step(
            actor, consent_id, _S.SUSPENDED, Kind.CONSENT_SUSPENDED, note, held_by="platform"
        )
        return self.show(actor, consent_id)

    def release_hold(self, actor: Account, consent_id: str) -> ConsentView:
        """Lift a hold of the house."""
        actor.require("steward", "reviewer", "admin")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            if row.held_by != "platform":
                raise AccessError("the subject paused this consent; only the subject resumes it")
            self._move(tx, row, _S.ACTIVE, Kind.CONSENT_RESUMED, actor.user_id, held_by="")
        return self.show(actor, consent_id)

    def withdraw_on_paper(self, actor: Account, consent_id: str, note: str) -> ConsentView:
        """Withdraw for a subject who asked by letter or word of mouth. It cannot be undone."""
        actor.require("steward", "admin")
        if not note.strip():
            raise InputError("say how the subject asked for it")
        self._step(actor, consent_id, _S.WITHDRAWN, Kind.CONSENT_WITHDRAWN, note, why=("on_paper",))
        return self.show(actor, consent_id)

    # reviewer ----------------------------------------------------------------------------------

    def witness(self, actor: Account, consent_id: str) -> None:
        """Attest that one saw the subject live, and that the draft's photos show them."""
        actor.require("reviewer")
        with self._journal.writing() as tx:
            row = self._draft_row(tx, consent_id)
            self._second_person(actor, row)
            self._void(tx, consent_id)
            tx.execute(consents.update().where(_C.id == consent_id).values(witness=actor.user_id))
            self._log(tx, row, Kind.CONSENT_DRAFT, actor.user_id, why=("witnessed",))

    def pending(self, actor: Account) -> tuple[ConsentView, ...]:
        """What waits for a reviewer."""
        actor.require("reviewer")
        return self.listed(actor, state=_S.UNDER_REVIEW.value)

    def evidence(self, actor: Account, consent_id: str) -> tuple[Evidence, ...]:
        """The files the consent rests on, photos apart."""
        actor.require("reviewer", "auditor")
        with self._journal.database.read() as tx:
            files = self._files(tx, self._row(tx, consent_id).id)
            return tuple(Evidence(f.kind, f.sha256, f.added_at) for f in files if f.kind != "photo")

    def evidence_bytes(self, actor: Account, consent_id: str, sha256: str) -> bytes:
        """One of those files; that it was looked at is logged."""
        if sha256 not in {e.sha256 for e in self.evidence(actor, consent_id)}:
            raise NotFoundError("there is no such evidence")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            self._log(tx, row, Kind.LOG_READ, actor.user_id, why=("evidence",),
                      payload={"sha256": sha256})  # fmt: skip
        return self._tools.vault.get(sha256)

    def activate(
        self, actor: Account, consent_id: str, watched: bool, note: str = ""
    ) -> ConsentView:
        """Put in force what the subject signed. watched: the reviewer says to have looked at the
        photos, the recording and every document.

        Raises AccessError without four eyes, ConflictError without a face template or a look.
        """
        actor.require("reviewer")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            if row.state != _S.UNDER_REVIEW:
                raise ConflictError(f"the consent is {row.state}, not under review")
            self._tools.likenesses.record(tx, row)  # raises unless both signatures hold
            self._second_person(actor, row)
            enrolled = sa.select(templates.c.model).where(
                templates.c.consent_id == row.id, templates.c.version == row.version
            )
            if tx.execute(enrolled).first() is None:
                raise ConflictError(f"there is no face template: {row.enrolment}")
            if not watched:
                raise ConflictError("look at all the evidence before you put the consent in force")
            self._move(
                tx, row, _S.ACTIVE, Kind.CONSENT_ACTIVATED, actor.user_id,
                out=Outcome.ALLOW, note=note, reviewer=actor.user_id,
            )  # fmt: skip
        return self.show(actor, consent_id)

    def reject(self, actor: Account, consent_id: str, note: str) -> ConsentView:
        """Do not put it in force. Templates go at once."""
        actor.require("reviewer")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            self._second_person(actor, row)
            self._move(
                tx, row, _S.REJECTED, Kind.CONSENT_REJECTED, actor.user_id,
                out=Outcome.DENY, note=note, reviewer=actor.user_id,
            )  # fmt: skip
        return self.show(actor, consent_id)

    # everybody in the house --------------------------------------------------------------------

    def show(self, actor: Account, consent_id: str) -> ConsentView:
        """The consent, for the house and for researchers it names. Raises NotFoundError."""
        with self._journal.database.read() as tx:
            view = self._view(tx, self._row(tx, consent_id))
        if not self._may_see(actor, view):
            raise NotFoundError("there is no such consent")
        return view

    def listed(self, actor: Account, state: str | None = None) -> tuple[ConsentView, ...]:
        """Consents, newest first: all for the house, those that name them for researchers."""
        chosen = sa.select(consents).order_by(_C.created_at.desc(), _C.id)
        if state is not None:
            chosen = chosen.where(_C.state == state)
        with self._journal.database.read() as tx:
            views = [self._view(tx, row) for row in tx.execute(chosen).all()]
        return tuple(view for view in views if self._may_see(actor, view))

    def usable(self, actor: Account) -> tuple[ConsentView, ...]:
        """Consents in force that name this person or one of their running projects."""
        mine = {p.project_id for p in self._tools.projects.listed(actor)
                if actor.user_id in p.members and p.in_force}  # fmt: skip
        return tuple(
            view
            for view in self.listed(actor, state=_S.ACTIVE.value)
            if actor.user_id in view.requesters or mine & set(view.projects)
        )

    def photo(self, actor: Account, consent_id: str, sha256: str) -> bytes:
        """A registered photo, for those who may see the consent."""
        view = self.show(actor, consent_id)
        if sha256 not in {p.sha256 for p in view.photos}:
            raise NotFoundError("there is no such photo")
        return self._tools.vault.get(sha256)

    def current_receipt(self, actor: Account, consent_id: str) -> ReceiptFile:
        """The receipt as the house can print it again: without the subject's token."""
        actor.require("steward", "auditor", "admin")
        with self._journal.database.read() as tx:
            row = self._row(tx, consent_id)
        return self._receipt(row, "")

    # the worker and the clock --------------------------------------------------------------------

    def captured(self) -> tuple[str, ...]:
        """Consents that wait for their face template."""
        chosen = sa.select(_C.id).where(_C.state == _S.CAPTURED.value).order_by(_C.created_at)
        with self._journal.database.read() as tx:
            return tuple(tx.execute(chosen).scalars().all())

    def enrol(self, consent_id: str, face: FaceGate) -> str:
        """Make the face template of a captured consent and hand it to the reviewers.

        Returns what was found wrong, "" when nothing was. Photos that will not do leave the
        consent without a template: it can then only be rejected.
        """
        with self._journal.database.read() as tx:
            row = self._row(tx, consent_id)
            digests = [f.sha256 for f in self._files(tx, row.id) if f.kind == "photo"]
        template, problem = None, ""
        try:
            photos = [self._tools.vault.get(d) for d in digests]
            template = face.enrol(photos, least_photos(Offer.kept(row.offer).kind))
            problem = self._neighbours(row.subject_id, template)
        except (FaceError, NotFoundError) as error:
            problem = str(error)
        if template is not None and problem.startswith(_REFUSED):
            template = None
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            if template is not None:
                self._tools.likenesses.store(tx, row, template)
            self._move(
                tx, row, _S.UNDER_REVIEW, Kind.CONSENT_CAPTURED, SYSTEM,
                why=("enrolled" if template else "not_enrolled",), note=problem,
                enrolment=problem,
            )  # fmt: skip
        return problem

    def _neighbours(self, subject_id: str, template: FaceTemplate) -> str:
        likenesses, model = self._tools.likenesses, template.model
        if any(t.distance(template.vector, model) <= DENY for t in likenesses.never_me(model)):
            return f"{_REFUSED}; somebody like this asked never to be animated"
        near = [o for o, t in likenesses.templates(model)
                if o != subject_id and t.distance(template.vector, model) <= DENY]  # fmt: skip
        if near:
            return (
                f"the face is close to {len(near)} other enrolled face(s): the same person, kin, "
                "or a morph; compare the photos"
            )
        return ""

    def expire(self) -> int:
        """End what has run out: consents past their date or untouched for three years, drafts
        whose link is dead."""
        now = self._journal.clock()
        idle = _untouched_since(now - LONGEST_IDLE)
        living = (_S.CAPTURED, _S.UNDER_REVIEW, _S.ACTIVE, _S.SUSPENDED)
        alive = sa.select(consent_links.c.consent_id).where(
            consent_links.c.expires_at > now, consent_links.c.used_at.is_(None)
        )
        due = sa.select(_C.id).where(
            sa.or_(
                sa.and_(_C.state.in_(living), sa.or_(_C.not_after <= now, idle)),
                sa.and_(_C.state == _S.DRAFT.value, _C.id.not_in(alive)),
            )
        )
        with self._journal.database.read() as tx:
            ids = tx.execute(due).scalars().all()
        for consent_id in ids:
            with self._journal.writing() as tx:
                row = self._row(tx, consent_id)
                if row.id in tx.execute(due).scalars().all():
                    self._move(tx, row, _S.EXPIRED, Kind.CONSENT_EXPIRED, SYSTEM)
        return len(ids)

    # -------------------------------------------------------------------------------------------

    def _insert(
        self, tx: sa.Connection, subject_id: str, actor: Account, offer: Offer, challenge: Challenge
    ) -> Any:
        consent_id = uuid.uuid4().hex
        tx.execute(
            consents.insert().values(
                id=consent_id,
                subject_id=subject_id,
                steward=actor.user_id,
                state=_S.DRAFT.value,
                version=0,
                epoch=0,
                offer=offer.keep(),
                challenge=challenge.kept(),
                held_by="",
                enrolment="",
                created_at=self._journal.clock(),
            )
        )
        return self._row(tx, consent_id)

    def _fresh_link(self, tx: sa.Connection, consent_id: str) -> str:
        tx.execute(consent_links.delete().where(consent_links.c.consent_id == consent_id))
        text, digest = fresh_token()
        ends = self._journal.clock() + timedelta(days=self._tools.settings.link_days)
        tx.execute(
            consent_links.insert().values(
                token_sha256=digest, consent_id=consent_id, expires_at=ends
            )
        )
        return text

    def _draft_row(self, tx: sa.Connection, consent_id: str) -> Any:
        row = self._row(tx, consent_id)
        if row.state != _S.DRAFT:
            raise ConflictError(f"the consent is {row.state}; its evidence is what was signed")
        return row

    def _step(
        self, actor: Account, consent_id: str, new: ConsentState, kind: Kind, note: str, *,
        why: Sequence[str] = (), **values: Any,
    ) -> None:  # fmt: skip
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            self._move(tx, row, new, kind, actor.user_id, why=why, note=note, **values)

    def _second_person(self, actor: Account, row: Any) -> None:
        """Four eyes: raise AccessError unless this reviewer asked for nothing here."""
        offer = Offer.kept(row.offer)
        part = {row.steward, *offer.requesters}
        for project_id in offer.projects:
            part |= self._tools.projects.get(project_id).people
        if actor.user_id in part:
            raise AccessError("a second person, who asked for nothing here, must decide this")
        if actor.has("steward"):
            raise AccessError("whoever can draft consents cannot review them; use two accounts")

    def _may_see(self, actor: Account, view: ConsentView) -> bool:
        if actor.has(*_READERS) or actor.user_id in view.requesters:
            return True
        return any(
            actor.user_id in self._tools.projects.get(project_id).people
            for project_id in view.projects
        )

    def _receipt(self, row: Any, token: str) -> ReceiptFile:
        if row.version == 0 or row.state == _S.ERASED:
            raise NotFoundError("there is no signed record")
        with self._journal.database.read() as tx:
            record, envelope = self._tools.likenesses.record(tx, row)
            last = (
                sa.select(consent_moves)
                .where(consent_moves.c.consent_id == row.id)
                .order_by(consent_moves.c.epoch.desc())
            )
            move = tx.execute(last.limit(1)).one()
        return write_receipt(self._tools, record, envelope, move.state, move.log_index, token)


def _untouched_since(moment: datetime) -> sa.ColumnElement[bool]:
    """Names the consents that neither moved nor were asked for since then."""
    moved = sa.select(consent_moves.c.consent_id).where(consent_moves.c.at > moment)
    asked = sa.select(requests.c.consent_id).where(requests.c.received_at > moment)
    return sa.and_(_C.id.not_in(moved), _C.id.not_in(asked))
