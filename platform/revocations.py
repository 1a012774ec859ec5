"""Revocations: certificates whose signatures count no more, by serial number.

The list is this installation's own and speaks of the certificates its videos were signed under. It
is read from the database at every question, so a revocation shows at once. Of a certificate from
elsewhere the authority that issued it is asked besides, and what it revoked goes onto the list.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from primafacie.audit.entry import Kind
from primafacie.platform.authority import Authority
from primafacie.platform.errors import ConflictError, InputError
from primafacie.platform.journal import SYSTEM, Journal
from primafacie.platform.tables import revoked_certificates

_C = revoked_certificates.c
_SERIAL = re.compile(r"[0-9a-f]{1,40}")


@dataclass(frozen=True, slots=True)
class RevocationList:
    """The examiner's Revocations over SQL."""

    journal: Journal
    authority: Authority | None = None

    def revoked(self, serial: str) -> datetime | None:
        """From when on signatures under this serial number (hex) are worthless; None: in force.

        Raises RevocationError when its authority gives no answer.
        """
        since = self._listed(serial)
        if since is None and self.authority is not None:
            since = self.authority.revoked(serial)
            if since is not None:
                with contextlib.suppress(ConflictError):  # another process was told first
                    self.revoke(SYSTEM, serial, since)
        return since

    def _listed(self, serial: str) -> datetime | None:
        with self.journal.database.read() as tx:
            since: datetime | None = tx.execute(
                sa.select(_C.since).where(_C.serial == serial)
            ).scalar()
        return since

    def revoke(self, actor: str, serial: str, since: datetime) -> None:
        """Revoke from `since` on; logged in the same transaction.

        Raises InputError for what is no serial number, ConflictError when it was revoked before.
        """
        if not _SERIAL.fullmatch(serial):
            raise InputError("name the certificate by its serial number in lower-case hex")
        facts = (("serial", serial), ("since", int(since.timestamp())))
        with self.journal.writing() as tx:
            if tx.execute(sa.select(_C.since).where(_C.serial == serial)).first():
                raise ConflictError("this certificate was revoked before")
            self.journal.append(
                tx, self.journal.event(Kind.CERTIFICATE_REVOKED, actor, facts=facts)
            )
            row = {"serial": serial, "since": since, "noted_at": self.journal.clock()}
            tx.execute(revoked_certificates.insert().values(row))
