"""The bytes around a credential that its signature does not cover, read without the C2PA library.

A credential covers the film but not its own box, not the file-type box, not the padding of its
signature, not the types and flags of its JUMBF boxes and not everything in its time-stamp;
libraries accept anything there. This parser reads exactly those bytes of an MP4, PNG, JPEG or WAV
and names what no honest writer leaves.
Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 19566-5 (JUMBF), ISO/IEC 18477-3 (JUMBF in JPEG), C2PA
2.4 sections 11 and 14, RFC 9052, RFC 3161.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from primafacie.safeguards.errors import ManifestError

C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_EOI, _SOS, _APP11 = 0xD9, 0xDA, 0xEB
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers that have no length
_INSTANCE = b"\x02\x11"  # what the library numbers the one credential of a JPEG with
_FRAGMENT = 8  # bytes of LBox and TBox, repeated in every fragment after the first
_CARRIERS = frozenset({"caBX", "C2PA"})
MAX_STORE = 16 * 1024 * 1024
MAX_BOXES = 10_000
MAX_DEPTH = 12
_REQUESTABLE, _LABEL, _PRIVATE = 1, 2, 16
_TYPE_TAIL = bytes.fromhex("00110010800000aa00389b71")
_TYPES = (b"c2pa", b"c2ma", b"c2um", b"c2as", b"c2cl", b"c2cs", b"cbor", b"json", b"uuid", b"c2vc")
_EMBEDDED_FILE = bytes.fromhex("40cb0c32bb8a489da70b2ad6f47f4369")
_MANIFEST_PARTS = frozenset(
    {"c2pa.assertions", "c2pa.claim", "c2pa.claim.v2", "c2pa.signature", "c2pa.credentials"}
    | {"c2pa.databoxes"}
)
_MINOR_VERSION = 512  # what the writer of our films says; nothing covers it
_X5CHAIN = 33
_UNPROTECTED = frozenset({"sigTst", "sigTst2", "rVals", "pad", "pad2"})
_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_STAMP_SIGNATURES = frozenset(
    {"rsassa_pkcs1v15", "rsassa_pss"}
    | {f"{d}_{a}" for d in ("sha256", "sha384", "sha512") for a in ("rsa", "ecdsa")}
)


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

    boxes: top-level kinds in order, a C2PA box as `c2pa`, another uuid box as `uuid`; of a PNG or
    WAV its chunks, of a JPEG its segments. brands: the major brand first; `png`, `jpg` or `wav`.
    manifest_sha256: digest of the whole manifest store. leaf_usages: extended key usages of the
    certificate that signed the active claim, dotted. serials: serial numbers of its chain, hex,
    leaf first. oddities: what no honest writer leaves in bytes that nothing covers, in words.
    """

    boxes: tuple[str, ...]
    brands: tuple[str, ...]
    manifest_sha256: str
    leaf_usages: tuple[str, ...]
    serials: tuple[str, ...]
    oddities: tuple[str, ...]


def read_structure(data: bytes) -> Structure:
    """The structure of an MP4, PNG, JPEG or WAV that carries a credential; ManifestError when it
    cannot be told."""
    odd: set[str] = set()
    kinds, brands, store = _taken_apart(data, odd)
    protected, unprotected = _cose_headers(_active_signature(store, odd))
    _look_at_unprotected(unprotected, odd)
    return Structure(
        boxes=kinds,
        brands=brands,
        manifest_sha256=hashlib.sha256(store).hexdigest(),
        leaf_usages=_leaf_usages(protected),
        serials=_serials(protected),
        oddities=tuple(sorted(odd)),
    )


def read_store(data: bytes) -> bytes:
    """The manifest store of an MP4, PNG, JPEG or WAV as it stands in the file; ManifestError when
    there is none."""
    return _taken_apart(data, set())[2]


def _taken_apart(data: bytes, odd: set[str]) -> tuple[tuple[str, ...], tuple[str, ...], bytes]:
    """Kinds of boxes, brands and the manifest store."""
    kind = _container(data)
    if kind == "jpg":
        return _jpeg(data, odd)
    if kind:
        boxes = list(_png_chunks(data) if kind == "png" else _riff_chunks(data))
        carrier = _chunk_carrier(boxes)
        store = data[carrier.body : carrier.end]
        brands: tuple[str, ...] = (kind,)
    else:
        boxes = list(iso_boxes(data, 0, len(data)))
        carrier = _carrier(data, boxes)
        store, brands = _store(data, carrier, odd), _brands(data, boxes, odd)
    return tuple("c2pa" if box is carrier else box.kind for box in boxes), brands, store


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


