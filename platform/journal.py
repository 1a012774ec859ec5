"""Journal: the only hand that writes to the log on the platform's side.

State and entry go into ONE transaction: `with journal.writing() as tx: change rows; journal.append
(tx, entry)`. What the log cannot take is not done: AuditError and database trouble come out as
UnavailableError, after the rollback.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from primafacie.audit.canonical import Json
from primafacie.audit.checkpoint import Checkpoint
from primafacie.audit.entry import Kind, Leaf, LogEntry, Outcome
from primafacie.audit.errors import AuditError, NotPublished
from primafacie.audit.log import Log, Receipt
from primafacie.audit.memory import Memory
from primafacie.audit.tables import log_index
from primafacie.platform.clock import Clock, now
from primafacie.platform.database import Database
from primafacie.platform.errors import PlatformError, UnavailableError
from primafacie.platform.source import network
from primafacie.platform.tables import request_entries, requests

ROOM: Final = 32 * 1024 * 1024  # bytes that must be free on the disk for the log to count as ready
OPERATOR: Final = "operator"  # whoever has a shell on the machine
SYSTEM: Final = "system"  # the clock: expiry, sweeps
_TURNED: Final = "primafacie_turned"

#: What an older copy of the database must not undo, beside every turn of a consent.
_LASTING: Final = frozenset(
    {
        Kind.OUTPUT_QUARANTINED, Kind.TAKEDOWN_RECEIVED, Kind.TAKEDOWN_CLOSED,
        Kind.OPT_OUT_RECEIVED, Kind.OPT_OUT_CLOSED, Kind.ERASURE_DONE, Kind.PHOTO_REMOVED,
        Kind.KEY_ROTATED, Kind.CERTIFICATE_REVOKED, Kind.POLICY_ACTIVATED, Kind.USER_CHANGED,
        Kind.USER_SUSPENDED, Kind.PROJECT_CHANGED, Kind.PROJECT_CLOSED, Kind.MATCH_ANSWERED,
    }
)  # fmt: skip


_LOGGER: Final = logging.getLogger(__name__)


class _Rehearsal(Exception):
    """Ends a transaction that was never meant to commit."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The log, the database it stands in, what is remembered of it, and the clock of them all."""

    database: Database
    log: Log = field(repr=False)
    memory: Memory = field(repr=False)
    folder: Path
    source_key: bytes = field(repr=False)
    clock: Clock = now

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A write transaction. Raises UnavailableError when the log or database cannot take it.

        Where a consent turned, or something else that must last, the log is signed at once: the
        memory must know of it before an older copy of the database can be put in its place.
        """
        turned = False
        try:
            with self.database.write() as tx:
                try:
                    yield tx
                finally:
                    turned = tx.info.pop(_TURNED, False)
        except AuditError as error:
            raise UnavailableError(f"this cannot be logged now: {error}") from error
        if turned:
            try:
                self.publish()
            except UnavailableError as error:  # what was done is done: whoever did it is told so
                _LOGGER.error("not signed, and nothing is made until it is: %s", error)

    def append(self, tx: sa.Connection, entry: LogEntry) -> Receipt:
        """Append the entry in the caller's transaction, and note it on its request's page."""
        receipt = self.log.append(tx, entry)
        if entry.kind in _LASTING or entry.kind.value.startswith("consent."):
            tx.info[_TURNED] = True
        known = sa.exists().where(requests.c.id == entry.rid)
        tx.execute(
            request_entries.insert().from_select(
                ["rid", "log_index", "kind", "at"],
                sa.select(
                    sa.literal(entry.rid),
                    sa.literal(receipt.index, sa.BigInteger),
                    sa.literal(entry.kind.value),
                    sa.literal(self.clock(), request_entries.c.at.type),
                ).where(known),
            )
        )
        return receipt

    def record(self, entry: LogEntry) -> Receipt:
        """Append one entry in a transaction of its own; durable when this returns."""
        with self.writing() as tx:
            return self.append(tx, entry)

    def note(self, kind: Kind, part: str) -> None:
        """Say that a part of the platform started or stopped. What cannot be said keeps no part
        from its work: what a withdrawal demands must be done, and no video is made meanwhile."""
        facts = (("part", part), ("version", version("primafacie")))
        try:
            self.record(self.event(kind, SYSTEM, facts=facts))
        except UnavailableError as error:
            _LOGGER.error("the log does not know that the %s %s: %s", part, kind.value, error)

    def prove(self, receipt: Receipt) -> str:
        """The tlog-proof of a committed entry, under a checkpoint signed now or before."""
        return self.proof_of(receipt.index)

    def proof_of(self, index: int) -> str:
        """The tlog-proof of the leaf at `index`. Publishes a checkpoint when none covers it."""
        try:
            with self.database.read() as tx:
                return self.log.prove(tx, index)
        except NotPublished:
            self.publish()
        with self.database.read() as tx:
            return self.log.prove(tx, index)

    def publish(self) -> Checkpoint:
        """Sign the log as it stands; the newest checkpoint when nothing was added since."""
        with self.writing() as tx:
            signed = self.log.publish(tx)
        self.follow()
        return signed

    def follow(self) -> None:
        """Compare the log with what is remembered of it outside the database, and remember more.

        Raises UnavailableError when the database is an older copy, or cannot be compared.
        """
        try:
            self.memory.follow(self.database.read, self.log)
        except (AuditError, OSError) as error:
            raise UnavailableError(
                f"the database is not the one that was signed: {error}"
            ) from error

    def ready(self) -> bool:
        """Can an entry be written now, into the newest database? See `follow` and `writable`."""
        try:
            self.follow()
        except (PlatformError, sa.exc.SQLAlchemyError):
            return False
        return self.writable()

    def writable(self) -> bool:
        """Can an entry be written now? Tried with a real one, which is then rolled back."""
        try:
            if shutil.disk_usage(self.folder).free < ROOM:
                return False
            with self.database.write() as tx:
                self.log.append(tx, self.event(Kind.SERVICE_STARTED, SYSTEM))
                raise _Rehearsal
        except _Rehearsal:
            return True
        except (AuditError, PlatformError, OSError, sa.exc.SQLAlchemyError):
            return False

    def event(
        self,
        kind: Kind,
        actor: str,
        *,
        rid: str = "",
        subject: str = "",
        out: Outcome = Outcome.OK,
        why: Sequence[str] = (),
        facts: Sequence[tuple[str, str | int]] = (),
        payload: Mapping[str, Json] | None = None,
    ) -> LogEntry:
        """An entry at this moment; one that belongs to no request gets a fresh rid."""
        return LogEntry(
            kind=kind,
            rid=rid or uuid.uuid4().hex,
            at=self.clock(),
            actor=actor,
            subject=subject,
            out=out,
            why=tuple(why),
            facts=tuple(sorted(facts)),
            payload=payload,
        )

    def source(self, address: str) -> str:
        """A network address as the log keeps it: keyed, and under another key every day."""
        if not address:
            return ""
        day = self.clock().date().isoformat()
        mac = hmac.new(self.source_key, f"{day}\0{network(address)}".encode(), hashlib.sha256)
        return mac.hexdigest()[:16]


def told_of(tx: sa.Connection, log: Log, person: str, kinds: str) -> Iterator[Leaf]:
    """What the log was told of this person as a subject, newest first; kinds: how they begin."""
    told = sa.select(log_index.c.seq).where(
        log_index.c.subject == (log.pseudonym(tx, person, "subject") or "-"),
        log_index.c.kind.startswith(kinds),
    )
    for seq in tx.execute(told.order_by(log_index.c.seq.desc())).scalars():
        yield log.leaf(tx, seq)
