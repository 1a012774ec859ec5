"""What every answer carries, and what no page may contain."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform import web

FOLDER = Path(web.__file__).parent
VENDOR = FOLDER / "static" / "vendor"
PAGES = ("/", "/sign-in", "/verify", "/policies", "/integrity", "/nowhere", "/log", "/healthz",
         "/api/v1/openapi.json", "/static/console.css", "/c/" + "a" * 43,
         "/me/" + "a" * 43)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_strict_headers(visit: Callable[..., Any], path: str) -> None:
    answer = visit().get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy.replace("'wasm-unsafe-eval'", "")
    checker = path == "/verify"
    assert ("'wasm-unsafe-eval'" in policy, "worker-src" in policy) == (checker, checker)
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_nonce_is_used_once(visit: Callable[..., Any]) -> None:
    browser = visit()
    nonces = {re.search(r"'nonce-([^']+)'", browser.get("/").headers["Content-Security-Policy"])[1]
              for _ in range(5)}  # type: ignore[index]  # fmt: skip
    assert len(nonces) == 5 and all(len(nonce) >= 20 for nonce in nonces)


def test_personal_pages_are_never_cached_and_static_ones_are(visit: Callable[..., Any]) -> None:
    browser = visit("auditor")
    assert browser.get("/log").headers["Cache-Control"] == "no-store"
    assert "max-age=31536000" in browser.get("/static/console.css").headers["Cache-Control"]


def test_the_session_cookie_is_out_of_reach(visit: Callable[..., Any]) -> None:
    cookie = visit().get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


@pytest.mark.parametrize("page", sorted(FOLDER.rglob("*.html")), ids=lambda p: p.name)
def test_no_template_has_inline_script_style_or_handlers(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for script in re.findall(r"<script[^>]*>", text):
        assert "src=" in script and "nonce=" in script
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|\|safe(?! *}}>)", text)
    for tag in re.findall(r"<[^>]*\shx-(?:get|post|sse)[^>]*>", text):
        assert "hx-nonce=" in tag


def test_vendored_files_are_the_ones_their_list_names() -> None:
    rows = json.loads((VENDOR / "VENDOR.json").read_text())
    listed = {row["file"] for row in rows} | {row["licence_text"] for row in rows}
    assert listed | {"VENDOR.json"} == {file.name for file in VENDOR.iterdir()}
    for row in rows:
        data = (VENDOR / row["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"], row["file"]
        assert len(data) == row["bytes"]


def test_pages_load_nothing_from_elsewhere(visit: Callable[..., Any]) -> None:
    for path in ("/", "/sign-in", "/verify", "/policies", "/integrity"):
        for address in re.findall(r'(?:src|href|action)="([^"]+)"', visit().get(path).text):
            assert address.startswith(("/", "#")), address
    css = (FOLDER / "static" / "console.css").read_text()
    assert not re.search(r"url\([\"']?(?:https?:)?//", css)


def test_every_icon_used_is_in_the_sprite() -> None:
    sprite = (VENDOR / "icons.svg").read_text()
    used = set()
    for file in [*FOLDER.rglob("*.html"), *FOLDER.rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        used |= set(re.findall(r'icon\("([a-z0-9-]+)"', text))
    for name in used:
        assert f'id="{name}"' in sprite, name
    assert len(used) > 25


def test_every_stamped_state_and_tone_has_a_colour() -> None:
    from primafacie.platform.web import verdict, words

    css = (FOLDER / "static" / "console.css").read_text()
    tones = {tone for tone, _ in words.STATES.values()}
    tones |= {tone for tone, _, _ in verdict.RUNGS.values()}
    for tone in tones:
        assert f".pf-{tone}" in css, tone


def test_every_state_a_request_or_consent_can_be_in_has_words() -> None:
    from primafacie.audit.entry import Kind
    from primafacie.platform import requests
    from primafacie.platform.web import words
    from primafacie.safeguards.consent import AUDIENCES, ConsentState

    assert set(requests.STATES) <= set(words.STATES)
    assert {str(state) for state in ConsentState} <= set(words.STATES)
    assert set(AUDIENCES) == set(words.AUDIENCE_WORDS)
    assert set(words.KINDS) <= {kind.value for kind in Kind}
