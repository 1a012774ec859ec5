"""What the benchmark of the face found, as a Markdown report with plots and contact sheets.

Pictures show portraits that were drawn by code, and nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.benchmark import CHECKS, MONOLOGUE, Face, FaceReport
from primafacie.generator.errors import EngineError

Picture = NDArray[np.uint8]

#: Bytes of a contact sheet.
_MOST: Final = 2_000_000
MOMENTS: Final = ("half open", "widest", "eyes", "turned", "worst")


def write(
    report: FaceReport, folder: Path, command: str, asked: Sequence[str], speed: Sequence[str]
) -> Path:  # fmt: skip
    """face.md and its pictures, in `folder`. Raises EngineError without matplotlib."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [face for face in report.faces if face.drawn and face.shots]
    if drawn:
        _save(_sheet(drawn), folder / "face-sheet.png")
        _save(_worst(drawn), folder / "face-worst.png")
    _plots(report, folder / "face-plots.png")
    path = folder / "face.md"
    path.write_text("\n".join(_text(report, bool(drawn), command, asked, speed)) + "\n")
    return path


def _text(
    report: FaceReport, pictures: bool, command: str, asked: Sequence[str], speed: Sequence[str]
) -> Iterator[str]:  # fmt: skip
    yield "# The face, measured\n"
    yield (
        f"Made by `{command}` on two shared cores. Every figure is read from the frames by "
        "instruments that know nothing of the engine (`generator/watcher.py`, `take.py`); the "
        "times of phones come from the voice. Head and blinks (6, 7a) are judged on "
        f"{MONOLOGUE} seconds of speech by each portrait, all else on single sentences. For 6b and "
        "6c the portrait says the same once more, its head held still: what is read as movement "
        "there is the reading's own noise, and its power is taken away. The last three columns "
        "compare one and the same take of one portrait: the engine, a baseline (a "
        "jaw that follows loudness, or a still photo), and the same take spoiled on purpose. A "
        "measure that its control passes is worth nothing and says so. †: the baseline does as "
        "well or better, so the row alone does not tell a good face from a bad one.\n"
    )
    yield "| # | measure | unit | all portraits | portraits that reach it | furthest portrait |" \
          " target | engine, one take | baseline, same take | control, same take |"  # fmt: skip
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for line in report.lines:
        missed = line.portraits < line.of
        share = f"{line.portraits} of {line.of}"
        yield (
            f"| {line.number} | {line.name} | {line.unit} | {line.value:.3g}"
            f"{'' if line.reached else ' **missed**'} | {f'**{share}**' if missed else share} | "
            f"{line.worst:.3g} ({line.worst_of}) | {line.target} | {line.same:.3g} | "
            f"{line.baseline_name} {line.baseline:.3g}{'' if line.tells else ' †'} | "
            f"{line.control_name} {line.control:.3g}, "
            f"{'fails' if line.control_red else '**passes**'} |"
        )
    yield "\n## Portrait by portrait\n"
    names = [f.name for f in report.faces if f.shots]
    yield "| measure | target | " + " | ".join(names) + " |"
    yield "|---" * (len(names) + 2) + "|"
    for check in CHECKS:
        cells = []
        for face in report.faces:
            if face.shots:
                value = check.value(face.shots)
                cells.append(f"{value:.3g}" if check.reached(value) else f"**{value:.3g}**")
        yield f"| {check.number} {check.name} | {check.target} | " + " | ".join(cells) + " |"
    yield "\nBold: not reached. Lips are read by strips of skin where the source's lips touch, by "
    yield "landmarks otherwise: " + ", ".join(
        f"{f.name} {f.instrument}" for f in report.faces if f.shots
    ) + "."  # fmt: skip
    for face in report.faces:
        if face.refused:
            yield f"\nRefused: {face.name}: {face.refused}."
        for warning in face.warnings:
            yield f"\n{face.name}: {warning}."
    yield from _motion(report)
    yield "\n## Same seed, same frames; one motion on two faces\n"
    yield from (f"- {note}" for note in report.notes)
    yield "\n## What was asked against what is seen\n"
    yield from (f"- {line}" for line in asked)
    yield "\n## Speed\n"
    yield from (f"- {line}" for line in speed)
    if pictures:
        yield "\n## Seen\n\n![Every sitter: source and five moments](face-sheet.png)\n"
        yield "The frame furthest from each source face, beside its source:\n"
        yield "![The worst frame of every sitter](face-worst.png)"
        yield "\nWhat is wrong with each, in words: [face-weaknesses.md](face-weaknesses.md)."
    yield "\n![Apertures, blinks and identity](face-plots.png)"


