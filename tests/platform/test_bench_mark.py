"""primafacie bench mark: the report says what the figures say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from primafacie.platform import cli
from primafacie.platform.cli import mark_report

ROOT = Path(__file__).parents[2]
FIGURES = {
    "robustness": [
        {
            "clip": "portrait",
            "encode_ms": 2.0,
            "methods": [
                {"method": "ours", "psnr_db": 44.0, "ssim": 0.99, "read": {"none": 1.0, "x": 0.0}},
                {"method": "dwtDct", "psnr_db": 37.0, "ssim": 0.98, "read": {"none": 1, "x": 0.5}},
            ],
        }
    ],
    "chance": {
        "trials": [{"what": "pictures", "count": 9, "present": 0, "read": 1, "highest_z": 4.0}],
        "short_tags": [],
    },
}


def test_a_missed_target_is_told_as_missed() -> None:
    rows = {row[0]: row[1:] for row in mark_report._target_rows(FIGURES)}
    assert rows[">= 90 % of the suite exact, portrait, robust"][1] == "**not reached**"
    assert rows["0 false positives in >= 10,000"] == ("1 in 9", "**not reached**")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_the_report_is_written_from_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mark.json").write_text(json.dumps(FIGURES), "utf-8")
    attacks = ROOT / "tests" / "robustness" / "attacks.py"
    assert cli.main(["bench", "mark", "--report-only", "--out", str(tmp_path), "--attacks",
                     str(attacks), "--json"]) == 0  # fmt: skip
    text = (tmp_path / "mark.md").read_text("utf-8")
    assert "| none | exact | exact |" in text
    assert "| x | - | 0.50 |" in text
    assert "## Sound" not in text
    assert (tmp_path / "mark-differences.png").stat().st_size < 250_000
    assert json.loads(capsys.readouterr().out)["figures"] == FIGURES
