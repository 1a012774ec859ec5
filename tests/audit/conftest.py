"""A log of its own for every test: real database file, real keys, a clock that ticks by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit import store
from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.audit.log import Log, Receipt
from primafacie.audit.note import Algorithm, NoteSigner
from primafacie.audit.vault import LogSecrets

ORIGIN = "log.example/primafacie"


@dataclass
class Clock:
    """Starts in the evening of a November day and moves a millisecond at every look."""

    now: datetime = datetime(2026, 11, 24, 21, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class Room:
    """A log with its database, and short words for what tests do with it."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    seed: bytes = b"\x01" * 32

    def __post_init__(self) -> None:
        self.signer = NoteSigner.from_seed(ORIGIN, self.seed)
        self.log = Log(ORIGIN, self.signer, LogSecrets.derive(b"\x02" * 32), self.clock)
        self.engine = store.open_sqlite(self.path)
        with self.engine.begin() as tx:
            store.create_tables(tx)

    @property
    def vkeys(self) -> tuple[str, ...]:
        return self.log.vkeys

    def entry(self, kind: Kind = Kind.HTTP_REQUEST, rid: str = "r0", **rest: Any) -> LogEntry:
        return LogEntry(kind, rid, rest.pop("at", self.clock()), **rest)

    def append(self, kind: Kind = Kind.HTTP_REQUEST, rid: str = "r0", **rest: Any) -> Receipt:
        with self.engine.begin() as tx:
            return self.log.append(tx, self.entry(kind, rid, **rest))

    def fill(self, many: int) -> None:
        with self.engine.begin() as tx:
            self.log.append_many(tx, [self.entry(rid=f"fill{i}") for i in range(many)])

    def released(self, rid: str, subject: str = "subject-1", actor: str = "actor-1") -> None:
        """The leaves of a request that went the whole road."""
        who = {"subject": subject, "actor": actor}
        self.append(Kind.REQUEST_RECEIVED, rid, payload={"script": f"text of {rid}"}, **who)
        self.append(Kind.DECISION_GENERATE, rid, out=Outcome.ALLOW, why=("base",), **who)
        self.append(Kind.PERMIT_ISSUED, rid, **who)
        self.append(Kind.GENERATION_STARTED, rid)
        self.append(Kind.DECISION_RELEASE, rid, out=Outcome.ALLOW, **who)
        self.append(Kind.OUTPUT_RELEASED, rid, facts=(("asset", 7 << 50),), **who)

    def refused(self, rid: str, subject: str = "subject-1", actor: str = "actor-1") -> None:
        who = {"subject": subject, "actor": actor}
        self.append(Kind.REQUEST_RECEIVED, rid, **who)
        self.append(Kind.DECISION_GENERATE, rid, out=Outcome.DENY, why=("quota",), **who)
        self.append(Kind.DECISION_REFUSED, rid, out=Outcome.DENY, why=("quota",), **who)

    def publish(self) -> Any:
        with self.engine.begin() as tx:
            return self.log.publish(tx)

    def prove(self, index: int) -> str:
        with self.engine.begin() as tx:
            return self.log.prove(tx, index)

    def read(self, do: Callable[[Any], Any]) -> Any:
        with self.engine.begin() as tx:
            return do(tx)

    def hack(self, *statements: str) -> None:
        """Change the database as its owner can: triggers dropped first."""
        from primafacie.audit.tables import drop_append_only_ddl

        with self.engine.begin() as tx:
            for statement in (*drop_append_only_ddl("sqlite"), *statements):
                tx.exec_driver_sql(statement)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "log.db")
    yield made
    made.engine.dispose()


@pytest.fixture
def witness_signer() -> NoteSigner:
    return NoteSigner.from_seed("witness.example/w1", b"\x03" * 32, Algorithm.ML_DSA_44)


@pytest.fixture
def new_room(tmp_path: Path) -> Iterator[Callable[..., Room]]:
    """Makes further rooms with the same keys: what a forger with the log's key can build."""
    made: list[Room] = []

    def make(name: str = "other.db", **rest: Any) -> Room:
        made.append(Room(tmp_path / name, **rest))
        return made[-1]

    yield make
    for one in made:
        one.engine.dispose()
