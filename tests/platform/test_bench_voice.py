"""The report of `bench voice`: a second training counts for the weights it was compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from primafacie.generator.speech import net
from primafacie.platform.cli import bench_voice


@pytest.mark.parametrize(
    ("whose", "minutes", "points", "reached"),
    [("ours", 19.9, 1.9, True), ("ours", 20.1, 0.5, False), ("ours", 18.0, 2.1, False),
     ("others", 18.0, 0.1, None), ("nobody's", 0, 0, None)],
)  # fmt: skip
def test_a_second_training_counts_for_the_weights_it_was_compared_with(
    monkeypatch, tmp_path: Path, whose, minutes, points, reached
):
    digest = net.default().sha256 if whose == "ours" else "0" * 64
    monkeypatch.setattr(net, "PATH", tmp_path / "speech.npz")
    if whose != "nobody's":
        told = {"sha256": digest, "cpu_minutes": minutes, "points": points}
        (tmp_path / "retrained.json").write_text(json.dumps(told), "utf-8")
    assert bench_voice._retrained().reached is reached
