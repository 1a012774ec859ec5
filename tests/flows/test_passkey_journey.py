"""Passkeys in a real browser: an invitation redeemed, a sign-in, a second key, and what is refused.

Chromium's own virtual authenticator answers, under the strict Content-Security-Policy of the
console. Without chromium the journey is skipped, loudly.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

HERE = Path(__file__).parent


def _load(folder: Path, name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


journey = _load(HERE, "test_console_journey")
world_of = _load(HERE.parent / "platform" / "web", "console_world")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not journey.CHROMIUM.exists(),
        reason="NO CHROMIUM at /usr/bin/chromium: the passkey journey was NOT run",
    ),
]


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=str(journey.CHROMIUM), args=list(journey.FLAGS)
        )
        yield chromium
        chromium.close()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Any]:
    """The console at localhost, where passkeys may be. Its address is known before it is made."""
    import socket

    from werkzeug.serving import make_server

    from primafacie.platform.web.app import create_app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    world = world_of.make_world(tmp_path / "data", public_url=url)
    import threading

    with world.services:
        server = make_server("127.0.0.1", port, create_app(world.services), threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield world, url
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def device(browser: Any, complaints: list[str], **options: Any) -> tuple[Any, Any, str]:
    """(page, its devtools, authenticator id): a person at a computer with a key of its own."""
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("dialog", lambda d: d.accept())
    page.set_default_timeout(20_000)
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    made = tools.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
                     "hasUserVerification": True, "isUserVerified": True,
                     "automaticPresenceSimulation": True} | options},
    )  # fmt: skip
    return page, tools, made["authenticatorId"]


def kinds(world: Any) -> list[tuple[str, tuple[str, ...]]]:
    with world.services.database.read() as tx:
        log = world.services.log
        leaves = [log.leaf(tx, n) for n in range(log.size(tx))]
    return [(leaf.kind.value, leaf.why) for leaf in leaves]


def test_from_the_invitation_to_the_second_key(console: Any, browser: Any) -> None:
    world, url = console
    complaints: list[str] = []
    invited = world.services.invitations.invite(
        world.account("admin"), email="nina@example.org", name="Nina New", roles=["auditor"]
    )
    path = urlsplit(invited.link).path
    page, tools, key = device(browser, complaints)

    # She makes a passkey and is in.
    page.goto(url + path)
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_role("heading", name="Good day, Nina New").wait_for()
    (held,) = tools.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]
    assert held["rpId"] == "localhost" and held["isResidentCredential"]

    # The link is spent.
    page.get_by_role("button", name="Sign out").click()
    assert page.goto(url + path).status == 410

    # She signs in with it, without naming herself.
    page.goto(url + "/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Good day, Nina New").wait_for()
    account = world.services.accounts.by_email("nina@example.org")
    (mine,) = world.services.passkeys.listed(account)
    assert mine.last_used_at is not None
    assert ("user.signed_in", ("passkey",)) in kinds(world)

    # A second key on another device; the first cannot be taken twice.
    page.goto(url + "/account")
    page.get_by_label("Name of the passkey").fill("the same again")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("This device already holds a passkey").wait_for()
    tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": key})
    tools.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": {"protocol": "ctap2", "transport": "usb", "hasResidentKey": True,
                     "hasUserVerification": True, "isUserVerified": True}},
    )  # fmt: skip
    page.get_by_label("Name of the passkey").fill("my security key")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("Passkey added").wait_for()
    assert len(world.services.passkeys.listed(account)) == 2
    page.get_by_role("button", name="Remove First passkey").click()
    page.get_by_text("Passkey removed").wait_for()
    assert [k.name for k in world.services.passkeys.listed(account)] == ["my security key"]
    assert [c for c in complaints if "410" not in c] == []


def test_a_device_that_asks_nobody_is_refused(console: Any, browser: Any) -> None:
    """User verification fails: the browser gives no answer, and nothing is kept."""
    world, url = console
    invited = world.services.invitations.invite(
        world.account("admin"), email="nina@example.org", name="Nina New", roles=["auditor"]
    )
    page, _, _ = device(browser, [], isUserVerified=False)
    page.goto(url + urlsplit(invited.link).path)
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_text("Nothing was chosen, or it took too long").wait_for()
    assert not world.services.accounts.get(invited.account.user_id).joined


def test_another_address_of_the_same_console_gets_nothing(console: Any, browser: Any) -> None:
    """At 127.0.0.1 the name is not localhost: the browser itself refuses."""
    world, url = console
    page, _, _ = device(browser, [])
    page.goto(url.replace("localhost", "127.0.0.1") + "/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("Passkeys work only under this console's public address").wait_for()
    assert not [why for kind, why in kinds(world) if kind == "user.signed_in"]


def test_an_answer_taken_from_the_wire_opens_nothing_twice(console: Any, browser: Any) -> None:
    world, url = console
    complaints: list[str] = []
    invited = world.services.invitations.invite(
        world.account("admin"), email="nina@example.org", name="Nina New", roles=["auditor"]
    )
    page, _, _ = device(browser, complaints)
    page.goto(url + urlsplit(invited.link).path)
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_role("heading", name="Good day, Nina New").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.goto(url + "/sign-in")
    with page.expect_request(lambda r: r.url.endswith("/sign-in/passkey")) as sent:
        page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Good day, Nina New").wait_for()

    thief = browser.new_context().new_page()
    thief.goto(url + "/sign-in")
    token = thief.locator("input[name=csrf_token]").first.input_value()
    thief.request.post(url + "/sign-in/passkey/options", headers={"X-CSRFToken": token})
    answer = dict(part.split("=", 1) for part in sent.value.post_data.split("&"))["answer"]
    from urllib.parse import unquote_plus

    reply = thief.request.post(
        url + "/sign-in/passkey", form={"csrf_token": token, "answer": unquote_plus(answer)}
    )
    assert reply.status == 401
    assert ("user.sign_in_failed", ("passkey", "challenge")) in kinds(world)
    assert complaints == []
