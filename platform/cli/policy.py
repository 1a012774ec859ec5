"""primafacie policy: the rules in force, and putting others in force with two admins."""

from __future__ import annotations

from pathlib import Path

import click

from primafacie.platform.cli import answer, opened


@click.group("policy")
def policy() -> None:
    """The rules."""


@policy.command("show")
@answer.json_option
def show(as_json: bool) -> None:
    """The rules of this machine, and whether they are in force."""
    with opened.services() as services:
        rules, digest = services.policies.rules(), services.policies.shipped.sha256
        active = services.policies.activated()
    word = "in force" if active == digest else "NOT in force: everything is refused"
    answer.say(
        as_json,
        {"sha256": digest, "in_force": active == digest, "activated": active, "rules": rules},
        f"rule set {digest} is {word}",
        *(f"  {rule.rule}: {rule.sentence}" for rule in rules),
    )


@policy.command("propose")
@opened.token_option
@answer.json_option
def propose(token_file: Path | None, as_json: bool) -> None:
    """Propose this machine's rules, as an admin; another admin puts them in force."""
    with opened.services() as services:
        services.policies.propose(opened.signed_in(services, token_file, "manage"))
        digest = services.policies.shipped.sha256
    answer.say(as_json, {"sha256": digest, "state": "proposed"}, f"proposed: {digest}")


@policy.command("activate")
@opened.token_option
@answer.json_option
def activate(token_file: Path | None, as_json: bool) -> None:
    """Put the proposed rules in force, as a second admin."""
    with opened.services() as services:
        services.policies.activate(opened.signed_in(services, token_file, "manage"))
        digest = services.policies.shipped.sha256
    answer.say(as_json, {"sha256": digest, "state": "in force"}, f"in force: {digest}")
