"""Log: the sole writer. An entry goes in within the caller's transaction, so a change of state and
the leaf that tells of it are committed together or not at all.

What is true when, and what a crash leaves behind:

    append    the leaf, its nodes, its index row and its payload are rows of the open transaction;
              a rollback or crash leaves none of them, and the index is given out again
    publish   the tree head is signed and is a row of the open transaction
    commit    leaf and checkpoint are durable; ONLY NOW may the note or a proof leave the process,
              for a signed head whose leaves were rolled back would be a fork of our own making
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from primafacie.audit import merkle, store, vault
from primafacie.audit.canonical import Json
from primafacie.audit.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    require_extension,
    sign_checkpoint,
)
from primafacie.audit.entry import (
    INDEXED_FACTS,
    TERMINAL,
    Kind,
    Leaf,
    LogEntry,
    Outcome,
    from_millis,
    read_leaf,
    to_millis,
)
from primafacie.audit.errors import (
    CheckpointError,
    EntryError,
    ErasedError,
    NoteError,
    NotPublished,
    OutcomeError,
    StoreError,
)
from primafacie.audit.note import Signer, open_note, parse_note, parse_vkey, require_name
from primafacie.audit.proof import Proof
from primafacie.audit.store import FactRow, IndexRow, KeyRow, PayloadRow, Tx
from primafacie.audit.vault import ACTOR, SUBJECT, LogSecrets, PersonKey

MAX_AHEAD = timedelta(seconds=10)
"""How far the caller's clock may run before the log's."""

MAX_FACT_CHARS = 512


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the log gives back for an entry. Worth something once the transaction is committed.

    leaf: the bytes that were hashed. leaf_hash: RFC 6962 leaf hash, lower-case hex.
    """

    index: int
    leaf: bytes
    leaf_hash: str
    rid: str
    kind: Kind
    at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did: how many payloads went, and the leaf that says so."""

    payloads: int
    receipt: Receipt


class Log:
    """A tamper-evident log with one name, one signer and one database.

    origin: the log's name for ever, like `example.org/primafacie`; the signer's keys bear it too.
    clock: aware UTC now. Thread-safe: the object holds no state but its keys.
    """

    def __init__(
        self,
        origin: str,
        signer: Signer,
        secrets: LogSecrets,
        clock: Callable[[], datetime],
    ) -> None:
        self.origin = require_name(origin)
        if any(parse_vkey(vkey).name != origin for vkey in signer.vkeys) or not signer.vkeys:
            raise NoteError("the log's keys must bear the log's origin as their name")
        self._signer = signer
        self._secrets = secrets
        self._clock = clock

    @property
    def vkeys(self) -> tuple[str, ...]:
        """The public keys that verify this log."""
        return self._signer.vkeys

    def size(self, tx: Tx) -> int:
        """How many leaves the log has, as this transaction sees it."""
        return store.head(tx).size

    def append(self, tx: Tx, entry: LogEntry) -> Receipt:
        """Write one entry in the caller's transaction. See `append_many`."""
        return self.append_many(tx, [entry])[0]

    def append_many(self, tx: Tx, entries: Sequence[LogEntry]) -> list[Receipt]:
        """Write entries in order, in the caller's transaction; one receipt each.

        Raises EntryError (cannot be written: too large, or more than 10 s in the future),
        OutcomeError (a second outcome for a request), StoreError (the tables were tampered with)
        and whatever the database raises. After any of them the transaction must be rolled back
        and the request refused: what could not be logged must not happen.
        """
        if not entries:
            return []
        store.lock(tx)
        head = store.head(tx)
        self._refuse_second_outcomes(tx, entries)
        people = self._people(tx, entries)
        frontier = store.frontier(tx, head.size)
        latest = to_millis(self._clock() + MAX_AHEAD)
        rows, receipts, last = _Rows(), [], head.at
        for index, entry in enumerate(entries, head.size):
            told = to_millis(entry.at)
            if told > latest:
                raise EntryError("the entry says it happens in the future")
            last = max(last, told)
            leaf, payload = self._leaf(entry, index, last, people)
            receipts.append(rows.add(leaf, leaf.encode(), frontier, payload))
        rows.write(tx)
        return receipts

    def publish(self, tx: Tx) -> Checkpoint:
        """Sign the log as it stands and keep the checkpoint; the newest one if nothing was added.

        Before signing, the tree must extend the last checkpoint: CheckpointError when leaves are
        missing or the stored tree leads elsewhere. Nothing may leave the process before commit.
        """
        store.lock(tx)
        size = store.head(tx).size
        root = store.frontier(tx, size).root()
        head = Checkpoint(self.origin, size, root)
        last = store.last_checkpoint(tx)
        if last is not None:
            old = parse_checkpoint(last[1])
            proof = self._consistency(tx, old.size, size) if old.size <= size else ()
            require_extension(old, head, proof)
            if old.size == size:
                return old
        signed = sign_checkpoint(head, self._signer, int(self._clock().timestamp()))
        store.add_checkpoint(tx, size, signed.note)
        return signed

    def checkpoint(self, tx: Tx) -> Checkpoint | None:
        """The newest published checkpoint with its cosignatures; None before the first."""
        last = store.last_checkpoint(tx)
        return None if last is None else parse_checkpoint(self._cosigned(tx, *last))

    def prove(self, tx: Tx, index: int, size: int | None = None) -> str:
        """The C2SP tlog-proof text of one leaf, under the newest checkpoint or that of `size`.

        Raises NotPublished if no such checkpoint covers the leaf, StoreError for a damaged tree.
        """
        last = store.last_checkpoint(tx) if size is None else _at(size, store.checkpoint(tx, size))
        if last is None or not 0 <= index < last[0]:
            raise NotPublished(f"no checkpoint covers leaf {index}")
        parts = merkle.inclusion_parts(index, last[0])
        return Proof(index, _hashes(tx, parts), self._cosigned(tx, *last)).text()

    def consistency(self, tx: Tx, old: int, new: int) -> tuple[bytes, ...]:
        """The RFC 6962 proof that the tree of `new` leaves extends that of `old`.

        Raises MerkleError for sizes that cannot be.
        """
        if new > self.size(tx):
            raise CheckpointError(f"the log does not have {new} leaves")
        return self._consistency(tx, old, new)

    def add_cosignatures(self, tx: Tx, size: int, lines: str, witnesses: Sequence[str]) -> int:
        """Keep what witnesses returned for the checkpoint at `size`; how many lines held.

        Lines by other keys are passed over; NoteError when a known witness's line is wrong or no
        line is by a known witness.
        """
        note = store.checkpoint(tx, size)
        if note is None:
            raise CheckpointError(f"there is no checkpoint at {size}")
        text = note.rpartition("\n\n")[0] + "\n"
        keys = [key for key in map(parse_vkey, witnesses) if key.name != self.origin]
        _, held = open_note(text + "\n" + lines, keys)
        names = {(item.key.name, item.key.key_id) for item in held}
        for signature in parse_note(text + "\n" + lines).signatures:
            name, key_id = signature.name, signature.key_id
            if (name, key_id) in names:
                store.add_cosignature(tx, size, name, key_id.hex(), signature.line())
        return len(held)

    def leaf(self, tx: Tx, index: int) -> Leaf:
        """What one leaf says. StoreError if there is none or it is damaged."""
        try:
            return read_leaf(store.leaf(tx, index))
        except EntryError as error:
            raise StoreError(f"leaf {index} is damaged: {error}") from error

    def leaf_bytes(self, tx: Tx, index: int) -> bytes:
        """The bytes of one leaf, for `verify_proof`."""
        return store.leaf(tx, index)

    def payload(self, tx: Tx, index: int) -> dict[str, Json] | None:
        """The payload of one leaf, None if it never had one; ErasedError once it was erased.

        StoreError when the row is not what the leaf committed to.
        """
        leaf = self.leaf(tx, index)
        if not leaf.commitment:
            return None
        row = store.payload(tx, index)
        key = None if row is None else store.key(tx, row.key_id)
        if row is None or key is None:
            raise ErasedError(f"the payload of leaf {index} was erased")
        return vault.open_payload(
            vault.unwrap_person_key(self._secrets, key.key_id, key.wrapped),
            self._place(index),
            row.wrapped,
            row.sealed,
            leaf.commitment,
        )

    def pseudonym(self, tx: Tx, person: str, role: str) -> str | None:
        """What stands in leaves for this person as `actor` or `subject`.

        None if the log never heard of the person, or the person was erased.
        """
        row = store.keys(tx, [self._handle(person)]).get(self._handle(person))
        return None if row is None else vault.pseudonym(self._unwrap(row), person, role)

    def erase_subject(self, tx: Tx, subject: str, rid: str | None = None) -> Erasure:
        """Destroy the key of a person, subject or actor, and every payload under it; log that.

        From commit on nobody, the log's owner included, can read those payloads or tell from the
        person's id which leaves speak of them. Leaves and proofs are unchanged. The written leaf
        tells how many payloads went, so that an auditor can account for every missing one; it
        names nobody, for that would tie the person's two pseudonyms together.
        Call `store.scrub` after the commit to drive the bytes out of the files as well.
        An unknown or already erased person is no error: the leaf then tells of 0 payloads.
        """
        store.lock(tx)
        row = store.keys(tx, [self._handle(subject)]).get(self._handle(subject))
        gone = 0 if row is None else store.destroy_key(tx, row.key_id)
        entry = LogEntry(
            Kind.ERASURE_DONE,
            rid or uuid.uuid4().hex,
            self._clock(),
            out=Outcome.OK,
            facts=(("payloads", gone),),
        )
        return Erasure(gone, self.append(tx, entry))

    def _refuse_second_outcomes(self, tx: Tx, entries: Sequence[LogEntry]) -> None:
        ends = [entry for entry in entries if entry.kind in TERMINAL]
        if not ends:
            return
        known = store.outcomes(tx, [entry.rid for entry in ends])
        for entry in ends:
            if entry.rid in known:
                raise OutcomeError(f"request {entry.rid} already ended as {known[entry.rid]}")
            known[entry.rid] = entry.kind.value

    def _people(self, tx: Tx, entries: Sequence[LogEntry]) -> dict[str, PersonKey]:
        """Everyone the entries name → their key, made where there is none yet."""
        names = {name for e in entries for name in (e.actor, e.subject) if name}
        names |= {e.subject or e.actor for e in entries if e.payload is not None}
        handles = {name: self._handle(name) for name in sorted(names)}
        if not handles:
            return {}
        known = store.keys(tx, list(handles.values()))
        people, new = dict[str, PersonKey](), list[KeyRow]()
        for name, handle in handles.items():
            if handle in known:
                people[name] = self._unwrap(known[handle])
            else:
                key = people[name] = vault.new_person_key()
                wrapped = vault.wrap_person_key(self._secrets, key)
                new.append(KeyRow(key.key_id, handle, wrapped, to_millis(self._clock())))
        store.add_keys(tx, new)
        return people

    def _leaf(
        self, entry: LogEntry, index: int, at: int, people: dict[str, PersonKey]
    ) -> tuple[Leaf, PayloadRow | None]:
        commitment, row = "", None
        if entry.payload is not None:
            owner = people[entry.subject or entry.actor]
            sealed = vault.seal_payload(owner, self._place(index), entry.payload)
            commitment = sealed.commitment
            row = PayloadRow(index, owner.key_id, sealed.wrapped, sealed.sealed)
        told = to_millis(entry.at)
        leaf = Leaf(
            log=self.origin,
            index=index,
            at=from_millis(at),
            kind=entry.kind,
            rid=entry.rid,
            actor=_pseudonym(people, entry.actor, ACTOR),
            subject=_pseudonym(people, entry.subject, SUBJECT),
            out=entry.out,
            why=entry.why,
            facts=tuple(sorted(entry.facts)),
            commitment=commitment,
            told=None if told == at else from_millis(told),
        )
        return leaf, row

    def _consistency(self, tx: Tx, old: int, new: int) -> tuple[bytes, ...]:
        return _hashes(tx, merkle.consistency_parts(old, new))

    def _cosigned(self, tx: Tx, size: int, note: str) -> str:
        return note + "".join(store.cosignatures(tx, size))

    def _handle(self, person: str) -> str:
        return vault.handle_of(self._secrets, person)

    def _unwrap(self, row: KeyRow) -> PersonKey:
        return vault.unwrap_person_key(self._secrets, row.key_id, row.wrapped)

    def _place(self, index: int) -> str:
        return f"{self.origin} {index}"


