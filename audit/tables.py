"""The log's own tables. What is written to leaf, node, checkpoint, cosignature, index and fact rows
stays: the database itself refuses UPDATE and DELETE there, and refuses gaps.

Only `log_key` and `log_payload` can be erased; that is what they are for.

The triggers stop programs and slips, not the owner of the database, who can drop them: against him
stand the signatures and the witnesses. On PostgreSQL also give the application's role INSERT and
SELECT alone on these tables.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
    text,
)

from primafacie.audit.entry import TERMINAL
from primafacie.audit.errors import StoreError

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Number = BigInteger().with_variant(Integer(), "sqlite")
"""63-bit; on SQLite spelled INTEGER, so that a primary key is the row id itself."""


def _number(name: str) -> Column[int]:
    return Column(name, Number, primary_key=True, autoincrement=False)


log_leaf = Table(
    "log_leaf",
    metadata,
    _number("seq"),
    Column("at", Number, nullable=False),  # ms since 1970, never falling
    Column("body", LargeBinary, nullable=False),
)
"""One row per leaf, seq 0, 1, 2, ... without gaps; `body` is what is hashed."""

log_node = Table(
    "log_node",
    metadata,
    _number("id"),
    Column("hash", LargeBinary(32), nullable=False),
)
"""The perfect subtrees in the order of `merkle.node_id`, without gaps."""

log_checkpoint = Table(
    "log_checkpoint",
    metadata,
    _number("size"),
    Column("note", Text, nullable=False),
)
"""Every checkpoint this log ever signed, sizes rising."""

log_cosignature = Table(
    "log_cosignature",
    metadata,
    Column("size", Number, primary_key=True, autoincrement=False),
    Column("name", String(255), primary_key=True),
    Column("key_id", String(8), primary_key=True),
    Column("line", Text, nullable=False),
)
"""What witnesses said about a checkpoint."""

_IS_TERMINAL = text("kind IN (" + ", ".join(f"'{kind}'" for kind in sorted(TERMINAL)) + ")")

log_index = Table(
    "log_index",
    metadata,
    _number("seq"),
    Column("kind", String(40), nullable=False),
    Column("out", String(8), nullable=False),
    Column("rid", String(64), nullable=False),
    Column("actor", String(32), nullable=False),
    Column("subject", String(32), nullable=False),
    Column("at", Number, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_log_index_kind_seq", "kind", "seq"),
    Index("ix_log_index_rid_seq", "rid", "seq"),
    Index("ix_log_index_actor_seq", "actor", "seq"),
    Index("ix_log_index_subject_seq", "subject", "seq"),
    Index("ix_log_index_at_seq", "at", "seq"),
    Index(
        "uq_log_index_rid_outcome",
        "rid",
        unique=True,
        sqlite_where=_IS_TERMINAL,
        postgresql_where=_IS_TERMINAL,
    ),
)
"""The leaf's own words, spread out for searching: nothing here that the leaf does not say.

The last index makes a second outcome for one request impossible.
"""

log_fact = Table(
    "log_fact",
    metadata,
    _number("seq"),
    Column("name", String(40), primary_key=True),
    Column("value", String(512), primary_key=True),
    Index("ix_log_fact_name_value_seq", "name", "value", "seq"),
)
"""The reasons (name `why`) and the searchable facts of each leaf."""

log_key = Table(
    "log_key",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("handle", String(64), unique=True, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("made_at", Number, nullable=False),
)
"""One key per person, wrapped. `handle` is a keyed hash of the person's id. Erasing a person is
deleting the row."""

log_payload = Table(
    "log_payload",
    metadata,
    _number("seq"),
    Column("key_id", String(32), nullable=False, index=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""The encrypted payload of leaf `seq`; its entry key is wrapped under the person's key."""

APPEND_ONLY = (
    "log_leaf",
    "log_node",
    "log_checkpoint",
    "log_cosignature",
    "log_index",
    "log_fact",
)

# What must be true of a new row: its key is the next one, or rises. A row that replaces another
# (INSERT OR REPLACE) fires no DELETE trigger on SQLite, so the key itself is guarded there.
_NEXT = {
    "log_leaf": "NEW.seq <> (SELECT COALESCE(MAX(seq) + 1, 0) FROM log_leaf)",
    "log_node": "NEW.id <> (SELECT COALESCE(MAX(id) + 1, 0) FROM log_node)",
    "log_index": "NEW.seq <> (SELECT COALESCE(MAX(seq) + 1, 0) FROM log_index)",
    "log_checkpoint": "NEW.size <= (SELECT COALESCE(MAX(size), -1) FROM log_checkpoint)",
    "log_cosignature": "EXISTS (SELECT 1 FROM log_cosignature AS c WHERE c.size = NEW.size"
    " AND c.name = NEW.name AND c.key_id = NEW.key_id)",
    "log_fact": "EXISTS (SELECT 1 FROM log_fact AS f WHERE f.seq = NEW.seq"
    " AND f.name = NEW.name AND f.value = NEW.value)",
}


def append_only_ddl(dialect: str) -> list[str]:
    """The statements that make the tables append-only, for `sqlite` or `postgresql`.

    Run each once, in order, after the tables exist. StoreError for another dialect: a database in
    which they cannot be made is no place for the log.
    """
    return [statement for name in APPEND_ONLY for statement in _guards(dialect, name)]


def drop_append_only_ddl(dialect: str) -> list[str]:
    """The statements that take the triggers away again, for a migration that goes down."""
    if dialect == "sqlite":
        return [
            f"DROP TRIGGER IF EXISTS {table}_no_{verb}"
            for table in APPEND_ONLY
            for verb in ("update", "delete", "gap")
        ]
    triggers = [
        f"DROP TRIGGER IF EXISTS {table}_{guard} ON {table}"
        for table in APPEND_ONLY
        for guard in ("append_only", "no_gap")
    ]
    functions = [f"DROP FUNCTION IF EXISTS {table}_{f}()" for table in APPEND_ONLY for f in _PG]
    return triggers + functions


_PG = ("refuse", "guard")


def _guards(dialect: str, table: str) -> list[str]:
    if dialect == "sqlite":
        refusals = [_sqlite_refusal(table, verb) for verb in ("update", "delete")]
        return [*refusals, _sqlite_gap(table)]
    if dialect == "postgresql":
        return _postgresql(table)
    raise StoreError(f"the log cannot be made append-only on {dialect}")


def _sqlite_refusal(table: str, verb: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _sqlite_gap(table: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_gap BEFORE INSERT ON {table} WHEN {_NEXT[table]} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only and has no gaps'); END"
    )


def _postgresql(table: str) -> list[str]:
    body = "BEGIN RAISE EXCEPTION '{} is append-only'; END"
    guard = f"BEGIN IF {_NEXT[table]} THEN RAISE EXCEPTION '{table} has no gaps'; END IF; "
    return [
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ {body.format(table)} $$",
        f"CREATE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ {guard}RETURN NEW; END $$",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
        f"CREATE TRIGGER {table}_no_gap BEFORE INSERT ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_guard()",
    ]


def _listen() -> None:
    """`metadata.create_all` also makes the triggers, on both databases."""
    for name in APPEND_ONLY:
        for dialect in ("sqlite", "postgresql"):
            for statement in _guards(dialect, name):
                ddl = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
                event.listen(metadata.tables[name], "after_create", ddl)


_listen()
