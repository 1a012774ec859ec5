"""primafacie bench: every benchmark, each in a module of its own, imported when it is called."""

from __future__ import annotations

from typing import Final

import click

from primafacie.platform.cli.lazy import Lazy

#: benchmark -> module in this folder. The command's object bears the same name.
BENCHMARKS: Final = {
    "log": "bench_log",
    "face": "bench_face",
    "voice": "bench_voice",
    "mark": "bench_mark",
    "faces": "bench_faces",
    "credential": "bench_credential",
}


@click.group("bench", cls=Lazy, table=BENCHMARKS)
def bench() -> None:
    """Measure, each figure against a named baseline in the same run."""
