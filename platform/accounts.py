"""Accounts: who may sign in, with which roles, and by whom access was approved.

Passwords are kept as argon2id hashes, API tokens as sha256 of 32 random bytes. Access to generation
is granted by a second person and lapses. Roles that decide are given by two admins, and in
production they sleep until their holder has shown a passkey. Every change, every sign-in and every
failed one is a log entry in the same transaction.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from primafacie.audit.entry import Kind, Outcome, format_time
from primafacie.audit.log import Log
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    SignInError,
)
from primafacie.platform.four_eyes import require_apart
from primafacie.platform.journal import OPERATOR, Journal, told_of
from primafacie.platform.tables import role_proposals, tokens, user_roles, users

ROLES: Final = ("researcher", "reviewer", "steward", "auditor", "admin")
#: Roles that decide about people: given by two admins, awake only behind a passkey.
DECISIVE: Final = frozenset({"admin", "reviewer", "steward"})
ADMINS: Final = 2  # from so many on, one of them cannot give such a role alone
SCOPES: Final = ("generate", "read", "verify", "audit", "manage")
#: Who may make and use a token of a scope; the roles are looked at again whenever it is used.
SCOPE_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "generate": ("researcher",),
    "read": ROLES,
    "verify": ROLES,
    "audit": ("auditor", "reviewer", "admin"),
    "manage": ("steward", "admin"),
}
FAILURES: Final = 5  # wrong passwords until the account rests
REST: Final = timedelta(minutes=15)
LONGEST_GRANT: Final = timedelta(days=366)
LONGEST_TOKEN: Final = 366  # days
SHORTEST_PASSWORD: Final = 12
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,180}")
_TOKEN = re.compile(r"pf_([0-9a-f]{32})_([0-9a-f]{64})")
_WRONG: Final = "wrong address or password, or the account rests after too many attempts"
_hasher = PasswordHasher()
_NOBODY: Final = _hasher.hash(secrets.token_hex(16))  # so that an unknown name costs the same time


@dataclass(frozen=True, slots=True)
class Account:
    """A person with a login. stamp: sessions opened under another stamp have ended. joined: the
    invitation was redeemed. proven: roles that decide are awake; in production only for whoever
    came in with a passkey."""

    user_id: str
    email: str
    name: str
    roles: frozenset[str]
    active: bool
    approved_until: datetime | None
    daily_quota: int
    stamp: str
    created_at: datetime
    joined: bool = True
    proven: bool = True

    @property
    def asleep(self) -> frozenset[str]:
        """Roles it holds and cannot use until it comes in with a passkey."""
        return frozenset() if self.proven else self.roles & DECISIVE

    def has(self, *roles: str) -> bool:
        """Does the account hold one of these roles, awake?"""
        return not (self.roles - self.asleep).isdisjoint(roles)

    def require(self, *roles: str) -> None:
        """Return if it does; raise AccessError otherwise."""
        if self.active and self.has(*roles):
            return
        if not self.asleep.isdisjoint(roles):
            raise AccessError(
                "this needs a passkey: sign in with yours, or add one under My account first"
            )
        raise AccessError(f"this needs the role {' or '.join(roles)}")


@dataclass(frozen=True, slots=True)
class Proposal:
    """Roles that wait for a second admin. proposed_by: a user id or 'operator'."""

    user_id: str
    roles: frozenset[str]
    proposed_by: str


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """An API token as its owner sees it; the secret itself was shown once."""

    token_id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class Accounts:
    """The accounts of one installation."""

    def __init__(self, journal: Journal, daily_quota: int, production: bool = False) -> None:
        self._journal, self._quota, self._production = journal, daily_quota, production

    # signing in --------------------------------------------------------------------------------

    def sign_in(self, email: str, password: str, source: str = "") -> Account:
        """The account, if the password is right. Raises SignInError, with one text for all causes.

        After five wrong passwords the account rests for fifteen minutes. Both outcomes are logged.
        """
        row = self._row(users.c.email == email.strip().lower())
        right = _verify((row.password_hash if row else "") or _NOBODY, password)
        account = self._come_in(row, password, source) if row is not None and right else None
        if account is None:
            self._failed(row, source)
            raise SignInError(_WRONG)
        return account

    def _come_in(self, row: Any, password: str, source: str) -> Account | None:
        """The account whose password was right, unless what bars it, or another password, came
        while it was compared."""
        with self._journal.writing() as tx:
            now = tx.execute(sa.select(users).where(users.c.id == row.id).with_for_update()).first()
            if now is None or now.password_hash != row.password_hash or not now.active:
                return None
            if self._resting(now):
                return None
            values: dict[str, Any] = {"failures": 0, "locked_until": None}
            if _hasher.check_needs_rehash(row.password_hash):
                values["password_hash"] = hashed(password)
            tx.execute(users.update().where(users.c.id == row.id).values(values))
            self._log(tx, Kind.USER_SIGNED_IN, row.id, source=source)
            return self._read(tx, now)

    def _resting(self, row: Any) -> bool:
        return row.locked_until is not None and row.locked_until > self._journal.clock()

    def _failed(self, row: Any, source: str) -> None:
        """Log it; count it, unless the account rests already."""
        with self._journal.writing() as tx:
            known = sa.select(users).where(users.c.id == row.id).with_for_update() if row else None
            now = tx.execute(known).first() if known is not None else None
            resting = now is not None and self._resting(now)
            if now is not None and not resting:
                failures = now.failures + 1
                until = self._journal.clock() + REST if failures >= FAILURES else None
                failures = 0 if until else failures
                tx.execute(
                    users.update()
                    .where(users.c.id == now.id)
                    .values(failures=failures, locked_until=until)
                )
            self._log(
                tx,
                Kind.USER_SIGN_IN_FAILED,
                row.id if row else "",
                source=source,
                out=Outcome.DENY,
                why=("resting",) if resting else ("unknown_or_wrong",),
            )

    def sign_out(self, account: Account) -> None:
        """Note that the person left."""
        with self._journal.writing() as tx:
            self._log(tx, Kind.USER_SIGNED_OUT, account.user_id)

    # looking up --------------------------------------------------------------------------------

    def find(self, user_id: str) -> Account | None:
        """The account as it stands now, or None."""
        row = self._row(users.c.id == user_id)
        return self._account(row) if row else None

    def get(self, user_id: str) -> Account:
        """The account. Raises NotFoundError."""
        account = self.find(user_id)
        if account is None:
            raise NotFoundError("there is no such account")
        return account

    def by_email(self, email: str) -> Account | None:
        """The account of this address, or None."""
        row = self._row(users.c.email == email.strip().lower())
        return self._account(row) if row else None

    def listed(self, actor: Account) -> tuple[Account, ...]:
        """Every account, by name; for reviewers, stewards, auditors and admins."""
        actor.require("reviewer", "steward", "auditor", "admin")
        return self.everybody()

    def everybody(self) -> tuple[Account, ...]:
        """Every account, by name; for the operator at the machine."""
        with self._journal.database.read() as tx:
            rows = tx.execute(sa.select(users).order_by(users.c.name, users.c.id)).all()
            return tuple(self._read(tx, row) for row in rows)

    def names(self, user_ids: Iterable[str]) -> Mapping[str, str]:
        """user id -> name, for those that exist."""
        with self._journal.database.read() as tx:
            chosen = sa.select(users.c.id, users.c.name).where(users.c.id.in_(set(user_ids)))
            return {row.id: row.name for row in tx.execute(chosen)}

    # changing ----------------------------------------------------------------------------------

    def add(
        self,
        actor: Account | None,
        *,
        email: str,
        name: str,
        password: str,
        roles: Iterable[str],
        daily_quota: int | None = None,
    ) -> Account:
        """A new account with a password that somebody else knows: for development alone, by the
        operator (actor None). Everybody else is invited (invitations.py).

        Raises AccessError otherwise, InputError, ConflictError for a known address.
        """
        if actor is not None or self._production:
            raise AccessError("people are invited, and choose their own password or passkey")
        check_password(password)
        with self._journal.writing() as tx:
            user_id = self.insert(
                tx, OPERATOR, email, name, daily_quota,
                password_hash=hashed(password), joined_at=self._journal.clock(),
            )  # fmt: skip
            chosen = _known_roles(roles)
            _set_roles(tx, user_id, chosen)
            self._log(tx, Kind.USER_CREATED, OPERATOR, subject=user_id, facts=_told(chosen))
        return self.get(user_id)

    def insert(
        self, tx: sa.Connection, by: str, email: str, name: str, quota: int | None, **more: Any
    ) -> str:
        """The row of a new account, without roles; its id. Raises InputError, ConflictError."""
        address, user_id = _address(email), uuid.uuid4().hex
        if not name.strip() or len(name) > 120:
            raise InputError("a name has 1 to 120 characters")
        if tx.execute(sa.select(users.c.id).where(users.c.email == address)).first():
            raise ConflictError("there is an account with this address")
        row = {
            "id": user_id,
            "email": address,
            "name": name.strip(),
            "password_hash": "",
            "active": True,
            "daily_quota": self._quota if quota is None else quota,
            "stamp": secrets.token_hex(16),
            "failures": 0,
            "created_at": self._journal.clock(),
            "invited_by": by,
        }
        tx.execute(users.insert().values(row | more))
        return user_id

    def give(
        self, tx: sa.Connection, by: str, user_id: str, roles: Iterable[str], anew: bool = False
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Give the account exactly these roles: (what it has now, what waits for a second admin).

        A role that decides and is new to the account (with anew: any) waits where there are two
        admins. In production it always waits, but for the operator's first two admins.
        """
        chosen, held = _known_roles(roles), frozenset() if anew else _roles(tx, user_id)
        new = (chosen - held) & DECISIVE
        waiting = frozenset(role for role in new if self._needs_second(tx, by, user_id, role))
        tx.execute(user_roles.delete().where(user_roles.c.user_id == user_id))
        mine = role_proposals.c.user_id == user_id
        proposed = frozenset(tx.execute(sa.select(role_proposals.c.role).where(mine)).scalars())
        _set_roles(tx, user_id, chosen - waiting)
        if waiting == proposed and not anew:  # saved once more: it stays its proposer's
            return chosen - waiting, waiting
        tx.execute(role_proposals.delete().where(mine))  # a proposal has one proposer
        for role in waiting:
            tx.execute(
                role_proposals.insert().values(
                    user_id=user_id, role=role, proposed_by=by, proposed_at=self._journal.clock()
                )
            )
        return chosen - waiting, waiting

    def _needs_second(self, tx: sa.Connection, by: str, user_id: str, role: str) -> bool:
        """Must two admins agree on this role?"""
        held = sa.select(user_roles.c.user_id).where(user_roles.c.role == "admin")
        admins = tx.execute(sa.select(users).where(users.c.id.in_(held), users.c.active)).all()
        if self._production:
            others = sum(row.id != user_id for row in admins)
            return not (by == OPERATOR and role == "admin" and others < ADMINS)
        return sum(row.joined_at is not None for row in admins) >= ADMINS

    def set_roles(self, actor: Account | None, user_id: str, roles: Iterable[str]) -> Account:
        """Give the account exactly these roles; its sessions end. Nobody changes his own. New roles
        that decide may wait for a second admin: see `give` and `agree`."""
        self.check_admin(actor, user_id)
        with self._journal.writing() as tx:
            self.touch(tx, user_id, stamp=secrets.token_hex(16))
            now, waiting = self.give(tx, _who(actor), user_id, roles)
            self._log(
                tx,
                Kind.USER_CHANGED,
                _who(actor),
                subject=user_id,
                why=("roles", "waits") if waiting else ("roles",),
                facts=_told(now, waiting),
            )
        return self.get(user_id)

    def proposals(self, actor: Account) -> Mapping[str, Proposal]:
        """user id -> the roles that wait for a second admin."""
        actor.require("admin")
        with self._journal.database.read() as tx:
            rows = tx.execute(sa.select(role_proposals)).all()
        return {
            one: Proposal(one, frozenset(r.role for r in rows if r.user_id == one), by)
            for one, by in {(r.user_id, r.proposed_by) for r in rows}
        }

    def waiting(self, user_id: str) -> frozenset[str]:
        """The roles of this account that wait for a second admin."""
        chosen = sa.select(role_proposals.c.role).where(role_proposals.c.user_id == user_id)
        with self._journal.database.read() as tx:
            return frozenset(tx.execute(chosen).scalars())

    def agree(self, actor: Account, user_id: str) -> Account:
        """Give the roles that another admin proposed, as a second person; the sessions end.

        Raises AccessError for whoever proposed them, receives them, or counts as one with either.
        """
        actor.require("admin")
        with self._journal.writing() as tx:
            rows = self._waiting(tx, user_id)
            proposers = {row.proposed_by for row in rows}
            if actor.user_id in proposers | {user_id}:
                raise AccessError("a second admin must agree")
            require_apart(tx, actor.user_id, user_id, *(proposers - {OPERATOR}))
            roles = frozenset(row.role for row in rows)
            tx.execute(role_proposals.delete().where(role_proposals.c.user_id == user_id))
            _set_roles(tx, user_id, roles)
            self.touch(tx, user_id, stamp=secrets.token_hex(16))
            self._log(
                tx, Kind.USER_CHANGED, actor.user_id, subject=user_id, out=Outcome.ALLOW,
                why=("roles_agreed",), facts=_told(roles),
            )  # fmt: skip
        return self.get(user_id)

    def decline(self, actor: Account, user_id: str) -> Account:
        """Refuse, or take back, the roles that were proposed."""
        actor.require("admin")
        with self._journal.writing() as tx:
            roles = frozenset(row.role for row in self._waiting(tx, user_id))
            tx.execute(role_proposals.delete().where(role_proposals.c.user_id == user_id))
            self._log(
                tx, Kind.USER_CHANGED, actor.user_id, subject=user_id, out=Outcome.DENY,
                why=("roles_declined",), facts=_told(roles),
            )  # fmt: skip
        return self.get(user_id)

    def _waiting(self, tx: sa.Connection, user_id: str) -> Any:
        chosen = sa.select(role_proposals).where(role_proposals.c.user_id == user_id)
        rows = tx.execute(chosen).all()
        if not rows:
            raise ConflictError("no roles wait for this account")
        return rows

    def set_active(self, actor: Account | None, user_id: str, active: bool) -> Account:
        """Open or close the account; closing ends its sessions and tokens."""
        self.check_admin(actor, user_id)
        with self._journal.writing() as tx:
            self.touch(tx, user_id, active=active, stamp=secrets.token_hex(16))
            if not active:
                self.revoke_tokens(tx, user_id)
            kind = Kind.USER_CHANGED if active else Kind.USER_SUSPENDED
            self._log(tx, kind, _who(actor), subject=user_id, why=("active",))
        return self.get(user_id)

    def change_password(self, account: Account, old: str, new: str, source: str = "") -> Account:
        """A new password; every session and token of the account ends. Raises SignInError,
        InputError. Wrong old ones count as failed sign-ins, and rest the account as they do."""
        row = self._row(users.c.id == account.user_id)
        right = row is not None and not self._resting(row) and _verify(row.password_hash, old)
        if not right:
            self._failed(row, source)
            raise SignInError("the old password is wrong, or was tried too often of late")
        check_password(new)
        with self._journal.writing() as tx:
            self.touch(
                tx,
                account.user_id,
                password_hash=hashed(new),
                stamp=secrets.token_hex(16),
            )
            self.revoke_tokens(tx, account.user_id)
            self._log(tx, Kind.USER_CHANGED, account.user_id, why=("password",))
        return self.get(account.user_id)

    def grant(self, actor: Account, user_id: str, until: datetime) -> Account:
        """Approve the account's access to generation until then, a year at most.

        By a reviewer or admin who is not that person: raises AccessError otherwise.
        """
        actor.require("reviewer", "admin")
        if actor.user_id == user_id:
            raise AccessError("a second person must approve your access")
        now = self._journal.clock()
        if not now < until <= now + LONGEST_GRANT:
            raise InputError("access is granted for at most a year, and not into the past")
        with self._journal.writing() as tx:
            require_apart(tx, actor.user_id, user_id)
            self.touch(tx, user_id, approved_until=until, approved_by=actor.user_id)
            self._log(tx, Kind.USER_APPROVED, actor.user_id, subject=user_id, out=Outcome.ALLOW,
                      facts=(("until", format_time(until)),))  # fmt: skip
        return self.get(user_id)

    def access_stands(self, account: Account) -> bool:
        """Whether the account may ask for videos now. The log says so, not the row alone: access
        put back by hand, or prolonged, gives nobody anything."""
        until = account.approved_until
        if until is None or until <= self._journal.clock():
            return False
        with self._journal.database.read() as tx:
            return access_told(tx, self._journal.log, account.user_id, until)

    def revoke_access(self, actor: Account, user_id: str) -> Account:
        """End the account's access to generation now."""
        actor.require("reviewer", "admin")
        with self._journal.writing() as tx:
            self.touch(tx, user_id, approved_until=None, approved_by=None)
            self._log(tx, Kind.USER_SUSPENDED, actor.user_id, subject=user_id, why=("access",))
        return self.get(user_id)

    # tokens ------------------------------------------------------------------------------------

    def make_token(
        self, actor: Account, name: str, scopes: Iterable[str], days: int
    ) -> tuple[TokenInfo, str]:
        """A token for the API, and its text, which is shown once and never again."""
        chosen = sorted(set(scopes))
        if not chosen or not set(chosen) <= set(SCOPES):
            raise InputError(f"scopes are among {', '.join(SCOPES)}")
        if not 1 <= days <= LONGEST_TOKEN or not 1 <= len(name.strip()) <= 80:
            raise InputError("a token has a name of 1 to 80 characters and lives 1 to 366 days")
        for scope in chosen:
            actor.require(*SCOPE_ROLES[scope])
        token_id, secret = uuid.uuid4().hex, secrets.token_bytes(32)
        now = self._journal.clock()
        row = {
            "id": token_id,
            "user_id": actor.user_id,
            "name": name.strip(),
            "secret_sha256": hashlib.sha256(secret).hexdigest(),
            "scopes": chosen,
            "created_at": now,
            "expires_at": now + timedelta(days=days),
            "by_passkey": actor.proven,
        }
        with self._journal.writing() as tx:
            tx.execute(tokens.insert().values(row))
            self._log(
                tx,
                Kind.USER_CHANGED,
                actor.user_id,
                why=("token_made",),
                facts=(("scopes", ",".join(chosen)),),
            )
        info = next(t for t in self.tokens(actor) if t.token_id == token_id)
        return info, f"pf_{token_id}_{secret.hex()}"

    def tokens(self, actor: Account) -> tuple[TokenInfo, ...]:
        """The account's own tokens, newest first."""
        mine = tokens.c.user_id == actor.user_id
        with self._journal.database.read() as tx:
            rows = tx.execute(
                sa.select(tokens).where(mine).order_by(tokens.c.created_at.desc(), tokens.c.id)
            )
            return tuple(
                TokenInfo(r.id, r.name, frozenset(r.scopes), r.created_at, r.expires_at,
                          r.last_used_at, r.revoked_at)
                for r in rows
            )  # fmt: skip

    def revoke_token(self, actor: Account, token_id: str) -> None:
        """End a token: one's own, or as an admin anybody's."""
        with self._journal.writing() as tx:
            row = tx.execute(sa.select(tokens).where(tokens.c.id == token_id)).first()
            if row is None or (row.user_id != actor.user_id and not actor.has("admin")):
                raise NotFoundError("there is no such token")
            tx.execute(
                tokens.update()
                .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
                .values(revoked_at=self._journal.clock())
            )
            self._log(
                tx, Kind.USER_CHANGED, actor.user_id, subject=row.user_id, why=("token_revoked",)
            )

    def authenticate(self, text: str, scope: str) -> Account:
        """The account a token speaks for. Raises SignInError, or AccessError without the scope."""
        parts = _TOKEN.fullmatch(text)
        if not parts:
            raise SignInError("the token is not valid")
        digest = hashlib.sha256(bytes.fromhex(parts[2])).hexdigest()
        now = self._journal.clock()
        with self._journal.database.read() as tx:
            row = tx.execute(sa.select(tokens).where(tokens.c.id == parts[1])).first()
        fits = row is not None and secrets.compare_digest(row.secret_sha256, digest)
        if row is None or not fits or row.revoked_at is not None or row.expires_at <= now:
            raise SignInError("the token is not valid")
        account = self.get(row.user_id)
        if not account.active:
            raise SignInError("the token is not valid")
        account = replace(account, proven=account.proven or row.by_passkey)
        if scope not in row.scopes:
            raise AccessError(f"the token does not carry the scope {scope}")
        account.require(*SCOPE_ROLES[scope])
        if row.last_used_at is None or now - row.last_used_at > timedelta(minutes=1):
            with self._journal.writing() as tx:
                tx.execute(tokens.update().where(tokens.c.id == row.id).values(last_used_at=now))
        return account

    # -------------------------------------------------------------------------------------------

    def _row(self, where: sa.ColumnElement[bool]) -> Any:
        with self._journal.database.read() as tx:
            return tx.execute(sa.select(users).where(where)).first()

    def _account(self, row: Any) -> Account:
        with self._journal.database.read() as tx:
            return self._read(tx, row)

    def _read(self, tx: sa.Connection, row: Any) -> Account:
        return _account(row, _roles(tx, row.id), proven=not self._production)

    def revoke_tokens(self, tx: sa.Connection, user_id: str) -> None:
        """End every token of the account."""
        standing = (tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None))
        tx.execute(tokens.update().where(*standing).values(revoked_at=self._journal.clock()))

    def touch(self, tx: sa.Connection, user_id: str, **values: Any) -> None:
        """Change the account's row. Raises NotFoundError."""
        if tx.execute(users.update().where(users.c.id == user_id).values(values)).rowcount != 1:
            raise NotFoundError("there is no such account")

    @staticmethod
    def check_admin(actor: Account | None, user_id: str) -> None:
        """Return if this admin, or the operator, may change that account; raise AccessError."""
        if actor is None:
            return
        actor.require("admin")
        if actor.user_id == user_id:
            raise AccessError("nobody changes his own roles or closes his own account")

    def _log(
        self, tx: sa.Connection, kind: Kind, actor: str, *, source: str = "", **more: Any
    ) -> None:
        entry = self._journal.event(kind, actor, **more)
        if source:
            entry = replace(entry, facts=(*entry.facts, ("source", self._journal.source(source))))
        self._journal.append(tx, entry)


