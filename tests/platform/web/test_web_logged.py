"""No answer leaves before the log holds that it was asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, request

from primafacie.platform.errors import UnavailableError
from primafacie.platform.logbook import Logbook
from primafacie.platform.requests import Requests
from primafacie.platform.web import uploads
from primafacie.platform.web.app import create_app
from primafacie.platform.wiring import Services


def facts(entry: Any) -> dict[str, Any]:
    return dict(entry.facts)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200), ("GET", "/sign-in", 200), ("GET", "/log", 302), ("GET", "/nowhere", 404),
        ("DELETE", "/verify", 405), ("POST", "/sign-in", 400), ("GET", "/static/console.js", 200),
        ("GET", "/static/../app.py", 404), ("GET", "/api/v1/requests", 401),
        ("GET", "/api/v1/nothing", 404), ("OPTIONS", "/verify", 200), ("HEAD", "/", 200),
    ],
)  # fmt: skip
def test_whatever_is_asked_is_logged_first(
    app: Flask, last_entry: Callable[[], Any], method: str, path: str, status: int
) -> None:
    answer = app.test_client().open(path, method=method, buffered=True)
    assert answer.status_code == status
    entry = last_entry()
    assert entry.kind == "http.request"
    assert facts(entry)["method"] == method
    assert facts(entry)["path"] == path
    assert facts(entry)["status"] == status
    assert entry.out == ("ok" if status < 400 else "deny")


def test_the_entry_says_who_asked(
    world: Any, visit: Callable[..., Any], last_entry: Callable[[], Any]
) -> None:
    visit("auditor").get("/integrity")
    assert last_entry().actor
    visit().get("/integrity")
    assert not last_entry().actor


def test_the_entry_says_which_rule_was_broken(
    visit: Callable[..., Any], last_entry: Callable[[], Any]
) -> None:
    visit().sign_in("nobody@example.org", "wrong but long enough")
    assert last_entry().why == ("sign_in",)
    visit().client.post("/verify", data={})
    assert last_entry().why == ("csrf",)


def test_too_much_is_refused_and_logged(app: Flask, last_entry: Callable[[], Any]) -> None:
    answer = app.test_client().post(
        "/verify", data=b"x", content_type="multipart/form-data; boundary=x",
        environ_overrides={"CONTENT_LENGTH": str(10**10)},
    )  # fmt: skip
    assert answer.status_code == 413
    assert facts(last_entry())["status"] == 413


def test_a_big_body_sent_where_no_file_is_taken_is_refused(
    app: Flask, last_entry: Callable[[], Any]
) -> None:
    answer = app.test_client().post("/sign-in", data={"email": "a" * 300_000})
    assert answer.status_code == 413
    assert facts(last_entry())["status"] == 413


def test_every_route_that_takes_a_big_body_exists(app: Flask) -> None:
    assert set(app.view_functions) >= set(app.config["UPLOADS"])


def test_a_route_for_photos_takes_no_film(app: Flask, world: Any) -> None:
    most = 5 * world.services.settings.max_photo_bytes
    answer = app.test_client().post(
        "/never-me", data=b"x", content_type="multipart/form-data; boundary=x",
        environ_overrides={"CONTENT_LENGTH": str(most + 10**6)},
    )  # fmt: skip
    assert answer.status_code == 413


class Unread(io.BytesIO):
    """A body that nobody may read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = readinto = read  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/c/guess/video", 410), ("/me/guess/photos", 410), ("/never-me/guess/renew", 410),
     ("/requests/new", 401), ("/api/v1/requests", 401)],
)  # fmt: skip
def test_the_body_of_somebody_who_may_not_send_it_is_not_read(
    app: Flask, path: str, status: int
) -> None:
    answer = app.test_client().post(
        path, input_stream=Unread(), content_length=5_000_000,
        content_type="multipart/form-data; boundary=x",
    )  # fmt: skip
    assert answer.status_code == status


def test_strangers_who_fill_the_memory_wait_and_keep_nobody_else_out(
    app: Flask,
    visit: Callable[..., Any],
    last_entry: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "SMALL", 1000)
    turns, film = app.extensions["upload_turns"], b"x" * 5000
    taken = [turns[False].acquire(blocking=False) for _ in range(2)]
    try:
        answer = visit().post("/verify", {"file": (io.BytesIO(film), "a.mp4")})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert last_entry().why == ("busy",)
        known = visit("researcher").post("/verify", {"file": (io.BytesIO(film), "a.mp4")})
        assert known.status_code != 503
    finally:
        for _ in taken:
            turns[False].release()
    assert taken == [True, True]
    for _ in range(5):  # each turn comes back, whatever became of the request
        assert visit().client.post(
            "/verify", data={"file": (io.BytesIO(film), "a.mp4")}
        ).status_code == 400  # fmt: skip


