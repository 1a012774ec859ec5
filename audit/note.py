"""Signed notes: text with one or more signatures by named keys. C2SP signed-note v1.

Three signature types are known, and no other will be accepted:

    0x01  Ed25519 over the note text                                   signed-note
    0x04  Ed25519 cosignature, with the time of signing                tlog-cosignature
    0x06  ML-DSA-44 cosignature of a checkpoint, with the time         tlog-cosignature

A public key travels as a vkey, `name+id+base64(type || key)`. A signature by a key that the reader
does not hold says nothing; a wrong signature under a key that he does hold condemns the whole note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from primafacie.audit.canonical import decode_base64, decode_decimal, encode_base64
from primafacie.audit.errors import CanonicalError, NoteError

MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 32
MAX_TIMESTAMP = 2**63 - 1
DASH = "\u2014"

_LINE = re.compile(rf"{DASH} ([^ \n]+) ([A-Za-z0-9+/=]+)\Z")
_HEX_ID = re.compile(r"[0-9a-f]{8}\Z")


class Algorithm(IntEnum):
    """The signature type byte of C2SP signed-note."""

    ED25519 = 0x01
    ED25519_COSIGNATURE = 0x04
    ML_DSA_44 = 0x06


_PUBLIC_BYTES = {
    Algorithm.ED25519: 32,
    Algorithm.ED25519_COSIGNATURE: 32,
    Algorithm.ML_DSA_44: 1312,
}


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who claims it (4-byte key id, so not proof of anything) and its bytes."""

    name: str
    key_id: bytes
    raw: bytes

    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"{DASH} {self.name} {encode_base64(self.key_id + self.raw)}\n"


@dataclass(frozen=True, slots=True)
class Held:
    """A signature that was verified: under which key, and when it says it was made.

    `timestamp` is in POSIX seconds; 0 for type 0x01, which carries none.
    """

    key: VerifierKey
    timestamp: int


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under."""

    name: str
    algorithm: Algorithm
    public: bytes

    def __post_init__(self) -> None:
        require_name(self.name)
        if len(self.public) != _PUBLIC_BYTES[self.algorithm]:
            raise NoteError("the public key has the wrong length for its type")

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of sha256(name || 0x0A || type || public key)."""
        typed = bytes([self.algorithm]) + self.public
        return sha256(self.name.encode() + b"\n" + typed).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as text: `name+id+base64(type || key)`."""
        typed = bytes([self.algorithm]) + self.public
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(typed)}"

    def verify(self, text: str, raw: bytes) -> int:
        """The time that the signature states (0 for none); NoteError unless it holds for `text`."""
        timestamp, signature = _split_timestamp(self.algorithm, raw)
        message = _message(self.algorithm, self.name, text, timestamp)
        try:
            if self.algorithm is Algorithm.ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except UnsupportedAlgorithm as error:
            raise NoteError("this machine cannot check ML-DSA-44 signatures") from error
        except (InvalidSignature, ValueError) as error:
            raise NoteError(f"the signature by {self.name} does not hold") from error
        return timestamp


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was read: NOTHING in it is verified. See `open_note`."""

    text: str
    signatures: tuple[Signature, ...]