def access_told(tx: sa.Connection, log: Log, user_id: str, until: datetime) -> bool:
    """Whether the log was told last that this person has access until then, and that the account
    is not closed."""
    access: bool | None = None
    closed: bool | None = None
    for leaf in told_of(tx, log, user_id, "user."):
        if closed is None and "active" in leaf.why:
            closed = leaf.kind is Kind.USER_SUSPENDED
        if access is None and leaf.kind is Kind.USER_APPROVED:
            # Entries of earlier versions do not tell the day.
            access = dict(leaf.facts).get("until", format_time(until)) == format_time(until)
        elif access is None and leaf.kind is Kind.USER_SUSPENDED and "access" in leaf.why:
            access = False
    return bool(access) and not closed


def _account(row: Any, roles: frozenset[str], proven: bool) -> Account:
    return Account(
        user_id=row.id,
        email=row.email,
        name=row.name,
        roles=roles,
        active=row.active,
        approved_until=row.approved_until,
        daily_quota=row.daily_quota,
        stamp=row.stamp,
        created_at=row.created_at,
        joined=row.joined_at is not None,
        proven=proven,
    )


def _roles(tx: sa.Connection, user_id: str) -> frozenset[str]:
    chosen = sa.select(user_roles.c.role).where(user_roles.c.user_id == user_id)
    return frozenset(tx.execute(chosen).scalars())


def _set_roles(tx: sa.Connection, user_id: str, roles: frozenset[str]) -> None:
    if roles:
        tx.execute(user_roles.insert(), [{"user_id": user_id, "role": role} for role in roles])


def _known_roles(roles: Iterable[str]) -> frozenset[str]:
    chosen = frozenset(roles)
    if not chosen <= set(ROLES):
        raise InputError(f"roles are among {', '.join(ROLES)}")
    return chosen


def _address(email: str) -> str:
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise InputError("this is not an e-mail address")
    return address


def check_password(password: str) -> None:
    """Return if it is long enough; raise InputError otherwise."""
    if not SHORTEST_PASSWORD <= len(password) <= 200:
        raise InputError(f"a password has {SHORTEST_PASSWORD} to 200 characters")


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _hasher.hash(password)


def _told(roles: frozenset[str], waiting: frozenset[str] = frozenset()) -> Any:
    """The roles as facts of a log entry."""
    told = [("roles", roles)] + ([("waiting", waiting)] if waiting else [])
    return tuple((name, ",".join(sorted(which))) for name, which in told)


def _who(actor: Account | None) -> str:
    return actor.user_id if actor else OPERATOR
