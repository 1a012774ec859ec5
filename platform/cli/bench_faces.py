"""primafacie bench faces: error rates of the face matcher on any labelled folder of photos.

Layout: DIR/person/photo.png, or DIR/stratum/person/photo.png. Each person needs two photos for
genuine pairs, six for the comparison with a mean of five. Without --pairs the drawn sitters are
measured, which shows that the measurement works and says nothing about people.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from primafacie.platform.cli import answer

if TYPE_CHECKING:
    from primafacie.safeguards.face_rates import Distances, Faces, Rate

KINDS = (".png", ".jpg", ".jpeg", ".webp")


@click.command("faces")
@click.option("--pairs", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="DIR/[stratum/]person/photos; without it the drawn sitters.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for the report faces.md.")  # fmt: skip
@click.option("--sitters", type=click.IntRange(2, 12), default=6, show_default=True,
              help="How many sitters to draw when no folder is named.")  # fmt: skip
@answer.json_option
def faces(folder: Path | None, out: Path | None, sitters: int, as_json: bool) -> None:
    """Measure false matches and false non-matches, overall and per stratum."""
    from primafacie.safeguards.face_rates import pairs, strata

    found, refused = _measured(_photos(folder) if folder else _drawn(sitters))
    tables = {"one picture against one": pairs(found)}
    if any(len(f.vectors) > 5 for f in found):
        tables["one picture against the mean of five"] = pairs(found, against=5)
    groups = strata(found)
    if len(groups) > 1:
        tables |= {f"within {name}": pairs(group) for name, group in groups.items()
                   if len(group) > 1}  # fmt: skip
    speed = _speed()
    lines = _report(found, refused, tables, speed, folder is None)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "faces.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    answer.say(as_json, {"tables": {k: _summary(d) for k, d in tables.items()},
                         "search_100000_ms": speed, "refused": refused}, *lines)  # fmt: skip


def _measured(
    photos: Iterator[tuple[str, str, bytes]],
) -> tuple[list[Faces], int]:
    """Each photo as the gate would see it; photos the gate refuses are counted, not compared."""
    import numpy as np

    from primafacie.safeguards.face_rates import Faces
    from primafacie.safeguards.identify import identify

    kept: dict[tuple[str, str], list[Any]] = {}
    refused = 0
    for stratum, person, data in photos:
        seen = identify(data)
        if seen.vector is None or seen.problems or seen.faces_a != 1 or seen.faces_b != 1:
            refused += 1
            continue
        kept.setdefault((stratum, person), []).append(seen.vector)
    people = [Faces(person, stratum, np.stack(v)) for (stratum, person), v in kept.items()]
    return people, refused


def _photos(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in KINDS):
        parts = path.relative_to(folder).parts
        if len(parts) in (2, 3):
            yield (parts[0] if len(parts) == 3 else "all", parts[-2], path.read_bytes())


def _drawn(count: int) -> Iterator[tuple[str, str, bytes]]:
    import io

    from PIL import Image

    from primafacie.platform.sitter import SITTERS, draw

    poses: list[dict[str, Any]] = [
        {}, {"yaw": 8}, {"yaw": -8}, {"pitch": 6}, {"smile": 0.7}, {"backdrop": 1},
    ]  # fmt: skip
    for sitter in SITTERS[:count]:
        for pose in poses:
            stream = io.BytesIO()
            Image.fromarray(draw(sitter.name, 384, **pose)).save(stream, "PNG")
            yield "all", sitter.name, stream.getvalue()


def _speed() -> dict[str, float]:
    """Milliseconds of CPU for one face against 100,000: ours, and plain distances beside it."""
    import numpy as np

    from primafacie.safeguards.face import FaceTemplate, Gallery

    rows = np.random.default_rng(1).normal(size=(100_000, 128)).astype(np.float32) / 9
    gallery = Gallery.of("m", [(str(n), FaceTemplate("m", 5, r)) for n, r in enumerate(rows)])

    def plain() -> None:
        np.linalg.norm(rows - rows[5], axis=1).argmin()

    def ours() -> None:
        gallery.nearest(rows[5], "5")

    figures = {}
    for name, work in (("gallery", ours), ("plain", plain)):
        spent = []
        for _ in range(7):
            begun = time.process_time()
            work()
            spent.append((time.process_time() - begun) * 1000)
        figures[name] = round(sorted(spent)[3], 1)
    return figures


def _summary(found: Distances) -> dict[str, Any]:
    measured, certain = found.operating_point()
    return {
        "genuine": len(found.genuine), "impostor": len(found.impostor),
        "threshold_measured": measured, "threshold_certain": certain,
        "rates": {f"{t:.2f}": {"fmr": found.false_matches(t).value,
                               "fmr95": found.false_matches(t).interval,
                               "fnmr": found.false_non_matches(t).value,
                               "fnmr95": found.false_non_matches(t).interval}
                  for t in (0.40, 0.45, 0.50, 0.55, 0.60)},
    }  # fmt: skip


def _report(
    people: list[Faces], refused: int, tables: dict[str, Distances], speed: dict[str, float],
    drawn: bool,
) -> list[str]:  # fmt: skip
    count = sum(len(f.vectors) for f in people)
    lines = [
        "# Face matcher: measured error rates", "",
        "Made by `primafacie bench faces --out docs/benchmarks` on two shared cores." if drawn
        else "Made by `primafacie bench faces --pairs DIR --out DIR`.", "",
        f"{len(people)} people, {count} photos compared; {refused} photos the gate refuses were "
        "left out.", "",
    ]  # fmt: skip
    if drawn:
        lines += ["**The people are drawn sitters who do not exist.** The table shows that the "
                  "measurement runs; it is no evidence about people. Name a folder of your own "
                  "with `--pairs`.", ""]  # fmt: skip
    for name, found in tables.items():
        measured, certain = found.operating_point()
        lines += [f"## {name.capitalize()}", "",
                  f"{len(found.genuine)} genuine, {len(found.impostor)} impostor pairs.", "",
                  "| threshold | false match (95 %) | false non-match (95 %) |",
                  "|---|---|---|"]  # fmt: skip
        lines += [f"| {t:.2f} | {_text(found.false_matches(t))} | "
                  f"{_text(found.false_non_matches(t))} |"
                  for t in (0.40, 0.45, 0.50, 0.55, 0.60)]  # fmt: skip
        lines += ["", f"Largest threshold with a measured false match rate of at most 1e-4: "
                  f"{_or_none(measured)}; with the whole interval below it: {_or_none(certain)}.",
                  ""]  # fmt: skip
    lines += ["## Search among 100,000 templates", "",
              f"{speed['gallery']} ms of CPU (target: at most 100), plain distances "
              f"{speed['plain']} ms in the same run. Reading and opening the templates is not in "
              "it: that happens once, and in part again whenever a consent moves; "
              "`docs/consent.md` says what it costs.", ""]  # fmt: skip
    return lines


def _text(rate: Rate) -> str:
    low, high = rate.interval
    if not rate.trials:
        return "no pairs"
    return f"{rate.value:.4%} ({low:.4%} to {high:.4%})"


def _or_none(threshold: float | None) -> str:
    return "none: too few pairs" if threshold is None else f"{threshold:.2f}"
