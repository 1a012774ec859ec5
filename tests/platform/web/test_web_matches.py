"""The screens of strict consents, of estates, and of a never-me entry that is to be renewed."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit.entry import Kind, LogEntry, Outcome


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found[1].replace("&#34;", '"').replace("&#39;", "'")


@pytest.fixture
def asked(world: Any, town: Any) -> str:
    """A request that waits for a reviewer to compare the faces."""
    s = world.services
    for _ in iter(lambda: s.queue.claim("w", "cpu"), None):
        pass  # whatever else waits is held by another worker now
    view = s.requests.submit(
        world.account("researcher"),
        _order()(town.project, town.consent, town.photos[0]),
    )
    request = s.queue.claim("w", "cpu")
    assert request.rid == view.rid
    entry = LogEntry(Kind.MATCH_ASKED, view.rid, datetime.now(UTC), out=Outcome.INFO,
                     why=("match_confirmed",))  # fmt: skip
    s.queue.ask_to_confirm(request, town.consent.epoch, entry)
    return str(view.rid)


def _order() -> Any:
    import sys

    return sys.modules["console_world"].order


def signed_in(world: Any, visit: Callable[..., Any], role: str) -> Any:
    browser = visit()
    browser.sign_in(world.email(role))
    return browser


def test_a_reviewer_sees_photos_and_nothing_else(
    world: Any, town: Any, visit: Callable[..., Any], asked: str
) -> None:
    browser = signed_in(world, visit, "reviewer")
    assert f"/approvals/faces/{asked}" in browser.get("/approvals").text
    page = browser.get(f"/approvals/faces/{asked}").text
    main = page[page.index("<main") : page.index("</main")]
    for private in (town.consent.display_name, "Robin", "research", town.project.title,
                    town.consent.consent_id):  # fmt: skip
        assert private not in main
    shown = re.findall(rf'src="(/approvals/faces/{asked}/[^"]+)"', page)
    assert len(shown) == len(town.photos)
    for address in shown:
        answer = browser.get(address)
        assert answer.content_type == "image/png" and "sandbox" in str(answer.headers)


@pytest.mark.parametrize("said", ["same", "no"])
def test_the_answer_is_taken_once_and_the_gate_goes_on(
    world: Any, visit: Callable[..., Any], asked: str, said: str
) -> None:
    browser = signed_in(world, visit, "reviewer")
    assert browser.post(f"/approvals/faces/{asked}", {"answer": "maybe"}).status_code == 400
    assert browser.post(f"/approvals/faces/{asked}", {"answer": said}).status_code == 302
    assert browser.post(f"/approvals/faces/{asked}", {"answer": said}).status_code == 404
    view = world.services.requests.show(world.account("researcher"), asked)
    assert view.state == "queued" and "match.answered" in {kind for _, kind, _ in view.entries}


@pytest.mark.parametrize("role", ["researcher", "steward", "auditor", "admin"])
def test_nobody_else_comes_near_it(
    world: Any, visit: Callable[..., Any], asked: str, role: str
) -> None:
    browser = signed_in(world, visit, role)
    assert browser.get(f"/approvals/faces/{asked}").status_code in (403, 404)
    assert browser.get(f"/approvals/faces/{asked}/photo").status_code in (403, 404)
    assert browser.post(f"/approvals/faces/{asked}", {"answer": "same"}).status_code in (403, 404)


def test_the_requester_and_the_person_are_told_that_it_waits(
    world: Any, town: Any, visit: Callable[..., Any], asked: str
) -> None:
    page = signed_in(world, visit, "researcher").get(f"/requests/{asked}").text
    assert "A reviewer compares the photo" in page
    assert "a reviewer compares the faces first" in visit().get(f"/me/{town.receipt}").text


def test_an_estate_fills_its_form_and_signs_with_its_own_key(
    world: Any, town: Any, visit: Callable[..., Any], png: Callable[[int], bytes]
) -> None:
    consent_id, link = world.invite(
        town.project, "Ada Drawn", kind="deceased", voice_source="synthetic", label=""
    )
    browser, key = visit(), Ed25519PrivateKey.generate()
    browser.post(f"/c/{link}/photos", {"photo": (io.BytesIO(png(3)), "a.png")})
    page = browser.get(f"/c/{link}").text
    assert "May the face of Ada Drawn speak?" in page and "Who you are" in page
    assert "checked" not in page and "Deutsch" in page
    form = {
        "read": "1", "purposes": ["research"], "adult": "adult", "days": "90",
        "audience": "internal", "notice_sha256": hidden(page, "notice_sha256"),
        "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        "representative": "Bea Drawn", "relation": "child", "died": "2011", "honest": "1",
        "right": "I am the only heir, as the certificate of the court says.",
    }  # fmt: skip
    refused = browser.post(f"/c/{link}/prepare", form)
    assert refused.status_code == 400 and "shows that the person has died" in refused.text
    assert "Bea Drawn" in refused.text, "what was typed is not lost"
    for kind in ("death-record", "estate-proof"):
        browser.post(f"/c/{link}/documents/{kind}",
                     {"document": (io.BytesIO(b"%PDF-1.7 x"), "d.pdf")})  # fmt: skip
    assert browser.post(f"/c/{link}/documents/photo",
                        {"document": (io.BytesIO(b"x"), "d.pdf")}).status_code == 400  # fmt: skip
    summary = browser.post(f"/c/{link}/prepare", form)
    assert "for an estate, as child" in summary.text
    assert "two reviewers look at what the estate shows" in summary.text
    signature = key.sign(base64.b64decode(hidden(summary.text, "tbs")))
    done = browser.post(f"/c/{link}/confirm",
                        {"signature": base64.b64encode(signature).decode()})  # fmt: skip
    assert done.status_code == 200
    view = world.services.consents.show(world.account("reviewer"), consent_id)
    assert view.state == "captured" and view.kind == "deceased"


def test_the_notice_is_read_in_another_language_and_kept_when_something_is_missing(
    world: Any, town: Any, visit: Callable[..., Any]
) -> None:
    _, link = world.invite(town.project)
    browser = visit()
    page = browser.get(f"/c/{link}?notice=de").text
    assert "Ihre Rechte." in page and 'lang="de"' in page
    again = browser.post(
        f"/c/{link}/prepare", {"notice_language": "de", "read": "1", "purposes": ["research"]}
    )
    assert again.status_code == 400 and "Ihre Rechte." in again.text
    assert "Your rights." in browser.get(f"/c/{link}?notice=xx").text


def test_new_photos_are_asked_for_where_the_face_model_changed(
    world: Any, visit: Callable[..., Any], png: Callable[[int], bytes]
) -> None:
    s, reviewer = world.services, world.account("reviewer")
    reference = s.opt_outs.ask("Nina Never", "nina@example.net", [png(1)], True)
    (one,) = [o for o in s.opt_outs.listed(reviewer) if o.name == "Nina Never"]
    s.opt_outs.decide(reviewer, one.opt_out_id, True)
    world.work()
    browser = visit()
    assert "Please add new photos" not in browser.get(f"/never-me/{reference}").text
    s.opt_outs.ask_to_renew("another@" + "1" * 64)
    assert "Please add new photos" in browser.get(f"/never-me/{reference}").text
    outside = signed_in(world, visit, "reviewer").get("/appeals").text
    assert "Made by a former face model" in outside and "Nina Never" in outside
    sent = browser.post(f"/never-me/{reference}/renew",
                        {"photos": (io.BytesIO(png(2)), "n.png"), "honest": "1"})  # fmt: skip
    assert sent.status_code == 302
    assert s.opt_outs.status(reference).state == "received"


def test_the_checklist_says_that_a_reviewer_is_asked_later(
    world: Any, town: Any, visit: Callable[..., Any]
) -> None:
    from primafacie.generator.controls import Controls
    from primafacie.platform.web.checklist import Draft, check

    view, _, _ = world.consent(town.project, name="Sara Strict", strict=True)
    draft = Draft(project_id=town.project.project_id, consent_id=view.consent_id,
                  purpose="research", audience="internal", controls=Controls())  # fmt: skip
    checks = check(world.services, world.account("researcher"), draft)
    found = {one.rule: one.state for one in checks}
    assert found["match_confirmed"] == "later" and found["strict_distance"] == "later"
