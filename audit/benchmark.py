"""How fast the log is, beside a bare INSERT into the same database in the same run.

Absolute numbers belong to the machine; the ratios travel. Each figure is taken on a fresh SQLite
file in the folder given, with synchronous=FULL: what is counted is on the disk.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from primafacie.audit import store
from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.audit.inspection import verify_log
from primafacie.audit.log import Log
from primafacie.audit.note import Algorithm, NoteSigner, SignerGroup
from primafacie.audit.proof import verify_proof
from primafacie.audit.store import Database
from primafacie.audit.vault import LogSecrets

ORIGIN = "bench.example/primafacie"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: what, how much, in which unit, and its ratio to the bare INSERT if any."""

    name: str
    value: float
    unit: str
    ratio: float | None = None

    def line(self) -> str:
        """The figure as one line of text."""
        tail = "" if self.ratio is None else f"   {self.ratio:.2f} of a bare INSERT"
        return f"{self.name:<44} {self.value:>10.3f} {self.unit}{tail}"


def run(
    folder: Path | None = None,
    *,
    singles: int = 200,
    batch: int = 1000,
    sizes: Sequence[int] = (10_000, 100_000),
    report: Callable[[str], None] = print,
) -> tuple[Figure, ...]:
    """Measure appends, proofs and a full verification; report each line as it is known.

    folder: where the files go, on the disk to be measured; a temporary folder if None.
    """
    figures: list[Figure] = []

    def tell(*new: Figure) -> None:
        figures.extend(new)
        for figure in new:
            report(figure.line())

    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        place = Path(temporary)
        tell(*_appends(place, singles, batch))
        for size in sizes:
            tell(*_proofs(place, size))
    return tuple(figures)


def _appends(place: Path, singles: int, batch: int) -> list[Figure]:
    database, log = _open(place / "appends.db"), _log()
    bare_single = singles / _bare(place / "bare1.db", singles, 1)
    single = singles / _timed(lambda: _append(database, log, singles, 1))
    published = singles / _timed(lambda: _append(database, log, singles, 1, publish=True))
    bare_batch = batch / _bare(place / "bare2.db", 1, batch)
    many = batch / _timed(lambda: _append(database, log, 1, batch))
    database.dispose()
    return [
        Figure("bare INSERT of a leaf, one per commit", bare_single, "/s"),
        Figure("append, one per commit", single, "/s", single / bare_single),
        Figure("append and publish, one per commit", published, "/s", published / bare_single),
        Figure(f"bare INSERT, {batch} per commit", bare_batch, "/s"),
        Figure(f"append, {batch} per commit", many, "/s", many / bare_batch),
    ]


def _proofs(place: Path, size: int) -> list[Figure]:
    database, log = _open(place / f"proofs{size}.db"), _log()
    for start in range(0, size, 2000):
        _append(database, log, 1, min(2000, size - start))
    with database.begin() as tx:
        log.publish(tx)
    prove, check, extend = list[float](), list[float](), list[float]()
    for index in range(0, size, max(1, size // 200)):
        with database.begin() as tx:
            body = store.leaf(tx, index)
            begun = time.perf_counter()
            text = log.prove(tx, index)
            proven = time.perf_counter()
            log.consistency(tx, index, size)
            extend.append(time.perf_counter() - proven)
            prove.append(proven - begun)
        begun = time.perf_counter()
        verify_proof(text, body, log.vkeys)
        check.append(time.perf_counter() - begun)
    with database.begin() as tx:
        audit = _timed(lambda: verify_log(tx, log, log.vkeys, payloads=False))
    file = (place / f"proofs{size}.db").stat().st_size
    database.dispose()
    return [
        Figure(f"inclusion proof at {size}, median", statistics.median(prove) * 1e3, "ms"),
        Figure(f"inclusion proof at {size}, 95th percentile", _high(prove) * 1e3, "ms"),
        Figure(f"consistency proof at {size}, median", statistics.median(extend) * 1e3, "ms"),
        Figure(f"verifying a proof at {size}, median", statistics.median(check) * 1e3, "ms"),
        Figure(f"verifying the whole log of {size}", size / audit, "leaves/s"),
        Figure(f"database at {size}", file / size, "bytes/leaf"),
    ]


def _open(path: Path) -> Database:
    database = store.open_sqlite(path)
    with database.begin() as tx:
        store.create_tables(tx)
    return database


def _log() -> Log:
    keys = (
        NoteSigner.from_seed(ORIGIN, b"\x01" * 32),
        NoteSigner.from_seed(ORIGIN, b"\x01" * 32, Algorithm.ML_DSA_44),
    )
    secrets = LogSecrets.derive(b"\x02" * 32)
    return Log(ORIGIN, SignerGroup(keys), secrets, lambda: datetime.now(UTC))


def _append(
    database: Database, log: Log, commits: int, batch: int, *, publish: bool = False
) -> None:
    for commit in range(commits):
        with database.begin() as tx:
            log.append_many(tx, [_entry(commit * batch + i) for i in range(batch)])
            if publish:
                log.publish(tx)


def _entry(number: int) -> LogEntry:
    """A typical entry: two persons, a reason, two facts, a small payload."""
    return LogEntry(
        Kind.HTTP_REQUEST,
        f"{number:032x}",
        datetime.now(UTC),
        actor=f"user{number % 40}",
        subject=f"person{number % 15}",
        out=Outcome.OK,
        why=("base_rule",),
        facts=(("path", "/requests"), ("status", 200)),
        payload={"script": "A sentence of the usual length for a talking face."},
    )


def _bare(path: Path, commits: int, batch: int) -> float:
    """Seconds for inserting as many rows of a leaf's size into a table of two columns."""
    database = store.open_sqlite(path)
    body = b"x" * 420
    with database.begin() as tx:
        tx.exec_driver_sql("CREATE TABLE bare (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    def insert() -> None:
        for _ in range(commits):
            with database.begin() as tx:
                tx.exec_driver_sql("INSERT INTO bare (body) VALUES (?)", [(body,)] * batch)

    seconds = _timed(insert)
    database.dispose()
    return seconds


def _timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _high(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]
