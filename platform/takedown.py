"""Takedowns: somebody who has no account says that a video shows them against their will.

What the law asks of such a request (a signature, what it is about, a statement of good faith, how
to reach whoever asks) is what the form asks. A video that is recognised as ours, by its digest, its
credential or its marks, is locked away in the transaction that takes the request in; a person
decides afterwards. So a false request costs a video some hours, never its existence.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.assets import Assets
from primafacie.platform.consent_book import fresh_token, token_digest
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    LinkError,
    NotFoundError,
)
from primafacie.platform.examiner import Examiner
from primafacie.platform.journal import Journal
from primafacie.platform.subjects import Subjects
from primafacie.platform.tables import (
    assets,
    consents,
    project_members,
    projects,
    requests,
    takedowns,
)
from primafacie.safeguards.asset import format_asset_number

A_DAY: Final = 5  # requests from one address
IN_ALL: Final = 500  # requests a day; of more, no file is examined at once
UNEXAMINED: Final = "not examined"
MARK_ALONE: Final = "mark alone"  # the file carries a mark of ours and shows something else
DECIDED_WITHIN: Final = timedelta(hours=48)
COMPLAINANT: Final = "complainant"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_T = takedowns.c


@dataclass(frozen=True, slots=True)
class Plea:
    """What somebody asks, in their own words. signature: the full name, typed as a signature.

    in_good_faith: they state that the video was made or spread without the consent of the person
    shown, and that they are that person or may speak for them.
    """

    name: str
    contact: str
    signature: str
    where_seen: str
    statement: str
    in_good_faith: bool

    def check(self) -> None:
        """Return if it can be taken in; raise InputError naming every problem."""
        problems = [text for broken, text in self._rules() if broken]
        if problems:
            raise InputError("; ".join(problems))

    def _rules(self) -> tuple[tuple[bool, str], ...]:
        texts = (self.name, self.contact, self.signature, self.where_seen, self.statement)
        return (
            (not 1 <= len(self.name.strip()) <= 120, "say who you are, in at most 120 characters"),
            (not 3 <= len(self.contact.strip()) <= 200, "say how you can be reached"),
            (" ".join(self.signature.split()).casefold()
             != " ".join(self.name.split()).casefold(), "sign with your full name, as given above"),
            (not 10 <= len(self.statement.strip()) <= 4000,
             "say in 10 to 4000 characters what the video shows and why it must go"),
            (len(self.where_seen) > 1000, "at most 1000 characters on where you saw it"),
            (not self.in_good_faith, "state that you ask in good faith"),
            (any("\0" in text for text in texts), "a text holds characters that cannot be read"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filed:
    """What comes back. reference: opens the request's own page. asset: the video, "" if unknown."""

    reference: str = field(repr=False)
    asset: str
    found_by: str


@dataclass(frozen=True, slots=True)
class TakedownView:
    """A request as reviewers see it; whoever asked sees it without the words of the decision."""

    takedown_id: str
    state: str
    plea: Plea | None
    file_sha256: str
    asset: str
    found_by: str
    rid: str
    received_at: datetime
    acted_at: datetime | None
    decided_at: datetime | None
    due_at: datetime


