"""The claim-signing key in a process of its own, reached over a Unix socket.

Whoever seals can ask for signatures and never sees the key: stealing it takes more than a hole in
the worker or the console. The desk signs C2PA claims that name its own certificate and nothing
else, and writes each signature into its ledger before it hands it out. Where the key lies is the
desk's business: in the memory of its process, or in a module it never leaves (`hsm.py`).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import format_time
from primafacie.generator.child import Wire
from primafacie.generator.errors import EngineError
from primafacie.safeguards.errors import ManifestError

MAX_CLAIM = 1024 * 1024
MAX_QUESTION = 2 * MAX_CLAIM + 4096  # a claim in hexadecimal, and what goes with it
DEADLINE = 10.0
STRANGER_DEADLINE = 1.0
NOT_NAMED = {"refused": "only for users who were named"}
_PR_SET_DUMPABLE = 4
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of the other end (unix(7), SO_PEERCRED)


class ClaimKey(Protocol):
    """A P-256 private key, wherever it lies: a file, a PKCS #11 module, a service.

    Promises: `sign` answers the ES256 signature of `data` (hashed with SHA-256 on the way), as DER
    or as r||s of 64 bytes, or raises ManifestError; it is thread-safe. `public_pem` is the public
    half (SubjectPublicKeyInfo).
    """

    @property
    def public_pem(self) -> bytes: ...

    def sign(self, data: bytes) -> bytes: ...


class PemKey:
    """A ClaimKey in this process's memory, from PKCS #8 PEM. ManifestError if it is not P-256."""

    def __init__(self, pem: bytes) -> None:
        from cryptography.hazmat.primitives import serialization

        from primafacie.safeguards.provenance.manifest import es256, p256

        self._sign = es256(pem)
        self._public = (
            p256(pem)
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    @property
    def public_pem(self) -> bytes:
        """The public half."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """DER signature of `data`."""
        return self._sign(data)


class SocketSigner:
    """A ClaimSigner that asks a desk at `path`. Thread-safe: one connection per question.

    The certificate is asked for each time, so that a rotated key is used from then on.
    `on_signature` is told the sha256 of what is about to be signed and the request it is for; if it
    raises, nothing is asked. Every method raises ManifestError when nobody answers at `path`.
    """

    def __init__(self, path: Path, on_signature: Callable[[str, str], None] | None = None) -> None:
        self._path = path
        self._on_signature = on_signature

    @property
    def chain_pem(self) -> bytes:
        """The certificates in use now, leaf first."""
        return str(self._ask({"ask": "identity"})["chain"]).encode()

    @property
    def tsa_url(self) -> str:
        """The time-stamp authority."""
        return str(self._ask({"ask": "identity"})["tsa"])

    def sign(self, tbs: bytes, rid: str = "") -> bytes:
        """Signature of a claim; ManifestError when the signer refuses or is gone."""
        if self._on_signature is not None:
            self._on_signature(sha256_hex(tbs), rid)
        return bytes.fromhex(self._ask({"ask": "sign", "tbs": tbs.hex(), "rid": rid})["signature"])

    def _ask(self, question: Mapping[str, str]) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(DEADLINE)
                sock.connect(str(self._path))
                wire = Wire(sock)
                wire.send_json(question)
                answer = wire.receive_json(DEADLINE)
        except (OSError, EngineError) as error:
            raise ManifestError("the signer cannot be reached; no video is made without it") from (
                error
            )
        if "refused" in answer:
            raise ManifestError(f"the signer refused: {answer['refused']}")
        return answer


# in the signer's process -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """What the desk signs with at one moment: chain (PEM, leaf first), where to get time, key."""

    chain_pem: bytes
    tsa_url: str
    key: ClaimKey = field(repr=False)

    def check(self) -> None:
        """Return if the key belongs to the certificate; ManifestError otherwise."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        leaf = x509.load_pem_x509_certificate(self.chain_pem)
        if leaf.public_key() != load_pem_public_key(self.key.public_pem):
            raise ManifestError("the signing key does not belong to the certificate")


class Desk:
    """Answers questions: who it is, and signatures of claims under its own certificate.

    `standing` is asked each time; `ledger`: one JSON line per signature, appended; `uids`: who may
    ask beside the user this process runs as.
    """

    def __init__(
        self, standing: Callable[[], Standing], ledger: Path, uids: frozenset[int] = frozenset()
    ) -> None:
        self._standing, self._ledger = standing, ledger
        self._uids = uids | {os.getuid()}
        self._lock = threading.Lock()

    @property
    def mode(self) -> int:
        """The mode of its socket: open to others only where the system tells who they are."""
        if len(self._uids) == 1:
            return 0o600
        if not hasattr(socket, "SO_PEERCRED"):
            raise ManifestError("this system does not tell who asks, so only its own user may")
        return 0o666

    def attend(self, connection: socket.socket) -> None:
        """One question, one answer; whoever may not ask is told so."""
        with connection, contextlib.suppress(EngineError, OSError):
            wire, peer = Wire(connection), _peer(connection)
            named = peer.get("uid", os.getuid()) in self._uids
            # Read whole by whoever it comes from: closed over an unread question, the answer to it
            # would be lost.
            question = wire.receive_json(DEADLINE if named else STRANGER_DEADLINE, MAX_QUESTION)
            answer = self.answer(question, peer) if named else NOT_NAMED
            wire.send_json(answer)

    def answer(self, question: Mapping[str, Any], peer: Mapping[str, int]) -> dict[str, str]:
        """Identity or signature; refuses what is no claim under its own certificate."""
        try:
            standing = self._standing()
            if question.get("ask") == "identity":
                return {"chain": standing.chain_pem.decode(), "tsa": standing.tsa_url}
            if question.get("ask") != "sign":
                return {"refused": "an unknown question"}
            data = bytes.fromhex(str(question.get("tbs")))
            if not is_claim(data, _leaf(standing.chain_pem)):
                return {"refused": "this is no C2PA claim under this certificate"}
            with self._lock:
                self._write(sha256_hex(data), str(question.get("rid", ""))[:64], peer)
            return {"signature": standing.key.sign(data).hex()}
        except ManifestError as error:
            return {"refused": str(error)}
        except ValueError:
            return {"refused": "these are no bytes"}

    def _write(self, sha256: str, rid: str, peer: Mapping[str, int]) -> None:
        """One durable line before the signature exists for anybody else."""
        line = {"at": format_time(datetime.now(UTC)), "sha256": sha256, "rid": rid, **peer}
        with self._ledger.open("a", encoding="ascii") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())


