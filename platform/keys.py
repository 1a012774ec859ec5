"""Keyring: every secret of one installation, in one file, sealed, made once.

The file `keys/keyring.json` (mode 0600 in a folder of mode 0700) holds AES-256-GCM ciphertext.
What opens it: a passphrase file (scrypt, n = 2^16, r = 8, p = 1) or a key file of at least 32
random bytes (HKDF-SHA256), which the operator names and keeps elsewhere; in development a key
file made beside it, which protects nothing and is why production refuses such a keyring.

What the loss of each secret means:

- log signers (Ed25519 and ML-DSA-44): their holder can sign a forked log, and witnesses and
  mirrors show the fork.
- permit key: its holder can open the studio for work the log has heard of, and for no other.
- consent key: with a subject's key as well, its holder can forge that subject's consent.
- mark master: its holder can forge or erase watermarks of every epoch.
- vault master: its holder can read uploads, templates and names in a copy of the data folder.
- commitment key: its holder can tell which guessed person an unerased log entry speaks of.
- session secret: its holder can sign in as anybody until it is changed.
- credential keys: their holder can sign videos in our name until the certificate is revoked.

If the file is lost with no copy, the log can be read and verified but no longer continued, and
everything sealed under the vault master is gone.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.x509 import load_pem_x509_certificate

from primafacie.audit.note import Algorithm, NoteSigner, SignerGroup
from primafacie.platform.clock import now, rfc3339
from primafacie.platform.errors import KeyringError
from primafacie.platform.settings import Settings
from primafacie.safeguards.provenance.certificates import (
    CredentialPki,
    Identity,
    Subject,
    issue_claim_leaf,
    make_pki,
)

FORMAT: Final = "primafacie.keyring/1"
FILE: Final = "keyring.json"
DEVELOPMENT_KEY: Final = "development.key"
_SECRETS: Final = (
    "log_signer", "log_signer_pq", "permit_key", "consent_key", "mark_master", "vault_master",
    "commitment_key", "session_secret",
)  # fmt: skip
_SCRYPT: Final = {"n": 2**16, "r": 8, "p": 1}


@dataclass(frozen=True, slots=True)
class Keyring:
    """The opened keyring. Secrets are 32 random bytes each; Ed25519 ones are seeds.

    development: made in development mode, so that production refuses it.
    """

    development: bool
    created_at: str
    log_signer: bytes = field(repr=False)
    log_signer_pq: bytes = field(repr=False)
    permit_key: bytes = field(repr=False)
    consent_key: bytes = field(repr=False)
    mark_master: bytes = field(repr=False)
    vault_master: bytes = field(repr=False)
    commitment_key: bytes = field(repr=False)
    session_secret: bytes = field(repr=False)
    credential: CredentialPki = field(repr=False)

    def signer(self, name: str) -> Ed25519PrivateKey:
        """The Ed25519 key made from the secret `permit_key` or `consent_key`."""
        if name not in ("permit_key", "consent_key"):
            raise KeyringError(f"there is no signing key named {name}")
        return Ed25519PrivateKey.from_private_bytes(getattr(self, name))

    def log_keys(self, origin: str) -> SignerGroup:
        """What signs the log named `origin`: Ed25519 and, against quantum computers, ML-DSA-44."""
        classic = NoteSigner.from_seed(origin, self.log_signer)
        later = NoteSigner.from_seed(origin, self.log_signer_pq, Algorithm.ML_DSA_44)
        return SignerGroup((classic, later))

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, from the vault master (HKDF-SHA256, RFC 5869)."""
        return _hkdf(self.vault_master, f"primafacie/{purpose}".encode())


def open_keyring(settings: Settings) -> Keyring:
    """The installation's keyring, made on first use.

    Of several processes that start together exactly one makes it and all open the same. Raises
    KeyringError when it cannot be opened, when others may read it, or when production asks for it
    without naming what opens it.
    """
    folder = settings.data_dir / "keys"
    file = folder / FILE
    unlock = _Unlock.of(settings, folder, create=not file.exists())
    if not file.exists():
        fresh = _fresh(settings)
        _place(file, _seal(fresh, unlock))
    return _open(file, unlock)


def renew_claim(settings: Settings) -> Keyring:
    """A fresh claim-signing certificate and key, under the same issuing CA; the file is replaced
    in one step. Files signed with the old one stay valid: their time stamp says when.

    Raises KeyringError when there is no keyring to renew.
    """
    file = settings.data_dir / "keys" / FILE
    unlock = _Unlock.of(settings, file.parent, create=False)
    old = _open(file, unlock)
    pki, who = old.credential, _subject(settings)
    claim = issue_claim_leaf(pki.issuing_pem, pki.issuing_key_pem, now(), who)
    renewed = replace(old, credential=replace(pki, claim=claim))
    _place(file, _seal(renewed, unlock), replacing=True)
    return renewed


def certificate_ends(chain_pem: bytes) -> datetime:
    """When the first certificate of a chain expires."""
    return load_pem_x509_certificate(chain_pem).not_valid_after_utc


