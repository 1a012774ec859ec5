"""primafacie verify: where found videos come from."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from primafacie.platform.cli import answer, opened

#: What is looked at in a folder; a file that is named itself is always looked at.
SUFFIXES: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".m4a", ".wav", ".mp3", ".png", ".jpg", ".jpeg", ".webp", ".gif"}
    | {".avif", ".heic", ".avi", ".webm", ".mkv"}
)
MOST_JOBS: Final = 8  # each holds a whole film in memory
OURS: Final = frozenset({"EXACT", "AUTHENTIC", "RECOVERED"})
_MARKS: Final = {True: "+", False: "-", None: " "}


@dataclass(frozen=True, slots=True)
class Question:
    """What to examine and with what. anchors: a folder of public keys instead of an
    installation."""

    file: Path
    offline: bool
    deep: bool
    anchors: Path | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: a verdict as JSON values, or why there is none."""

    file: Path
    verdict: Mapping[str, Any] | None
    problem: str = ""

    @property
    def level(self) -> str:
        """The verdict's word, or `UNREADABLE`."""
        return str(self.verdict["verdict"]) if self.verdict else "UNREADABLE"


@click.command("verify")
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--offline", is_flag=True, help="Judge by the bytes and public keys alone: ask no "
              "registry, so neither EXACT nor the state of the consent can be told.")  # fmt: skip
@click.option("--deep", is_flag=True, help="Also search for turned and partial pictures.")
@click.option("--jobs", type=click.IntRange(1, MOST_JOBS), default=None,
              help="Files examined at once; by default as many as there are cores, at most "
              f"{MOST_JOBS}.")  # fmt: skip
@click.option("--anchors", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder written by `primafacie keys anchors`: needs no installation here, and "
              "reads no marks.")  # fmt: skip
@click.option("--verdict", "statement", type=click.Path(exists=True, dir_okay=False,
              path_type=Path), help="Check a signed verdict instead of a file.")  # fmt: skip
@click.option("--key", default="", help="With --verdict: the public key to trust, base64; by "
              "default this installation's own.")  # fmt: skip
@answer.json_option
def verify(
    files: tuple[Path, ...],
    offline: bool,
    deep: bool,
    jobs: int | None,
    anchors: Path | None,
    statement: Path | None,
    key: str,
    as_json: bool,
) -> None:
    """Examine FILES and folders: credential, watermark, log. Exit code 4 unless all of them are
    ours and in force; a file that cannot be read is told of and counts as not."""
    if bool(files) == bool(statement):
        raise click.UsageError("name files to examine, or --verdict FILE")
    if statement:
        _tell_statement(statement, key, as_json)
        return
    found = list(_found(files))
    questions = [Question(file, offline, deep, anchors) for file in found]
    single = len(files) == 1 and not files[0].is_dir()
    if single:
        _tell_one(next(_each(questions, 1)), as_json)
        return
    _tell_many(_all(questions, jobs or min(MOST_JOBS, os.cpu_count() or 1)), as_json)


def _found(names: Sequence[Path]) -> Iterator[Path]:
    """The files, folders opened; links inside folders are not followed."""
    for name in names:
        if not name.is_dir():
            yield name
            continue
        for folder, _, inside in sorted(os.walk(name)):
            for file in sorted(Path(folder, entry) for entry in inside):
                if file.suffix.lower() in SUFFIXES and not file.is_symlink():
                    yield file


# examining ---------------------------------------------------------------------------------------

_held: list[Any] = []  # the installation that this process opened for all its files
_stack = ExitStack()  # what keeps it open in a worker


def _start() -> None:
    """In a worker: open the installation once for all its files."""
    _held[:] = [_stack.enter_context(opened.services())]


def _answered(question: Question) -> Answer:
    """One file's answer. Raises nothing but what stops the program."""
    from primafacie.audit.errors import AuditError
    from primafacie.platform.errors import PlatformError, SettingsError, UnavailableError
    from primafacie.safeguards.errors import SafeguardError

    try:
        if question.anchors:
            return Answer(question.file, _by_anchors(question))
        return Answer(question.file, _by_installation(_held[0], question))
    except (UnavailableError, SettingsError):
        raise  # no file's fault
    except (PlatformError, SafeguardError, AuditError, OSError, MemoryError) as error:
        return Answer(question.file, None, str(error)[:300] or type(error).__name__)


