"""A proof is for one leaf of one log, and for no other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primafacie.audit.checkpoint import open_checkpoint, parse_checkpoint
from primafacie.audit.errors import CheckpointError, ProofError
from primafacie.audit.note import Algorithm, NoteSigner, sign_note
from primafacie.audit.proof import Proof, parse_proof, verify_leaf, verify_proof

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@pytest.fixture
def proven(room: Any) -> tuple[Any, list[Any], list[str]]:
    receipts = [room.append(rid=f"r{i}") for i in range(11)]
    room.publish()
    return room, receipts, [room.prove(i) for i in range(11)]


def test_every_leaf_is_proven_with_public_keys_alone(proven: Any) -> None:
    room, receipts, texts = proven
    for receipt, text in zip(receipts, texts, strict=True):
        head = verify_proof(text, receipt.leaf, room.vkeys)
        assert head.size == 11
        leaf, _ = verify_leaf(text, receipt.leaf, room.vkeys)
        assert leaf.rid == receipt.rid


def test_the_text_is_that_of_c2sp(proven: Any) -> None:
    lines = proven[2][3].split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1" and lines[1] == "index 3"
    blank = lines.index("")
    assert blank == 2 + 4 and lines[blank + 1 : blank + 3] == [proven[0].log.origin, "11"]
    assert parse_proof(proven[2][3]).text() == proven[2][3]


def test_the_proof_of_someone_elses_leaf_is_refused(proven: Any) -> None:
    room, receipts, texts = proven
    for index, text in enumerate(texts):
        other = receipts[(index + 1) % 11].leaf
        with pytest.raises(ProofError):
            verify_proof(text, other, room.vkeys)


def test_a_leaf_moved_to_another_index_is_refused(proven: Any) -> None:
    room, receipts, texts = proven
    for wrong in ("index 4", "index 03", "index -3", "index 3 ", "index 11", "index"):
        with pytest.raises(ProofError):
            verify_proof(texts[3].replace("index 3", wrong), receipts[3].leaf, room.vkeys)


def test_a_proof_by_a_rogue_log_key_is_refused(proven: Any, new_room: Any) -> None:
    room, receipts, _ = proven
    rogue = new_room(seed=b"\x66" * 32)
    receipt = rogue.append()
    rogue.publish()
    with pytest.raises(ProofError, match="no key that we trust"):
        verify_proof(rogue.prove(0), receipt.leaf, room.vkeys)
    assert receipts


def test_a_witness_key_does_not_stand_in_for_the_log(room: Any) -> None:
    signer = NoteSigner.from_seed(
        "log.example/primafacie", b"\x01" * 32, Algorithm.ED25519_COSIGNATURE
    )
    note = sign_note(f"log.example/primafacie\n1\n{ROOT}\n", signer, 5)
    with pytest.raises(CheckpointError, match="did not sign"):
        open_checkpoint(note, signer.vkeys)
    other = NoteSigner.from_seed("other.example", b"\x01" * 32)
    note = sign_note(f"log.example/primafacie\n1\n{ROOT}\n", other, 5)
    with pytest.raises(CheckpointError, match="did not sign"):
        open_checkpoint(note, other.vkeys)


def test_a_quorum_counts_witnesses_and_not_their_keys(room: Any) -> None:
    room.fill(1)
    head = room.publish()

    def cosigner(name: str, seed: int, kind: Algorithm) -> NoteSigner:
        return NoteSigner.from_seed(name, bytes([seed]) * 32, kind)

    one = [cosigner("w1", 1, Algorithm.ML_DSA_44), cosigner("w1", 2, Algorithm.ED25519_COSIGNATURE)]
    two = cosigner("w2", 3, Algorithm.ML_DSA_44)
    note = head.note + "".join(line for s in one for line in s.sign(head.text(), 9))
    keys = [v for s in (*one, two) for v in s.vkeys]
    open_checkpoint(note, room.vkeys, witnesses=keys, quorum=1)
    with pytest.raises(CheckpointError, match="1 of 2"):
        open_checkpoint(note, room.vkeys, witnesses=keys, quorum=2)
    note += two.sign(head.text(), 9)[0]
    assert open_checkpoint(note, room.vkeys, witnesses=keys, quorum=2).size == 1


def test_a_checkpoint_of_another_log_is_refused(proven: Any) -> None:
    room, receipts, texts = proven
    with pytest.raises(ProofError, match="another log"):
        verify_proof(texts[0], receipts[0].leaf, room.vkeys, origin="other.example")


def test_a_forged_leaf_that_names_another_place_is_refused(room: Any) -> None:
    """A log that signs a leaf lying about its own index is found by whoever reads the leaf."""
    from primafacie.audit import merkle, store
    from primafacie.audit.checkpoint import Checkpoint, sign_checkpoint

    room.append()
    body = room.read(lambda tx: store.leaf(tx, 0)).replace(b'"n":0', b'"n":9')
    root = merkle.leaf_hash(body)
    head = sign_checkpoint(Checkpoint(room.log.origin, 1, root), room.signer, 0)
    text = Proof(0, (), head.note).text()
    verify_proof(text, body, room.vkeys)
    with pytest.raises(ProofError, match="another place"):
        verify_leaf(text, body, room.vkeys)
    with pytest.raises(ProofError):
        verify_leaf(text, b"x", room.vkeys)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_flipped_bit_leaves_a_proof_valid(proven: Any, data: st.DataObject) -> None:
    room, receipts, texts = proven
    raw = bytearray(texts[5].encode())
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(ProofError):
        verify_proof(raw.decode("utf-8", "surrogateescape"), receipts[5].leaf, room.vkeys)


def test_extra_data_is_carried_but_says_nothing(proven: Any) -> None:
    room, receipts, texts = proven
    proof = parse_proof(texts[2])
    text = Proof(proof.index, proof.hashes, proof.note, b"hello").text()
    assert "\nextra aGVsbG8=\n" in text and parse_proof(text).extra == b"hello"
    verify_proof(text, receipts[2].leaf, room.vkeys)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.text(max_size=100).map("c2sp.org/tlog-proof@v1\n".__add__))
def test_foreign_text_raises_nothing_but_proof_errors(text: str) -> None:
    with pytest.raises(ProofError):
        verify_proof(text, b"", ["x+00000000+AAAA"])
        verify_proof(text, b"", [])


@pytest.mark.parametrize(
    "text",
    [
        f"a\n1\n{ROOT}\nextension\n",
        f"a\n01\n{ROOT}\n",
        f"a\n-1\n{ROOT}\n",
        "a\n1\nAAAA\n",
        f"\n1\n{ROOT}\n",
        "a\n1\n",
        f"a\n9999999999999999999\n{ROOT}\n",
    ],
)
def test_a_malformed_checkpoint_is_refused_though_it_is_signed(text: str) -> None:
    signer = NoteSigner.from_seed("a", b"\x01" * 32)
    with pytest.raises(CheckpointError):
        parse_checkpoint(sign_note(text, signer, 0))
