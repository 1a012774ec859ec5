"""The console's process says in the log that it runs, and from when on it did not."""

from __future__ import annotations

from typing import Any

import pytest

from primafacie.audit.entry import Kind
from primafacie.platform.cli.serve import _server
from primafacie.platform.errors import UnavailableError


def test_the_console_notes_when_it_starts_and_stops(house: Any) -> None:
    server = _server(house.services.settings)()
    before = len(house.kinds)
    server.load()
    server.cfg.worker_exit(None, None)
    assert house.kinds[before:] == ["service.started", "service.stopped"]


def test_a_start_that_cannot_be_logged_keeps_no_part_from_its_work(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise UnavailableError("no space left on device")

    monkeypatch.setattr(type(house.services.journal), "record", full)
    house.services.journal.note(Kind.SERVICE_STARTED, "worker")
