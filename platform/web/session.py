"""Session: who is signed in, by a signed cookie that holds an account id, a session id and a time.

Account and session are read anew for every request: a person signed out, deactivated, or whose
password or roles changed, is out at the next click, with every copy of the cookie.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from flask import current_app, g, request, session
from werkzeug.wrappers import Response

from primafacie.platform.accounts import Account
from primafacie.platform.wiring import Services

#: A cookie that outlives sessions: which accounts were joined or signed in from this browser.
BROWSER: Final = "pf_browser"
YEAR: Final = 366 * 24 * 3600


def begin(services: Services, account: Account, by_passkey: bool = False) -> str:
    """Start a fresh session (nothing survives from before); where the person wanted to go."""
    wanted = str(session.get("next", ""))
    session.clear()
    sid = services.sessions.begin(account, by_passkey)
    session.update(uid=account.user_id, sid=sid, seen=int(time.time()))
    session.permanent = True
    return wanted if wanted.startswith("/") and not wanted.startswith("//") else ""


def end(services: Services) -> None:
    """End it here and for every copy of the cookie."""
    services.sessions.end(str(session.get("sid", "")))
    session.clear()


def account(services: Services) -> Account | None:
    """The account signed in now, or None: unknown, inactive, changed since, or idle too long."""
    user_id, sid, now = session.get("uid"), session.get("sid"), int(time.time())
    if not isinstance(user_id, str) or not isinstance(sid, str):
        return None
    found = _standing(services, user_id, sid)
    idle = now - int(session.get("seen", 0)) > services.settings.session_minutes * 60
    if found is None or idle:
        session.clear()
        return None
    if now - int(session.get("seen", 0)) > 30:
        session["seen"] = now
    return found


def standing(services: Services) -> Callable[[], Account | None]:
    """Asks again, after the request's end, who is signed in by this session; for a stream."""
    user_id, sid = str(session["uid"]), str(session["sid"])
    return lambda: _standing(services, user_id, sid)


def _standing(services: Services, user_id: str, sid: str) -> Account | None:
    found = services.accounts.find(user_id)
    if found is None or not found.active or not services.sessions.stands(sid, found):
        return None
    return replace(found, proven=found.proven or services.sessions.by_passkey(sid, found))


def by_passkey(services: Services, account: Account) -> bool:
    """Did the session at hand begin with a passkey?"""
    return services.sessions.by_passkey(str(session.get("sid", "")), account)


def browser() -> str:
    """The mark of this browser; a fresh one where it has none yet."""
    if "browser" not in g:
        known = request.cookies.get(BROWSER, "")
        g.browser = known if len(known) == 32 and known.isalnum() else secrets.token_hex(16)
    return str(g.browser)


def marked(response: Response) -> Response:
    """The response, with the browser's mark to be kept for a year."""
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
    response.set_cookie(
        BROWSER, browser(), max_age=YEAR, httponly=True, samesite="Lax", secure=secure
    )
    return response
