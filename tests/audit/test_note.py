"""Signed notes against the examples of C2SP and of Go's sumdb/note."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primafacie.audit.canonical import decode_base64
from primafacie.audit.errors import NoteError
from primafacie.audit.note import (
    Algorithm,
    NoteSigner,
    SignerGroup,
    VerifierKey,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)

# golang.org/x/mod/sumdb/note, package example: key, text, and the note Go makes of them.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = decode_base64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2p"
    "ZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# C2SP signed-note, section Verifier keys.
C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFX"
    "mRKuwHjG1Yu72IneyaQM=\n"
)
# C2SP signed-note, first example: text with an empty line and a letter outside ASCII.
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONr"
    "MouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
HEAD = "log.example/x\n5\n" + "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


@pytest.fixture(params=list(Algorithm), ids=lambda a: a.name)
def signer(request: pytest.FixtureRequest) -> NoteSigner:
    return NoteSigner.from_seed("key.example/1", b"\x05" * 32, request.param)


def test_a_note_is_byte_for_byte_that_of_go() -> None:
    signer = NoteSigner.from_seed("PeterNeumann", GO_SEED)
    assert signer.vkeys == (GO_VKEY,)
    assert sign_note(GO_TEXT, signer, 0) == GO_NOTE


@pytest.mark.parametrize(("note", "vkey"), [(GO_NOTE, GO_VKEY), (C2SP_NOTE, C2SP_VKEY)])
def test_notes_made_by_others_verify(note: str, vkey: str) -> None:
    text, held = open_note(note.encode(), [parse_vkey(vkey)])
    assert note.startswith(text) and [h.key.vkey for h in held] == [vkey]


def test_text_may_hold_empty_lines_and_letters_of_every_language() -> None:
    parsed = parse_note(POEM)
    assert parsed.text.endswith("sera.\n") and len(parsed.signatures[0].raw) == 64


def test_every_signature_type_round_trips(signer: NoteSigner) -> None:
    note = sign_note(HEAD, signer, 1_795_000_000)
    text, held = open_note(note, [parse_vkey(vkey) for vkey in signer.vkeys])
    assert text == HEAD
    assert held[0].timestamp == (0 if signer.algorithm is Algorithm.ED25519 else 1_795_000_000)


def test_an_ed25519_cosignature_covers_header_time_and_text() -> None:
    """C2SP tlog-cosignature, section Ed25519 signed message, checked with the bare primitive."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signer = NoteSigner.from_seed("w.example", b"\x06" * 32, Algorithm.ED25519_COSIGNATURE)
    blob = parse_note(sign_note(HEAD, signer, 1679315147)).signatures[0]
    assert int.from_bytes(blob.raw[:8], "big") == 1679315147
    message = b"cosignature/v1\ntime 1679315147\n" + HEAD.encode()
    Ed25519PublicKey.from_public_bytes(signer.key.public).verify(blob.raw[8:], message)


def test_an_ml_dsa_cosignature_covers_the_structure_of_the_specification() -> None:
    """C2SP tlog-cosignature, section ML-DSA-44 signed message, built here a second time."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    signer = NoteSigner.from_seed("w.example", b"\x06" * 32, Algorithm.ML_DSA_44)
    blob = parse_note(sign_note(HEAD, signer, 77)).signatures[0]
    root = decode_base64("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    message = (
        b"subtree/v1\n\x00"
        + b"\x09w.example"
        + (77).to_bytes(8, "big")
        + b"\x0dlog.example/x"
        + bytes(8)
        + (5).to_bytes(8, "big")
        + root
    )
    assert len(blob.raw) == 8 + 2420
    MLDSA44PublicKey.from_public_bytes(signer.key.public).verify(blob.raw[8:], message)


def test_a_group_signs_with_every_key() -> None:
    members = tuple(
        NoteSigner.from_seed("key.example/1", bytes([i]) * 32, a) for i, a in enumerate(Algorithm)
    )
    group = SignerGroup(members)
    note = sign_note(HEAD, group, 9)
    assert len(open_note(note, [parse_vkey(v) for v in group.vkeys])[1]) == 3


def test_signatures_by_strangers_are_passed_over(signer: NoteSigner) -> None:
    stranger = NoteSigner.from_seed("stranger.example", b"\x09" * 32)
    note = sign_note(HEAD, SignerGroup((stranger, signer)), 3)
    assert len(open_note(note, [signer.key])[1]) == 1
    with pytest.raises(NoteError, match="no key that we trust"):
        open_note(note, [VerifierKey("other.example", Algorithm.ED25519, b"\1" * 32)])


def test_one_wrong_signature_by_a_known_key_condemns_the_note(signer: NoteSigner) -> None:
    good = NoteSigner.from_seed("good.example", b"\x08" * 32)
    other = HEAD.replace("5", "6")
    line = signer.sign(other, 1)[0]
    note = sign_note(HEAD, good, 1) + line
    with pytest.raises(NoteError, match="does not hold"):
        open_note(note, [good.key, signer.key])


def test_the_same_key_under_another_name_is_another_key(signer: NoteSigner) -> None:
    renamed = VerifierKey("key.example/2", signer.algorithm, signer.key.public)
    with pytest.raises(NoteError):
        open_note(sign_note(HEAD, signer, 1), [renamed])


def test_a_cosignature_cannot_be_given_another_date() -> None:
    for algorithm in (Algorithm.ED25519_COSIGNATURE, Algorithm.ML_DSA_44):
        signer = NoteSigner.from_seed("w.example", b"\x06" * 32, algorithm)
        blob = parse_note(sign_note(HEAD, signer, 50)).signatures[0]
        with pytest.raises(NoteError):
            signer.key.verify(HEAD, (51).to_bytes(8, "big") + blob.raw[8:])
        with pytest.raises(NoteError):
            signer.key.verify(HEAD, b"\xff" * 8 + blob.raw[8:])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GO_NOTE.encode()) * 8 - 1))
def test_no_flipped_bit_leaves_a_note_valid(bit: int) -> None:
    data = bytearray(GO_NOTE.encode())
    data[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(NoteError):
        open_note(bytes(data), [parse_vkey(GO_VKEY)])


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200)))
def test_foreign_bytes_raise_nothing_but_note_errors(data: bytes | str) -> None:
    with pytest.raises(NoteError):
        open_note(data, [parse_vkey(GO_VKEY)])


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpcQcUPDhMQegwxbzhKqiBfsVkmqq",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+",
        "PeterNeumann+c74f20a3+ARpc2Q==",
        "PeterNeumann+c74f20a3+ZZpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_malformed_verifier_keys_are_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        parse_vkey(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "x" * 256])
def test_names_that_could_be_read_two_ways_are_refused(name: str) -> None:
    with pytest.raises(NoteError):
        NoteSigner.from_seed(name, b"\1" * 32)


@pytest.mark.parametrize("text", ["no newline", "tab\tinside\n", "carriage\r\n"])
def test_text_with_control_characters_is_never_signed(text: str, signer: NoteSigner) -> None:
    with pytest.raises(NoteError):
        signer.sign(text, 0)


def test_an_ml_dsa_key_signs_nothing_but_a_checkpoint() -> None:
    signer = NoteSigner.from_seed("w.example", b"\x06" * 32, Algorithm.ML_DSA_44)
    for text in ("hello\n", HEAD + "extension\n", "a\n05\nAAAA\n"):
        with pytest.raises(NoteError):
            signer.sign(text, 0)


def test_a_signer_shows_no_key() -> None:
    assert "0505" not in repr(NoteSigner.from_seed("key.example/1", b"\x05" * 32))
