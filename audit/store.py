"""The log's rows: the one file that speaks SQL for it. No rule of the log is decided here.

Every function works in the caller's transaction and neither commits nor rolls back.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    select,
    text,
    true,
)

from primafacie.audit import merkle, tables
from primafacie.audit.entry import TERMINAL
from primafacie.audit.errors import StoreError

Tx: TypeAlias = Connection
"""An open transaction. On SQLite it must have begun IMMEDIATE (see `open_sqlite`)."""

ADVISORY_LOCK = 0x7072_696D_666C_6F67  # "primflog": one writer of the log at a time
Database: TypeAlias = Engine
"""Where transactions come from, for what needs several of them."""

PAGE = 1000
DAY_MS = 86_400_000
SCRUB_WAIT_MS = 2000


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log has come: its size, and the time (ms) of its last leaf; 0 when empty."""

    size: int
    at: int


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One leaf, spread out for searching. at in ms since 1970; actor and subject pseudonyms."""

    seq: int
    kind: str
    out: str
    rid: str
    actor: str
    subject: str
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class FactRow:
    """One searchable fact of one leaf."""

    seq: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A person's key, wrapped under the log's master."""

    key_id: str
    handle: str
    wrapped: bytes
    made_at: int


@dataclass(frozen=True, slots=True)
class PayloadRow:
    """An encrypted payload and its wrapped entry key."""

    seq: int
    key_id: str
    wrapped: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of a search: a column of `log_index`, a fact name, or `text`.

    op: `is` (any of values), `prefix`, `has` (text holds it), `>=`, `>`, `<=`, `<`.
    """

    field: str
    op: str
    values: tuple[str | int, ...]
    negated: bool = False


def open_sqlite(path: Path | str) -> Engine:
    """An engine whose transactions can hold the log: BEGIN IMMEDIATE, WAL, synchronous=FULL.

    With SQLite's default BEGIN two writers that read before they write fail at once; with
    synchronous=NORMAL a commit may be lost with the power.
    """
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def create_tables(tx: Tx) -> None:
    """Make the log's tables and their triggers, where they are missing."""
    tables.metadata.create_all(tx)


def lock(tx: Tx) -> None:
    """Be the only writer of the log until this transaction ends."""
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))


def head(tx: Tx) -> Head:
    """The size and last time of the log."""
    leaf = tables.log_leaf.c
    row = tx.execute(select(leaf.seq, leaf.at).order_by(leaf.seq.desc()).limit(1)).first()
    return Head(0, 0) if row is None else Head(row.seq + 1, row.at)


def frontier(tx: Tx, size: int) -> merkle.Frontier:
    """The right edge of the tree of `size` leaves."""
    ids = merkle.perfect_ids(merkle.Subtree(0, size))
    found = nodes(tx, ids)
    return merkle.Frontier(size, [found[i] for i in ids])


def nodes(tx: Tx, ids: Sequence[int]) -> dict[int, bytes]:
    """The stored hashes of these subtrees; StoreError when one is missing or malformed."""
    node, found = tables.log_node.c, dict[int, bytes]()
    for start in range(0, len(ids), PAGE):
        wanted = select(node.id, node.hash).where(node.id.in_(ids[start : start + PAGE]))
        found.update((row.id, _blob(row.hash)) for row in tx.execute(wanted))
    if len(found) != len(set(ids)) or any(len(h) != merkle.HASH_BYTES for h in found.values()):
        raise StoreError("the log's tree has a missing or malformed node")
    return found


def add_leaves(
    tx: Tx,
    leaves: Sequence[tuple[int, int, bytes]],
    node_rows: Sequence[tuple[int, bytes]],
) -> None:
    """Insert leaves (seq, at in ms, body) and nodes (id, hash), both in rising order."""
    tx.execute(
        insert(tables.log_leaf), [{"seq": s, "at": at, "body": body} for s, at, body in leaves]
    )
    tx.execute(insert(tables.log_node), [{"id": i, "hash": h} for i, h in node_rows])


