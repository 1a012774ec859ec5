"""People: accounts, their roles and their access."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.accounts import ROLES
from primafacie.platform.errors import PlatformError
from primafacie.platform.invitations import Invited
from primafacie.platform.web import access, fields
from primafacie.platform.web.services import services

blueprint = Blueprint("people", __name__, url_prefix="/people")


@blueprint.get("")
@access.role("admin", "reviewer")
def listed() -> ResponseReturnValue:
    """All accounts."""
    return _page()


@blueprint.post("/new")
@access.role("admin")
def add() -> ResponseReturnValue:
    """Invite somebody; the link goes to them alone."""
    try:
        invited = services().invitations.invite(
            access.me(),
            email=fields.text("email", "E-mail", most=254),
            name=fields.text("name", "Name", most=120),
            roles=fields.some_of("roles", "Roles", ROLES, least=1),
        )
    except PlatformError as error:
        return _page(error=str(error), given=request.form), error.status
    return _invited(invited)


@blueprint.post("/<user_id>/again")
@access.role("admin")
def again(user_id: str) -> ResponseReturnValue:
    """A fresh invitation for somebody who lost theirs, or their passkey."""
    return _invited(services().invitations.again(access.me(), user_id))


def _invited(invited: Invited) -> str:
    """In development mails stay on this machine, so the link is shown."""
    shown = "" if services().settings.production else invited.link
    return _page(invited=invited, link=shown)


@blueprint.post("/<user_id>/roles")
@access.role("admin")
def roles(user_id: str) -> ResponseReturnValue:
    """Replace an account's roles; its sessions end."""
    s = services()
    s.accounts.set_roles(access.me(), user_id, fields.some_of("roles", "Roles", ROLES))
    waits = s.accounts.waiting(user_id)
    flash(f"Waiting for another administrator: {', '.join(sorted(waits))}." if waits
          else "Roles changed. The person has to sign in again.")  # fmt: skip
    return redirect(url_for("people.listed"))


@blueprint.post("/<user_id>/agree")
@access.role("admin")
def agree(user_id: str) -> ResponseReturnValue:
    """Give, as the second admin, the roles that one proposed; or refuse them."""
    accounts = services().accounts
    decide = accounts.agree if fields.ticked("yes") else accounts.decline
    decide(access.me(), user_id)
    flash("Roles given." if fields.ticked("yes") else "Roles refused.")
    return redirect(url_for("people.listed"))


@blueprint.post("/<user_id>/active")
@access.role("admin")
def active(user_id: str) -> ResponseReturnValue:
    """Let in or lock out."""
    services().accounts.set_active(access.me(), user_id, fields.ticked("active"))
    flash("Account changed.")
    return redirect(url_for("people.listed"))


@blueprint.post("/<user_id>/revoke")
@access.role("admin", "reviewer")
def revoke(user_id: str) -> ResponseReturnValue:
    """End a researcher's access at once."""
    services().accounts.revoke_access(access.me(), user_id)
    flash("Access ended.")
    return redirect(url_for("people.listed"))


def _page(**more: Any) -> str:
    me, accounts = access.me(), services().accounts
    waiting = accounts.proposals(me) if me.has("admin") else {}
    people = accounts.listed(me)
    more = {"error": "", "given": {}, "invited": None, "link": ""} | more
    return render_template("people.html", people=people, waiting=waiting,
                           names={a.user_id: a.name for a in people}, **more)  # fmt: skip
