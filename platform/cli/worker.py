"""primafacie worker: takes requests up, one by one."""

from __future__ import annotations

import signal
from typing import Any

import click

from primafacie.platform.cli import answer, opened


@click.command("worker")
@click.option("--once", is_flag=True, help="Leave when nothing is waiting.")
@answer.json_option
def worker(once: bool, as_json: bool) -> None:
    """Work on requests until stopped. Start as many as there are processors to spare."""
    from primafacie.audit.entry import Kind
    from primafacie.platform.jobs import Worker

    with opened.services() as services:
        working = Worker(services)

        def stop(number: int, frame: Any) -> None:
            working.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        services.journal.note(Kind.SERVICE_STARTED, "worker")
        done = working.run(once=once)
        services.journal.note(Kind.SERVICE_STOPPED, "worker")
    lines = [f"{one.rid}  {one.state}" for one in done] or ["Nothing was waiting."]
    if once:
        answer.say(as_json, {"done": list(done)}, *lines)
