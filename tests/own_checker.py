"""A second opinion on a credential: C2PA 2.4 re-read from the specification, sharing no code with
the library or with the product. Standard library, cbor2, asn1crypto and cryptography only.

`check(data, root, time_root)` returns what is wrong with a film; an empty list means nothing is.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import cbor2
from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
CLAIM_SIGNING, TIME_STAMPING = "1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.8"


def boxes(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(offset, kind, whole box)"""
    at = 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if size < 8 or at + size > len(data):
            raise ValueError("broken box")
        yield at, kind, data[at : at + size]
        at += size


def tree(superbox: bytes) -> tuple[str, bytes, list[tuple[bytes, bytes]]]:
    """Label, the bytes that are hashed, and (kind, box) of a JUMBF superbox's contents."""
    parts = [(kind, box) for _, kind, box in boxes(superbox[8:])]
    description = parts[0][1][8:]
    if description[16] & 0b1111 != 0b0011:
        raise ValueError("JUMBF flags")
    return description[17:].split(b"\0")[0].decode(), superbox[8:], parts[1:]


def check(data: bytes, root: bytes, time_root: bytes) -> list[str]:
    """Everything that is wrong; malformed bytes are one wrong thing."""
    try:
        return list(_problems(data, root, time_root))
    except Exception as error:  # this is a checker: whatever breaks it is a finding
        return [f"malformed: {error!r}"]


def _problems(data: bytes, root: bytes, time_root: bytes) -> Iterator[str]:
    carriers = [b for _, k, b in boxes(data) if k == b"uuid" and b[8:24] == C2PA]
    if len(carriers) != 1:
        yield "there is not one credential"
        return
    label, _, manifests = tree(carriers[0][8 + 16 + 4 + 9 + 8 :])
    name, _, parts = tree(manifests[-1][1])
    named = {tree(box)[0]: box for _, box in parts}
    claim_bytes = tree(named["c2pa.claim.v2"])[2][0][1][8:]
    claim = cbor2.loads(claim_bytes)
    store = {tree(box)[0]: box for _, box in tree(named["c2pa.assertions"])[2]}
    yield from _assertions(claim, store)
    yield from _hard_binding(data, store)
    cose = cbor2.loads(tree(named["c2pa.signature"])[2][0][1][8:])
    protected, unprotected, _, signature = getattr(cose, "value", cose)
    yield from _signature(protected, claim_bytes, signature)
    chain = [x509.load_der_x509_certificate(c) for c in cbor2.loads(protected)[33]]
    stamped = yield from _time(unprotected, protected, signature, time_root)
    yield from _chain(chain, root, CLAIM_SIGNING, stamped)
    if any(any(v) for k, v in unprotected.items() if str(k).startswith("pad")):
        yield "the padding is stuffed"
    if label != "c2pa" or not name.startswith("urn:c2pa:"):
        yield "labels"


def _assertions(claim: Any, store: dict[str, bytes]) -> Iterator[str]:
    referred = [*claim["created_assertions"], *claim.get("gathered_assertions", [])]
    for reference in referred:
        label = reference["url"].split("/")[-1]
        if (
            label not in store
            or hashlib.sha256(tree(store[label])[1]).digest() != reference["hash"]
        ):
            yield f"assertion {label}"
    if {r["url"].split("/")[-1] for r in referred} != set(store):
        yield "an assertion that the claim does not know"


def _hard_binding(data: bytes, store: dict[str, bytes]) -> Iterator[str]:
    binding = cbor2.loads(tree(store["c2pa.hash.bmff.v3"])[2][0][1][8:])
    if {e["xpath"] for e in binding["exclusions"]} != {"/uuid", "/ftyp", "/mfra"}:
        yield "exclusions"
    state = hashlib.sha256()
    for offset, kind, box in boxes(data):
        if kind in (b"ftyp", b"mfra") or (kind == b"uuid" and box[8:24] == C2PA):
            continue
        state.update(struct.pack(">Q", offset) + box)
    if state.digest() != binding["hash"]:
        yield "the film does not match its hash"


def _signature(protected: bytes, claim: bytes, signature: bytes) -> Iterator[str]:
    header = cbor2.loads(protected)
    if header[1] != -7:
        yield "not ES256"
        return
    tbs = cbor2.dumps(["Signature1", protected, b"", claim])
    leaf = x509.load_der_x509_certificate(header[33][0])
    r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
    try:
        leaf.public_key().verify(encode_dss_signature(r, s), tbs, ec.ECDSA(hashes.SHA256()))  # type: ignore[union-attr,call-arg,arg-type]
    except InvalidSignature:
        yield "the claim's signature"


def _time(unprotected: Any, protected: bytes, signature: bytes, time_root: bytes) -> Any:
    """Yields problems, returns the trusted time or None."""
    try:
        token = unprotected["sigTst2"]["tstTokens"][0]["val"]
    except (KeyError, IndexError, TypeError):
        yield "no time-stamp"
        return None
    signed = cms.ContentInfo.load(token)["content"]
    info = signed["encap_content_info"]["content"].parsed
    imprint = info["message_imprint"]
    stamped = cbor2.dumps(["CounterSignature", protected, b"", cbor2.dumps(signature)])
    expected = hashlib.new(imprint["hash_algorithm"]["algorithm"].native, stamped)
    if imprint["hashed_message"].native != expected.digest():
        yield "the time-stamp is for another signature"
        return None
    signer = signed["signer_infos"][0]
    attributes = signer["signed_attrs"]
    digest = next(a["values"][0].native for a in attributes if a["type"].native == "message_digest")
    if digest != hashlib.sha256(info.dump()).digest():
        yield "the time-stamp's digest"
        return None
    found = [x509.load_der_x509_certificate(c.chosen.dump()) for c in signed["certificates"]]
    serial = signer["sid"].chosen["serial_number"].native
    chain = sorted(found, key=lambda c: c.serial_number != serial)
    try:
        chain[0].public_key().verify(  # type: ignore[union-attr,call-arg]
            signer["signature"].native,
            attributes.untag().dump(),
            ec.ECDSA(hashes.SHA256()),  # type: ignore[arg-type]
        )
    except InvalidSignature:
        yield "the time-stamp's signature"
        return None
    assert isinstance(info, tsp.TSTInfo)
    when = info["gen_time"].native
    problems = list(_chain(chain, time_root, TIME_STAMPING, when))
    yield from problems
    return None if problems else when


def _chain(chain: list[x509.Certificate], root: bytes, usage: str, when: Any) -> Iterator[str]:
    anchor = x509.load_pem_x509_certificate(root)
    full = [c for c in chain if c != anchor] + [anchor]
    for child, parent in pairwise(full):
        try:
            child.verify_directly_issued_by(parent)
        except (InvalidSignature, ValueError, TypeError):
            yield f"{child.subject.rfc4514_string()} was not issued by its chain"
    usages = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    names = {oid.dotted_string for oid in usages}
    if usage not in names or (usage == CLAIM_SIGNING and TIME_STAMPING in names):
        yield f"a certificate is used for what it is not for: {sorted(names)}"
    if when is None or not all(
        c.not_valid_before_utc <= when <= c.not_valid_after_utc for c in full
    ):
        yield "a certificate was not valid at the time of signing"