@dataclass(frozen=True, slots=True)
class _Unlock:
    """What turns a salt into the key of the keyring file."""

    kind: str  # "passphrase" | "key"
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, settings: Settings, folder: Path, create: bool) -> _Unlock:
        if settings.passphrase_file:
            lines = _read_private(settings.passphrase_file).splitlines()
            phrase = lines[0].strip() if lines else b""
            if len(phrase) < 12:
                raise KeyringError("a passphrase has at least 12 characters")
            return cls("passphrase", phrase)
        if settings.key_file:
            return cls("key", _random_bytes(settings.key_file))
        if settings.production:
            raise KeyringError("production needs passphrase_file or key_file to open its keys")
        beside = folder / DEVELOPMENT_KEY
        if create and not beside.exists():
            _place(beside, secrets.token_bytes(32))
        return cls("key", _random_bytes(beside))

    def key(self, salt: bytes) -> bytes:
        if self.kind == "passphrase":
            return Scrypt(salt=salt, length=32, **_SCRYPT).derive(self.secret)
        return _hkdf(self.secret, b"primafacie/keyring", salt)


def _random_bytes(file: Path) -> bytes:
    raw = _read_private(file)
    if len(raw) < 32:
        raise KeyringError(f"{file.name} must hold at least 32 random bytes")
    return raw


def _hkdf(secret: bytes, info: bytes, salt: bytes | None = None) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def _fresh(settings: Settings) -> Keyring:
    made = {name: secrets.token_bytes(32) for name in _SECRETS}
    when = now()
    credential = _credential(when, settings)
    return Keyring(not settings.production, rfc3339(when), **made, credential=credential)


def _credential(when: datetime, settings: Settings) -> CredentialPki:
    """A chain of our own: enough for development and for an institution that trusts itself."""
    return make_pki(when, _subject(settings))


def _subject(settings: Settings) -> Subject:
    url = f"{settings.public_url}/ocsp"
    return Subject(settings.controller, settings.country, ocsp_url=url)


def _seal(keyring: Keyring, unlock: _Unlock) -> bytes:
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    head = {"format": FORMAT, "opened_by": unlock.kind, "salt": salt.hex(), "nonce": nonce.hex()}
    body = json.dumps(_pack(keyring)).encode()
    sealed = AESGCM(unlock.key(salt)).encrypt(nonce, body, _head_bytes(head))
    return json.dumps({**head, "sealed": base64.b64encode(sealed).decode()}, indent=1).encode()


def _open(file: Path, unlock: _Unlock) -> Keyring:
    try:
        body = json.loads(_read_private(file))
        sealed = base64.b64decode(body.pop("sealed"))
        if body["format"] != FORMAT:
            raise KeyringError("the keyring is of a format this version does not know")
        if body["opened_by"] != unlock.kind:
            raise KeyringError(f"the keyring is opened by a {body['opened_by']} file")
        key = unlock.key(bytes.fromhex(body["salt"]))
        plain = AESGCM(key).decrypt(bytes.fromhex(body["nonce"]), sealed, _head_bytes(body))
        return _unpack(json.loads(plain))
    except InvalidTag as error:
        raise KeyringError("the keyring does not open with this passphrase or key") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyringError("the keyring file is damaged") from error


def _head_bytes(head: Mapping[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True).encode()


def _pack(keyring: Keyring) -> dict[str, Any]:
    return {
        "development": keyring.development,
        "created_at": keyring.created_at,
        "secrets": {name: getattr(keyring, name).hex() for name in _SECRETS},
        "credential": _texts(asdict(keyring.credential)),
    }


def _texts(value: Any) -> Any:
    """PEM bytes as text, however deep."""
    if isinstance(value, dict):
        return {name: _texts(inner) for name, inner in value.items()}
    return value.decode()


def _unpack(body: Mapping[str, Any]) -> Keyring:
    made = {name: bytes.fromhex(body["secrets"][name]) for name in _SECRETS}
    if any(len(secret) != 32 for secret in made.values()):
        raise KeyringError("the keyring file is damaged")
    pem: dict[str, Any] = {
        name: Identity(**{k: v.encode() for k, v in value.items()})
        if isinstance(value, dict)
        else value.encode()
        for name, value in body["credential"].items()
    }
    return Keyring(body["development"], body["created_at"], **made, credential=CredentialPki(**pem))


def _read_private(file: Path) -> bytes:
    """The file's bytes. Raises KeyringError when it is missing or others may read it."""
    try:
        mode = file.stat().st_mode
        raw = file.read_bytes()
    except OSError as error:
        raise KeyringError(f"{file.name} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise KeyringError(f"{file.name} must be readable by its owner alone (chmod 600)")
    return raw


def _place(file: Path, data: bytes, replacing: bool = False) -> None:
    """Write the file whole, mode 0600; a file that is there stays, unless it is to be replaced.
    Durable when it returns."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=file.parent)  # mode 0600 from the start
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            (os.replace if replacing else os.link)(draft, file)
        except FileExistsError:
            pass  # another process was first; its file counts
        finally:
            Path(draft).unlink(missing_ok=True)
        sync_folder(file.parent)
    except OSError as error:
        raise KeyringError(f"{file.name} cannot be written: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable (a renamed file survives a power cut only then)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
