"""Sign in and sign out."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from primafacie.platform.accounts import Account
from primafacie.platform.errors import SignInError
from primafacie.platform.web import access, attempts, passkey
from primafacie.platform.web import session as sessions
from primafacie.platform.web.limits import Limiter
from primafacie.platform.web.logged import acts_for, because
from primafacie.platform.web.services import services

blueprint = Blueprint("signin", __name__)


@blueprint.record
def _counts(state: BlueprintSetupState) -> None:
    state.app.extensions["signin_limit"] = Limiter(attempts.MOST)


@blueprint.get("/sign-in")
@access.public("nobody is signed in yet")
def form() -> ResponseReturnValue:
    """The form; whoever is signed in already goes home."""
    if g.account is not None:
        return redirect(url_for("home.show"))
    return _page()


@blueprint.post("/sign-in")
@access.public("nobody is signed in yet")
def enter() -> ResponseReturnValue:
    """Check the password, begin a fresh session, go where the person wanted to go."""
    attempts.count()
    email = request.form.get("email", "").strip()[:254]
    try:
        account = services().accounts.sign_in(
            email, request.form.get("password", "")[:1000], source=request.remote_addr or ""
        )
    except SignInError as error:
        because("sign_in")
        return _page(email, str(error)), 401
    return _go(account)


@blueprint.post("/sign-in/passkey/options")
@access.public("nobody is signed in yet")
def options() -> ResponseReturnValue:
    """A fresh challenge for the passkeys of whoever sits there."""
    attempts.count()
    return passkey.ask(services().passkeys.ask())


@blueprint.post("/sign-in/passkey")
@access.public("nobody is signed in yet")
def enter_by_passkey() -> ResponseReturnValue:
    """Check the passkey's answer and begin a fresh session. What it cost was counted before."""
    try:
        answer, challenge = passkey.answered()
        account = services().passkeys.sign_in(answer, challenge, source=request.remote_addr or "")
    except SignInError as error:
        because("sign_in", getattr(error, "why", ""))
        return _page(error=str(error)), 401
    return _go(account, by_passkey=True)


@blueprint.post("/sign-out")
@access.signed_in
def leave() -> ResponseReturnValue:
    """End the session."""
    services().accounts.sign_out(access.me())
    sessions.end(services())
    return redirect(url_for("signin.form"))


def _go(account: Account, by_passkey: bool = False) -> ResponseReturnValue:
    attempts.forgive()
    wanted = sessions.begin(services(), account, by_passkey)
    services().invitations.seen(account, sessions.browser())
    acts_for(account)
    return sessions.marked(redirect(wanted or url_for("home.show")))


def _page(email: str = "", error: str = "") -> str:
    possible = services().passkeys.possible
    return render_template("signin.html", email=email, error=error, possible=possible)
