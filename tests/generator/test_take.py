"""Each measure of a talking face tells good from spoiled: it is shown both."""

from __future__ import annotations

import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from primafacie.generator import benchmark, take
from primafacie.generator.errors import PermitError, PortraitError
from primafacie.generator.permit import Permit, PermitLock, require
from primafacie.generator.sentences import SENTENCES
from primafacie.generator.take import Sound, Take
from primafacie.generator.watcher import RIGID, Watched, Watcher

FPS = 25.0
#: pa pa pa pa …, with an f now and then, then silence.
SOUNDS = tuple(
    sound
    for n in range(10)
    for sound in (
        Sound("fv" if n % 4 == 3 else "pb", 0.4 + 0.4 * n, 0.5 + 0.4 * n),
        Sound("aa", 0.5 + 0.4 * n, 0.8 + 0.4 * n),
    )
)
COUNT = 140


def watched(**changes: np.ndarray) -> Watched:
    """A face that says SOUNDS well: lips lead by a frame, the head sways, the eyes blink."""
    at = np.arange(COUNT) / FPS
    aperture = np.zeros(COUNT)
    for sound in SOUNDS:
        if sound.kind == "aa":
            aperture[(at + 0.04 > sound.start) & (at + 0.04 < sound.end)] = 0.2
    lids = np.ones(COUNT)
    for start in (20, 75, 110):
        lids[start : start + 5] = 0.3
    pose = np.stack([3 * np.sin(2 * np.pi * f * at) for f in (0.4, 0.5, 0.9)], 1)
    parts = {
        "fps": FPS, "aperture": aperture, "by_landmarks": aperture, "lids": lids, "pose": pose,
        "rigid": np.tile(np.linspace(0, 100, len(RIGID) * 2).reshape(1, -1, 2), (COUNT, 1, 1)),
        "found": np.ones(COUNT, bool),
    }  # fmt: skip
    return Watched(**{**parts, **changes})  # type: ignore[arg-type]


GOOD = Take("good", watched(), SOUNDS)


def changed(**changes: np.ndarray) -> list[Take]:
    return [replace(GOOD, watched=watched(**changes))]


def late(frames: int) -> list[Take]:
    return changed(aperture=np.roll(GOOD.watched.aperture, frames))


def test_sealed_lips_are_counted_and_late_ones_are_not() -> None:
    assert take.sealed([GOOD]) == take.separable([GOOD]) == take.tucked([GOOD]) == 1.0
    assert take.sealed(late(6)) < 0.5 and take.separable(late(5)) < 0.9
    assert take.tucked(late(6)) < 0.5
    assert take.sealed(changed(aperture=GOOD.watched.aperture + 0.1 * np.arange(COUNT) % 7)) < 1


def test_the_lag_of_the_lips_is_found() -> None:
    good = take.timing([GOOD])
    assert good.r > 0.8 and good.lag == pytest.approx(-0.04) and good.r > good.null
    assert take.timing(late(3)).lag == pytest.approx(0.08)
    noise = np.random.default_rng(1).random(COUNT)
    assert take.timing(changed(aperture=noise)).r < 0.4


def test_a_mouth_that_stays_open_after_speech_is_seen() -> None:
    assert take.shut_after([GOOD]) <= 0.08
    open_ = GOOD.watched.aperture.copy()
    open_[-20:] = 0.1
    assert take.shut_after(changed(aperture=open_)) > 0.5


def test_a_frozen_a_wild_and_a_trembling_head_are_told_apart() -> None:
    good, pose = take.head([GOOD]), GOOD.watched.pose
    assert take.head(changed(pose=0 * pose)).speed == 0
    assert take.head(changed(pose=3 * pose)).speed == pytest.approx(3 * good.speed)
    shaking = np.random.default_rng(2).normal(0, 2, pose.shape)
    assert take.head(changed(pose=shaking)).half > 2 * good.half


def test_the_readings_own_noise_is_taken_from_the_heads_spectrum() -> None:
    noise = np.random.default_rng(3).normal(0, 0.5, GOOD.watched.pose.shape)
    held = changed(pose=noise[::-1])
    slow = changed(pose=GOOD.watched.pose[:1] + np.linspace(0, 4, COUNT)[:, None] + noise)
    assert take.head(slow).most > 2
    assert take.head(slow, held).most < 1
    assert np.isnan(take.head(held, held).most)


