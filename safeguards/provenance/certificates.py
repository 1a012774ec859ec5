"""The certificates behind a Content Credential: who signs claims, and who tells the time.

Two chains that never meet: root -> issuing CA -> claim-signing leaf, and time root -> time-stamp
leaf. The profiles follow the C2PA Certificate Policy 0.2 (assurance level 1): P-384 authorities,
an ES256 leaf whose extended key usage names claim signing and document signing, a time-stamp leaf
whose only usage is time stamping. A chain made here is a development chain: it proves that two
files come from the same installation, and nothing to anyone who was not given the root.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
    ObjectIdentifier,
)

CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
"""c2pa-kp-claimSigning: this key may sign claims."""
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"""id-kp-documentSigning (RFC 9336)."""
C2PA_POLICY = ObjectIdentifier("1.3.6.1.4.1.62558.1.1")
ASSURANCE_LEVEL = ObjectIdentifier("1.3.6.1.4.1.62558.3")
PRODUCT_RECORD = ObjectIdentifier("1.3.6.1.4.1.62558.4")

ROOT_DAYS = 7305
ISSUING_CA_DAYS = 1827
CLAIM_LEAF_DAYS = 90
TIME_LEAF_DAYS = 3650
_BACKDATED = timedelta(minutes=5)  # clocks of verifiers lag behind ours
_LEVEL_1 = b"\x06\x0a\x2b\x06\x01\x04\x01\x83\xe8\x5e\x03\x0a"  # DER of 1.3.6.1.4.1.62558.3.10

_Ca: TypeAlias = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


@dataclass(frozen=True, slots=True)
class Identity:
    """A key and the certificates that vouch for it, leaf first. PEM; the key is PKCS #8, plain."""

    chain_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who the certificates name; for a conforming product, as its products-list record says."""

    organisation: str = "Primafacie (development)"
    country: str = "ZZ"
    product_record: str = "00000000-0000-4000-8000-000000000000"
    ocsp_url: str = "http://ocsp.invalid/"


@dataclass(frozen=True, slots=True)
class CredentialPki:
    """Both chains and every key. The three `*_key_pem` of authorities belong off-line."""

    root_pem: bytes
    root_key_pem: bytes = field(repr=False)
    issuing_pem: bytes
    issuing_key_pem: bytes = field(repr=False)
    claim: Identity
    time_root_pem: bytes
    time_root_key_pem: bytes = field(repr=False)
    time: Identity


def make_pki(now: datetime, subject: Subject | None = None) -> CredentialPki:
    """A whole development PKI, valid from `now`; claim leaf 90 days, time-stamp leaf 10 years."""
    who = subject or Subject()
    root, root_key = _root(who, "Claim Root", now)
    issuing, issuing_key = _issuing_ca(who, (root, root_key), now)
    time_root, time_root_key = _root(who, "Time Root", now)
    return CredentialPki(
        root_pem=_pem(root),
        root_key_pem=_key_pem(root_key),
        issuing_pem=_pem(issuing),
        issuing_key_pem=_key_pem(issuing_key),
        claim=issue_claim_leaf(_pem(issuing), _key_pem(issuing_key), now, who),
        time_root_pem=_pem(time_root),
        time_root_key_pem=_key_pem(time_root_key),
        time=issue_time_leaf(_pem(time_root), _key_pem(time_root_key), now, who),
    )


def issue_claim_leaf(
    issuing_pem: bytes,
    issuing_key_pem: bytes,
    now: datetime,
    subject: Subject | None = None,
    days: int = CLAIM_LEAF_DAYS,
) -> Identity:
    """A fresh ES256 key that may sign claims for `days` (366 at most); the chain ends at the CA."""
    if not 1 <= days <= 366:
        raise ValueError("a claim-signing certificate lives 1 to 366 days")
    who = subject or Subject()
    ca = _load_ca(issuing_pem, issuing_key_pem)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _end_entity(who, "Claim Signer", ca, key, now, days)
    usage = x509.ExtendedKeyUsage([CLAIM_SIGNING, DOCUMENT_SIGNING])
    builder = builder.add_extension(usage, critical=False)
    level = x509.UnrecognizedExtension(ASSURANCE_LEVEL, _LEVEL_1)
    builder = builder.add_extension(level, critical=False)
    record = str(uuid.UUID(who.product_record)).encode()
    builder = builder.add_extension(
        x509.UnrecognizedExtension(PRODUCT_RECORD, b"\x0c\x24" + record), critical=False
    )
    leaf = builder.sign(ca[1], hashes.SHA384())
    return Identity(chain_pem=_pem(leaf) + _pem(ca[0]), key_pem=_key_pem(key))


def issue_time_leaf(
    root_pem: bytes,
    root_key_pem: bytes,
    now: datetime,
    subject: Subject | None = None,
    days: int = TIME_LEAF_DAYS,
) -> Identity:
    """A fresh P-256 key that may tell the time and do nothing else; the chain ends at the root."""
    if not 1 <= days <= 4110:
        raise ValueError("a time-stamping certificate lives 1 to 4110 days")
    ca = _load_ca(root_pem, root_key_pem)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _end_entity(subject or Subject(), "Time Stamper", ca, key, now, days)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    leaf = builder.add_extension(usage, critical=True).sign(ca[1], hashes.SHA384())
    return Identity(chain_pem=_pem(leaf) + _pem(ca[0]), key_pem=_key_pem(key))


def _root(who: Subject, name: str, now: datetime) -> _Ca:
    key = ec.generate_private_key(ec.SECP384R1())
    subject = _name(who, name)
    builder = _base(subject, subject, key.public_key(), now, ROOT_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=2), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True)
    return builder.sign(key, hashes.SHA384()), key


def _issuing_ca(who: Subject, root: _Ca, now: datetime) -> _Ca:
    key = ec.generate_private_key(ec.SECP384R1())
    subject = _name(who, "Claim Issuing CA")
    builder = _base(subject, root[0].subject, key.public_key(), now, ISSUING_CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True)
    usage = x509.ExtendedKeyUsage([CLAIM_SIGNING, DOCUMENT_SIGNING])
    builder = builder.add_extension(usage, critical=False)
    return _issued(builder, root, who).sign(root[1], hashes.SHA384()), key


def _end_entity(
    who: Subject,
    name: str,
    ca: _Ca,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    builder = _base(_name(who, name), ca[0].subject, key.public_key(), now, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_key_usage(ca=False), critical=True)
    return _issued(builder, ca, who)


def _base(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now - _BACKDATED + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issued(builder: x509.CertificateBuilder, ca: _Ca, who: Subject) -> x509.CertificateBuilder:
    """Add what every certificate below a root must carry: AKI, policy, where to ask for OCSP."""
    ski = ca[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    aki = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski)
    policy = x509.CertificatePolicies([x509.PolicyInformation(C2PA_POLICY, None)])
    ocsp = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(who.ocsp_url)
    )
    return (
        builder.add_extension(aki, critical=False)
        .add_extension(policy, critical=False)
        .add_extension(x509.AuthorityInformationAccess([ocsp]), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(who: Subject, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, who.country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, who.organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{who.organisation} {common_name}"),
        ]
    )


def _load_ca(cert_pem: bytes, key_pem: bytes) -> _Ca:
    cert = x509.load_pem_x509_certificate(cert_pem)
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("an authority's key must be an elliptic-curve key")
    if key.public_key().public_numbers() != _public(cert).public_numbers():
        raise ValueError("this key does not belong to this authority's certificate")
    return cert, key


def _public(cert: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = cert.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("an authority's certificate must hold an elliptic-curve key")
    return key


def _pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
