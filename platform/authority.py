"""Authority: whoever issued our certificate is asked whether it still stands (OCSP, RFC 6960).

Only a certificate from elsewhere (`keys install`, `claim_chain`) has somebody to ask; of its own
certificates the keyring knows by itself. The addresses are those in our certificates, never one
that stands in a file which is examined. An answer serves for a minute; where none comes, the last
one serves as long as its authority said, and after that nobody knows.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from primafacie.platform import asking
from primafacie.platform.clock import Clock
from primafacie.safeguards.errors import RevocationError

ASK_AGAIN: Final = timedelta(seconds=60)  # how long an answer, or the lack of one, serves
DEADLINE: Final = 5.0  # seconds for a whole answer
LONGEST: Final = 64 * 1024  # bytes of it
AHEAD: Final = timedelta(minutes=5)  # what an authority's clock may be before ours
UNDATED: Final = timedelta(days=1)  # how old an answer may be that does not say until when it holds
_REFUSED: Final = (
    OSError, http.client.HTTPException, ValueError, InvalidSignature, UnsupportedAlgorithm,
)  # fmt: skip
_log = structlog.get_logger("authority")


@dataclass(frozen=True, slots=True)
class _Link:
    """A certificate of ours, who issued it, and where that one answers."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    url: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """revoked: since when, or None. until: when it lapses."""

    revoked: datetime | None
    until: datetime


class Authority:
    """What is known of the certificates of one chain. Thread-safe; asks one question at a time."""

    def __init__(self, chain_pem: bytes, roots_pem: bytes, clock: Clock) -> None:
        """chain_pem: leaf first, without the root; ValueError when either cannot be read."""
        chain = x509.load_pem_x509_certificates(chain_pem)
        roots = x509.load_pem_x509_certificates(roots_pem)
        above = [root for root in roots if _issued(chain[-1], root)]
        links = [(one, issuer) for one, issuer in pairwise([*chain, *above[:1]])]
        self._links = {
            f"{one.serial_number:x}": _Link(one, issuer, url)
            for one, issuer in links
            if (url := _address(one))
        }
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Answer] = {}
        self._asked: dict[str, datetime] = {}

    def revoked(self, serial: str) -> datetime | None:
        """From when on the certificate is worthless; None: it stands, or is none of this chain.

        Raises RevocationError when the authority gives no answer and its last one has lapsed.
        """
        link = self._links.get(serial)
        if link is None:
            return None
        with self._lock:
            if self._due(serial):
                self._asked[serial] = self._clock()
                try:
                    self._known[serial] = self._ask(link)
                except _REFUSED as error:
                    _log.warning("no answer", address=link.url, error=str(error)[:200])
            known = self._known.get(serial)
            if known and (known.revoked or self._clock() < known.until):
                return known.revoked
        raise RevocationError("the authority that issued the certificate gives no answer")

    def _due(self, serial: str) -> bool:
        """Was it not asked within the last minute, by a clock that may have been set back?"""
        asked = self._asked.get(serial)
        return asked is None or not timedelta(0) <= self._clock() - asked < ASK_AGAIN

    def _ask(self, link: _Link) -> _Answer:
        builder = ocsp.OCSPRequestBuilder()
        # SHA-1 names the issuer here and proves nothing: it is what every responder understands.
        builder = builder.add_certificate(link.certificate, link.issuer, hashes.SHA1())
        body = builder.build().public_bytes(Encoding.DER)
        return judge(_post(link.url, body), link.certificate, link.issuer, self._clock())


def judge(
    data: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
) -> _Answer:
    """What an OCSP response says of a certificate. Raises ValueError or InvalidSignature unless it
    is of its issuer, or of whom that one appointed, about this certificate, and of today."""
    response = ocsp.load_der_ocsp_response(data)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(f"it answers {response.response_status.name}")
    _verify(response, issuer, now)
    name = hashes.Hash(hashes.SHA1())
    name.update(issuer.subject.public_bytes())
    key = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    about = (certificate.serial_number, name.finalize(), key)
    said = [
        one
        for one in response.responses
        if (one.serial_number, one.issuer_name_hash, one.issuer_key_hash) == about
    ]
    if len(said) != 1:
        raise ValueError("it is not about this certificate")
    (one,) = said
    until = one.next_update_utc or one.this_update_utc + UNDATED
    if not one.this_update_utc - AHEAD <= now < until:
        raise ValueError("it is too old, or of tomorrow")
    if one.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise ValueError("it does not know the certificate")
    return _Answer(one.revocation_time_utc, until)


def _verify(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> None:
    digest = response.signature_hash_algorithm
    if digest is None or isinstance(digest, hashes.SHA1 | hashes.MD5):
        raise ValueError("it is signed over a weak digest")
    for signer in (issuer, *_appointed(response, issuer, now)):
        key = signer.public_key()
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
            elif isinstance(key, rsa.RSAPublicKey):
                scheme = padding.PKCS1v15()
                key.verify(response.signature, response.tbs_response_bytes, scheme, digest)
            else:
                continue
        except InvalidSignature:
            continue
        return
    raise InvalidSignature("it is not signed by the authority")


def _appointed(
    response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime
) -> Iterator[x509.Certificate]:
    """Certificates in the response that the issuer gave to somebody who answers in its name."""
    for one in response.certificates:
        try:
            usages = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            continue
        in_force = one.not_valid_before_utc <= now <= one.not_valid_after_utc
        if ExtendedKeyUsageOID.OCSP_SIGNING in usages and in_force and _issued(one, issuer):
            yield one


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _address(certificate: x509.Certificate) -> str:
    """Where its issuer answers over OCSP; nothing where it names no web address."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return ""
    named = (
        one.access_location.value
        for one in access.value
        if one.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(one.access_location, x509.UniformResourceIdentifier)
    )
    return next((url for url in named if url.startswith(("http://", "https://"))), "")


def _post(url: str, body: bytes) -> bytes:
    """Its answer. Raises OSError or HTTPException."""
    status, answer = asking.post(
        url, body, "application/ocsp-request", deadline=DEADLINE, longest=LONGEST
    )
    if status != 200:
        raise http.client.HTTPException(f"it answers {status}")
    return answer
