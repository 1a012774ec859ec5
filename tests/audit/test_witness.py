"""A witness is hard to deceive, by a log that forks or by a request that is malformed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primafacie.audit.checkpoint import open_checkpoint
from primafacie.audit.errors import BundleError, NoteError, WitnessError
from primafacie.audit.inspection import verify_log
from primafacie.audit.note import NoteSigner
from primafacie.audit.proof import verify_proof
from primafacie.audit.store import leaf
from primafacie.audit.witness import Witness, parse_request, write_request


@pytest.fixture
def witness(room: Any, witness_signer: NoteSigner, tmp_path: Path) -> Witness:
    logs = {room.log.origin: room.vkeys}
    return Witness(witness_signer, logs, tmp_path / "witness.json", room.clock)


def ask(room: Any, witness: Witness, old: int) -> str:
    return witness.add_checkpoint(room.read(lambda tx: write_request(tx, room.log, old)))


def status(room: Any, witness: Witness, old: int) -> int:
    with pytest.raises(WitnessError) as caught:
        ask(room, witness, old)
    return caught.value.status


def test_a_log_that_only_grows_is_cosigned_each_time(room: Any, witness: Witness) -> None:
    old = 0
    for many in (3, 1, 9, 0):
        room.fill(many)
        head = room.publish()
        lines = ask(room, witness, old)
        open_checkpoint(head.note + lines, room.vkeys, witnesses=witness.vkeys, quorum=1)
        known = witness.known(room.log.origin)
        assert known is not None and known.size == head.size
        old = head.size


def test_cosignatures_travel_in_every_later_proof(room: Any, witness: Witness) -> None:
    room.fill(4)
    head = room.publish()
    lines = ask(room, witness, 0)
    stranger = NoteSigner.from_seed("stranger.example", b"\x44" * 32)
    lines += stranger.sign(head.text(), 0)[0]
    for _ in range(2):
        kept = room.read(lambda tx: room.log.add_cosignatures(tx, 4, lines, witness.vkeys))
        assert kept == 1
    body = room.read(lambda tx: leaf(tx, 2))
    text = room.prove(2)
    verify_proof(text, body, room.vkeys, witnesses=witness.vkeys, quorum=1)
    assert "stranger" not in text
    room.read(lambda tx: verify_log(tx, room.log, room.vkeys, witnesses=witness.vkeys, quorum=1))
    room.fill(1)
    room.publish()
    with pytest.raises(BundleError, match="0 of 1"):
        room.read(
            lambda tx: verify_log(tx, room.log, room.vkeys, witnesses=witness.vkeys, quorum=1)
        )


def test_a_cosignature_that_does_not_hold_is_not_kept(room: Any, witness: Witness) -> None:
    room.fill(4)
    room.publish()
    line = ask(room, witness, 0)
    room.fill(1)
    room.publish()
    with pytest.raises(NoteError):
        room.read(lambda tx: room.log.add_cosignatures(tx, 5, line, witness.vkeys))


def test_a_resigned_fork_is_refused(room: Any, new_room: Any, witness: Witness) -> None:
    """The owner has the key and writes history anew: a witness that saw the first balks."""
    room.fill(6)
    room.publish()
    ask(room, witness, 0)
    fork = new_room()
    fork.fill(5)
    fork.append(rid="rewritten")
    fork.publish()
    assert status(fork, witness, 6) == 409
    fork.fill(4)
    fork.publish()
    assert status(fork, witness, 6) == 422
    known = witness.known(room.log.origin)
    assert known is not None and known.size == 6


def test_a_log_restored_from_an_old_backup_is_refused(
    room: Any, new_room: Any, witness: Witness
) -> None:
    room.fill(6)
    room.publish()
    ask(room, witness, 0)
    backup = new_room()
    backup.fill(4)
    backup.publish()
    assert status(backup, witness, 4) == 409
    assert status(backup, witness, 0) == 409


def test_a_witness_answers_the_size_it_remembers(room: Any, witness: Witness) -> None:
    room.fill(6)
    room.publish()
    ask(room, witness, 0)
    with pytest.raises(WitnessError) as caught:
        ask(room, witness, 0)
    assert (caught.value.status, caught.value.known_size) == (409, 6)


def test_an_unknown_log_is_refused(room: Any, tmp_path: Path, witness_signer: NoteSigner) -> None:
    room.fill(1)
    room.publish()
    other = Witness(witness_signer, {"other.example": ()}, tmp_path / "w.json", room.clock)
    assert status(room, other, 0) == 404


def test_a_checkpoint_by_another_key_is_refused(room: Any, new_room: Any, witness: Witness) -> None:
    rogue = new_room(seed=b"\x66" * 32)
    rogue.fill(1)
    rogue.publish()
    assert status(rogue, witness, 0) == 403


def test_a_first_checkpoint_needs_no_proof_and_takes_none(room: Any, witness: Witness) -> None:
    room.fill(3)
    room.publish()
    body = room.read(lambda tx: write_request(tx, room.log, 0))
    with pytest.raises(WitnessError) as caught:
        witness.add_checkpoint(body.replace("old 0\n", f"old 0\n{'A' * 43}=\n", 1))
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "change",
    [
        ("old 0", "old 00"),
        ("old 0", "old -1"),
        ("old 0", "new 0"),
        ("old 0", "old 9"),
        ("old 0\n", "old 0\nnot base64\n"),
        ("old 0\n", "old 0\n" + "A" * 43 + "=" + ("\n" + "A" * 43 + "=") * 64 + "\n"),
        ("\n\n", "\n"),
        ("\n3\n", "\n3 \n"),
    ],
)
def test_a_malformed_request_is_refused_and_changes_nothing(
    room: Any, witness: Witness, change: tuple[str, str]
) -> None:
    room.fill(3)
    room.publish()
    body = room.read(lambda tx: write_request(tx, room.log, 0))
    with pytest.raises(WitnessError) as caught:
        witness.add_checkpoint(body.replace(*change, 1))
    assert caught.value.status == 400 and witness.known(room.log.origin) is None


def test_a_witness_whose_memory_is_damaged_cosigns_nothing(
    room: Any, witness: Witness, tmp_path: Path
) -> None:
    room.fill(3)
    room.publish()
    ask(room, witness, 0)
    for damage in (b"", b"{}x", b'{"a":"b"}', b"[]"):
        (tmp_path / "witness.json").write_bytes(damage)
        assert status(room, witness, 3) == 500


def test_a_witness_is_not_the_log_itself(room: Any, tmp_path: Path) -> None:
    for signer in (room.signer, NoteSigner.from_seed("w.example", b"\x01" * 32)):
        with pytest.raises(WitnessError):
            Witness(signer, {room.log.origin: room.vkeys}, tmp_path / "w.json", room.clock)


def test_a_log_without_checkpoint_has_nothing_to_ask(room: Any) -> None:
    with pytest.raises(WitnessError):
        room.read(lambda tx: write_request(tx, room.log, 0))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=120) | st.binary(max_size=80).map(b"old 0\n\n".__add__))
def test_foreign_bytes_raise_nothing_but_witness_errors(witness: Witness, body: bytes) -> None:
    with pytest.raises(WitnessError):
        witness.add_checkpoint(body)


def test_the_example_of_the_specification_is_read() -> None:
    body = (
        "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\nexample.com/behind-the-sofa\n20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOo"
        "RDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    )
    old, proof, note = parse_request(body)
    assert old == 20852014 and len(proof) == 2 and note.startswith("example.com/behind-the-sofa\n")
