"""Database: connections, transactions and the schema's version.

SQLite (WAL, every write transaction BEGIN IMMEDIATE: a deferred one that reads first and writes
later fails at once under a second writer) or PostgreSQL through psycopg. One code path above.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from primafacie.audit import store
from primafacie.platform.errors import ConflictError, SettingsError, UnavailableError

BUSY_MS: Final = 15_000  # how long a SQLite writer waits for another
#: Some connections are kept, and as many more opened as threads ask for. Who holds the write lock
#: may need a second one to read: with a bound, those who wait for the lock would hold them all.
POOL: Final = {"pool_size": 8, "max_overflow": -1}
READING: Final = {"primafacie_reading": True}


@dataclass(frozen=True, slots=True)
class Database:
    """One database. Thread-safe; make a new one after a fork."""

    engine: sa.Engine = field(repr=False)
    #: On SQLite the threads of a process take turns before they ask the database for its lock:
    #: there who waits tries again now and then, whoever comes later may be luckier, and some of
    #: many starve. None where the database queues writers itself.
    turn: threading.RLock | None = field(repr=False, default=None)

    @classmethod
    def open(cls, url: str) -> Database:
        """The database at `url`, not yet touched. Raises SettingsError for a URL we cannot use."""
        try:
            parsed = make_url(url)
            match parsed.get_backend_name():
                case "sqlite":
                    return cls(_sqlite(parsed), threading.RLock())
                case "postgresql":
                    return cls(_postgresql(parsed))
        except (ArgumentError, ImportError) as error:
            raise SettingsError("database_url names no database we have a driver for") from error
        raise SettingsError("database_url must begin with sqlite or postgresql")

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its start: all of it commits, or none.

        Raises UnavailableError when the database refuses (full disk, locked, gone), ConflictError
        when another writer was quicker with the same thing.
        """
        try:
            with self._my_turn(), self.engine.begin() as connection:
                # On PostgreSQL: so that what is checked and what is logged is one state.
                store.lock(connection)
                yield connection
        except sa.exc.IntegrityError as error:
            raise ConflictError("somebody else was quicker with the same; look again") from error
        except DBAPIError as error:
            if _refused(error):
                raise UnavailableError("the database cannot be written now") from error
            raise

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if self.turn is None:
            yield
            return
        if not self.turn.acquire(timeout=BUSY_MS / 1000):
            raise UnavailableError("the database cannot be written now")
        try:
            yield
        finally:
            self.turn.release()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database and takes no write lock.

        Raises UnavailableError when the database refuses (no file handle, gone).
        """
        try:
            with self.engine.connect().execution_options(**READING) as connection:
                yield connection
        except DBAPIError as error:
            if _refused(error):
                raise UnavailableError("the database cannot be read now") from error
            raise

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @property
    def version(self) -> str | None:
        """The revision the schema stands at, None for an empty database."""
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    @property
    def newest(self) -> str:
        """The revision this code needs."""
        head = ScriptDirectory.from_config(_alembic()).get_current_head()
        if head is None:
            raise SettingsError("the package holds no migrations")
        return head

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema to `revision`. Safe when several processes start at once: on SQLite
        under the write lock, on PostgreSQL under an advisory lock."""
        if revision == "head" and self.version == self.newest:
            return
        config = _alembic()
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0x70726661)))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    def downgrade(self, revision: str) -> None:
        """Take the schema back to `revision` (`base` empties it). For tests and for operators."""
        config = _alembic()
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, revision)


class now_ms(FunctionElement[int]):
    """The database's clock in Unix milliseconds: leases of many machines need one clock."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(now_ms, "sqlite")
def _now_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(now_ms, "postgresql")
def _now_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_MS / 1000}, **POOL)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in (
            f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON",
            "secure_delete=ON",  # what is deleted is overwritten
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("primafacie_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_pre_ping=True, **POOL)

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("primafacie_reading", False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    return engine


def _refused(error: DBAPIError) -> bool:
    """Is it the database that cannot, rather than the statement that is wrong?"""
    return isinstance(error, sa.exc.OperationalError) or error.connection_invalidated


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "primafacie:migrations")
    config.set_main_option("path_separator", "os")
    return config
