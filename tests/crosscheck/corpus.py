"""The files of the table: one as it was issued, and one for each way to tamper with it.

Loaded by path, since tests are no package. Nothing here uses the product but to sign the files that
an insider, a look-alike or a thief of the time-stamper's key would make.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import cbor2

from primafacie.safeguards.provenance.assertions import Binding, compose
from primafacie.safeguards.provenance.certificates import make_pki
from primafacie.safeguards.provenance.manifest import Credentials, TrustList, settings
from primafacie.safeguards.provenance.media import FilmWriter, implicit_label
from primafacie.safeguards.provenance.timestamp import LocalTsa

C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
BINDINGS = (Binding("org.primafacie.lattice.1", "picture", b"0123456789"),)


def boxes(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """(start, kind, end) of each top-level box."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield at, kind, at + size
        at += size


def box(data: bytes, kind: bytes) -> tuple[int, int]:
    """Start and end of the first box of a kind."""
    return next((start, end) for start, found, end in boxes(data) if found == kind)


def flipped(data: bytes, at: int, mask: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def inside(needle: bytes) -> Callable[[bytes], bytes]:
    """Flip the last byte of the first occurrence."""
    return lambda data: flipped(data, data.index(needle) + len(needle) - 1)


def stuffed(data: bytes) -> bytes:
    """A message in the signature's padding."""
    at = data.index(b"\x63pad\x59") + 7
    return data[:at] + b"a message nobody signed" + data[at + 23 :]


def without_stamp(data: bytes) -> bytes:
    """The time-stamp taken out of the signature's unprotected header, the size kept by padding."""
    label = data.index(b"c2pa.signature\0")
    head = data.index(b"cbor", label) + 4
    start = head - 8
    end = start + struct.unpack(">I", data[start : start + 4])[0]
    message = cbor2.loads(data[head:end])
    protected, unprotected, payload, signature = getattr(message, "value", message)
    kept = {name: value for name, value in unprotected.items() if name not in ("sigTst", "sigTst2")}
    kept["pad"] = b""
    for length in range(end - head, 0, -1):
        kept["pad"] = bytes(length)
        body = cbor2.dumps(cbor2.CBORTag(18, [protected, kept, payload, signature]))
        if len(body) == end - head:
            return data[:head] + body + data[end:]
    raise AssertionError("no padding fits")


def stripped(data: bytes) -> bytes:
    """Without the credential's box."""
    start, end = box(data, b"uuid")
    return data[:start] + data[end:]


def doubled(data: bytes) -> bytes:
    """The credential's box twice."""
    start, end = box(data, b"uuid")
    return data[:end] + data[start:end] + data[end:]


ALTERED: dict[str, Callable[[bytes], bytes]] = {
    "a byte of the film": lambda d: flipped(d, box(d, b"mdat")[1] - 100),
    "a byte of the index": inside(b"lmvhd\0\0\0\0\0\0"),
    "truncated": lambda d: d[: len(d) - 5000],
    "a uuid box appended": lambda d: d + b"\0\0\0\x20uuid" + b"x" * 24,
    "a free box appended": lambda d: d + b"\0\0\0\x10freehidden!!",
    "a second film appended": lambda d: d + b"\0\0\0\x10mdatanother!",
    "the claim": inside(b"instanceIDx"),
    "an action": inside(b"c2pa.created"),
    "the consent": inside(b"hmac-sha256:a"),
    "the manifest's name": inside(b"urn:c2pa:"),
    "the credential twice": doubled,
    "the credential stripped": stripped,
    "the padding stuffed": stuffed,
    "the flags of a JUMBF box": lambda d: flipped(d, d.index(b"c2pa.assertions\0") - 1, 0x0C),
    "the file type": lambda d: d.replace(b"mp41", b"evil", 1),
    "the time-stamp broken": inside(b"Time Stamper"),
    "the time-stamp dropped": without_stamp,
}


def corpus(newsroom: Any, make_scene: Any, make_voice: Any) -> dict[str, bytes]:
    """Name -> file, the clean one first."""
    data = newsroom.data
    other = _film(make_scene, make_voice)
    start, end = box(data, b"uuid")
    at = box(other, b"ftyp")[1]
    lookalike = make_pki(newsroom.now)
    return {
        "clean": data,
        **{name: change(data) for name, change in ALTERED.items()},
        "the credential in another film": other[:at] + data[start:end] + other[at:],
        "a look-alike authority": _lookalike(newsroom, other, lookalike),
        "the time-stamper's key signs": _by_time_key(newsroom, other),
    }


def _film(make_scene: Any, make_voice: Any) -> bytes:
    writer = FilmWriter(320, 320, 25.0, make_voice(6, 0.5), implicit_label("Someone", "x"))
    for frame in make_scene(6, 12):
        writer.add(frame)
    return writer.finish()


def _lookalike(newsroom: Any, film: bytes, pki: Any) -> bytes:
    """Every name as ours, every key another."""
    with LocalTsa(pki.time) as tsa:
        signer = newsroom.signer(
            chain_pem=pki.claim.chain_pem, key_pem=pki.claim.key_pem, tsa_url=tsa.url
        )
        trust = TrustList.of(pki.root_pem, pki.time_root_pem)
        definition = compose(newsroom.order("x"), BINDINGS, 480)
        return Credentials(trust).sign(film, definition, signer).data


def _by_time_key(newsroom: Any, film: bytes) -> bytes:
    """A claim under the certificate that may only stamp times."""
    import c2pa

    time = newsroom.pki.time
    info = c2pa.C2paSignerInfo(b"es256", time.chain_pem, time.key_pem, newsroom.tsa.url.encode())
    definition = json.dumps(compose(newsroom.order("x"), BINDINGS, 480))
    out = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer:
        context = c2pa.Context.from_dict(settings(newsroom.trust))
        c2pa.Builder(definition, context=context).sign(signer, "video/mp4", io.BytesIO(film), out)
    return out.getvalue()
