"""primafacie doctor: tries what everything depends on."""

from __future__ import annotations

import shutil

import click

from primafacie.platform.cli import FAILED, answer, opened

MARKS = {True: "ok  ", False: "FAIL", None: "    "}


@click.command("doctor")
@click.option("--deep", is_flag=True, help="Also start the studio itself.")
@answer.json_option
@click.pass_context
def doctor(ctx: click.Context, deep: bool, as_json: bool) -> None:
    """What this machine and this installation have, what is missing, and the remedy."""
    from primafacie.platform.machine import Finding, survey

    with opened.services() as services:
        found = [Finding(line.name, line.ok, line.text) for line in services.health().lines]
        free = shutil.disk_usage(services.settings.data_dir).free // 2**20
        found.append(Finding("disk", free > 256, f"{free} MiB free in the data folder"))
        stamps = services.settings.tsa_url or "the installation's own service"
        found.append(Finding("time-stamps", None, stamps))
        if not services.witnesses.quorum:
            known = services.witnesses.vkeys
            text = (
                f"{len(known)} asked, none required"
                if known
                else ("none: only checkpoints kept elsewhere would show a rewritten log")
            )
            found.append(Finding("witnesses", None, text))
        found.append(Finding("broker", None, "none: workers poll the database"))
        found += survey(services.face_weights, services.engines.landmarks)
        if deep:
            with services.gate() as gate:
                found.append(Finding("studio", True, f"started, sandbox {gate.warm()}"))
    ok = all(line.ok is not False for line in found)
    width = max(len(line.name) for line in found)
    answer.say(
        as_json,
        {"ok": ok, "checks": found},
        *(f"{MARKS[line.ok]}  {line.name:<{width}}  {line.text}" for line in found),
    )
    ctx.exit(0 if ok else FAILED)
