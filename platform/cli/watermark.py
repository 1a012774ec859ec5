"""primafacie watermark: read the marks of files and folders, and nothing else."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from primafacie.platform.cli import answer, opened

if TYPE_CHECKING:
    from primafacie.platform.wiring import Services

#: The best of picture and sound counts for a file, in this order.
_WORDS: Final = ("read", "present", "none")
_UNREADABLE: Final = "unreadable"


@dataclass(frozen=True, slots=True)
class Found:
    """One file: what its marks say as JSON values and as lines, or why nothing could be said."""

    path: Path
    status: str  # read | present | none | unreadable
    watermark: Any = None
    lines: tuple[str, ...] = ()
    spans: tuple[dict[str, Any], ...] = ()
    problem: str = ""


@click.group("watermark")
def watermark() -> None:
    """The invisible marks."""


@watermark.command("read")
@click.argument("path", metavar="FILE|DIR", type=click.Path(exists=True, path_type=Path))
@click.option("--deep", is_flag=True, help="Also search for turned and partial pictures.")
@click.option("--spans", is_flag=True, help="Also tell which seconds of the picture are ours; "
              "exact to a frame in films of up to 300 frames.")  # fmt: skip
@answer.json_option
def read(path: Path, deep: bool, spans: bool, as_json: bool) -> None:
    """What the marks in FILE, or in every picture, film and sound under DIR, say.

    Exit code 4 unless each of them carries a mark of ours that can be read. A file that cannot be
    opened is told of and stops nothing.
    """
    with opened.services() as services:
        if not path.is_dir():
            _tell_one(_look(services, path, deep, spans), as_json)
            return
        files = list(_under(path))
        found = [_look(services, file, deep, spans) for file in _counted(files, as_json)]
    counts = Counter(one.status for one in found)
    lines = [line for one in found for line in _rows(one)]
    told = ", ".join(f"{counts[word]} {word}" for word in (*_WORDS, _UNREADABLE) if counts[word])
    answer.say(as_json, {"files": found, "counts": counts}, *lines, told or "no files")
    if not found or counts["read"] != len(found):
        raise answer.Unverified


def _look(services: Services, file: Path, deep: bool, spans: bool) -> Found:
    from primafacie.platform.errors import InputError
    from primafacie.safeguards.errors import MediaError
    from primafacie.safeguards.provenance.manifest import TrustList
    from primafacie.safeguards.provenance.spans import film_spans

    examiner = services.examiner
    try:
        verdict = examiner.examine(None, file, name=file.name, deep=deep)
        statuses = {str(m.status) for m in (verdict.marks.picture, verdict.marks.sound) if m}
        status = next((word for word in _WORDS if word in statuses), "none")
        lines = tuple(f"{line.title}: {line.text}" for line in verdict.lines
                      if line.technique.value == "watermark")  # fmt: skip
        seconds: tuple[dict[str, Any], ...] = ()
        if spans:
            trust = TrustList.of(*examiner.roots)
            seconds = tuple(map(_span, film_spans(file.read_bytes(), trust, examiner.keys)))
            status = "read" if any(one["asset"] for one in seconds) else status
        return Found(file, status, verdict.to_json()["watermark"], lines, seconds)
    except (InputError, MediaError, OSError) as error:
        return Found(file, _UNREADABLE, problem=str(error))


def _span(span: Any) -> dict[str, Any]:
    number = span.reading.asset_number
    return {
        "start": round(span.start_s, 3),
        "end": round(span.end_s, 3),
        "status": str(span.reading.status),
        "asset": "" if number is None else f"{number:014x}",
        "confidence": round(span.reading.confidence, 2),
    }


def _under(folder: Path) -> Iterator[Path]:
    """Pictures, films and sounds; links are not followed."""
    from primafacie.platform.cli.verify import SUFFIXES

    for place, _, inside in sorted(os.walk(folder)):
        for file in sorted(Path(place, entry) for entry in inside):
            if file.suffix.lower() in SUFFIXES and not file.is_symlink():
                yield file


def _counted(files: list[Path], as_json: bool) -> Iterator[Path]:
    """The files, with a bar on stderr where a person is watching."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    shown = console.is_terminal and not as_json
    yield from track(files, "reading marks", console=console, disable=not shown)


def _tell_one(found: Found, as_json: bool) -> None:
    if found.status == _UNREADABLE:
        from primafacie.platform.errors import InputError

        raise InputError(found.problem)
    document: dict[str, Any] = {"watermark": found.watermark}
    if found.spans:
        document["spans"] = found.spans
    answer.say(as_json, document, *found.lines, *_seconds(found))
    if found.status != "read":
        raise answer.Unverified


def _rows(found: Found) -> Iterator[str]:
    yield f"{found.status:<10} {found.path}" + (f": {found.problem}" if found.problem else "")
    yield from (f"{'':<10} {line}" for line in _seconds(found))


def _seconds(found: Found) -> Iterator[str]:
    for span in found.spans:
        whose = f"ours, {span['asset']}" if span["asset"] else span["status"]
        yield f"{span['start']:.2f} to {span['end']:.2f} s: {whose}"
