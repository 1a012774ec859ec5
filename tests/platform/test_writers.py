"""Many at once: nobody is told that the log cannot be written because others write too."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit.memory import Memory
from primafacie.platform import database as module
from primafacie.platform.database import Database
from primafacie.platform.errors import UnavailableError
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import Services

CROWD = 24  # more threads than a pool of connections usually has


@pytest.fixture
def database(tmp_path: Path) -> Any:
    opened = Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    with opened.write() as tx:
        tx.exec_driver_sql("CREATE TABLE seen(x)")
    yield opened
    opened.close()


def crowd(database: Database, errors: list[BaseException]) -> list[threading.Thread]:
    def write() -> None:
        try:
            with database.write() as tx:
                tx.exec_driver_sql("INSERT INTO seen VALUES (1)")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    return threads


def test_who_writes_can_read_beside_it_however_many_wait(database: Database) -> None:
    """They waited for the lock with every connection in hand, and its holder for one of those."""
    errors: list[BaseException] = []
    with database.write() as tx:
        tx.exec_driver_sql("INSERT INTO seen VALUES (0)")
        threads = crowd(database, errors)
        time.sleep(0.2)
        begun = time.monotonic()
        with database.read() as other:
            assert other.exec_driver_sql("SELECT count(*) FROM seen").scalar_one() == 0
        assert time.monotonic() - begun < 5
    for thread in threads:
        thread.join()
    assert errors == []
    with database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM seen").scalar_one() == CROWD + 1


def test_many_readers_hold_up_no_writer(database: Database) -> None:
    over, errors = threading.Event(), list[BaseException]()
    inside = threading.Barrier(CROWD + 1)

    def read() -> None:
        with database.read() as tx:
            tx.exec_driver_sql("SELECT count(*) FROM seen").scalar_one()
            inside.wait()
            over.wait()

    readers = [threading.Thread(target=read) for _ in range(CROWD)]
    for thread in readers:
        thread.start()
    inside.wait(20)
    begun = time.monotonic()
    for thread in crowd(database, errors):
        thread.join()
    assert errors == [] and time.monotonic() - begun < 10
    over.set()
    for thread in readers:
        thread.join()


def test_who_waits_in_vain_is_told_in_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_MS", 200)
    errors: list[BaseException] = []
    with database.write():
        (*threads,) = crowd(database, errors)
        for thread in threads:
            thread.join()
    assert len(errors) == CROWD and all(isinstance(e, UnavailableError) for e in errors)


def test_opening_compares_the_memory_of_checkpoints_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.read(data_dir=tmp_path)
    Services.open(settings).close()
    followed: list[Any] = []
    real = Memory.follow
    monkeypatch.setattr(
        Memory, "follow", lambda self, *given: (followed.append(1), real(self, *given))[1]
    )
    Services.open(settings).close()
    assert len(followed) == 1
