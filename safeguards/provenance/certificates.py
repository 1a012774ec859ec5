"""The certificates behind a Content Credential: who signs claims, and who tells the time.

Two chains that never meet: root -> issuing CA -> claim-signing leaf, and time root -> time-stamp
leaf. The profiles follow the C2PA Certificate Policy 0.2 (assurance level 1): P-384 authorities,
an ES256 leaf whose extended key usage names claim signing and document signing, a time-stamp leaf
whose only usage is time stamping. A chain made here is a development chain: it proves that two
files come from the same installation, and nothing to anyone who was not given the root.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
    ObjectIdentifier,
)

from primafacie.safeguards.errors import ManifestError

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
    public: ec.EllipticCurvePublicKey | None = None,
) -> Identity:
    """A fresh ES256 key that may sign claims for `days` (366 at most); the chain ends at the CA.

    With `public` the certificate is for that key, whose private half lies elsewhere: the identity's
    key is then empty.
    """
    if not 1 <= days <= 366:
        raise ValueError("a claim-signing certificate lives 1 to 366 days")
    who = subject or Subject()
    ca = _load_ca(issuing_pem, issuing_key_pem)
    key = None if public else ec.generate_private_key(ec.SECP256R1())
    mine = key.public_key() if key else public
    assert mine is not None
    builder = _end_entity(who, "Claim Signer", ca, mine, now, days)
    usage = x509.ExtendedKeyUsage([CLAIM_SIGNING, DOCUMENT_SIGNING])
    builder = builder.add_extension(usage, critical=False)
    for extension in _product(who):
        builder = builder.add_extension(extension, critical=False)
    leaf = builder.sign(ca[1], hashes.SHA384())
    return Identity(_pem(leaf) + _pem(ca[0]), _key_pem(key) if key else b"")


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
    builder = _end_entity(subject or Subject(), "Time Stamper", ca, key.public_key(), now, days)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    leaf = builder.add_extension(usage, critical=True).sign(ca[1], hashes.SHA384())
    return Identity(chain_pem=_pem(leaf) + _pem(ca[0]), key_pem=_key_pem(key))


def fresh_key_pem() -> bytes:
    """A fresh P-256 key, PKCS #8."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def claim_request(
    who: Subject, public: ec.EllipticCurvePublicKey, sign: Callable[[bytes], bytes]
) -> bytes:
    """A PKCS #10 request (RFC 2986, DER) for a claim-signing certificate: the C2PA programme's
    profile for assurance level 1, as extensions asked for.

    `sign` answers the ES256 signature of bytes, as DER or r||s; the key may lie in a module.
    """
    from asn1crypto import core, csr, keys
    from asn1crypto import x509 as asn1_x509

    wanted = [
        ("2.5.29.15", True, _key_usage(ca=False).public_bytes()),
        (
            "2.5.29.37",
            False,
            x509.ExtendedKeyUsage([CLAIM_SIGNING, DOCUMENT_SIGNING]).public_bytes(),
        ),
        *((e.oid.dotted_string, False, e.value) for e in _product(who)),
    ]
    extensions = [
        {"extn_id": oid, "critical": critical, "extn_value": core.ParsableOctetString(value)}
        for oid, critical, value in wanted
    ]
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": asn1_x509.Name.load(_name(who, "Claim Signer").public_bytes()),
            "subject_pk_info": keys.PublicKeyInfo.load(_public_der(public)),
            "attributes": [{"type": "extension_request", "values": [extensions]}],
        }
    )
    request = csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": der_signature(sign(info.dump())),
        }
    )
    return bytes(request.dump())


def der_signature(signature: bytes) -> bytes:
    """An ES256 signature as DER, whether it came as DER or as r||s (64 bytes)."""
    if len(signature) != 64:
        return signature
    r, s = (int.from_bytes(signature[i : i + 32], "big") for i in (0, 32))
    return utils.encode_dss_signature(r, s)


def check_claim_chain(
    chain_pem: bytes, root_pem: bytes, now: datetime, public: ec.EllipticCurvePublicKey
) -> None:
    """Return if a chain, leaf first and without the root, may sign claims with the key `public`.

    Each certificate must have been issued by the next, the last by the root, all be in force at
    `now`, the authorities be authorities, and the leaf have the usages a claim signer has and no
    others. Raises ManifestError, which names the first thing that is wrong.
    """
    try:
        chain = x509.load_pem_x509_certificates(chain_pem)
        (root,) = x509.load_pem_x509_certificates(root_pem)
        usage = chain[0].extensions.get_extension_for_class(x509.KeyUsage).value
        extended = set(chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        authorities = [
            c.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
            for c in (*chain[1:], root)
        ]
    except (ValueError, x509.ExtensionNotFound) as error:
        raise ManifestError(f"the certificates cannot be used: {error}") from error
    accepted = {CLAIM_SIGNING, DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION}
    wrong = {
        "the chain must not hold the root": root in chain,
        "the certificate is for another key": chain[0].public_key() != public,
        "a certificate is not in force": any(
            not c.not_valid_before_utc <= now <= c.not_valid_after_utc for c in (*chain, root)
        ),
        "an issuer is no authority": not all(authorities),
        "a certificate was not issued by the next one": not _linked([*chain, root]),
        "the certificate is not for digital signatures": not usage.digital_signature,
        "the certificate may sign certificates": usage.key_cert_sign,
        "the certificate may not sign claims": CLAIM_SIGNING not in extended,
        "the certificate has another use as well": not extended <= accepted,
    }
    found = next((what for what, bad in wrong.items() if bad), "")
    if found:
        raise ManifestError(found)


def certificate_serials(chain_pem: bytes) -> tuple[str, ...]:
    """Serial numbers of a chain as lower-case hex, in its order; empty when it cannot be read."""
    try:
        chain = x509.load_pem_x509_certificates(chain_pem)
    except ValueError:
        return ()
    return tuple(f"{certificate.serial_number:x}" for certificate in chain)


def _linked(chain: list[x509.Certificate]) -> bool:
    try:
        for one, issuer in pairwise([*chain, chain[-1]]):
            one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _product(who: Subject) -> tuple[x509.UnrecognizedExtension, ...]:
    """Assurance level 1, and the products-list record (certificate profiles, 0.2)."""
    record = b"\x0c\x24" + str(uuid.UUID(who.product_record)).encode()
    return (
        x509.UnrecognizedExtension(ASSURANCE_LEVEL, _LEVEL_1),
        x509.UnrecognizedExtension(PRODUCT_RECORD, record),
    )


def _public_der(key: ec.EllipticCurvePublicKey) -> bytes:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, kind)


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
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    builder = _base(_name(who, name), ca[0].subject, key, now, days)
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
