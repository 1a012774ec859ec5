"""The bytes around a credential that its signature does not cover, read without the C2PA library.

A credential covers the film but not its own box, not the file-type box, not the padding of its
signature and not the flags of its JUMBF boxes; libraries accept anything there. This parser reads
exactly those bytes of an MP4, so that an examiner can refuse what no honest writer leaves.
Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 19566-5 (JUMBF), C2PA 2.4 sections 11 and 14, RFC 9052.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from primafacie.safeguards.errors import ManifestError

C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
MAX_STORE = 16 * 1024 * 1024
MAX_BOXES = 10_000
MAX_DEPTH = 12
_REQUESTABLE, _LABEL, _ID, _HASH, _PRIVATE = 1, 2, 4, 8, 16
_X5CHAIN = 33


@dataclass(frozen=True, slots=True)
class Box:
    """One ISO box: its four-letter kind and where it and its content begin and end, in bytes."""

    kind: str
    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True)
class Structure:
    """What stands in the uncovered bytes.

    boxes: top-level kinds in order, a C2PA box as `c2pa`, another uuid box as `uuid`. brands: the
    major brand first. manifest_sha256: digest of the whole manifest store. leaf_usages: extended
    key usages of the certificate that signed the active claim, dotted. unprotected: names in the
    signature's unprotected header. stuffed: a padding field holds something other than zeros.
    odd_flags: a JUMBF box has flags that no writer sets.
    """

    boxes: tuple[str, ...]
    brands: tuple[str, ...]
    manifest_sha256: str
    leaf_usages: tuple[str, ...]
    unprotected: tuple[str, ...]
    stuffed: bool
    odd_flags: bool


def read_structure(data: bytes) -> Structure:
    """The structure of an MP4 that carries a credential; ManifestError when it cannot be told."""
    boxes = list(iso_boxes(data, 0, len(data)))
    carriers = [box for box in boxes if _is_c2pa(data, box)]
    if len(carriers) != 1:
        raise ManifestError(f"the film has {len(carriers)} credential boxes instead of one")
    store = _store(data, carriers[0])
    flags: list[int] = []
    signature = _active_signature(store, flags)
    protected, unprotected = _cose_headers(signature)
    return Structure(
        boxes=tuple("c2pa" if box in carriers else box.kind for box in boxes),
        brands=_brands(data, boxes),
        manifest_sha256=hashlib.sha256(store).hexdigest(),
        leaf_usages=_leaf_usages(protected),
        unprotected=tuple(sorted(str(name) for name in unprotected)),
        stuffed=any(_is_stuffed(unprotected[name]) for name in unprotected if _is_pad(name)),
        odd_flags=any(flag & ~_PRIVATE != _REQUESTABLE | _LABEL for flag in flags),
    )


def read_store(data: bytes) -> bytes:
    """The manifest store of an MP4 as it stands in the file; ManifestError when there is none."""
    carriers = [box for box in iso_boxes(data, 0, len(data)) if _is_c2pa(data, box)]
    if len(carriers) != 1:
        raise ManifestError(f"the film has {len(carriers)} credential boxes instead of one")
    return _store(data, carriers[0])


def iso_boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets; ManifestError when sizes do not add up."""
    at = start
    for _ in range(MAX_BOXES):
        if at == end:
            return
        if end - at < 8:
            raise ManifestError("a box is cut off")
        size, name = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if size == 1:
            if end - at < 16:
                raise ManifestError("a box is cut off")
            (size,) = struct.unpack_from(">Q", data, at + 8)
            body = at + 16
        elif size == 0:
            size = end - at
        if size < body - at or at + size > end:
            raise ManifestError("a box is larger than what holds it")
        yield Box(name.decode("latin-1"), at, body, at + size)
        at += size
    raise ManifestError("there are too many boxes")


def _is_c2pa(data: bytes, box: Box) -> bool:
    return box.kind == "uuid" and data[box.body : box.body + 16] == C2PA_BOX


def _store(data: bytes, box: Box) -> bytes:
    """usertype (16), version and flags (4), purpose (C string), offset (8), store."""
    at = box.body + 20
    purpose, terminator, _ = data[at : min(at + 32, box.end)].partition(b"\0")
    if not terminator or purpose != b"manifest":
        raise ManifestError("the credential box has an unknown purpose")
    at += len(purpose) + 9
    if not 0 < box.end - at <= MAX_STORE:
        raise ManifestError("the credential is empty or too large")
    return data[at : box.end]


