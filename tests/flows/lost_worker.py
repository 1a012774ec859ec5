"""A worker process to be killed: claims a request and then does nothing more.

Usage: lost_worker.py DATA_DIR STAGE. STAGE `claimed` stops right after the claim, `permitted` after
the permit was logged, `staged` after the sealed file was written but not released.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import Services


def main() -> None:
    services = Services.open(Settings.read(data_dir=Path(sys.argv[1]), lease_seconds=1.0))
    request = services.queue.claim("to be killed", "cpu")
    assert request is not None
    if sys.argv[2] != "claimed":
        for kind in (Kind.DECISION_GENERATE, Kind.PERMIT_ISSUED):
            services.queue.record(
                services.journal.event(
                    kind, request.requester_id, rid=request.rid, out=Outcome.ALLOW
                )
            )
    if sys.argv[2] == "staged":
        services.vault.staged(request.rid, request.claim).write_bytes(b"sealed")
    print("ready", flush=True)
    time.sleep(600)


main()
