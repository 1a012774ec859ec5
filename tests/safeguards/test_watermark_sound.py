"""The sound mark: exact from two seconds, after the usual codecs, and never an error from foreign
sound.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import signal

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.reencode import encode_sound_again
from primafacie.safeguards.provenance.schemes.lattice_sound import SoundPattern, lay_sound
from primafacie.safeguards.provenance.sound_benchmark import voice as sung
from primafacie.safeguards.provenance.watermark import MarkKeys, mark_sound, read_sound

KEYS = MarkKeys.derive(b"a master secret for tests", 1)
NUMBER = 0xABCDEF_DEADBEEF
LOW = 0xDEADBEEF
RATE = 48_000


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return sung(5.0)


@pytest.fixture(scope="module")
def marked(voice: np.ndarray) -> np.ndarray:
    return mark_sound(voice, RATE, KEYS, NUMBER)


def noisy(sound: np.ndarray, db: float) -> np.ndarray:
    rng = np.random.default_rng(2)
    scale = np.sqrt(np.mean(sound**2)) * 10 ** (-db / 20)
    return (sound + scale * rng.normal(size=sound.size)).astype(np.float32)


class TestLaying:
    def test_the_low_bits_and_epoch_come_back(self, marked: np.ndarray) -> None:
        reading = read_sound(marked, RATE, [KEYS])
        assert (reading.status, reading.sound_number, reading.epoch) == ("read", LOW, 1)
        assert reading.correlation > 15
        assert reading.bound < 1e-4

    def test_length_rate_and_loudness_stay(self, voice: np.ndarray, marked: np.ndarray) -> None:
        assert marked.shape == voice.shape
        assert marked.dtype == np.float32
        assert np.abs(marked).max() <= 1.0
        error = np.sqrt(np.mean((marked - voice) ** 2) / np.mean(voice**2))
        assert 20 * np.log10(error) < -19.5

    def test_the_level_is_no_higher_than_it_need_be(self) -> None:
        laid = lay_sound(sung(5.0, 3), RATE, SoundPattern(KEYS), LOW)
        assert laid.survives_opus
        assert laid.cuts_read == 1.0
        assert -26.0 <= laid.level_db <= -20.0

    @pytest.mark.parametrize(
        "sound",
        [
            np.zeros(RATE * 3, np.float32),
            np.full(RATE * 3, np.nan, np.float32),
            np.zeros((2, RATE * 3), np.float32),
            np.zeros(RATE * 3, np.int16),
            np.ones(10, np.float32),
        ],
        ids=["silent", "nan", "stereo", "int16", "tiny"],
    )
    def test_what_cannot_be_marked_is_refused(self, sound: np.ndarray) -> None:
        with pytest.raises(MarkError):
            mark_sound(sound, RATE, KEYS, NUMBER)

    @pytest.mark.parametrize("seconds", [0.8, 1.2])
    def test_a_word_or_two_is_marked_too_and_survives_its_delivery(self, seconds: float) -> None:
        word = sung(3.0, 4)[RATE // 2 :][: int(seconds * RATE)]
        laid = lay_sound(word, RATE, SoundPattern(KEYS), LOW)
        assert laid.level_db <= -17.0
        heard, rate = encode_sound_again(laid.pcm, RATE, "aac", 64_000)
        assert read_sound(heard, rate, [KEYS]).sound_number == LOW

    def test_sound_under_eight_tenths_of_a_second_is_refused(self, voice: np.ndarray) -> None:
        with pytest.raises(MarkError, match=r"shorter than 0\.8"):
            mark_sound(voice[: int(0.79 * RATE)], RATE, KEYS, NUMBER)


class TestSurviving:
    @pytest.mark.parametrize(
        ("codec", "rate"),
        [("aac", 64_000), ("libopus", 24_000), ("libmp3lame", 32_000)],
        ids=["aac_64", "opus_24", "mp3_32"],
    )
    def test_codecs(self, marked: np.ndarray, codec: str, rate: int) -> None:
        heard, heard_rate = encode_sound_again(marked, RATE, codec, rate)
        assert read_sound(heard, heard_rate, [KEYS]).sound_number == LOW

    @pytest.mark.parametrize("start", [0.0, 0.37, 1.11, 2.9])
    def test_a_cut_of_two_seconds_reads_alone(self, marked: np.ndarray, start: float) -> None:
        cut = marked[int(start * RATE) : int((start + 2.0) * RATE)]
        assert read_sound(cut, RATE, [KEYS]).sound_number == LOW

    @pytest.mark.parametrize("down", [3, 6], ids=["16_khz", "8_khz"])
    def test_telephone_rates(self, marked: np.ndarray, down: int) -> None:
        narrow = signal.resample_poly(marked, 1, down).astype(np.float32)
        assert read_sound(narrow, RATE // down, [KEYS]).sound_number == LOW

    def test_noise_at_twenty_decibels(self, marked: np.ndarray) -> None:
        assert read_sound(noisy(marked, 20.0), RATE, [KEYS]).sound_number == LOW

    def test_a_quarter_of_the_volume_and_turned_phase(self, marked: np.ndarray) -> None:
        assert read_sound(-0.25 * marked, RATE, [KEYS]).sound_number == LOW

    def test_integer_samples_and_two_channels(self, marked: np.ndarray) -> None:
        whole = (32767 * marked).astype(np.int16)
        assert read_sound(whole, RATE, [KEYS]).sound_number == LOW
        assert read_sound(np.stack([marked, marked]), RATE, [KEYS]).sound_number == LOW

    def test_a_marked_piece_inside_a_long_sound(self, marked: np.ndarray) -> None:
        long = np.concatenate([sung(11.0, 7), marked, sung(8.0, 8)])
        assert read_sound(long, RATE, [KEYS]).sound_number == LOW

    @pytest.mark.parametrize("speed", [1.01, 0.985, 0.9804])
    def test_played_too_fast_or_too_slow(self, marked: np.ndarray, speed: float) -> None:
        places = np.arange(0, marked.size - 1, speed)
        heard = np.interp(places, np.arange(marked.size), marked).astype(np.float32)
        assert read_sound(heard, RATE, [KEYS]).sound_number is None
        reading = read_sound(heard, RATE, [KEYS], deep=True)
        assert reading.sound_number == LOW
        assert reading.speed == pytest.approx(speed, abs=1e-4)
        assert reading.bound < 2e-5


class TestReading:
    def test_other_speeds_and_other_keys_find_nothing(
        self, voice: np.ndarray, marked: np.ndarray
    ) -> None:
        theirs = MarkKeys.derive(b"somebody else's secret", 1)
        assert read_sound(marked, RATE, [theirs], deep=True).status == "none"
        assert read_sound(voice, RATE, [KEYS], deep=True).status == "none"

    def test_unmarked_voices_carry_nothing_under_two_hundred_keys(self, voice: np.ndarray) -> None:
        keys = [MarkKeys.derive(b"re-keyed trials %d" % trial, 0) for trial in range(200)]
        short = signal.resample_poly(voice, 1, 3).astype(np.float32)
        for key in keys:
            assert read_sound(short, RATE // 3, [key]).status == "none"

    def test_a_foreign_key_reads_nothing(self, marked: np.ndarray) -> None:
        assert (
            read_sound(marked, RATE, [MarkKeys.derive(b"somebody else's secret", 1)]).status
            == "none"
        )

    def test_one_of_several_epochs_is_found(self, marked: np.ndarray) -> None:
        keys = [MarkKeys.derive(b"a master secret for tests", epoch) for epoch in (5, 1)]
        assert read_sound(marked, RATE, keys).epoch == 1

    @pytest.mark.parametrize(
        ("sound", "rate"),
        [
            (None, RATE),
            ("pcm", RATE),
            (np.zeros(0, np.float32), RATE),
            (np.zeros(RATE, np.float32), RATE),
            (np.full(RATE, np.nan, np.float32), RATE),
            (np.full(RATE, np.inf), RATE),
            (np.full(RATE, 1e30, np.float32), RATE),
            (np.zeros((2, 2, RATE), np.float32), RATE),
            (np.zeros(RATE, np.complex64), RATE),
            (np.ones(RATE, np.float32), 0),
            (np.ones(RATE, np.float32), -1),
            (np.ones(5, np.float32), RATE),
        ],
    )
    def test_hostile_arrays_carry_nothing_and_raise_nothing(self, sound: Any, rate: int) -> None:
        assert read_sound(sound, rate, [KEYS]).status == "none"
