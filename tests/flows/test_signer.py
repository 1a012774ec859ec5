"""The road and its signer: every signature is in the log, and without a signer nothing leaves."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit.entry import Kind
from primafacie.platform.errors import AccessError
from primafacie.platform.jobs import Worker
from primafacie.platform.wiring import Services


def run(services: Services, world: Any) -> Any:
    researcher = services.accounts.find(world.researcher_id)
    rid = services.requests.submit(researcher, world.submission()).rid
    Worker(services).run(once=True)
    return services.requests.show(researcher, rid)


@pytest.mark.slow
def test_a_signer_that_is_away_means_no_video_and_a_reason(built: Any, tmp_path: Path) -> None:
    world = built.copy(tmp_path)
    away = world.settings.model_copy(update={"signer_socket": tmp_path / "nobody"})
    with Services.open(away) as services:
        view = run(services, world)
        assert view.state == "failed" and view.asset is None
        assert "signer cannot be reached" in view.message
        assert view.entries[-1][1] == Kind.REQUEST_FAILED
        assert Kind.SIGNATURE_MADE not in [kind for _, kind, _ in view.entries]
        assert list(services.vault.outputs.iterdir()) == []


def _signer_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two films; the next question finds nobody."""
    from primafacie.platform.signing import WorkerSigner

    asked = WorkerSigner.sign

    def killed(self: WorkerSigner, tbs: bytes, rid: str = "") -> bytes:
        os.kill(self.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        return asked(self, tbs, rid)

    monkeypatch.setattr(WorkerSigner, "sign", killed)


def _callback_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Services, digest: str, rid: str) -> None:
        raise RuntimeError("nobody could note the signature")

    monkeypatch.setattr(Services, "_note_signature", fail)


def _disk_full(monkeypatch: pytest.MonkeyPatch) -> None:
    from primafacie.safeguards.provenance import seal

    moved = os.replace

    def full(source: Path, target: Path) -> None:
        if ".sealing-" in str(source):  # the finished film, on its way to its place
            raise OSError(errno.ENOSPC, "No space left on device")
        moved(source, target)

    monkeypatch.setattr(seal.os, "replace", full)  # type: ignore[attr-defined]


def _clock_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from primafacie.platform.signing import WorkerSigner

    monkeypatch.setattr(WorkerSigner, "tsa_url", "http://127.0.0.1:9/")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (_signer_dies, "signer cannot be reached"),
        (_clock_away, "no time-stamp could be had"),
        (_callback_raises, "nobody could note the signature"),
        (_disk_full, "No space left"),
    ],
    ids=["the signer is killed", "the clock is away", "the callback raises", "the disk is full"],
)
def test_whatever_breaks_while_signing_ends_the_request_and_nothing_lies_anywhere(
    built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, says: str
) -> None:
    world = built.copy(tmp_path)
    with Services.open(world.settings) as services:
        fault(monkeypatch)
        view = run(services, world)
        monkeypatch.undo()
        assert view.state == "failed" and view.asset is None, view.message
        assert says in view.message
        assert view.entries[-1][1] == Kind.REQUEST_FAILED
        assert list(services.vault.outputs.iterdir()) == []


@pytest.mark.slow
def test_every_signature_stands_under_its_request(built: Any, tmp_path: Path) -> None:
    """Four files leave: the video, two stills and the synthetic voice; each was signed once."""
    import json

    world = built.copy(tmp_path)
    with Services.open(world.settings) as services:
        view = run(services, world)
        assert view.state == "released", (view.message, view.reasons)
        signed = [index for index, kind, _ in view.entries if kind == Kind.SIGNATURE_MADE]
        assert view.asset.beside == ("jpg", "png", "wav") and len(signed) == 4
        with services.database.read() as tx:
            told = [services.log.leaf(tx, index).fact("tbs_sha256") for index in signed]
            released = services.log.leaf(tx, view.asset.log_index)
        ledger = services.settings.data_dir / "ledger" / "signatures"
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
        assert [(line["sha256"], line["rid"]) for line in lines] == [(d, view.rid) for d in told]
        researcher = services.accounts.find(world.researcher_id)
        for kind in view.asset.beside:
            found = services.requests.companion(researcher, view.rid, kind)
            assert released.fact(f"{kind}_sha256") == found.sha256
            assert services.examiner.examine(None, found.data).level.name == "EXACT"
        services.consents.withdraw(world.consent_token)
        with pytest.raises(AccessError, match="not handed out"):
            services.requests.companion(researcher, view.rid, "png")
