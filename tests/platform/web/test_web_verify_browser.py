"""The verify page in a real browser: the file is checked there, and leaves only when it is told to.

Debian's chromium under the page's own strict policy. Every request the page makes is recorded; the
file's bytes may be in none of them before the second button. Without chromium nothing of this is
shown, loudly.
"""

from __future__ import annotations

import functools
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import pytest
from werkzeug.serving import make_server

from primafacie.platform.verdict_statement import read_key, read_verdict

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
AXE_RULES = "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa']"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM.exists(),
        reason="NO CHROMIUM at /usr/bin/chromium: checking in the browser was NOT tested",
    ),
]


def remuxed(data: bytes) -> bytes:
    """The same streams in a container of their own, without the credential."""
    target = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(target, "w", format="mp4") as sink:
        streams = {s.index: sink.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                sink.mux(packet)
    return target.getvalue()


def unmarked(make_scene: Any, make_voice: Any) -> bytes:
    """A film that has nothing to do with us."""
    from primafacie.safeguards.provenance.media import FilmWriter, implicit_label

    writer = FilmWriter(320, 320, 25.0, make_voice(5), implicit_label("Someone", "x"))
    for frame in make_scene(5, 20):
        writer.add(frame)
    return writer.finish()


@dataclass
class Desk:
    """A running console that examines with the newsroom's keys and register."""

    url: str
    files: dict[str, bytes]
    registry: Any
    examiner: Any
    complaints: list[str] = field(default_factory=list)
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)

    def page(self, browser: Any, *, phone: bool = False, axe: bool = False) -> Any:
        """A fresh visitor on the page; what it sends and complains of is kept."""
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 860}
        page = browser.new_context(viewport=size, has_touch=phone, bypass_csp=axe).new_page()
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))
        page.on("request", self._note)
        page.set_default_timeout(30_000)
        page.goto(self.url + "/verify")
        return page

    def _note(self, request: Any) -> None:
        body = request.post_data_buffer if request.method != "GET" else None
        self.sent.append((request.method, request.url, body or b""))

    def choose(self, page: Any, name: str) -> str:
        """Choose a file and wait for the browser's own answer: its state."""
        page.locator("#here").evaluate("h => h.replaceChildren()")
        page.get_by_label("File to check").set_input_files(
            {"name": f"{name}.mp4", "mimeType": "video/mp4", "buffer": self.files[name]}
        )
        answer = page.locator("#browser-answer")
        answer.wait_for()
        return str(answer.get_attribute("data-state"))

    def ask(self, page: Any) -> str:
        """Press the second button and wait for the server's answer: its level."""
        page.get_by_role("button", name="Send the file to our server").click()
        answer = page.locator("#server-answer")
        answer.wait_for()
        return str(answer.get_attribute("data-level"))


