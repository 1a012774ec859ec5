"""primafacie user: accounts, as the operator at the machine makes them."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from primafacie.platform.cli import answer, opened

ROLES = ("researcher", "reviewer", "steward", "auditor", "admin")


@click.group("user")
def user() -> None:
    """Accounts."""


@user.command("add")
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES))
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="First line: the password. Without it one is made and shown once.")  # fmt: skip
@answer.json_option
def add(
    email: str, name: str, roles: tuple[str, ...], password_file: Path | None, as_json: bool
) -> None:
    """Make an account. Access to generation is granted by another person, in the console."""
    made = "" if password_file else secrets.token_urlsafe(18)
    with opened.services() as services:
        if password_file is not None:
            lines = opened.read(password_file).decode("utf-8", "replace").splitlines()
            password = lines[0] if lines else ""
        else:
            password = made
        account = services.accounts.add(
            None, email=email, name=name, password=password, roles=roles
        )
    document = {"user_id": account.user_id, "email": account.email, "roles": account.roles}
    shown = [f"{account.email}  {account.user_id}"]
    if made:
        document["password"] = made  # type: ignore[assignment]
        shown.append(f"password, shown once: {made}")
    answer.say(as_json, document, *shown)


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
    """Sign in and make an API token; it is shown once."""
    if password_file is not None:
        lines = opened.read(password_file).decode("utf-8", "replace").splitlines()
        password = lines[0] if lines else ""
    else:
        password = click.prompt("Password", hide_input=True, err=True)
    with opened.services() as services:
        account = services.accounts.sign_in(email, password)
        info, text = services.accounts.make_token(account, name, scopes, days)
    answer.say(as_json, {"token": text, "expires_at": info.expires_at}, text)