def add_index(tx: Tx, rows: Sequence[IndexRow], facts: Sequence[FactRow]) -> None:
    """Insert what makes the leaves findable."""
    tx.execute(insert(tables.log_index), [_as_dict(row) for row in rows])
    if facts:
        tx.execute(insert(tables.log_fact), [_as_dict(row) for row in facts])


def leaf(tx: Tx, seq: int) -> bytes:
    """The bytes of one leaf; StoreError if there is none."""
    found = tx.scalar(select(tables.log_leaf.c.body).where(tables.log_leaf.c.seq == seq))
    if found is None:
        raise StoreError(f"the log has no leaf {seq}")
    return _blob(found)


def leaves(tx: Tx, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(seq, body) of the leaves from `start` up to `end`, as they stand, a page at a time."""
    column = tables.log_leaf.c
    while end is None or start < end:
        query = select(column.seq, column.body).where(column.seq >= start)
        if end is not None:
            query = query.where(column.seq < end)
        page = tx.execute(query.order_by(column.seq).limit(PAGE)).all()
        yield from ((row.seq, _blob(row.body)) for row in page)
        if len(page) < PAGE:
            return
        start = page[-1].seq + 1


def all_nodes(tx: Tx) -> Iterator[tuple[int, bytes]]:
    """(id, hash) of every node, in order."""
    node, start = tables.log_node.c, -1
    while True:
        query = select(node.id, node.hash).where(node.id > start).order_by(node.id).limit(PAGE)
        page = tx.execute(query).all()
        yield from ((row.id, _blob(row.hash)) for row in page)
        if len(page) < PAGE:
            return
        start = page[-1].id


def add_checkpoint(tx: Tx, size: int, note: str) -> None:
    """Keep a signed checkpoint."""
    tx.execute(insert(tables.log_checkpoint), [{"size": size, "note": note}])


def last_checkpoint(tx: Tx) -> tuple[int, str] | None:
    """(size, note) of the newest checkpoint; None before the first."""
    row = tables.log_checkpoint.c
    found = tx.execute(select(row.size, row.note).order_by(row.size.desc()).limit(1)).first()
    return None if found is None else (found.size, _note(found.note))


def checkpoint(tx: Tx, size: int) -> str | None:
    """The note of the checkpoint at exactly this size."""
    row = tables.log_checkpoint.c
    found = tx.scalar(select(row.note).where(row.size == size))
    return None if found is None else _note(found)


def checkpoints(tx: Tx) -> Iterator[tuple[int, str]]:
    """(size, note) of every checkpoint, in order."""
    row, start = tables.log_checkpoint.c, -1
    while True:
        query = select(row.size, row.note).where(row.size > start).order_by(row.size).limit(PAGE)
        page = tx.execute(query).all()
        yield from ((found.size, _note(found.note)) for found in page)
        if len(page) < PAGE:
            return
        start = page[-1].size


def add_cosignature(tx: Tx, size: int, name: str, key_id: str, line: str) -> None:
    """Keep a witness's line, unless the same key already spoke about this size."""
    row = tables.log_cosignature.c
    same = select(row.line).where(row.size == size, row.name == name, row.key_id == key_id)
    if tx.execute(same).first() is None:
        values = {"size": size, "name": name, "key_id": key_id, "line": line}
        tx.execute(insert(tables.log_cosignature), [values])


def cosignatures(tx: Tx, size: int) -> list[str]:
    """The witnesses' lines about the checkpoint of this size."""
    row = tables.log_cosignature.c
    query = select(row.line).where(row.size == size).order_by(row.name, row.key_id)
    return [_note(line) for line in tx.scalars(query)]


def cosigned(tx: Tx, name: str, key_id: str) -> tuple[int, str] | None:
    """(size, note with its line) of the newest checkpoint this witness's key cosigned, or None."""
    row, head = tables.log_cosignature.c, tables.log_checkpoint.c
    mine = (
        select(row.size, row.line, head.note)
        .join(tables.log_checkpoint, head.size == row.size)
        .where(row.name == name, row.key_id == key_id)
        .order_by(row.size.desc())
    )
    found = tx.execute(mine.limit(1)).first()
    return None if found is None else (found.size, _note(found.note) + _note(found.line))


def outcomes(tx: Tx, rids: Sequence[str]) -> dict[str, str]:
    """rid → kind of the outcome it already has, for those that have one."""
    row = tables.log_index.c
    ends = [kind.value for kind in TERMINAL]
    found = tx.execute(select(row.rid, row.kind).where(row.rid.in_(rids), row.kind.in_(ends)))
    return {item.rid: item.kind for item in found}


def keys(tx: Tx, handles: Sequence[str]) -> dict[str, KeyRow]:
    """handle → key, for those that exist."""
    found = dict[str, KeyRow]()
    for start in range(0, len(handles), PAGE):
        wanted = tables.log_key.c.handle.in_(handles[start : start + PAGE])
        for row in tx.execute(select(tables.log_key).where(wanted)):
            found[row.handle] = KeyRow(row.key_id, row.handle, _blob(row.wrapped), row.made_at)
    return found


def key(tx: Tx, key_id: str) -> KeyRow | None:
    """One key by its id; None once it was destroyed."""
    row = tx.execute(select(tables.log_key).where(tables.log_key.c.key_id == key_id)).first()
    return None if row is None else KeyRow(row.key_id, row.handle, _blob(row.wrapped), row.made_at)


def add_keys(tx: Tx, rows: Sequence[KeyRow]) -> None:
    """Keep new keys."""
    if rows:
        tx.execute(insert(tables.log_key), [_as_dict(row) for row in rows])


def destroy_key(tx: Tx, key_id: str) -> int:
    """Delete a key and every payload under it; how many payloads. See `scrub` for the bytes."""
    _overwrite_freed(tx)
    payload = tables.log_payload
    gone = tx.execute(delete(payload).where(payload.c.key_id == key_id)).rowcount
    tx.execute(delete(tables.log_key).where(tables.log_key.c.key_id == key_id))
    return gone


def add_payloads(tx: Tx, rows: Sequence[PayloadRow]) -> None:
    """Keep encrypted payloads."""
    if rows:
        tx.execute(insert(tables.log_payload), [_as_dict(row) for row in rows])


def payload(tx: Tx, seq: int) -> PayloadRow | None:
    """The encrypted payload of one leaf; None if it has none or none any more."""
    row = tx.execute(select(tables.log_payload).where(tables.log_payload.c.seq == seq)).first()
    return None if row is None else _payload(row)


def payload_seqs(tx: Tx) -> set[int]:
    """Which leaves still have a payload."""
    return set(tx.scalars(select(tables.log_payload.c.seq)))


def index_rows(tx: Tx, start: int, end: int) -> list[IndexRow]:
    """The index rows of leaves start … end-1."""
    table = tables.log_index
    query = select(table).where(table.c.seq >= start, table.c.seq < end).order_by(table.c.seq)
    return [_index_row(row) for row in tx.execute(query)]


def leaf_times(tx: Tx, start: int, end: int) -> list[int]:
    """The stored times (ms) of leaves start … end-1."""
    row = tables.log_leaf.c
    return list(tx.scalars(select(row.at).where(row.seq >= start, row.seq < end).order_by(row.seq)))


def index_size(tx: Tx) -> int:
    """How many leaves can be found; the facts must belong to these."""
    found = tx.scalar(select(func.max(tables.log_index.c.seq)))
    facts = tx.scalar(select(func.max(tables.log_fact.c.seq)))
    return max(-1 if found is None else found, -1 if facts is None else facts) + 1


def fact_rows(tx: Tx, start: int, end: int) -> set[FactRow]:
    """The fact rows of leaves start … end-1."""
    table = tables.log_fact
    query = select(table).where(table.c.seq >= start, table.c.seq < end)
    return {FactRow(row.seq, row.name, row.value) for row in tx.execute(query)}


def search(
    tx: Tx, filters: Sequence[Filter], *, size: int, before: int | None, limit: int
) -> list[IndexRow]:
    """The newest index rows under `size` that meet every filter, seq falling, below `before`."""
    row = tables.log_index.c
    query = select(tables.log_index).where(row.seq < size, *map(_condition, filters))
    if before is not None:
        query = query.where(row.seq < before)
    return [_index_row(r) for r in tx.execute(query.order_by(row.seq.desc()).limit(limit))]


def count_by(
    tx: Tx, column: str, filters: Sequence[Filter], *, size: int, limit: int
) -> list[tuple[str, int]]:
    """(value, count) of one column or fact over the rows under `size` that meet every filter."""
    row, many = tables.log_index.c, func.count().label("many")
    met = [row.seq < size, *map(_condition, filters)]
    query: Select[Any]
    if column in row:
        value = row[column].label("value")
        query = select(value, many).where(*met)
    else:
        fact = tables.log_fact.c
        value = fact.value.label("value")
        query = select(value, many).where(fact.seq == row.seq, fact.name == column, *met)
    found = tx.execute(query.group_by(value).order_by(many.desc(), value).limit(limit))
    return [(str(r.value), r.many) for r in found]


def count_by_day(tx: Tx, filters: Sequence[Filter], *, size: int) -> list[tuple[int, int]]:
    """(days since 1970, count) over the rows under `size` that meet every filter, rising."""
    row = tables.log_index.c
    day, many = (row.at // DAY_MS).label("day"), func.count().label("many")
    query = select(day, many).where(row.seq < size, *map(_condition, filters))
    return [(int(r.day), r.many) for r in tx.execute(query.group_by(day).order_by(day))]


def scrub(engine: Engine) -> None:
    """Drive what was erased out of the files: run it after the erasing transaction committed.

    SQLite: empties the write-ahead log, whose old pages still hold the deleted rows.
    PostgreSQL: rewrites the two erasable tables. Backups and replicas are out of its reach.
    """
    if engine.dialect.name == "sqlite":
        busy = _empty_wal(engine)
        if busy:
            raise StoreError("another connection is reading: the erased bytes are still there")
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in (tables.log_key, tables.log_payload):
            connection.execute(text(f"VACUUM (FULL) {table.name}"))


def _empty_wal(engine: Engine) -> int:
    """Move the write-ahead log into the file and cut it to nothing; 0 if that went through."""
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        patience = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {SCRUB_WAIT_MS}")
        busy: int = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {patience}")
    finally:
        raw.close()
    return busy


def _overwrite_freed(tx: Tx) -> None:
    """SQLite: let the bytes of deleted rows be overwritten with zeros, on this connection."""
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("PRAGMA secure_delete = ON").close()


def _condition(wanted: Filter) -> ColumnElement[bool]:
    condition = _positive(wanted)
    return ~condition if wanted.negated else condition


def _positive(wanted: Filter) -> ColumnElement[bool]:
    row, fact = tables.log_index.c, tables.log_fact.alias().c  # its own, beside a facet's
    if wanted.field in row:
        return _compare(row[wanted.field], wanted)
    return exists(
        select(true()).where(
            and_(
                fact.seq == row.seq,
                fact.name == wanted.field,
                _compare(fact.value, wanted),
            )
        )
    )


def _compare(column: ColumnElement[Any], wanted: Filter) -> ColumnElement[bool]:
    first = wanted.values[0]
    if wanted.op == "is":
        return column.in_(wanted.values)
    if wanted.op == "prefix":
        return column.startswith(first, autoescape=True)
    if wanted.op == "has":
        return column.contains(first, autoescape=True)
    compare = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
    condition: ColumnElement[bool] = compare[wanted.op](column, first)
    return condition


def _blob(value: object) -> bytes:
    """The bytes of a column; SQLite would also hold text there."""
    if not isinstance(value, bytes | memoryview):
        raise StoreError("a column that holds bytes holds something else")
    return bytes(value)


def _note(value: object) -> str:
    if not isinstance(value, str):
        raise StoreError("a column that holds text holds something else")
    return value


def _as_dict(row: IndexRow | FactRow | KeyRow | PayloadRow) -> Mapping[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}


def _index_row(row: Any) -> IndexRow:
    return IndexRow(row.seq, row.kind, row.out, row.rid, row.actor, row.subject, row.at, row.text)


def _payload(row: Any) -> PayloadRow:
    return PayloadRow(row.seq, row.key_id, _blob(row.wrapped), _blob(row.sealed))
