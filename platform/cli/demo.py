"""primafacie demo: the whole road once, and four tries to leave it."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from primafacie.platform.walkthrough import Own, Step

MARKER: Final = ".primafacie-demo"
STATEMENT: Final = "I am the person in this photo, I am an adult, and I agree to this one video"
FOLDER: Final = click.Path(file_okay=False, path_type=Path)
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("demo")
@click.option("--out", type=FOLDER, default=Path("demo"), show_default=True,
              help="Folder for the video and everything that proves it.")  # fmt: skip
@click.option("--photo", type=FILE, help="Your own face instead of the drawn sitter's.")
@click.option("--voice", type=FILE, help="Your own voice, at most ten seconds; needs --photo.")
@click.option("--i-consent", "statement", default="", help=f'With --photo: type "{STATEMENT}"')
@click.option("--artwork", type=FILE, help="A picture of somebody long dead instead.")
@click.option("--curators", default="", help="With --artwork: who made it and when, where it is "
              "kept, and who vouches that the sitter died more than 100 years ago.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def demo(
    out: Path,
    photo: Path | None,
    voice: Path | None,
    statement: str,
    artwork: Path | None,
    curators: str,
    as_json: bool,
) -> None:
    """Make one consented, marked, signed and logged talking face, and refuse four others.

    With --photo it is your own face, under a consent that nobody verified: in development alone,
    ten seconds at most, liveness level 0 in the record and the credential, and a label that says
    so in every frame.
    """
    from primafacie.platform.settings import Settings
    from primafacie.platform.walkthrough import OLD_SENTENCE, SHORT_SENTENCE, Walkthrough
    from primafacie.platform.wiring import Services

    start = time.perf_counter()
    own = _artwork(artwork, curators) if artwork else _own(photo, voice, statement)
    folder = _fresh(out)
    say = (lambda text: None) if as_json else (lambda text: click.echo(f"  {text} …", err=True))
    say("Keys, a development certificate chain, the database and the log")
    with Services.open(Settings(data_dir=folder / "data")) as services:
        walk = Walkthrough(services, folder, own, tell=say)
        if own:
            walk.sentence = OLD_SENTENCE if artwork else SHORT_SENTENCE
        walk.run()
    seconds = time.perf_counter() - start
    if as_json:
        click.echo(json.dumps(_document(folder, walk.steps, walk.verdict, seconds)))
        return
    _table(walk.steps, seconds)
    _what_to_look_at(folder)


def _artwork(picture: Path, curators: str) -> Own:
    """An artwork with the entry of those who vouch for it."""
    if len(curators.strip()) < 20:
        raise click.UsageError("with --artwork, say whose work it is and who vouches: --curators")
    from primafacie.platform.walkthrough import Own

    return Own(picture.read_bytes(), None, curators, "artwork")


def _own(photo: Path | None, voice: Path | None, statement: str) -> Own | None:
    """Somebody's own material, once they typed that it is theirs."""
    if photo is None:
        if voice is not None:
            raise click.UsageError("--voice needs --photo: the drawn sitter has her own voice")
        return None
    if " ".join(statement.lower().split()).rstrip(".") != STATEMENT.lower():
        raise click.UsageError(
            f'with --photo, say that it is your face and you agree: --i-consent "{STATEMENT}"'
        )
    from primafacie.platform.walkthrough import Own

    return Own(photo.read_bytes(), voice.read_bytes() if voice else None, statement)


def _fresh(out: Path) -> Path:
    """An empty folder of ours; a folder that is not ours is never emptied."""
    if out.exists():
        if any(out.iterdir()) and not (out / MARKER).exists():
            raise click.UsageError(f"{out} holds something else; name another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARKER).write_text("made by primafacie demo; emptied by the next run\n")
    return out


def _document(
    folder: Path, steps: list[Step], verdict: dict[str, object], seconds: float
) -> dict[str, object]:
    return {
        "folder": str(folder),
        "video": str(folder / "talking-face.mp4"),
        "seconds": round(seconds, 2),
        "verdict": verdict["verdict"],
        "steps": [
            {"name": s.name, "seconds": round(s.seconds, 3), "log_index": s.log_index,
             "note": s.note}
            for s in steps
        ],
    }  # fmt: skip


def _table(steps: list[Step], seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="One road, and four tries to leave it", title_justify="left")
    table.add_column("step")
    table.add_column("s", justify="right")
    table.add_column("log", justify="right")
    table.add_column("what came of it", overflow="fold")
    for step in steps:
        index = "" if step.log_index is None else str(step.log_index)
        table.add_row(step.name, f"{step.seconds:.2f}", index, step.note)
    table.add_section()
    table.add_row("all of it", f"{seconds:.1f}", "", "")
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=140)
    console.print(table)


def _what_to_look_at(folder: Path) -> None:
    click.echo(
        f"""
Look at
  {folder}/talking-face.mp4      the video, in any player
  {folder}/contact-sheet.png     twenty frames of it
  {folder}/manifest.json         what its Content Credential says
  {folder}/verdict.json          what the examiner found in its bytes
  {folder}/release-proof.json    the log entry of its release, with the proof that it is there
Check it yourself
  PRIMAFACIE_DATA_DIR={folder}/data ./run verify {folder}/talking-face.mp4
"""
    )
