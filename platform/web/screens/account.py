"""My account: passkeys, password, access, tokens for programs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.accounts import SCOPE_ROLES, SCOPES
from primafacie.platform.errors import InputError
from primafacie.platform.passkeys import RefusedKey
from primafacie.platform.web import access, attempts, fields, passkey
from primafacie.platform.web import session as sessions
from primafacie.platform.web.logged import because
from primafacie.platform.web.services import services

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("")
@access.signed_in
def show() -> ResponseReturnValue:
    """The page."""
    return _page()


@blueprint.post("/password")
@access.signed_in
def password() -> ResponseReturnValue:
    """Change the password; every other session and every token ends."""
    me = access.me()
    new = request.form.get("new", "")
    if new != request.form.get("again", ""):
        raise InputError("The two new passwords differ.")
    attempts.count()
    old, source = request.form.get("old", "")[:1000], request.remote_addr or ""
    services().accounts.change_password(me, old, new, source)
    attempts.forgive()
    _go_on(sessions.by_passkey(services(), me))
    flash("Password changed. Other sessions and all tokens have ended.")
    return redirect(url_for("account.show"))


@blueprint.post("/passkeys/options")
@access.signed_in
def options() -> ResponseReturnValue:
    """A fresh challenge for another passkey."""
    return passkey.ask(services().passkeys.ask_new(access.me()))


@blueprint.post("/passkeys")
@access.signed_in
def add_passkey() -> ResponseReturnValue:
    """Keep a passkey the browser made; other sessions end, and this one counts as begun with it."""
    try:
        answer, challenge = passkey.answered()
        name = fields.text("name", "Name of the passkey", most=80)
        services().passkeys.add(access.me(), answer, challenge, name)
    except RefusedKey as error:
        because("passkey", error.why)
        return _page(error=str(error)), error.status
    _go_on(by_passkey=True)
    flash("Passkey added. Other sessions have ended.")
    return redirect(url_for("account.show"))


@blueprint.post("/passkeys/<key_id>/remove")
@access.signed_in
def remove_passkey(key_id: str) -> ResponseReturnValue:
    """Forget a passkey; other sessions end."""
    by_passkey = sessions.by_passkey(services(), access.me())
    services().passkeys.remove(access.me(), key_id)
    _go_on(by_passkey)
    flash("Passkey removed. Other sessions and all tokens have ended.")
    return redirect(url_for("account.show"))


def _go_on(by_passkey: bool) -> None:
    """A fresh session for whoever just ended all of theirs."""
    changed = services().accounts.find(access.me().user_id)
    if changed is not None:
        sessions.begin(services(), changed, by_passkey)


@blueprint.post("/tokens")
@access.signed_in
def make_token() -> ResponseReturnValue:
    """A new token; its text is shown this once."""
    info, text = services().accounts.make_token(
        access.me(),
        fields.text("name", "Name", most=80),
        fields.some_of("scopes", "Scopes", SCOPES, least=1),
        fields.whole("days", "Days", 1, 365, 90),
    )
    return _page(token=text, info=info)


@blueprint.post("/tokens/<token_id>/revoke")
@access.signed_in
def revoke(token_id: str) -> ResponseReturnValue:
    """A token stops working at once."""
    services().accounts.revoke_token(access.me(), token_id)
    flash("Token revoked.")
    return redirect(url_for("account.show"))


def _page(**more: Any) -> str:
    me, keys = access.me(), services().passkeys
    more = {"error": ""} | more
    return render_template("account.html", tokens=services().accounts.tokens(me),
                           passkeys=keys.listed(me), possible=keys.possible,
                           scopes=tuple(s for s in SCOPES if me.has(*SCOPE_ROLES[s])),
                           **more)  # fmt: skip