# pictures and sounds ----------------------------------------------------------------------------


def _container(data: bytes) -> str:
    """`png` (ISO/IEC 15948), `jpg` (ISO/IEC 10918-1), `wav` (RIFF), or nothing for all else."""
    if data.startswith(_PNG):
        return "png"
    if data.startswith(_JPEG):
        return "jpg"
    return "wav" if data[:4] == b"RIFF" and data[8:12] == b"WAVE" else ""


def _png_chunks(data: bytes) -> Iterator[Box]:
    at = len(_PNG)
    for _ in range(MAX_BOXES):
        if at == len(data):
            return
        if len(data) - at < 12:
            raise ManifestError("a chunk is cut off")
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data):
            raise ManifestError("a chunk is larger than the file")
        yield Box(name.decode("latin-1"), at, at + 8, end - 4)
        at = end
    raise ManifestError("there are too many chunks")


def _riff_chunks(data: bytes) -> Iterator[Box]:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 != len(data):
        raise ManifestError("the sound file is longer or shorter than it says")
    at = 12
    for _ in range(MAX_BOXES):
        if at == len(data):
            return
        if len(data) - at < 8:
            raise ManifestError("a chunk is cut off")
        name, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size
        if end + size % 2 > len(data):
            raise ManifestError("a chunk is larger than the file")
        yield Box(name.decode("latin-1"), at, at + 8, end)
        at = end + size % 2
    raise ManifestError("there are too many chunks")


def _chunk_carrier(chunks: list[Box]) -> Box:
    found = [chunk for chunk in chunks if chunk.kind in _CARRIERS]
    if len(found) != 1 or not 0 < found[0].end - found[0].body <= MAX_STORE:
        raise ManifestError(f"the file has {len(found)} usable credential chunks instead of one")
    return found[0]


def _jpeg(data: bytes, odd: set[str]) -> tuple[tuple[str, ...], tuple[str, ...], bytes]:
    """A JPEG's segments, the credential's fragments as one `c2pa`; they must follow each other."""
    kinds: list[str] = []
    store = b""
    fragments = 0
    for segment in _jpeg_segments(data):
        body = data[segment.body : segment.end]
        if segment.kind != "APP11" or body[:2] != b"JP":
            kinds.append(segment.kind)
            continue
        if fragments and kinds[-1] != "c2pa":
            raise ManifestError("the credential's fragments do not follow each other")
        fragments += 1
        store += _fragment(body, fragments, store[:_FRAGMENT], odd)
        kinds += [] if fragments > 1 else ["c2pa"]
        if len(store) > MAX_STORE:
            raise ManifestError("the credential is too large")
    if not store:
        raise ManifestError("the picture has no credential")
    return tuple(kinds), ("jpg",), store


def _fragment(body: bytes, number: int, head: bytes, odd: set[str]) -> bytes:
    """CI (2), En (2), Z (4), LBox and TBox (8), payload; Z counts from 1."""
    if len(body) < 8 + _FRAGMENT or int.from_bytes(body[4:8]) != number:
        raise ManifestError("a fragment of the credential is cut off or out of its place")
    if body[2:4] != _INSTANCE:
        odd.add("the credential's fragments are numbered as no writer does")
    if number == 1:
        return body[8:]
    if body[8 : 8 + _FRAGMENT] != head:
        odd.add("a fragment of the credential begins with another box")
    return body[8 + _FRAGMENT :]


def _jpeg_segments(data: bytes) -> Iterator[Box]:
    """Every marker segment; of a scan, its header and all up to the next marker."""
    at = len(_JPEG)
    yield Box("SOI", 0, 0, at)
    for _ in range(MAX_BOXES):
        if len(data) - at < 2 or data[at] != 0xFF:
            raise ManifestError("a segment is cut off")
        marker = data[at + 1]
        if marker == _EOI:
            if at + 2 != len(data):
                raise ManifestError("the picture goes on after its end")
            yield Box("EOI", at, at + 2, at + 2)
            return
        if marker in _ALONE or len(data) - at < 4:
            raise ManifestError("a segment is cut off")
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data) or end < at + 4:
            raise ManifestError("a segment is larger than the file")
        yield Box(_SEGMENTS.get(marker, f"{marker:02x}"), at, at + 4, end)
        at = _scan_end(data, end) if marker == _SOS else end
    raise ManifestError("there are too many segments")


