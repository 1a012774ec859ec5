"""What strangers and defects do to a worker: it goes on, and nobody waits for ever."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from primafacie.platform import jobs
from primafacie.platform.jobs import Worker
from primafacie.safeguards.errors import GateError


def worker(house: Any, face: Any = None, order: list[str] | None = None) -> Worker:
    """A worker whose gate fails every request, and notes in which order things were done."""

    def produce(request: Any) -> Any:
        if order is not None:
            order.append("request")
        entry = house.services.journal.event(
            jobs.Kind.REQUEST_FAILED, request.requester_id, rid=request.rid, out=jobs.Outcome.ERROR
        )
        house.services.queue.finish(request, "failed", entry)
        raise GateError("not in this test")

    gate = SimpleNamespace(inspector=face or house.faces(), produce=produce)
    return Worker(house.services, lambda: nullcontext(gate))


@pytest.mark.parametrize(
    ("part", "name"),
    [("notifications", "deliver"), ("notifications", "remind"), ("queue", "sweep"),
     ("journal", "publish"), ("vault", "sweep"), ("consents", "unmeasured")],
)  # fmt: skip
def test_a_part_that_fails_ends_neither_the_worker_nor_the_others(
    house: Any, monkeypatch: pytest.MonkeyPatch, part: str, name: str
) -> None:
    rid = house.submit(house.active()[0]).rid
    monkeypatch.setattr(type(getattr(house.services, part)), name, lambda *_, **__: 1 / 0)
    (done,) = worker(house).run(once=True)
    assert (done.rid, done.state) == (rid, "failed")


def test_a_slow_address_does_not_keep_requests_waiting(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages are sent by another thread: here it waits until the request was served."""
    house.submit(house.active()[0])
    served = threading.Event()
    waited: list[bool] = []
    monkeypatch.setattr(
        type(house.services.notifications), "deliver",
        lambda *_: waited.append(served.wait(30)) or 0,
    )  # fmt: skip
    monkeypatch.setattr(Worker, "_one", _then(Worker._one, served.set))
    assert len(worker(house).run(once=True)) == 1
    assert waited and all(waited)


def _then(method: Any, after: Any) -> Any:
    def both(*given: Any) -> Any:
        try:
            return method(*given)
        finally:
            after()

    both.__name__ = "both"
    return both


def test_many_recordings_do_not_keep_a_request_waiting(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent_id, _ = house.active()
    for _ in range(2):
        house.submit(consent_id)
    order: list[str] = []
    waiting = ["a", "b"]
    consents = type(house.services.consents)
    monkeypatch.setattr(consents, "unmeasured", lambda _: tuple(waiting))
    monkeypatch.setattr(
        consents, "measure", lambda _, one, face: (order.append(one), waiting.remove(one))
    )
    worker(house, order=order).run(once=True)
    assert order == ["request", "a", "request", "b"]


@pytest.mark.parametrize("listed, done", [("unmeasured", "measure"), ("captured", "enrol")])
def test_what_keeps_failing_does_not_block_what_waits_behind_it(
    house: Any, monkeypatch: pytest.MonkeyPatch, listed: str, done: str
) -> None:
    served: list[str] = []
    waiting = ["bad", "worse", "good", "better"]

    def work(_: Any, one: str, face: Any) -> None:
        served.append(one)
        if one in ("bad", "worse"):
            raise ZeroDivisionError
        waiting.remove(one)

    consents = type(house.services.consents)
    monkeypatch.setattr(consents, listed, lambda _: tuple(waiting))
    monkeypatch.setattr(consents, done, work)
    working = worker(house)
    for _ in range(4):
        working.run(once=True)
    assert served == ["bad", "worse", "good", "better"]
    monkeypatch.setattr(jobs, "REST", 0.0)
    working.run(once=True)
    assert served[4:] == ["bad"]
    working.run(once=True)
    assert served[5:] == ["worse"], "the one that failed longest ago"


def test_a_never_me_request_that_breaks_the_gate_blocks_nobody(house: Any, pictures: Any) -> None:
    s = house.services
    s.opt_outs.ask("Nina Never", "nina@example.net", pictures(2), honest=True)
    (one,) = s.opt_outs.listed(house.reviewer)
    s.opt_outs.decide(house.reviewer, one.opt_out_id, yes=True)
    consent_id, _ = house.captured()

    class Breaking:
        def enrol(self, photos: Any, least: int = 5) -> Any:
            if least == 1:
                raise ZeroDivisionError
            return house.faces().enrol(photos, least)

    worker(house, Breaking()).run(once=True)
    assert s.opt_outs.approved() == (one.opt_out_id,)
    assert s.consents.show(house.reviewer, consent_id).state == "under_review"
