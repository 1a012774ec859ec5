"""Sign in and sign out."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.errors import SignInError
from primafacie.platform.web import access
from primafacie.platform.web import session as sessions
from primafacie.platform.web.logged import acts_for, because
from primafacie.platform.web.services import services

blueprint = Blueprint("signin", __name__)


@blueprint.get("/sign-in")
@access.public("nobody is signed in yet")
def form() -> ResponseReturnValue:
    """The form; whoever is signed in already goes home."""
    if g.account is not None:
        return redirect(url_for("home.show"))
    return render_template("signin.html", email="", error="")


@blueprint.post("/sign-in")
@access.public("nobody is signed in yet")
def enter() -> ResponseReturnValue:
    """Check, begin a fresh session, go where the person wanted to go."""
    email = request.form.get("email", "").strip()[:254]
    try:
        account = services().accounts.sign_in(
            email, request.form.get("password", "")[:1000], source=request.remote_addr or ""
        )
    except SignInError as error:
        because("sign_in")
        return render_template("signin.html", email=email, error=str(error)), 401
    wanted = sessions.begin(services(), account)
    acts_for(account)
    return redirect(wanted or url_for("home.show"))


@blueprint.post("/sign-out")
@access.signed_in
def leave() -> ResponseReturnValue:
    """End the session."""
    services().accounts.sign_out(access.me())
    sessions.end(services())
    return redirect(url_for("signin.form"))
