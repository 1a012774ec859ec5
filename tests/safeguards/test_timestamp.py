"""The small time-stamp authority: right answers, and none to wrong questions."""

from __future__ import annotations

import hashlib
import http.client
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from asn1crypto import core, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from primafacie.safeguards.errors import TimestampError
from primafacie.safeguards.provenance.certificates import Identity
from primafacie.safeguards.provenance.timestamp import LocalTsa, Stamper

NOON = datetime(2026, 11, 24, 12, 0, 0, 999_999, tzinfo=UTC)


def query(digest: bytes, algorithm: str = "sha256", nonce: int | None = 7) -> bytes:
    fields: dict[str, Any] = {
        "version": "v1",
        "message_imprint": {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": digest},
        "cert_req": True,
    }
    if nonce is not None:
        fields["nonce"] = nonce
    return bytes(tsp.TimeStampReq(fields).dump())


def info_of(reply: bytes) -> Any:
    signed = tsp.TimeStampResp.load(reply)["time_stamp_token"]["content"]
    return signed["encap_content_info"]["content"].parsed


@pytest.fixture
def stamper(newsroom: Any) -> Stamper:
    return Stamper(newsroom.pki.time, lambda: NOON)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_stamp_names_the_digest_the_nonce_and_the_time(stamper: Stamper, algorithm: str) -> None:
    digest = hashlib.new(algorithm, b"x").digest()
    info = info_of(stamper.reply(query(digest, algorithm)))
    assert info["message_imprint"]["hashed_message"].native == digest
    assert info["nonce"].native == 7
    assert info["gen_time"].native == NOON.replace(microsecond=0)


def test_the_stamps_signature_verifies_under_the_time_certificate(
    newsroom: Any, stamper: Stamper
) -> None:
    reply = tsp.TimeStampResp.load(stamper.reply(query(b"d" * 32)))
    signed = reply["time_stamp_token"]["content"]
    signer = signed["signer_infos"][0]
    leaf = x509.load_pem_x509_certificates(newsroom.pki.time.chain_pem)[0]
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(
        signer["signature"].native, signer["signed_attrs"].untag().dump(), ec.ECDSA(hashes.SHA256())
    )
    kinds = {a["type"].native for a in signer["signed_attrs"]}
    assert kinds == {"content_type", "message_digest", "signing_certificate_v2"}


def test_serial_numbers_do_not_repeat(stamper: Stamper) -> None:
    serials = {info_of(stamper.reply(query(b"d" * 32)))["serial_number"].native for _ in range(50)}
    assert len(serials) == 50


@pytest.mark.parametrize(
    "question",
    [b"", b"\0" * 50, b"\x30\x03\x02\x01\x01", query(b"short"), query(b"d" * 20, "sha1"),
     query(b"d" * 32)[:-1], query(b"d" * 32) + b"\0"],
    ids=["empty", "zeros", "half", "wrong size", "sha1", "cut", "trailing"],
)  # fmt: skip
def test_wrong_questions_get_a_rejection(stamper: Stamper, question: bytes) -> None:
    parts = core.Sequence.load(stamper.reply(question), strict=True)
    status = tsp.PKIStatusInfo.load(parts[0].dump())
    assert status["status"].native == "rejection" and status["fail_info"].native
    assert len(parts.children) == 1


def test_a_key_that_is_not_the_certificates_stamps_nothing(newsroom: Any) -> None:
    mixed = Identity(newsroom.pki.time.chain_pem, newsroom.pki.claim.key_pem)
    with pytest.raises(TimestampError):
        Stamper(mixed, lambda: NOON)


def test_it_answers_over_http_and_only_while_it_runs(newsroom: Any) -> None:
    tsa = LocalTsa(newsroom.pki.time, lambda: NOON)
    with pytest.raises(TimestampError):
        _ = tsa.url
    with tsa:
        assert tsa.url.startswith("http://127.0.0.1:")
        request = urllib.request.Request(
            tsa.url, query(b"d" * 32), {"Content-Type": "application/timestamp-query"}
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            assert response.headers["Content-Type"] == "application/timestamp-reply"
            assert info_of(response.read())["nonce"].native == 7
    with pytest.raises(TimestampError):
        _ = tsa.url


def test_it_reads_no_more_than_a_query(newsroom: Any) -> None:
    with LocalTsa(newsroom.pki.time) as tsa:
        host, port = tsa.url.removeprefix("http://").strip("/").split(":")
        for length in ("9999999", "-1", "x", ""):
            connection = http.client.HTTPConnection(host, int(port), timeout=5)
            connection.putrequest("POST", "/")
            connection.putheader("Content-Length", length)
            connection.endheaders()
            assert connection.getresponse().status == 413
            connection.close()


def test_a_process_that_read_a_time_stamp_can_still_make_one() -> None:
    """asn1crypto's tables are frozen at their first use, which may come before ours."""
    program = (
        "from asn1crypto import cms\n"
        "cms.CMSAttribute({'type': 'content_type', 'values': ['data']}).dump()\n"
        "from datetime import UTC, datetime\n"
        "from primafacie.safeguards.provenance.certificates import make_pki\n"
        "from primafacie.safeguards.provenance.timestamp import Stamper\n"
        "from asn1crypto import tsp\n"
        "digest = {'hash_algorithm': {'algorithm': 'sha256'}, 'hashed_message': bytes(32)}\n"
        "ask = tsp.TimeStampReq({'version': 'v1', 'message_imprint': digest, 'cert_req': True})\n"
        "now = datetime.now(UTC)\n"
        "reply = Stamper(make_pki(now).time, lambda: now).reply(ask.dump())\n"
        "token = tsp.TimeStampResp.load(reply)['time_stamp_token']['content']\n"
        "info = token['encap_content_info']['content'].parsed.native\n"
        "print(info['message_imprint']['hashed_message'].hex())\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "00" * 32, done.stderr
