"""Several processes, and processes that die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit import store
from primafacie.audit.entry import Kind, LogEntry
from primafacie.audit.inspection import verify_log
from primafacie.audit.log import Log
from primafacie.audit.note import NoteSigner
from primafacie.audit.vault import LogSecrets

ORIGIN = "log.example/primafacie"
PROCESSES, EACH = 4, 25


def _log() -> Log:
    signer = NoteSigner.from_seed(ORIGIN, b"\x01" * 32)
    return Log(ORIGIN, signer, LogSecrets.derive(b"\x02" * 32), lambda: datetime.now(UTC))


def _writer(path: str, who: int, done: Any) -> None:
    engine, log = store.open_sqlite(path), _log()
    for i in range(EACH):
        with engine.begin() as tx:
            entry = LogEntry(
                Kind.HTTP_REQUEST,
                f"w{who}-{i}",
                datetime.now(UTC),
                subject=f"s{i % 3}",
                payload={"i": i},
            )
            receipt = log.append(tx, entry)
            if i % 5 == 4:
                log.publish(tx)
        done.put((receipt.index, receipt.rid))


def _until_killed(path: str, acknowledged: str) -> None:
    engine, log = store.open_sqlite(path), _log()
    with open(acknowledged, "a", buffering=1) as out:
        while True:
            with engine.begin() as tx:
                entry = LogEntry(Kind.HTTP_REQUEST, "k", datetime.now(UTC), subject="s")
                receipt = log.append(tx, entry)
                log.publish(tx)
            out.write(f"{receipt.index} {receipt.leaf_hash}\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    engine = store.open_sqlite(tmp_path / "log.db")
    with engine.begin() as tx:
        store.create_tables(tx)
    engine.dispose()
    return tmp_path / "log.db"


def check(path: Path) -> tuple[int, dict[int, str]]:
    from primafacie.audit.merkle import leaf_hash

    engine, log = store.open_sqlite(path), _log()
    with engine.begin() as tx:
        report = verify_log(tx, log, log.vkeys)
        hashes = {seq: leaf_hash(body).hex() for seq, body in store.leaves(tx)}
    engine.dispose()
    return report.size, hashes


def test_four_processes_write_one_history_without_gap_or_double(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    done = spawn.Queue()
    workers = [spawn.Process(target=_writer, args=(str(path), w, done)) for w in range(PROCESSES)]
    for worker in workers:
        worker.start()
    receipts = [done.get(timeout=120) for _ in range(PROCESSES * EACH)]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sorted(index for index, _ in receipts) == list(range(PROCESSES * EACH))
    assert len({rid for _, rid in receipts}) == PROCESSES * EACH
    assert check(path)[0] == PROCESSES * EACH


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_no_acknowledged_entry_is_lost_when_the_writer_is_killed(path: Path, kills: int) -> None:
    acknowledged = path.with_name("acknowledged.txt")
    acknowledged.touch()
    spawn = multiprocessing.get_context("spawn")
    for n in range(kills):
        before = acknowledged.stat().st_size
        worker = spawn.Process(target=_until_killed, args=(str(path), str(acknowledged)))
        worker.start()
        deadline = time.monotonic() + 60
        while acknowledged.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.02 + 0.013 * n)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(60)
    size, hashes = check(path)
    lines = [line.split() for line in acknowledged.read_text().splitlines() if line.count(" ") == 1]
    assert len(lines) >= kills
    assert all(hashes[int(index)] == found for index, found in lines if len(found) == 64)
    assert size >= len(lines)
