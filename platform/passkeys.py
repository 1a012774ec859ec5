"""Passkeys: signing in with a key that never leaves the person's device (WebAuthn, level 2).

The browser answers a fresh challenge with a signature that names our host, so there is nothing to
phish or to repeat. A challenge is good for five minutes and for one answer, right or wrong. The
device must have verified its user (a finger, a face, a PIN). ⊳ webauthn
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import DECISIVE, Account, Accounts
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    SignInError,
)
from primafacie.platform.journal import Journal
from primafacie.platform.tables import passkey_challenges, passkeys

if TYPE_CHECKING:
    from webauthn.helpers.structs import AuthenticationCredential

ANSWERED_IN: Final = timedelta(minutes=5)
MOST: Final = 10  # for one account
LONGEST: Final = 16_384  # characters of an answer
SIGN_IN: Final = "sign-in"
#: What the library says of an answer -> what the log says of it.
_WHY: Final = (
    ("challenge", "challenge"), ("origin", "origin"), ("RP ID", "host"), ("sign count", "counter"),
    ("verification is required", "user_not_verified"), ("verification was required",
    "user_not_verified"), ("not present", "user_not_present"), ("authentication signature",
    "signature"), ("alg", "algorithm"),
)  # fmt: skip
_K, _C = passkeys.c, passkey_challenges.c


class RefusedKey(SignInError):
    """A passkey's answer that opens nothing. why: one word for the log."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, slots=True)
