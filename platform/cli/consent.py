"""primafacie consent: look at consents, withdraw for somebody who wrote, check a receipt."""

from __future__ import annotations

from pathlib import Path

import click

from primafacie.platform.cli import answer, opened
from primafacie.platform.errors import InputError


@click.group("consent")
def consent() -> None:
    """Consents and their receipts."""


@consent.command("list")
@click.option("--state", default=None, help="Only consents in this state.")
@opened.token_option
@answer.json_option
def listed(state: str | None, token_file: Path | None, as_json: bool) -> None:
    """Consents you may see."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "read")
        views = services.consents.listed(actor, state)
    lines = [f"{v.consent_id}  {v.state:<12} {v.kind:<10} {v.not_after[:10]}" for v in views]
    answer.say(as_json, {"consents": list(views)}, *lines)


@consent.command("show")
@click.argument("consent_id")
@opened.token_option
@answer.json_option
def show(consent_id: str, token_file: Path | None, as_json: bool) -> None:
    """One consent with its history."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "read")
        view = services.consents.show(actor, consent_id)
    lines = [
        f"{view.consent_id}  {view.state}  version {view.version}  epoch {view.epoch}",
        f"  for: {', '.join(view.purposes)} ({view.audience}) until {view.not_after[:10]}",
        f"  videos: {view.outputs} of {view.max_outputs}, {len(view.photos)} registered photos",
        *(f"  {step.at:%Y-%m-%d %H:%M}  {step.state}  log {step.log_index}"
          for step in view.history),
    ]  # fmt: skip
    answer.say(as_json, {"consent": view}, *lines)


@consent.command("withdraw")
@click.argument("consent_id")
@click.option("--note", required=True, help="How the person asked for it.")
@opened.token_option
@answer.json_option
def withdraw(consent_id: str, note: str, token_file: Path | None, as_json: bool) -> None:
    """Withdraw for a person who asked by letter or word of mouth. It cannot be undone."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "manage")
        view = services.consents.withdraw_on_paper(actor, consent_id, note)
    answer.say(as_json, {"consent": view}, f"{consent_id}  {view.state}")


@consent.command("receipt")
@click.argument("consent_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@opened.token_option
def receipt(consent_id: str, out: Path | None, token_file: Path | None) -> None:
    """The receipt as it stands now, with the log's proof; without the subject's own token."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "read")
        copy = services.consents.current_receipt(actor, consent_id)
    if out is None:
        click.echo(copy.data.decode())
    else:
        opened.write(out, copy.data)


@consent.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--vkey", "vkeys", multiple=True, help="The log's public key, as you know it.")
@answer.json_option
def check(file: Path, vkeys: tuple[str, ...], as_json: bool) -> None:
    """Verify a receipt, offline, without an installation. Exit code 4 if it does not hold."""
    from primafacie.platform.receipts import verify_receipt

    try:
        held = verify_receipt(opened.read(file), log_vkeys=vkeys or None)
    except InputError as error:
        answer.say(as_json, {"ok": False, "why": str(error)}, f"DOES NOT HOLD: {error}")
        raise answer.Unverified from error
    document = {
        "ok": True,
        "consent": held.record.consent_id,
        "state": held.state,
        "at": held.at,
        "log_index": held.log_index,
        "log_size": held.log_size,
        "keys_given": bool(vkeys),
    }
    trust = "" if vkeys else " (by the keys in the receipt itself: name --vkey to know whose)"
    answer.say(
        as_json, document,
        f"HOLDS{trust}: consent {held.record.consent_id} is {held.state}, "
        f"entry {held.log_index} of {held.log_size}",
    )  # fmt: skip
