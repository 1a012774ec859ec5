"""RFC 6962 Merkle trees: hashes, proofs and their verification. Pure: it reads nothing by itself.

A tree over n leaves is kept as the hashes of its *perfect* subtrees only: those over 2**level
leaves that start at a multiple of 2**level. They never change once written, so they can live in an
append-only table. `node_id` numbers them in the order in which they come to exist when leaves are
appended one by one (the numbering of golang.org/x/mod/sumdb/tlog), so ids are written 0, 1, 2, ...
Every other hash of every tree of any size is folded from at most 64 of them per proof element.

Sources: RFC 6962 sections 2.1 and 2.1.1-2.1.2; RFC 9162 sections 2.1.3.2 and 2.1.4.2 for the
verifying algorithms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from primafacie.audit.errors import MerkleError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class Subtree:
    """Leaves `start` up to but not including `end`, whose Merkle Tree Hash is one proof element."""

    start: int
    end: int


def leaf_hash(leaf: bytes) -> bytes:
    """MTH of the one-leaf tree: sha256(0x00 || leaf)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """sha256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def node_id(level: int, index: int) -> int:
    """The number of the perfect subtree over leaves [index * 2**level, (index + 1) * 2**level)."""
    for _ in range(level):
        index = 2 * index + 1
    before = 0
    while index > 0:
        before += index
        index >>= 1
    return before + level


def perfect_ids(part: Subtree) -> list[int]:
    """The ids of the perfect subtrees that tile `part`, left to right, largest first.

    `part.start` must be a multiple of the smallest power of two that is not below its width, as it
    is for every element of an RFC 6962 proof.
    """
    ids, start = [], part.start
    while start < part.end:
        level = (part.end - start).bit_length() - 1
        ids.append(node_id(level, start >> level))
        start += 1 << level
    return ids


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees given left to right, largest first; of none, the empty one."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def subtree_hash(part: Subtree, nodes: Mapping[int, bytes]) -> bytes:
    """The Merkle Tree Hash of `part` from stored nodes by id; MerkleError when one is missing."""
    try:
        return fold([nodes[i] for i in perfect_ids(part)])
    except KeyError as error:
        raise MerkleError(f"the tree lacks node {error.args[0]}") from error


class Frontier:
    """The right edge of a growing tree: its perfect subtrees, largest first.

    A push costs O(1) hashes on average.
    """

    __slots__ = ("_edge", "size")

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        if len(edge) != size.bit_count():
            raise MerkleError("the edge does not belong to a tree of this size")
        self.size = size
        self._edge = list(edge)

    def push(self, leaf: bytes) -> list[bytes]:
        """Append the leaf with this leaf hash; the new nodes, in id order."""
        new, node, rest = [leaf], leaf, self.size
        while rest & 1:
            node = node_hash(self._edge.pop(), node)
            new.append(node)
            rest >>= 1
        self._edge.append(node)
        self.size += 1
        return new

    def root(self) -> bytes:
        """The RFC 6962 root of the leaves pushed so far."""
        return fold(self._edge)


def inclusion_parts(index: int, size: int) -> list[Subtree]:
    """The subtrees whose hashes are PATH(index, D[size]), from the leaf's sibling upwards."""
    if not 0 <= index < size:
        raise MerkleError(f"a tree of {size} leaves has no leaf {index}")
    parts, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            parts.append(Subtree(middle, end))
            end = middle
        else:
            parts.append(Subtree(start, middle))
            start = middle
    return parts[::-1]


def consistency_parts(old: int, new: int) -> list[Subtree]:
    """The subtrees whose hashes are PROOF(old, D[new]), RFC 6962 2.1.2; none if old is 0."""
    if not 0 <= old <= new:
        raise MerkleError(f"a tree of {new} leaves does not extend one of {old}")
    if old in (0, new):
        return []
    parts, start, end, whole = [], 0, new, True
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            parts.append(Subtree(middle, end))
            end = middle
        else:
            parts.append(Subtree(start, middle))
            start, whole = middle, False
    if not whole:
        parts.append(Subtree(start, end))
    return parts[::-1]


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Return if the leaf with hash `leaf` stands at `index` of the tree; MerkleError otherwise."""
    if not 0 <= index < size:
        raise MerkleError(f"a tree of {size} leaves has no leaf {index}")
    _require_hashes([leaf, root, *proof])
    here, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise MerkleError("the inclusion proof is too long")
        if here & 1 or here == last:
            node = node_hash(sibling, node)
            while not here & 1 and here != 0:
                here, last = here >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        here, last = here >> 1, last >> 1
    if last != 0:
        raise MerkleError("the inclusion proof is too short")
    if node != root:
        raise MerkleError("the inclusion proof leads to another root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return if the tree of `new` leaves extends that of `old` leaves; MerkleError otherwise."""
    if not 0 <= old <= new:
        raise MerkleError(f"a tree of {new} leaves does not extend one of {old}")
    _require_hashes([old_root, new_root, *proof])
    if old in (0, new):
        _verify_trivial(old, new, old_root, new_root, proof)
        return
    if not proof:
        raise MerkleError("the consistency proof is empty")
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise MerkleError("the consistency proof is too long")
        if here & 1 or here == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not here & 1 and here != 0:
                here, last = here >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        here, last = here >> 1, last >> 1
    if last != 0:
        raise MerkleError("the consistency proof is too short")
    if first != old_root or second != new_root:
        raise MerkleError("the new tree does not extend the old one")


def _verify_trivial(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise MerkleError("the consistency proof is too long")
    if old == 0 and old_root != EMPTY_ROOT:
        raise MerkleError("an empty tree has only one root")
    if old == new and old_root != new_root:
        raise MerkleError("two trees of one size have different roots")


def _split(width: int) -> int:
    """The largest power of two below `width` (which is at least 2)."""
    return 1 << (width - 1).bit_length() - 1


def _require_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(item) != HASH_BYTES for item in hashes):
        raise MerkleError("a hash is not 32 bytes long")
