"""Invitations: how an account comes to its person, without anybody else knowing how they sign in.

The link goes by mail to the address the account bears, is good once, and is redeemed by the person,
who chooses a passkey or a password. Whoever invites never sees it (in development, where no mail
leaves the machine, the console shows it). It cannot be redeemed in a browser in which an admin, or
whoever made the invitation, has signed in.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, Outcome
from primafacie.platform import mail
from primafacie.platform.accounts import Account, Accounts, check_password, hashed
from primafacie.platform.errors import AccessError, LinkError, PlatformError, UnavailableError
from primafacie.platform.journal import OPERATOR, Journal
from primafacie.platform.passkeys import Passkeys
from primafacie.platform.settings import Settings
from primafacie.platform.tables import account_links, browsers, role_proposals, user_roles

KEPT = timedelta(days=366)  # how long it is remembered which browser somebody used
_L, _B = account_links.c, browsers.c


@dataclass(frozen=True, slots=True)
class Invited:
    """An account that waits for its person. link: for the operator and in development alone.
    waiting: roles that a second admin must agree to. mailed: the link is on its way."""

    account: Account
    link: str = field(repr=False)
    waiting: frozenset[str]
    mailed: bool


class Invitations:
    """The invitations of one installation."""

    def __init__(
        self, journal: Journal, accounts: Accounts, keys: Passkeys, settings: Settings
    ) -> None:
        self._journal, self._accounts, self._keys = journal, accounts, keys
        self._settings = settings

    # inviting ----------------------------------------------------------------------------------

    def invite(
        self, actor: Account | None, *, email: str, name: str, roles: Iterable[str],
        daily_quota: int | None = None,
    ) -> Invited:  # fmt: skip
        """A new account and the mail with its link. actor None: the operator at the machine."""
        by = _by(actor)
        with self._journal.writing() as tx:
            user_id = self._accounts.insert(tx, by, email, name, daily_quota)
            _, waiting = self._accounts.give(tx, by, user_id, roles)
            link = self._link(tx, by, user_id)
            self._log(tx, Kind.USER_CREATED, by, user_id, why=("invited",), waiting=waiting)
        return self._send(user_id, link, waiting)

    def again(self, actor: Account | None, user_id: str) -> Invited:
        """A fresh link for somebody who lost theirs, or their passkey. Password, passkeys,
        sessions and tokens end now; roles that decide wait for a second admin once more."""
        self._accounts.check_admin(actor, user_id)
        by, account = _by(actor), self._accounts.get(user_id)
        with self._journal.writing() as tx:
            held = sa.select(user_roles.c.role).where(user_roles.c.user_id == user_id)
            asked = sa.select(role_proposals.c.role).where(role_proposals.c.user_id == user_id)
            roles = frozenset(tx.execute(held.union(asked)).scalars())  # what waits is not lost
            _, waiting = self._accounts.give(tx, by, user_id, roles, anew=True)
            self._accounts.touch(
                tx, user_id, password_hash="", joined_at=None, stamp=secrets.token_hex(16),
                invited_by=by,
            )  # fmt: skip
            self._accounts.revoke_tokens(tx, user_id)
            self._keys.forget(tx, user_id)
            tx.execute(browsers.delete().where(_B.user_id == user_id))
            link = self._link(tx, by, user_id)
            self._log(tx, Kind.USER_CHANGED, by, user_id, why=("invited_again",), waiting=waiting)
        return self._send(account.user_id, link, waiting)

    def _link(self, tx: sa.Connection, by: str, user_id: str) -> str:
        text = secrets.token_urlsafe(24)
        tx.execute(account_links.delete().where(_L.user_id == user_id))
        tx.execute(
            account_links.insert().values(
                user_id=user_id,
                token_sha256=sha256_hex(text.encode()),
                made_by=by,
                expires_at=self._journal.clock() + timedelta(days=self._settings.link_days),
            )
        )
        return f"{self._settings.public_url}/join/{text}"

    def _send(self, user_id: str, link: str, waiting: frozenset[str]) -> Invited:
        account, settings = self._accounts.get(user_id), self._settings
        text = (
            f"Good day {account.name},\n\n"
            f"an account on Prima Facie at {settings.controller} waits for you. Open this address\n"
            f"yourself, within {settings.link_days} days. It works once; whoever opens it becomes\n"
            "you, so give it to nobody, the administrators included.\n\n"
            f"{link}\n\n{settings.controller}, {settings.controller_contact}\n"
        )
        mailed = True
        try:
            mail.post(settings, mail.letter(settings, account.email, "Your account", text))
        except UnavailableError:
            mailed = False
        return Invited(account, link, waiting, mailed)

    # redeeming ---------------------------------------------------------------------------------

    def open(self, text: str) -> Account:
        """Whose invitation it is. Raises LinkError when it is unknown, used or expired."""
        with self._journal.database.read() as tx:
            return self._accounts.get(self._row(tx, text).user_id)

    def with_password(self, text: str, password: str, browser: str) -> Account:
        """Redeem it by choosing a password. Where roles that decide need a passkey, they sleep
        until there is one."""
        try:
            self.open(text)  # the link first: what is kept of a password costs a slow hash
        except LinkError as error:
            self._refuse(text, type(error).__name__)
            raise
        check_password(password)
        return self._redeem(text, browser, "password", {"password_hash": hashed(password)}, None)

    def with_passkey(self, text: str, answer: str, challenge: bytes, browser: str) -> Account:
        """Redeem it by making a passkey."""
        try:
            account = self.open(text)
            row = self._keys.checked(account, answer, challenge, "First passkey")
        except PlatformError as error:
            self._refuse(text, getattr(error, "why", type(error).__name__))
            raise
        return self._redeem(text, browser, "passkey", {}, row)

    def _redeem(
        self, text: str, browser: str, how: str, values: dict[str, Any], key: dict[str, Any] | None
    ) -> Account:
        mark = sha256_hex(browser.encode())
        try:
            with self._journal.writing() as tx:
                row = self._row(tx, text)
                self._check_browser(tx, mark, row)
                used = account_links.delete().where(_L.token_sha256 == row.token_sha256)
                if tx.execute(used).rowcount != 1:
                    raise LinkError("this invitation was used already")
                if key is not None:
                    self._keys.insert(tx, key)
                now, fresh = self._journal.clock(), secrets.token_hex(16)
                self._accounts.touch(tx, row.user_id, joined_at=now, stamp=fresh, **values)
                self._note(tx, mark, row.user_id, joined=True)
                self._log(tx, Kind.USER_CHANGED, row.user_id, row.user_id, why=("joined", how))
        except (LinkError, AccessError) as error:
            self._refuse(text, type(error).__name__)
            raise
        return self._accounts.get(row.user_id)

    def _check_browser(self, tx: sa.Connection, mark: str, row: Any) -> None:
        """An administrator redeems nobody else's invitation."""
        admins = sa.select(user_roles.c.user_id).where(user_roles.c.role == "admin")
        here = sa.select(_B.user_id).where(
            _B.mark_sha256 == mark,
            _B.user_id != row.user_id,
            sa.or_(_B.user_id == row.made_by, _B.user_id.in_(admins)),
        )
        if tx.execute(here).first():
            raise AccessError(
                "an administrator signed in here. The person invited opens the link themselves, "
                "in a browser of their own"
            )

    def _row(self, tx: sa.Connection, text: str) -> Any:
        chosen = sa.select(account_links).where(_L.token_sha256 == sha256_hex(text.encode()))
        row = tx.execute(chosen).first()
        if row is None or row.expires_at <= self._journal.clock():
            raise LinkError("this invitation is unknown, used or expired; ask for another")
        if not self._accounts.get(row.user_id).active:
            raise LinkError("this account is closed")
        return row

    # browsers ----------------------------------------------------------------------------------

    def seen(self, account: Account, browser: str) -> None:
        """Note that this account signed in with the browser that holds this mark."""
        with self._journal.database.write() as tx:
            self._note(tx, sha256_hex(browser.encode()), account.user_id, joined=False)

    def _note(self, tx: sa.Connection, mark: str, user_id: str, joined: bool) -> None:
        now = self._journal.clock()
        mine = sa.and_(_B.mark_sha256 == mark, _B.user_id == user_id)
        if tx.execute(browsers.update().where(mine).values(seen_at=now)).rowcount == 0:
            row = {"mark_sha256": mark, "user_id": user_id, "joined": joined, "seen_at": now}
            tx.execute(browsers.insert().values(row))

    def forget(self) -> int:
        """Forget browsers nobody used for a year, but for where invitations were redeemed."""
        before = self._journal.clock() - KEPT
        with self._journal.database.write() as tx:
            old = browsers.delete().where(_B.seen_at < before, _B.joined.is_(False))
            return int(tx.execute(old).rowcount)

    # -------------------------------------------------------------------------------------------

    def _refuse(self, text: str, why: str) -> None:
        whose = sa.select(_L.user_id).where(_L.token_sha256 == sha256_hex(text.encode()))
        with self._journal.writing() as tx:
            user_id = tx.execute(whose).scalar() or ""
            entry = self._journal.event(
                Kind.USER_SIGN_IN_FAILED, user_id, out=Outcome.DENY, why=("invitation", why)
            )
            self._journal.append(tx, entry)

    def _log(
        self, tx: sa.Connection, kind: Kind, actor: str, subject: str, *, why: tuple[str, ...],
        waiting: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        held = tx.execute(
            sa.select(user_roles.c.role).where(user_roles.c.user_id == subject)
        ).scalars()
        facts = [("roles", ",".join(sorted(held)))]
        if waiting:
            facts.append(("waiting", ",".join(sorted(waiting))))
        entry = self._journal.event(kind, actor, subject=subject, why=why, facts=facts)
        self._journal.append(tx, entry)


def _by(actor: Account | None) -> str:
    """Who invites: an admin, or the operator. Raises AccessError."""
    if actor is None:
        return OPERATOR
    actor.require("admin")
    return actor.user_id
