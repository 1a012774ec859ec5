"""How a command answers: one JSON document or plain lines on stdout, logs and errors on stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import structlog

from primafacie.platform.cli import BAD_INPUT, FAILED, REFUSED, UNVERIFIED
from primafacie.platform.clock import rfc3339

F = TypeVar("F", bound=Callable[..., Any])
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING,
           "error": logging.ERROR}  # fmt: skip


class Refusal(Exception):
    """Policy said no; the reasons were shown."""


class Unverified(Exception):
    """Something did not verify; what, was shown."""


def json_option(command: F) -> F:
    """Give the command `--json`."""
    option = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
    )
    return option(command)


def say(as_json: bool, document: Mapping[str, Any], *lines: str) -> None:
    """The answer, in the form that was asked for."""
    if as_json:
        click.echo(json.dumps(plain(document), ensure_ascii=False))
    else:
        for line in lines:
            click.echo(line)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: dataclasses as objects, times as RFC 3339, sets sorted."""
    if is_dataclass(value) and not isinstance(value, type):
        shown = (f for f in fields(value) if f.repr)
        return {f.name: plain(getattr(value, f.name)) for f in shown}
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(v) for v in value)
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    return value


def log_to_stderr(level: str = "info") -> None:
    """structlog lines to stderr: JSON where a program reads, plain where a person does."""
    person = sys.stderr.isatty()
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if person
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *names: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def explain(error: Exception) -> int:
    """Say on stderr what went wrong, and return the exit code that tells the same."""
    from primafacie.audit.errors import AuditError, QueryError
    from primafacie.generator.errors import GeneratorError
    from primafacie.platform.errors import (
        AccessError,
        ConflictError,
        InputError,
        LinkError,
        NotFoundError,
        PlatformError,
        SignInError,
    )
    from primafacie.safeguards.errors import RequestError, SafeguardError

    if isinstance(error, Refusal):
        return REFUSED
    if isinstance(error, Unverified):
        return UNVERIFIED
    known = (PlatformError, SafeguardError, GeneratorError, AuditError, click.ClickException)
    if not isinstance(error, known):
        structlog.get_logger("cli").exception("unexpected")
        return FAILED
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    click.echo(f"Error: {text}", err=True)
    if isinstance(error, AccessError):
        return REFUSED
    bad = (InputError, NotFoundError, ConflictError, LinkError, SignInError, QueryError,
           RequestError, click.UsageError, click.FileError)  # fmt: skip
    return BAD_INPUT if isinstance(error, bad) else FAILED
