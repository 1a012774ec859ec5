"""Session: who is signed in, by a signed cookie that holds an account id, a stamp and two times.

The account is read anew for every request: a person deactivated, or whose password or roles
changed, is out at the next click, because the stamp in the cookie no longer matches.
"""

from __future__ import annotations

import time

from flask import session

from primafacie.platform.accounts import Account
from primafacie.platform.wiring import Services

LONGEST_SECONDS = 12 * 3600  # whatever the activity, a session ends after half a day


def begin(account: Account) -> str:
    """Start a fresh session (nothing survives from before); where the person wanted to go."""
    wanted = str(session.get("next", ""))
    session.clear()
    now = int(time.time())
    session.update(uid=account.user_id, stamp=account.stamp, began=now, seen=now)
    session.permanent = True
    return wanted if wanted.startswith("/") and not wanted.startswith("//") else ""


def end() -> None:
    """Forget who it was."""
    session.clear()


def account(services: Services) -> Account | None:
    """The account signed in now, or None: unknown, inactive, changed since, or idle too long."""
    user_id, now = session.get("uid"), int(time.time())
    if not isinstance(user_id, str):
        return None
    found = services.accounts.find(user_id)
    idle = now - int(session.get("seen", 0)) > services.settings.session_minutes * 60
    old = now - int(session.get("began", 0)) > LONGEST_SECONDS
    if found is None or not found.active or found.stamp != session.get("stamp") or idle or old:
        session.clear()
        return None
    if now - int(session.get("seen", 0)) > 30:
        session["seen"] = now
    return found
