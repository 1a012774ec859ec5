"""primafacie optout: the never-me list."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from primafacie.platform.cli import answer, opened


@click.group("optout")
def optout() -> None:
    """People who ask never to be shown."""


@optout.command("add")
@click.argument("photos", nargs=-1, required=True,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--name", required=True, help="Who asks.")
@click.option("--contact", required=True, help="How they can be reached.")
@click.option("--honest", is_flag=True, help="The photos show them, or somebody they speak for.")
@answer.json_option
def add(photos: tuple[Path, ...], name: str, contact: str, honest: bool, as_json: bool) -> None:
    """Take a request in, with one to five photos; a reviewer decides on it."""
    with opened.services() as services:
        reference = services.opt_outs.ask(name, contact, [opened.read(p) for p in photos], honest)
        address = f"{services.settings.public_url}/never-me/{reference}"
    answer.say(as_json, {"address": address}, f"Taken in. For whoever asked: {address}")


@optout.command("list")
@click.option("--state", type=click.Choice(["received", "approved", "listed", "declined"]),
              default="received")  # fmt: skip
@opened.token_option
@answer.json_option
def listed(state: str, token_file: Path | None, as_json: bool) -> None:
    """What waits for a reviewer, or stands on the list."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "manage")
        found = services.opt_outs.listed(actor, state)
    lines = [f"{o.opt_out_id}  {o.state}  {o.received_at:%Y-%m-%d}  {o.name}" for o in found]
    answer.say(as_json, {"opt_outs": list(found)}, *(lines or ["Nothing."]))


@optout.command("outdated")
@opened.token_option
@answer.json_option
def outdated(token_file: Path | None, as_json: bool) -> None:
    """Entries that the face model in use cannot compare with anybody, one by one; whether a former
    model still does, and whether their people were asked for new photos."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "manage")
        with services.inspector() as eyes:
            found = services.opt_outs.outdated(actor, eyes.model)
            compared = {one.model: one.model in eyes.models for one in found}
    lines = []
    for one in found:
        held = "compared by it" if compared[one.model] else "REFUSES EVERY REQUEST: name its model"
        asked = f"asked {one.asked_at:%Y-%m-%d}" if one.asked_at else "not asked yet"
        if not one.written:
            asked = f"write to them yourself: {one.contact}"
        lines.append(f"{one.entry_id}  {one.name}  {one.model[:40]}  {held}; {asked}")
    rows = [{**asdict(one), "compared": compared[one.model]} for one in found]
    answer.say(as_json, {"outdated": rows}, *(lines or ["None: the model in use made them all."]))


@optout.command("decide")
@click.argument("opt_out_id")
@click.option("--yes/--no", "yes", required=True, help="Put on the list, or decline and erase.")
@opened.token_option
@answer.json_option
def decide(opt_out_id: str, yes: bool, token_file: Path | None, as_json: bool) -> None:
    """Decide on a request."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "manage")
        services.opt_outs.decide(actor, opt_out_id, yes)
    state = "approved" if yes else "declined"
    answer.say(as_json, {"opt_out": opt_out_id, "state": state}, f"{opt_out_id}  {state}")
