"""Asking whoever issued our certificate: what they revoked shows, and nobody else is believed."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from primafacie.platform import authority as module
from primafacie.platform.authority import Authority, judge
from primafacie.platform.errors import SettingsError
from primafacie.platform.keys import (
    install_claim,
    issued_here,
    open_keyring,
    pending_key,
    rotate_claim,
)
from primafacie.platform.revocations import RevocationList
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import _authority as wired
from primafacie.safeguards.errors import RevocationError
from primafacie.safeguards.provenance.certificates import CredentialPki, Subject, make_pki

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


def key_of(data: bytes) -> Any:
    return serialization.load_pem_private_key(data, None)


def answered(
    certificate: x509.Certificate, issuer: x509.Certificate, key: Any, revoked: datetime | None,
    *, by: x509.Certificate | None = None, at: datetime = NOW, until: datetime | None = NOW + HOUR,
    status: ocsp.OCSPCertStatus | None = None,
) -> bytes:  # fmt: skip
    """What a responder says; by: the certificate of somebody the issuer appointed."""
    good = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate, issuer, hashes.SHA1(), status or good, at, until, revoked, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, by or issuer)
    if by is not None:
        builder = builder.certificates([by])
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Issuer:
    """Who issued a certificate, and what their responder says."""

    def __init__(self, pki: CredentialPki) -> None:
        self.pki, self.now = pki, NOW
        self.leaf, self.issuing = (
            x509.load_pem_x509_certificate(p) for p in (pki.claim.chain_pem, pki.issuing_pem)
        )
        self.serial = f"{self.leaf.serial_number:x}"
        self.revoked: datetime | None = None
        self.silent = False
        self.asked: list[tuple[str, int]] = []

    def post(self, url: str, body: bytes) -> bytes:
        serial = ocsp.load_der_ocsp_request(body).serial_number
        self.asked.append((url, serial))
        if self.silent:
            raise TimeoutError("nobody there")
        until = self.now + HOUR
        if serial == self.leaf.serial_number:
            return answered(self.leaf, self.issuing, key_of(self.pki.issuing_key_pem),
                            self.revoked, at=self.now, until=until)  # fmt: skip
        root = x509.load_pem_x509_certificate(self.pki.root_pem)
        key = key_of(self.pki.root_key_pem)
        return answered(self.issuing, root, key, None, at=self.now, until=until)

    def authority(self) -> Authority:
        return Authority(self.pki.claim.chain_pem, self.pki.root_pem, lambda: self.now)


@pytest.fixture
def issuer(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    made = Issuer(newsroom.pki)
    monkeypatch.setattr(module, "_post", made.post)
    return made


@pytest.fixture
def without_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process, to save a start of a child for each question."""
    from primafacie.safeguards.provenance import examine
    from primafacie.safeguards.provenance.manifest import Credentials
    from primafacie.safeguards.provenance.quarantine import Inspection

    def inspected(data: bytes, trust: Any, limits: Any, deadline: float) -> Inspection:
        return Inspection(Credentials(trust).inspect(data), None, "not asked", "enforced")

    monkeypatch.setattr(examine, "inspect", inspected)


def examiner(house: Any, newsroom: Any, revocations: RevocationList) -> Any:
    _ = newsroom.film
    unproven = replace(newsroom.registry.records[0], leaf=b"", proof="")  # of another log
    return replace(
        house.services.examiner, roots=(newsroom.pki.root_pem, newsroom.pki.time_root_pem),
        keys=(), assets=type(newsroom.registry)([unproven]), revocations=revocations,
    )  # fmt: skip


@pytest.mark.usefixtures("without_child")
def test_what_the_issuer_revokes_shows_within_a_minute_and_is_logged(
    house: Any, newsroom: Any, issuer: Issuer
) -> None:
    asked = RevocationList(house.services.journal, issuer.authority())
    here = examiner(house, newsroom, asked)
    found = here.examine(None, newsroom.data)
    assert found.level.name == "AUTHENTIC"
    assert not any("certificate was revoked" in text for text in found.not_checked)
    assert len(issuer.asked) == 2, "the leaf and the authority that issued it"
    issuer.revoked = NOW - timedelta(days=1)
    issuer.now += timedelta(seconds=59)
    assert here.examine(None, newsroom.data).level.name == "AUTHENTIC"
    assert len(issuer.asked) == 2, "one answer serves for a minute"
    issuer.now += timedelta(seconds=1)
    assert here.examine(None, newsroom.data).level.name == "REVOKED"
    assert house.kinds.count("certificate.revoked") == 1
    plain = RevocationList(house.services.journal)  # without anybody to ask, and in every process
    assert plain.revoked(issuer.serial) == issuer.revoked.replace(microsecond=0)


@pytest.mark.usefixtures("without_child")
def test_an_issuer_that_gives_no_answer_is_said_and_asked_once_a_minute(
    house: Any, newsroom: Any, issuer: Issuer
) -> None:
    here = examiner(house, newsroom, RevocationList(house.services.journal, issuer.authority()))
    issuer.silent = True
    for _ in range(3):
        found = here.examine(None, newsroom.data)
        assert found.level.name == "AUTHENTIC"
        assert any("revoked: the authority" in text for text in found.not_checked)
    assert len(issuer.asked) == 2


