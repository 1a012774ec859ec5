"""Logbook: the log as people read it: search, show, prove, verify, export. Every read is logged.

Checkpoints and proofs are public: they say nothing about anybody.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit import canonical, inspection, query, store
from primafacie.audit.bundle import export_bundle
from primafacie.audit.canonical import Json
from primafacie.audit.checkpoint import Checkpoint, parse_checkpoint
from primafacie.audit.entry import Kind, Leaf, format_time
from primafacie.audit.errors import AuditError, ErasedError, QueryError, StoreError
from primafacie.audit.log import Log
from primafacie.audit.merkle import leaf_hash
from primafacie.audit.replay import BundleReport
from primafacie.audit.tables import log_index
from primafacie.platform.accounts import Account, access_told
from primafacie.platform.errors import InputError, NotFoundError, UnavailableError
from primafacie.platform.journal import Journal
from primafacie.platform.likenesses import last_told
from primafacie.platform.queue import answered
from primafacie.platform.tables import consents, matches, users
from primafacie.safeguards.consent import ConsentState

READERS: Final = ("auditor", "reviewer", "admin")
PAYLOADS: Final = ("auditor", "admin")
PAGE: Final = 200
AWAY: Final = "the signer's book is not on this machine: not compared (name it in signer_book)"


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """One leaf as people read it. actor, subject: pseudonyms. actor_id: the account behind the
    actor, "" where it is none or was erased. payload: None where there is none, it was erased, or
    the reader may not see it."""

    index: int
    kind: str
    at: datetime
    rid: str
    actor: str
    actor_id: str
    subject: str
    out: str
    why: tuple[str, ...]
    facts: Mapping[str, str | int]
    payload: Mapping[str, Json] | None
    payload_erased: bool
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """The newest entries first. as_of: the size of the log that was searched."""

    entries: tuple[LoggedEntry, ...]
    next_before: int | None
    as_of: int


@dataclass(frozen=True, slots=True)
class LogReport:
    """What reading the whole log again showed. report: None when it broke off. not_compared: what
    could not be looked at from here, and is no finding."""

    ok: bool
    size: int
    problems: tuple[str, ...]
    seconds: float
    report: BundleReport | None
    not_compared: tuple[str, ...] = ()


class Logbook:
    """Reads the log of one installation."""

    def __init__(
        self, journal: Journal, ledger: Path, signatures: Sequence[Path], elsewhere: bool = False
    ) -> None:
        """The studio's own book of spent permits and the signer's books of claims, which the log is
        compared with. elsewhere: the signer may keep its book where this process has none."""
        self._journal, self._ledger, self._signatures = journal, ledger, tuple(signatures)
        self._elsewhere = elsewhere

    def query(
        self, actor: Account, text: str, *, before: int | None = None, limit: int = 50,
        size: int | None = None,
    ) -> LogPage:  # fmt: skip
        """Search; see audit/query.py for the language. Raises InputError naming the bad word."""
        actor.require(*READERS)
        self._read(actor, "search", {"query": text[:1000]})
        with self._journal.database.read() as tx:
            try:
                page = query.search(
                    tx, self._journal.log, text, before=before, limit=limit, size=size
                )
            except QueryError as error:
                raise InputError(str(error)) from error
            people = self._people(tx)
            entries = tuple(self._entry(tx, row.seq, people, actor) for row in page.rows)
        return LogPage(entries, page.before, page.size)

    def facets(self, actor: Account, text: str) -> dict[str, dict[str, int]]:
        """Field -> value -> how many entries of the search."""
        actor.require(*READERS)
        self._read(actor, "facets", {"query": text[:1000]})
        with self._journal.database.read() as tx:
            try:
                found = query.facets(tx, self._journal.log, text)
            except QueryError as error:
                raise InputError(str(error)) from error
        return {name: dict(values) for name, values in found.items()}

    def days(self, actor: Account, text: str) -> tuple[tuple[Any, int], ...]:
        """(day, entries) of the search, rising."""
        actor.require(*READERS)
        self._read(actor, "days", {"query": text[:1000]})
        with self._journal.database.read() as tx:
            try:
                return query.days(tx, self._journal.log, text)
            except QueryError as error:
                raise InputError(str(error)) from error

    def show(self, actor: Account, index: int) -> LoggedEntry:
        """One entry. Raises NotFoundError."""
        actor.require(*READERS)
        self._read(actor, "entry", {"index": index})
        with self._journal.database.read() as tx:
            try:
                return self._entry(tx, index, self._people(tx), actor)
            except StoreError as error:
                raise NotFoundError("the log has no such entry") from error

    def prove(self, actor: Account | None, index: int) -> str:
        """The tlog-proof of an entry: text that verifies offline."""
        try:
            return self._journal.proof_of(index)
        except AuditError as error:
            raise NotFoundError("the log has no such entry") from error

    def leaf(self, actor: Account, index: int) -> bytes:
        """The bytes of an entry, for whoever wants to check a proof."""
        actor.require(*READERS)
        self._read(actor, "leaf", {"index": index})
        with self._journal.database.read() as tx:
            try:
                return self._journal.log.leaf_bytes(tx, index)
            except StoreError as error:
                raise NotFoundError("the log has no such entry") from error

    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint, public; signs the first one if there is none."""
        with self._journal.database.read() as tx:
            found = self._journal.log.checkpoint(tx)
        return found if found is not None else self._journal.publish()

    def history(self, limit: int = 20) -> tuple[Checkpoint, ...]:
        """The newest checkpoints, newest first, public."""
        with self._journal.database.read() as tx:
            notes = [note for _, note in store.checkpoints(tx)]
        return tuple(parse_checkpoint(note) for note in reversed(notes[-limit:]))

    def verify(self, actor: Account | None) -> LogReport:
        """Read the whole log again and compare everything stored beside it, what is remembered of
        it outside the database, and the books of studio and signer."""
        if actor is not None:
            actor.require(*READERS)
            self._read(actor, "verify", {})
        begun, log = time.monotonic(), self._journal.log
        try:
            with self._journal.database.read() as tx:
                report = inspection.verify_log(tx, log, log.vkeys)
                books = tuple(_compare_books(tx, log, self._ledger, self._claims()))
            self._journal.follow()
        except (AuditError, UnavailableError, OSError, ValueError) as error:
            return LogReport(False, 0, (str(error),), time.monotonic() - begun, None)
        problems = (*(f"leaf {f.index}: {f.sentence}" for f in report.findings), *books)
        missed = () if self._signer_kept_one() else (AWAY,)
        seconds = time.monotonic() - begun
        return LogReport(not problems, report.size, problems, seconds, report, missed)

    def export(self, actor: Account, first: int, last: int) -> Iterator[bytes]:
        """Entries first..last as JSON lines. The export is logged before the first byte leaves."""
        actor.require(*READERS)
        self._journal.record(
            self._journal.event(
                Kind.LOG_EXPORTED, actor.user_id, facts=(("first", first), ("last", last))
            )
        )
        return self._lines(actor, first, last)

    def bundle(self, actor: Account | None, path: Path) -> int:
        """Write the whole log to one file that verifies offline; the index of the export's leaf."""
        if actor is not None:
            actor.require(*READERS)
        receipt = export_bundle(
            self._journal.database.engine,
            self._journal.log,
            path,
            self._journal.clock(),
            actor=actor.user_id if actor else "operator",
        )
        return receipt.index

    # -------------------------------------------------------------------------------------------

    def _signer_kept_one(self) -> bool:
        """Is the signer's book one that must be here? A book that is gone is a finding; one that
        another machine or another user keeps for itself is none."""
        return not self._elsewhere or any(book.exists() for book in self._signatures)

    def _claims(self) -> list[dict[str, str]] | None:
        """What the signer wrote down; None where its book is not ours to have."""
        if not self._signer_kept_one():
            return None
        return [json.loads(line) for book in self._signatures for line in _lines_of(book)]

    def _lines(self, actor: Account, first: int, last: int) -> Iterator[bytes]:
        with self._journal.database.read() as tx:
            stop = min(last + 1, self._journal.log.size(tx))
        for start in range(max(0, first), stop, PAGE):
            end = min(stop, start + PAGE)
            with self._journal.database.read() as tx:
                people = self._people(tx)
                page = [self._entry(tx, index, people, actor) for index in range(start, end)]
            for entry in page:
                yield entry_json(entry) + b"\n"

    def _entry(
        self, tx: sa.Connection, index: int, people: Mapping[str, str], actor: Account
    ) -> LoggedEntry:
        log = self._journal.log
        leaf, erased, payload = log.leaf(tx, index), False, None
        if actor.has(*PAYLOADS):
            try:
                payload = log.payload(tx, index)
            except ErasedError:
                erased = True
        return LoggedEntry(
            index=index,
            kind=leaf.kind.value,
            at=leaf.at,
            rid=leaf.rid,
            actor=leaf.actor,
            actor_id=people.get(leaf.actor, ""),
            subject=leaf.subject,
            out=leaf.out.value,
            why=leaf.why,
            facts=dict(leaf.facts),
            payload=payload,
            payload_erased=erased,
            leaf_hash=leaf_hash(log.leaf_bytes(tx, index)).hex(),
        )

    def _people(self, tx: sa.Connection) -> dict[str, str]:
        """Pseudonym -> account, for the accounts there are."""
        log = self._journal.log
        ids = [*tx.execute(sa.select(users.c.id)).scalars(), "operator", "system"]
        known = ((log.pseudonym(tx, one, "actor"), one) for one in ids)
        return {name: one for name, one in known if name}

    def _read(self, actor: Account, what: str, payload: dict[str, Json]) -> None:
        self._journal.record(
            self._journal.event(Kind.LOG_READ, actor.user_id, why=(what,), payload=payload)
        )


