"""primafacie watermark read: files, folders, seconds, exit codes; hostile files stop nothing."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primafacie.platform import cli
from primafacie.safeguards.provenance.media import FilmWriter, implicit_label
from primafacie.safeguards.provenance.watermark import PictureMarker

A: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "robustness" / "attacks.py"))
NUMBER = 0x5EED0FA55E7123


@pytest.fixture
def run(house: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `primafacie watermark read` in the house; (exit code, stdout)."""
    monkeypatch.setenv("PRIMAFACIE_DATA_DIR", str(house.services.settings.data_dir))

    def call(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.main(["watermark", "read", *(str(a) for a in arguments)])
        return code, capsys.readouterr().out

    return call


def film(frames: list[np.ndarray], fps: float = 10.0) -> bytes:
    height, width = frames[0].shape[:2]
    sound = np.zeros(int(len(frames) / fps * 48_000), np.float32)
    writer = FilmWriter(width, height, fps, sound, implicit_label("test", "test"))
    for frame in frames:
        writer.add(frame)
    return writer.finish()


@pytest.fixture
def folder(house: Any, tmp_path: Path) -> Path:
    """A film with a marked second in it, a text that calls itself a film, and a note."""
    plain = A["talking"](A["drawn_portrait"](9, 320), 24)
    frames = A["talking"](A["drawn_portrait"](4, 320), 10)
    marker = PictureMarker(house.services.keys.mark_keys()[0], NUMBER)
    marker.plan(frames[:6])
    found = tmp_path / "found"
    found.mkdir()
    ours = [marker.apply(frame) for frame in frames]
    (found / "a.mp4").write_bytes(film([*plain[:14], *ours, *plain[14:]]))
    (found / "b.mp4").write_bytes(b"this is no video" * 100)
    (found / "notes.txt").write_bytes(b"not looked at")
    return found


def test_a_folder_is_read_file_by_file_and_a_bad_file_stops_nothing(
    run: Any, house: Any, folder: Path
) -> None:
    before = len(house.kinds)
    code, out = run(folder, "--spans", "--json")
    told = json.loads(out)
    assert code == 4
    assert [Path(row["path"]).name for row in told["files"]] == ["a.mp4", "b.mp4"]
    assert told["counts"] == {"read": 1, "unreadable": 1}
    assert house.kinds[before:].count("verify.query") == 2
    ours = [span for span in told["files"][0]["spans"] if span["asset"]]
    assert [span["asset"] for span in ours] == [f"{NUMBER:014x}"]
    assert ours[0]["start"] == pytest.approx(1.4, abs=0.11)
    assert ours[0]["end"] == pytest.approx(2.4, abs=0.11)


def test_a_file_without_a_mark_ends_with_four(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "plain.mp4"
    path.write_bytes(film(A["talking"](A["drawn_portrait"](9, 320), 6)))
    code, out = run(path, "--json")
    assert code == 4
    assert json.loads(out)["watermark"]["picture"]["status"] == "none"


def test_an_empty_folder_is_not_ours(run: Any, tmp_path: Path) -> None:
    code, out = run(tmp_path)
    assert (code, out.strip()) == (4, "no files")
