"""The subject's page, the public forms, and the reviewers' answer to them, in a browser's terms."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

GOOD: dict[str, str] = {
    "name": "Grace Seen", "contact": "grace@example.net", "signature": "Grace Seen",
    "statement": "It shows me, and I never agreed.", "in_good_faith": "1", "sha256": "0" * 64,
}  # fmt: skip


@pytest.fixture
def mine(world: Any, town: Any) -> tuple[str, str, Ed25519PrivateKey]:
    """(consent id, token, key) of a person with a consent in force."""
    key = Ed25519PrivateKey.generate()
    view, token, _ = world.consent(town.project, key, name="Ida Own")
    return view.consent_id, token, key


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found[1]


def wanted(**more: Any) -> dict[str, Any]:
    return {"purposes": ["research"], "audience": "internal", "max_seconds": "5",
            "max_outputs": "100", "max_per_day": "10"} | more  # fmt: skip


def test_a_change_is_shown_and_signed(world: Any, visit: Callable[..., Any], mine: Any) -> None:
    """By the browser alone: the house takes no key, and its field has no name to be sent under."""
    consent_id, token, key = mine
    browser, before = visit(), world.services.likenesses.find(consent_id).record
    form = wanted(photos=list(before.photos))
    summary = browser.post(f"/me/{token}/change", form)
    assert summary.status_code == 200 and "You allow less than before" in summary.text
    tbs = hidden(summary.text, "tbs")
    assert 'name="key"' not in summary.text
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    sent = {"tbs": tbs, "key": (io.BytesIO(pem), "primafacie-key.pem")}
    assert browser.post(f"/me/{token}/change/sign", sent).status_code == 400
    assert world.services.likenesses.find(consent_id).record.version == before.version
    given = {"tbs": tbs, "signature": base64.b64encode(key.sign(base64.b64decode(tbs))).decode()}
    assert browser.post(f"/me/{token}/change/sign", given).status_code == 302
    after = world.services.likenesses.find(consent_id).record
    assert (after.version, after.max_seconds) == (before.version + 1, 5)


def test_a_reviewer_takes_back_that_two_are_one_person(
    world: Any, visit: Callable[..., Any], town: Any, mine: Any
) -> None:
    consent_id, s, reviewer = mine[0], world.services, world.account("reviewer")
    other, _ = world.invite(town.project, "Ida Twin")
    ours, theirs = (s.consents.show(reviewer, c).subject_id for c in (consent_id, other))
    with s.database.write() as tx:
        s.likenesses.link(tx, ours, theirs, reviewer.user_id)
    browser = visit("reviewer")
    page = browser.get(f"/consents/{consent_id}").text
    assert "comes from the same person" in page and "Take that back" in page
    sent = browser.post(f"/approvals/not-same-person/{consent_id}", {"other": other})
    assert sent.status_code in (200, 302)
    assert s.likenesses.same_person(ours) == frozenset()
    assert "Take that back" not in browser.get(f"/consents/{consent_id}").text


def test_a_change_that_changes_nothing_is_no_version(
    world: Any, visit: Callable[..., Any], mine: Any
) -> None:
    consent_id, token, _ = mine
    photos = list(world.services.likenesses.find(consent_id).record.photos)
    answer = visit().post(f"/me/{token}/change", wanted(photos=photos, max_seconds="10"))
    assert answer.status_code == 400 and "nothing is different" in answer.text


def test_a_withdrawal_takes_two_clicks_and_no_account(
    world: Any, visit: Callable[..., Any], mine: Any
) -> None:
    consent_id, token, _ = mine
    browser = visit()
    assert "Yes, withdraw now" in browser.get(f"/me/{token}").text  # open it, press it
    assert browser.post(f"/me/{token}/withdraw").status_code == 302
    assert world.services.likenesses.find(consent_id).state == "withdrawn"


def test_the_page_offers_what_its_owner_can_do(visit: Callable[..., Any], town: Any) -> None:
    page = visit().get(f"/me/{town.receipt}").text
    for words in ("Pause", "Receipt", "All my data", "Change what you allow", "Complain or ask",
                  "Withdraw my consent", "Forget my face", "Erase everything",
                  "Proof from the log"):  # fmt: skip
        assert words in page, words


def test_everything_can_be_taken_away(visit: Callable[..., Any], town: Any) -> None:
    answer = visit().get(f"/me/{town.receipt}/everything.zip")
    assert answer.status_code == 200 and answer.data[:2] == b"PK"
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_complaint_reaches_the_reviewers_and_comes_back(
    world: Any, visit: Callable[..., Any], mine: Any
) -> None:
    _, token, _ = mine
    visit().post(f"/me/{token}/complain", {"text": "Who is <b>Robin</b>?"})
    reviewer = visit("reviewer")
    page = reviewer.get("/appeals").text
    assert "Who is &lt;b&gt;Robin&lt;/b&gt;?" in page
    (complaint,) = re.findall(r"/appeals/complaints/([0-9a-f]{32})", page)
    reviewer.post(f"/appeals/complaints/{complaint}", {"text": "A researcher."})
    assert "A researcher." in visit().get(f"/me/{token}").text


def test_a_photo_is_asked_for_and_waits_for_the_person(
    visit: Callable[..., Any], mine: Any, png: Callable[[int], bytes]
) -> None:
    consent_id, token, _ = mine
    photo = {"photo": (io.BytesIO(png(55)), "new.png")}
    assert visit("steward").post(f"/consents/{consent_id}/photos", photo).status_code == 302
    assert "1 photo waiting for your decision" in visit().get(f"/me/{token}").text


def test_an_inner_address_for_notices_is_refused(visit: Callable[..., Any], mine: Any) -> None:
    answer = visit().post(f"/me/{mine[1]}/tell", {"url": "https://localhost/x"})
    assert answer.status_code == 400 and "known outside" in answer.text


@pytest.mark.parametrize("path", ["/me/", "/takedown/", "/never-me/"])
def test_a_token_never_reaches_the_log(
    visit: Callable[..., Any], last_entry: Callable[..., Any], path: str
) -> None:
    token = "t" * 43
    assert visit().get(path + token).status_code == 410
    assert token not in str(last_entry().facts)


def test_a_stranger_asks_for_a_takedown_and_a_reviewer_decides(
    world: Any, visit: Callable[..., Any], town: Any
) -> None:
    me = world.account("researcher")
    digest = world.services.requests.show(me, town.released).asset.file_sha256
    answer = visit().post("/takedown", GOOD | {"sha256": digest})
    assert answer.status_code == 200 and "The video is locked away" in answer.text
    assert not world.services.requests.show(me, town.released).asset.available  # at once
    (reference,) = set(re.findall(r"/takedown/([A-Za-z0-9_-]{43})", answer.text))
    assert "Waiting for a decision" in visit().get(f"/takedown/{reference}").text
    reviewer = visit("reviewer")
    (asked,) = re.findall(r"/appeals/takedowns/([0-9a-f]{32})", reviewer.get("/appeals").text)
    reviewer.post(f"/appeals/takedowns/{asked}", {"decision": "decline", "note": "not her"})
    assert world.services.requests.show(me, town.released).asset.available
    assert "declined" in visit().get(f"/takedown/{reference}").text


@pytest.mark.parametrize("missing", ["name", "contact", "signature", "statement", "in_good_faith"])
def test_an_incomplete_takedown_is_sent_back_with_what_was_written(
    visit: Callable[..., Any], missing: str
) -> None:
    answer = visit().post("/takedown", {k: v for k, v in GOOD.items() if k != missing})
    assert answer.status_code == 400 and "That did not work" in answer.text
    assert (GOOD["name"] in answer.text) is (missing != "name")


def test_somebody_asks_never_to_be_shown(
    world: Any, visit: Callable[..., Any], png: Callable[[int], bytes]
) -> None:
    form = {"name": "Nina", "contact": "nina@example.net", "honest": "1",
            "photos": [(io.BytesIO(png(n)), f"{n}.png") for n in (91, 92)]}  # fmt: skip
    answer = visit().post("/never-me", form)
    (reference,) = set(re.findall(r"/never-me/([A-Za-z0-9_-]{43})", answer.text))
    reviewer = visit("reviewer")
    page = reviewer.get("/appeals").text
    photo = re.search(r"/appeals/never-me/[0-9a-f]{32}/photos/[0-9a-f]{64}", page)
    assert photo and reviewer.get(photo[0]).content_type == "image/png"
    reviewer.post(photo[0].partition("/photos/")[0], {"decision": "list"})
    world.work()
    assert "On the list" in visit().get(f"/never-me/{reference}").text
    visit().post(f"/never-me/{reference}/leave")
    assert visit().get(f"/never-me/{reference}").status_code == 410


def test_how_long_things_are_kept_is_public(visit: Callable[..., Any]) -> None:
    page = visit().get("/retention").text
    assert "biometric templates" in page and "within 48 hours" in page


def test_what_waits_from_outside_is_for_reviewers(visit: Callable[..., Any]) -> None:
    assert visit("researcher").get("/appeals").status_code == 403
    assert visit().get("/appeals").status_code == 302