class Takedowns:
    """Requests of strangers to have a video removed."""

    def __init__(
        self, journal: Journal, subjects: Subjects, found: Assets, examiner: Examiner
    ) -> None:
        self._journal, self._subjects, self._assets, self._examiner = (
            journal, subjects, found, examiner,
        )  # fmt: skip

    def submit(
        self,
        plea: Plea,
        *,
        data: bytes = b"",
        sha256: str = "",
        source: str = "",
        at_once: bool = True,
    ) -> Filed:
        """Take a request in. data: the file or a copy of it; sha256: its digest, where the file
        cannot be sent. A video of ours is locked away before this returns; where the file cannot
        be examined at once, it must be the very file that was issued here.

        Raises InputError for an incomplete request, ConflictError when too many came from one
        address today. When too many came in all it is taken in, but only its digest is looked up.
        """
        plea.check()
        if not data and not _DIGEST.fullmatch(sha256):
            raise InputError("add the video, or the 64 hexadecimal digits of its SHA-256")
        number, found_by = self._look(data, sha256, source, self._crowded(source) or not at_once)
        digest = sha256_hex(data) if data else sha256
        takedown_id, now = uuid.uuid4().hex, self._journal.clock()
        reference, kept = fresh_token()
        with self._journal.writing() as tx:
            subject_id = self._subjects.add(tx, COMPLAINANT, plea.name.strip(), plea.contact)
            details = json.dumps(asdict(plea), ensure_ascii=False).encode()
            sealed = self._subjects.seal(tx, subject_id, details, f"plea|{takedown_id}")
            tx.execute(
                takedowns.insert().values(
                    id=takedown_id, subject_id=subject_id, token_sha256=kept, state="received",
                    details_ct=sealed, file_sha256=digest, asset_number=number,
                    found_by=found_by, source=self._journal.source(source), received_at=now,
                    acted_at=now if number is not None else None,
                )
            )  # fmt: skip
            self._log(tx, Kind.TAKEDOWN_RECEIVED, subject_id, subject_id, number,
                      why=(found_by or "not_ours",))  # fmt: skip
            if number is not None:
                which = assets.c.asset_number == number
                self._assets.quarantine(tx, which, subject_id, "takedown")
        return Filed(reference, "" if number is None else format_asset_number(number), found_by)

    def status(self, reference: str) -> TakedownView:
        """The request, for whoever made it. Raises LinkError for a reference nobody was given."""
        with self._journal.database.read() as tx:
            chosen = sa.select(takedowns).where(_T.token_sha256 == token_digest(reference))
            row = tx.execute(chosen).first()
            if row is None:
                raise LinkError("this address leads nowhere")
            return self._view(tx, row)

    def listed(self, actor: Account, state: str = "received") -> tuple[TakedownView, ...]:
        """What waits for a person, the oldest first; or what was decided."""
        actor.require("reviewer", "admin")
        chosen = sa.select(takedowns).where(_T.state == state).order_by(_T.received_at).limit(200)
        with self._journal.database.read() as tx:
            return tuple(self._view(tx, row) for row in tx.execute(chosen).all())

    def decide(self, actor: Account, takedown_id: str, uphold: bool, note: str) -> None:
        """Uphold: the video stays locked away and is deleted. Decline: it is handed out again,
        unless its consent has ended or another request still holds it. Raises AccessError for
        whoever asked for the video, its consent's steward and members of its project."""
        actor.require("reviewer", "admin")
        if not note.strip():
            raise InputError("say why")
        with self._journal.writing() as tx:
            row = tx.execute(sa.select(takedowns).where(_T.id == takedown_id)).first()
            if row is None:
                raise NotFoundError("there is no such request")
            if row.state != "received":
                raise ConflictError(f"the request was {row.state} already")
            if actor.user_id in self._partial(tx, row.asset_number):
                raise AccessError("a person who has no part in the video must decide this")
            state = "upheld" if uphold else "declined"
            tx.execute(
                takedowns.update().where(_T.id == takedown_id).values(
                    state=state, decided_at=self._journal.clock(), decided_by=actor.user_id
                )
            )  # fmt: skip
            self._log(
                tx, Kind.TAKEDOWN_CLOSED, actor.user_id, row.subject_id, row.asset_number,
                why=(state,), note=note,
            )  # fmt: skip
            if not uphold and row.asset_number is not None and not self._held(tx, row):
                self._assets.restore(tx, row.asset_number)

    def forget(self, before: datetime) -> int:
        """Forget who asked, of requests decided before then. Returns how many."""
        due = sa.select(takedowns).where(_T.decided_at.is_not(None), _T.decided_at < before)
        with self._journal.writing() as tx:
            rows = [r for r in tx.execute(due).all() if r.details_ct]
            for row in rows:
                tx.execute(takedowns.update().where(_T.id == row.id).values(details_ct=b""))
                self._subjects.erase(tx, row.subject_id)
                self._journal.log.erase_subject(tx, row.subject_id)
        return len(rows)

    # -------------------------------------------------------------------------------------------

    def _crowded(self, source: str) -> bool:
        """Did too many ask today? Raises ConflictError when one address did so too often."""
        since = self._journal.clock() - timedelta(days=1)
        count = sa.select(sa.func.count()).select_from(takedowns).where(_T.received_at > since)
        with self._journal.database.read() as tx:
            everybody = int(tx.execute(count).scalar_one())
            mine = 0
            if source:
                one = count.where(_T.source == self._journal.source(source))
                mine = int(tx.execute(one).scalar_one())
        if mine >= A_DAY:
            raise ConflictError("too many requests came today; write to the contact below instead")
        return everybody >= IN_ALL

    def _look(self, data: bytes, sha256: str, source: str, crowded: bool) -> tuple[int | None, str]:
        """(asset number, how it was found). The file is opened in a child process alone."""
        found = self._assets.by_file(sha256_hex(data) if data else sha256)
        if found is not None:
            return found.asset_number, "file"
        if not data:
            return None, ""
        if crowded:
            return None, UNEXAMINED
        asset = self._examiner.examine(None, data, source=source).asset
        if asset is None:
            return None, ""
        if asset.by not in ("file", "manifest") and not _shows(asset.content_percent):
            return None, MARK_ALONE  # a mark can be moved onto another film
        return asset.asset_number, asset.by[:16]

    @staticmethod
    def _partial(tx: sa.Connection, number: int | None) -> set[str]:
        """Whoever has a part in a video: requester, steward, everybody in its project."""
        chosen = (
            sa.select(
                requests.c.requester, consents.c.steward, projects.c.applicant,
                projects.c.principal, project_members.c.user_id,
            )
            .join(requests, requests.c.id == assets.c.rid)
            .join(consents, consents.c.id == assets.c.consent_id)
            .outerjoin(projects, projects.c.id == requests.c.project_id)
            .outerjoin(project_members, project_members.c.project_id == requests.c.project_id)
            .select_from(assets)
            .where(assets.c.asset_number == number)
        )  # fmt: skip
        return {person for row in tx.execute(chosen) for person in row if person}

    def _held(self, tx: sa.Connection, row: Any) -> bool:
        """Must the video stay locked away for another reason?"""
        others = sa.select(_T.id).where(
            _T.asset_number == row.asset_number, _T.id != row.id,
            _T.state.in_(("received", "upheld")),
        )  # fmt: skip
        ended = self._assets.consent_ended(tx, row.asset_number)
        return ended or tx.execute(others).first() is not None

    def _view(self, tx: sa.Connection, row: Any) -> TakedownView:
        plea = None
        if row.details_ct:
            about = f"plea|{row.id}"
            plain = self._subjects.open(tx, row.subject_id, row.details_ct, about)
            plea = Plea(**json.loads(plain))
        rid = sa.select(assets.c.rid).where(assets.c.asset_number == row.asset_number)
        number = row.asset_number
        return TakedownView(
            takedown_id=row.id,
            state=row.state,
            plea=plea,
            file_sha256=row.file_sha256,
            asset="" if number is None else format_asset_number(number),
            found_by=row.found_by,
            rid=tx.execute(rid).scalar() or "",
            received_at=row.received_at,
            acted_at=row.acted_at,
            decided_at=row.decided_at,
            due_at=row.received_at + DECIDED_WITHIN,
        )

    def _log(
        self,
        tx: sa.Connection,
        kind: Kind,
        actor: str,
        subject: str,
        number: int | None,
        *,
        why: tuple[str, ...],
        note: str = "",
    ) -> None:
        facts = () if number is None else (("asset", format_asset_number(number)),)
        payload = {"note": note[:2000]} if note else None
        entry = self._journal.event(
            kind, actor, subject=subject, out=Outcome.OK, why=why, facts=facts, payload=payload
        )
        self._journal.append(tx, entry)


def _shows(percent: int | None) -> bool:
    """Does the file show what the video showed, by the fingerprint of the content?"""
    from primafacie.safeguards.provenance.fingerprint import THRESHOLD

    return percent is not None and percent >= THRESHOLD * 100
