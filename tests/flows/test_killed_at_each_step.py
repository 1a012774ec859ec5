"""kill -9 at every step of the road: one outcome per request, and no unmarked or unlogged file."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform.jobs import Worker
from primafacie.platform.wiring import Services

HERE = Path(__file__).parent


POINTS = [
    "1 looking", "2 decided", "3 intent logged", "4 permit logged", "4 permit issued",
    "5 drawing", "6 sealing", "6 sealed", "7 decided again", "8 before the release",
    "8 after the release", "9 delivered",
]  # fmt: skip
#: Before a permit exists the request is simply taken up again; after it, it is closed for good.
RESUMED = {"1 looking", "2 decided", "3 intent logged"}
RELEASED = RESUMED | {"8 after the release", "9 delivered"}


def settled(services: Services, world: Any, rid: str) -> Any:
    """The request once a second worker has taken it up, waiting out its back-off."""
    researcher = services.accounts.find(world.researcher_id)
    deadline = time.monotonic() + 120
    with services.gate() as gate:
        worker = Worker(services, lambda: nullcontext(gate))
        while time.monotonic() < deadline:
            worker.run(once=True)
            view = services.requests.show(researcher, rid)
            if view.state not in ("queued", "running"):
                return view
            time.sleep(0.5)
    raise AssertionError(f"the request is still {view.state}")


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed(
    point: str,
    world: Any,
    services: Services,
    ask: Callable[..., str],
    outcomes: Callable[[Services, str], list[str]],
) -> None:
    rid = ask()
    services.close()
    script = [sys.executable, str(HERE / "doomed_worker.py"), str(world.folder / "data"), point]
    doomed = subprocess.run(script, capture_output=True, text=True, timeout=240)
    assert doomed.returncode == -9, doomed.stderr[-2000:]
    time.sleep(2.2)  # two leases
    with world.open() as again:
        view = settled(again, world, rid)
        expected = "released" if point in RELEASED else "aborted"
        assert view.state == expected
        terminal = outcomes(again, rid)
        assert len(terminal) == 1, terminal
        assert terminal == ["output.released" if expected == "released" else "request.aborted"]
        kept = sorted(p.name for p in again.vault.outputs.rglob("*") if p.is_file())
        assert len(kept) == (1 if expected == "released" else 0), kept
        if expected == "released":
            file = again.requests.deliver(again.accounts.find(world.researcher_id), rid)
            assert again.examiner.examine(None, file.read()).level.name == "EXACT"
        report = again.logbook.verify(None)
        assert report.ok, report
