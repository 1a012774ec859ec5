"""Asset number <-> code signs: an HMAC tag, a polar code, and a few bits left free for the host.

A payload is `number | tag`, the tag being the first bits of HMAC-SHA256 over scheme, epoch and
number. It is sent through a polar code (Arikan 2009) whose positions are ranked by beta expansion
(He et al. 2017, beta = 2^(1/4)). The most reliable positions of all carry no message: the embedder
sets these *free bits* so that the codeword leans the way the host signal already leans
(dirty-paper coding, Costa 1983). The decoder is min-sum successive cancellation with a list (Tal
and Vardy 2015); of the list, only a path whose tag verifies counts.

The last position is always free, and its row of the code is all ones: a payload reads the same
when every sign is turned, so a negative picture or an inverted sound keeps its mark.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.mark_keys import MarkKeys

Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint8]
Order = npt.NDArray[np.intp]
_Kind = TypeVar("_Kind", bound=np.generic)

_BETA = 2.0**0.25


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """The shape of one payload: how many bits say what, and the code's length (a power of two)."""

    scheme: str
    number_bits: int
    tag_bits: int
    free_bits: int
    length: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """A payload whose tag verified: the number and the +-1 signs of its codeword (length,)."""

    number: int
    signs: Floats


class PayloadCode:
    """One payload format under one epoch's keys: signs from numbers, numbers from soft values."""

    def __init__(self, shape: PayloadFormat, keys: MarkKeys) -> None:
        self.shape = shape
        self._keys = keys
        ranked = ranked_positions(shape.length)
        used = ranked[: shape.free_bits + shape.number_bits + shape.tag_bits]
        self._free = np.sort(used[: shape.free_bits])
        self._message = np.sort(used[shape.free_bits :])
        self._used_mask = _mask(shape.length, used)
        self._free_mask = _mask(shape.length, self._free)

    def signs(self, number: int, host: Floats | None = None, breadth: int = 32) -> Floats:
        """Return the codeword of `number` as +-1 signs (length,), leaning towards `host` soft
        values (length,).

        Without a host the free bits are zero. Raises `MarkError` when the number does not fit.
        """
        if not 0 <= number < 1 << self.shape.number_bits:
            raise MarkError(f"a marked number has {self.shape.number_bits} bits")
        u = np.zeros(self.shape.length, np.uint8)
        u[self._message] = self._message_bits(number)
        signs = _signs_of(polar_transform(u))
        if host is None:
            return signs
        leaning = decode_list((host * signs)[None], self._free_mask, breadth)
        return signs * _signs_of(polar_transform(leaning.paths[0, 0]))

    def read(self, soft: Floats, breadth: int = 8) -> Decoded | None:
        """Return the payload some row of `soft` (tries, length) carries, or None if no tag
        verifies.

        Every row costs `breadth` chances of a false tag; `false_bound` counts them.
        """
        return next((one for one in self.read_each(soft, breadth) if one is not None), None)

    def read_each(self, soft: Floats, breadth: int = 8) -> list[Decoded | None]:
        """Return what each row of `soft` (tries, length) carries by itself."""
        return [self._first(row) for row in decode_list(soft, self._used_mask, breadth).paths]

    def false_bound(self, tries: int, breadth: int = 8) -> float:
        """Return an upper bound on the chance that `tries` rows without a mark give a number."""
        return min(1.0, tries * breadth * 2.0**-self.shape.tag_bits)

    def _first(self, paths: Bits) -> Decoded | None:
        """Return what the likeliest of `paths` (breadth, length) whose tag verifies carries."""
        for path in paths:
            number = self._verified(path)
            if number is not None:
                return Decoded(number, _signs_of(polar_transform(path)))
        return None

    def _verified(self, u: Bits) -> int | None:
        message = u[self._message]
        number = _integer(message[: self.shape.number_bits])
        return number if np.array_equal(message, self._message_bits(number)) else None

    def _message_bits(self, number: int) -> Bits:
        shape = self.shape
        octets = (shape.number_bits + 7) // 8
        name = f"{shape.scheme}|{self._keys.epoch}|".encode("ascii")
        full = hmac.digest(self._keys.mac, name + number.to_bytes(octets, "big"), "sha256")
        tag = int.from_bytes(full, "big") >> (256 - shape.tag_bits)
        word = (number << shape.tag_bits) | tag
        width = shape.number_bits + shape.tag_bits
        return np.array([word >> (width - 1 - i) & 1 for i in range(width)], np.uint8)


@dataclass(frozen=True, slots=True)
class PathList:
    """A list decoder's surviving paths: `paths` (tries, breadth, length) bits u, best first."""

    paths: Bits
    metrics: Floats


