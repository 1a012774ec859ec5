"""Keyring: every secret of one installation, in one file of four parts, each sealed by itself.

The file `keys/keyring.json` (mode 0600 in a folder of mode 0700) holds AES-256-GCM ciphertext.
What opens it: a passphrase file (scrypt, n = 2^16, r = 8, p = 1) or a key file of at least 32
random bytes (HKDF-SHA256), which the operator names and keeps elsewhere; in development a key
file made beside it, which protects nothing and is why production refuses such a keyring. The
parts, and which process opens them:

    house      console, worker, command line
    gate       worker
    signer     the signer's process and `primafacie keys`
    authority  `primafacie keys` alone

`signer_key_file` opens the last two instead, so that it can be given to the signer's process and
to nobody else. Without it, whoever reads the house's opener could open every part: the parts then
keep keys out of memories, not out of reach.

What the loss of each secret means:

- log signers (Ed25519 and ML-DSA-44, house): their holder can sign a forked log, and witnesses
  and mirrors show the fork.
- consent key (house): with a subject's key as well, its holder can forge that subject's consent.
- mark masters (house): the holder of one can forge or erase the watermarks of its epoch.
- vault master (house): its holder can read uploads, templates and names in a copy of the data
  folder.
- session secret (house): its holder can sign in as anybody until it is changed.
- permit key (gate): its holder can open the studio for work the log has heard of, and for no other.
- commitment key (gate): its holder can tell which guessed person an unerased log entry speaks of.
- claim key (signer): its holder can sign videos in our name until the certificate is revoked.
- time key (signer): its holder can date such videos as they like, where no other time-stamp
  authority is named.
- authority keys: their holder can make as many claim and time keys as they like.

If the file is lost with no copy, the log can be read and verified but no longer continued, and
everything sealed under the vault master is gone. It is therefore never made anew where there
already was one: production makes it only with `primafacie keys create`.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.x509 import load_pem_x509_certificate, load_pem_x509_certificates

from primafacie.audit import dsse
from primafacie.audit.note import Algorithm, NoteSigner, SignerGroup
from primafacie.platform.clock import now, rfc3339
from primafacie.platform.database import Database
from primafacie.platform.errors import KeyringError
from primafacie.platform.settings import Settings
from primafacie.safeguards.provenance.certificates import (
    Identity,
    Subject,
    issue_claim_leaf,
    make_pki,
)
from primafacie.safeguards.provenance.mark_keys import MarkKeys

FORMAT: Final = "primafacie.keyring/2"
FIRST_FORMAT: Final = "primafacie.keyring/1"  # all secrets in one part; split when it is opened
FILE: Final = "keyring.json"
DEVELOPMENT_KEY: Final = "development.key"
HOUSE, GATE, SIGNER, AUTHORITY = "house", "gate", "signer", "authority"
_SCRYPT: Final = {"n": 2**16, "r": 8, "p": 1}
_FEWEST = 12  # characters of a passphrase


@dataclass(frozen=True, slots=True)
class RotatingLogSigner:
    """What signs the log now; its vkeys name the retired keys as well, for what they signed."""

    current: SignerGroup
    retired: tuple[str, ...]

    @property
    def vkeys(self) -> tuple[str, ...]:
        """The public halves, those in use first."""
        return (*self.current.vkeys, *self.retired)

    def sign(self, text: str, at: int) -> tuple[str, ...]:
        """A line by each key in use."""
        return self.current.sign(text, at)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The part `house`. Secrets are 32 random bytes each; Ed25519 ones are seeds.

    development: made in development mode, so that production refuses it. log_retired: vkeys that
    signed the log before. mark_masters: one per epoch, the last in use. claim_roots, time_roots:
    PEM of every authority this installation ever signed under. permit_public: 32 bytes.
    """

    development: bool
    created_at: str
    log_signer: bytes = field(repr=False)
    log_signer_pq: bytes = field(repr=False)
    log_retired: tuple[str, ...]
    consent_key: bytes = field(repr=False)
    mark_masters: tuple[bytes, ...] = field(repr=False)
    vault_master: bytes = field(repr=False)
    session_secret: bytes = field(repr=False)
    permit_public: bytes
    claim_roots: bytes
    time_roots: bytes
    claim_chain: bytes
    time_chain: bytes

    def signer(self, name: str) -> Ed25519PrivateKey:
        """The Ed25519 key made from the secret `consent_key`."""
        if name != "consent_key":
            raise KeyringError(f"there is no signing key named {name}")
        return Ed25519PrivateKey.from_private_bytes(self.consent_key)

    def log_keys(self, origin: str) -> RotatingLogSigner:
        """What signs the log named `origin`: Ed25519 and, against quantum computers, ML-DSA-44."""
        classic = NoteSigner.from_seed(origin, self.log_signer)
        later = NoteSigner.from_seed(origin, self.log_signer_pq, Algorithm.ML_DSA_44)
        return RotatingLogSigner(SignerGroup((classic, later)), self.log_retired)

    @property
    def mark_epoch(self) -> int:
        """The epoch whose keys new marks are laid with."""
        return len(self.mark_masters) - 1

    def mark_keys(self) -> tuple[MarkKeys, ...]:
        """The keys of every epoch, the one in use first."""
        known = [MarkKeys.derive(m, epoch) for epoch, m in enumerate(self.mark_masters)]
        return tuple(reversed(known))

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, from the vault master (HKDF-SHA256, RFC 5869)."""
        return _hkdf(self.vault_master, f"primafacie/{purpose}".encode())


@dataclass(frozen=True, slots=True)
class GateKeys:
    """The part `gate`, for workers."""

    permit_key: bytes = field(repr=False)
    commitment_key: bytes = field(repr=False)

    def permit_signer(self) -> Ed25519PrivateKey:
        """What signs permits."""
        return Ed25519PrivateKey.from_private_bytes(self.permit_key)


@dataclass(frozen=True, slots=True)
class SignerKeys:
    """The part `signer`: PEM. pending_key: made for a certificate request, not in use; or empty."""

    claim_chain: bytes
    claim_key: bytes = field(repr=False)
    time_chain: bytes
    time_key: bytes = field(repr=False)
    pending_key: bytes = field(default=b"", repr=False)

    @property
    def time(self) -> Identity:
        """Who tells the time where no other authority is named."""
        return Identity(self.time_chain, self.time_key)


@dataclass(frozen=True, slots=True)
class AuthorityKeys:
    """The part `authority`: the keyring's own CAs, PEM."""

    root: bytes
    root_key: bytes = field(repr=False)
    issuing: bytes
    issuing_key: bytes = field(repr=False)
    time_root: bytes
    time_root_key: bytes = field(repr=False)