def test_blinks_are_counted_and_a_metronome_is_known_by_its_rhythm() -> None:
    found = take.blinks([GOOD])
    assert found.per_minute == pytest.approx(3 / (COUNT / FPS / 60))
    assert found.median == pytest.approx(0.2)
    assert take.blinks(changed(lids=np.ones(COUNT))).per_minute == 0
    even = np.zeros(2000, bool)
    even[::100] = True
    assert take.blinks_of([even], FPS).cv < 0.05
    odd = np.zeros(2000, bool)
    odd[np.cumsum(np.random.default_rng(3).lognormal(4, 0.6, 15)).astype(int)] = True
    assert take.blinks_of([odd], FPS).cv > 0.4


def test_a_trembling_nose_is_seen() -> None:
    shaken = GOOD.watched.rigid + np.random.default_rng(4).normal(0, 2, (COUNT, 1, 2))
    assert take.jitter([GOOD]) == pytest.approx(0, abs=1e-6)
    assert take.jitter(changed(rigid=shaken)) > 42


def test_the_watcher_sees_shut_lids_and_a_turned_picture() -> None:
    """And says so of pixels alone: nobody tells it what was done."""
    face = np.asarray(data.astronaut()[:300, 80:380], np.uint8)
    watcher = Watcher(face)
    eyes = watcher.source_points[36:48]
    blind = face.copy()
    (x0, y0), (x1, y1) = eyes.min(0).astype(int) - 3, eyes.max(0).astype(int) + 3
    blind[y0:y1, x0:x1] = cv2.GaussianBlur(blind[y0:y1, x0:x1], (0, 0), 9)
    tilt = cv2.getRotationMatrix2D((150, 150), -8, 1)
    turned = np.asarray(cv2.warpAffine(face, tilt, (300, 300)), np.uint8)
    seen = watcher.watch([face, blind, turned], FPS)
    assert seen.lids[0] > 0.95 > 0.75 > seen.lids[1]
    assert seen.pose[2, 2] - seen.pose[0, 2] == pytest.approx(8, abs=2)
    assert not watcher.lips_touch, "she smiles with her teeth"
    with pytest.raises(PortraitError):
        Watcher(np.full((200, 200, 3), 90, np.uint8))


def test_a_rehearsal_opens_engines_and_no_studio() -> None:
    rehearsal = benchmark.rehearse()
    controls = benchmark.Controls()
    admission = rehearsal.admit(b"photo", b"voice", controls)
    require(admission).check()
    permit = rehearsal._logged(
        rehearsal._claims(b"photo", b"voice", controls.to_params()).to_bytes()
    )
    assert isinstance(permit, Permit)
    studio = PermitLock({}, (), "studio-1", rehearsal._lock.spent)
    with pytest.raises(PermitError):
        studio.spend(permit, b"photo", b"voice", controls.to_params())


def shot(take_: Take, far: float, long: bool = False) -> benchmark.Shot:
    asked = np.nan_to_num(take_.watched.aperture)
    return benchmark.Shot(take_, (0.1, far, 0.1), (1.0, 1.0, 1.0), 0.0, asked, "", 0.0, (), long)


def face(name: str, far: float, frames: int = 0) -> benchmark.Face:
    spoken = replace(GOOD, watched=watched(aperture=np.roll(GOOD.watched.aperture, frames)))
    shots = (shot(spoken, far), shot(GOOD, far, long=True))
    return benchmark.Face(name, False, "strips", shots)


def line(number: str, faces: list[benchmark.Face], plain: benchmark.Face) -> benchmark.Line:
    check = next(c for c in benchmark.CHECKS if c.number == number)
    bad = ("spoiled", face("x", 0.9, 8).shots)
    return benchmark._line(check, faces, faces[0].shots, plain.shots, bad)


def test_a_verdict_counts_portraits_and_names_the_one_furthest_outside() -> None:
    faces = [face("near", 0.2), face("far", 0.5), face("middle", 0.36)]
    most = line("8b", faces, face("plain", 0.0))
    assert (most.portraits, most.of, most.worst_of, most.worst) == (1, 3, "far", 0.5)
    assert not most.reached and most.control_red
    inside = line("8b", faces[:1] * 2, face("plain", 0.0))
    assert (inside.portraits, inside.reached, inside.worst) == (2, True, 0.2)


def test_a_row_that_its_baseline_wins_says_so() -> None:
    faces = [face("a", 0.2)]
    assert not line("8b", faces, face("plain", 0.0)).tells
    assert line("1", faces, face("late", 0.2, 6)).tells
    assert line("1", faces, face("late", 0.2, 6)).same == 1.0