def test_an_upload_in_clear_never_comes_to_the_disk(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk(*_: Any, **__: Any) -> Any:
        raise AssertionError("an upload went to the disk in clear")

    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(f"tempfile.{name}", disk)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", disk)
    with app.test_request_context(
        "/verify", method="POST", data={"file": (io.BytesIO(b"x" * 2_000_000), "face.png")}
    ):
        assert len(request.files["file"].stream.read()) == 2_000_000
        request.environ["wsgi.input"].close()  # the test client's own file


def test_a_query_string_is_not_logged(app: Flask, last_entry: Callable[[], Any]) -> None:
    app.test_client().get("/nowhere?password=hunter2")
    assert facts(last_entry())["path"] == "/nowhere"


def test_links_and_receipts_never_reach_the_log(
    world: Any, town: Any, visit: Callable[..., Any], last_entry: Callable[[], Any]
) -> None:
    _, link = world.invite(town.project)
    stranger, said = visit(), []
    for path in (f"/c/{link}", f"/c/{link}/photos/{'0' * 64}", f"/c/{link}/nowhere",
                 f"/x/c/{link}", f"/./c/{link}", f"/X/C/{link}",
                 f"/me/{town.receipt}", f"/me/{town.receipt}/receipt.json",
                 f"/me/{town.receipt}/x/y/z", f"/c/{link}x"):  # fmt: skip
        stranger.get(path)
        said.append(str(facts(last_entry())["path"]))
    stranger.get("/alice.miller@example.org")
    assert facts(last_entry())["path"] == "/…"
    stranger.post(f"/c/{link}/photos", {})
    said.append(str(facts(last_entry())["path"]))
    text = " ".join(said)
    assert link[:12] not in text and town.receipt[:12] not in text
    assert "/c/<link>" in text and "/me/<receipt>" in text


def test_a_path_cannot_smuggle_lines_into_the_log(
    app: Flask, last_entry: Callable[[], Any]
) -> None:
    app.test_client().get("/a%0aGET%20/b%00" + "c" * 500)
    path = str(facts(last_entry())["path"])
    assert path.isprintable() and len(path) <= 200


def test_a_crash_is_logged_and_tells_nothing(
    town: Any, visit: Callable[..., Any], last_entry: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    browser = visit("researcher")

    def crash(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr(Requests, "show", crash)
    answer = browser.get(f"/requests/{town.released}")
    assert answer.status_code == 500
    assert "secret of the house" not in answer.text and "Traceback" not in answer.text
    assert facts(last_entry())["status"] == 500


def test_a_page_of_failure_that_fails_too_is_logged(
    visit: Callable[..., Any], last_entry: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page shows the log's state; when asking for it breaks, so does the page of the 500."""
    browser = visit("researcher")

    def crash(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr(Logbook, "checkpoint", crash)
    answer = browser.get("/")
    assert answer.status_code == 500 and "secret of the house" not in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert facts(last_entry())["status"] == 500


def test_when_the_log_cannot_be_written_nothing_is_answered(
    town: Any, visit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    researcher, stranger = visit("researcher"), visit()

    def full(*_: Any, **__: Any) -> None:
        raise UnavailableError("no space left")

    monkeypatch.setattr(Services, "note_http", full)
    for browser, path in ((stranger, "/"), (stranger, "/verify"), (stranger, "/nowhere"),
                          (researcher, f"/requests/{town.released}"),
                          (researcher, f"/requests/{town.released}/video"),
                          (researcher, "/static/console.js"), (stranger, "/healthz"),
                          (stranger, "/api/v1/openapi.json"),
                          (stranger, f"/me/{town.receipt}")):  # fmt: skip
        answer = browser.get(path)
        assert answer.status_code == 503, path
        assert answer.text.startswith("The log cannot be written, so nothing is answered.")
        assert len(answer.text) < 80
        assert "Set-Cookie" not in answer.headers


def test_a_request_that_cannot_be_logged_does_not_exist(
    town: Any, visit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from primafacie.platform.journal import Journal

    browser = visit("researcher")
    token = browser.token("/requests/new")
    before = len(town.world.services.requests.listed(town.world.account("researcher")))

    def full(*_: Any, **__: Any) -> None:
        raise UnavailableError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(Journal, "append", full)
        answer = browser.client.post("/requests/new", data={
            "csrf_token": token, "form_id": "f1", "project_id": town.project.project_id,
            "consent_id": town.consent.consent_id, "purpose": "research", "audience": "internal",
            "photo": (__import__("io").BytesIO(town.photos[0]), "p.png"),
            "voice": (__import__("io").BytesIO(b"RIFF" + b"0" * 100), "v.wav"),
        })  # fmt: skip
    assert answer.status_code == 503
    after = len(town.world.services.requests.listed(town.world.account("researcher")))
    assert before == after


@pytest.mark.parametrize(
    ("proxies", "caller"), [(0, "192.0.2.1"), (1, "203.0.113.9"), (2, "198.51.100.7")]
)
def test_a_caller_is_whom_the_trusted_proxies_name_and_nobody_else(
    world: Any, last_entry: Callable[..., Any], proxies: int, caller: str
) -> None:
    """The header is the caller's own writing, but for what our proxies put at its end."""
    services = world.services
    behind = replace(services, settings=services.settings.model_copy(update={"proxies": proxies}))
    client = create_app(behind).test_client()
    client.get(
        "/nowhere", environ_base={"REMOTE_ADDR": "192.0.2.1"},
        headers={"X-Forwarded-For": "10.0.0.1, 198.51.100.7, 203.0.113.9"},
    )  # fmt: skip
    assert last_entry().fact("source") == services.journal.source(caller)
