"""primafacie watermark: read the mark of a file, and nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from primafacie.platform.cli import answer, opened


@click.group("watermark")
def watermark() -> None:
    """The invisible marks."""


@watermark.command("read")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--deep", is_flag=True, help="Also search for turned and partial pictures.")
@answer.json_option
def read(file: Path, deep: bool, as_json: bool) -> None:
    """What the marks in FILE say. Exit code 4 when neither picture nor sound carries ours."""
    with opened.services() as services:
        verdict = services.examiner.examine(None, file, name=file.name, deep=deep)
    document = verdict.to_json()["watermark"]
    answer.say(
        as_json,
        {"watermark": document},
        *(f"{line.title}: {line.text}" for line in verdict.lines
          if line.technique.value == "watermark"),
    )  # fmt: skip
    statuses = {str(m.status) for m in (verdict.marks.picture, verdict.marks.sound) if m}
    if "read" not in statuses:
        raise answer.Unverified
