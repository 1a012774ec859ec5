"""Join: the page behind an invitation, where its person chooses how to sign in."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.accounts import Account
from primafacie.platform.errors import AccessError, ConflictError, InputError, SignInError
from primafacie.platform.web import access, attempts, passkey
from primafacie.platform.web import session as sessions
from primafacie.platform.web.logged import acts_for, because
from primafacie.platform.web.services import services

blueprint = Blueprint("join", __name__, url_prefix="/join")
_WHY = "the person invited has no way to sign in yet"


@blueprint.get("/<link>")
@access.public(_WHY)
def show(link: str) -> ResponseReturnValue:
    """Who is invited, as what, and by which key they want to come in."""
    return _page(link)


@blueprint.post("/<link>/options")
@access.public(_WHY)
def options(link: str) -> ResponseReturnValue:
    """A fresh challenge for a new passkey."""
    attempts.count()
    _require_nobody()
    s = services()
    return passkey.ask(s.passkeys.ask_new(s.invitations.open(link)))


@blueprint.post("/<link>/passkey")
@access.public(_WHY)
def by_passkey(link: str) -> ResponseReturnValue:
    """Redeem it with a new passkey."""
    attempts.count()
    _require_nobody()
    try:
        answer, challenge = passkey.answered()
        account = services().invitations.with_passkey(link, answer, challenge, sessions.browser())
    except (SignInError, AccessError, ConflictError) as error:
        because("invitation", getattr(error, "why", ""))
        return _page(link, str(error)), error.status
    return _welcome(account, by_passkey=True)


@blueprint.post("/<link>/password")
@access.public(_WHY)
def by_password(link: str) -> ResponseReturnValue:
    """Redeem it with a password."""
    attempts.count()
    _require_nobody()
    new = request.form.get("new", "")
    try:
        if new != request.form.get("again", ""):
            raise InputError("the two passwords differ")
        account = services().invitations.with_password(link, new[:1000], sessions.browser())
    except (InputError, AccessError) as error:
        because("invitation")
        return _page(link, str(error)), error.status
    return _welcome(account)


def _require_nobody() -> None:
    if g.account is not None:
        raise ConflictError("Somebody is signed in here. Sign out, or use a browser of your own.")


def _welcome(account: Account, by_passkey: bool = False) -> ResponseReturnValue:
    attempts.forgive()
    sessions.begin(services(), account, by_passkey)
    acts_for(account)
    flash("Welcome. The account is yours.")
    return sessions.marked(redirect(url_for("home.show")))


def _page(link: str, error: str = "") -> str:
    s = services()
    return render_template("join.html", invited=s.invitations.open(link), link=link, error=error,
                           possible=s.passkeys.possible, waiting=s.accounts.waiting(
                               s.invitations.open(link).user_id))  # fmt: skip
