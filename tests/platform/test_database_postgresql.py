"""On PostgreSQL too, what was checked is still so when it is logged. Skipped without a server."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from primafacie.platform.database import Database

pytestmark = pytest.mark.slow

_SPEC = importlib.util.spec_from_file_location(
    "postgresql_server", Path(__file__).parents[1] / "audit" / "test_postgresql.py"
)
assert _SPEC is not None and _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
server = _MODULE.server

STATE = sa.text("SELECT state FROM consent")
WITHDRAW = sa.text("UPDATE consent SET state = 'withdrawn'")


@pytest.fixture
def database(server: str) -> Iterator[Database]:
    database = Database.open(server)
    with database.write() as tx:
        tx.exec_driver_sql("DROP TABLE IF EXISTS consent")
        tx.exec_driver_sql("CREATE TABLE consent (state text)")
        tx.exec_driver_sql("INSERT INTO consent VALUES ('active')")
    yield database
    database.close()


def withdrawing(database: Database) -> threading.Thread:
    """Somebody withdraws at this moment."""

    def withdraw() -> None:
        with database.write() as tx:
            tx.execute(WITHDRAW)

    thread = threading.Thread(target=withdraw)
    thread.start()
    return thread


def test_no_withdrawal_slips_between_the_look_at_a_consent_and_the_entry(
    database: Database,
) -> None:
    with database.write() as tx:
        assert tx.execute(STATE).scalar_one() == "active"
        other = withdrawing(database)
        other.join(1.0)
        assert other.is_alive(), "it waits until what was decided is logged"
        assert tx.execute(STATE).scalar_one() == "active"
    other.join(10.0)
    with database.read() as tx:
        assert tx.execute(STATE).scalar_one() == "withdrawn"


def test_who_reads_sees_one_state(database: Database) -> None:
    with database.read() as tx:
        seen: Any = tx.execute(STATE).scalar_one()
        withdrawing(database).join(10.0)
        assert tx.execute(STATE).scalar_one() == seen == "active"
