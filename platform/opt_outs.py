"""Opt-outs: people who ask never to be shown. Voluntary; kept are a template, the name and the
contact that were given, and nothing else.

Anybody may ask, with a few photos of themselves; a reviewer looks whether the request is honest,
then the worker makes the template, and the photos are deleted. From then on no photo that is like
it can be animated, whoever consented. The list can be left again with the reference.

Another face model cannot use a template, and the photos are gone. Such entries are compared by the
model that made them for as long as it is named (inspector.py), and refuse everybody where it is
not; their people are asked for new photos. None is ever dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.capture import picture_size
from primafacie.platform.consent_book import fresh_token, token_digest
from primafacie.platform.errors import ConflictError, InputError, LinkError, NotFoundError
from primafacie.platform.journal import SYSTEM, Journal
from primafacie.platform.likenesses import FaceGate, Likenesses
from primafacie.platform.notifications import is_mail
from primafacie.platform.outbox import tell
from primafacie.platform.subjects import Subjects
from primafacie.platform.tables import never_me, opt_out_photos, opt_outs, subjects
from primafacie.platform.vault import Vault
from primafacie.safeguards.errors import FaceError

MOST_PHOTOS: Final = 5
A_DAY: Final = 3  # requests from one address
WAITING: Final = 200  # requests that wait for a reviewer; of more, one photo each is kept
_O = opt_outs.c
_P = opt_out_photos.c


@dataclass(frozen=True, slots=True)
class OptOut:
    """One request. photos: digests, until a template was made. problem: why it was not listed."""

    opt_out_id: str
    state: str
    name: str
    contact: str
    photos: tuple[str, ...]
    problem: str
    received_at: datetime
    decided_at: datetime | None
    renewal_asked_at: datetime | None = None  # their entry is another model's


@dataclass(frozen=True, slots=True)
class Outdated:
    """An entry that the model in use cannot compare with anybody. model: the one that made it.
    written: can the person be told by mail? opt_out_id: "" where the house entered it itself."""

    entry_id: str
    opt_out_id: str
    name: str
    contact: str
    written: bool
    model: str
    added_at: datetime
    asked_at: datetime | None


class OptOuts:
    """The never-me list, and the way onto it and off it."""

    def __init__(
        self, journal: Journal, subjects: Subjects, likenesses: Likenesses, vault: Vault
    ) -> None:
        self._journal, self._subjects, self._likenesses, self._vault = (
            journal, subjects, likenesses, vault,
        )  # fmt: skip

    def ask(
        self, name: str, contact: str, photos: Sequence[bytes], honest: bool, source: str = ""
    ) -> str:
        """Ask to be put on the list; the reference with which to look and to leave again.

        honest: the statement that the photos show whoever asks, or somebody they may speak for.
        Raises InputError for what is incomplete, ConflictError when too many came from one
        address. When too many wait in all it is still taken in, with its first photo alone.
        """
        if not honest:
            raise InputError("state that the photos show you, or somebody you may speak for")
        if not 1 <= len(name.strip()) <= 120 or not 3 <= len(contact.strip()) <= 200:
            raise InputError("say who you are and how you can be reached")
        self._check_photos(photos)
        if self._crowded(source):
            photos = photos[:1]
        opt_out_id = uuid.uuid4().hex
        reference, kept = fresh_token()
        with self._journal.writing() as tx:
            subject_id = self._subjects.add(tx, "living", name.strip(), contact.strip())
            tx.execute(
                opt_outs.insert().values(
                    id=opt_out_id, subject_id=subject_id, token_sha256=kept, state="received",
                    problem="", source=self._journal.source(source),
                    received_at=self._journal.clock(),
                )
            )  # fmt: skip
            for digest in {self._vault.put(tx, "photo", photo) for photo in photos}:
                tx.execute(opt_out_photos.insert().values(opt_out_id=opt_out_id, sha256=digest))
            self._log(tx, Kind.OPT_OUT_RECEIVED, subject_id, subject_id)
        return reference

    def status(self, reference: str) -> OptOut:
        """The request, for whoever made it. Raises LinkError."""
        with self._journal.database.read() as tx:
            return self._view(tx, self._referred(tx, reference))

    def leave(self, reference: str) -> None:
        """Come off the list, or take the request back; everything about it is forgotten."""
        with self._journal.writing() as tx:
            row = self._referred(tx, reference)
            photos = self._close(tx, row, "removed", row.subject_id)
            self._forget(tx, row)
        self._vault.drop(photos)

    def renew(self, reference: str, photos: Sequence[bytes], honest: bool) -> None:
        """New photos for an entry that another model made; a reviewer looks at them once more, and
        the old entry stands until the new one does. Raises InputError, and ConflictError where
        none were asked for."""
        if not honest:
            raise InputError("state that the photos show you, or somebody you may speak for")
        self._check_photos(photos)
        with self._journal.writing() as tx:
            row = self._referred(tx, reference)
            if row.state != "listed" or self._asked(tx, row.subject_id) is None:
                raise ConflictError("no new photos are needed")
            for digest in {self._vault.put(tx, "photo", photo) for photo in photos}:
                tx.execute(opt_out_photos.insert().values(opt_out_id=row.id, sha256=digest))
            tx.execute(
                opt_outs.update().where(_O.id == row.id).values(
                    state="received", problem="", received_at=self._journal.clock(),
                    decided_at=None,
                )
            )  # fmt: skip
            self._log(tx, Kind.OPT_OUT_RECEIVED, row.subject_id, row.subject_id, "renewal")

    def outdated(self, actor: Account, model: str) -> tuple[Outdated, ...]:
        """Every entry that `model` did not make, the oldest first; with "" as model those whose
        people were asked to renew them."""
        actor.require("reviewer", "steward", "admin")
        which = never_me.c.model != model if model else never_me.c.renewal_asked_at.is_not(None)
        chosen = sa.select(never_me, _O.id.label("opt_out")).outerjoin(
            opt_outs, _O.subject_id == never_me.c.subject_id
        )
        with self._journal.database.read() as tx:
            rows = tx.execute(chosen.where(which).order_by(never_me.c.added_at)).all()
            return tuple(self._outdated(tx, row) for row in rows)

    def ask_to_renew(self, model: str) -> int:
        """Have everybody told, once, whose entry `model` did not make; how many. Where the
        installation went back to a model, what it made is no longer outdated."""
        other = sa.and_(never_me.c.model != model, never_me.c.renewal_asked_at.is_(None))
        again = sa.and_(never_me.c.model == model, never_me.c.renewal_asked_at.is_not(None))
        with self._journal.database.read() as tx:
            if tx.execute(sa.select(never_me.c.id).where(sa.or_(other, again))).first() is None:
                return 0
        now = self._journal.clock()
        with self._journal.writing() as tx:
            rows = tx.execute(sa.select(never_me).where(other)).all()
            for row in rows:
                tell(tx, row.subject_id, "", "never_me.renew", now)
                entry = self._journal.event(
                    Kind.OPT_OUT_RENEWAL, SYSTEM, subject=row.subject_id,
                    facts=(("face_model", row.model),),
                )  # fmt: skip
                self._journal.append(tx, entry)
            tx.execute(never_me.update().where(other).values(renewal_asked_at=now))
            tx.execute(never_me.update().where(again).values(renewal_asked_at=None))
        return len(rows)

    def listed(self, actor: Account, state: str = "received") -> tuple[OptOut, ...]:
        """Requests in a state, the oldest first."""
        actor.require("reviewer", "steward", "admin")
        chosen = sa.select(opt_outs).where(_O.state == state).order_by(_O.received_at).limit(200)
        with self._journal.database.read() as tx:
            return tuple(self._view(tx, row) for row in tx.execute(chosen).all())

    def photo(self, actor: Account, opt_out_id: str, sha256: str) -> bytes:
        """A photo of a request, for the reviewer who decides on it."""
        actor.require("reviewer")
        chosen = sa.select(_P.sha256).where(_P.opt_out_id == opt_out_id, _P.sha256 == sha256)
        whose = sa.select(_O.subject_id).where(_O.id == opt_out_id)
        with self._journal.writing() as tx:
            if tx.execute(chosen).first() is None:
                raise NotFoundError("there is no such photo")
            subject = tx.execute(whose).scalar_one()
            self._log(tx, Kind.LOG_READ, actor.user_id, subject, "photo")
        return self._vault.get(sha256)

    def decide(self, actor: Account, opt_out_id: str, yes: bool) -> None:
        """Yes: the worker makes the template next. No: everything about it is forgotten; of a
        renewal the new photos alone, and the entry stays as it was."""
        actor.require("reviewer")
        photos: tuple[str, ...] = ()
        with self._journal.writing() as tx:
            row = tx.execute(sa.select(opt_outs).where(_O.id == opt_out_id)).first()
            if row is None:
                raise NotFoundError("there is no such request")
            if row.state != "received":
                raise ConflictError(f"the request is {row.state} already")
            if yes:
                self._set(tx, row, "approved", actor.user_id)
            elif self._stands(tx, row.subject_id):
                why = "the new photos were not surely of you"
                photos = self._close(tx, row, "listed", actor.user_id, why)
            else:
                photos = self._close(tx, row, "declined", actor.user_id)
                self._forget(tx, row)
        self._vault.drop(photos)

    def approved(self) -> tuple[str, ...]:
        """Requests whose template the worker is to make, the oldest first."""
        chosen = sa.select(_O.id).where(_O.state == "approved").order_by(_O.received_at)
        with self._journal.database.read() as tx:
            return tuple(tx.execute(chosen).scalars().all())

    def enrol(self, opt_out_id: str, face: FaceGate) -> None:
        """The worker's part: make the template of an approved request, or decline it where its
        photos will not do. One that was left meanwhile stays as it was left."""
        with self._journal.database.read() as tx:
            photos = self._photos(tx, opt_out_id)
        template, problem = None, ""
        try:
            template = face.enrol([self._vault.get(digest) for digest in photos], 1)
        except (FaceError, NotFoundError) as error:
            problem = str(error)[:500]
        with self._journal.writing() as tx:
            row = tx.execute(
                sa.select(opt_outs).where(_O.id == opt_out_id, _O.state == "approved")
                .with_for_update()
            ).first()  # fmt: skip
            if row is None:
                return
            if template is None:
                state = "listed" if self._stands(tx, row.subject_id) else "declined"
                self._close(tx, row, state, SYSTEM, problem)
            else:
                tx.execute(never_me.delete().where(never_me.c.subject_id == row.subject_id))
                self._likenesses.list_never_me(tx, row.subject_id, template)
                self._close(tx, row, "listed", SYSTEM)
        self._vault.drop(photos)

    def forget(self, before: datetime) -> int:
        """Forget who asked, of requests whose photos would not do before then. How many."""
        due = (
            sa.select(opt_outs)
            .join(subjects, subjects.c.id == _O.subject_id)
            .where(_O.state == "declined", _O.decided_at < before, subjects.c.erased_at.is_(None))
        )
        with self._journal.writing() as tx:
            rows = tx.execute(due).all()
            for row in rows:
                self._forget(tx, row)
        return len(rows)

    # -------------------------------------------------------------------------------------------

    def _check_photos(self, photos: Sequence[bytes]) -> None:
        if not 1 <= len(photos) <= MOST_PHOTOS:
            raise InputError(f"add 1 to {MOST_PHOTOS} photos")
        for photo in photos:
            self._vault.check("photo", photo)
            picture_size(photo)

    @staticmethod
    def _asked(tx: sa.Connection, subject_id: str) -> datetime | None:
        """When this person was asked to renew their entry."""
        asked = never_me.c.renewal_asked_at
        found: datetime | None = tx.execute(
            sa.select(asked).where(never_me.c.subject_id == subject_id, asked.is_not(None))
        ).scalar()
        return found

    @staticmethod
    def _stands(tx: sa.Connection, subject_id: str) -> bool:
        """Is this person on the list? What they send then is a renewal, whatever became of the
        asking: no answer to it takes them off."""
        listed = sa.select(never_me.c.id).where(never_me.c.subject_id == subject_id)
        return tx.execute(listed.limit(1)).first() is not None

    def _outdated(self, tx: sa.Connection, row: Any) -> Outdated:
        contact = self._subjects.contact(tx, row.subject_id)
        return Outdated(
            entry_id=row.id,
            opt_out_id=row.opt_out or "",
            name=self._subjects.name(tx, row.subject_id),
            contact=contact,
            written=is_mail(contact),
            model=row.model,
            added_at=row.added_at,
            asked_at=row.renewal_asked_at,
        )

    def _crowded(self, source: str) -> bool:
        """Do too many wait? Raises ConflictError when one address asked too often today."""
        since = self._journal.clock() - timedelta(days=1)
        count = sa.select(sa.func.count()).select_from(opt_outs)
        with self._journal.database.read() as tx:
            waiting = int(tx.execute(count.where(_O.state == "received")).scalar_one())
            mine = 0
            if source:
                one = count.where(_O.received_at > since,
                                  _O.source == self._journal.source(source))  # fmt: skip
                mine = int(tx.execute(one).scalar_one())
        if mine >= A_DAY:
            raise ConflictError("too many requests came today; write to the contact below instead")
        return waiting >= WAITING

    def _referred(self, tx: sa.Connection, reference: str) -> Any:
        chosen = sa.select(opt_outs).where(_O.token_sha256 == token_digest(reference))
        row = tx.execute(chosen).first()
        if row is None or row.state == "removed":
            raise LinkError("this address leads nowhere; it may have been erased")
        return row

    def _photos(self, tx: sa.Connection, opt_out_id: str) -> tuple[str, ...]:
        chosen = sa.select(_P.sha256).where(_P.opt_out_id == opt_out_id).order_by(_P.sha256)
        return tuple(tx.execute(chosen).scalars().all())

    def _set(self, tx: sa.Connection, row: Any, state: str, who: str, problem: str = "") -> None:
        tx.execute(
            opt_outs.update().where(_O.id == row.id).values(
                state=state, problem=problem, decided_at=self._journal.clock(), decided_by=who
            )
        )  # fmt: skip
        self._log(tx, Kind.OPT_OUT_CLOSED, who, row.subject_id, state)

    def _close(
        self, tx: sa.Connection, row: Any, state: str, who: str, problem: str = ""
    ) -> tuple[str, ...]:
        """End it; the photos to be dropped after the commit."""
        photos = self._photos(tx, row.id)
        tx.execute(opt_out_photos.delete().where(_P.opt_out_id == row.id))
        self._set(tx, row, state, who, problem)
        return photos

    def _forget(self, tx: sa.Connection, row: Any) -> None:
        tx.execute(never_me.delete().where(never_me.c.subject_id == row.subject_id))
        self._subjects.erase(tx, row.subject_id)
        self._journal.log.erase_subject(tx, row.subject_id)

    def _view(self, tx: sa.Connection, row: Any) -> OptOut:
        return OptOut(
            opt_out_id=row.id,
            state=row.state,
            name=self._subjects.name(tx, row.subject_id),
            contact=self._subjects.contact(tx, row.subject_id),
            photos=self._photos(tx, row.id),
            problem=row.problem,
            received_at=row.received_at,
            decided_at=row.decided_at,
            renewal_asked_at=self._asked(tx, row.subject_id),
        )

    def _log(self, tx: sa.Connection, kind: Kind, actor: str, subject: str, why: str = "") -> None:
        entry = self._journal.event(
            kind, actor, subject=subject, out=Outcome.OK, why=(why,) if why else ()
        )
        self._journal.append(tx, entry)
