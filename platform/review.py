"""Review: the house's side of a consent. Stewards invite, reviewers decide, the worker enrols.

Nobody puts in force what he himself asked for: the reviewer is not the steward, not a requester the
record names, and has no part in its projects.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind, Outcome
from primafacie.audit.tables import log_index
from primafacie.platform.accounts import Account
from primafacie.platform.capture import DOCUMENTS, least_photos
from primafacie.platform.challenge import Challenge
from primafacie.platform.consent_book import (
    BOTH,
    HOUSE,
    SUBJECT,
    ConsentView,
    Evidence,
    Offer,
    ReceiptFile,
    fresh_token,
)
from primafacie.platform.errors import AccessError, ConflictError, InputError, NotFoundError
from primafacie.platform.four_eyes import require_apart
from primafacie.platform.journal import SYSTEM
from primafacie.platform.likenesses import FaceGate, not_anew
from primafacie.platform.outbox import tell
from primafacie.platform.receipts import write_receipt
from primafacie.platform.recordings import Recordings
from primafacie.platform.tables import (
    consent_approvals,
    consent_links,
    consent_moves,
    consents,
    requests,
    subjects,
    templates,
)
from primafacie.safeguards.consent import ConsentRecord, ConsentState, SubjectKind
from primafacie.safeguards.errors import ConsentError, FaceError
from primafacie.safeguards.face import DENY, MATCH, FaceTemplate
from primafacie.safeguards.liveness import Finding
from primafacie.safeguards.provenance.label import AI_GENERATED

LONGEST_IDLE: Final = timedelta(days=3 * 365)  # after that no biometric data may be kept
ATTACHED: Final = ("id-check", "written-release", "witness", "provenance", *DOCUMENTS)
_READERS: Final = ("steward", "reviewer", "auditor", "admin")
_C = consents.c
_S = ConsentState
_REFUSED: Final = "no template was made"
LEAST_NOTE: Final = 20  # characters of a reviewer's own words on an open question
NOBODY_ALIVE: Final = (SubjectKind.SYNTHETIC, SubjectKind.ARTWORK, SubjectKind.DECEASED)
#: Whoever cannot speak for themselves and was one day alive needs two pairs of eyes.
TWO_REVIEWERS: Final = (SubjectKind.ARTWORK, SubjectKind.DECEASED)


class Review(Recordings):
    """What stewards, reviewers and the worker do."""

    # steward -----------------------------------------------------------------------------------

    def draft(
        self, actor: Account, display_name: str, contact: str, offer: Offer
    ) -> tuple[ConsentView, str]:
        """A draft and the text of its one-time link, which is shown once."""
        actor.require("steward")
        if offer.kind in (SubjectKind.SYNTHETIC, SubjectKind.ARTWORK):
            offer = replace(offer, photo_mode="registered", label=offer.label or AI_GENERATED)
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
            challenge = Challenge.stored(row.challenge, "", "").kept() | {"tries": 0}
            tx.execute(
                consents.update().where(_C.id == row.id).values(
                    challenge={**row.challenge, **challenge, "issued_at": ""}
                )
            )  # fmt: skip
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
        with self._journal.writing() as tx:
            self._hold(tx, self._row(tx, consent_id), HOUSE, actor.user_id, note)
        return self.show(actor, consent_id)

    def release_hold(self, actor: Account, consent_id: str) -> ConsentView:
        """Lift a hold of the house: whoever set it does, or a second person."""
        actor.require("steward", "reviewer", "admin")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            if row.held_by not in (HOUSE, BOTH):
                raise AccessError("the subject paused this consent; only the subject resumes it")
            if actor.user_id != self._holder(tx, row):
                self.second_person(actor, row)
            self._let_go(tx, row, HOUSE, actor.user_id)
        return self.show(actor, consent_id)

    @staticmethod
    def _holder(tx: sa.Connection, row: Any) -> str | None:
        """Who in the house set its newest hold."""
        moves = consent_moves.c
        chosen = sa.select(moves.actor).where(
            moves.consent_id == row.id, moves.state == _S.SUSPENDED.value,
            moves.actor.not_in((SUBJECT, SYSTEM)),
        )  # fmt: skip
        return tx.execute(chosen.order_by(moves.epoch.desc()).limit(1)).scalar()

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
            self.second_person(actor, row)
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
            record, _ = self._tools.likenesses.record(tx, row)  # raises unless both signed
            self.second_person(actor, row)
            enrolled = sa.select(templates.c.model).where(
                templates.c.consent_id == row.id, templates.c.version == row.version
            )
            if tx.execute(enrolled).first() is None:
                raise ConflictError(f"there is no face template: {row.enrolment}")
            if not watched:
                raise ConflictError("look at all the evidence before you put the consent in force")
            kept = self._found(tx, row, row.challenge.get("video", ""))
            found = _check_recording(row, record, note, kept)
            _check_estate(record, note)
            stated = self._stated(tx, row)
            if stated and len(note.strip()) < LEAST_NOTE:
                raise ConflictError(
                    "nothing but a statement says that the picture shows nobody alive: note how "
                    f"you checked it, in at least {LEAST_NOTE} characters"
                )
            if not self._enough_eyes(tx, row, actor, stated):
                return self._view(tx, row)
            self._move(
                tx, row, _S.ACTIVE, Kind.CONSENT_ACTIVATED, actor.user_id,
                out=Outcome.ALLOW, note=note, reviewer=actor.user_id,
                facts=(("record_sha256", record.sha256), ("version", row.version),
                       ("liveness", record.liveness), *self._read_by(tx, row, actor), *found),
            )  # fmt: skip
        return self.show(actor, consent_id)

    def _read_by(self, tx: sa.Connection, row: Any, actor: Account) -> tuple[tuple[str, int], ...]:
        """Of the files beside this consent, how many the log saw this reviewer open: what stands
        behind their word that they looked."""
        log = self._journal.log
        read = sa.select(log_index.c.seq).where(
            log_index.c.kind == Kind.LOG_READ.value,
            log_index.c.subject == (log.pseudonym(tx, row.subject_id, "subject") or "-"),
            log_index.c.actor == (log.pseudonym(tx, actor.user_id, "actor") or "-"),
        )
        seen = {(log.payload(tx, seq) or {}).get("sha256") for seq in tx.execute(read).scalars()}
        kept = {file.sha256 for file in self._files(tx, row.id)}
        return ("opened", len(kept & seen)), ("files", len(kept))

    @staticmethod
    def _origin(row: Any, files: Sequence[Any], documents: Sequence[bytes]) -> str:
        """Where the pictures of nobody come from: `redrawn` where this program draws each of them
        again, byte for byte, from the evidence; else `stated`. "" for everybody else."""
        kind = Offer.kept(row.offer).kind
        if kind not in (SubjectKind.SYNTHETIC, SubjectKind.ARTWORK):
            return ""
        photos = [f.sha256 for f in files if f.kind == "photo"]
        from primafacie.platform.drawn import redrawn  # loads what draws

        drawn = kind == SubjectKind.SYNTHETIC and any(redrawn(d, photos) for d in documents)
        return "redrawn" if drawn else "stated"

    def _stated(self, tx: sa.Connection, row: Any) -> bool:
        """Does a person's word alone say that these pictures show nobody alive? The log tells what
        the worker found when it enrolled this version."""
        if Offer.kept(row.offer).kind not in (SubjectKind.SYNTHETIC, SubjectKind.ARTWORK):
            return False
        moves = consent_moves.c
        newest = sa.select(moves.log_index).where(moves.consent_id == row.id)
        index = tx.execute(newest.order_by(moves.epoch.desc()).limit(1)).scalar_one()
        return self._journal.log.leaf(tx, index).fact("origin") != "redrawn"

    def _enough_eyes(self, tx: sa.Connection, row: Any, actor: Account, stated: bool) -> bool:
        """Note that this reviewer said yes; are they enough now?"""
        said = consent_approvals.c
        here = (said.consent_id == row.id, said.version == row.version)
        earlier = set(tx.execute(sa.select(said.reviewer).where(*here)).scalars())
        if actor.user_id not in earlier:
            require_apart(tx, actor.user_id, *earlier)
            tx.execute(
                consent_approvals.insert().values(
                    consent_id=row.id, version=row.version, reviewer=actor.user_id,
                    at=self._journal.clock(),
                )
            )  # fmt: skip
        eyes = len(earlier | {actor.user_id})
        if eyes >= (2 if stated or Offer.kept(row.offer).kind in TWO_REVIEWERS else 1):
            return True
        self._log(tx, row, Kind.CONSENT_APPROVED, actor.user_id)
        return False

    def alike(self, actor: Account, consent_id: str) -> tuple[str, ...]:
        """Other consents, enrolled or under review, whose face is within MATCH of this one's and
        that no reviewer found to be the same person yet."""
        actor.require("reviewer")
        with self._journal.database.read() as tx:
            row = self._row(tx, consent_id)
            own = self._tools.likenesses.enrolled_template(tx, row)
        if own is None:
            return ()
        known = {row.subject_id, *self._tools.likenesses.same_person(row.subject_id)}
        near = {owner for owner, t in self._tools.likenesses.reviewed(own.model)
                if owner not in known and t.distance(own.vector, own.model) <= MATCH}  # fmt: skip
        chosen = sa.select(_C.id).where(_C.subject_id.in_(near)).order_by(_C.created_at)
        with self._journal.database.read() as tx:
            return tuple(tx.execute(chosen).scalars().all())

    def same_person(self, actor: Account, consent_id: str, other_id: str) -> None:
        """Find that two consents come from one person, so that they do not stand in each other's
        way. Each is still matched against its own template alone.

        Raises ConflictError unless the two faces are within MATCH, AccessError without four eyes.
        """
        if other_id not in self.alike(actor, consent_id):
            raise ConflictError("these two faces are not near enough to be the same person's")
        with self._journal.writing() as tx:
            row, other = self._row(tx, consent_id), self._row(tx, other_id)
            for one in (row, other):
                self.second_person(actor, one)
                if Offer.kept(one.offer).kind in NOBODY_ALIVE:
                    raise ConflictError("only living people give two consents")
            self._tools.likenesses.link(tx, row.subject_id, other.subject_id, actor.user_id)
            self._tell_both(tx, (row, other), actor, "same_person")

    def linked(self, actor: Account, consent_id: str) -> tuple[str, ...]:
        """The consents that a reviewer found to come from the person of this one."""
        actor.require("reviewer")
        with self._journal.database.read() as tx:
            same = self._tools.likenesses.same_person(self._row(tx, consent_id).subject_id)
            chosen = sa.select(_C.id).where(_C.subject_id.in_(same)).order_by(_C.created_at)
            return tuple(tx.execute(chosen).scalars().all())

    def not_same_person(self, actor: Account, consent_id: str, other_id: str) -> None:
        """Take back that two consents come from one person. Raises ConflictError where nobody found
        that, AccessError without four eyes."""
        actor.require("reviewer")
        with self._journal.writing() as tx:
            row, other = self._row(tx, consent_id), self._row(tx, other_id)
            for one in (row, other):
                self.second_person(actor, one)
            if not self._tools.likenesses.unlink(tx, row.subject_id, other.subject_id):
                raise ConflictError("nobody found these two to be the same person")
            self._tell_both(tx, (row, other), actor, "not_same_person")

    def _tell_both(self, tx: sa.Connection, rows: Sequence[Any], actor: Account, what: str) -> None:
        for one in rows:
            self._log(tx, one, Kind.CONSENT_LINKED, actor.user_id, why=(what,))
            tell(tx, one.subject_id, one.id, f"consent.{what}", self._journal.clock())

    def reject(self, actor: Account, consent_id: str, note: str) -> ConsentView:
        """Do not put it in force. Templates go at once."""
        actor.require("reviewer")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            self.second_person(actor, row)
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
        """Consents, newest first: all for the house, those that name them for researchers. One
        whose signed record does not open is left out: see `surveyed`."""
        views = self._views(state)
        return tuple(v for v in views if isinstance(v, ConsentView) and self._may_see(actor, v))

    def surveyed(self, actor: Account) -> tuple[tuple[ConsentView, ...], tuple[str, ...]]:
        """For the house: every consent that opens, newest first, and the ids of those whose rows
        are not what was signed or logged. Nothing is made of them; `audit verify` says what is
        wrong."""
        actor.require(*_READERS)
        found = self._views(None)
        sound = tuple(one for one in found if isinstance(one, ConsentView))
        return sound, tuple(one for one in found if isinstance(one, str))

    def _views(self, state: str | None) -> list[ConsentView | str]:
        """Every consent, or in place of one that does not open its id."""
        chosen = sa.select(consents).order_by(_C.created_at.desc(), _C.id)
        if state is not None:
            chosen = chosen.where(_C.state == state)
        found: list[ConsentView | str] = []
        with self._journal.database.read() as tx:
            for row in tx.execute(chosen).all():
                try:
                    found.append(self._view(tx, row))
                except ConsentError:
                    found.append(row.id)
        return found

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
        """A registered photo, for those who may see the consent, and for researchers only while it
        is in force. The log has whose it was before it leaves."""
        view = self.show(actor, consent_id)
        seen = self._may_see(actor, view, (_S.ACTIVE,))
        if not seen or sha256 not in {p.sha256 for p in view.photos}:
            raise NotFoundError("there is no such photo")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            self._log(tx, row, Kind.LOG_READ, actor.user_id, why=("photo",),
                      payload={"sha256": sha256})  # fmt: skip
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
            files = self._files(tx, row.id)
        template, problem, origin = None, "", ""
        try:
            photos = [self._tools.vault.get(f.sha256) for f in files if f.kind == "photo"]
            said = [self._tools.vault.get(f.sha256) for f in files if f.kind == "provenance"]
            origin = self._origin(row, files, said)
            template = face.enrol(photos, least_photos(Offer.kept(row.offer).kind))
            problem = self._neighbours(row.subject_id, Offer.kept(row.offer).kind, template)
            self._look_again(row, files, template, face)
            if unlike := self._unlike_recording(row, files, template, face):
                problem = f"{_REFUSED}; {unlike}"
        except (ConsentError, FaceError, NotFoundError) as error:
            template, problem = None, str(error)
        if template is not None and problem.startswith(_REFUSED):
            template = None
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            if template is not None:
                self._tools.likenesses.store(tx, row, template)
            self._move(
                tx, row, _S.UNDER_REVIEW, Kind.CONSENT_CAPTURED, SYSTEM,
                why=("enrolled" if template else "not_enrolled",), note=problem,
                facts=(("origin", origin),) if origin else (),
                enrolment=problem,
            )  # fmt: skip
        return problem

    def stale(self, face: FaceGate) -> tuple[str, ...]:
        """Consents whose template is another model's and that the worker is to enrol anew."""
        return self._tools.likenesses.stale(face.model)

    def reenrol_all(self, actor: Account, face: FaceGate) -> tuple[tuple[str, str], ...]:
        """Enrol anew everybody whose template is another model's, also those that failed before.
        (consent id, what was wrong or "") of each."""
        actor.require("steward", "admin")
        stale = self._tools.likenesses.stale(face.model, tried=True)
        return tuple((one, self.reenrol(one, face, actor.user_id)) for one in stale)

    def reenrol(self, consent_id: str, face: FaceGate, who: str = SYSTEM) -> str:
        """Make the template anew, by the model in use, from the photos the signed record registers;
        the other model's is deleted. Nothing that was agreed changes, so nobody signs again.

        Returns what was wrong, "" when nothing was: then there is no usable template, every request
        is refused, and the steward is told why. Raises ConflictError where the consent moved
        meanwhile, or needs no new template.
        """
        if consent_id not in self._tools.likenesses.stale(face.model, tried=True):
            raise ConflictError("this consent has no template of another model")
        with self._journal.database.read() as tx:
            row = self._row(tx, consent_id)
        template, problem = self._template_anew(row, face)
        with self._journal.writing() as tx:
            now = self._row(tx, consent_id)
            if (now.epoch, now.version, now.state) != (row.epoch, row.version, row.state):
                raise ConflictError("the consent moved meanwhile")
            if template is not None:
                self._tools.likenesses.unenrol(tx, now)
                self._tools.likenesses.store(tx, now, template)
            note = problem if template else not_anew(face.model) + problem
            tx.execute(consents.update().where(_C.id == consent_id).values(enrolment=note))
            self._log(
                tx, now, Kind.CONSENT_CAPTURED, who,
                out=Outcome.OK if template else Outcome.DENY,
                why=("enrolled_anew" if template else "not_enrolled_anew",),
                facts=(("face_model", face.model),), payload={"note": note},
            )  # fmt: skip
        return "" if template else problem

    def _template_anew(self, row: Any, face: FaceGate) -> tuple[FaceTemplate | None, str]:
        kind = Offer.kept(row.offer).kind
        try:
            with self._journal.database.read() as tx:
                record, _ = self._tools.likenesses.record(tx, row)
            photos = [self._tools.vault.get(digest) for digest in record.photos]
            template = face.enrol(photos, least_photos(kind))
            problem = self._neighbours(row.subject_id, kind, template)
        except (ConsentError, FaceError, NotFoundError) as error:
            return None, str(error)
        return (None if problem.startswith(_REFUSED) else template), problem

    def _neighbours(self, subject_id: str, kind: str, template: FaceTemplate) -> str:
        likenesses, model = self._tools.likenesses, template.model
        if any(template.near(listed) <= DENY for listed in likenesses.never_me(model)):
            return f"{_REFUSED}; somebody like this asked never to be animated"
        known = {subject_id, *likenesses.same_person(subject_id)}
        near = [o for o, t in likenesses.reviewed(model)
                if o not in known and t.distance(template.vector, model) <= DENY]  # fmt: skip
        if near and kind in NOBODY_ALIVE and self._any_alive(near):
            return f"{_REFUSED}; the picture is close to a living person's face"
        if near:
            return (
                f"the face is close to {len(near)} other enrolled face(s): the same person, kin, "
                "or a morph; compare the photos"
            )
        return ""

    def _any_alive(self, subject_ids: Sequence[str]) -> bool:
        chosen = sa.select(subjects.c.id).where(
            subjects.c.id.in_(subject_ids), subjects.c.kind.not_in(NOBODY_ALIVE)
        )
        with self._journal.database.read() as tx:
            return tx.execute(chosen).first() is not None

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

    def _may_see(
        self, actor: Account, view: ConsentView, states: Sequence[str] = (_S.ACTIVE, _S.SUSPENDED)
    ) -> bool:
        """The house sees all; researchers see a person only while their consent stands."""
        if actor.has(*_READERS):
            return True
        return view.state in states and (
            actor.user_id in view.requesters
            or any(
                actor.user_id in self._tools.projects.get(project_id).people
                for project_id in view.projects
            )
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


def _check_recording(
    row: Any, record: ConsentRecord, note: str, kept: Sequence[Finding]
) -> tuple[tuple[str, str], ...]:
    """What the log says of the measured recording. Raises ConflictError when a living person's
    consent rests on one that failed, or leaves a question open that the note does not answer."""
    if record.subject_kind != SubjectKind.LIVING or record.liveness != 1:
        return ()
    verdict = str(row.challenge.get("verdict", ""))
    measured = bool(kept) and f"video:{row.challenge.get('video', '')}" in record.evidence
    if not measured or verdict not in ("passed", "open"):
        raise ConflictError("the recording was not measured, or failed; it cannot be overridden")
    if verdict == "open" and len(note.strip()) < LEAST_NOTE:
        raise ConflictError(
            "not everything in the recording could be measured; note what you saw and heard "
            f"there, in at least {LEAST_NOTE} characters"
        )
    return (("recording", verdict),)


def _check_estate(record: ConsentRecord, note: str) -> None:
    """Raises ConflictError unless the note says what the documents of an estate showed."""
    if record.subject_kind == SubjectKind.DECEASED and len(note.strip()) < LEAST_NOTE:
        raise ConflictError(
            "note what the documents show: that the person has died, who may decide, and how you "
            f"compared the names, in at least {LEAST_NOTE} characters"
        )


def _untouched_since(moment: datetime) -> sa.ColumnElement[bool]:
    """Names the consents that neither moved nor were asked for since then."""
    moved = sa.select(consent_moves.c.consent_id).where(consent_moves.c.at > moment)
    asked = sa.select(requests.c.consent_id).where(requests.c.received_at > moment)
    return sa.and_(_C.id.not_in(moved), _C.id.not_in(asked))