@pytest.fixture
def desk(
    world: Any, newsroom: Any, make_scene: Any, make_voice: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    from primafacie.platform.web.app import create_app
    from primafacie.safeguards.provenance import examine as module

    bound = functools.partial(module.examine)
    log_vkeys = newsroom.log.vkeys
    monkeypatch.setattr(
        module, "examine", lambda data, **more: bound(data, **{**more, "log_vkeys": log_vkeys})
    )
    data = newsroom.data
    registry = type(newsroom.registry)(list(newsroom.registry.records))
    services = replace(
        world.services,
        assets=registry,
        examiner=replace(
            world.services.examiner,
            roots=(newsroom.pki.root_pem, newsroom.pki.time_root_pem),
            keys=(newsroom.keys,),
            assets=registry,
        ),
    )
    files = {
        "exact": data,
        "recovered": remuxed(data),
        "altered": data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
        "nothing": unmarked(make_scene, make_voice),
        "text": b"no film at all\n" * 100,
    }
    server = make_server("127.0.0.1", 0, create_app(services), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Desk(f"http://127.0.0.1:{server.server_port}", files, registry, services.examiner)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield chromium
        chromium.close()


def test_no_byte_of_the_file_is_sent_before_the_second_button(desk: Desk, browser: Any) -> None:
    page = desk.page(browser)
    assert desk.choose(page, "exact") == "Trusted"
    page.wait_for_timeout(500)
    assert {method for method, _, _ in desk.sent} == {"GET"}
    assert not any(body for _, _, body in desk.sent)
    assert all(url.startswith((desk.url, "blob:" + desk.url)) for _, url, _ in desk.sent)
    digest = json.loads(page.locator("[data-slot=raw]").text_content())["sha256"]
    assert not any(digest in url for _, url, _ in desk.sent)  # not even its name
    before = len(desk.sent)
    assert desk.ask(page) == "exact"
    posted = [(url, body) for method, url, body in desk.sent[before:] if method == "POST"]
    assert [url for url, _ in posted] == [desk.url + "/verify"]
    assert page.locator("#browser-answer").is_visible()  # both answers are shown
    assert desk.complaints == []


@pytest.mark.parametrize(
    ("name", "browser_says", "server_says"),
    [
        ("recovered", "none", "recovered"),
        ("altered", "Invalid", "altered"),
        ("nothing", "none", "no credential"),
        ("text", "unreadable", "no credential"),
    ],
)
def test_both_answers(
    desk: Desk, browser: Any, name: str, browser_says: str, server_says: str
) -> None:
    page = desk.page(browser, phone=True)
    assert desk.choose(page, name) == browser_says
    assert desk.ask(page) == server_says
    if name == "altered":  # what a broken credential claims is nowhere told as a fact
        assert page.get_by_text("Issued by").count() == 0
        assert page.get_by_text("Watch with caution").first.is_visible()
    assert desk.complaints == []


def test_withdrawn_consent_shows_with_the_next_question(desk: Desk, browser: Any) -> None:
    page = desk.page(browser)
    assert desk.choose(page, "exact") == "Trusted" and desk.ask(page) == "exact"
    desk.registry.records[0] = replace(desk.registry.records[0], consent_status="withdrawn")
    assert desk.choose(page, "exact") == "Trusted"  # a browser cannot know
    assert page.get_by_text("the person's consent now").first.count() == 1
    assert desk.ask(page) == "revoked"
    assert desk.complaints == []


def test_the_browsers_answer_never_looks_like_the_whole_answer(desk: Desk, browser: Any) -> None:
    """No green, and its first sentence says what was not asked."""
    page = desk.page(browser)
    desk.choose(page, "exact")
    mine = page.locator("#browser-answer .pf-verdict-icon").evaluate("e => e.className")
    assert "pf-ok" not in mine and "pf-wait" in mine
    assert "was not asked" in page.locator("#browser-answer h2").inner_text()
    assert "whether the person shown still agrees" in page.locator(
        "#browser-answer [data-slot=meaning]").inner_text()  # fmt: skip
    assert desk.ask(page) == "exact"
    assert "pf-ok" in page.locator("#server-answer .pf-verdict-icon").evaluate("e => e.className")


@pytest.mark.parametrize(
    ("change", "standing", "tone"),
    [
        ({}, "active", "pf-wait"),
        ({"consent_status": "withdrawn"}, "gone", "pf-bad"),
        ({"consent_status": "expired"}, "gone", "pf-bad"),
        ({"consent_status": "suspended"}, "suspended", "pf-warn"),
        ({"revoked_at": datetime(2026, 1, 1, tzinfo=UTC)}, "gone", "pf-bad"),
        ({"asset_number": 7}, "unknown", "pf-wait"),
    ],
)
def test_a_number_alone_tells_whether_a_video_still_stands(
    desk: Desk, browser: Any, change: dict[str, Any], standing: str, tone: str
) -> None:
    """Only the number that the credential names is sent, to this server and no other."""
    desk.registry.records[0] = replace(desk.registry.records[0], **change)
    page = desk.page(browser, phone=True)
    desk.choose(page, "exact")
    before = len(desk.sent)
    page.get_by_role("button", name="Ask whether it still stands").click()
    answer = page.locator(f"#browser-answer[data-standing={standing}]")
    answer.wait_for()
    assert tone in answer.locator(".pf-verdict-icon").evaluate("e => e.className")
    number = "0123456789abcd"
    assert desk.sent[before:] == [("GET", f"{desk.url}/api/v1/assets/{number}/consent", b"")]
    assert [c for c in desk.complaints if "404" not in c] == []


def test_the_signed_answer_is_saved_and_holds(desk: Desk, browser: Any) -> None:
    page = desk.page(browser)
    desk.choose(page, "exact")
    desk.ask(page)
    page.locator("#server-answer summary", has_text="for specialists").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the signed answer").click()
    trust = page.evaluate("fetch('/verify/trust.json').then(a => a.json())")
    envelope = Path(saved.value.path()).read_bytes()
    said = read_verdict(envelope, read_key(trust["verdictKey"]))
    assert said.level == "EXACT" and said.detector.url.endswith("/verify")
    assert desk.complaints == []


def test_feedback_is_thanked_for(desk: Desk, browser: Any) -> None:
    page = desk.page(browser, phone=True)
    desk.choose(page, "nothing")
    desk.ask(page)
    page.get_by_text("Is this answer right?").click()
    page.get_by_label("hard to understand").check()
    page.get_by_label("In your words").fill("What is a credential?")
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("Somebody will read it.").wait_for()
    assert desk.complaints == []


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_the_answers_break_no_accessibility_rule(desk: Desk, browser: Any, phone: bool) -> None:
    broken: dict[str, Callable[..., Any]] = {}
    page = desk.page(browser, phone=phone, axe=True)
    for name in ("exact", "altered"):
        desk.choose(page, name)
        desk.ask(page)
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate(
            f"axe.run(document, {{runOnly: {AXE_RULES}}}).then(r => r.violations.map("
            "v => v.id + ': ' + v.nodes[0].html))"
        )
        wide = page.evaluate("document.documentElement.scrollWidth")
        if found or wide > (390 if phone else 1280):
            broken[name] = [*found, f"width {wide}"]
    assert not broken
