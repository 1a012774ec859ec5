"""Every attack against its floor. The quick half runs always; `-m slow` runs all attacks on three
clips.
"""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primafacie.safeguards.provenance import benchmark
from primafacie.safeguards.provenance.fingerprint import THRESHOLD, Fingerprint
from primafacie.safeguards.provenance.watermark import MarkKeys, PictureMarker, read_picture

HERE = Path(__file__).parent
A: dict[str, Any] = runpy.run_path(str(HERE / "attacks.py"))
ATTACKS = A["ATTACKS"]
FLOORS: dict[str, dict[str, float]] = tomllib.loads((HERE / "floors.toml").read_text("utf-8"))
KEYS = MarkKeys.derive(b"a master secret for tests", 1)
NUMBER = 0x5EED0FA55E7123

# The ones that cost little and between them cover every kind; the rest is marked slow.
QUICK = {
    "none", "the_road_fast", "gif_320", "scale_50", "scale_75_back", "aspect_4_3",
    "letterbox_640x360",
    "crop_10", "crop_20", "crop_quarter_area", "crop_9_16", "flip_sideways", "flip_and_crop_10",
    "rotate_90", "rotate_180", "rotate_2", "brighter_30", "contrast_60", "gamma_17", "negative",
    "posterise_3_bits",
    "grey", "blur_2", "noise_15", "one_second", "half_the_frame_rate", "blended_to_30_fps",
    "frame_jpeg_50", "frame_jpeg_20", "screenshot_jpeg_70", "caption_and_badge", "middle_covered",
    "stickers", "equalised",
}  # fmt: skip
# What hides or changes so much of the picture that it need not count as the same content; a zoom
# counts too, because one geometry is undone for all frames.
NOT_THE_SAME_CONTENT = {
    "middle_covered", "caption_and_badge", "stickers", "equalised", "negative", "slow_zoom_15",
}  # fmt: skip


def delivered(picture: np.ndarray, count: int) -> list[np.ndarray]:
    frames = A["talking"](picture, count)
    marker = PictureMarker(KEYS, NUMBER, "robust")
    marker.plan(frames[:6])
    return A["x264"]([marker.apply(frame) for frame in frames], 20, "veryfast")


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    return delivered(A["drawn_portrait"](1), 30)


@pytest.fixture(scope="module")
def clips() -> dict[str, list[np.ndarray]]:
    import cv2
    from skimage import data

    cat = cv2.resize(data.chelsea()[:, 75:375], (512, 512), interpolation=cv2.INTER_CUBIC)
    cartoon = A["posterised"]([A["drawn_portrait"](2)], 3)[0]
    pictures = {"portrait": A["drawn_portrait"](1), "cat": cat, "cartoon": cartoon}
    return {name: delivered(picture, 75) for name, picture in pictures.items()}


def test_every_attack_has_a_floor_and_every_floor_an_attack() -> None:
    listed = [(attack.kind, attack.name) for attack in ATTACKS]
    assert len(set(listed)) == len(listed) >= 60
    assert sorted(listed) == sorted(
        (kind, name) for kind, floors in FLOORS.items() for name in floors
    )
    assert {name for _, name in listed} >= QUICK


@pytest.mark.parametrize(
    "attack", [one for one in ATTACKS if one.name in QUICK], ids=lambda one: one.name
)
def test_quick_attacks_leave_the_payload_whole(attack: Any, clip: list[np.ndarray]) -> None:
    reading = read_picture(attack.apply(clip), [KEYS], deep=attack.deep)
    assert reading.asset_number in (None, NUMBER), "an attack made another number"
    if FLOORS[attack.kind][attack.name] == 1.0:
        assert reading.asset_number == NUMBER


@pytest.mark.parametrize(
    "name", ["none", "the_road_fast", "crop_20", "flip_and_crop_10", "letterbox_640x360"]
)
def test_what_reads_also_fits_its_content(name: str, clip: list[np.ndarray]) -> None:
    attack = next(one for one in ATTACKS if one.name == name)
    hurt = attack.apply(clip)
    reading = read_picture(hurt, [KEYS], deep=attack.deep)
    assert Fingerprint.of(clip).agreement(hurt, reading.geometry) > THRESHOLD


def test_the_benchmark_tells_what_each_method_kept(clip: list[np.ndarray]) -> None:
    attacks = [
        one for one in benchmark.load_attacks(HERE / "attacks.py") if one.name in ("none", "grey")
    ]
    report = benchmark.run(
        "portrait", A["talking"](A["drawn_portrait"](3, 320), 8), attacks, baselines=()
    )
    assert report.methods[0].read == {"none": 1.0, "grey": 1.0}
    assert "exact" in report.table()
    assert report.methods[0].psnr_db > 41.0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: one.name)
def test_every_attack_stays_above_its_floor(
    attack: Any, clips: dict[str, list[np.ndarray]]
) -> None:
    exact = 0
    for name, clip in clips.items():
        hurt = attack.apply(clip)
        reading = read_picture(hurt, [KEYS], deep=attack.deep)
        assert reading.asset_number in (None, NUMBER), f"{name}: an attack made another number"
        exact += reading.asset_number == NUMBER
        if reading.asset_number is not None and attack.name not in NOT_THE_SAME_CONTENT:
            assert Fingerprint.of(clip).agreement(hurt, reading.geometry) > THRESHOLD, name
    assert exact / len(clips) >= FLOORS[attack.kind][attack.name]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_road_reads_every_time_for_twenty_numbers() -> None:
    """The main promise: 512 x 512, delivered at CRF 18 to 20, again at CRF 28 and three quarters
    of the size.
    """
    for trial in range(20):
        drawn = MarkKeys.derive(b"numbers of the road %d" % trial, 0).mac
        number = int.from_bytes(drawn[:7], "big")
        frames = A["talking"](A["drawn_portrait"](trial), 100)
        marker = PictureMarker(KEYS, number)
        marker.plan(frames[:6])
        first = A["x264"]([marker.apply(frame) for frame in frames], 18 + trial % 3, "veryfast")
        again = A["x264"](A["scaled"](first, 0.75), 28, ("veryfast", "medium")[trial % 2])
        assert read_picture(again, [KEYS]).asset_number == number