class _Rows:
    """The rows of one append, gathered and then written together."""

    def __init__(self) -> None:
        self.leaves: list[tuple[int, int, bytes]] = []
        self.nodes: list[tuple[int, bytes]] = []
        self.index: list[IndexRow] = []
        self.facts: list[FactRow] = []
        self.payloads: list[PayloadRow] = []

    def add(
        self, leaf: Leaf, body: bytes, frontier: merkle.Frontier, payload: PayloadRow | None
    ) -> Receipt:
        first = merkle.node_id(0, leaf.index)
        new = frontier.push(merkle.leaf_hash(body))
        self.leaves.append((leaf.index, to_millis(leaf.at), body))
        self.nodes += list(enumerate(new, first))
        self.index.append(index_row(leaf))
        self.facts += fact_rows(leaf)
        if payload is not None:
            self.payloads.append(payload)
        return Receipt(leaf.index, body, new[0].hex(), leaf.rid, leaf.kind, leaf.at)

    def write(self, tx: Tx) -> None:
        store.add_leaves(tx, self.leaves, self.nodes)
        store.add_index(tx, self.index, self.facts)
        store.add_payloads(tx, self.payloads)


def index_row(leaf: Leaf) -> IndexRow:
    """How the leaf is found: its own words, nothing added."""
    words = [leaf.kind.value, leaf.out.value, leaf.rid, *leaf.why]
    words += [f"{name}={value}" for name, value in leaf.facts]
    return IndexRow(
        leaf.index,
        leaf.kind.value,
        leaf.out.value,
        leaf.rid,
        leaf.actor,
        leaf.subject,
        to_millis(leaf.at),
        " ".join(words).lower(),
    )


def fact_rows(leaf: Leaf) -> list[FactRow]:
    """The leaf's reasons, and those of its facts that can be searched by name."""
    named = [(name, str(value)) for name, value in leaf.facts if name in INDEXED_FACTS]
    pairs = {("why", reason) for reason in leaf.why} | set(named)
    return [FactRow(leaf.index, name, value[:MAX_FACT_CHARS]) for name, value in sorted(pairs)]


def _at(size: int, note: str | None) -> tuple[int, str] | None:
    return None if note is None else (size, note)


def _pseudonym(people: dict[str, PersonKey], person: str, role: str) -> str:
    return vault.pseudonym(people[person], person, role) if person else ""


def _hashes(tx: Tx, parts: Sequence[merkle.Subtree]) -> tuple[bytes, ...]:
    """The hash of each part, all read in one go."""
    found = store.nodes(tx, [i for part in parts for i in merkle.perfect_ids(part)])
    return tuple(merkle.subtree_hash(part, found) for part in parts)
