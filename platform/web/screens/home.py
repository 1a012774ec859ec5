"""Home: what waits for this person, by role."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue

from primafacie.platform.accounts import Account
from primafacie.platform.web import access
from primafacie.platform.web.services import services
from primafacie.platform.web.words import moment_of

blueprint = Blueprint("home", __name__)
SOON = timedelta(days=30)


@blueprint.get("/")
@access.public("the front door: sends strangers to the sign-in or the public check")
def show() -> ResponseReturnValue:
    """The overview; a visitor without account sees what this is and two doors."""
    if g.account is None:
        return render_template("welcome.html")
    me, s = access.me(), services()
    more: dict[str, Any] = {"waiting": s.accounts.waiting(me.user_id)}
    if me.has("researcher"):
        more["requests"] = s.requests.listed(me, limit=8)
        more["counts"] = s.requests.counts(me)
        more["used"] = s.requests.used_today(me.user_id)
    if me.has("steward", "reviewer", "admin"):
        consents = s.consents.listed(me)
        limit = datetime.now(UTC) + SOON
        more["consents"] = consents
        more["expiring"] = [
            c
            for c in consents
            if c.state == "active" and (ends := moment_of(c.not_after)) and ends < limit
        ]
    if me.has("admin"):
        more["proposals"] = s.accounts.proposals(me)
    if me.has("reviewer", "admin"):
        more["reviews"] = s.consents.pending(me) if me.has("reviewer") else ()
        more["applications"] = s.projects.listed(me, state="applied")
        more["unapproved"] = [
            a for a in s.accounts.listed(me) if a.has("researcher") and not approved(a)
        ]
    return render_template("home.html", **more)


def approved(account: Account) -> bool:
    """Does the account's access hold now?"""
    return account.approved_until is not None and account.approved_until > datetime.now(UTC)