@cache
def ranked_positions(length: int) -> Order:
    """Return the code's positions, most reliable first, by beta expansion."""
    bits = length.bit_length() - 1
    index = np.arange(length)
    weight = sum(((index >> j) & 1) * _BETA**j for j in range(bits))
    return np.argsort(-np.asarray(weight), kind="stable")


def polar_transform(u: Bits) -> Bits:
    """Return u F^(x n) over GF(2) along the last axis; the transform is its own inverse."""
    x = u.copy()
    half = 1
    while half < x.shape[-1]:
        pairs = x.reshape(*x.shape[:-1], -1, 2, half)
        pairs[..., 0, :] ^= pairs[..., 1, :]
        half *= 2
    return x


def decode_list(soft: Floats, used: tuple[bool, ...], breadth: int) -> PathList:
    """Return the `breadth` likeliest paths for each row of `soft` (tries, length); positive means
    bit 0.

    `used` says which positions are not frozen to zero. Rows are decoded side by side, each with
    its own list.
    """
    tries = soft.shape[0]
    alpha = np.repeat(np.asarray(soft, np.float32)[:, None, :], breadth, axis=1)
    metric = np.full((tries, breadth), np.inf, np.float32)
    metric[:, 0] = 0.0
    signs, metric, _ = _decode_node(alpha, metric, _node(used))
    order = np.argsort(metric, axis=1, kind="stable")
    best = np.take_along_axis(signs, order[:, :, None], axis=1)
    u = polar_transform((best < 0).astype(np.uint8))
    return PathList(u, np.take_along_axis(metric, order, axis=1))


@dataclass(frozen=True, slots=True)
class _Node:
    """A subtree of the code: wholly frozen, a repetition of its last bit, or two halves."""

    kind: str  # "frozen" | "repetition" | "split"
    first: _Node | None = None
    second: _Node | None = None


@cache
def _node(used: tuple[bool, ...]) -> _Node:
    if not any(used):
        return _Node("frozen")
    if not any(used[:-1]):
        return _Node("repetition")
    half = len(used) // 2
    return _Node("split", _node(used[:half]), _node(used[half:]))


def _decode_node(alpha: Floats, metric: Floats, node: _Node) -> tuple[Floats, Floats, Order | None]:
    """Decode one subtree: signs (tries, breadth, n), new metrics, and which old path each path
    grew from.
    """
    if node.kind == "frozen":
        return np.ones_like(alpha), metric - np.minimum(alpha, 0.0).sum(axis=2), None
    if node.kind == "repetition":
        return _branch(alpha, metric)
    assert node.first is not None and node.second is not None
    half = alpha.shape[2] // 2
    upper, lower = alpha[:, :, :half], alpha[:, :, half:]
    # The min-sum rule sign(a) sign(b) min(|a|, |b|), written without branches.
    joined = 0.5 * (np.abs(upper + lower) - np.abs(upper - lower))
    one, metric, grew = _decode_node(joined, metric, node.first)
    if grew is not None:
        alpha = _grown(alpha, grew)
        upper, lower = alpha[:, :, :half], alpha[:, :, half:]
    two, metric, again = _decode_node(lower + one * upper, metric, node.second)
    if again is not None:
        one = _grown(one, again)
        grew = again if grew is None else _grown(grew, again)
    return np.concatenate((one * two, two), axis=2), metric, grew


def _branch(alpha: Floats, metric: Floats) -> tuple[Floats, Floats, Order]:
    """Let every path choose one repeated bit, and keep the best `breadth` of the doubled list."""
    breadth = metric.shape[1]
    against_zero = -np.minimum(alpha, 0.0).sum(axis=2)
    against_one = np.maximum(alpha, 0.0).sum(axis=2)
    both = np.concatenate((metric + against_zero, metric + against_one), axis=1)
    kept = np.argpartition(both, breadth - 1, axis=1)[:, :breadth]
    sign = np.where(kept < breadth, np.float32(1), np.float32(-1))
    signs = np.broadcast_to(sign[:, :, None], alpha.shape)
    return signs, _grown(both, kept), kept % breadth


def _grown(values: npt.NDArray[_Kind], grew: Order) -> npt.NDArray[_Kind]:
    """Return for every row of `values` (tries, paths, ...) its paths `grew` (tries, breadth)."""
    tries, paths = values.shape[:2]
    places = grew + np.arange(0, tries * paths, paths)[:, None]
    return values.reshape(tries * paths, *values.shape[2:])[places]


def _mask(length: int, positions: Order) -> tuple[bool, ...]:
    mask = np.zeros(length, bool)
    mask[positions] = True
    return tuple(mask.tolist())


def _signs_of(bits: Bits) -> Floats:
    return (1.0 - 2.0 * bits).astype(np.float32)


def _integer(bits: Bits) -> int:
    value = 0
    for bit in bits.tolist():
        value = value << 1 | int(bit)
    return value
