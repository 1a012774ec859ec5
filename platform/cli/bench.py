"""primafacie bench: every benchmark, each in a module of its own, imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

#: benchmark -> module in this folder. The command's object bears the same name.
BENCHMARKS: Final = {
    "log": "bench_log",
    "face": "bench_face",
    "voice": "bench_voice",
    "mark": "bench_mark",
    "faces": "bench_faces",
    "credential": "bench_credential",
}


class Benchmarks(click.Group):
    """A group that imports a benchmark when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(BENCHMARKS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The benchmark, imported now; None for a name there is not."""
        if cmd_name not in BENCHMARKS:
            return None
        module = import_module(f"primafacie.platform.cli.{BENCHMARKS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group("bench", cls=Benchmarks)
def bench() -> None:
    """Measure, each figure against a named baseline in the same run."""
