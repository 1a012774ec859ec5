"""After an erasure: the history stands, and of the person nothing is left in any file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit import store
from primafacie.audit.entry import Kind, read_leaf
from primafacie.audit.errors import BundleError, ErasedError, StoreError
from primafacie.audit.inspection import verify_log
from primafacie.audit.proof import verify_proof
from primafacie.audit.query import search

PERSON = "sam-person-id-0451"
SECRET = "a script that only Sam may read, 0451"


@pytest.fixture
def erased(room: Any) -> Any:
    """Sam's two entries among others, then erased. Keeps what stood there before."""
    room.fill(30)
    room.append(Kind.REQUEST_RECEIVED, "a", subject=PERSON, actor="u", payload={"s": SECRET})
    room.append(Kind.CONSENT_DRAFT, "b", actor=PERSON, payload={"s": SECRET})
    room.append(Kind.REQUEST_RECEIVED, "c", subject="other", actor="u", payload={"s": "kept"})
    room.publish()
    room.proofs = {
        i: (room.prove(i), room.read(lambda tx, i=i: store.leaf(tx, i))) for i in (30, 31)
    }
    raw = sqlite3.connect(room.path)
    room.before = [
        blob
        for row in raw.execute("SELECT wrapped, sealed FROM log_payload WHERE seq < 32")
        for blob in row
    ]
    room.before += [
        part
        for row in raw.execute(
            "SELECT key_id, handle, wrapped FROM log_key WHERE key_id IN "
            "(SELECT key_id FROM log_payload WHERE seq = 30)"
        )
        for part in row
    ]
    raw.close()
    with room.engine.begin() as tx:
        room.erasure = room.log.erase_subject(tx, PERSON)
    store.scrub(room.engine)
    return room


def files(path: Path) -> bytes:
    return b"".join(p.read_bytes() for p in path.parent.iterdir() if p.name.startswith(path.name))


def test_no_byte_of_the_person_is_left_in_any_file(erased: Any) -> None:
    data = files(erased.path)
    assert len(erased.before) == 4 + 3
    for item in erased.before:
        needle = item if isinstance(item, bytes) else item.encode()
        assert needle not in data
    for text in (PERSON, SECRET):
        assert text.encode() not in data


def test_plain_ids_and_payloads_never_stood_in_the_files_at_all(room: Any) -> None:
    room.append(Kind.REQUEST_RECEIVED, "a", subject=PERSON, actor=PERSON, payload={"s": SECRET})
    data = files(room.path)
    assert PERSON.encode() not in data and SECRET.encode() not in data


def test_the_proofs_still_verify_and_new_ones_can_be_made(erased: Any) -> None:
    for index, (text, leaf) in erased.proofs.items():
        assert verify_proof(text, leaf, erased.vkeys).size == 33
        erased.publish()
        assert verify_proof(erased.prove(index), leaf, erased.vkeys).size == 34


def test_the_payload_is_unreadable_and_that_of_others_is_not(erased: Any) -> None:
    for index in (30, 31):
        with pytest.raises(ErasedError):
            erased.read(lambda tx, i=index: erased.log.payload(tx, i))
    assert erased.read(lambda tx: erased.log.payload(tx, 32)) == {"s": "kept"}


def test_nobody_can_tell_any_more_which_leaves_speak_of_the_person(erased: Any) -> None:
    for role in ("actor", "subject"):
        assert erased.read(lambda tx, r=role: erased.log.pseudonym(tx, PERSON, r)) is None
    assert erased.read(lambda tx: search(tx, erased.log, f"subject:{PERSON}")).rows == ()
    assert erased.read(lambda tx: search(tx, erased.log, "subject:other")).rows[0].seq == 32


def test_the_person_who_comes_back_is_a_new_one(erased: Any) -> None:
    old = read_leaf(erased.proofs[30][1]).subject
    new = read_leaf(erased.append(subject=PERSON).leaf).subject
    assert new and new != old


def test_the_erasure_is_on_record_and_names_nobody(erased: Any) -> None:
    leaf = read_leaf(erased.erasure.receipt.leaf)
    assert leaf.kind is Kind.ERASURE_DONE and leaf.fact("payloads") == 2 == erased.erasure.payloads
    assert (leaf.actor, leaf.subject) == ("", "")
    erased.read(lambda tx: verify_log(tx, erased.log, erased.vkeys))


def test_an_erasure_that_is_rolled_back_erased_nothing(room: Any) -> None:
    room.append(subject=PERSON, payload={"s": SECRET})
    with pytest.raises(ZeroDivisionError), room.engine.begin() as tx:
        room.log.erase_subject(tx, PERSON)
        raise ZeroDivisionError
    assert room.read(lambda tx: room.log.payload(tx, 0)) == {"s": SECRET}


def test_a_person_nobody_knows_is_erased_without_complaint(room: Any) -> None:
    assert room.read(lambda tx: room.log.erase_subject(tx, "nobody")).payloads == 0


def test_a_payload_that_vanishes_off_the_record_is_found(room: Any) -> None:
    room.append(subject=PERSON, payload={"s": SECRET})
    room.hack("DELETE FROM log_payload")
    with pytest.raises(BundleError, match="1 payloads are gone, 0 were erased on record"):
        room.read(lambda tx: verify_log(tx, room.log, room.vkeys))


def test_scrubbing_while_someone_reads_says_that_it_failed(erased: Any) -> None:
    erased.read(lambda tx: erased.log.erase_subject(tx, "other"))
    reader = sqlite3.connect(erased.path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM log_key").fetchall()
    erased.append()
    with pytest.raises(StoreError, match="still there"):
        store.scrub(erased.engine)
    reader.close()
    store.scrub(erased.engine)
