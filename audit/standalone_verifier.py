"""Verify an exported log with nothing but Python's standard library. Copy this one file anywhere.

    python3 standalone_verifier.py log.jsonl 'log.example/primafacie+e4b4614f+AYqI...' [KEPT ...]

It shares no line of code with the log that it checks, so that an error in one is not an error in
both. It knows Ed25519 log signatures (RFC 8032, written out below; public data only, so its timing
does not matter) and passes over all other signature lines: it checks neither ML-DSA-44 nor
witnesses. KEPT are files with checkpoints that you kept from earlier; they must be part of the same
history. The format is defined in FORMAT.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ENDS: tuple[str, ...] = ("decision.refused", "output.released", "output.withheld")
ENDS += ("request.failed", "request.aborted", "request.cancelled")
WORK: tuple[str, ...] = (
    "decision.generate",
    "permit.issued",
    "generation.started",
    "generation.finished",
)
WORK += ("decision.release", "output.sealed")
FIELDS = {"v", "log", "n", "t", "e", "rid", "actor", "subj", "out", "why", "facts", "pc"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", re.ASCII)


class Refused(Exception):
    """The bundle is not the log that the key signed."""


# --- Ed25519, RFC 8032 section 5.1 and appendix A ---------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def add(a: Point, b: Point) -> Point:
    """Point addition in extended coordinates."""
    low = (a[1] - a[0]) * (b[1] - b[0]) % P
    high = (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = high - low, d - c, d + c, high + low
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    """scalar * point by doubling and adding."""
    total: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def decompress(data: bytes) -> Point:
    """The point that 32 bytes encode; Refused if they encode none."""
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise Refused("a key or signature is no point of the curve")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decompress(bytes([0x58]) + bytes([0x66]) * 31)


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    """Return if the signature holds; Refused otherwise."""
    if len(public) != 32 or len(signature) != 64:
        raise Refused("a key or signature has the wrong length")
    s = int.from_bytes(signature[32:], "little")
    hashed = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(hashed, "little") % Q
    left = multiply(s, BASE)
    right = add(decompress(signature[:32]), multiply(challenge, decompress(public)))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    if s >= Q or not same_x or (left[1] * right[2] - right[1] * left[2]) % P:
        raise Refused("a signature by the log's key does not hold")


# --- one text for one value -------------------------------------------------------------------


def unbase64(text: object) -> bytes:
    """The bytes of canonical base64."""
    if not isinstance(text, str) or not text.isascii():
        raise Refused("this is not base64")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("this is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise Refused("this base64 is not canonical")
    return data


def canonical(data: bytes, names: set[str]) -> dict[str, Any]:
    """The object with exactly these names that `data` spells in canonical JSON."""
    try:
        value = json.loads(data.decode())
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        same = again.encode() == data
    except (ValueError, RecursionError) as error:
        raise Refused("a line is not JSON") from error
    if not same or not isinstance(value, dict) or set(value) != names or has_float(value):
        raise Refused("a line is not canonical, or its fields are not those of the format")
    return value


def has_float(value: object) -> bool:
    """Whether a float stands anywhere inside."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, float) or any(has_float(item) for item in inner)


def is_count(value: object) -> bool:
    """Whether this is an integer from 0 up."""
    return type(value) is int and value >= 0


# --- the tree, RFC 6962 -----------------------------------------------------------------------


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """A growing tree: its perfect subtrees, largest first, as (width, hash)."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, bytes]] = []
        self.size = 0

    def push(self, leaf: bytes) -> None:
        width, node = 1, leaf_hash(leaf)
        while self.parts and self.parts[-1][0] == width:
            node = node_hash(self.parts.pop()[1], node)
            width *= 2
        self.parts.append((width, node))
        self.size += 1

    def root(self) -> bytes:
        if not self.parts:
            return hashlib.sha256(b"").digest()
        node = self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            node = node_hash(left, node)
        return node


def inclusion_root(index: int, size: int, node: bytes, path: list[bytes]) -> bytes:
    """The root that the path leads to, by the recursion of RFC 6962 section 2.1.1."""
    if size == 1:
        if path:
            raise Refused("an inclusion proof is too long")
        return node
    if not path:
        raise Refused("an inclusion proof is too short")
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return node_hash(inclusion_root(index, half, node, path[:-1]), path[-1])
    return node_hash(path[-1], inclusion_root(index - half, size - half, node, path[:-1]))


def extension_roots(
    old: int, size: int, root: bytes, whole: bool, path: list[bytes]
) -> tuple[bytes, bytes]:
    """(old root, new root) that the path leads to, by the recursion of RFC 6962 section 2.1.2."""
    if old == size:
        if (whole and path) or (not whole and len(path) != 1):
            raise Refused("a consistency proof has the wrong length")
        node = root if whole else path[0]
        return node, node
    if not path:
        raise Refused("a consistency proof is too short")
    half = 1 << (size - 1).bit_length() - 1
    if old <= half:
        before, after = extension_roots(old, half, root, whole, path[:-1])
        return before, node_hash(after, path[-1])
    before, after = extension_roots(old - half, size - half, root, False, path[:-1])
    return node_hash(path[-1], before), node_hash(path[-1], after)


# --- signed checkpoints -----------------------------------------------------------------------


def open_vkey(text: str) -> tuple[str, bytes, bytes]:
    """(name, key id, public key) of an Ed25519 verifier key."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = unbase64(encoded)
    found = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    if typed[:1] != b"\1" or len(typed) != 33 or found.hex() != key_id:
        raise Refused("this is no Ed25519 verifier key, or its id is wrong")
    return name, found, typed[1:]