def _motion(report: FaceReport) -> Iterator[str]:
    yield "\n## The movement alone, all sentences\n"
    yield "What the track says before anything is drawn.\n"
    yield "| lips | language | p b m sealed | AUC | r | lag ms | shut after s |"
    yield "|---|---|---|---|---|---|---|"
    for method, language, sealed, auc, r, lag, shut in report.motion:
        yield f"| {method} | {language} | {sealed:.3f} | {auc:.3f} | {r:.2f} | {lag:.0f} | {shut:.2f} |"  # noqa: E501
    yield "\n| p b m sealed when the picture is late by | " + " | ".join(
        f"{n * 40:+d} ms" for n, _ in report.shifts
    ) + " |"  # fmt: skip
    yield "|---" * (len(report.shifts) + 1) + "|"
    yield "| share | " + " | ".join(f"{share:.2f}" for _, share in report.shifts) + " |"
    yield "\n| two minutes of speech | dP | yaw, pitch, roll SD | 50 % / 95 % below Hz |" \
          " blinks/min | interval CV |"  # fmt: skip
    yield "|---|---|---|---|---|---|"
    for name, head, blinks in report.heads:
        spread = " ".join(f"{v:.1f}" for v in head.spread)
        yield (
            f"| {name} | {head.speed:.2f} | {spread} | {head.half:.2f} / {head.most:.2f} | "
            f"{blinks.per_minute:.1f} | {blinks.cv:.2f} |"
        )
    yield "\nThe interval's CV must lie in .4–.9: the metronome fails it, and so does no blink."


def _sheet(faces: Sequence[Face]) -> Picture:
    rows = []
    for face in faces:
        named = dict(face.shots[0].thumbnails)
        rows.append(np.hstack([face.source, *(named[m] for m in MOMENTS)]))
    return np.vstack(rows)


def _worst(faces: Sequence[Face]) -> Picture:
    cells = []
    for face in faces:
        shot = max(face.shots, key=lambda s: max(s.distances, default=0.0))
        cells.append(np.hstack([face.source, dict(shot.thumbnails)["worst"]]))
    if len(cells) % 2:
        cells.append(np.full_like(cells[0], 255))
    return np.vstack([np.hstack(cells[i : i + 2]) for i in range(0, len(cells), 2)])


def _save(picture: Picture, path: Path) -> None:
    """In all its colours: a palette would draw bands on skin that no frame has. Smaller, if need
    be, so that the file stays within _MOST bytes."""
    from PIL import Image

    full = Image.fromarray(picture)
    share = 1.0
    while True:
        size = (round(share * full.width), round(share * full.height))
        full.resize(size, Image.Resampling.LANCZOS).save(path, optimize=True)
        if path.stat().st_size <= _MOST:
            return
        share *= 0.9


def _plots(report: FaceReport, path: Path) -> None:
    plot = _matplotlib()
    faces = [face for face in report.faces if face.shots]
    figure, axes = plot.subplots(3, 1, figsize=(9, 9), constrained_layout=True)
    shot = faces[0].shots[0]
    at = np.arange(len(shot.take.watched)) / shot.take.watched.fps
    axes[0].plot(at, shot.asked, label="asked")
    axes[0].plot(at, shot.take.watched.aperture, label="seen")
    for sound in shot.take.of("pb", "m"):
        axes[0].axvspan(sound.start, sound.end, alpha=0.25, color="tab:red")
    axes[0].set(title=f"{faces[0].name}: lips, eye distances; red: p b m", xlabel="s")
    axes[0].legend()
    axes[1].plot(at, shot.take.watched.lids)
    axes[1].set(title="likeness of the eyes to the source's open ones: blinks are dips", xlabel="s")
    axes[2].boxplot(
        [[d for s in f.shots for d in s.distances] for f in faces],
        tick_labels=[f.name for f in faces],
    )
    axes[2].axhline(0.35, color="tab:red", lw=0.8)
    axes[2].set(title="distance to the source face (0.6: another person)")
    figure.savefig(path, dpi=70)
    plot.close(figure)


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise EngineError("plots need matplotlib: install primafacie[bench]") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
