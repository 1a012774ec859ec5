"""Lazy: a group of commands, each in a module of its own that is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class Lazy(click.Group):
    """table: command -> module in this folder. The command's object bears the same name."""

    def __init__(self, *args: Any, table: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None for a name there is not."""
        if cmd_name not in self._table:
            return None
        module = import_module(f"primafacie.platform.cli.{self._table[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command
