"""primafacie user: accounts, as the operator at the machine makes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from primafacie.platform.cli import answer, opened

if TYPE_CHECKING:
    from primafacie.platform.invitations import Invited

ROLES = ("researcher", "reviewer", "steward", "auditor", "admin")


@click.group("user")
def user() -> None:
    """Accounts."""


@user.command("add")
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES))
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="First line: the password; in development alone.")  # fmt: skip
@answer.json_option
def add(
    email: str, name: str, roles: tuple[str, ...], password_file: Path | None, as_json: bool
) -> None:
    """Invite somebody: prints the link that is theirs to open, once. It goes out by mail, too.

    Roles that decide wait for an admin once there are two. Access to generation is granted by
    another person, in the console.
    """
    with opened.services() as services:
        if password_file is not None:
            lines = opened.read(password_file).decode("utf-8", "replace").splitlines()
            account = services.accounts.add(
                None, email=email, name=name, password=lines[0] if lines else "", roles=roles
            )
            answer.say(as_json, {"user_id": account.user_id, "email": account.email,
                                 "roles": account.roles},
                       f"{account.email}  {account.user_id}")  # fmt: skip
            return
        _say(as_json, services.invitations.invite(None, email=email, name=name, roles=roles))


@user.command("again")
@click.argument("who")
@answer.json_option
def again(who: str, as_json: bool) -> None:
    """A new link for WHO (an e-mail or id) who lost theirs, or their passkey. Password, passkeys,
    sessions and tokens end now; roles that decide wait for an admin once more."""
    with opened.services() as services:
        account = opened.named(services, who, "again")
        _say(as_json, services.invitations.again(None, account.user_id))


@user.command("close")
@click.argument("who")
@answer.json_option
def close(who: str, as_json: bool) -> None:
    """Lock WHO (an e-mail or id) out: sessions and tokens end now. An admin who left counts as one
    no more. Nothing is deleted."""
    _set_active(who, False, as_json)


@user.command("open")
@click.argument("who")
@answer.json_option
def reopen(who: str, as_json: bool) -> None:
    """Let WHO in again."""
    _set_active(who, True, as_json)


def _set_active(who: str, active: bool, as_json: bool) -> None:
    with opened.services() as services:
        account = opened.known(services, who, "user open" if active else "user close")
        account = services.accounts.set_active(None, account.user_id, active)
    answer.say(as_json, {"user_id": account.user_id, "email": account.email,
                         "active": account.active},
               f"{account.email}: {'open' if active else 'locked out'}")  # fmt: skip


@user.command("list")
@answer.json_option
def listed(as_json: bool) -> None:
    """Accounts, their roles, and the roles that wait for an admin."""
    with opened.services() as services:
        opened.acted(services, "user list")
        people = services.accounts.everybody()
        waiting = {one.user_id: services.accounts.waiting(one.user_id) for one in people}
    shown = [{"user_id": a.user_id, "email": a.email, "name": a.name, "roles": a.roles,
              "waiting": waiting[a.user_id], "joined": a.joined, "active": a.active}
             for a in people]  # fmt: skip
    lines = [
        f"{a.email:<32} {','.join(sorted(a.roles)) or '-':<24}"
        + (f" waiting: {','.join(sorted(waiting[a.user_id]))}" if waiting[a.user_id] else "")
        + ("" if a.joined else " invited") + ("" if a.active else " locked out")
        for a in people
    ]  # fmt: skip
    answer.say(as_json, {"accounts": shown}, *lines)


def _say(as_json: bool, invited: Invited) -> None:
    account = invited.account
    document = {"user_id": account.user_id, "email": account.email, "roles": account.roles,
                "waiting": invited.waiting, "link": invited.link,
                "mailed": invited.mailed}  # fmt: skip
    lines = [f"{account.email}  {account.user_id}",
             f"link, for them alone, good once: {invited.link}"]  # fmt: skip
    if invited.waiting:
        lines.append(f"waiting for a second admin: {', '.join(sorted(invited.waiting))}")
    if not invited.mailed:
        lines.append("the mail server did not take the mail: hand the link over yourself")
    answer.say(as_json, document, *lines)


@user.command("token")
@click.option("--email", required=True)
@click.option("--scope", "scopes", multiple=True, required=True,
              type=click.Choice(("generate", "read", "verify", "audit", "manage")))  # fmt: skip
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 366))
@click.option("--name", default="command line", show_default=True)
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@answer.json_option
def token(
    email: str, scopes: tuple[str, ...], days: int, name: str, password_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Sign in and make an API token; it is shown once.

    In production, tokens of roles that decide are made in the console, behind a passkey.
    """
    if password_file is not None:
        lines = opened.read(password_file).decode("utf-8", "replace").splitlines()
        password = lines[0] if lines else ""
    else:
        password = click.prompt("Password", hide_input=True, err=True)
    with opened.services() as services:
        account = services.accounts.sign_in(email, password)
        info, text = services.accounts.make_token(account, name, scopes, days)
    answer.say(as_json, {"token": text, "expires_at": info.expires_at}, text)
