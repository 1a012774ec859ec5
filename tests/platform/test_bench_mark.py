"""primafacie bench mark: the report says what the figures say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from primafacie.platform import cli
from primafacie.platform.cli import bench_mark, mark_report

ROOT = Path(__file__).parents[2]
FIGURES = {
    "robust-portrait": {
        "clip": "portrait",
        "encode_ms": 2.0,
        "methods": [
            {"method": "ours", "psnr_db": 44.0, "ssim": 0.99, "read": {"none": 1.0, "x": 0.0}},
        ],
    },
    "chance-pictures": {
        "trials": [{"what": "pictures", "count": 9, "present": 0, "read": 1, "highest_z": 4.0}],
    },
    "dwtDct": {"method": "dwtDct", "psnr_db": 37.0, "ssim": 0.98, "read": {"none": 1, "x": 0.5}},
}
ATTACKS = ROOT / "tests" / "robustness" / "attacks.py"


def test_a_missed_target_is_told_as_missed() -> None:
    rows = {row[0]: row[1:] for row in mark_report._target_rows(FIGURES)}
    assert rows[">= 90 % of the suite exact, portrait, robust"][1] == "**not reached**"
    assert rows["0 false positives in >= 10,000"] == ("1 in 9", "**not reached**")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_the_report_is_written_from_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {
        name: {"run": bench_mark.run_of(name, ATTACKS), "found": found}
        for name, found in FIGURES.items()
    }
    parts["dwtDct"]["run"] = "older"
    (tmp_path / "mark.json").write_text(json.dumps(parts), "utf-8")
    assert cli.main(["bench", "mark", "--report-only", "--out", str(tmp_path), "--attacks",
                     str(ATTACKS), "--json"]) == 0  # fmt: skip
    text = (tmp_path / "mark.md").read_text("utf-8")
    assert "| none | exact | exact |" in text
    assert "| x | - | 0.50 |" in text
    assert "## Sound" not in text
    assert "Measured with older code**: dwtDct;" in text
    assert (tmp_path / "mark-differences.png").stat().st_size < 250_000
    assert json.loads(capsys.readouterr().out)["figures"] == parts


def test_an_interrupted_run_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[str] = []

    def part(name: str) -> object:
        return lambda attacks, tell: measured.append(name) or FIGURES[name]

    monkeypatch.setattr(bench_mark, "PARTS", {name: part(name) for name in FIGURES})
    monkeypatch.setattr(mark_report, "write", lambda figures, older, path, table: [])
    runs = {name: bench_mark.run_of(name, ATTACKS) for name in FIGURES}
    done = {name: {"run": runs[name], "found": {}} for name in FIGURES}
    done["dwtDct"]["run"] = "older"
    del done["robust-portrait"]
    (tmp_path / "mark.json").write_text(json.dumps(done), "utf-8")
    arguments = ["bench", "mark", "--out", str(tmp_path), "--attacks", str(ATTACKS), "--json"]
    assert cli.main(arguments) == 0
    assert measured == ["robust-portrait", "dwtDct"]
    kept = json.loads((tmp_path / "mark.json").read_text("utf-8"))
    assert {name: part["run"] for name, part in kept.items()} == runs
    assert cli.main([*arguments, "--part", "chance-pictures"]) == 0
    assert measured[2:] == ["chance-pictures"]
    assert cli.main([*arguments, "--part", "nothing"]) != 0
    capsys.readouterr()


def test_every_part_knows_the_code_it_measures() -> None:
    assert set(bench_mark.MEASURED) == set(bench_mark.PARTS)
    runs = {name: bench_mark.run_of(name, ATTACKS) for name in bench_mark.PARTS}
    assert runs["robust-cat"] == runs["standard-cat"]
    assert len({runs["robust-cat"], runs["sound"], runs["dwtDct"], runs["chance-tags"]}) == 4
