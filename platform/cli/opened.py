"""Opening the installation for a command, and knowing who gives it.

Commands that act for a person need that person's API token, in PRIMAFACIE_TOKEN or a file. The
operator at the machine has commands of his own, and the log says that it was the operator.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from primafacie.platform.errors import InputError, SignInError

if TYPE_CHECKING:
    from primafacie.platform.accounts import Account
    from primafacie.platform.wiring import Services

TOKEN: Final = "PRIMAFACIE_TOKEN"
F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def services() -> Iterator[Services]:
    """The installation the settings name, open."""
    from primafacie.platform.cli import answer
    from primafacie.platform.settings import Settings
    from primafacie.platform.wiring import Services

    settings = Settings.read()
    answer.log_to_stderr(settings.log_level)
    with Services.open(settings) as opened:
        yield opened


def token_option(command: F) -> F:
    """Give the command `--token-file`."""
    option = click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"File with your API token (or set {TOKEN}).",
    )
    return option(command)


def signed_in(opened: Services, token_file: Path | None, scope: str) -> Account:
    """Whose token it is. A missing or wrong one is logged, then SignInError is raised."""
    text = read(token_file).decode("ascii", "replace") if token_file else os.environ.get(TOKEN, "")
    try:
        return opened.accounts.authenticate(text.strip(), scope)
    except SignInError:
        opened.note_http("CLI", scope, 401, why=("bad_token",))
        raise


def named(opened: Services, user: str, what: str) -> Account:
    """The account of that e-mail or id. Only whoever can open the installation's keys gets here;
    an unknown name is logged, then InputError is raised."""
    account = opened.accounts.by_email(user) or opened.accounts.find(user)
    if account is None or not account.active:
        opened.note_http("CLI", what, 400, why=("unknown_user",))
        raise InputError(f"there is no account {user!r}")
    return account


def read(file: Path) -> bytes:
    """The file's bytes. Raises InputError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error


def write(file: Path, data: bytes) -> None:
    """A new file with these bytes. Raises InputError when there is one already."""
    try:
        with file.open("xb") as stream:
            stream.write(data)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from error
