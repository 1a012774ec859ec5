"""The picture mark: laid or refused, read or not, and never an error from foreign pictures."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance import lattice_pattern
from primafacie.safeguards.provenance.fingerprint import THRESHOLD, Fingerprint
from primafacie.safeguards.provenance.lattice_pattern import PICTURE_FORMAT, LatticePattern
from primafacie.safeguards.provenance.lattice_search import MOST_CHANCE, Effort, LatticeSearch
from primafacie.safeguards.provenance.payload import PayloadCode
from primafacie.safeguards.provenance.spectrum import values_only
from primafacie.safeguards.provenance.watermark import (
    PICTURE_READERS,
    SCHEME,
    SCHEMES,
    MarkKeys,
    PictureMarker,
    parse_soft_binding,
    read_picture,
    soft_binding_value,
)

A: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "robustness" / "attacks.py"))
MASTER = b"a master secret for tests"
KEYS = MarkKeys.derive(MASTER, 1)
NUMBER = 0x5EED_0FA5_5E7123 & (1 << 56) - 1


def marked(
    frames: list[np.ndarray], number: int = NUMBER, keys: MarkKeys = KEYS
) -> list[np.ndarray]:
    marker = PictureMarker(keys, number)
    marker.plan(frames[:6])
    return [marker.apply(frame) for frame in frames]


@pytest.fixture(scope="module")
def plain() -> list[np.ndarray]:
    return A["talking"](A["drawn_portrait"](4, 448), 16)


@pytest.fixture(scope="module")
def clip(plain: list[np.ndarray]) -> list[np.ndarray]:
    return marked(plain)


def psnr(one: list[np.ndarray], two: list[np.ndarray]) -> float:
    error = np.mean([(a.astype(float) - b) ** 2 for a, b in zip(one, two, strict=True)])
    return float(10 * np.log10(255**2 / error))


class TestLaying:
    def test_the_number_and_epoch_come_back_with_their_bounds(self, clip: list[np.ndarray]) -> None:
        reading = read_picture(clip, [KEYS])
        assert (reading.status, reading.asset_number, reading.epoch) == ("read", NUMBER, 1)
        assert reading.scheme == SCHEME
        assert reading.confidence > 8.5
        assert reading.correlation > 24
        assert reading.bound <= MOST_CHANCE

    def test_the_picture_keeps_its_quality(
        self, plain: list[np.ndarray], clip: list[np.ndarray]
    ) -> None:
        assert psnr(plain, clip) > 42.0
        assert max(np.abs(a.astype(int) - b).max() for a, b in zip(plain, clip, strict=True)) < 16

    def test_one_frame_is_enough(self, clip: list[np.ndarray]) -> None:
        assert read_picture(A["jpeg"](clip, 50), [KEYS]).asset_number == NUMBER

    @pytest.mark.parametrize("size", [(256, 256), (360, 640), (720, 405)], ids=str)
    def test_any_size_carries_the_mark(self, size: tuple[int, int]) -> None:
        picture = cv2.resize(A["drawn_portrait"](5), size[::-1], interpolation=cv2.INTER_AREA)
        frames = marked(A["talking"](picture, 8))
        assert frames[0].shape == (*size, 3)
        assert read_picture(A["x264"](frames, 23, "veryfast"), [KEYS]).asset_number == NUMBER

    def test_a_portrait_alone_is_enough_to_plan_from(self, plain: list[np.ndarray]) -> None:
        marker = PictureMarker(KEYS, NUMBER)
        marker.plan(plain[:1])
        later = [marker.apply(frame) for frame in plain[4:]]
        assert read_picture(later, [KEYS]).asset_number == NUMBER

    def test_the_plan_tells_what_was_tried(self, plain: list[np.ndarray]) -> None:
        plan = PictureMarker(KEYS, NUMBER, "standard").plan(plain[:6])
        assert 41.0 <= plan.psnr_db <= 52.0
        assert plan.correlation >= 18.0
        assert 1 <= plan.rounds <= 5

    def test_applying_is_pure(self, plain: list[np.ndarray]) -> None:
        marker = PictureMarker(KEYS, NUMBER)
        marker.plan(plain[:6])
        before = plain[3].copy()
        assert np.array_equal(marker.apply(plain[3]), marker.apply(plain[3]))
        assert np.array_equal(plain[3], before)


class TestRefusing:
    def refused(self, frames: list[np.ndarray]) -> str:
        with pytest.raises(MarkError) as error:
            PictureMarker(KEYS, NUMBER).plan(frames)
        return str(error.value)

    def test_a_picture_too_small_is_refused(self) -> None:
        assert "256 pixels" in self.refused([np.full((255, 400, 3), 90, np.uint8)])

    def test_a_flat_picture_is_refused(self) -> None:
        assert "flat" in self.refused([np.full((300, 300, 3), 90, np.uint8)] * 3)

    def test_nothing_and_wrong_types_are_refused(self) -> None:
        assert self.refused([])
        assert self.refused([np.zeros((300, 300), np.uint8)])
        assert self.refused([np.zeros((300, 300, 3), np.float32)])
        assert self.refused([np.zeros((300, 300, 3), np.uint8), np.zeros((300, 320, 3), np.uint8)])

    def test_a_picture_no_mark_survives_in_is_refused_at_the_quality_floor(self) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
        assert "quality floor" in self.refused([noise])

    def test_overwriting_our_own_mark_is_refused(self, clip: list[np.ndarray]) -> None:
        assert "already carries" in self.refused(clip[:6])

    def test_a_cropped_picture_with_our_mark_is_refused_too(self, clip: list[np.ndarray]) -> None:
        assert "already carries" in self.refused([f[20:-30, 25:-25].copy() for f in clip[:6]])

    def test_frames_before_the_plan_or_of_another_size_are_refused(
        self, plain: list[np.ndarray]
    ) -> None:
        marker = PictureMarker(KEYS, NUMBER)
        with pytest.raises(MarkError, match="before"):
            marker.apply(plain[0])
        marker.plan(plain[:6])
        with pytest.raises(MarkError, match="size"):
            marker.apply(plain[0][:-2])

    def test_a_number_too_long_and_an_unknown_preset_are_refused(self) -> None:
        with pytest.raises(MarkError):
            PictureMarker(KEYS, 1 << 56)
        with pytest.raises(MarkError):
            PictureMarker(KEYS, 1, "invisible")  # type: ignore[arg-type]


class TestReading:
    def test_an_unmarked_picture_has_no_mark(self, plain: list[np.ndarray]) -> None:
        reading = read_picture(plain, [KEYS])
        assert (reading.status, reading.asset_number, reading.epoch) == ("none", None, None)
        assert reading.confidence < 7.5

    def test_a_foreign_key_reads_nothing_though_its_lattice_is_full(
        self, clip: list[np.ndarray]
    ) -> None:
        for epoch in (1, 2):
            reading = read_picture(clip, [MarkKeys.derive(b"somebody else's secret", epoch)])
            assert reading.status == "none"
            assert reading.confidence < 7.5

    def test_one_of_several_epochs_is_found(self, clip: list[np.ndarray]) -> None:
        keys = [MarkKeys.derive(MASTER, epoch) for epoch in (3, 2, 1)]
        reading = read_picture(clip, keys)
        assert (reading.asset_number, reading.epoch) == (NUMBER, 1)

    def test_an_unreadable_mark_is_told_present_and_gives_no_number(
        self, clip: list[np.ndarray]
    ) -> None:
        # The same pattern keys with another tag key: everything but the tag is right.
        forged = MarkKeys(KEYS.epoch, KEYS.picture, KEYS.sound, bytes(32))
        reading = read_picture(clip, [forged])
        assert (reading.status, reading.asset_number) == ("present", None)

    @pytest.mark.parametrize(
        "frames",
        [
            [],
            [None, "x", 3],
            [np.zeros((0, 0, 3), np.uint8)],
            [np.zeros((1, 1, 3), np.uint8)],
            [np.full((400, 400, 3), np.nan)],
            [np.zeros((400, 400, 3), np.int64)],
            [np.zeros((400, 400, 7), np.uint8)],
            [np.zeros((64, 16000, 3), np.uint8)],
            [np.zeros((3000, 4000, 3), np.uint8)],
            [np.zeros((400, 400), np.uint8)],
            [np.full((400, 400, 4), 255, np.uint8)],
            [np.zeros((400, 400, 3), np.uint8), np.zeros((300, 300, 3), np.uint8)],
        ],
        ids=lambda frames: f"{len(frames)}-{getattr(frames[0], 'shape', 'x') if frames else ''}",
    )
    def test_hostile_arrays_carry_nothing_and_raise_nothing(self, frames: list[Any]) -> None:
        assert read_picture(frames, [KEYS]).status == "none"

    def test_no_keys_read_nothing(self, clip: list[np.ndarray]) -> None:
        assert read_picture(clip, []).status == "none"

    def test_a_stream_of_frames_is_read_without_knowing_its_length(
        self, clip: list[np.ndarray]
    ) -> None:
        reading = read_picture((frame for _ in range(8) for frame in clip), [KEYS])
        assert reading.asset_number == NUMBER

    def test_geometry_tells_how_the_picture_was_moved(self, clip: list[np.ndarray]) -> None:
        cut = [np.ascontiguousarray(frame[40:400, 30:420][:, ::-1]) for frame in clip]
        found = read_picture(cut, [KEYS]).geometry
        assert found is not None
        assert found.flip_x and not found.flip_y and not found.transposed
        assert found.scale_y == pytest.approx(448 / 360, rel=0.01)


class TestForging:
    """What an attacker can and cannot do; the first story is why content binding exists."""

    def test_a_copied_mark_reads_but_does_not_fit_the_content(
        self, plain: list[np.ndarray], clip: list[np.ndarray]
    ) -> None:
        # Whoever has a marked and the unmarked version of one clip has the pattern itself.
        pattern = clip[0].astype(int) - plain[0]
        victim = A["talking"](A["drawn_portrait"](9, 448), 8)
        forged = [np.clip(frame + pattern, 0, 255).astype(np.uint8) for frame in victim]
        reading = read_picture(forged, [KEYS])
        assert reading.asset_number == NUMBER
        known = Fingerprint.of(clip)
        assert known.agreement(forged, reading.geometry) < THRESHOLD
        assert known.agreement(clip, read_picture(clip, [KEYS]).geometry) > 0.95

    def test_a_pattern_guessed_from_marked_frames_does_not_fit_other_content_either(
        self, clip: list[np.ndarray]
    ) -> None:
        # In a smooth picture a high pass shows the pattern well enough to copy it.
        mean = np.mean(clip, axis=0)
        guess = mean - cv2.GaussianBlur(mean, (0, 0), 4)
        guess *= 1.5 / guess.std()
        victim = A["talking"](A["drawn_portrait"](9, 448), 8)
        forged = [np.clip(frame + guess, 0, 255).astype(np.uint8) for frame in victim]
        reading = read_picture(forged, [KEYS])
        assert reading.asset_number in (None, NUMBER)
        assert Fingerprint.of(clip).agreement(forged, reading.geometry) < THRESHOLD

    def test_averaging_two_numbers_never_makes_a_third(
        self, plain: list[np.ndarray], clip: list[np.ndarray]
    ) -> None:
        other = marked(plain, NUMBER ^ 0xFFFF_0000_1234)
        mixed = [
            ((a.astype(int) + b) // 2).astype(np.uint8) for a, b in zip(clip, other, strict=True)
        ]
        read = read_picture(mixed, [KEYS]).asset_number
        assert read in (None, NUMBER, NUMBER ^ 0xFFFF_0000_1234)

    def test_a_second_owners_mark_leaves_the_first_readable(self, clip: list[np.ndarray]) -> None:
        theirs = MarkKeys.derive(b"somebody else's secret", 1)
        twice = marked(clip, 12345, theirs)
        assert read_picture(twice, [KEYS]).asset_number == NUMBER
        assert read_picture(twice, [theirs]).asset_number == 12345


class TestFalsePositives:
    def rekeyed(self, picture: np.ndarray, trials: int, start: int) -> float:
        """Read one unmarked picture under many keys; each is an independent draw. Returns the
        highest z.
        """
        highest = 0.0
        for trial in range(start, start + trials):
            reading = read_picture([picture], [MarkKeys.derive(b"re-keyed trials %d" % trial, 0)])
            assert reading.status == "none", f"false positive under key {trial}"
            highest = max(highest, reading.confidence)
        return highest

    def test_no_false_positive_in_four_full_searches(self, plain: list[np.ndarray]) -> None:
        assert self.rekeyed(plain[0], 4, 0) < 8.0

    def test_no_false_positive_in_a_hundred_glances(self, plain: list[np.ndarray]) -> None:
        for trial in range(100):
            pattern = LatticePattern(MarkKeys.derive(b"glanced trials %d" % trial, 0))
            reading = LatticeSearch([pattern]).read([plain[trial % 16]], Effort.GLANCE)
            assert reading.status == "none", f"false positive under key {trial}"

    @pytest.mark.slow
    @pytest.mark.timeout(3600)
    def test_no_false_positive_in_five_thousand_full_searches(
        self, plain: list[np.ndarray]
    ) -> None:
        assert self.rekeyed(plain[0], 5000, 1000) < 8.5


class TestSearching:
    def test_coefficients_of_many_scales_are_the_plain_sums(self) -> None:
        plane = np.random.default_rng(3).normal(size=(101, 70)).astype(np.float32)
        scales = np.array([[0.9, 0.9], [0.5, 0.72]])
        found = values_only(plane, scales, 22)
        y, x = np.arange(101) + 0.5, np.arange(70) + 0.5
        for i, ky, kx in ((0, -22, 3), (0, 0, 0), (1, 7, 22), (1, -1, 0)):
            period_y, period_x = 160 * scales[i]
            wave = np.exp(-2j * np.pi * (ky * y[:, None] / period_y + kx * x / period_x))
            assert abs(found[i, ky + 22, kx] - np.sum(plane * wave)) < 0.02

    @pytest.mark.parametrize("angle", [1.7, -2.9])
    def test_a_turned_picture_reads_among_the_keys_of_eight_epochs(
        self, clip: list[np.ndarray], angle: float
    ) -> None:
        keys = [MarkKeys.derive(MASTER, epoch) for epoch in range(8)]
        reading = read_picture(A["rotated"](clip[:1], angle), keys)
        assert (reading.asset_number, reading.epoch) == (NUMBER, 1)
        assert reading.bound <= MOST_CHANCE


class TestSoftBinding:
    def test_a_value_reads_back(self) -> None:
        value = soft_binding_value(NUMBER, 7)
        assert len(value) == 10
        assert parse_soft_binding(value) == (NUMBER, 7)

    @pytest.mark.parametrize("value", [b"", bytes(9), b"\xff" * 10, bytes(11)])
    def test_foreign_values_are_refused(self, value: bytes) -> None:
        with pytest.raises(MarkError):
            parse_soft_binding(value)

    def test_a_number_that_does_not_fit_is_refused(self) -> None:
        with pytest.raises(MarkError):
            soft_binding_value(1 << 56, 0)


class TestFormat:
    def test_every_scheme_is_named_once_and_every_picture_scheme_has_a_reader(self) -> None:
        names = [scheme.alg for scheme in SCHEMES]
        assert len(set(names)) == len(names)
        assert {one.alg for one in SCHEMES if one.medium == "picture"} == set(PICTURE_READERS)

    def test_the_codeword_of_a_number_is_fixed_for_ever(self) -> None:
        signs = PayloadCode(PICTURE_FORMAT, KEYS).signs(NUMBER)
        assert np.packbits(signs < 0).tobytes()[:8].hex() == "77f135039171baea"

    def test_the_pattern_of_a_number_is_fixed_for_ever(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every wave and its phase: what the reader looks for. How strongly each is laid may change
        between versions, so it is taken out here."""
        monkeypatch.setattr(lattice_pattern, "_LAID", 0.0)
        pattern = LatticePattern(KEYS)
        drawn = pattern.draw(pattern.code.signs(NUMBER), 512, 512)
        seen = [round(float(value), 2) for value in drawn[10, 100:330:37]]
        assert seen == [0.98, -0.45, -0.21, -0.17, 0.07, 0.8, -0.24]

    def test_importing_the_marks_loads_no_torch(self) -> None:
        names = ("watermark", "benchmark", "fingerprint", "schemes.stable_signs")
        imports = ", ".join(f"primafacie.safeguards.provenance.{name}" for name in names)
        program = f"import sys, {imports}; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
