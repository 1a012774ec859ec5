"""Outbox: what a subject is to be told, written in the transaction of what it tells of.

A row names an event and a consent, nothing else: no name, no address, no token. What a message
says is put together when it is sent (notifications.py).
"""

from __future__ import annotations

import mailbox
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from primafacie.platform.tables import consents, outbox, subject_hooks

MAIL: Final = "mail"
WEBHOOK: Final = "webhook"
#: What a person is told of, each with the sentence they get.
EVENTS: Final = {
    "output.released": "A video with your face was made.",
    "decision.refused": "Somebody asked for a video with your face, and it was refused.",
    "output.withheld": "A video with your face was made and withheld: nobody has seen it.",
    "consent.captured": "What you signed has arrived. A reviewer looks at it next.",
    "consent.activated": "Your consent is in force.",
    "consent.suspended": "Your consent is paused. No video can be made.",
    "consent.resumed": "Your consent is in force again.",
    "consent.superseded": "Your consent was changed as you signed it.",
    "consent.withdrawn": "Your consent is withdrawn. Nothing more can be made, and what was made "
    "is locked away.",
    "consent.expired": "Your consent has ended.",
    "consent.rejected": "The reviewer did not put your consent in force.",
    "consent.ends_soon": "Your consent ends within 30 days. You need not do anything.",
    "consent.same_person": "A reviewer found that you are also the person of another consent here. "
    "If you are not, say so on your own page.",
    "consent.not_same_person": "A reviewer took back that you are also the person of another "
    "consent here.",
    "complaint.answered": "Your complaint was answered.",
    "photo.offered": "Somebody asks whether another photo of you may be used.",
    "never_me.renew": "The program that recognises faces was changed. What it knows of yours, so "
    "that nobody can show you, was made by the former one, and only that one can still use it. It "
    "goes on doing so. Please add new photos of yourself; then your entry does not depend on it.",
}


def tell(tx: sa.Connection, subject_id: str, consent_id: str, event: str, now: datetime) -> None:
    """Have the subject told of this, in the caller's transaction; by webhook too where they named
    one. Events that are no one's business to be told of are passed over."""
    if event not in EVENTS:
        return
    hook = sa.select(subject_hooks.c.subject_id).where(subject_hooks.c.subject_id == subject_id)
    channels = (MAIL, WEBHOOK) if tx.execute(hook).first() else (MAIL,)
    for channel in channels:
        tx.execute(
            outbox.insert().values(
                id=uuid.uuid4().hex,
                subject_id=subject_id,
                consent_id=consent_id,
                event=event,
                channel=channel,
                attempts=0,
                due_at=now,
                created_at=now,
            )
        )


def unsend(folder: Path, contact: str) -> None:
    """Delete the mails to this contact that nobody has fetched yet."""
    _delete(folder, lambda mail: mail["To"] == contact)


def forget_unfetched(folder: Path, before: datetime) -> int:
    """Delete mails that nobody has fetched since then. Returns how many."""
    return _delete(folder, lambda mail: mail.get_date() < before.timestamp())


def _delete(folder: Path, which: Callable[[mailbox.MaildirMessage], bool]) -> int:
    if not folder.is_dir():
        return 0
    box = mailbox.Maildir(folder)
    gone = [key for key, mail in box.iteritems() if which(mail)]
    for key in gone:
        box.discard(key)
    return len(gone)


def tell_of_request(tx: sa.Connection, consent_id: str, event: str, now: datetime) -> None:
    """The same, for what became of a request; one that names no known consent is nobody's."""
    chosen = sa.select(consents.c.subject_id).where(
        consents.c.id == consent_id, consents.c.state != "erased"
    )
    subject_id = tx.execute(chosen).scalar()
    if subject_id is not None:
        tell(tx, subject_id, consent_id, event, now)