def serve(path: Path, desk: Desk, over: socket.socket | None, ready: Callable[[], object]) -> None:
    """Answer at the socket `path` until `over`, where given, can be read.

    `path` lies in a folder that nobody else may write to. Raises ManifestError where it cannot be.
    """
    folder = path.parent.stat().st_mode
    if folder & 0o022:
        raise ManifestError("the signer's folder must be closed to everybody else")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.bind(str(path))
        except OSError as error:
            raise ManifestError(f"the signer cannot listen at {path}: {error}") from error
        path.chmod(desk.mode)
        server.listen(16)
        try:
            ready()
            _attend_until(server, over, desk)
        finally:
            path.unlink(missing_ok=True)


def _attend_until(server: socket.socket, over: socket.socket | None, desk: Desk) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        if over is not None:
            selector.register(over, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is over:
                    return
                connection, _ = server.accept()
                threading.Thread(target=desk.attend, args=(connection,), daemon=True).start()


def is_claim(tbs: bytes, leaf: bytes) -> bool:
    """Whether these are the bytes of a COSE_Sign1 over a C2PA claim that names `leaf` (DER)."""
    import cbor2

    if len(tbs) > MAX_CLAIM:
        return False
    try:
        context, protected, _, payload = cbor2.loads(tbs)
        chain = cbor2.loads(protected)[33]
        claim = cbor2.loads(payload)
        first = chain[0] if isinstance(chain, list | tuple) else chain
        return bool(
            context == "Signature1"
            and first == leaf
            and "claim_generator_info" in claim
            and "created_assertions" in claim
        )
    except Exception:  # the CBOR library promises no single family; all mean: no claim
        return False


def harden() -> None:
    """No core dumps, and no other process of this user may read this one's memory."""
    os.umask(0o077)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _leaf(chain_pem: bytes) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificate(chain_pem).public_bytes(Encoding.DER)


def _peer(connection: socket.socket) -> dict[str, int]:
    """Who is at the other end, where the system tells; the folder's mode guards the rest."""
    if not hasattr(socket, "SO_PEERCRED"):
        return {}
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return {"pid": pid, "uid": uid}