def _scan_end(data: bytes, at: int) -> int:
    """Where the coded picture ends: at the first marker that is neither stuffing nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise ManifestError("the picture has no end")
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


_SEGMENTS = {
    **{0xE0 + n: f"APP{n}" for n in range(16)},
    0xC0: "SOF0", 0xC4: "DHT", 0xDA: "SOS", 0xDB: "DQT", 0xDD: "DRI", 0xFE: "COM",
}  # fmt: skip


# the film's own boxes --------------------------------------------------------------------------


def _carrier(data: bytes, boxes: list[Box]) -> Box:
    found = [b for b in boxes if b.kind == "uuid" and data[b.body : b.body + 16] == C2PA_BOX]
    if len(found) != 1:
        raise ManifestError(f"the film has {len(found)} credential boxes instead of one")
    return found[0]


def _store(data: bytes, box: Box, odd: set[str]) -> bytes:
    """usertype (16), version and flags (4), purpose (C string), offset (8), store."""
    at = box.body + 20
    purpose, terminator, _ = data[at : min(at + 32, box.end)].partition(b"\0")
    if not terminator or purpose != b"manifest":
        raise ManifestError("the credential box has an unknown purpose")
    at += len(purpose) + 9
    if not 0 < box.end - at <= MAX_STORE:
        raise ManifestError("the credential is empty or too large")
    if any(data[box.body + 16 : box.body + 20]) or any(data[at - 8 : at]):
        odd.add("the credential box's version or offset is set")
    return data[at : box.end]


def _brands(data: bytes, boxes: list[Box], odd: set[str]) -> tuple[str, ...]:
    """Major and compatible brands of the file-type box, which must come first and be whole."""
    first = boxes[0]
    body = data[first.body : first.end]
    if first.kind != "ftyp" or not 8 <= len(body) <= 128 or len(body) % 4:
        raise ManifestError("the film does not begin with a file-type box")
    if int.from_bytes(body[4:8]) != _MINOR_VERSION:
        odd.add("the file type's version is made up")
    names = [body[0:4], *(body[i : i + 4] for i in range(8, len(body), 4))]
    return tuple(name.decode("latin-1") for name in names)


# the manifest store ----------------------------------------------------------------------------


def _superbox(data: bytes, box: Box, odd: set[str]) -> tuple[str, list[Box]]:
    """Label and content boxes of a JUMBF superbox; its description must be plain."""
    children = list(iso_boxes(data, box.body, box.end))
    if not children or children[0].kind != "jumd" or children[0].end - children[0].body < 17:
        raise ManifestError("a JUMBF box has no description")
    head = data[children[0].body : children[0].end]
    kind, flags = head[:16], head[16]
    if kind != _EMBEDDED_FILE and (kind[4:] != _TYPE_TAIL or kind[:4] not in _TYPES):
        odd.add("a JUMBF box is of an unknown type")
    if flags & ~_PRIVATE != _REQUESTABLE | _LABEL:
        odd.add("a JUMBF box has flags that no writer sets")
        return "", children[1:]
    label, terminator, rest = head[17:].partition(b"\0")
    if not terminator or len(label) > 512:
        raise ManifestError("a JUMBF box has a malformed label")
    if bool(rest) != bool(flags & _PRIVATE):
        odd.add("a JUMBF description holds more than it says")
    return label.decode("utf-8", "replace"), children[1:]


def _active_signature(store: bytes, odd: set[str]) -> bytes:
    """The COSE signature of the last manifest, which C2PA 2.4 section 11.1.4.3 calls active."""
    top = list(iso_boxes(store, 0, len(store)))
    if len(top) != 1 or top[0].kind != "jumb":
        raise ManifestError("the credential is not one JUMBF box")
    label, manifests = _superbox(store, top[0], odd)
    if label != "c2pa" or not manifests:
        raise ManifestError("the credential holds no manifest")
    found = b""
    for manifest in manifests:
        _, parts = _superbox(store, manifest, odd)
        for part in parts:
            name = _walk(store, part, odd, 0)
            if name not in _MANIFEST_PARTS:
                odd.add("a manifest has a part that no manifest has")
            if manifest is manifests[-1] and name == "c2pa.signature":
                found = _cbor(store, part)
    if not found:
        raise ManifestError("the active manifest has no signature")
    return found


def _walk(store: bytes, box: Box, odd: set[str], depth: int) -> str:
    """Visit every JUMBF box below this one; its label, or nothing for a plain box."""
    if box.kind != "jumb":
        return ""
    if depth > MAX_DEPTH:
        raise ManifestError("the credential is nested too deeply")
    label, parts = _superbox(store, box, odd)
    for part in parts:
        _walk(store, part, odd, depth + 1)
    return label


def _cbor(store: bytes, box: Box) -> bytes:
    _, parts = _superbox(store, box, set())
    bodies = [store[part.body : part.end] for part in parts]
    if [part.kind for part in parts] != ["cbor"]:
        raise ManifestError("the signature box does not hold one CBOR value")
    return bodies[0]


def read_bindings(store: bytes) -> tuple[tuple[str, bytes], ...]:
    """(scheme, value) of every soft binding the active manifest of a store names.

    Values may be base64 text or byte strings, by producer. ManifestError for what is no store.
    """
    top = list(iso_boxes(store, 0, len(store)))
    if len(top) != 1 or top[0].kind != "jumb":
        raise ManifestError("the credential is not one JUMBF box")
    _, manifests = _superbox(store, top[0], set())
    if not manifests:
        raise ManifestError("the credential holds no manifest")
    found: list[tuple[str, bytes]] = []
    for part in _superbox(store, manifests[-1], set())[1]:
        name, assertions = _superbox(store, part, set())
        if name == "c2pa.assertions":
            for assertion in assertions:
                label, _ = _superbox(store, assertion, set())
                if label.split("__")[0] == "c2pa.soft-binding":
                    found += _bound_values(_cbor(store, assertion))
    return tuple(found)


def _bound_values(body: bytes) -> list[tuple[str, bytes]]:
    import base64

    import cbor2

    try:
        said = cbor2.loads(body)
        values = [block["value"] for block in said["blocks"]]
        return [
            (str(said["alg"]), v if isinstance(v, bytes) else base64.b64decode(v, validate=True))
            for v in values
        ]
    except Exception as error:  # the CBOR library promises no single family of errors
        raise ManifestError("a soft binding is malformed") from error


# the signature ---------------------------------------------------------------------------------


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


def _look_at_unprotected(header: Mapping[Any, Any], odd: set[str]) -> None:
    for name, value in header.items():
        if name not in _UNPROTECTED:
            odd.add("the signature has an unknown unprotected header")
        elif name in ("pad", "pad2"):
            if not isinstance(value, bytes) or any(value):
                odd.add("the signature's padding is not empty")
        elif name in ("sigTst", "sigTst2") and not _is_plain_stamp(value):
            odd.add("the time-stamp holds more than a time-stamp")


def _is_plain_stamp(value: object) -> bool:
    """Whether the parts of each token that its own signature leaves out are as they must be."""
    from asn1crypto import cms

    try:
        if not isinstance(value, Mapping) or set(value) != {"tstTokens"}:
            return False
        for item in value["tstTokens"]:
            token = cms.ContentInfo.load(item["val"], strict=True)
            signed = token["content"]
            (signer,) = signed["signer_infos"]
            plain = (
                token["content_type"].native == "signed_data"
                and signed["version"].native in ("v1", "v3")
                and signer["version"].native == "v1"
                and [d.dump() for d in signed["digest_algorithms"]]
                == [signer["digest_algorithm"].dump()]
                and _is_plain_algorithm(signer["digest_algorithm"], _DIGESTS)
                and _is_plain_algorithm(signer["signature_algorithm"], _STAMP_SIGNATURES)
                and not signer["unsigned_attrs"].native
                and not signed["crls"].native
            )
            if not plain:
                return False
    except Exception:  # hostile ASN.1 has broken this parser in more ways than it documents
        return False
    return True


def _is_plain_algorithm(identifier: Any, known: frozenset[str]) -> bool:
    """A known algorithm without parameters; those of RSA-PSS name digests and are let be."""
    name, parameters = identifier["algorithm"].native, identifier["parameters"]
    bare = parameters.dump() in (b"", b"\x05\x00") or name == "rsassa_pss"
    return name in known and bare


def _serials(protected: Mapping[Any, Any]) -> tuple[str, ...]:
    """Serial numbers of the chain, leaf first, as lower-case hex."""
    from cryptography import x509

    chain = protected.get(_X5CHAIN, protected.get("x5chain"))
    chain = chain if isinstance(chain, list | tuple) else [chain]
    try:
        read = [x509.load_der_x509_certificate(der) for der in chain[:MAX_DEPTH]]
    except (ValueError, TypeError) as error:
        raise ManifestError("the signer's chain cannot be read") from error
    return tuple(f"{certificate.serial_number:x}" for certificate in read)


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
