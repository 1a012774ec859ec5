"""Sessions: who is signed in where. The cookie holds a session's id; the row here decides.

A session ends by signing out, by a new password or new roles (the account's stamp changes), by
twelve hours, and with it every copy of its cookie.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.digest import sha256_hex
from primafacie.platform.accounts import Account
from primafacie.platform.journal import Journal
from primafacie.platform.tables import sessions

LONGEST: Final = timedelta(hours=12)  # whatever the activity


class Sessions:
    """The sessions of one installation. What is kept of an id is its sha256."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def begin(self, account: Account, by_passkey: bool = False) -> str:
        """A fresh session's id, for the cookie. Sessions that ran out are forgotten."""
        text, now = secrets.token_hex(16), self._journal.clock()
        row = {
            "id": sha256_hex(text.encode()),
            "user_id": account.user_id,
            "stamp": account.stamp,
            "began": now,
            "by_passkey": by_passkey,
        }
        with self._journal.writing() as tx:
            tx.execute(sessions.delete().where(sessions.c.began < now - LONGEST))
            tx.execute(sessions.insert().values(row))
        return text

    def stands(self, text: str, account: Account) -> bool:
        """Is this session open, this account's, and begun under its present stamp?"""
        return self._found(text, account) is not None

    def by_passkey(self, text: str, account: Account) -> bool:
        """Does it stand, and did it begin with a passkey?"""
        row = self._found(text, account)
        return row is not None and bool(row.by_passkey)

    def _found(self, text: str, account: Account) -> Any:
        with self._journal.database.read() as tx:
            chosen = sa.select(sessions).where(sessions.c.id == sha256_hex(text.encode()))
            row = tx.execute(chosen).first()
        if row is None or row.began < self._journal.clock() - LONGEST:
            return None
        return row if (row.user_id, row.stamp) == (account.user_id, account.stamp) else None

    def end(self, text: str) -> None:
        """End it, in every browser that holds a copy of the cookie."""
        with self._journal.writing() as tx:
            tx.execute(sessions.delete().where(sessions.c.id == sha256_hex(text.encode())))
