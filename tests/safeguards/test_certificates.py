"""The development PKI keeps to the profiles of the C2PA certificate policy 0.2."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from primafacie.safeguards.provenance.certificates import (
    ASSURANCE_LEVEL,
    C2PA_POLICY,
    CLAIM_SIGNING,
    DOCUMENT_SIGNING,
    PRODUCT_RECORD,
    Subject,
    issue_claim_leaf,
    make_pki,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def pki() -> Any:
    return make_pki(NOW, Subject(organisation="Institute for Testing", country="DE"))


def chain(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem)


def extension(cert: x509.Certificate, kind: Any) -> Any:
    return cert.extensions.get_extension_for_class(kind)


def days(cert: x509.Certificate) -> float:
    return (cert.not_valid_after_utc - cert.not_valid_before_utc) / timedelta(days=1)


def test_each_chain_leads_to_its_own_root(pki: Any) -> None:
    leaf, issuing = chain(pki.claim.chain_pem)
    (root,) = chain(pki.root_pem)
    leaf.verify_directly_issued_by(issuing)
    issuing.verify_directly_issued_by(root)
    clock, time_root = chain(pki.time.chain_pem)
    clock.verify_directly_issued_by(time_root)
    assert time_root == chain(pki.time_root_pem)[0] != root


def test_the_claim_leaf_may_sign_claims_and_documents_only(pki: Any) -> None:
    leaf = chain(pki.claim.chain_pem)[0]
    usage = extension(leaf, x509.ExtendedKeyUsage)
    assert set(usage.value) == {CLAIM_SIGNING, DOCUMENT_SIGNING} and not usage.critical
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert days(leaf) <= 90
    bits = extension(leaf, x509.KeyUsage)
    assert bits.critical and bits.value.digital_signature and bits.value.content_commitment
    level = leaf.extensions.get_extension_for_oid(ASSURANCE_LEVEL).value.value
    assert level == b"\x06\x0a" + bytes.fromhex("2b0601040183e85e030a")
    record = leaf.extensions.get_extension_for_oid(PRODUCT_RECORD).value.value
    assert record[:2] == b"\x0c\x24" and len(record) == 38
    assert C2PA_POLICY in [
        p.policy_identifier for p in extension(leaf, x509.CertificatePolicies).value
    ]


def test_the_time_leaf_may_tell_the_time_only(pki: Any) -> None:
    leaf = chain(pki.time.chain_pem)[0]
    usage = extension(leaf, x509.ExtendedKeyUsage)
    assert usage.critical and [o.dotted_string for o in usage.value] == ["1.3.6.1.5.5.7.3.8"]
    assert days(leaf) <= 4110


def test_authorities_are_p384_and_bounded(pki: Any) -> None:
    (root,), issuing = chain(pki.root_pem), chain(pki.claim.chain_pem)[1]
    for ca, length in ((root, 2), (issuing, 0)):
        key = ca.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp384r1"
        constraint = extension(ca, x509.BasicConstraints)
        assert (
            constraint.critical and constraint.value.ca and constraint.value.path_length == length
        )
        assert extension(ca, x509.KeyUsage).value.key_cert_sign
    assert days(issuing) <= 1827
    with pytest.raises(x509.ExtensionNotFound):
        extension(root, x509.AuthorityInformationAccess)


def test_names_carry_country_organisation_and_common_name(pki: Any) -> None:
    for cert in (*chain(pki.claim.chain_pem), *chain(pki.time.chain_pem), *chain(pki.root_pem)):
        text = cert.subject.rfc4514_string()
        assert "C=DE" in text and "O=Institute for Testing" in text and "CN=" in text


def test_a_new_leaf_is_a_new_key_under_the_same_authority(pki: Any) -> None:
    fresh = issue_claim_leaf(pki.issuing_pem, pki.issuing_key_pem, NOW, days=30)
    assert fresh.key_pem != pki.claim.key_pem
    assert chain(fresh.chain_pem)[1] == chain(pki.claim.chain_pem)[1]


def test_leaves_do_not_outlive_the_policy(pki: Any) -> None:
    with pytest.raises(ValueError, match="366"):
        issue_claim_leaf(pki.issuing_pem, pki.issuing_key_pem, NOW, days=367)


def test_an_authoritys_key_must_be_its_own(pki: Any) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        issue_claim_leaf(pki.issuing_pem, pki.root_key_pem, NOW)


def test_keys_are_not_printed(pki: Any) -> None:
    assert "PRIVATE" not in repr(pki)