class Asked:
    """What the browser is asked: options as JSON, and the challenge in them."""

    options: str
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey as its owner sees it."""

    key_id: str
    name: str
    added_at: datetime
    last_used_at: datetime | None


class Passkeys:
    """The passkeys of one installation, for the host and origin of its public address."""

    def __init__(
        self, journal: Journal, accounts: Accounts, public_url: str, production: bool, name: str
    ) -> None:
        parts = urlsplit(public_url)
        self._journal, self._accounts = journal, accounts
        self._production, self._name = production, name
        usual = {"https": 443, "http": 80}.get(parts.scheme)
        port = "" if parts.port in (None, usual) else f":{parts.port}"
        self._host = parts.hostname or ""
        self.origin = f"{parts.scheme}://{self._host}{port}"  # as browsers write it

    @property
    def possible(self) -> bool:
        """Can there be any? Browsers make none for an address without a name."""
        return named_host(self.origin)

    # adding ------------------------------------------------------------------------------------

    def ask_new(self, account: Account) -> Asked:
        """Options for navigator.credentials.create()."""
        from webauthn import generate_registration_options, options_to_json
        from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        self._require_possible()
        with self._journal.database.read() as tx:
            known = tx.execute(
                sa.select(_K.credential_id).where(_K.user_id == account.user_id)
            ).scalars().all()  # fmt: skip
        if len(known) >= MOST:
            raise ConflictError(f"an account has at most {MOST} passkeys; remove one first")
        challenge = self._fresh(f"add {account.user_id}")
        options = generate_registration_options(
            rp_id=self._host,
            rp_name=self._name,
            user_id=bytes.fromhex(account.user_id),
            user_name=account.email,
            user_display_name=account.name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(one) for one in known],
            supported_pub_key_algs=[
                Algorithm.ECDSA_SHA_256, Algorithm.EDDSA, Algorithm.RSASSA_PKCS1_v1_5_SHA_256,
            ],
        )  # fmt: skip
        return Asked(options_to_json(options), challenge)

    def add(self, account: Account, answer: str, challenge: bytes, name: str) -> None:
        """A passkey more; other sessions of the account end. Whoever has one already must have
        come in with one. Raises RefusedKey, InputError."""
        with self._attempt("passkey_not_added", account.user_id):
            if not account.proven and self.listed(account):
                raise RefusedKey("not_proven", "sign in with a passkey you have, then add another")
            row = self.checked(account, answer, challenge, name)
        with self._journal.writing() as tx:
            self.insert(tx, row)
            self._accounts.touch(tx, account.user_id, stamp=secrets.token_hex(16))
            self._log(tx, Kind.USER_CHANGED, account.user_id, why=("passkey_added",))

    def checked(self, account: Account, answer: str, challenge: bytes, name: str) -> dict[str, Any]:
        """The row of a new passkey, if the answer is one to this challenge. Raises RefusedKey."""
        from webauthn import verify_registration_response

        if not 1 <= len(name.strip()) <= 80:
            raise InputError("a passkey has a name of 1 to 80 characters")
        self._spend(challenge, f"add {account.user_id}")
        with _refused():
            found = verify_registration_response(
                credential=_short(answer),
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        return {
            "id": sha256_hex(found.credential_id),
            "user_id": account.user_id,
            "credential_id": found.credential_id,
            "public_key": found.credential_public_key,
            "sign_count": found.sign_count,
            "name": name.strip(),
            "added_at": self._journal.clock(),
        }

    def insert(self, tx: sa.Connection, row: dict[str, Any]) -> None:
        """Keep it. Raises ConflictError for one that is known, whoever's it is."""
        if tx.execute(sa.select(_K.id).where(_K.id == row["id"])).first():
            raise ConflictError("this passkey is in use already")
        tx.execute(passkeys.insert().values(row))

    # signing in --------------------------------------------------------------------------------

    def ask(self) -> Asked:
        """Options for navigator.credentials.get(); the device knows whose passkeys it holds."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        self._require_possible()
        challenge = self._fresh(SIGN_IN)
        options = generate_authentication_options(
            rp_id=self._host,
            challenge=challenge,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return Asked(options_to_json(options), challenge)

    def sign_in(self, answer: str, challenge: bytes, source: str = "") -> Account:
        """The account whose passkey answered. Raises RefusedKey; both outcomes are logged."""
        with self._attempt("passkey", "", source) as told:
            self._spend(challenge, SIGN_IN)
            with _refused():
                given = _parsed(_short(answer))
                row = self._of(given.raw_id)
                told["user"] = row.user_id
                count = self._verified(given, challenge, row)
            account = self._accounts.get(row.user_id)
            if not account.active:
                raise RefusedKey("closed", "this account is closed")
        now = self._journal.clock()
        with self._journal.writing() as tx:
            # Another answer may have been counted meanwhile: then this one may be a copy's.
            raised = passkeys.update().where(_K.id == row.id, _K.sign_count == row.sign_count)
            if tx.execute(raised.values(sign_count=count, last_used_at=now)).rowcount != 1:
                raise ConflictError("this passkey was used twice at once; try again")
            self._accounts.touch(tx, row.user_id, failures=0, locked_until=None)
            self._log(tx, Kind.USER_SIGNED_IN, row.user_id, why=("passkey",), source=source)
        return replace(account, proven=True)

    def _verified(self, given: AuthenticationCredential, challenge: bytes, row: Any) -> int:
        from webauthn import verify_authentication_response

        if given.response.user_handle != bytes.fromhex(row.user_id):
            raise RefusedKey("other_account", "the passkey names another account")
        return verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=self._host,
            expected_origin=self.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        ).new_sign_count

    # looking after them ------------------------------------------------------------------------

    def listed(self, account: Account) -> tuple[Passkey, ...]:
        """The account's own, oldest first."""
        mine = sa.select(passkeys).where(_K.user_id == account.user_id)
        with self._journal.database.read() as tx:
            rows = tx.execute(mine.order_by(_K.added_at, _K.id)).all()
        return tuple(Passkey(r.id, r.name, r.added_at, r.last_used_at) for r in rows)

    def remove(self, account: Account, key_id: str) -> None:
        """Forget one; other sessions and all tokens end, which it may have made. The last one of
        whoever decides stays in production."""
        if not account.proven:
            raise AccessError("sign in with a passkey before you remove one")
        others = sa.select(_K.id).where(_K.user_id == account.user_id, _K.id != key_id)
        with self._journal.writing() as tx:
            # Counted where no other removal can come between.
            if self._production and account.roles & DECISIVE and not tx.execute(others).first():
                raise ConflictError("add another passkey first: your roles need one")
            gone = passkeys.delete().where(_K.id == key_id, _K.user_id == account.user_id)
            if tx.execute(gone).rowcount != 1:
                raise NotFoundError("there is no such passkey")
            self._accounts.touch(tx, account.user_id, stamp=secrets.token_hex(16))
            self._accounts.revoke_tokens(tx, account.user_id)
            self._log(tx, Kind.USER_CHANGED, account.user_id, why=("passkey_removed",))

    def forget(self, tx: sa.Connection, user_id: str) -> None:
        """Forget all of an account, in the caller's transaction."""
        tx.execute(passkeys.delete().where(_K.user_id == user_id))

    # -------------------------------------------------------------------------------------------

    def _require_possible(self) -> None:
        if not self.possible:
            raise ConflictError(
                "a passkey belongs to a name, and the public address of this console is a number; "
                "open it under a name (http://localhost:8000)"
            )

    def _fresh(self, about: str) -> bytes:
        challenge, now = secrets.token_bytes(32), self._journal.clock()
        row = {"id": sha256_hex(challenge), "about": about, "expires_at": now + ANSWERED_IN}
        with self._journal.database.write() as tx:
            tx.execute(passkey_challenges.delete().where(_C.expires_at < now))
            tx.execute(passkey_challenges.insert().values(row))
        return challenge

    def _spend(self, challenge: bytes, about: str) -> None:
        """Take the challenge out of the world, whatever becomes of its answer."""
        mine = sa.and_(
            _C.id == sha256_hex(challenge), _C.about == about, _C.expires_at > self._journal.clock()
        )
        with self._journal.database.write() as tx:
            if tx.execute(passkey_challenges.delete().where(mine)).rowcount != 1:
                raise RefusedKey(
                    "challenge", "this took too long, or was answered already; try again"
                )

    def _of(self, credential_id: bytes) -> Any:
        with self._journal.database.read() as tx:
            row = tx.execute(sa.select(passkeys).where(_K.id == sha256_hex(credential_id))).first()
        if row is None:
            raise RefusedKey("unknown", "nobody here has this passkey")
        return row

    @contextmanager
    def _attempt(self, what: str, user_id: str, source: str = "") -> Iterator[dict[str, str]]:
        """Log what fails inside, with its reason, before the failure goes on."""
        told = {"user": user_id}
        try:
            yield told
        except RefusedKey as error:
            with self._journal.writing() as tx:
                self._log(
                    tx, Kind.USER_SIGN_IN_FAILED, told["user"], source=source, out=Outcome.DENY,
                    why=(what, error.why),
                )  # fmt: skip
            raise

    def _log(
        self, tx: sa.Connection, kind: Kind, actor: str, source: str = "", **more: Any
    ) -> None:
        facts = (("source", self._journal.source(source)),) if source else ()
        self._journal.append(tx, self._journal.event(kind, actor, facts=facts, **more))


def named_host(address: str) -> bool:
    """Does this address bear a name, and no number?"""
    host = urlsplit(address).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host)
    return False


@contextmanager
def _refused() -> Iterator[None]:
    """What a stranger's browser sends may break any parser: every failure is a refusal."""
    try:
        yield
    except RefusedKey:
        raise
    except Exception as error:
        why = next((code for words, code in _WHY if words in str(error)), "malformed")
        told = why.replace("_", " ")
        raise RefusedKey(why, f"the passkey's answer does not hold ({told})") from error


def _parsed(answer: str) -> AuthenticationCredential:
    from webauthn.helpers import parse_authentication_credential_json

    return parse_authentication_credential_json(answer)


def _short(answer: str) -> str:
    if len(answer) > LONGEST:
        raise RefusedKey("malformed", "the passkey's answer is too long")
    json.loads(answer)  # raises before anything else reads it
    return answer