Part = TypeVar("Part", Keyring, GateKeys, SignerKeys, AuthorityKeys)


# opening ---------------------------------------------------------------------------------------


def open_keyring(settings: Settings) -> Keyring:
    """The installation's keyring; in development made on first use.

    Of several processes that start together exactly one makes it and all open the same. Raises
    KeyringError when it cannot be opened, when others may read it, when production asks for it
    without naming what opens it, and when it is not there although there is an installation.
    """
    ring = _Ring.of(settings)
    if not ring.file.exists():
        _require_first_start(settings)
        _make(ring, settings)
    ring.split()
    return ring.open(HOUSE, Keyring)


def create_keyring(settings: Settings) -> Keyring:
    """A keyring for a new installation. Raises KeyringError when there is one already."""
    ring = _Ring.of(settings)
    if ring.file.exists():
        raise KeyringError("there is a keyring already")
    _make(ring, settings)
    return ring.open(HOUSE, Keyring)


def open_gate(settings: Settings) -> GateKeys:
    """The worker's part. Raises KeyringError."""
    return _Ring.of(settings).open(GATE, GateKeys)


def open_signer(settings: Settings) -> SignerKeys:
    """The signer's part. Raises KeyringError."""
    return _Ring.of(settings).open(SIGNER, SignerKeys)


def keyring_state(settings: Settings) -> tuple[int, int]:
    """Changes whenever the keyring's file does. Raises KeyringError when it is gone."""
    try:
        seen = (settings.data_dir / "keys" / FILE).stat()
    except OSError as error:
        raise KeyringError(f"the keyring cannot be read: {error.strerror}") from error
    return seen.st_ino, seen.st_mtime_ns


def certificate_ends(chain_pem: bytes) -> datetime:
    """When the first certificate of a chain expires."""
    return load_pem_x509_certificate(chain_pem).not_valid_after_utc


