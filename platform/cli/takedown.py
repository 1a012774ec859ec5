"""primafacie takedown: requests to have a video removed, as they come by letter, and what waits."""

from __future__ import annotations

from pathlib import Path

import click

from primafacie.platform.cli import answer, opened
from primafacie.platform.errors import InputError


@click.group("takedown")
def takedown() -> None:
    """Requests of people who are shown against their will."""


@takedown.command("file")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--sha256", default="", help="The video's digest, where there is no file.")
@click.option("--name", required=True, help="Who asks.")
@click.option("--contact", required=True, help="How they can be reached.")
@click.option("--signature", required=True, help="Their signature: the full name once more.")
@click.option("--statement", required=True, help="What the video shows, and why it must go.")
@click.option("--where-seen", default="", help="Where they saw it.")
@click.option("--good-faith", is_flag=True, help="They state that they ask in good faith.")
@answer.json_option
def file_request(
    file: Path | None, sha256: str, name: str, contact: str, signature: str, statement: str,
    where_seen: str, good_faith: bool, as_json: bool,
) -> None:  # fmt: skip
    """Take a request in that came by letter. A video of ours is locked away at once."""
    from primafacie.platform.takedown import Plea

    plea = Plea(name, contact, signature, where_seen, statement, good_faith)
    with opened.services() as services:
        data = opened.read(file) if file else b""
        if len(data) > services.settings.max_video_bytes:
            raise InputError(f"at most {services.settings.max_video_bytes} bytes are examined")
        filed = services.takedowns.submit(plea, data=data, sha256=sha256.lower())
        address = f"{services.settings.public_url}/takedown/{filed.reference}"
    told = f"LOCKED AWAY: {filed.asset}" if filed.asset else "Taken in; not recognised as ours"
    document = {"asset": filed.asset, "found_by": filed.found_by, "address": address}
    answer.say(as_json, document, told, f"  for whoever asked: {address}")


@takedown.command("list")
@click.option("--state", type=click.Choice(["received", "upheld", "declined"]), default="received")
@opened.token_option
@answer.json_option
def listed(state: str, token_file: Path | None, as_json: bool) -> None:
    """What waits for a decision, or was decided."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "manage")
        found = services.takedowns.listed(actor, state)
    lines = [
        f"{t.takedown_id}  {t.state}  by {t.due_at:%Y-%m-%d %H:%M}  {t.asset or 'not ours'}"
        for t in found
    ]
    answer.say(as_json, {"takedowns": list(found)}, *(lines or ["Nothing."]))


@takedown.command("decide")
@click.argument("takedown_id")
@click.option("--uphold/--decline", required=True, help="Delete it, or hand it out again.")
@click.option("--note", required=True, help="Why.")
@opened.token_option
@answer.json_option
def decide(
    takedown_id: str, uphold: bool, note: str, token_file: Path | None, as_json: bool
) -> None:
    """Decide on a request."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "manage")
        services.takedowns.decide(actor, takedown_id, uphold, note)
    state = "upheld" if uphold else "declined"
    answer.say(as_json, {"takedown": takedown_id, "state": state}, f"{takedown_id}  {state}")