def _by_installation(services: Any, question: Question) -> Mapping[str, Any]:
    file = question.file
    return services.examiner.examine(
        None, file, name=file.name, deep=question.deep, offline=question.offline
    ).to_json()  # type: ignore[no-any-return]


def _by_anchors(question: Question) -> Mapping[str, Any]:
    """With public keys alone: no register, no marks, no installation."""
    from primafacie.safeguards.provenance.examine import examine
    from primafacie.safeguards.provenance.manifest import TrustList

    assert question.anchors is not None
    claim, time, log = (
        opened.read(question.anchors / name)
        for name in ("claim-root.pem", "time-root.pem", "log-keys.txt")
    )
    return examine(
        question.file,
        trust=TrustList.of(claim, time),
        log_vkeys=tuple(log.decode("utf-8", "replace").split("\n"))[:-1],
    ).to_json()


def _all(questions: Sequence[Question], jobs: int) -> list[Answer]:
    """Every answer, in the order of the questions, with a bar on stderr for people."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Examining", total=len(questions))
        done: dict[Path, Answer] = {}
        for got in _each(questions, min(jobs, len(questions))):
            done[got.file] = got
            bar.advance(task)
    return [done[question.file] for question in questions]


def _each(questions: Sequence[Question], jobs: int) -> Iterator[Answer]:
    """The answers as they come: from this process, or from workers of their own."""
    installed = any(question.anchors is None for question in questions)
    if jobs <= 1:
        with ExitStack() as stack:
            if installed:
                _held[:] = [stack.enter_context(opened.services())]
                stack.callback(_held.clear)
            yield from map(_answered, questions)
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, spawn, _start if installed else None)
    try:
        asked = {pool.submit(_answered, question): question for question in questions}
        for future in as_completed(asked):
            yield _outcome(future, asked[future])
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(future: Future[Answer], question: Question) -> Answer:
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool:
        return Answer(question.file, None, "the worker that examined it ended")


# telling -----------------------------------------------------------------------------------------


def _tell_one(got: Answer, as_json: bool) -> None:
    from primafacie.platform.errors import InputError

    if got.verdict is None:
        raise InputError(f"{got.file}: {got.problem}")
    told = got.verdict
    word = told["verdict"].replace("_", " ").lower()
    answer.say(
        as_json,
        told,
        f"{word}: {told['sentence']}",
        *(f"  {_MARKS[x['good']]} {x['title']}: {x['text']}" for x in told["lines"]),
        *(f"    not checked: {text}" for text in told["notChecked"]),
    )
    if got.level not in OURS:
        raise answer.Unverified


def _tell_many(all_: Sequence[Answer], as_json: bool) -> None:
    counts = Counter(got.level for got in all_)
    rows = [
        {"path": str(got.file), "verdict": got.verdict}
        if got.verdict
        else {"path": str(got.file), "problem": got.problem}
        for got in all_
    ]
    answer.say(
        as_json,
        {"files": rows, "counts": dict(counts)},
        *(_row(got) for got in all_),
        ", ".join(f"{n} {_word(level)}" for level, n in sorted(counts.items())) or "no file found",
    )
    if not all_ or set(counts) - OURS:
        raise answer.Unverified


def _row(got: Answer) -> str:
    text = got.verdict["sentence"] if got.verdict else got.problem
    return f"{_word(got.level):<20} {got.file}: {text}"


def _word(level: str) -> str:
    return level.replace("_", " ").lower()


def _tell_statement(file: Path, key: str, as_json: bool) -> None:
    """Whether a signed verdict holds, and what it says."""
    from primafacie.audit import dsse
    from primafacie.platform.errors import InputError
    from primafacie.platform.verdict_statement import read_key, read_verdict

    if key:
        public = read_key(key)
    else:
        with opened.services() as services:
            public = dsse.public_bytes(services.examiner.statement_key)
    try:
        said = read_verdict(opened.read(file), public)
    except InputError as error:
        answer.say(as_json, {"holds": False, "problem": str(error)}, f"Not valid: {error}")
        raise answer.Unverified from error
    answer.say(
        as_json,
        {"holds": True, "saidAt": said.said_at, "detector": said.detector.url,
         "verdict": said.details},
        f"The signature holds. On {said.said_at} {said.detector.name} {said.detector.version} "
        f"at {said.detector.url} said:",
        f"{_word(said.level)}: {said.sentence}",
        f"  of the file with sha256 {said.file_sha256}",
    )  # fmt: skip