def test_the_last_answer_serves_as_long_as_its_authority_said(issuer: Issuer) -> None:
    authority = issuer.authority()
    assert authority.revoked(issuer.serial) is None
    issuer.silent = True
    issuer.now += timedelta(minutes=59)
    assert authority.revoked(issuer.serial) is None
    issuer.now += timedelta(minutes=1)
    with pytest.raises(RevocationError):
        authority.revoked(issuer.serial)
    issuer.silent = False
    issuer.now += timedelta(minutes=1)
    assert authority.revoked(issuer.serial) is None


def test_nothing_is_sealed_under_a_certificate_nobody_answers_for(
    house: Any, newsroom: Any, issuer: Issuer, tmp_path: Path
) -> None:
    from primafacie.safeguards.provenance.seal import Seal

    issuer.silent = True
    order = newsroom.order("unanswered", out_path=tmp_path / "unanswered.mp4")
    asked = RevocationList(house.services.journal, issuer.authority())
    seal = Seal(newsroom.signer(), newsroom.trust, newsroom.keys, asked)
    with pytest.raises(RevocationError):
        seal.seal(newsroom.clip(), order)
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_of_somebody_else_is_none_of_its_business(issuer: Issuer) -> None:
    """A stranger's file names addresses too; only those in our own chain are ever asked."""
    assert issuer.authority().revoked("ab" * 19) is None
    assert issuer.asked == []


def responder(pki: CredentialPki, usage: x509.ObjectIdentifier, late: bool = False) -> Any:
    """(certificate, key) of somebody the issuing CA appointed, for this use."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Responder")])
    ca = x509.load_pem_x509_certificate(pki.issuing_pem)
    begins = NOW - timedelta(days=2)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(ca.subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(begins).not_valid_after(NOW + (-HOUR if late else HOUR))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(key_of(pki.issuing_key_pem), hashes.SHA384())
    )  # fmt: skip
    return certificate, key


FORGED = (
    "a stranger of the same name", "one appointed for something else", "one whose time is over",
    "about another certificate", "an old one", "one of tomorrow", "does not know it",
    "no answer at all",
)  # fmt: skip


@pytest.mark.parametrize("how", ["the issuer", "one it appointed", "one without an end", *FORGED])
def test_only_the_issuer_and_whom_it_appointed_are_believed(newsroom: Any, how: str) -> None:
    mine, other = Issuer(newsroom.pki), Issuer(make_pki(NOW))
    key, more = key_of(mine.pki.issuing_key_pem), {}
    subject = mine.leaf
    if how == "a stranger of the same name":
        key, more = key_of(other.pki.issuing_key_pem), {"by": other.issuing}
    if how.startswith("one") and how.split()[1] in ("it", "appointed", "whose"):
        usage = ExtendedKeyUsageOID.OCSP_SIGNING
        if how == "one appointed for something else":
            usage = ExtendedKeyUsageOID.TIME_STAMPING
        by, key = responder(mine.pki, usage, late=how == "one whose time is over")
        more = {"by": by}
    if how == "about another certificate":
        subject = other.leaf
    if how == "one without an end":
        more = {"until": None}
    if how == "an old one":
        more = {"at": NOW - 3 * HOUR, "until": NOW - HOUR}
    if how == "one of tomorrow":
        more = {"at": NOW + HOUR, "until": NOW + 2 * HOUR}
    if how == "does not know it":
        more = {"status": ocsp.OCSPCertStatus.UNKNOWN}
    data = answered(subject, mine.issuing, key, None, **more)
    if how == "no answer at all":
        data = ocsp.OCSPResponseBuilder.build_unsuccessful(
            ocsp.OCSPResponseStatus.TRY_LATER
        ).public_bytes(serialization.Encoding.DER)
    if how in FORGED:
        with pytest.raises((ValueError, InvalidSignature)):
            judge(data, mine.leaf, mine.issuing, NOW)
    else:
        assert judge(data, mine.leaf, mine.issuing, NOW).revoked is None


@pytest.mark.parametrize("fault", ["", "error", "flood", "nobody"])
def test_it_is_asked_over_http(fault: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(500 if fault == "error" else 200)
            self.end_headers()
            self.wfile.write(b"x" * 70_000 if fault == "flood" else there.post("", body))

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/ocsp"
        there = Issuer(make_pki(NOW, Subject("Another CA", ocsp_url=url)))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        if fault == "nobody":
            server.shutdown()
            server.server_close()
        try:
            if fault:
                with pytest.raises(RevocationError):
                    there.authority().revoked(there.serial)
            else:
                assert there.authority().revoked(there.serial) is None
        finally:
            server.shutdown()
            thread.join()


def test_nobody_is_asked_about_the_keyrings_own_certificate(tmp_path: Path) -> None:
    """Its CA answers nowhere; what is revoked there stands on our list. A chain from elsewhere is
    asked about from the start on."""
    settings = Settings(data_dir=tmp_path)
    ring = open_keyring(settings)
    assert issued_here(ring)
    assert wired(settings, ring, lambda: NOW) is None
    pki = make_pki(NOW, Subject("Another CA", ocsp_url="http://ocsp.example/"))
    pending_key(settings)
    ring = install_claim(settings, pki.claim.chain_pem, pki.root_pem, in_module=False)
    assert not issued_here(ring)
    authority = wired(settings, ring, lambda: NOW)
    assert authority is not None and len(authority._links) == 2
    assert issued_here(rotate_claim(settings)), "the keyring's own CA signs again"
    nonsense = tmp_path / "chain.pem"
    nonsense.write_text("no certificate")
    with pytest.raises(SettingsError):
        wired(settings.model_copy(update={"claim_chain": nonsense}), ring, lambda: NOW)
