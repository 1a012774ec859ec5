"""Who may call what: declared on every route, or the app does not start."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask

from primafacie.platform.accounts import ROLES
from primafacie.platform.web import access
from primafacie.platform.web import app as web_app
from primafacie.platform.web.app import create_app
from primafacie.safeguards.errors import ConsentError

ID = "0" * 32


def addresses(app: Flask, kind: str, method: str) -> list[tuple[str, frozenset[str]]]:
    """(address with made-up arguments, roles) of every route of a kind."""
    found = []
    for rule in app.url_map.iter_rules():
        declared = access.of(app.view_functions[rule.endpoint])
        assert declared is not None
        if declared.kind == kind and method in (rule.methods or ()):
            path = re.sub(r"<int:\w+>", "1", rule.rule)
            path = re.sub(r"<any\((?:\w+,)*(\w+)\)[^>]*>", r"\1", path)
            found.append((re.sub(r"<[^>]+>", ID, path), declared.roles))
    return found


def test_a_route_that_declares_nobody_stops_the_app_from_starting(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful:
        blueprint = Blueprint("forgetful", __name__)

    Forgetful.blueprint.get("/forgotten")(lambda: "open to all")
    monkeypatch.setattr(web_app, "SCREENS", (*web_app.SCREENS, Forgetful))
    with pytest.raises(access.AccessUndeclared, match="forgetful"):
        create_app(world.services)


def test_declarations_that_name_nobody_known_are_refused() -> None:
    for wrong in (lambda: access.role(), lambda: access.role("wizard"),
                  lambda: access.public("  "), lambda: access.token("everything")):  # fmt: skip
        with pytest.raises(access.AccessUndeclared):
            wrong()
    with pytest.raises(access.AccessUndeclared, match="twice"):
        access.public("a")(access.role("admin")(lambda: ""))


def test_strangers_are_sent_to_sign_in_by_every_protected_page(
    app: Flask, visit: Callable[..., Any]
) -> None:
    stranger = visit()
    pages = addresses(app, "role", "GET")
    assert len(pages) > 20
    for path, _ in pages:
        answer = stranger.get(path)
        assert (answer.status_code, answer.headers.get("Location")) == (302, "/sign-in"), path


def test_strangers_can_change_nothing(app: Flask, visit: Callable[..., Any]) -> None:
    stranger = visit()
    forms = addresses(app, "role", "POST")
    assert len(forms) > 20
    token = stranger.token()
    for path, _ in forms:
        answer = stranger.client.post(path, data={"csrf_token": token})
        assert answer.status_code == 401, path


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_its_own_pages_and_no_other(
    app: Flask, visit: Callable[..., Any], role: str
) -> None:
    browser = visit(role)
    token = browser.token()
    for method in ("GET", "POST"):
        for path, roles in addresses(app, "role", method):
            if role in roles:  # what anybody may who signed in is theirs, too
                continue
            answer = (browser.get(path) if method == "GET"
                      else browser.client.post(path, data={"csrf_token": token}))  # fmt: skip
            assert answer.status_code == 403, (role, method, path)


@pytest.mark.parametrize("role", ROLES)
def test_no_page_a_role_may_open_breaks(
    app: Flask, town: Any, visit: Callable[..., Any], role: str
) -> None:
    browser = visit(role)
    for path, roles in addresses(app, "role", "GET"):
        if role in roles and not path.endswith("/events"):
            assert browser.get(path).status_code in (200, 302, 400, 404), path


def test_the_api_takes_no_session_cookie(app: Flask, visit: Callable[..., Any]) -> None:
    browser = visit("researcher")
    calls = addresses(app, "token", "GET")
    assert len(calls) >= 8
    for path, _ in calls:
        answer = browser.get(path)
        assert answer.status_code == 401, path
        assert answer.content_type == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_without_the_scope_opens_nothing(world: Any, app: Flask) -> None:
    _, text = world.services.accounts.make_token(world.account("researcher"), "t", ["verify"], 1)
    headers = {"Authorization": f"Bearer {text}"}
    for path, _ in addresses(app, "token", "GET"):
        assert app.test_client().get(path, headers=headers).status_code in (401, 403), path


def test_a_deactivated_person_is_out_at_the_next_click(
    world: Any, visit: Callable[..., Any]
) -> None:
    accounts = world.services.accounts
    extra = accounts.add(None, email="gone@example.org", name="Gone Soon",
                         password="a long and friendly password", roles=["auditor"])  # fmt: skip
    browser = visit()
    browser.sign_in("gone@example.org")
    assert browser.get("/log").status_code == 200
    accounts.set_active(world.account("admin"), extra.user_id, False)
    assert browser.get("/log").headers["Location"] == "/sign-in"


def test_changed_roles_end_the_session(world: Any, visit: Callable[..., Any]) -> None:
    accounts = world.services.accounts
    extra = accounts.add(None, email="moved@example.org", name="Moved On",
                         password="a long and friendly password", roles=["auditor"])  # fmt: skip
    browser = visit()
    browser.sign_in("moved@example.org")
    accounts.set_roles(world.account("admin"), extra.user_id, ["steward"])
    assert browser.get("/").text.count("A face speaks only") == 1


def test_an_idle_session_ends(app: Flask, visit: Callable[..., Any]) -> None:
    browser = visit("auditor")
    with browser.client.session_transaction() as session:
        session["seen"] -= 61 * 60
    assert browser.get("/log").headers["Location"] == "/sign-in"


def test_signing_out_ends_a_copied_cookie_too(app: Flask, visit: Callable[..., Any]) -> None:
    browser, thief = visit("auditor"), app.test_client()
    cookie = browser.client.get_cookie("pf_session")
    thief.set_cookie("pf_session", cookie.value)
    assert thief.get("/log").status_code == 200
    browser.post("/sign-out")
    assert thief.get("/log").headers["Location"] == "/sign-in"


def test_signing_in_leads_back_to_the_page_and_never_off_the_site(
    world: Any, visit: Callable[..., Any]
) -> None:
    browser = visit()
    browser.get("/log?q=kind:output.released")
    answer = browser.sign_in(world.email("auditor"))
    assert answer.headers["Location"] == "/log?q=kind:output.released"
    browser = visit()
    with browser.client.session_transaction() as session:
        session["next"] = "//evil.invalid/"
    assert browser.sign_in(world.email("auditor")).headers["Location"] == "/"


def test_two_admins_put_rules_in_force(world: Any, visit: Callable[..., Any]) -> None:
    policies, admin = world.services.policies, visit("admin")
    second = world.services.accounts.add(None, email="second@example.org", name="Second Admin",
                                         password="a long and friendly password",
                                         roles=["admin"])  # fmt: skip
    assert admin.post("/policies/propose").status_code == 302
    assert admin.post("/policies/activate").status_code == 403
    other = visit()
    other.sign_in("second@example.org")
    assert other.post("/policies/activate").status_code == 302
    assert policies.history()[0].activated_by == second.user_id
    assert "Every set that was in force" in other.get("/policies").text


def test_a_wrong_password_says_nothing_about_the_account(
    world: Any, visit: Callable[..., Any]
) -> None:
    texts = set()
    for email in (world.email("steward"), "nobody@example.org"):
        answer = visit().sign_in(email, "wrong but long enough")
        assert answer.status_code == 401
        texts.add(re.sub(r"(csrf_token\" value|nonce|value)=\"[^\"]*\"", "", answer.text))
    assert len(texts) == 1


def test_signing_in_starts_a_fresh_session(world: Any, visit: Callable[..., Any]) -> None:
    browser = visit()
    with browser.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    browser.sign_in(world.email("auditor"))
    with browser.client.session_transaction() as session:
        assert "planted" not in session
        assert session["uid"] == world.people["auditor"].user_id


def test_guessing_is_slowed_down_and_signing_in_is_not(
    world: Any, visit: Callable[..., Any], last_entry: Callable[..., Any]
) -> None:
    stranger = visit()
    before = {"REMOTE_ADDR": "198.51.100.7"}
    token = stranger.token()
    form = {"csrf_token": token, "email": "nobody@example.org", "password": "wrong"}
    codes = [
        stranger.client.post("/sign-in", data=form, environ_base=before).status_code
        for _ in range(22)
    ]
    assert codes == [401] * 20 + [429] * 2
    assert "too_often" in last_entry().why
    for _ in range(25):
        assert visit("auditor").get("/log").status_code == 200


def test_a_consent_whose_record_was_changed_is_named_where_the_others_stand(
    visit: Callable[[str], Any], town: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*_: Any) -> Any:
        raise ConsentError("not validly signed")

    monkeypatch.setattr(type(world.services.likenesses), "record", changed)
    page = visit("reviewer").get("/consents").get_data(as_text=True)
    assert "not what was signed" in page and f"<code>{town.consent.consent_id[:8]}</code>" in page
    assert "not what was signed" not in visit("researcher").get("/consents").get_data(as_text=True)
