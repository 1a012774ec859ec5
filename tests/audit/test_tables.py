"""The database refuses to forget or to change, and says so to whoever tries."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DatabaseError

from primafacie.audit.entry import Kind
from primafacie.audit.errors import StoreError
from primafacie.audit.tables import APPEND_ONLY, append_only_ddl, drop_append_only_ddl, metadata

KEEP = {
    "log_leaf": "seq",
    "log_node": "id",
    "log_checkpoint": "size",
    "log_cosignature": "size",
    "log_index": "seq",
    "log_fact": "seq",
}


@pytest.fixture
def full(room: Any) -> Any:
    room.append(Kind.OUTPUT_RELEASED, why=("a",), subject="s", payload={"a": 1})
    room.publish()
    room.read(
        lambda tx: tx.exec_driver_sql("INSERT INTO log_cosignature VALUES (1, 'w', 'aa', 'line')")
    )
    return room


def test_the_list_of_guarded_tables_is_complete() -> None:
    assert set(APPEND_ONLY) == set(KEEP) == set(metadata.tables) - {"log_key", "log_payload"}


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_row_is_never_updated_deleted_or_replaced(full: Any, table: str) -> None:
    key = KEEP[table]
    for statement in (
        f"UPDATE {table} SET {key} = {key}",
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1",
        f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1",
    ):
        with pytest.raises(DatabaseError, match="append-only"):
            full.read(lambda tx, s=statement: tx.exec_driver_sql(s))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO log_leaf VALUES (2, 0, X'00')",
        "INSERT INTO log_node VALUES (2, X'00')",
        "INSERT INTO log_index VALUES (2, 'k', 'o', 'r', '', '', 0, '')",
        "INSERT INTO log_checkpoint VALUES (0, 'note')",
    ],
)
def test_a_row_never_leaves_a_gap_or_goes_back(full: Any, statement: str) -> None:
    with pytest.raises(DatabaseError, match="no gaps"):
        full.read(lambda tx: tx.exec_driver_sql(statement))


def test_a_migration_can_make_and_drop_the_guards(tmp_path: Any) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'm.db'}")
    with engine.begin() as tx:
        metadata.create_all(tx)
        for statement in drop_append_only_ddl("sqlite"):
            tx.exec_driver_sql(statement)
        tx.exec_driver_sql("INSERT INTO log_leaf VALUES (0, 0, X'00')")
        tx.exec_driver_sql("UPDATE log_leaf SET at = 1")
        for statement in append_only_ddl("sqlite"):
            tx.exec_driver_sql(statement)
        with pytest.raises(DatabaseError, match="append-only"):
            tx.exec_driver_sql("UPDATE log_leaf SET at = 2")
    assert "log_leaf" in inspect(engine).get_table_names()
    engine.dispose()


def test_a_database_that_cannot_guard_is_refused() -> None:
    with pytest.raises(StoreError):
        append_only_ddl("mysql")


def test_keys_and_payloads_may_go(full: Any) -> None:
    full.read(lambda tx: tx.exec_driver_sql("DELETE FROM log_payload"))
    full.read(lambda tx: tx.exec_driver_sql("DELETE FROM log_key"))
