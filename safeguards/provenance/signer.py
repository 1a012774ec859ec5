"""The claim-signing key in a process of its own, reached over a Unix socket.

Whoever seals can ask for signatures and never sees the key: stealing it takes more than a hole in
the worker. The signer signs C2PA claims that name its own certificate and nothing else, and writes
each signature into its ledger before it hands it out. It ends when the process that started it
ends. The launcher hands the key over once; it should be a supervisor, not the worker itself.
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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import format_time
from primafacie.generator.child import Child, Wire
from primafacie.generator.errors import EngineError
from primafacie.safeguards.errors import ManifestError
from primafacie.safeguards.provenance.certificates import Identity
from primafacie.safeguards.provenance.manifest import es256

MAX_CLAIM = 1024 * 1024
DEADLINE = 10.0
_PR_SET_DUMPABLE = 4
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of the other end (unix(7), SO_PEERCRED)


class SignerProcess:
    """Runs the signer for as long as the `with` block, or until `stop`."""

    def __init__(self, identity: Identity, tsa_url: str, path: Path, ledger: Path) -> None:
        """`path`: the socket, in a folder that only this user can enter. `ledger`: one JSON line
        per signature, appended. Raises ManifestError when the key or the folder is unfit."""
        es256(identity.key_pem)
        if path.parent.stat().st_mode & 0o077:
            raise ManifestError("the signer's folder must be closed to everybody else")
        self._child = Child(__name__)
        self._child.wire.send_json(
            {
                "chain": identity.chain_pem.decode(),
                "key": identity.key_pem.decode(),
                "tsa": tsa_url,
                "path": str(path),
                "ledger": str(ledger),
            }
        )
        try:
            self._child.wire.receive_json(DEADLINE)
        except EngineError as error:
            self._child.stop()
            raise ManifestError("the signer did not start") from error
        self.path = path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def stop(self) -> None:
        """End the signer; the socket goes with it."""
        self._child.stop()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> SignerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class SocketSigner:
    """A ClaimSigner that asks the signer process. Thread-safe: one connection per signature.

    `on_signature` is told the sha256 of what is about to be signed; if it raises, nothing is asked.
    """

    def __init__(self, path: Path, on_signature: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._on_signature = on_signature
        told = self._ask({"ask": "identity"})
        self._chain_pem, self._tsa_url = str(told["chain"]).encode(), str(told["tsa"])

    @property
    def chain_pem(self) -> bytes:
        """The certificates, leaf first."""
        return self._chain_pem

    @property
    def tsa_url(self) -> str:
        """The time-stamp authority."""
        return self._tsa_url

    def sign(self, tbs: bytes) -> bytes:
        """DER signature of a claim; ManifestError when the signer refuses or is gone."""
        if self._on_signature is not None:
            self._on_signature(sha256_hex(tbs))
        return bytes.fromhex(self._ask({"ask": "sign", "tbs": tbs.hex()})["signature"])

    def _ask(self, question: Mapping[str, str]) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(DEADLINE)
                sock.connect(str(self._path))
                wire = Wire(sock)
                wire.send_json(question)
                answer = wire.receive_json(DEADLINE)
        except (OSError, EngineError) as error:
            raise ManifestError("the signer cannot be reached") from error
        if "refused" in answer:
            raise ManifestError(f"the signer refused: {answer['refused']}")
        return answer


# in the signer's process -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the signer answers with."""

    chain: str
    leaf: bytes
    tsa: str
    sign: Callable[[bytes], bytes]
    ledger: Path
    lock: threading.Lock

    def answer(self, question: Mapping[str, Any], peer: Mapping[str, int]) -> dict[str, str]:
        """Identity or signature; refuses what is no claim under its own certificate."""
        if question.get("ask") == "identity":
            return {"chain": self.chain, "tsa": self.tsa}
        if question.get("ask") != "sign":
            return {"refused": "an unknown question"}
        try:
            data = bytes.fromhex(str(question.get("tbs")))
        except ValueError:
            return {"refused": "these are no bytes"}
        if not _is_claim(data, self.leaf):
            return {"refused": "this is no C2PA claim under this certificate"}
        with self.lock:
            self._write(sha256_hex(data), peer)
            return {"signature": self.sign(data).hex()}

    def _write(self, sha256: str, peer: Mapping[str, int]) -> None:
        """One durable line before the signature exists for anybody else."""
        line = {"at": format_time(datetime.now(UTC)), "sha256": sha256, **peer}
        with self.ledger.open("a", encoding="ascii") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _is_claim(tbs: bytes, leaf: bytes) -> bool:
    """Whether these are the bytes of a COSE_Sign1 over a C2PA claim that names `leaf`."""
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


def main() -> None:
    """Take the key, listen, sign, until the launcher hangs up."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    _harden()
    launcher = socket.socket(fileno=int(sys.argv[1]))
    wire = Wire(launcher)
    told = wire.receive_json()
    leaf = x509.load_pem_x509_certificate(told["chain"].encode()).public_bytes(Encoding.DER)
    desk = _Desk(
        told["chain"], leaf, told["tsa"], es256(told["key"].encode()), Path(told["ledger"]),
        threading.Lock(),
    )  # fmt: skip
    path = Path(told["path"])
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(16)
        wire.send_json({"ready": True})
        _serve(server, launcher, desk)


def _serve(server: socket.socket, launcher: socket.socket, desk: _Desk) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(launcher, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is launcher:
                    return
                connection, _ = server.accept()
                threading.Thread(target=_attend, args=(connection, desk), daemon=True).start()


def _attend(connection: socket.socket, desk: _Desk) -> None:
    """One question, one answer; whoever is not this user gets none."""
    with connection, contextlib.suppress(EngineError, OSError):
        wire = Wire(connection)
        peer = _peer(connection)
        if peer.get("uid", os.getuid()) != os.getuid():
            wire.send_json({"refused": "only for the user who runs the signer"})
            return
        wire.send_json(desk.answer(wire.receive_json(DEADLINE), peer))


def _peer(connection: socket.socket) -> dict[str, int]:
    """Who is at the other end, where the system tells; the folder's mode guards the rest."""
    if not hasattr(socket, "SO_PEERCRED"):
        return {}
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return {"pid": pid, "uid": uid}


def _harden() -> None:
    """No core dumps, and no other process of this user may read this one's memory."""
    os.umask(0o077)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


if __name__ == "__main__":
    main()
    sys.exit(0)
