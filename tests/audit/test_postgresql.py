"""The same promises on PostgreSQL. Skipped where no PostgreSQL server is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from primafacie.audit import store, tiles
from primafacie.audit.bundle import export_bundle, verify_bundle
from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.audit.errors import BundleError, ErasedError
from primafacie.audit.inspection import verify_log
from primafacie.audit.log import Log
from primafacie.audit.note import NoteSigner
from primafacie.audit.proof import verify_proof
from primafacie.audit.query import days, facets, search
from primafacie.audit.tables import APPEND_ONLY, append_only_ddl, drop_append_only_ddl, metadata
from primafacie.audit.vault import LogSecrets

ORIGIN = "log.example/primafacie"
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

pytestmark = pytest.mark.slow


def _server_binaries() -> Path | None:
    found = shutil.which("initdb")
    return Path(found).parent if found else (BINARIES[-1] if BINARIES else None)


def _run(command: list[str], folder: Path) -> None:
    """PostgreSQL refuses to run as root: then borrow the user its package made."""
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own that listens on a socket in its folder alone."""
    binaries = _server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg")
    folder = Path("/tmp") / f"primafacie-pg-{os.getpid()}"
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data, options = folder / "data", f"-c listen_addresses='' -k {folder} -c fsync=off"
    _run([str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "tester"], folder)
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    _run([*control, "-o", options, "start"], folder)
    yield f"postgresql+psycopg://tester@/postgres?host={folder}"
    _run([*control, "-m", "immediate", "stop"], folder)
    shutil.rmtree(folder)


@pytest.fixture
def engine(server: str) -> Iterator[Any]:
    engine = create_engine(server)
    with engine.begin() as tx:
        store.create_tables(tx)
    yield engine
    with engine.begin() as tx:
        for statement in drop_append_only_ddl("postgresql"):
            tx.execute(text(statement))
        metadata.drop_all(tx)
    engine.dispose()


@pytest.fixture
def log() -> Log:
    signer = NoteSigner.from_seed(ORIGIN, b"\x01" * 32)
    return Log(ORIGIN, signer, LogSecrets.derive(b"\x02" * 32), lambda: datetime.now(UTC))


def entry(rid: str, kind: Kind = Kind.HTTP_REQUEST, **rest: Any) -> LogEntry:
    return LogEntry(kind, rid, datetime.now(UTC), **rest)


def test_the_whole_life_of_a_log(engine: Any, log: Log, tmp_path: Path) -> None:
    with engine.begin() as tx:
        first = log.append(
            tx, entry("a", Kind.REQUEST_RECEIVED, subject="sam", actor="ann", payload={"s": "x"})
        )
        log.append_many(tx, [entry(f"r{i}", why=("w",), facts=(("asset", i),)) for i in range(9)])
        log.publish(tx)
    with engine.begin() as tx:
        verify_proof(log.prove(tx, 0), first.leaf, log.vkeys)
        assert log.payload(tx, 0) == {"s": "x"}
        assert [r.seq for r in search(tx, log, "subject:sam").rows] == [0]
        assert [r.seq for r in search(tx, log, "asset:3").rows] == [4]
        assert [r.seq for r in search(tx, log, "-kind:http.* at:>=2020-01-01").rows] == [0]
        assert facets(tx, log, "why:w")["kind"] == (("http.request", 9),)
        assert days(tx, log, "") == ((date.today(), 10),) or len(days(tx, log, "")) <= 2
        tiles.export(tx, log, tmp_path / "site")
        assert verify_log(tx, log, log.vkeys).size == 10
    assert tiles.open_tiles(tmp_path / "site", log.vkeys).size == 10
    export_bundle(engine, log, tmp_path / "b.jsonl", datetime.now(UTC))
    assert verify_bundle(tmp_path / "b.jsonl", log.vkeys).size == 10
    with engine.begin() as tx:
        assert log.erase_subject(tx, "sam").payloads == 1
    store.scrub(engine)
    with engine.begin() as tx, pytest.raises(ErasedError):
        log.payload(tx, 0)
    with engine.begin() as tx:
        assert verify_log(tx, log, log.vkeys).size == 12


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_row_is_never_changed_deleted_truncated_or_repeated(
    engine: Any, log: Log, table: str
) -> None:
    with engine.begin() as tx:
        log.append(tx, entry("a", why=("w",)))
        log.publish(tx)
        tx.execute(text("INSERT INTO log_cosignature VALUES (1, 'w', 'k', 'l')"))
    column = next(iter(metadata.tables[table].c)).name
    for statement in (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"INSERT INTO {table} SELECT * FROM {table}",
    ):
        with pytest.raises(DatabaseError, match=r"append-only|no gaps"), engine.begin() as tx:
            tx.execute(text(statement))


def test_a_migration_can_make_and_drop_the_guards(engine: Any) -> None:
    with engine.begin() as tx:
        for statement in [*drop_append_only_ddl("postgresql"), *append_only_ddl("postgresql")]:
            tx.execute(text(statement))


def test_a_second_outcome_is_impossible(engine: Any) -> None:
    row = "('output.released', 'ok', 'r', '', '', 0, '')"
    with engine.begin() as tx:
        tx.execute(text(f"INSERT INTO log_index VALUES (0, {row[1:]}"))
    with pytest.raises(DatabaseError, match="uq_log_index_rid_outcome"), engine.begin() as tx:
        tx.execute(text(f"INSERT INTO log_index VALUES (1, {row[1:]}"))


def test_eight_threads_write_one_history_without_gap_or_double(engine: Any, log: Log) -> None:
    failures: list[BaseException] = []

    def write(who: int) -> None:
        try:
            for i in range(12):
                with engine.begin() as tx:
                    log.append(tx, entry(f"w{who}-{i}", subject=f"s{i % 2}", payload={"i": i}))
                    if i % 4 == 0:
                        log.publish(tx)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    with engine.begin() as tx:
        assert verify_log(tx, log, log.vkeys).size == 96


def test_a_rewritten_database_is_found(engine: Any, log: Log) -> None:
    with engine.begin() as tx:
        log.append_many(tx, [entry(f"r{i}", out=Outcome.DENY) for i in range(5)])
        log.publish(tx)
        for statement in drop_append_only_ddl("postgresql"):
            tx.execute(text(statement))
        tx.execute(text("UPDATE log_index SET out = 'allow' WHERE seq = 2"))
    with engine.begin() as tx, pytest.raises(BundleError, match="search index"):
        verify_log(tx, log, log.vkeys)