def _brands(data: bytes, boxes: list[Box]) -> tuple[str, ...]:
    """Major and compatible brands of the file-type box, which must come first and be whole."""
    first = boxes[0]
    body = data[first.body : first.end]
    if first.kind != "ftyp" or not 8 <= len(body) <= 128 or len(body) % 4:
        raise ManifestError("the film does not begin with a file-type box")
    names = [body[0:4], *(body[i : i + 4] for i in range(8, len(body), 4))]
    return tuple(name.decode("latin-1") for name in names)


def _superbox(data: bytes, box: Box, flags: list[int]) -> tuple[str, list[Box]]:
    """Label and content boxes of a JUMBF superbox; its description's flags are noted."""
    children = list(iso_boxes(data, box.body, box.end))
    if not children or children[0].kind != "jumd" or children[0].end - children[0].body < 17:
        raise ManifestError("a JUMBF box has no description")
    head = children[0]
    flag = data[head.body + 16]
    flags.append(flag)
    if not flag & _LABEL or flag & (_ID | _HASH):
        return "", children[1:]
    label, terminator, _ = data[head.body + 17 : head.end].partition(b"\0")
    if not terminator or len(label) > 512:
        raise ManifestError("a JUMBF box has a malformed label")
    return label.decode("utf-8", "replace"), children[1:]


def _active_signature(store: bytes, flags: list[int]) -> bytes:
    """The COSE signature of the last manifest, which C2PA 2.4 section 11.1.4.3 calls active."""
    top = [box for box in iso_boxes(store, 0, len(store)) if box.kind == "jumb"]
    if len(top) != 1 or top[0].end != len(store):
        raise ManifestError("the credential is not one JUMBF box")
    label, manifests = _superbox(store, top[0], flags)
    if label != "c2pa" or not manifests:
        raise ManifestError("the credential holds no manifest")
    found = b""
    for manifest in manifests:
        _, parts = _superbox(store, manifest, flags)
        for part in parts:
            name = _walk(store, part, flags, 0)
            if manifest is manifests[-1] and name == "c2pa.signature":
                found = _cbor(store, part)
    if not found:
        raise ManifestError("the active manifest has no signature")
    return found


def _walk(store: bytes, box: Box, flags: list[int], depth: int) -> str:
    """Visit every JUMBF box below this one; its label, or nothing for a plain box."""
    if box.kind != "jumb":
        return ""
    if depth > MAX_DEPTH:
        raise ManifestError("the credential is nested too deeply")
    label, parts = _superbox(store, box, flags)
    for part in parts:
        _walk(store, part, flags, depth + 1)
    return label


def _cbor(store: bytes, box: Box) -> bytes:
    _, parts = _superbox(store, box, [])
    bodies = [store[part.body : part.end] for part in parts if part.kind == "cbor"]
    if len(bodies) != 1:
        raise ManifestError("the signature box does not hold one CBOR value")
    return bodies[0]


def _cose_headers(signature: bytes) -> tuple[Mapping[Any, Any], Mapping[Any, Any]]:
    """Protected and unprotected header of a COSE_Sign1."""
    import cbor2

    try:
        message = cbor2.loads(signature)
        protected_bytes, unprotected, _, _ = getattr(message, "value", message)
        protected = cbor2.loads(protected_bytes)
    except Exception as error:  # the CBOR library promises no single family of errors
        raise ManifestError("the signature is no COSE_Sign1") from error
    if not isinstance(protected, Mapping) or not isinstance(unprotected, Mapping):
        raise ManifestError("the signature's headers are no maps")
    return protected, unprotected


def _leaf_usages(protected: Mapping[Any, Any]) -> tuple[str, ...]:
    from cryptography import x509

    chain = protected.get(_X5CHAIN, protected.get("x5chain"))
    leaf = chain[0] if isinstance(chain, list | tuple) and chain else chain
    if not isinstance(leaf, bytes):
        raise ManifestError("the signature names no certificate")
    try:
        certificate = x509.load_der_x509_certificate(leaf)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    except (ValueError, x509.UnsupportedGeneralNameType, x509.DuplicateExtension) as error:
        raise ManifestError("the signer's certificate cannot be read") from error
    return tuple(sorted(oid.dotted_string for oid in usage))


def _is_pad(name: object) -> bool:
    return name in ("pad", "pad2")


def _is_stuffed(value: object) -> bool:
    return not isinstance(value, bytes) or any(value)
