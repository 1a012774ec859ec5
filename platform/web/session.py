"""Session: who is signed in, by a signed cookie that holds an account id, a session id and a time.

Account and session are read anew for every request: a person signed out, deactivated, or whose
password or roles changed, is out at the next click, with every copy of the cookie.
"""

from __future__ import annotations

import time

from flask import session

from primafacie.platform.accounts import Account
from primafacie.platform.wiring import Services


def begin(services: Services, account: Account) -> str:
    """Start a fresh session (nothing survives from before); where the person wanted to go."""
    wanted = str(session.get("next", ""))
    session.clear()
    sid = services.sessions.begin(account)
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
    found = services.accounts.find(user_id)
    idle = now - int(session.get("seen", 0)) > services.settings.session_minutes * 60
    if found is None or not found.active or idle or not services.sessions.stands(sid, found):
        session.clear()
        return None
    if now - int(session.get("seen", 0)) > 30:
        session["seen"] = now
    return found
