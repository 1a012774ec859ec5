"""primafacie doctor: tries what everything depends on."""

from __future__ import annotations

import shutil

import click

from primafacie.platform.cli import FAILED, answer, opened


@click.command("doctor")
@click.option("--deep", is_flag=True, help="Also start the studio and report its sandbox.")
@answer.json_option
@click.pass_context
def doctor(ctx: click.Context, deep: bool, as_json: bool) -> None:
    """Check database, log, rules, keys and certificate; with --deep the sandbox too."""
    from primafacie.platform.wiring import HealthLine

    with opened.services() as services:
        lines = [*services.health().lines]
        free = shutil.disk_usage(services.settings.data_dir).free // 2**20
        lines.append(HealthLine("disk", free > 256, f"{free} MiB free"))
        if deep:
            with services.gate() as gate:
                level = gate.warm()
            lines.append(HealthLine("sandbox", level == "enforced", level))
    ok = all(line.ok for line in lines)
    answer.say(
        as_json,
        {"ok": ok, "checks": lines},
        *(f"{'ok  ' if line.ok else 'FAIL'}  {line.name:<12} {line.text}" for line in lines),
    )
    ctx.exit(0 if ok else FAILED)
