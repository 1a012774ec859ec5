"""Anybody may ask where a file comes from; nothing of it is kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from primafacie.platform.web import verdict
from primafacie.platform.web.app import create_app
from primafacie.platform.web.limits import Limiter
from primafacie.safeguards.provenance.verdict import Level, Technique


@pytest.fixture
def picture(png: Callable[..., bytes]) -> Callable[[int], bytes]:
    """Pictures so small that examining them takes no time."""
    return lambda seed: png(seed, 96)


def files_of(world: Any) -> set[Path]:
    folder = world.services.settings.data_dir
    kept = {p for p in folder.rglob("*") if p.is_file() and "primafacie.db" not in p.name}
    return {p for p in kept if "memory" not in p.parts}  # the log's own memory of its heads


def test_a_file_that_carries_nothing_is_not_called_real(
    world: Any, visit: Callable[..., Any], picture: Callable[[int], bytes]
) -> None:
    before = files_of(world)
    answer = visit().post("/verify", {"file": (io.BytesIO(picture(3)), "holiday.png")})
    assert answer.status_code == 200
    assert "Nothing was found" in answer.text
    assert "does not make it real" in answer.text and "holiday.png" in answer.text
    assert files_of(world) == before


def test_the_question_is_logged_by_digest_alone(
    world: Any, visit: Callable[..., Any], picture: Callable[[int], bytes]
) -> None:
    import hashlib

    visit().post("/verify", {"file": (io.BytesIO(picture(4)), "private-name.png")})
    page = world.services.logbook.query(world.account("auditor"), "kind:verify.query")
    assert page.entries[0].facts["file_sha256"] == hashlib.sha256(picture(4)).hexdigest()
    assert "private-name" not in str(page.entries)


@pytest.mark.parametrize("data", [b"x", b"\0" * 5000, b"\0\0\0\x18ftypmp42" + b"\xff" * 300])
def test_a_hostile_file_gets_an_answer_and_no_crash(visit: Callable[..., Any], data: bytes) -> None:
    answer = visit().post("/verify", {"file": (io.BytesIO(data), "<b>.mp4")})
    assert answer.status_code in (200, 400)
    assert "<b>.mp4" not in answer.text


def test_no_file_is_told(visit: Callable[..., Any]) -> None:
    answer = visit().post("/verify")
    assert answer.status_code == 400 and "choose a file" in answer.text


def test_programs_get_the_same_answer(
    visit: Callable[..., Any], picture: Callable[[int], bytes]
) -> None:
    answer = visit().client.post("/api/v1/verify", data={"file": (io.BytesIO(picture(3)), "x.png")})
    assert answer.status_code == 200
    assert answer.json["level"] == "no credential"
    assert answer.json["details"]["file"]["size"] == len(picture(3))


def test_too_many_at_once_are_asked_to_come_back(
    visit: Callable[..., Any], picture: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "PATIENCE", 0.01)
    for _ in range(verdict.AT_ONCE):
        assert verdict._turns.acquire(timeout=1)
    try:
        answer = visit().post("/verify", {"file": (io.BytesIO(picture(5)), "x.png")})
    finally:
        for _ in range(verdict.AT_ONCE):
            verdict._turns.release()
    assert answer.status_code == 429 and "Wait a minute" in answer.text


def test_who_comes_when_the_queue_is_full_is_sent_off_at_once(
    visit: Callable[..., Any], picture: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting would hold a thread: all of them held is a console that answers nobody."""
    browser = visit()
    monkeypatch.setattr(verdict, "PATIENCE", 600.0)
    places = verdict.AT_ONCE + verdict.QUEUE
    assert all(verdict._places.acquire(blocking=False) for _ in range(places))
    try:
        answer = browser.client.post(
            "/api/v1/verify", data={"file": (io.BytesIO(picture(5)), "x.png")}
        )
        content = browser.client.post(
            "/api/v1/c2pa/matches/byContent", data=picture(5), content_type="image/png"
        )
        plea = {
            "name": "Grace", "contact": "grace@example.net", "signature": "Grace",
            "statement": "It shows me, and I never agreed.", "in_good_faith": "on",
            "sha256": "0" * 64,
        }  # fmt: skip
        asked = browser.post("/takedown", plea)
        sent = browser.post(
            "/takedown", plea | {"file": (io.BytesIO(picture(5)), "x.png"), "sha256": ""}
        )
    finally:
        for _ in range(places):
            verdict._places.release()
    assert (answer.status_code, content.status_code) == (429, 429)
    assert answer.headers["Retry-After"] == content.headers["Retry-After"] == "601"
    assert asked.status_code == 200 and "We have your request" in asked.text, "a digest needs none"
    assert sent.status_code == 200 and "Please keep it" in sent.text, "taken in all the same"
    with verdict.turn():
        pass  # every place was given back


