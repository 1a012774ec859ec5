"""Inviting and joining on the console: nobody learns how another signs in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

PASSWORD = "quite another long password"


def invited(browser: Any, name: str, role: str = "auditor") -> str:
    """The path of the link, as a development installation shows it."""
    form = {"email": f"{name}@example.org", "name": name.title(), "roles": role}
    page = browser.post("/people/new", form)
    assert page.status_code == 200
    found = re.search(r'id="join-link">([^<]+)<', page.text)
    assert found
    return urlsplit(found[1]).path


def choose(browser: Any, path: str) -> Any:
    return browser.post(f"{path}/password", {"new": PASSWORD, "again": PASSWORD})


def test_an_invitation_is_sent_shown_and_redeemed_by_its_person(
    world: Any, visit: Callable[..., Any]
) -> None:
    path, person = invited(visit("admin"), "anna"), visit()
    page = person.get(path)
    assert page.status_code == 200 and "Welcome, Anna" in page.text
    assert choose(person, path).status_code == 302
    assert person.get("/log").status_code == 200
    assert visit().get(path).status_code == 410
    assert world.services.accounts.by_email("anna@example.org").joined


def test_the_admin_who_invited_cannot_redeem_it(
    world: Any, visit: Callable[..., Any], last_entry: Callable[..., Any]
) -> None:
    admin = visit("admin")
    path = invited(admin, "puppet")
    assert choose(admin, path).status_code == 409  # signed in
    admin.post("/sign-out")
    answer = choose(admin, path)  # signed out, in the same browser
    assert answer.status_code == 403 and "administrator signed in here" in answer.text
    assert not world.services.accounts.by_email("puppet@example.org").joined
    assert "AccessError" in last_entry().why or "invitation" in last_entry().why


def test_the_link_is_not_in_the_log(
    world: Any, visit: Callable[..., Any], last_entry: Callable[..., Any]
) -> None:
    path = invited(visit("admin"), "berta")
    visit().get(path)
    assert dict(last_entry().facts)["path"] == "/join/<link>"
    visit().get("/join/" + "0" * 32)
    assert dict(last_entry().facts)["path"] == "/join/<link>"


def test_two_passwords_that_differ_cost_nothing(world: Any, visit: Callable[..., Any]) -> None:
    path, person = invited(visit("admin"), "carla"), visit()
    answer = person.post(f"{path}/password", {"new": PASSWORD, "again": "another"})
    assert answer.status_code == 400 and "differ" in answer.text
    assert choose(person, path).status_code == 302


def test_guessing_at_invitations_is_slowed_down(visit: Callable[..., Any], app: Any) -> None:
    from primafacie.platform.web.limits import Limiter

    before, app.extensions["signin_limit"] = app.extensions["signin_limit"], Limiter(2)
    try:
        answers = [choose(visit(), "/join/" + "0" * 32).status_code for _ in range(4)]
    finally:
        app.extensions["signin_limit"] = before
    assert answers == [410, 410, 429, 429]


def test_a_passkey_is_asked_for_only_in_the_browser_that_answers(
    world: Any, visit: Callable[..., Any]
) -> None:
    path, person = invited(visit("admin"), "dora"), visit()
    headers = {"X-CSRFToken": person.token()}
    options = person.client.post(f"{path}/options", headers=headers)
    assert options.json["rp"]["id"] == "localhost"
    assert options.json["authenticatorSelection"]["userVerification"] == "required"
    answer = visit().post(f"{path}/passkey", {"answer": "{}"})  # another browser
    assert answer.status_code == 401 and "asked nothing" in answer.text
    assert visit().client.post(f"{path}/options").status_code == 400  # without the form's token


def test_a_second_admin_agrees_on_the_console(world: Any, visit: Callable[..., Any]) -> None:
    accounts = world.services.accounts
    second = accounts.add(None, email="second@example.org", name="Second Admin",
                          password=PASSWORD, roles=["admin"])  # fmt: skip
    first, other = visit("admin"), visit()
    other.sign_in("second@example.org", PASSWORD)
    invited(first, "emil", "steward")
    emil = accounts.by_email("emil@example.org")
    assert "Take back" in first.get("/people").text and "Agree" in other.get("/people").text
    assert first.post(f"/people/{emil.user_id}/agree", {"yes": "1"}).status_code == 403
    assert other.post(f"/people/{emil.user_id}/agree", {"yes": "1"}).status_code == 302
    assert accounts.get(emil.user_id).roles == {"steward"}
    accounts.set_active(world.account("admin"), second.user_id, False)
