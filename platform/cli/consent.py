"""primafacie consent: look at consents, withdraw for somebody who wrote, verify a receipt."""

from __future__ import annotations

import base64
import json
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


@consent.command("reenrol")
@opened.token_option
@answer.json_option
def reenrol(token_file: Path | None, as_json: bool) -> None:
    """Make face templates anew, by the model in use, where another model made them; also where that
    failed before. The worker does it by itself, once for each."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "manage")
        with services.inspector() as inspector:
            done = services.consents.reenrol_all(actor, inspector)
    lines = [f"{one}  {problem or 'enrolled anew'}" for one, problem in done]
    document = {"consents": [{"consent": one, "problem": problem} for one, problem in done]}
    answer.say(as_json, document, *(lines or ["every template is by the model in use"]))


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


@consent.command("export")
@click.argument("consent_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@opened.token_option
def export(consent_id: str, out: Path | None, token_file: Path | None) -> None:
    """The record as JSON-LD in terms of the Data Privacy Vocabulary (ISO/IEC TS 27560)."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "read")
        record = services.consents.exported(actor, consent_id)
    text = json.dumps(record, indent=1, ensure_ascii=False)
    if out is None:
        click.echo(text)
    else:
        opened.write(out, text.encode())


@consent.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", "key_text", default="", help="The platform's public key, as you know it: "
              "base64 of 32 bytes, or a PEM file.")  # fmt: skip
@click.option("--vkey", "vkeys", multiple=True, help="The log's public key, as you know it.")
@answer.json_option
def verify(file: Path, key_text: str, vkeys: tuple[str, ...], as_json: bool) -> None:
    """Verify a receipt, offline, without an installation. Exit code 4 if it does not hold."""
    from primafacie.platform.receipts import verify_receipt

    platform_key = _public_key(key_text) if key_text else None
    try:
        held = verify_receipt(opened.read(file), platform_key=platform_key, log_vkeys=vkeys or None)
    except InputError as error:
        answer.say(as_json, {"ok": False, "why": str(error)}, f"DOES NOT HOLD: {error}")
        raise answer.Unverified from error
    document = {
        "ok": True,
        "consent": held.record.consent_id,
        "version": held.record.version,
        "state": held.state,
        "at": held.at,
        "log_index": held.log_index,
        "log_size": held.log_size,
        "platform_key_given": platform_key is not None,
        "keys_given": bool(vkeys),
    }
    missing = [n for n, given in (("--key", platform_key), ("--vkey", vkeys)) if not given]
    trust = f" (whose, only {' and '.join(missing)} can tell)" if missing else ""
    answer.say(
        as_json, document,
        f"HOLDS{trust}: consent {held.record.consent_id}, version {held.record.version}, is "
        f"{held.state}, entry {held.log_index} of {held.log_size}",
    )  # fmt: skip


def _public_key(text: str) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        if Path(text).is_file():
            key = load_pem_public_key(Path(text).read_bytes())
            if isinstance(key, Ed25519PublicKey):
                return key.public_bytes_raw()
        raw = base64.b64decode(text, validate=True)
        return Ed25519PublicKey.from_public_bytes(raw).public_bytes_raw()
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise InputError("--key is no Ed25519 public key") from error