def issued_here(ring: Keyring) -> bool:
    """Did the keyring's own CA issue the certificate in use? Its root is the last: roots from
    elsewhere were put before it."""
    (*_, own), (*_, top) = (
        load_pem_x509_certificates(pem) for pem in (ring.claim_roots, ring.claim_chain)
    )
    try:
        top.verify_directly_issued_by(own)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _require_first_start(settings: Settings) -> None:
    """A lost keyring is not replaced in silence: what it sealed would be lost as well."""
    if settings.production:
        _Unlock.of(settings, settings.data_dir / "keys")
        raise KeyringError(
            "there is no keyring; restore it, or make one for a new installation with "
            "`primafacie keys create`"
        )
    if (settings.data_dir / "primafacie.db").exists() or _used(settings):
        raise KeyringError("the keyring of this installation is gone; restore keys/keyring.json")


def _used(settings: Settings) -> bool:
    """Does a database named elsewhere hold an installation already?"""
    if not settings.database_url:
        return False
    database = Database.open(settings.database_url)
    try:
        return database.version is not None
    finally:
        database.close()


# rotating --------------------------------------------------------------------------------------


def rotate_claim(settings: Settings, public: ec.EllipticCurvePublicKey | None = None) -> Keyring:
    """A fresh claim-signing certificate under the keyring's own issuing CA; for a fresh key, or for
    `public`, whose private half lies in a module of its own. The file is replaced in one step.
    Files signed with the old one stay valid: their time stamp says when.

    Raises KeyringError when there is no keyring.
    """
    with _Ring.of(settings).changing() as ring:
        authority = ring.open(AUTHORITY, AuthorityKeys)
        claim = issue_claim_leaf(
            authority.issuing, authority.issuing_key, now(), _subject(settings), public=public
        )
        return _install(ring, claim, authority.root)


def pending_key(settings: Settings) -> bytes:
    """A fresh key for a certificate request, PEM; kept in the signer's part, not in use yet."""
    from primafacie.safeguards.provenance.certificates import fresh_key_pem

    with _Ring.of(settings).changing() as ring:
        key = fresh_key_pem()
        ring.replace({SIGNER: replace(ring.open(SIGNER, SignerKeys), pending_key=key)})
    return key


def install_claim(
    settings: Settings, chain_pem: bytes, root_pem: bytes, in_module: bool
) -> Keyring:
    """Use a certificate that somebody else's CA issued for the pending key, or with `in_module` for
    the key in the PKCS #11 module. `root_pem` joins what verifiers here trust.

    Raises KeyringError when no key is pending; the caller has checked the chain.
    """
    with _Ring.of(settings).changing() as ring:
        key = b"" if in_module else ring.open(SIGNER, SignerKeys).pending_key
        if not key and not in_module:
            raise KeyringError("no key is waiting for a certificate; see `primafacie keys csr`")
        return _install(ring, Identity(chain_pem, key), root_pem)


def rotate_log(settings: Settings) -> Keyring:
    """Fresh log signers; the old ones' public halves stay, for what they signed."""
    with _Ring.of(settings).changing() as ring:
        old = ring.open(HOUSE, Keyring)
        fresh = replace(
            old,
            log_signer=secrets.token_bytes(32),
            log_signer_pq=secrets.token_bytes(32),
            log_retired=old.log_keys(settings.log_origin).vkeys,
        )
        ring.replace({HOUSE: fresh})
        return fresh


def rotate_mark(settings: Settings) -> Keyring:
    """A fresh mark master under the next epoch; marks of all earlier epochs can still be read."""
    with _Ring.of(settings).changing() as ring:
        old = ring.open(HOUSE, Keyring)
        fresh = replace(old, mark_masters=(*old.mark_masters, secrets.token_bytes(32)))
        ring.replace({HOUSE: fresh})
        return fresh


def _install(ring: _Ring, claim: Identity, root_pem: bytes) -> Keyring:
    old, signer = ring.open(HOUSE, Keyring), ring.open(SIGNER, SignerKeys)
    roots = old.claim_roots if root_pem in old.claim_roots else root_pem + old.claim_roots
    house = replace(old, claim_chain=claim.chain_pem, claim_roots=roots)
    held = replace(signer, claim_chain=claim.chain_pem, claim_key=claim.key_pem, pending_key=b"")
    ring.replace({HOUSE: house, SIGNER: held})
    return house