def test_one_address_cannot_have_everything_examined(
    world: Any, picture: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "FILES", 2)
    client = create_app(world.services).test_client()

    def ask(path: str, address: str) -> Any:
        return client.post(
            path, data={"file": (io.BytesIO(picture(6)), "x.png")},
            environ_base={"REMOTE_ADDR": address},
        )  # fmt: skip

    api = "/api/v1/verify"
    answers = [ask(api, f"2001:db8::{last}") for last in (1, 2, 3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert int(answers[2].headers["Retry-After"]) >= 1
    assert ask(api, "2001:db8:0:1::1").status_code == 200


def test_every_level_and_technique_has_words() -> None:
    assert set(verdict.RUNGS) == set(Level)
    assert set(verdict.TECHNIQUES) == set(Technique)


# what the page has beside the question ---------------------------------------------------------


def test_the_checker_in_the_page_is_served_packed_and_typed(visit: Callable[..., Any]) -> None:
    """Three megabytes instead of eight, and a type that browsers compile as it comes."""
    import gzip

    answer = visit().get("/static/vendor/c2pa_bg.wasm.gz")
    assert answer.headers["Content-Type"] == "application/wasm"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data)[:4] == b"\0asm"
    assert "javascript" in visit().get("/static/vendor/c2pa-web.min.js").headers["Content-Type"]


def test_anybody_may_have_the_public_keys_and_no_secret(
    world: Any, visit: Callable[..., Any]
) -> None:
    answer = visit().get("/verify/trust.json")
    roots = world.services.examiner.roots
    assert (answer.json["claimRoot"], answer.json["timeRoot"]) == tuple(r.decode() for r in roots)
    assert answer.json["logKeys"] == list(world.services.log.vkeys)
    assert "PRIVATE" not in answer.text and len(answer.json["usages"]) == 3


def test_programs_get_a_statement_that_holds(
    visit: Callable[..., Any], picture: Callable[[int], bytes]
) -> None:
    from primafacie.platform.verdict_statement import read_key, read_verdict

    client = visit().client
    answer = client.post("/api/v1/verify", data={"file": (io.BytesIO(picture(3)), "x.png")})
    key = read_key(client.get("/verify/trust.json").json["verdictKey"])
    said = read_verdict(answer.json["statement"].encode(), key)
    assert said.details == answer.json["details"]


def test_feedback_is_logged_without_the_words_and_paced(
    world: Any, app: Flask, visit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, "feedback_limit", Limiter(2, 600.0))
    form = {"answer": "wrong", "file_sha256": "a" * 64, "text": "that is my cousin"}
    browser = visit()
    assert "Somebody will read it" in browser.post("/verify/feedback", form).text
    page = world.services.logbook.query(world.account("auditor"), "kind:verify.feedback")
    facts = page.entries[0].facts
    assert (facts["answer"], facts["file_sha256"]) == ("wrong", "a" * 64)
    assert "cousin" not in str(facts)
    assert browser.post("/verify/feedback", form | {"file_sha256": "../x"}).status_code == 400
    late = browser.post("/verify/feedback", form)
    assert late.status_code == 429 and int(late.headers["Retry-After"]) > 500