def open_checkpoint(note: object, vkey: str) -> tuple[int, bytes]:
    """(size, root) of a checkpoint that this key signed; its origin must be the key's name."""
    if not isinstance(note, str) or any(c < " " and c != "\n" for c in note):
        raise Refused("a checkpoint is malformed")
    name, key_id, public = open_vkey(vkey)
    above, mark, below = note.rpartition("\n\n")
    if not mark or not below.endswith("\n"):
        raise Refused("a checkpoint is malformed")
    signed = 0
    for line in below[:-1].split("\n"):
        match = re.fullmatch(r"\u2014 ([^ \s+]+) (\S+)", line)
        if match is None:
            raise Refused("a signature line is malformed")
        blob = unbase64(match[2])
        if match[1] == name and blob[:4] == key_id:
            verify_ed25519(public, above.encode() + b"\n", blob[4:])
            signed += 1
    lines = above.split("\n")
    if not signed or len(lines) != 3 or lines[0] != name:
        raise Refused("the log's key did not sign this checkpoint")
    root = unbase64(lines[2])
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1], re.ASCII) or len(root) != 32:
        raise Refused("a checkpoint is malformed")
    return int(lines[1]), root


def open_proof(text: object, leaf: bytes, vkey: str) -> tuple[int, int, bytes]:
    """(index, size, root) under which the proof places the leaf."""
    head, _, note = text.partition("\n\n") if isinstance(text, str) else ("", "", "")
    lines = head.split("\n")
    match = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[1] if len(lines) > 1 else "")
    if lines[0] != "c2sp.org/tlog-proof@v1" or match is None:
        raise Refused("the footer's proof is malformed")
    size, root = open_checkpoint(note, vkey)
    path, index = [unbase64(line) for line in lines[2:]], int(match[1])
    if index >= size or inclusion_root(index, size, leaf_hash(leaf), path) != root:
        raise Refused("the footer's proof does not hold")
    return index, size, root


# --- the whole file ---------------------------------------------------------------------------


def read_leaf(line: bytes, log: str, index: int, last: str) -> dict[str, Any]:
    """A leaf at its place; its time not before `last`."""
    try:
        names = FIELDS | ({"at"} if '"at":"' in line.decode() else set())
    except UnicodeDecodeError as error:
        raise Refused(f"leaf {index} is malformed") from error
    leaf = canonical(line, names)
    if len(line) > 4096 or not is_count(leaf["n"]) or not is_count(leaf["v"]):
        raise Refused(f"leaf {index} is malformed")
    if leaf["v"] != 1 or leaf["n"] != index or leaf["log"] != log:
        raise Refused(f"leaf {index} names another place")
    if not isinstance(leaf["t"], str) or not TIME.match(leaf["t"]) or leaf["t"] < last:
        raise Refused(f"leaf {index}: time goes backwards")
    return leaf


def tell(leaf: dict[str, Any], told: dict[str, set[str]]) -> list[str]:
    """What does not fit the leaves of the same request before this one."""
    kind, rid, found = leaf["e"], leaf["rid"], list[str]()
    before = told.setdefault(rid, set()) if kind in (*ENDS, *WORK, "request.received") else set()
    ended = any(end in before for end in ENDS)
    if kind == "request.received" and kind in before:
        found.append("received twice")
    if kind in ENDS and "request.received" not in before:
        found.append(f"{kind} without a request")
    if kind in (*ENDS, *WORK) and ended:
        found.append(f"{kind} after the outcome")
    if kind == "permit.issued" and "allowed" not in before:
        found.append("a permit without a decision that allowed")
    if kind in ("generation.started", "output.released") and "permit.issued" not in before:
        found.append(f"{kind} without a permit")
    if kind == "output.released" and "withdrawn" in before:
        found.append("released although the release was denied")
    for decision, word, verdict in (("generate", "allowed", True), ("release", "withdrawn", False)):
        if kind == f"decision.{decision}":
            (before.add if (leaf["out"] == "allow") is verdict else before.discard)(word)
    before.add(kind)
    return [f"leaf {leaf['n']}, request {rid}: {sentence}" for sentence in found]


