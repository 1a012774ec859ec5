"""People: accounts, their roles and their access."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.accounts import ROLES
from primafacie.platform.errors import PlatformError
from primafacie.platform.web import access, fields
from primafacie.platform.web.services import services

blueprint = Blueprint("people", __name__, url_prefix="/people")


@blueprint.get("")
@access.role("admin", "reviewer")
def listed() -> ResponseReturnValue:
    """All accounts."""
    return render_template("people.html", people=services().accounts.listed(access.me()), error="",
                           given={})  # fmt: skip


@blueprint.post("/new")
@access.role("admin")
def add() -> ResponseReturnValue:
    """A new account with a first password, to be changed by its owner."""
    me = access.me()
    try:
        services().accounts.add(
            me,
            email=fields.text("email", "E-mail", most=254),
            name=fields.text("name", "Name", most=120),
            password=request.form.get("password", ""),
            roles=fields.some_of("roles", "Roles", ROLES, least=1),
        )
    except PlatformError as error:
        people = services().accounts.listed(me)
        return render_template("people.html", people=people, error=str(error),
                               given=request.form), error.status  # fmt: skip
    flash("Account made. Its owner should change the password at the first sign-in.")
    return redirect(url_for("people.listed"))


@blueprint.post("/<user_id>/roles")
@access.role("admin")
def roles(user_id: str) -> ResponseReturnValue:
    """Replace an account's roles; its sessions end."""
    services().accounts.set_roles(access.me(), user_id, fields.some_of("roles", "Roles", ROLES))
    flash("Roles changed. The person has to sign in again.")
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
