"""The tree against RFC 6962's own recursive definitions, written out naively."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primafacie.audit import merkle
from primafacie.audit.errors import MerkleError

# Certificate Transparency's reference leaves and roots (google/certificate-transparency).
CT_LEAVES = [
    bytes.fromhex(h)
    for h in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def grow(size: int) -> tuple[list[bytes], dict[int, bytes]]:
    leaves = [b"leaf %d" % i for i in range(size)]
    frontier, nodes = merkle.Frontier(), dict[int, bytes]()
    for leaf in leaves:
        for node in frontier.push(merkle.leaf_hash(leaf)):
            nodes[len(nodes)] = node
    return leaves, nodes


def hashes(parts: list[merkle.Subtree], nodes: dict[int, bytes]) -> list[bytes]:
    return [merkle.subtree_hash(part, nodes) for part in parts]


def root_of(leaves: list[bytes]) -> bytes:
    frontier = merkle.Frontier()
    for leaf in leaves:
        frontier.push(merkle.leaf_hash(leaf))
    return frontier.root()


@pytest.mark.parametrize("size", CT_ROOTS)
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root_of(CT_LEAVES[:size]).hex() == CT_ROOTS[size]


def test_the_empty_tree_has_the_root_of_rfc_6962() -> None:
    assert root_of([]) == merkle.EMPTY_ROOT == sha256(b"").digest()


def test_nodes_are_numbered_in_the_order_in_which_they_arise() -> None:
    known = {(0, 0): 0, (0, 1): 1, (1, 0): 2, (0, 2): 3, (0, 3): 4, (1, 1): 5, (2, 0): 6}
    assert {k: merkle.node_id(*k) for k in known} == known
    for size in range(200):
        assert len(grow(size)[1]) == 2 * size - size.bit_count()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.data())
def test_every_inclusion_proof_is_that_of_the_rfc_and_verifies(
    size: int, data: st.DataObject
) -> None:
    leaves, nodes = grow(size)
    index = data.draw(st.integers(0, size - 1))
    proof = hashes(merkle.inclusion_parts(index, size), nodes)
    assert proof == path(index, leaves)
    leaf = merkle.leaf_hash(leaves[index])
    merkle.verify_inclusion(index, size, leaf, proof, mth(leaves))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.data())
def test_every_consistency_proof_is_that_of_the_rfc_and_verifies(
    size: int, data: st.DataObject
) -> None:
    leaves, nodes = grow(size)
    old = data.draw(st.integers(1, size))
    proof = hashes(merkle.consistency_parts(old, size), nodes)
    assert proof == subproof(old, leaves, True)
    merkle.verify_consistency(old, size, mth(leaves[:old]), mth(leaves), proof)


def test_all_small_proofs_verify_and_only_for_their_own_place() -> None:
    for size in range(1, 20):
        leaves, nodes = grow(size)
        root = mth(leaves)
        for index in range(size):
            proof = hashes(merkle.inclusion_parts(index, size), nodes)
            for other in range(size):
                leaf = merkle.leaf_hash(leaves[other])
                if other == index:
                    merkle.verify_inclusion(index, size, leaf, proof, root)
                else:
                    with pytest.raises(MerkleError):
                        merkle.verify_inclusion(index, size, leaf, proof, root)
                    with pytest.raises(MerkleError):
                        merkle.verify_inclusion(
                            other, size, merkle.leaf_hash(leaves[index]), proof, root
                        )


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 120), st.data())
def test_a_changed_proof_never_verifies(size: int, data: st.DataObject) -> None:
    leaves, nodes = grow(size)
    old = data.draw(st.integers(1, size - 1))
    index = data.draw(st.integers(0, size - 1))
    change = data.draw(st.sampled_from(["flip", "drop", "add", "swap"]))
    for parts, check in (
        (
            merkle.inclusion_parts(index, size),
            lambda p: merkle.verify_inclusion(
                index, size, merkle.leaf_hash(leaves[index]), p, mth(leaves)
            ),
        ),
        (
            merkle.consistency_parts(old, size),
            lambda p: merkle.verify_consistency(old, size, mth(leaves[:old]), mth(leaves), p),
        ),
    ):
        proof = hashes(parts, nodes)
        place = data.draw(st.integers(0, len(proof) - 1))
        bad = list(proof)
        if change == "flip":
            bit = data.draw(st.integers(0, 255))
            number = int.from_bytes(bad[place], "big") ^ (1 << bit)
            bad[place] = number.to_bytes(32, "big")
        elif change == "drop":
            del bad[place]
        elif change == "add":
            bad.insert(place, b"\x07" * 32)
        else:
            bad.reverse()
        if bad != proof:
            with pytest.raises(MerkleError):
                check(bad)


@pytest.mark.parametrize(("old", "new"), [(5, 4), (-1, 3)])
def test_a_tree_never_shrinks(old: int, new: int) -> None:
    with pytest.raises(MerkleError):
        merkle.consistency_parts(old, new)
    with pytest.raises(MerkleError):
        merkle.verify_consistency(old, new, b"\0" * 32, b"\0" * 32, [])


def test_equal_sizes_need_equal_roots_and_no_proof() -> None:
    a, b = b"\1" * 32, b"\2" * 32
    merkle.verify_consistency(3, 3, a, a, [])
    with pytest.raises(MerkleError):
        merkle.verify_consistency(3, 3, a, b, [])
    with pytest.raises(MerkleError):
        merkle.verify_consistency(3, 3, a, a, [a])
    with pytest.raises(MerkleError):
        merkle.verify_consistency(0, 3, a, b, [])
    merkle.verify_consistency(0, 3, merkle.EMPTY_ROOT, b, [])


def test_no_leaf_outside_the_tree_is_ever_included() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(MerkleError):
            merkle.inclusion_parts(index, size)
        with pytest.raises(MerkleError):
            merkle.verify_inclusion(index, size, b"\0" * 32, [], b"\0" * 32)


def test_a_node_that_is_missing_is_an_error_and_no_guess() -> None:
    _, nodes = grow(9)
    del nodes[merkle.node_id(1, 1)]
    with pytest.raises(MerkleError):
        hashes(merkle.inclusion_parts(0, 9), nodes)


def test_an_edge_of_another_size_is_refused() -> None:
    with pytest.raises(MerkleError):
        merkle.Frontier(3, [b"\0" * 32])