def verify(path: Path, vkey: str, kept: list[str]) -> dict[str, Any]:
    """What the log in the file says, once all of it holds; Refused otherwise."""
    above = hashlib.sha256()
    with path.open("rb") as stream:

        def line() -> bytes:
            data = stream.readline(1 << 20)
            if not data.endswith(b"\n"):
                raise Refused("the file ends early")
            above.update(data)
            return data[:-1]

        header = canonical(line(), {"format", "v", "log", "size", "checkpoints"})
        counts = [header["v"], header["size"], header["checkpoints"]]
        if not all(map(is_count, counts)) or header["v"] != 1:
            raise Refused("the header is malformed")
        if header["format"] != "primafacie-audit-bundle" or header["log"] != open_vkey(vkey)[0]:
            raise Refused("this is no bundle of the log that the key belongs to")
        heads = [
            open_checkpoint(canonical(line(), {"checkpoint"})["checkpoint"], vkey)
            for _ in range(header["checkpoints"])
        ]
        sizes = [size for size, _ in heads]
        if not sizes or sizes != sorted(set(sizes)) or sizes[-1] != header["size"]:
            raise Refused("the checkpoints do not rise to the size of the bundle")
        wanted = sorted([*heads, *(open_checkpoint(note, vkey) for note in kept)])
        tree, last, kinds = Tree(), "", Counter[str]()
        told, findings = dict[str, set[str]](), list[str]()
        while True:
            while wanted and wanted[0][0] == tree.size:
                if wanted.pop(0)[1] != tree.root():
                    raise Refused(f"the first {tree.size} leaves are not those that were signed")
            if tree.size == header["size"]:
                break
            data = line()
            leaf = read_leaf(data, header["log"], tree.size, last)
            last = leaf["t"]
            kinds[leaf["e"]] += 1
            findings += tell(leaf, told)
            tree.push(data)
        if wanted:
            raise Refused(f"{wanted[0][0]} leaves were signed, {tree.size} are here")
        digest = above.hexdigest()
        check_footer(line(), header, tree, digest, vkey)
        if stream.read(1):
            raise Refused("something follows the footer")
    waiting = [
        rid
        for rid, seen in told.items()
        if "request.received" in seen and not any(end in seen for end in ENDS)
    ]
    return {
        "log": header["log"],
        "leaves": tree.size,
        "root": tree.root().hex(),
        "checkpoints": len(heads),
        "kinds": dict(sorted(kinds.items())),
        "open": waiting,
        "findings": findings,
    }


def check_footer(data: bytes, header: dict[str, Any], tree: Tree, digest: str, vkey: str) -> None:
    """Return if the log itself recorded that it exported exactly these bytes."""
    footer = canonical(data, {"consistency", "leaf", "proof"})
    if not isinstance(footer["leaf"], str) or not isinstance(footer["consistency"], list):
        raise Refused("the footer is malformed")
    body = footer["leaf"].encode()
    index, size, root = open_proof(footer["proof"], body, vkey)
    leaf = read_leaf(body, header["log"], index, "")
    facts = leaf["facts"] if isinstance(leaf["facts"], dict) else {}
    if leaf["e"] != "log.exported" or facts.get("bundle") != digest:
        raise Refused("the log did not export these bytes")
    path = [unbase64(item) for item in footer["consistency"]]
    if any(len(item) != 32 for item in path) or size < tree.size or (not tree.size and path):
        raise Refused("the footer's consistency proof is malformed")
    if tree.size and extension_roots(tree.size, size, tree.root(), True, path) != (
        tree.root(),
        root,
    ):
        raise Refused("the log that exported this does not extend it")


def main(arguments: list[str]) -> int:
    """0 sound, 1 refused, 2 genuine but with findings, 64 wrong use."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 64
    kept = [Path(name).read_text(encoding="utf-8") for name in arguments[2:]]
    try:
        report = verify(Path(arguments[0]), arguments[1], kept)
    except Refused as error:
        print(f"REFUSED: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2))
    return 2 if report["findings"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
