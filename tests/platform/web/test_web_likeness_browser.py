"""The person's own key in a real browser: it signs there, and no byte of it is ever sent."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from werkzeug.serving import make_server

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
OLD = "Object.defineProperty(window, 'crypto', {value: {}});"  # a browser that cannot sign

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM.exists(),
        reason="NO CHROMIUM at /usr/bin/chromium: signing in the browser was NOT tested",
    ),
]


@pytest.fixture
def address(world: Any) -> Iterator[str]:
    from primafacie.platform.web.app import create_app

    server = make_server("127.0.0.1", 0, create_app(world.services), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def visitor() -> Iterator[tuple[Any, list[bytes], list[str]]]:
    """(page, bodies it sent, what its script complained of)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        page = chromium.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(20_000)
        sent: list[bytes] = []
        complaints: list[str] = []
        page.on("request", lambda r: sent.append(r.post_data_buffer or b""))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, sent, complaints
        chromium.close()


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("case", ["their key", "another key", "no key at all", "an old browser"])
def test_a_change_is_signed_in_the_browser_with_the_key_that_was_saved(
    world: Any, town: Any, address: str, visitor: Any, case: str
) -> None:
    page, sent, complaints = visitor
    key = Ed25519PrivateKey.generate()
    view, token, _ = world.consent(town.project, key, name="Ida Own")
    consent_id = view.consent_id

    if case == "an old browser":
        page.add_init_script(OLD)
    page.goto(f"{address}/me/{token}")
    page.get_by_text("Change it", exact=True).click()
    page.get_by_label("Longest video, seconds").fill("5")
    page.get_by_role("button", name="See the new version and sign").click()
    used = {"another key": Ed25519PrivateKey.generate()}.get(case, key)
    file = b"not a key\n" if case == "no key at all" else pem(used)
    page.get_by_label("Your key").set_input_files(
        {"name": "primafacie-key.pem", "mimeType": "application/x-pem-file", "buffer": file}
    )
    sent.clear()
    page.get_by_role("button", name="Sign the change").click()
    after = world.services.likenesses.find
    if case == "their key":
        page.get_by_text("Changed, and signed by you").wait_for()
        assert (after(consent_id).record.version, after(consent_id).record.max_seconds) == (2, 5)
    elif case == "another key":
        page.wait_for_url("**/change/sign")
        assert "signature" in page.locator("main").inner_text()
    else:
        told = "#sign-unable" if case == "an old browser" else "#sign-trouble"
        page.locator(told).wait_for()
        assert not any(sent), "nothing went out"
    if case != "their key":
        assert after(consent_id).record.version == 1
    secret = base64.b64encode(used.private_bytes_raw())[:20]
    assert not any(b"PRIVATE KEY" in body or secret in body for body in sent)
    assert complaints == []


def test_whose_browser_makes_no_key_gives_nothing(
    world: Any, town: Any, address: str, visitor: Any
) -> None:
    page, sent, complaints = visitor
    consent_id, link = world.invite(town.project, "Jonas Old")
    world.photos(link)
    page.add_init_script(OLD)
    page.goto(f"{address}/c/{link}")
    for name, value in (("purposes", "research"), ("audience", "internal"), ("adult", "adult")):
        page.locator(f"input[name={name}][value={value}]").check()
    page.locator("input[name=read]").check()
    sent.clear()
    page.get_by_role("button", name="Show me what I would agree to").click()
    page.get_by_text("nobody else may make it for you").wait_for()
    assert not any(sent) and complaints == []
    assert world.services.consents.show(world.account("steward"), consent_id).state == "draft"
