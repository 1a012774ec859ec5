"""The payload code: what goes in comes out, from a third of the signs' worth of evidence, or
nothing does.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.lattice_pattern import PICTURE_FORMAT
from primafacie.safeguards.provenance.mark_keys import (
    MarkKeys,
    keyed_bytes,
    keyed_order,
    keyed_signs,
    keyed_units,
)
from primafacie.safeguards.provenance.payload import (
    PayloadCode,
    PayloadFormat,
    decode_list,
    polar_transform,
    ranked_positions,
)
from primafacie.safeguards.provenance.schemes.lattice_sound import SOUND_FORMAT

KEYS = MarkKeys.derive(b"a master secret for tests", 1)


def heard(signs: np.ndarray, d: float, seed: int) -> np.ndarray:
    """Signs through a channel that leaves a correlation of `d` standard deviations."""
    noise = np.random.default_rng(seed).normal(size=signs.size)
    return (signs * d / np.sqrt(signs.size) + noise).astype(np.float32)[None]


class TestKeys:
    def test_the_same_master_and_epoch_give_the_same_keys_for_ever(self) -> None:
        keys = MarkKeys.derive(b"a master secret for tests", 1)
        digest = hashlib.sha256(keys.picture + keys.sound + keys.mac).hexdigest()
        assert digest.startswith("8673fca2a68f65fa2d15615d1cf55d47")

    def test_streams_are_fixed_for_ever(self) -> None:
        parts = (
            keyed_bytes(KEYS.picture, "a", 8),
            keyed_units(KEYS.picture, "b", 4).tobytes(),
            keyed_signs(KEYS.picture, "c", 16).tobytes(),
            keyed_order(KEYS.picture, "d", 16).astype("<i8").tobytes(),
        )
        assert (
            hashlib.sha256(b"".join(parts))
            .hexdigest()
            .startswith("b4323cb4b63aa33fdfae21aa7d0181b6")
        )

    def test_every_epoch_has_keys_of_its_own(self) -> None:
        other = MarkKeys.derive(b"a master secret for tests", 2)
        assert {KEYS.picture, KEYS.sound, KEYS.mac}.isdisjoint(
            {other.picture, other.sound, other.mac}
        )

    def test_a_repr_shows_no_secret(self) -> None:
        assert repr(KEYS) == "MarkKeys(epoch=1)"

    @pytest.mark.parametrize(
        ("master", "epoch"), [(b"short", 1), (b"x" * 32, -1), (b"x" * 32, 65536)]
    )
    def test_bad_inputs_are_refused(self, master: bytes, epoch: int) -> None:
        with pytest.raises(MarkError):
            MarkKeys.derive(master, epoch)


class TestPolarCode:
    @given(st.binary(min_size=128, max_size=128))
    @settings(max_examples=25, deadline=None)
    def test_the_transform_is_its_own_inverse(self, data: bytes) -> None:
        bits = np.unpackbits(np.frombuffer(data, np.uint8))
        assert np.array_equal(polar_transform(polar_transform(bits)), bits)

    def test_the_last_position_is_the_best_and_the_first_the_worst(self) -> None:
        ranked = ranked_positions(1024)
        assert ranked[0] == 1023
        assert ranked[-1] == 0

    def test_a_list_of_every_word_finds_the_nearest_one(self) -> None:
        used = tuple(i in (3, 5, 6, 7) for i in range(8))
        soft = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
        found = decode_list(soft, used, 16)
        words = np.array([[u >> b & 1 for b in range(4)] for u in range(16)], np.uint8)
        messages = np.zeros((16, 8), np.uint8)
        messages[:, [3, 5, 6, 7]] = words
        signs = 1.0 - 2.0 * polar_transform(messages)
        best = signs[np.argmax(soft @ signs.T, axis=1)]
        got = 1.0 - 2.0 * polar_transform(found.paths[:, 0])
        assert np.array_equal(got, best)

    def test_rows_are_decoded_as_if_alone(self) -> None:
        soft = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
        used = tuple(bool(i % 3) for i in range(64))
        together = decode_list(soft, used, 4).paths
        alone = np.concatenate([decode_list(row[None], used, 4).paths for row in soft])
        assert np.array_equal(together, alone)


@pytest.mark.parametrize("shape", [PICTURE_FORMAT, SOUND_FORMAT], ids=["picture", "sound"])
class TestPayload:
    @given(number=st.integers(0, (1 << 32) - 1))
    @settings(max_examples=20, deadline=None)
    def test_a_clean_word_gives_its_number(self, shape: PayloadFormat, number: int) -> None:
        code = PayloadCode(shape, KEYS)
        found = code.read(code.signs(number)[None])
        assert found is not None
        assert found.number == number

    def test_a_word_with_every_sign_turned_reads_the_same(self, shape: PayloadFormat) -> None:
        code = PayloadCode(shape, KEYS)
        found = code.read(-code.signs(99)[None])
        assert found is not None
        assert found.number == 99

    def test_a_number_reads_exactly_at_nineteen_sigmas(self, shape: PayloadFormat) -> None:
        code = PayloadCode(shape, KEYS)
        read = [code.read(heard(code.signs(seed), 19.0, seed)) for seed in range(30)]
        assert sum(one is not None and one.number == seed for seed, one in enumerate(read)) >= 28

    def test_free_bits_lean_the_word_towards_the_host(self, shape: PayloadFormat) -> None:
        code = PayloadCode(shape, KEYS)
        gains = []
        for seed in range(10):
            host = np.random.default_rng(seed).normal(size=shape.length).astype(np.float32)
            signs = code.signs(seed, host)
            gains.append(float(signs @ host) / np.sqrt(shape.length))
            assert code.read(signs[None]) is not None
        assert np.mean(gains) > 0.8 * np.sqrt(2 * shape.free_bits * np.log(2))

    def test_noise_gives_no_number(self, shape: PayloadFormat) -> None:
        code = PayloadCode(shape, KEYS)
        noise = np.random.default_rng(5).normal(size=(64, shape.length)).astype(np.float32)
        assert code.read(noise) is None

    def test_another_epochs_word_gives_no_number(self, shape: PayloadFormat) -> None:
        other = PayloadCode(shape, MarkKeys.derive(b"a master secret for tests", 2))
        assert PayloadCode(shape, KEYS).read(other.signs(5)[None]) is None

    def test_a_number_too_long_is_refused(self, shape: PayloadFormat) -> None:
        with pytest.raises(MarkError):
            PayloadCode(shape, KEYS).signs(1 << shape.number_bits)
        with pytest.raises(MarkError):
            PayloadCode(shape, KEYS).signs(-1)


class TestFalsePositives:
    def test_the_bound_of_a_whole_query_stays_below_one_in_a_hundred_million(self) -> None:
        code = PayloadCode(PICTURE_FORMAT, KEYS)
        assert code.false_bound(tries=20 * 4) <= 1e-9
        assert code.false_bound(tries=20 * 4, breadth=32) <= 1e-8

    def test_short_tags_fail_as_often_as_the_bound_allows_and_not_much_less(self) -> None:
        shape = PayloadFormat("short", number_bits=24, tag_bits=6, free_bits=8, length=128)
        trials, hits = 400, 0
        code = PayloadCode(shape, KEYS)
        noise = np.random.default_rng(3).normal(size=(trials, 128)).astype(np.float32)
        for row in noise:
            hits += code.read(row[None]) is not None
        expected = trials * code.false_bound(1)
        assert expected / 3 < hits <= 1.2 * expected
