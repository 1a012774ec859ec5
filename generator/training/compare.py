"""Judges a second training beside the first, on the same clips.

    python -m primafacie.generator.training.compare CLIPS SECOND.npz

CLIPS as `primafacie bench voice` takes them; SECOND.npz from train.py with another seed. Writes
generator/weights/retrained.json, which counts for the weights it names and no others. Where this
engine's own alignment is the judge, it is that of the first training for both.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypedDict
from unittest.mock import patch

import numpy as np

from primafacie.generator.speech import benchmark, net
from primafacie.generator.speech.truth import OURSELVES, Truth, recorded, synthetic


class Row(TypedDict):
    """One method on one set of clips; accuracy: after the first training and after the second."""

    clips: str
    count: int
    method: str
    accuracy: list[float]


METHODS: Final = (benchmark.ALONG, benchmark.ALONE)


def compare(clips: Path, second: bytes) -> dict[str, object]:
    """What retrained.json holds: both digests, CPU minutes of the second training, the accuracy of
    each on every set of clips by every method, and the largest difference in points of a hundred.
    """
    first = net.PATH.read_bytes()
    groups = {"synthetic": synthetic(), **benchmark.grouped(recorded(clips))}
    rows: list[Row] = [
        {"clips": name, "count": len(group), "method": method, "accuracy": two}
        for name, group in groups.items()
        for method, two in _judged(name, group, [net.read(first), net.read(second)])
    ]
    apart = max(abs(a - b) for a, b in (row["accuracy"] for row in rows))
    return {
        "sha256": net.read(first).sha256, "second": net.read(second).sha256,
        "cpu_minutes": round(_seconds(second) / 60, 1),
        "points": round(100 * apart, 2), "rows": rows,
    }  # fmt: skip


def _judged(
    name: str, clips: Sequence[Truth], nets: Sequence[net.Net]
) -> Iterator[tuple[str, list[float]]]:
    """Every method with its accuracies."""
    for method in METHODS:
        if method == benchmark.ALONG and any(c.judge == OURSELVES for c in clips):
            continue  # along the text is the judge itself
        two = []
        for one in nets:
            with patch.object(net, "default", lambda one=one: one):
                found = benchmark.score(name, clips, method, benchmark.METHODS[method])
            two.append(round(found.accuracy, 4))
        yield method, two


def _seconds(data: bytes) -> float:
    with np.load(io.BytesIO(data)) as file:
        return float(file["seconds"])


if __name__ == "__main__":
    found = compare(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes())
    net.PATH.with_name("retrained.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))
