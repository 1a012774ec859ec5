"""primafacie bench log: measures the log and the queue on this machine's disk."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from primafacie.platform.cli import answer


@click.command("log")
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Where to put the temporary files: the disk that is measured.")  # fmt: skip
@click.option("--size", "sizes", multiple=True, type=click.IntRange(100), default=(10_000,),
              show_default=True, help="Sizes of log to measure proofs at.")  # fmt: skip
@answer.json_option
def log(folder: Path | None, sizes: tuple[int, ...], as_json: bool) -> None:
    """Measure appends, proofs and the start of an installation."""
    from primafacie.audit import benchmark
    from primafacie.platform.settings import Settings
    from primafacie.platform.wiring import Services

    figures = list(benchmark.run(folder, sizes=sizes, report=_quiet if as_json else click.echo))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        begun = time.perf_counter()
        with Services.open(Settings.read(data_dir=Path(place), database_url="")) as services:
            figures.append(_since("open a new installation", begun, 1))
            begun = time.perf_counter()
            for number in range(100):
                services.note_http("GET", f"/bench/{number}", 404)
            figures.append(_since("log one refused HTTP request", begun, 100))
    lines = [figure.line() for figure in figures[-2:]]
    answer.say(as_json, {"figures": figures}, *lines)


def _since(name: str, begun: float, times: int):  # type: ignore[no-untyped-def]
    from primafacie.audit.benchmark import Figure

    return Figure(name, (time.perf_counter() - begun) * 1000 / times, "ms")


def _quiet(line: str) -> None:
    """Nothing: the JSON document comes at the end."""
