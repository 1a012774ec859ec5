"""primafacie verify: where a found video comes from."""

from __future__ import annotations

from pathlib import Path

import click

from primafacie.platform.cli import answer, opened


@click.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--offline", is_flag=True, help="Judge by the bytes and public keys alone: ask no "
              "registry, so neither EXACT nor the state of the consent can be told.")  # fmt: skip
@click.option("--deep", is_flag=True, help="Also search for turned and partial pictures.")
@answer.json_option
def verify(file: Path, offline: bool, deep: bool, as_json: bool) -> None:
    """Examine FILE: credential, watermark, log. Exit code 4 unless it is ours and in force."""
    from primafacie.safeguards.provenance.verdict import Level

    with opened.services() as services:
        verdict = services.examiner.examine(None, file, name=file.name, deep=deep, offline=offline)
    marks = {True: "+", False: "-", None: " "}
    answer.say(
        as_json,
        verdict.to_json(),
        f"{verdict.level.value}: {verdict.sentence}",
        *(f"  {marks[line.good]} {line.title}: {line.text}" for line in verdict.lines),
        *(f"    not checked: {text}" for text in verdict.not_checked),
    )
    if verdict.level not in (Level.EXACT, Level.AUTHENTIC, Level.RECOVERED):
        raise answer.Unverified
