"""The log in one process: what an append promises, and what a rollback leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from primafacie.audit import merkle, store
from primafacie.audit.checkpoint import open_checkpoint, parse_checkpoint, require_extension
from primafacie.audit.entry import Kind, Outcome, read_leaf
from primafacie.audit.errors import (
    CheckpointError,
    EntryError,
    MerkleError,
    NoteError,
    NotPublished,
    OutcomeError,
    StoreError,
)
from primafacie.audit.inspection import verify_log
from primafacie.audit.log import Log
from primafacie.audit.note import NoteSigner
from primafacie.audit.vault import LogSecrets


def test_an_entry_becomes_a_leaf_without_any_plain_id(room: Any) -> None:
    receipt = room.append(
        Kind.REQUEST_RECEIVED, "rid-1", actor="alice@example.org", subject="sam", out=Outcome.OK
    )
    leaf = read_leaf(receipt.leaf)
    assert (leaf.index, leaf.kind, leaf.rid) == (0, Kind.REQUEST_RECEIVED, "rid-1")
    assert receipt.leaf_hash == merkle.leaf_hash(receipt.leaf).hex()
    assert b"alice" not in receipt.leaf and b"sam" not in receipt.leaf
    assert len(leaf.actor) == len(leaf.subject) == 32


def test_one_person_keeps_one_pseudonym_per_role(room: Any) -> None:
    first = read_leaf(room.append(actor="x", subject="y").leaf)
    second = read_leaf(room.append(actor="y", subject="x").leaf)
    third = read_leaf(room.append(actor="x", subject="y").leaf)
    assert (first.actor, first.subject) == (third.actor, third.subject)
    assert len({first.actor, first.subject, second.actor, second.subject}) == 4


def test_an_entry_without_persons_names_nobody(room: Any) -> None:
    leaf = read_leaf(room.append().leaf)
    assert leaf.actor == leaf.subject == leaf.commitment == ""


def test_many_entries_are_written_as_if_one_by_one(room: Any, new_room: Any) -> None:
    other = new_room()
    entries = [room.entry(rid=f"r{i}", facts=(("n", i),)) for i in range(37)]
    with room.engine.begin() as tx:
        receipts = room.log.append_many(tx, entries)
    for entry in entries:
        with other.engine.begin() as tx:
            other.log.append(tx, entry)
    assert [r.index for r in receipts] == list(range(37))
    assert room.publish().root == other.publish().root
    assert room.read(lambda tx: room.log.append_many(tx, [])) == []


def test_facts_stand_in_one_order_however_they_were_told(room: Any) -> None:
    room.append(facts=(("zone", "z"), ("asset", 5), ("path", "/p")))
    room.read(lambda tx: verify_log(tx, room.log, room.vkeys))
    assert room.read(lambda tx: room.log.leaf(tx, 0)).facts[0] == ("asset", 5)


def test_a_rolled_back_entry_was_never_there_and_its_index_is_given_again(room: Any) -> None:
    room.fill(5)
    with pytest.raises(ZeroDivisionError), room.engine.begin() as tx:
        room.log.append(tx, room.entry(rid="lost", subject="new person", payload={"a": 1}))
        assert room.log.size(tx) == 6
        raise ZeroDivisionError
    assert room.read(room.log.size) == 5
    assert room.read(lambda tx: room.log.pseudonym(tx, "new person", "subject")) is None
    receipt = room.append(rid="kept", subject="new person", payload={"a": 2})
    assert receipt.index == 5
    assert room.read(lambda tx: room.log.payload(tx, 5)) == {"a": 2}
    room.publish()
    room.read(lambda tx: verify_log(tx, room.log, room.vkeys))


def test_a_rolled_back_checkpoint_is_no_checkpoint(room: Any) -> None:
    room.fill(3)
    with pytest.raises(ZeroDivisionError), room.engine.begin() as tx:
        room.log.append(tx, room.entry())
        room.log.publish(tx)
        raise ZeroDivisionError
    assert room.read(room.log.checkpoint) is None
    assert room.publish().size == 3


def test_time_in_the_log_never_falls_and_the_callers_time_is_kept(room: Any) -> None:
    late = room.append()
    early = read_leaf(room.append(at=late.at - timedelta(hours=1)).leaf)
    assert early.at == late.at and early.told == late.at - timedelta(hours=1)
    assert read_leaf(late.leaf).told is None


def test_an_entry_from_the_future_is_refused(room: Any) -> None:
    room.append(at=room.clock.now + timedelta(seconds=9))
    with pytest.raises(EntryError, match="future"):
        room.append(at=room.clock.now + timedelta(seconds=11))


def test_a_request_ends_once(room: Any) -> None:
    room.append(Kind.REQUEST_RECEIVED, "a")
    room.append(Kind.OUTPUT_RELEASED, "a")
    for kind in (Kind.OUTPUT_RELEASED, Kind.REQUEST_CANCELLED):
        with pytest.raises(OutcomeError, match=r"already ended as output\.released"):
            room.append(kind, "a")
    with pytest.raises(OutcomeError), room.engine.begin() as tx:
        pair = [room.entry(Kind.REQUEST_FAILED, "b"), room.entry(Kind.REQUEST_ABORTED, "b")]
        room.log.append_many(tx, pair)
    room.append(Kind.REQUEST_FAILED, "b")


def test_the_database_itself_refuses_a_second_outcome(room: Any) -> None:
    room.append(Kind.OUTPUT_RELEASED, "a")
    row = store.IndexRow(1, "request.failed", "error", "a", "", "", 0, "")
    with pytest.raises(IntegrityError), room.engine.begin() as tx:
        store.add_index(tx, [row], [])


def test_a_leaf_that_would_be_too_large_is_refused(room: Any) -> None:
    with pytest.raises(EntryError, match="4096 fit"):
        room.append(facts=(("long", "x" * 5000),))
    with pytest.raises(EntryError, match="fit"):
        room.append(payload={"long": "x" * 300_000})
    with pytest.raises(EntryError, match="float"):
        room.append(payload={"score": 0.5})
    assert room.read(room.log.size) == 0


def test_publishing_signs_the_tree_and_publishing_again_changes_nothing(room: Any) -> None:
    room.fill(7)
    head = room.publish()
    leaves = room.read(lambda tx: [body for _, body in store.leaves(tx)])
    frontier = merkle.Frontier()
    for leaf in leaves:
        frontier.push(merkle.leaf_hash(leaf))
    assert head.root == frontier.root()
    assert open_checkpoint(head.note, room.vkeys, origin=room.log.origin) == head
    assert room.publish() == head == room.read(room.log.checkpoint)


def test_an_empty_log_can_be_published(room: Any) -> None:
    assert room.publish().root == merkle.EMPTY_ROOT
    room.fill(1)
    assert room.publish().size == 1


def test_every_pair_of_checkpoints_is_consistent(room: Any) -> None:
    heads = []
    for many in (1, 1, 2, 5, 7, 16):
        room.fill(many)
        heads.append(room.publish())
    for old in heads:
        for new in heads:
            if old.size <= new.size:
                proof = room.read(lambda tx, o=old, n=new: room.log.consistency(tx, o.size, n.size))
                require_extension(old, new, proof)
            else:
                with pytest.raises(CheckpointError, match="went back"):
                    require_extension(old, new, ())
    with pytest.raises(CheckpointError):
        room.read(lambda tx: room.log.consistency(tx, 1, 99))
    with pytest.raises(MerkleError):
        room.read(lambda tx: room.log.consistency(tx, 5, 1))


def test_a_leaf_is_proven_only_once_it_is_published(room: Any) -> None:
    room.fill(2)
    with pytest.raises(NotPublished):
        room.prove(0)
    room.publish()
    room.append()
    for index in (2, -1):
        with pytest.raises(NotPublished):
            room.prove(index)
    with pytest.raises(NotPublished):
        room.read(lambda tx: room.log.prove(tx, 0, 3))


def test_a_log_that_lost_leaves_signs_nothing(room: Any) -> None:
    room.fill(6)
    room.publish()
    room.hack("DELETE FROM log_leaf WHERE seq >= 4", "DELETE FROM log_node WHERE id >= 7")
    with pytest.raises(CheckpointError, match="went back from 6 to 4"):
        room.publish()


def test_a_log_whose_tree_was_changed_signs_nothing(room: Any) -> None:
    room.fill(6)
    room.publish()
    room.hack("UPDATE log_node SET hash = zeroblob(32) WHERE id = 6")
    room.append()
    with pytest.raises(CheckpointError, match="does not extend"):
        room.publish()


def test_a_log_whose_tree_has_a_hole_takes_no_entry(room: Any) -> None:
    room.fill(6)
    room.hack("DELETE FROM log_node WHERE id = 6")
    with pytest.raises(StoreError, match="missing"):
        room.append()


def test_a_payload_opens_only_as_its_leaf_committed_to_it(room: Any) -> None:
    room.append(subject="s", payload={"script": "first"})
    room.append(subject="s", payload={"script": "other"})
    room.append(payload={"nobody": True})
    room.append()
    payload = lambda i: room.read(lambda tx: room.log.payload(tx, i))  # noqa: E731
    assert [payload(i) for i in range(4)] == [
        {"script": "first"},
        {"script": "other"},
        {"nobody": True},
        None,
    ]
    room.hack(
        "UPDATE log_payload SET (wrapped, sealed) = "
        "(SELECT wrapped, sealed FROM log_payload WHERE seq = 1) WHERE seq = 0"
    )
    with pytest.raises(StoreError):
        payload(0)


def test_another_master_opens_nothing(room: Any) -> None:
    room.append(subject="s", payload={"a": 1})
    other = Log(room.log.origin, room.signer, LogSecrets.derive(b"\x07" * 32), room.clock)
    with pytest.raises(StoreError, match="another master"):
        room.read(lambda tx: other.payload(tx, 0))
    assert room.read(lambda tx: other.pseudonym(tx, "s", "subject")) is None
    with pytest.raises(EntryError):
        LogSecrets.derive(b"short")
    assert "\\x07" not in repr(LogSecrets.derive(b"\x07" * 32))


def test_a_log_signs_only_under_its_own_name(room: Any) -> None:
    stranger = NoteSigner.from_seed("another.example", b"\x01" * 32)
    with pytest.raises(NoteError):
        Log(room.log.origin, stranger, LogSecrets.derive(b"\x02" * 32), room.clock)
    with pytest.raises(NoteError):
        Log("a log", room.signer, LogSecrets.derive(b"\x02" * 32), room.clock)


def test_a_log_does_not_go_on_under_another_name(room: Any) -> None:
    room.fill(1)
    room.publish()
    signer = NoteSigner.from_seed("renamed.example", b"\x01" * 32)
    renamed = Log("renamed.example", signer, LogSecrets.derive(b"\x02" * 32), room.clock)
    with pytest.raises(CheckpointError, match="different logs"):
        room.read(renamed.publish)


def test_a_leaf_that_is_not_there_is_an_error(room: Any) -> None:
    with pytest.raises(StoreError):
        room.read(lambda tx: room.log.leaf(tx, 0))
    room.append()
    room.hack("UPDATE log_leaf SET body = X'00'")
    with pytest.raises(StoreError, match="damaged"):
        room.read(lambda tx: room.log.leaf(tx, 0))


def test_after_a_key_rotation_old_and_new_checkpoints_verify(room: Any) -> None:
    room.fill(3)
    old = room.publish()
    signer = NoteSigner.from_seed(room.log.origin, b"\x55" * 32)
    rotated = Log(room.log.origin, signer, LogSecrets.derive(b"\x02" * 32), room.clock)
    room.append(Kind.KEY_ROTATED, "rot")
    new = room.read(rotated.publish)
    keys = [*room.vkeys, *rotated.vkeys]
    for head in (old, new):
        assert open_checkpoint(head.note, keys).size == head.size
    with pytest.raises(CheckpointError):
        open_checkpoint(new.note, room.vkeys)
    assert parse_checkpoint(new.note).size == 4
