"""Notifications: sending what the outbox holds, by mail and by webhook.

A message says what happened and where to look; it carries no token, no picture, no template and
nothing about the video's content. What cannot be sent is tried again, ever more seldom, for three
days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from datetime import timedelta
from email.message import EmailMessage
from typing import Any, Final

import sqlalchemy as sa
import structlog

from primafacie.platform import mail
from primafacie.platform.clock import rfc3339
from primafacie.platform.errors import InputError, UnavailableError
from primafacie.platform.journal import Journal
from primafacie.platform.mail import mail_folder, post
from primafacie.platform.outbox import EVENTS, MAIL, forget_unfetched, tell
from primafacie.platform.settings import Settings
from primafacie.platform.subjects import Subjects
from primafacie.platform.tables import consents, outbox
from primafacie.platform.webhook import send

FIRST_WAIT: Final = timedelta(minutes=1)  # doubled with every attempt
ATTEMPTS: Final = 12  # about three days
KEPT: Final = timedelta(days=30)  # how long a row of what was sent stays
SOON: Final = timedelta(days=30)
AT_ONCE: Final = 10
EACH: Final = 4  # of them for one person: a slow address must not keep the others waiting
_O = outbox.c
_log = structlog.get_logger("notifications")
Post = Callable[[str, bytes, dict[str, Any]], None]


class Notifications:
    """Sends. One worker at a time: a row is taken under the write lock before it is sent."""

    def __init__(
        self, journal: Journal, subjects: Subjects, settings: Settings, post: Post = send
    ) -> None:
        self._journal, self._subjects, self._settings, self._post = (
            journal, subjects, settings, post,
        )  # fmt: skip
        self.folder = mail_folder(settings)

    def deliver(self, over: Callable[[], bool] = lambda: False) -> int:
        """Send what is due, until `over` says so; how much was sent. A row is put off before it is
        sent, so that two workers do not send it twice; after a crash in between it is sent again,
        never lost. Whatever goes wrong with one row, the others are sent."""
        sent, taken = 0, Counter[str]()
        for _ in range(AT_ONCE):
            row = None if over() else self._take([who for who, n in taken.items() if n >= EACH])
            if row is None:
                break
            taken[row.subject_id] += 1
            try:
                self._send(row)
            except Exception as error:  # the address is a stranger's choice
                _log.warning("not delivered", about=row.event, channel=row.channel,
                             attempt=row.attempts, error=type(error).__name__)  # fmt: skip
                continue
            self._done(row)
            sent += 1
        return sent

    def remind(self) -> int:
        """Have everybody told, once, whose consent ends within 30 days. Returns how many."""
        now = self._journal.clock()
        told = sa.select(_O.consent_id).where(_O.event == "consent.ends_soon")
        due = sa.select(consents.c.id, consents.c.subject_id).where(
            consents.c.state.in_(("active", "suspended")),
            consents.c.not_after.is_not(None),
            consents.c.not_after <= now + SOON,
            consents.c.not_after > now,
            consents.c.created_at <= now - SOON,  # of a short one they were told when they signed
            consents.c.id.not_in(told),
        )
        with self._journal.writing() as tx:
            rows = tx.execute(due).all()
            for row in rows:
                tell(tx, row.subject_id, row.id, "consent.ends_soon", now)
        return len(rows)

    def forget(self) -> int:
        """Delete rows of what was sent, or given up, more than 30 days ago. A reminder's stays as
        long as its consent."""
        before = self._journal.clock() - KEPT
        old = sa.and_(_O.created_at < before, _O.event != "consent.ends_soon")
        with self._journal.writing() as tx:
            rows = int(tx.execute(outbox.delete().where(old)).rowcount)
        return rows + forget_unfetched(self.folder, before)

    # -------------------------------------------------------------------------------------------

    def _take(self, without: Collection[str]) -> Any:
        now = self._journal.clock()
        due = (
            sa.select(outbox)
            .where(_O.sent_at.is_(None), _O.due_at <= now, _O.attempts < ATTEMPTS)
            .where(_O.subject_id.not_in(without))
            .order_by(_O.due_at, _O.id)
            .limit(1)
        )
        with self._journal.database.read() as tx:
            if tx.execute(due).first() is None:
                return None
        with self._journal.writing() as tx:
            row = tx.execute(due.with_for_update(skip_locked=True)).first()
            if row is not None:
                tx.execute(
                    outbox.update().where(_O.id == row.id).values(
                        attempts=row.attempts + 1, due_at=now + FIRST_WAIT * 2**row.attempts
                    )
                )  # fmt: skip
        return row

    def _done(self, row: Any) -> None:
        with self._journal.writing() as tx:
            tx.execute(outbox.update().where(_O.id == row.id).values(sent_at=self._journal.clock()))

    def _send(self, row: Any) -> None:
        if row.channel == MAIL:
            with self._journal.database.read() as tx:
                contact = self._subjects.contact(tx, row.subject_id)
            if is_mail(contact):
                post(self._settings, letter(self._settings, contact, row))
            return
        with self._journal.database.read() as tx:
            url, secret = self._subjects.hook(tx, row.subject_id)
        if url:
            try:
                self._post(url, secret, message(self._settings, row))
            except InputError as error:
                raise UnavailableError("the address is not one to be told at") from error


def letter(settings: Settings, contact: str, row: Any) -> EmailMessage:
    """The mail: what happened, to which consent, and that their own page tells the rest."""
    if row.event.startswith("never_me."):
        return _to_the_listed(settings, contact, row)
    return mail.letter(
        settings,
        contact,
        f"About your consent to {_plain(settings.controller)}",
        f"{EVENTS[row.event]}\n\n"
        f"Time: {row.created_at:%Y-%m-%d %H:%M} UTC\n"
        f"Consent: {row.consent_id[:8]}\n\n"
        "Everything about it, every use and every refused attempt, stands on your own page. Its\n"
        "address is on your receipt; for your safety it is not repeated here. There you can also\n"
        "pause, change or withdraw your consent, at any time.\n\n"
        f"{settings.controller}, {settings.controller_contact}\n",
    )


def _to_the_listed(settings: Settings, contact: str, row: Any) -> EmailMessage:
    """To somebody who asked never to be shown, and has no consent here."""
    return mail.letter(
        settings,
        contact,
        f"You asked {_plain(settings.controller)} never to be shown",
        f"{EVENTS[row.event]}\n\n"
        f"Time: {row.created_at:%Y-%m-%d %H:%M} UTC\n\n"
        "The address where you add photos, or leave the list, is the one you were given when you\n"
        "asked; for your safety it is not repeated here. If you no longer have it, ask once more\n"
        f"at {settings.public_url}/never-me.\n\n"
        f"{settings.controller}, {settings.controller_contact}\n",
    )


def message(settings: Settings, row: Any) -> dict[str, Any]:
    """What a webhook gets: the same, for programs. id: the same for every attempt."""
    return {
        "id": row.id,
        "at": rfc3339(row.created_at),
        "event": row.event,
        "consent": row.consent_id,
        "text": EVENTS[row.event],
        "controller": settings.controller,
    }


def is_mail(contact: str) -> bool:
    """Can a mail be sent to this contact? It may be a telephone number as well."""
    name, at, host = contact.strip().rpartition("@")
    plain = contact.isascii() and contact.isprintable() and not set(contact) & set(' ,;<>"()\\:')
    return bool(name and at and "." in host and plain and len(contact) <= 200)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:80]
