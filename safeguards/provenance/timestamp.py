"""A time-stamp authority (RFC 3161) small enough to run inside the process that signs.

Every credential carries a time-stamp, because certificates live for weeks and videos for years.
A deployment points at a public authority by its URL; development and offline installations run
this one on a loopback port. It answers SHA-2 requests only, keeps no state, and says the time its
clock says: whoever holds its key can date anything, so its root is trusted by nobody by default.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from primafacie.safeguards.errors import TimestampError
from primafacie.safeguards.provenance.certificates import Identity

POLICY = "1.3.6.1.4.1.62558.1.1"
MAX_QUERY = 4096
"""A query is a few hundred bytes; whatever is longer is not a query."""

# By number, never by name: asn1crypto.tsp adds these two names to tables of asn1crypto.cms when it
# is imported, and a table that was used before then (every reader of credentials uses them) keeps
# its own copy for good: the process could read time-stamps and never again make one.
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
_DIGEST_SIZE = {"sha256": 32, "sha384": 48, "sha512": 64}


class Stamper:
    """Turns a DER time-stamp query into a DER reply. Thread-safe; one ECDSA signature per reply."""

    def __init__(self, identity: Identity, clock: Callable[[], datetime]) -> None:
        certs = x509.load_pem_x509_certificates(identity.chain_pem)
        key = serialization.load_pem_private_key(identity.key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TimestampError("a time-stamp key must be an elliptic-curve key")
        if key.public_key() != certs[0].public_key():
            raise TimestampError("the time-stamp key does not belong to its certificate")
        # A root in the token would be bytes that nothing covers: verifiers bring their own.
        sent = [c for c in certs if c.issuer != c.subject]
        ders = [c.public_bytes(serialization.Encoding.DER) for c in sent]
        self._certs = [asn1_x509.Certificate.load(der) for der in ders]
        certificate = {"certs": [{"cert_hash": certs[0].fingerprint(hashes.SHA256())}]}
        named = {"type": _SIGNING_CERTIFICATE_V2, "values": [certificate]}
        # Once, as bytes: composing it anew takes the library longer than all else in a reply.
        self._names_leaf = bytes(cms.CMSAttribute(named).dump())
        self._key = key
        self._clock = clock

    def reply(self, query: bytes) -> bytes:
        """A granted reply holding the token, or a rejection; never raises on foreign bytes."""
        try:
            request = tsp.TimeStampReq.load(query, strict=True)
            imprint = request["message_imprint"]
            algorithm = imprint["hash_algorithm"]["algorithm"].native
            digest = imprint["hashed_message"].native
            nonce = request["nonce"].native
            wants_certs = bool(request["cert_req"].native)
        except (ValueError, TypeError, KeyError):
            return _rejection("bad_data_format")
        if _DIGEST_SIZE.get(algorithm) != len(digest):
            return _rejection("bad_alg")
        token = self._token(self._info(imprint, nonce), wants_certs)
        status = tsp.PKIStatusInfo({"status": "granted"})
        return bytes(tsp.TimeStampResp({"status": status, "time_stamp_token": token}).dump())

    def _info(self, imprint: tsp.MessageImprint, nonce: int | None) -> bytes:
        info: dict[str, Any] = {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": imprint,
            "serial_number": secrets.randbits(63) + 1,
            "gen_time": self._clock().astimezone(UTC).replace(microsecond=0),
            "accuracy": {"seconds": 1},
        }
        if nonce is not None:
            info["nonce"] = nonce
        return bytes(tsp.TSTInfo(info).dump())

    def _token(self, info: bytes, wants_certs: bool) -> cms.ContentInfo:
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        signed = {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {
                "content_type": _TST_INFO,
                "content": core.ParsableOctetString(info),
            },
            "signer_infos": [self._signer_info(info, sha256)],
        }
        if wants_certs:
            signed["certificates"] = self._certs
        return cms.ContentInfo({"content_type": "signed_data", "content": signed})

    def _signer_info(self, info: bytes, sha256: algos.DigestAlgorithm) -> cms.SignerInfo:
        leaf = self._certs[0]
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": [_TST_INFO]},
                {"type": "message_digest", "values": [_sha256(info)]},
                cms.CMSAttribute.load(self._names_leaf),
            ]
        ).dump()
        signature = self._key.sign(attributes, ec.ECDSA(hashes.SHA256()))
        return cms.SignerInfo(
            {
                "version": "v1",
                "sid": {
                    "issuer_and_serial_number": {
                        "issuer": leaf.issuer,
                        "serial_number": leaf.serial_number,
                    }
                },
                "digest_algorithm": sha256,
                "signed_attrs": cms.CMSAttributes.load(attributes),
                "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                "signature": signature,
            }
        )


class LocalTsa:
    """A time-stamp authority on a loopback port, for as long as the `with` block lasts."""

    def __init__(
        self, identity: Identity, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._stamper = Stamper(identity, clock)
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens; raises TimestampError when it is not running."""
        if self._server is None:
            raise TimestampError("the time-stamp authority is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def start(self) -> LocalTsa:
        """Listen until `stop`; a second start changes nothing."""
        if self._server is None:
            handler = type("_Handler", (_TsaHandler,), {"stamper": self._stamper})
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            self._server.daemon_threads = True
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(0.05,), name="tsa", daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port; whoever signs meanwhile gets a TimestampError and tries again later."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> LocalTsa:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _TsaHandler(BaseHTTPRequestHandler):
    stamper: Stamper
    timeout = 10
    wbufsize = -1  # the whole answer in one piece: whoever waits for it is woken once

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_QUERY:
            self.send_error(413)
            return
        body = self.stamper.reply(self.rfile.read(int(length)))
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: signatures are logged where they are asked for."""


class _Refusal(core.SequenceOf):  # type: ignore[misc]
    """A TimeStampResp without the token, which RFC 3161 makes optional and asn1crypto does not."""

    _child_spec = tsp.PKIStatusInfo


def _rejection(failure: str) -> bytes:
    """A refusal with its reason as RFC 3161 section 2.4.2 names it."""
    info = tsp.PKIStatusInfo({"status": "rejection", "fail_info": {failure}})
    return bytes(_Refusal([info]).dump())


def _sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()
