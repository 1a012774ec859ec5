"""Access: who may call which route. A route that declares nobody stops the app from starting.

Three declarations, one per view: `@role(...)` for people who signed in, `@public(why)` for
anybody, `@token(scope)` for programs with a bearer token. `seal(app)` runs once, after every route
is registered, and raises AccessUndeclared when a view has none: forgetting is not a way in.
The services check roles again; this file decides what is shown, they decide what is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from primafacie.platform.accounts import ROLES, SCOPES, Account
from primafacie.platform.errors import SignInError
from primafacie.platform.web import session as sessions
from primafacie.platform.web.logged import acts_for

View = TypeVar("View", bound=Callable[..., Any])
_MARK: Final = "__access__"
EVERYBODY: Final = frozenset(ROLES)  # who signed in, with no role yet or one that sleeps too


class AccessUndeclared(RuntimeError):
    """A route says nothing about who may call it, or says it wrongly."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a view: `roles` (EVERYBODY: whoever signed in), a token `scope`, the public."""

    kind: str  # "role" | "token" | "public"
    roles: frozenset[str] = frozenset()
    scope: str = ""
    why: str = ""


def role(*roles: str) -> Callable[[View], View]:
    """For people who signed in and hold one of `roles`."""
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise AccessUndeclared(f"name at least one role of {', '.join(ROLES)}: {roles!r}")
    return _declare(Access("role", frozenset(roles)))


def signed_in(view: View) -> View:
    """For everybody who signed in, whatever the role: one's own things."""
    return _declare(Access("role", EVERYBODY))(view)


def public(why: str) -> Callable[[View], View]:
    """For anybody. `why` says what makes that right; it may not be empty."""
    if not why.strip():
        raise AccessUndeclared("a public route must say why it is public")
    return _declare(Access("public", why=why))


def token(scope: str) -> Callable[[View], View]:
    """For programs: a bearer token that carries `scope`. Session cookies do not count here."""
    if scope not in SCOPES:
        raise AccessUndeclared(f"{scope!r} is not a scope")
    return _declare(Access("token", scope=scope))


def of(view: Any) -> Access | None:
    """What `view` declared, looking through wrappers; None when it declared nothing."""
    while view is not None:
        found = getattr(view, _MARK, None)
        if isinstance(found, Access):
            return found
        view = getattr(view, "__wrapped__", None)
    return None


def seal(app: Flask) -> None:
    """Check every route and put the guard before all views. Raises AccessUndeclared."""
    bare = sorted(
        {r.endpoint for r in app.url_map.iter_rules() if of(app.view_functions[r.endpoint]) is None}
    )
    if bare:
        raise AccessUndeclared(f"these routes declare no access: {', '.join(bare)}")
    app.before_request(_guard)


def me() -> Account:
    """The account this request acts for. Raises SignInError when there is none."""
    account: Account | None = g.get("account")
    if account is None:
        raise SignInError("Please sign in.")
    return account


def _declare(access: Access) -> Callable[[View], View]:
    def mark(view: View) -> View:
        if of(view) is not None:
            raise AccessUndeclared(f"{view!r} declares its access twice")
        setattr(view, _MARK, access)
        return view

    return mark


def _guard() -> Response | None:
    """Runs before every view: attach the account, then let through, send to sign-in, or refuse."""
    services = current_app.extensions["primafacie"]
    access = of(current_app.view_functions[request.endpoint]) if request.endpoint else None
    if access is not None and access.kind == "token":
        g.account = services.accounts.authenticate(_bearer(), access.scope)
        acts_for(g.account)
        return None
    g.account = sessions.account(services)
    acts_for(g.account)
    if access is None or access.kind == "public":
        return None
    if g.account is None:
        return _to_sign_in()
    if access.roles != EVERYBODY and not g.account.has(*access.roles):
        if not g.account.asleep.isdisjoint(access.roles):
            g.account.require(*access.roles)  # says that a passkey is missing
        abort(403)
    return None


def _bearer() -> str:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise SignInError("Send the header `Authorization: Bearer <token>`.")
    return text.strip()


def _to_sign_in() -> Response:
    if request.method != "GET" or "HX-Request" in request.headers:
        abort(401)
    session["next"] = request.full_path.rstrip("?")
    return redirect(url_for("signin.form"))


def may(account: Account | None, *roles: str) -> bool:
    """For templates: does this account hold one of `roles`?"""
    return account is not None and account.has(*roles)


def fresh_id() -> str:
    """An id for one showing of a form, so that sending it twice makes one request."""
    return uuid.uuid4().hex