def _compare_books(
    tx: sa.Connection, log: Log, ledger: Path, claims: list[dict[str, str]] | None
) -> Iterator[str]:
    """Double entry: what studio and signer wrote down by themselves stands in the log as well, and
    every video that was released was made on a permit the studio spent, once."""
    issued = {
        dict(leaf.facts).get("nonce"): leaf.rid for leaf in _leaves(tx, log, Kind.PERMIT_ISSUED)
    }
    signed = {dict(leaf.facts).get("tbs_sha256") for leaf in _leaves(tx, log, Kind.SIGNATURE_MADE)}
    spent = Counter(line.partition(" ")[2] for line in _lines_of(ledger))
    made = {issued[nonce] for nonce in spent if nonce in issued}
    for nonce, times in sorted(spent.items()):
        if nonce not in issued:
            yield f"the studio spent a permit the log does not know: {nonce}"
        if times > 1:
            yield f"the studio spent a permit twice: {nonce}"
    booked = {claim["rid"] for claim in claims or []}
    for leaf in _leaves(tx, log, Kind.OUTPUT_RELEASED):
        if leaf.rid not in made:
            yield f"released, but the studio made nothing for it: {leaf.rid}"
        if claims is not None and leaf.rid not in booked:
            yield f"released, but the signer signed nothing for it: {leaf.rid}"
    for claim in claims or []:
        if claim["sha256"] not in signed:
            yield f"the signer signed a claim the log does not know: {claim['sha256']}"
    for row in tx.execute(sa.select(consents)).all():
        told = last_told(tx, log, row.subject_id) or (0, ConsentState.DRAFT)
        if row.state != ConsentState.ERASED and told != (row.epoch, row.state):
            yield f"the state of consent {row.id} is not the one the log was told last"
    for row in tx.execute(sa.select(users).where(users.c.approved_until.is_not(None))).all():
        if row.active and not access_told(tx, log, row.id, row.approved_until):
            yield f"access of account {row.id} is not what the log was told last"
    for row in tx.execute(sa.select(matches).where(matches.c.state == "confirmed")).all():
        if not answered(tx, log, row):
            yield f"a face is confirmed that nobody confirmed in the log: {row.rid}"


def _lines_of(book: Path) -> list[str]:
    return book.read_text("ascii").splitlines() if book.exists() else []


def _leaves(tx: sa.Connection, log: Log, kind: Kind) -> Iterator[Leaf]:
    """Every leaf of this kind."""
    which = sa.select(log_index.c.seq).where(log_index.c.kind == kind.value)
    return (log.leaf(tx, seq) for seq in tx.execute(which).scalars().all())


def entry_json(entry: LoggedEntry) -> bytes:
    """The entry as one canonical JSON object."""
    return canonical.encode(
        {
            "index": entry.index,
            "kind": entry.kind,
            "at": format_time(entry.at),
            "rid": entry.rid,
            "actor": entry.actor,
            "subject": entry.subject,
            "out": entry.out,
            "why": list(entry.why),
            "facts": dict(entry.facts),
            "payload": dict(entry.payload) if entry.payload is not None else None,
            "payload_erased": entry.payload_erased,
            "leaf_hash": entry.leaf_hash,
        }
    )
