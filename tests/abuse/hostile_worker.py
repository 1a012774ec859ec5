"""Reads altered copies of one film, as the examiner's child does, and tells of each in a line.

A process of its own: python hostile_worker.py FILM CLAIM_ROOT TIME_ROOT KIND SEED COUNT
KIND is `bytes` (1 to 8 bytes or short runs overwritten, cut or repeated anywhere) or `boxes` (boxes
of the film and of its credential moved, doubled, dropped, resized, renamed, nested, filled). Each
line is JSON: n, cpu (seconds), state (the library's), sound (ours), film (was it decoded).
"""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"jumb", b"dinf"})
LENGTHS = (0, 1, 7, 8, 9, 16, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
KINDS = (b"free", b"uuid", b"moov", b"jumb", b"jumd", b"cbor", b"json", b"mdat", b"\0\0\0\0")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed at random."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(out))
        match rng.randrange(5):
            case 0 | 1:
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                out[at : at + rng.randrange(1, 9)] = rng.randbytes(rng.randrange(1, 9))
            case 3:
                del out[at : at + rng.randrange(1, 65)]
            case _:
                out[at:at] = out[at : at + rng.randrange(1, 65)]
    return bytes(out)


def boxes(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[tuple[int, int]]:
    """(start, end) of every box, the credential's own among them."""
    at = start
    while end - at >= 8:
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > end:
            return
        yield at, at + size
        body = at + 8
        if kind == b"uuid" and data[body + 20 : body + 29] == b"manifest\0":
            yield from boxes(data, body + 37, at + size, depth + 1)
        elif kind in CONTAINERS and depth < 12:
            yield from boxes(data, body, at + size, depth + 1)
        at += size


def restructured(data: bytes, rng: random.Random) -> bytes:
    """One to three boxes tampered with; half the time the sizes around them are left wrong."""
    for _ in range(rng.randrange(1, 4)):
        found = list(boxes(data, 0, len(data)))
        if not found:
            return data
        start, end = rng.choice(found)
        box = data[start:end]
        match rng.randrange(8):
            case 0:
                data = data[:start] + data[end:]
            case 1:
                data = data[:end] + box + data[end:]
            case 2:
                data = data[:start] + struct.pack(">I", rng.choice(LENGTHS)) + data[start + 4 :]
            case 3:
                data = data[: start + 4] + rng.choice(KINDS) + data[start + 8 :]
            case 4:
                other, stop = rng.choice(found)
                data = data[:start] + data[other:stop] + data[end:]
            case 5:
                for _ in range(rng.choice((1, 20, 400))):
                    box = struct.pack(">I4s", len(box) + 8, rng.choice((b"jumb", b"moov"))) + box
                data = data[:start] + box + data[end:]
            case 6:
                size = struct.pack(">IQ", 1, rng.choice((16, 2**40, 2**63, 2**64 - 1)))
                data = data[:start] + size[:4] + box[4:8] + size[4:] + box[8:] + data[end:]
            case _:
                data = data[: start + 8] + rng.randbytes(max(0, end - start - 8)) + data[end:]
    return data


def difference(data: bytes, altered: bytes) -> str:
    """Where a copy first differs, and how: for whoever has to mend it."""
    at = next((i for i, (a, b) in enumerate(zip(data, altered, strict=False)) if a != b), -1)
    near = slice(max(0, at - 24), at + 24)
    return f"{len(data)} {len(altered)} {at}: {data[near].hex()} {altered[near].hex()}"


def main() -> None:
    from primafacie.safeguards.errors import MediaError
    from primafacie.safeguards.provenance.manifest import Credentials, TrustList, interpret
    from primafacie.safeguards.provenance.media import FilmLimits, read_film, sniff
    from primafacie.safeguards.provenance.quarantine import _limit

    film, claim, clock, kind, seed, count = sys.argv[1:]
    data = Path(film).read_bytes()
    trust = TrustList.of(Path(claim).read_bytes(), Path(clock).read_bytes())
    credentials = Credentials(trust)
    change = {"bytes": mutated, "boxes": restructured}[kind]
    first = None
    for number in range(int(count)):
        rng = random.Random(f"{kind} {seed} {number}")
        altered = change(data, rng)
        if altered == data:
            continue
        before = time.process_time()
        raw = credentials.inspect(altered, sniff(altered) or "video/mp4")
        reading = interpret(raw, trust)
        try:
            read_film(io.BytesIO(altered), FilmLimits())
            decoded = True
        except MediaError:
            decoded = False
        told = {"n": number, "cpu": round(time.process_time() - before, 3), "state": raw.state,
                "sound": reading.sound, "film": decoded}  # fmt: skip
        if reading.sound:
            told["where"] = difference(data, altered)
        print(json.dumps(told), flush=True)
        if first is None:  # after everything is loaded; the processor's time is the parent's matter
            first = _limit(3600) or True


if __name__ == "__main__":
    main()
