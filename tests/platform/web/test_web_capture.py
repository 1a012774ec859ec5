"""The page behind the one-time link, and the page behind the receipt."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from primafacie.platform.receipts import verify_receipt


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found[1].replace("&#34;", '"').replace("&#39;", "'")


@pytest.fixture
def invited(world: Any, town: Any) -> tuple[str, str]:
    """(consent id, link) with five photos behind it."""
    consent_id, link = world.invite(town.project, "Jonas Weber")
    world.photos(link)
    return consent_id, link


def chosen(page: str, **more: Any) -> dict[str, Any]:
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return {
        "read": "1", "purposes": ["research"], "adult": "adult", "days": "90",
        "audience": "internal", "notice_sha256": hidden(page, "notice_sha256"),
        "public_key": b64(key),
    } | more  # fmt: skip


def test_nothing_is_ticked_for_the_person(visit: Callable[..., Any], invited: Any) -> None:
    page = visit().get(f"/c/{invited[1]}").text
    assert "checked" not in page
    assert "Jonas Weber" in page and "Short clips for a listening study" in page


def test_photos_can_be_added_seen_and_taken_back(
    world: Any, town: Any, visit: Callable[..., Any], png: Callable[[int], bytes]
) -> None:
    _, link = world.invite(town.project)
    browser = visit()
    browser.post(f"/c/{link}/photos", {"photo": (io.BytesIO(png(9)), "me.png")})
    (photo,) = re.findall(rf"/c/{link}/photos/([0-9a-f]{{64}})\"", browser.get(f"/c/{link}").text)
    shown = browser.get(f"/c/{link}/photos/{photo}")
    assert shown.content_type == "image/png" and shown.data == png(9)
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    browser.post(f"/c/{link}/photos/{photo}/remove")
    assert photo not in browser.get(f"/c/{link}").text


@pytest.mark.parametrize("data", [b"GIF89a" + b"0" * 50, b"<svg onload=alert(1)>", b"\x89PNG\r\n"])
def test_what_is_no_photo_is_refused_in_words(
    visit: Callable[..., Any], invited: Any, data: bytes
) -> None:
    answer = visit().post(f"/c/{invited[1]}/photos", {"photo": (io.BytesIO(data), "x.png")})
    assert answer.status_code == 400 and "PNG, JPEG or WebP" in answer.text


def test_a_person_signs_with_a_key_of_their_own(
    world: Any, visit: Callable[..., Any], invited: Any
) -> None:
    consent_id, link = invited
    browser, key = visit(), Ed25519PrivateKey.generate()
    form = chosen(browser.get(f"/c/{link}").text,
                  public_key=b64(key.public_key().public_bytes_raw()))  # fmt: skip
    summary = browser.post(f"/c/{link}/prepare", form)
    assert summary.status_code == 200 and "your own browser just made" in summary.text
    assert "PRIVATE KEY" not in summary.text
    tbs = base64.b64decode(hidden(summary.text, "tbs"))
    done = browser.post(f"/c/{link}/confirm", {"signature": b64(key.sign(tbs))})
    assert done.status_code == 200 and "Keep these two things" in done.text
    steward = world.account("steward")
    assert world.services.consents.show(steward, consent_id).state == "captured"
    assert browser.get(f"/c/{link}").status_code == 410
    (own_page,) = set(re.findall(r"http://localhost(/me/[\w-]+)", done.text))
    assert "every use of your face" in browser.get(own_page).text


def test_the_house_makes_no_key_for_anybody_and_takes_none(
    world: Any, visit: Callable[..., Any], invited: Any
) -> None:
    """Whoever made the key could have signed; so a browser that makes none signs nothing."""
    consent_id, link = invited
    browser, key = visit(), Ed25519PrivateKey.generate()
    form = chosen(browser.get(f"/c/{link}").text, public_key="")
    refused = browser.post(f"/c/{link}/prepare", form)
    assert refused.status_code == 400 and "made no key" in refused.text
    assert "PRIVATE KEY" not in refused.text and 'name="private"' not in refused.text
    form["public_key"] = b64(key.public_key().public_bytes_raw())
    tbs = hidden(browser.post(f"/c/{link}/prepare", form).text, "tbs")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert browser.post(f"/c/{link}/confirm", {"tbs": tbs, "private": pem}).status_code == 400
    assert world.services.consents.show(world.account("steward"), consent_id).state == "draft"


def test_a_signature_by_another_key_counts_for_nothing(
    world: Any, visit: Callable[..., Any], invited: Any
) -> None:
    consent_id, link = invited
    browser, key, other = visit(), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    form = chosen(browser.get(f"/c/{link}").text,
                  public_key=b64(key.public_key().public_bytes_raw()))  # fmt: skip
    tbs = base64.b64decode(hidden(browser.post(f"/c/{link}/prepare", form).text, "tbs"))
    answer = browser.post(f"/c/{link}/confirm", {"signature": b64(other.sign(tbs))})
    assert answer.status_code == 409
    assert world.services.consents.show(world.account("steward"), consent_id).state == "draft"


@pytest.mark.parametrize(
    ("change", "told"),
    [({"read": "0"}, "read the notice"), ({"purposes": []}, "tick at least one"),
     ({"purposes": ["dubbing"]}, "only offered purposes"), ({"audience": "public"}, "audience"),
     ({"days": "9999"}, "days"), ({"days": "soon"}, "whole number"),
     ({"notice_sha256": "0" * 64}, "notice"), ({"public_key": "nonsense!"}, "unreadable")],
)  # fmt: skip
def test_a_choice_that_cannot_be_is_told_and_keeps_the_rest(
    visit: Callable[..., Any], invited: Any, change: dict[str, Any], told: str
) -> None:
    link, browser = invited[1], visit()
    form = chosen(browser.get(f"/c/{link}").text) | change
    answer = browser.post(f"/c/{link}/prepare", form)
    assert answer.status_code == 400
    assert told in answer.text.lower() or told in answer.text
    if change.get("purposes") != []:
        assert "checked" in answer.text


def test_somebody_under_age_is_turned_away_and_forgotten(
    visit: Callable[..., Any], invited: Any
) -> None:
    link, browser = invited[1], visit()
    form = chosen(browser.get(f"/c/{link}").text, adult="minor")
    answer = browser.post(f"/c/{link}/prepare", form)
    assert "Only adults" in answer.text
    assert browser.get(f"/c/{link}").status_code == 410


def test_saying_no_ends_the_link(world: Any, visit: Callable[..., Any], invited: Any) -> None:
    consent_id, link = invited
    browser = visit()
    assert "You said no" in browser.post(f"/c/{link}/decline").text
    assert browser.get(f"/c/{link}").status_code == 410
    assert world.services.consents.show(world.account("steward"), consent_id).state == "withdrawn"


@pytest.mark.parametrize("path", ["/c/{}", "/me/{}", "/me/{}/receipt.json", "/c/{}/photos/{}"])
def test_a_guessed_link_opens_nothing(visit: Callable[..., Any], path: str) -> None:
    answer = visit().get(path.format("A" * 43, "0" * 64))
    assert answer.status_code == 410 and "no longer works" in answer.text


def test_the_steward_sees_the_link_once(town: Any, visit: Callable[..., Any]) -> None:
    browser = visit("steward")
    answer = browser.post("/consents/new", {
        "display_name": "Ana Lund", "contact": "", "kind": "self-declared",
        "projects": [town.project.project_id], "purposes": ["research"],
        "purpose_text": "Short clips for a listening study.", "audience": "internal", "days": "90",
        "max_seconds": "10", "photo_mode": "registered", "voice_source": "synthetic",
        "label": "AI-generated", "label_position": "top-right", "caption": "start",
    })  # fmt: skip
    (link,) = set(re.findall(r"http://localhost/c/([\w-]{20,})", answer.text))
    assert "Ana Lund, may your face speak?" in visit().get(f"/c/{link}").text
    (consent_id,) = set(re.findall(r"/consents/([0-9a-f]{32})", answer.text))
    offered = town.world.services.consents.show(town.world.account("steward"), consent_id)
    assert (offered.label_position, offered.caption) == ("top-right", "start")
    assert link not in browser.get(f"/consents/{consent_id}").text
    again = browser.post(f"/consents/{consent_id}/link")
    assert visit().get(f"/c/{link}").status_code == 410
    assert "/c/" in again.text


def test_my_likeness_shows_uses_and_refused_attempts(town: Any, visit: Callable[..., Any]) -> None:
    page = visit().get(f"/me/{town.receipt}").text
    assert "A video was made" in page and "An attempt was refused" in page
    assert "Robin Researcher" in page and "How lips help listeners" in page


def test_the_receipt_verifies_offline(town: Any, visit: Callable[..., Any]) -> None:
    answer = visit().get(f"/me/{town.receipt}/receipt.json")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    services = town.world.services
    assert json.loads(answer.data)
    check = verify_receipt(answer.data, log_vkeys=services.log.vkeys)
    assert check.record.consent_id == town.consent.consent_id


def test_pausing_stops_and_resuming_lets_go_on(
    world: Any, town: Any, visit: Callable[..., Any]
) -> None:
    view, receipt, _ = world.consent(town.project, name="Paula Stern")
    browser, steward = visit(), world.account("steward")
    browser.post(f"/me/{receipt}/pause")
    assert world.services.consents.show(steward, view.consent_id).state == "suspended"
    assert "Paused" in browser.get(f"/me/{receipt}").text
    browser.post(f"/me/{receipt}/resume")
    assert world.services.consents.show(steward, view.consent_id).state == "active"


def test_withdrawing_takes_two_clicks_and_locks_the_video_away(
    world: Any, town: Any, visit: Callable[..., Any], order: Callable[..., Any]
) -> None:
    view, receipt, photos = world.consent(town.project, name="Wanda Roth")
    me = world.account("researcher")
    rid = world.services.requests.submit(me, order(town.project, view, photos[0])).rid
    world.work()
    researcher, subject = visit("researcher"), visit()
    assert researcher.get(f"/requests/{rid}/video").status_code == 200
    assert "Withdraw my consent" in subject.get(f"/me/{receipt}").text  # the first click opens it
    subject.post(f"/me/{receipt}/withdraw")  # the second does it
    assert world.services.consents.show(world.account("steward"), view.consent_id).state == (
        "withdrawn"
    )
    assert researcher.get(f"/requests/{rid}/video").status_code == 403
    assert "locked away" in researcher.get(f"/requests/{rid}").text
    number = world.services.requests.show(me, rid).asset.name
    assert subject.get(f"/api/v1/assets/{number}/consent").json["consent"] == "withdrawn"


def test_erasing_ends_the_page_too(world: Any, town: Any, visit: Callable[..., Any]) -> None:
    _, receipt, _ = world.consent(town.project, name="Erik Sund")
    browser = visit()
    browser.post(f"/me/{receipt}/withdraw")
    assert browser.post(f"/me/{receipt}/erase").status_code == 400  # not without the tick
    assert "Erased" in browser.post(f"/me/{receipt}/erase", {"sure": "erase"}).text
    assert browser.get(f"/me/{receipt}").status_code == 410


def test_a_review_needs_another_person(
    world: Any, town: Any, visit: Callable[..., Any], invited: Any
) -> None:
    consent_id, link = invited
    world.sign(link)
    world.work()
    assert visit("steward").post(f"/consents/{consent_id}/review").status_code == 403
    reviewer = visit("reviewer")
    assert "Put in force" in reviewer.get(f"/consents/{consent_id}").text
    reviewer.post(f"/consents/{consent_id}/review", {"decision": "activate", "watched": "1"})
    assert world.services.consents.show(world.account("steward"), consent_id).state == "active"
