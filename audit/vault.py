"""Secrets of the log: pseudonyms, encrypted payloads, and keys whose loss is the erasure.

    master (32 bytes, kept outside the database)
    ├── wrap key     AES-256-GCM; wraps every person's key
    └── handle key   HMAC; finds a person's key row without storing the person's id
        person's key (32 random bytes, row in log_key)
        ├── pseudonym key   HMAC of the id → `actor` or `subj` of the leaf
        └── wrap key        AES-256-GCM; wraps the entry keys of the payloads about this person
            entry key (32 random bytes)
            ├── seal key        AES-256-GCM of the payload
            └── commitment key  HMAC of the payload → `pc` of the leaf

When a person's row is deleted, nobody can open the payloads, compute the pseudonym from the id, or
check a guessed payload against its commitment. The leaves and all proofs stay as they were.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from primafacie.audit.canonical import Json, decode_object, encode
from primafacie.audit.entry import MAX_PAYLOAD_BYTES, PSEUDONYM_CHARS
from primafacie.audit.errors import CanonicalError, EntryError, StoreError

KEY_BYTES = 32
NONCE_BYTES = 12
ACTOR = "actor"
SUBJECT = "subject"


@dataclass(frozen=True, slots=True, repr=False)
class LogSecrets:
    """What the log needs beside its signing key: one master of 32 bytes. Its repr shows nothing.

    Loss: no payload can be opened and no search by person works; leaves and proofs are untouched.
    Theft together with the database: every payload that was not erased can be read.
    """

    wrap: bytes
    handle: bytes

    @classmethod
    def derive(cls, master: bytes) -> LogSecrets:
        """Both keys, from 32 or more random bytes."""
        if len(master) < KEY_BYTES:
            raise EntryError("the master secret is 32 random bytes")
        return cls(_derive(master, b"wrap"), _derive(master, b"handle"))

    def __repr__(self) -> str:
        return "LogSecrets(…)"


@dataclass(frozen=True, slots=True, repr=False)
class PersonKey:
    """One person's key, opened. Its repr shows the key's id alone."""

    key_id: str
    key: bytes

    def __repr__(self) -> str:
        return f"PersonKey({self.key_id})"


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted payload: its wrapped entry key, its ciphertext, and the leaf's commitment."""

    wrapped: bytes
    sealed: bytes
    commitment: str


def handle_of(secrets_: LogSecrets, person: str) -> str:
    """The name under which the person's key row is kept: HMAC of the id, 64 hex characters."""
    return hmac.new(secrets_.handle, person.encode(), sha256).hexdigest()


def new_person_key() -> PersonKey:
    """A fresh random key with a fresh random id."""
    return PersonKey(secrets.token_hex(16), secrets.token_bytes(KEY_BYTES))


def wrap_person_key(secrets_: LogSecrets, person_key: PersonKey) -> bytes:
    """The key encrypted under the master, bound to its id."""
    return _encrypt(secrets_.wrap, person_key.key, b"person" + person_key.key_id.encode())


def unwrap_person_key(secrets_: LogSecrets, key_id: str, wrapped: bytes) -> PersonKey:
    """The key again; StoreError when it was not wrapped under this master and id."""
    return PersonKey(key_id, _decrypt(secrets_.wrap, wrapped, b"person" + key_id.encode()))


def pseudonym(person_key: PersonKey, person: str, role: str) -> str:
    """What stands in leaves for this person in this role: 32 hex characters.

    The roles differ, so that nobody reads from the log that a researcher is also a subject.
    """
    key = _derive(person_key.key, b"pseudonym")
    return hmac.new(key, f"{role}\0{person}".encode(), sha256).hexdigest()[:PSEUDONYM_CHARS]


def seal_payload(person_key: PersonKey, place: str, payload: Mapping[str, Json]) -> Sealed:
    """Encrypt `payload` for the leaf at `place` (origin and index) and commit to it.

    Raises EntryError for what has no canonical JSON or more than 256 KiB of it.
    """
    try:
        plain = encode(payload)
    except CanonicalError as error:
        raise EntryError(f"the payload cannot be written: {error}") from error
    if len(plain) > MAX_PAYLOAD_BYTES:
        raise EntryError(f"the payload has {len(plain)} bytes; {MAX_PAYLOAD_BYTES} fit")
    entry_key = secrets.token_bytes(KEY_BYTES)
    where = place.encode()
    return Sealed(
        _encrypt(_derive(person_key.key, b"entries"), entry_key, b"entry" + where),
        _encrypt(_derive(entry_key, b"seal"), plain, b"payload" + where),
        _commitment(entry_key, plain),
    )


def open_payload(
    person_key: PersonKey, place: str, wrapped: bytes, sealed: bytes, commitment: str
) -> dict[str, Json]:
    """The payload, once it matches the leaf's commitment; StoreError if it does not."""
    where = place.encode()
    entry_key = _decrypt(_derive(person_key.key, b"entries"), wrapped, b"entry" + where)
    plain = _decrypt(_derive(entry_key, b"seal"), sealed, b"payload" + where)
    if not hmac.compare_digest(_commitment(entry_key, plain), commitment):
        raise StoreError("the payload is not the one its leaf commits to")
    try:
        return decode_object(plain)
    except CanonicalError as error:
        raise StoreError("the payload is malformed") from error


def _commitment(entry_key: bytes, plain: bytes) -> str:
    return hmac.new(_derive(entry_key, b"commitment"), plain, sha256).hexdigest()


def _derive(key: bytes, purpose: bytes) -> bytes:
    info = b"primafacie log v1 " + purpose
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)


def _encrypt(key: bytes, plain: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, about)


def _decrypt(key: bytes, sealed: bytes, about: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
    except (InvalidTag, ValueError) as error:
        raise StoreError("an encrypted row was altered or belongs to another master") from error
