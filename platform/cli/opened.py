"""Opening the installation for a command, and knowing who gives it.

Who can run a command here can open the installation's keys, so the operator may say for whom a
command acts (`--as`); elsewhere an API token, in PRIMAFACIE_TOKEN or a file, says it. Without
either, what reads or withdraws is done as the operator, and the log says so.
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
AS: Final = "primafacie.as"
#: What the operator may do in nobody else's name, by the scope a token would need.
OPERATOR_ROLES: Final = {"read": "auditor", "audit": "auditor", "manage": "steward"}
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
    """Give the command `--token-file` and `--as`; the latter is kept for `signed_in`."""
    token = click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"File with your API token (or set {TOKEN}).",
    )
    user = click.option(
        "--as",
        "user",
        default="",
        expose_value=False,
        callback=lambda ctx, _, value: ctx.meta.__setitem__(AS, value),
        help="Act as the account of this e-mail or id (for the operator at the machine).",
    )
    return token(user(command))


def signed_in(opened: Services, token_file: Path | None, scope: str) -> Account:
    """For whom the command acts, and that it was given: logged before anything is read. A wrong
    token or name is logged, then SignInError or InputError is raised; so is InputError where
    neither was given and the operator cannot act alone."""
    account = _who(opened, token_file, scope)
    _note(opened, account)
    return account


def _note(opened: Services, account: Account) -> None:
    """Log who gives which command, and about what; the arguments go where they can be erased. How
    it ends nobody knows yet, so no status is told."""
    from primafacie.audit.entry import Kind

    here = click.get_current_context()
    named = {p.name for p in here.command.params if isinstance(p, click.Argument)}
    about = {str(n): str(v)[:200] for n, v in here.params.items() if n in named and v}
    entry = opened.journal.event(
        Kind.HTTP_REQUEST, account.user_id,
        facts=(("method", "CLI"), ("path", here.command_path.partition(" ")[2])),
        why=("asked",), payload=about or None,
    )  # fmt: skip
    opened.journal.record(entry)


def _who(opened: Services, token_file: Path | None, scope: str) -> Account:
    user = click.get_current_context().meta.get(AS, "")
    if user:
        return named(opened, user, scope)
    text = read(token_file).decode("ascii", "replace") if token_file else os.environ.get(TOKEN, "")
    if not text.strip():
        return _operator(opened, scope)
    try:
        return opened.accounts.authenticate(text.strip(), scope)
    except SignInError:
        opened.note_http("CLI", scope, 401, why=("bad_token",))
        raise


def _operator(opened: Services, scope: str) -> Account:
    from primafacie.platform.accounts import Account
    from primafacie.platform.clock import now
    from primafacie.platform.journal import OPERATOR

    if scope not in OPERATOR_ROLES:
        opened.note_http("CLI", scope, 401, why=("nobody",))
        raise InputError("say who asks: --as E-MAIL, or an API token")
    roles = frozenset({OPERATOR_ROLES[scope]})
    return Account(OPERATOR, "", "operator", roles, True, None, 0, "", now())


def acted(opened: Services, what: str) -> None:
    """Log that the operator reads or writes something at the machine, in nobody's name."""
    from primafacie.audit.entry import Kind
    from primafacie.platform.journal import OPERATOR

    opened.journal.record(opened.journal.event(Kind.OPERATOR_ACTED, OPERATOR, why=(what,)))


def named(opened: Services, user: str, what: str) -> Account:
    """The account of that e-mail or id. Only whoever can open the installation's keys gets here.
    That the operator spoke for it is logged first; an unknown name too, then InputError is raised.
    """
    from primafacie.audit.entry import Kind
    from primafacie.platform.journal import OPERATOR

    account = known(opened, user, what)
    if not account.active:
        raise _nobody(opened, user, what)
    journal = opened.journal
    entry = journal.event(Kind.OPERATOR_ACTED, OPERATOR, subject=account.user_id, why=(what,))
    journal.record(entry)
    return account


def known(opened: Services, user: str, what: str) -> Account:
    """The account of that e-mail or id, closed ones too. An unknown name is logged, then InputError
    is raised."""
    account = opened.accounts.by_email(user) or opened.accounts.find(user)
    if account is None:
        raise _nobody(opened, user, what)
    return account


def _nobody(opened: Services, user: str, what: str) -> InputError:
    opened.note_http("CLI", what, 400, why=("unknown_user",))
    return InputError(f"there is no account {user!r}")


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