def test_a_target_is_what_it_says() -> None:
    for check in benchmark.CHECKS:
        for edge in (check.low, check.high):
            if np.isfinite(edge):
                assert check.reached(edge) and f"{edge:g}" in check.target
        assert not check.reached(float("nan"))
        assert not (check.reached(check.low - 0.01) or check.reached(check.high + 0.01))


def test_the_report_tells_missed_portraits_and_useless_rows() -> None:
    from primafacie.generator import benchmark_report

    faces = (face("near", 0.2), face("far", 0.5))
    lines = (line("8b", list(faces), face("plain", 0.0)),)
    report = benchmark.FaceReport(lines, faces, (), (), (), ("14 a note",))
    text = "\n".join(benchmark_report._text(report, False, "bench", ["asked"], ["fast"]))
    assert "**1 of 2**" in text and "0.5 (far)" in text and "still photo 0.1 †" in text
    assert "- asked" in text and "- fast" in text


def test_an_open_mouth_whose_teeth_gleam_like_its_lip_is_not_read_as_shut() -> None:
    """Teeth above the dark must not be taken for the upper lip, where it cannot be."""
    from primafacie.generator.watcher import _Strips

    grain = np.random.default_rng(3).normal(0, 3, (460, 440))
    points = np.zeros((68, 2))
    points[48], points[54], points[62], points[66] = (160, 280), (280, 280), (220, 280), (220, 280)

    def mouth(gap: int) -> np.ndarray:
        def band(at: float, level: float, half: float = 4.0) -> np.ndarray:
            return level * np.exp(-(((np.arange(460.0)[:, None] - at) / half) ** 2))

        face = 120 + band(271, 30 if gap else 50) + band(289 + gap, 60) + band(280 + gap, -70, 2)
        if gap:
            face = face + band(271 + gap, 60)
        return np.asarray(np.clip(face + grain, 0, 255), np.uint8)

    strips = _Strips(mouth(0), points)
    for gap in (0, 13, 14, 20):
        assert abs(strips.distance(mouth(gap)) - gap) < 1.5, gap


def test_contact_sheets_keep_their_colours_and_a_bounded_size(tmp_path: Path) -> None:
    from PIL import Image

    from primafacie.generator import benchmark_report

    noise = np.random.default_rng(0).integers(0, 256, (860, 860, 3), np.uint8)
    for side in (860, 60):
        benchmark_report._save(noise[:side, :side], tmp_path / "sheet.png")
        with Image.open(tmp_path / "sheet.png") as sheet:
            assert sheet.mode == "RGB" and (sheet.width == side) == (side == 60)
        assert (tmp_path / "sheet.png").stat().st_size <= 2_000_000


@pytest.mark.slow
def test_the_benchmark_runs_and_shows_pictures_of_drawn_portraits_alone() -> None:
    from primafacie.platform import sitter
    from primafacie.platform.walkthrough import png

    sittings = [
        benchmark.Sitting("drawn", png(sitter.draw("Ilse", 512)), drawn=True),
        benchmark.Sitting("somebody", png(sitter.draw("Tomas", 512))),
        benchmark.Sitting("nobody", png(np.full((512, 512, 3), 90, np.uint8))),
    ]
    said = tuple(  # the longer one is judged; the other lends its phones to a control
        benchmark.speak(name, "en", text)
        for name, text in (("a", SENTENCES[0][1]), ("b", "My brother may buy a map."))
    )
    report = benchmark.run(sittings, said, lambda _: None, size=256, each=1)
    by_name = {face.name: face for face in report.faces}
    assert by_name["nobody"].refused
    assert by_name["drawn"].shots[0].thumbnails and by_name["drawn"].source.size
    assert not by_name["somebody"].shots[0].thumbnails and not by_name["somebody"].source.size
    assert len(report.lines) == len(benchmark.CHECKS)
    red = {line.number: line.control_red for line in report.lines}
    asked = ("1", "2", "3a", "3c", "4", "6a", "6b", "6c", "7a", "8a", "10", "11")
    assert all(red[n] for n in asked), red


def test_nothing_installed_admits_a_photo(tmp_path: Path) -> None:
    """The mint lies among the tests: a package without them has none."""
    package = tmp_path / "generator"
    shutil.copytree(Path(benchmark.__file__).resolve().parent, package,
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    found = runpy.run_path(str(package / "rehearsal.py"))
    with pytest.raises(PermitError, match="source checkout"):
        found["rehearse"]()
    for file in package.rglob("*.py"):
        assert "PermitLock(" not in file.read_text("utf-8") or file.name in (
            "permit.py",
            "studio.py",
        )