# the file --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Unlock:
    """What turns a salt into the key of one part."""

    kind: str  # "passphrase" | "key"
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, settings: Settings, folder: Path, part: str = HOUSE) -> _Unlock:
        if part in (SIGNER, AUTHORITY) and settings.signer_key_file:
            return cls("key", _random_bytes(settings.signer_key_file))
        if settings.passphrase_file:
            lines = _read_private(settings.passphrase_file).splitlines()
            phrase = lines[0].strip() if lines else b""
            if len(phrase) < _FEWEST:
                raise KeyringError(f"a passphrase has at least {_FEWEST} characters")
            return cls("passphrase", phrase)
        if settings.key_file:
            return cls("key", _random_bytes(settings.key_file))
        if settings.production:
            raise KeyringError("production needs passphrase_file or key_file to open its keys")
        beside = folder / DEVELOPMENT_KEY
        if not (folder / FILE).exists() and not beside.exists():
            _place(beside, secrets.token_bytes(32))
        return cls("key", _random_bytes(beside))

    def key(self, salt: bytes) -> bytes:
        if self.kind == "passphrase":
            return Scrypt(salt=salt, length=32, **_SCRYPT).derive(self.secret)
        return _hkdf(self.secret, b"primafacie/keyring", salt)


@dataclass(frozen=True, slots=True)
class _Ring:
    """The file and what opens it."""

    file: Path
    settings: Settings

    @classmethod
    def of(cls, settings: Settings) -> _Ring:
        return cls(settings.data_dir / "keys" / FILE, settings)

    def open(self, part: str, kind: type[Part]) -> Part:
        """One part. Raises KeyringError."""
        try:
            body = self._body()
            value = _plain(body, part, self._unlock(part))
            return kind(**{name: _decoded(inner) for name, inner in value.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeyringError("the keyring file is damaged") from error

    def create(self, parts: Mapping[str, Any], replacing: bool = False) -> None:
        """A new file; one that is there stays, unless it is to be replaced."""
        body: dict[str, Any] = {"format": FORMAT, "ring": secrets.token_hex(16), "parts": {}}
        self._seal(body, parts)
        _place(self.file, json.dumps(body, indent=1).encode(), replacing)

    def replace(self, parts: Mapping[str, Any]) -> None:
        """Other contents for some parts, in one step."""
        body = self._body()
        self._seal(body, parts)
        _place(self.file, json.dumps(body, indent=1).encode(), replacing=True)

    @contextmanager
    def changing(self) -> Iterator[_Ring]:
        """Alone with the file: of two rotations at once the second starts from the first's."""
        if not self.file.exists():
            raise KeyringError("there is no keyring")
        with (self.file.parent / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self

    def split(self) -> None:
        """Bring a file of the first format, where every secret was in one part, to this one."""
        if _format_of(self.file) != FIRST_FORMAT:
            return
        with self.changing():
            if _format_of(self.file) == FIRST_FORMAT:
                old = json.loads(_read_private(self.file))
                parts = _of_first(_plain_first(old, self._unlock(HOUSE)))
                self.create(parts, replacing=True)

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(_read_private(self.file))
        if body["format"] != FORMAT:
            raise KeyringError("the keyring is of a format this version does not know")
        return body

    def _seal(self, body: dict[str, Any], parts: Mapping[str, Any]) -> None:
        for name, value in parts.items():
            unlock = self._unlock(name)
            salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
            head = {"opened_by": unlock.kind, "salt": salt.hex(), "nonce": nonce.hex()}
            plain = {f.name: _encoded(getattr(value, f.name)) for f in fields(value)}
            sealed = AESGCM(unlock.key(salt)).encrypt(
                nonce, json.dumps(plain).encode(), _bound(body, name, head)
            )
            body["parts"][name] = {**head, "sealed": base64.b64encode(sealed).decode()}

    def _unlock(self, part: str) -> _Unlock:
        return _Unlock.of(self.settings, self.file.parent, part)


def _format_of(file: Path) -> str:
    """The format a keyring file names. Raises KeyringError."""
    try:
        return str(json.loads(_read_private(file))["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise KeyringError("the keyring file is damaged") from error


def _plain(body: Mapping[str, Any], part: str, unlock: _Unlock) -> dict[str, Any]:
    head = dict(body["parts"][part])
    sealed = base64.b64decode(head.pop("sealed"))
    if head["opened_by"] != unlock.kind:
        raise KeyringError(f"the keyring is opened by a {head['opened_by']} file")
    return _decrypted(head, sealed, unlock, _bound(body, part, head))


def _decrypted(
    head: Mapping[str, Any], sealed: bytes, unlock: _Unlock, bound: bytes
) -> dict[str, Any]:
    try:
        key = unlock.key(bytes.fromhex(head["salt"]))
        plain = AESGCM(key).decrypt(bytes.fromhex(head["nonce"]), sealed, bound)
    except InvalidTag as error:
        raise KeyringError("the keyring does not open with this passphrase or key") from error
    value: dict[str, Any] = json.loads(plain)
    return value


def _bound(body: Mapping[str, Any], part: str, head: Mapping[str, Any]) -> bytes:
    """What a part's ciphertext is bound to: its file, its name and its own head."""
    named = {**head, "format": body["format"], "ring": body["ring"], "part": part}
    return json.dumps(named, sort_keys=True).encode()


def _encoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return [_encoded(item) for item in value] if isinstance(value, tuple) else value


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return tuple(_decoded(item) for item in value) if isinstance(value, list) else value


def _plain_first(body: dict[str, Any], unlock: _Unlock) -> dict[str, Any]:
    try:
        sealed = base64.b64decode(body.pop("sealed"))
        if body["opened_by"] != unlock.kind:
            raise KeyringError(f"the keyring is opened by a {body['opened_by']} file")
        return _decrypted(body, sealed, unlock, json.dumps(body, sort_keys=True).encode())
    except (ValueError, KeyError, TypeError) as error:
        raise KeyringError("the keyring file is damaged") from error


def _of_first(old: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a keyring of the first format."""
    held = {name: bytes.fromhex(value) for name, value in old["secrets"].items()}
    pem = old["credential"]
    authority = AuthorityKeys(
        *(pem[name].encode() for name in (
            "root_pem", "root_key_pem", "issuing_pem", "issuing_key_pem", "time_root_pem",
            "time_root_key_pem",
        ))
    )  # fmt: skip
    claim, time = (
        Identity(pem[name]["chain_pem"].encode(), pem[name]["key_pem"].encode())
        for name in ("claim", "time")
    )
    return _parts(old["development"], old["created_at"], held, authority, claim, time)


# making ----------------------------------------------------------------------------------------


def _make(ring: _Ring, settings: Settings) -> None:
    when = now()
    pki = make_pki(when, _subject(settings))
    authority = AuthorityKeys(
        pki.root_pem, pki.root_key_pem, pki.issuing_pem, pki.issuing_key_pem, pki.time_root_pem,
        pki.time_root_key_pem,
    )  # fmt: skip
    names = (
        "log_signer", "log_signer_pq", "permit_key", "consent_key", "mark_master", "vault_master",
        "commitment_key", "session_secret",
    )  # fmt: skip
    held = {name: secrets.token_bytes(32) for name in names}
    made = _parts(not settings.production, rfc3339(when), held, authority, pki.claim, pki.time)
    ring.create(made)


def _parts(
    development: bool,
    created_at: str,
    held: Mapping[str, bytes],
    authority: AuthorityKeys,
    claim: Identity,
    time: Identity,
) -> dict[str, Any]:
    gate = GateKeys(held["permit_key"], held["commitment_key"])
    house = Keyring(
        development=development,
        created_at=created_at,
        log_signer=held["log_signer"],
        log_signer_pq=held["log_signer_pq"],
        log_retired=(),
        consent_key=held["consent_key"],
        mark_masters=(held["mark_master"],),
        vault_master=held["vault_master"],
        session_secret=held["session_secret"],
        permit_public=dsse.public_bytes(gate.permit_signer()),
        claim_roots=authority.root,
        time_roots=authority.time_root,
        claim_chain=claim.chain_pem,
        time_chain=time.chain_pem,
    )
    signer = SignerKeys(claim.chain_pem, claim.key_pem, time.chain_pem, time.key_pem)
    return {HOUSE: house, GATE: gate, SIGNER: signer, AUTHORITY: authority}


def _subject(settings: Settings) -> Subject:
    url = f"{settings.public_url}/ocsp"
    return Subject(settings.controller, settings.country, ocsp_url=url)


def _random_bytes(file: Path) -> bytes:
    raw = _read_private(file)
    if len(raw) < 32:
        raise KeyringError(f"{file.name} must hold at least 32 random bytes")
    return raw


def _hkdf(secret: bytes, info: bytes, salt: bytes | None = None) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


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