class Signer(Protocol):
    """Whatever can sign a note's text, one key or several, here or in a key store.

    `sign` returns complete signature lines and is thread-safe; `at` is the time in POSIX seconds.
    """

    @property
    def vkeys(self) -> tuple[str, ...]:
        """The public halves, one per line that `sign` returns."""

    def sign(self, text: str, at: int) -> tuple[str, ...]:
        """One signature line per key. Raises NoteError if the text cannot be signed."""


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """One private key with the name it signs under. Its repr shows the name alone."""

    name: str
    algorithm: Algorithm
    private: Ed25519PrivateKey | MLDSA44PrivateKey

    def __repr__(self) -> str:
        return f"NoteSigner({self.name!r}, {self.algorithm.name})"

    @classmethod
    def from_seed(
        cls, name: str, seed: bytes, algorithm: Algorithm = Algorithm.ED25519
    ) -> NoteSigner:
        """The key that a 32-byte seed stands for (RFC 8032 seed, FIPS 204 xi)."""
        if len(seed) != 32:
            raise NoteError("a seed is 32 bytes long")
        if algorithm is Algorithm.ML_DSA_44:
            return cls(require_name(name), algorithm, MLDSA44PrivateKey.from_seed_bytes(seed))
        return cls(require_name(name), algorithm, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def key(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.algorithm, self.private.public_key().public_bytes_raw())

    @property
    def vkeys(self) -> tuple[str, ...]:
        """The public half as text."""
        return (self.key.vkey,)

    def sign(self, text: str, at: int) -> tuple[str, ...]:
        """One signature line over `text`, dated `at` (POSIX seconds) where the type has a date."""
        require_text(text)
        stamp = b"" if self.algorithm is Algorithm.ED25519 else at.to_bytes(8, "big")
        signed = self.private.sign(_message(self.algorithm, self.name, text, at))
        return (Signature(self.name, self.key.key_id, stamp + signed).line(),)


@dataclass(frozen=True, slots=True)
class SignerGroup:
    """Several keys that always sign together, for instance Ed25519 and ML-DSA-44."""

    members: tuple[Signer, ...]

    @property
    def vkeys(self) -> tuple[str, ...]:
        """All public halves, in signing order."""
        return tuple(vkey for member in self.members for vkey in member.vkeys)

    def sign(self, text: str, at: int) -> tuple[str, ...]:
        """Every member's lines."""
        return tuple(line for member in self.members for line in member.sign(text, at))


def parse_vkey(text: str) -> VerifierKey:
    """The key that `text` spells; NoteError if it is malformed or its id is not that of its key."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not _HEX_ID.match(parts[1]):
        raise NoteError("a verifier key reads name+id+key")
    try:
        typed = decode_base64(parts[2])
        key = VerifierKey(parts[0], Algorithm(typed[0]), typed[1:])
    except (CanonicalError, ValueError, IndexError) as error:
        raise NoteError("the verifier key is malformed or of an unknown type") from error
    if key.key_id.hex() != parts[1]:
        raise NoteError("the verifier key's id does not belong to its key")
    return key


def sign_note(text: str, signer: Signer, at: int) -> str:
    """`text` with the signer's lines below it."""
    return require_text(text) + "\n" + "".join(signer.sign(text, at))


def parse_note(note: str | bytes) -> Note:
    """The parts of a note, nothing verified; NoteError for anything that is not a note."""
    text, separator, below = _decode(note).rpartition("\n\n")
    lines = below.split("\n")
    if not separator or lines[-1] != "" or not 2 <= len(lines) <= MAX_SIGNATURES + 1:
        raise NoteError("a note is text, an empty line, and one to 32 signature lines")
    return Note(require_text(text + "\n"), tuple(parse_line(line) for line in lines[:-1]))


def parse_line(line: str) -> Signature:
    """One signature line without its newline; NoteError if it is none."""
    match = _LINE.match(line)
    if match is None:
        raise NoteError("a signature line reads: dash, name, base64")
    try:
        blob = decode_base64(match[2])
    except CanonicalError as error:
        raise NoteError("a signature is not base64") from error
    if len(blob) < 5:
        raise NoteError("a signature is too short")
    return Signature(require_name(match[1]), blob[:4], blob[4:])


def open_note(note: str | bytes, keys: Sequence[VerifierKey]) -> tuple[str, tuple[Held, ...]]:
    """(text, signatures that hold), at least one.

    Signatures by keys not in `keys` are passed over. Raises NoteError if the note is malformed, if
    one signature under a given key is wrong, or if none of the given keys signed.
    """
    parsed = parse_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    held: dict[tuple[str, bytes], Held] = {}
    for signature in parsed.signatures:
        name = (signature.name, signature.key_id)
        if name in known and name not in held:
            key = known[name]
            held[name] = Held(key, key.verify(parsed.text, signature.raw))
    if not held:
        raise NoteError("no key that we trust signed this note")
    return parsed.text, tuple(held.values())


def require_name(name: str) -> str:
    """`name`, if a key may have it: not empty, no spaces, no plus, no control characters."""
    odd = any(c.isspace() or c == "+" or ord(c) < 0x20 for c in name)
    if not name or odd or len(name.encode()) > 255:
        raise NoteError("a key's name is 1 to 255 bytes without spaces, plus or control characters")
    return name


def require_text(text: str) -> str:
    """`text`, if it may be signed: ends in a newline, no other control characters."""
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise NoteError("a note's text ends in a newline and has no other control characters")
    return text


def _decode(note: str | bytes) -> str:
    if len(note) > MAX_NOTE_BYTES:
        raise NoteError("the note is too large")
    try:
        return note.decode() if isinstance(note, bytes) else note.encode().decode()
    except UnicodeError as error:
        raise NoteError("the note is not UTF-8") from error


def _split_timestamp(algorithm: Algorithm, raw: bytes) -> tuple[int, bytes]:
    if algorithm is Algorithm.ED25519:
        return 0, raw
    timestamp = int.from_bytes(raw[:8], "big")
    if len(raw) < 9 or timestamp > MAX_TIMESTAMP:
        raise NoteError("the cosignature has no valid time")
    return timestamp, raw[8:]


def _message(algorithm: Algorithm, name: str, text: str, at: int) -> bytes:
    """The bytes that are signed under each type."""
    if algorithm is Algorithm.ED25519:
        return text.encode()
    if algorithm is Algorithm.ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {at}\n{text}".encode()
    origin, size, root = _tree_head(text)
    return b"".join(
        [
            b"subtree/v1\n\0",
            _short(name.encode()),
            at.to_bytes(8, "big"),
            _short(origin.encode()),
            (0).to_bytes(8, "big"),
            size.to_bytes(8, "big"),
            root,
        ]
    )


def _short(data: bytes) -> bytes:
    if not 1 <= len(data) <= 255:
        raise NoteError("a name in a cosignature is 1 to 255 bytes long")
    return bytes([len(data)]) + data


def _tree_head(text: str) -> tuple[str, int, bytes]:
    """(origin, size, root): the three lines that an ML-DSA-44 cosignature is about.

    That type does not cover further lines, so a text with any is refused.
    """
    lines = text.split("\n")
    try:
        if len(lines) != 4:
            raise CanonicalError("not three lines")
        size, root = decode_decimal(lines[1]), decode_base64(lines[2])
    except CanonicalError as error:
        raise NoteError("an ML-DSA-44 cosignature is for a three-line checkpoint") from error
    if len(root) != 32:
        raise NoteError("the root of a checkpoint is 32 bytes long")
    return lines[0], size, root
