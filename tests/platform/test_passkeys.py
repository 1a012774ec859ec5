"""Passkeys: what opens an account, and every way in which it does not."""

from __future__ import annotations

import importlib.util
import json
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from primafacie.platform.errors import ConflictError, SignInError
from primafacie.platform.passkeys import ANSWERED_IN, MOST, Passkeys, RefusedKey
from primafacie.platform.tables import passkeys as table


def _load(name: str) -> ModuleType:
    if name not in sys.modules:
        file = Path(__file__).parents[1] / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


soft = _load("soft_key")
ORIGIN = "http://localhost:8000"


@pytest.fixture(scope="module")
def house(shared_house: Any) -> Any:
    return shared_house


@pytest.fixture
def keys(house: Any) -> Iterator[Any]:
    """Its passkeys; none is left to the next test."""
    yield house.services.passkeys
    with house.services.database.write() as tx:
        tx.execute(table.delete())
        tx.exec_driver_sql("DELETE FROM passkey_challenges")
    house.services.accounts.set_active(house.admin, house.researcher.user_id, True)


@pytest.fixture
def key() -> Any:
    return soft.SoftKey(origin=ORIGIN)


def add(keys: Any, account: Any, key: Any, **forged: Any) -> None:
    asked = keys.ask_new(account)
    keys.add(account, key.make(asked.options, **forged), asked.challenge, "my phone")


@pytest.fixture
def owned(house: Any, keys: Any, key: Any) -> Any:
    """A key that the researcher registered."""
    add(keys, house.researcher, key)
    return key


def last_why(house: Any) -> tuple[str, ...]:
    with house.services.database.read() as tx:
        log = house.services.log
        leaf = log.leaf(tx, log.size(tx) - 1)
    return (leaf.kind.value, *leaf.why)


class TestSigningIn:
    def test_the_key_opens_its_owners_account(self, house: Any, keys: Any, owned: Any) -> None:
        asked = keys.ask()
        answer = owned.sign(asked.options, house.researcher.user_id)
        account = keys.sign_in(answer, asked.challenge, "192.0.2.1")
        assert account.user_id == house.researcher.user_id and account.proven
        assert last_why(house) == ("user.signed_in", "passkey")

    def test_it_works_again_with_a_fresh_challenge(self, house: Any, keys: Any, owned: Any) -> None:
        for _ in range(3):
            asked = keys.ask()
            assert keys.sign_in(owned.sign(asked.options), asked.challenge)

    def test_a_key_that_never_counts_works(self, house: Any, keys: Any) -> None:
        silent = soft.SoftKey(origin=ORIGIN)
        add(keys, house.researcher, silent)
        for _ in range(2):
            asked = keys.ask()
            assert keys.sign_in(silent.sign(asked.options, count=0), asked.challenge)

    def test_adding_one_ends_other_sessions(self, house: Any, keys: Any, key: Any) -> None:
        text = house.services.sessions.begin(house.researcher)
        add(keys, house.researcher, key)
        now = house.services.accounts.get(house.researcher.user_id)
        assert not house.services.sessions.stands(text, now)


class TestAttacks:
    """Each is refused, and the log says why."""

    def attempt(self, house: Any, keys: Any, answer: str, challenge: bytes, why: str) -> None:
        with pytest.raises(SignInError):
            keys.sign_in(answer, challenge)
        assert last_why(house) == ("user.sign_in_failed", "passkey", why)

    def test_an_answer_sent_twice(self, house: Any, keys: Any, owned: Any) -> None:
        asked = keys.ask()
        answer = owned.sign(asked.options)
        keys.sign_in(answer, asked.challenge)
        self.attempt(house, keys, answer, asked.challenge, "challenge")

    def test_an_old_answer_to_a_new_challenge(self, house: Any, keys: Any, owned: Any) -> None:
        first, second = keys.ask(), keys.ask()
        self.attempt(house, keys, owned.sign(first.options), second.challenge, "challenge")

    def test_a_challenge_used_again_after_a_wrong_answer(
        self, house: Any, keys: Any, owned: Any
    ) -> None:
        asked = keys.ask()
        self.attempt(house, keys, owned.sign(asked.options, flags=1), asked.challenge,
                     "user_not_verified")  # fmt: skip
        self.attempt(house, keys, owned.sign(asked.options), asked.challenge, "challenge")

    def test_a_challenge_made_up(self, house: Any, keys: Any, owned: Any) -> None:
        mine = b"m" * 32
        options = json.dumps({"challenge": urlsafe_b64encode(mine).rstrip(b"=").decode()})
        self.attempt(house, keys, owned.sign(options), mine, "challenge")

    def test_a_challenge_that_was_meant_for_adding_a_key(
        self, house: Any, keys: Any, owned: Any
    ) -> None:
        asked = keys.ask_new(house.researcher)
        self.attempt(house, keys, owned.sign(asked.options), asked.challenge, "challenge")

    def test_a_challenge_too_old(self, house: Any, keys: Any, owned: Any) -> None:
        asked = keys.ask()
        house.watch.move(seconds=ANSWERED_IN.total_seconds() + 1)
        self.attempt(house, keys, owned.sign(asked.options), asked.challenge, "challenge")

    @pytest.mark.parametrize(
        ("forged", "why"),
        [
            ({"origin": "https://localhost.evil.example"}, "origin"),
            ({"origin": "http://localhost:8001"}, "origin"),
            ({"host": "evil.example"}, "host"),
            ({"flags": soft.PRESENT}, "user_not_verified"),
            ({"flags": soft.VERIFIED}, "user_not_present"),
            ({"count": 1}, "counter"),
            ({"count": 0}, "counter"),
        ],
    )
    def test_another_place_nobody_there_or_a_copy_of_the_key(
        self, house: Any, keys: Any, owned: Any, forged: dict[str, Any], why: str
    ) -> None:
        asked = keys.ask()
        keys.sign_in(owned.sign(asked.options, count=7), asked.challenge)
        asked = keys.ask()
        self.attempt(house, keys, owned.sign(asked.options, **forged), asked.challenge, why)

    def test_a_key_that_says_it_is_somebody_elses(self, house: Any, keys: Any, owned: Any) -> None:
        asked = keys.ask()
        answer = owned.sign(asked.options, house.admin.user_id)
        self.attempt(house, keys, answer, asked.challenge, "other_account")

    def test_an_answer_that_names_nobody(self, house: Any, keys: Any, owned: Any) -> None:
        asked = keys.ask()
        answer = owned.sign(asked.options, user_id="")
        self.attempt(house, keys, answer, asked.challenge, "other_account")

    def test_a_key_nobody_registered(self, house: Any, keys: Any, key: Any) -> None:
        asked = keys.ask()
        self.attempt(house, keys, key.sign(asked.options), asked.challenge, "unknown")

    def test_a_known_id_with_another_private_key(self, house: Any, keys: Any, owned: Any) -> None:
        thief = soft.SoftKey(origin=ORIGIN, credential_id=owned.credential_id, count=50,
                             user=owned.user)  # fmt: skip
        asked = keys.ask()
        self.attempt(house, keys, thief.sign(asked.options), asked.challenge, "signature")

    @pytest.mark.parametrize(
        "answer", ["", "{}", "[]", "nonsense", '{"id":"a"}', "{" * 5000, "x" * 20_000]
    )
    def test_no_answer_at_all(self, house: Any, keys: Any, answer: str) -> None:
        self.attempt(house, keys, answer, keys.ask().challenge, "malformed")

    def test_a_closed_account(self, house: Any, keys: Any, owned: Any) -> None:
        house.services.accounts.set_active(house.admin, house.researcher.user_id, False)
        asked = keys.ask()
        self.attempt(house, keys, owned.sign(asked.options), asked.challenge, "closed")

    @pytest.mark.parametrize(
        ("forged", "why"),
        [
            ({"origin": "https://evil.example"}, "origin"),
            ({"host": "evil.example"}, "host"),
            ({"flags": soft.PRESENT}, "user_not_verified"),
            ({"challenge": "AAAA"}, "challenge"),
        ],
    )
    def test_a_new_key_from_elsewhere(
        self, house: Any, keys: Any, key: Any, forged: dict[str, Any], why: str
    ) -> None:
        with pytest.raises(RefusedKey):
            add(keys, house.researcher, key, **forged)
        assert last_why(house) == ("user.sign_in_failed", "passkey_not_added", why)
        assert keys.listed(house.researcher) == ()

    def test_a_challenge_for_another_accounts_new_key(
        self, house: Any, keys: Any, key: Any
    ) -> None:
        asked = keys.ask_new(house.researcher)
        with pytest.raises(RefusedKey):
            keys.add(house.admin, key.make(asked.options), asked.challenge, "x")
        assert keys.listed(house.admin) == ()

    def test_one_key_for_two_accounts(self, house: Any, keys: Any, owned: Any) -> None:
        with pytest.raises(ConflictError):
            add(keys, house.admin, owned)
        assert keys.listed(house.admin) == ()

    def test_two_answers_at_once_with_one_count(self, house: Any, keys: Any, owned: Any) -> None:
        """Two copies of a key race: the second finds that the count it saw is not the last."""
        asked, real = keys.ask(), keys._verified

        def raced(given: Any, challenge: bytes, row: Any) -> int:
            with house.services.database.write() as tx:
                tx.execute(sa.update(table).where(table.c.id == row.id).values(sign_count=99))
            return real(given, challenge, row)

        with pytest.MonkeyPatch.context() as patched, pytest.raises(ConflictError):
            patched.setattr(keys, "_verified", raced)
            keys.sign_in(owned.sign(asked.options), asked.challenge)


class TestKeeping:
    def test_they_are_listed_and_removed(self, house: Any, keys: Any, owned: Any) -> None:
        (mine,) = keys.listed(house.researcher)
        assert mine.name == "my phone"
        keys.remove(house.researcher, mine.key_id)
        asked = keys.ask()
        with pytest.raises(SignInError):
            keys.sign_in(owned.sign(asked.options), asked.challenge)

    def test_a_token_that_a_lost_key_made_ends_with_the_key(
        self, house: Any, keys: Any, owned: Any
    ) -> None:
        accounts = house.services.accounts
        (lost,) = keys.listed(house.researcher)
        _, secret = accounts.make_token(house.researcher, "thief", ["generate"], 300)
        keys.remove(house.researcher, lost.key_id)
        with pytest.raises(SignInError):
            accounts.authenticate(secret, "generate")

    def test_nobody_removes_anothers(self, house: Any, keys: Any, owned: Any) -> None:
        (mine,) = keys.listed(house.researcher)
        with pytest.raises(Exception, match="no such passkey"):
            keys.remove(house.admin, mine.key_id)
        assert keys.listed(house.researcher)

    def test_there_are_not_endlessly_many(self, house: Any, keys: Any) -> None:
        for _ in range(MOST):
            add(keys, house.researcher, soft.SoftKey(origin=ORIGIN))
        with pytest.raises(ConflictError, match="at most"):
            keys.ask_new(house.researcher)

    def test_an_address_that_is_a_number_has_none(self, house: Any) -> None:
        s = house.services
        for url in ("http://127.0.0.1:8000", "https://[::1]"):
            made = Passkeys(s.journal, s.accounts, url, False, "x")
            assert not made.possible
            with pytest.raises(ConflictError, match="number"):
                made.ask()

    @pytest.mark.parametrize(
        ("url", "origin"),
        [
            ("https://Faces.Example.org", "https://faces.example.org"),
            ("https://faces.example.org:443", "https://faces.example.org"),
            ("https://faces.example.org:8443/app", "https://faces.example.org:8443"),
            ("http://localhost:8000", "http://localhost:8000"),
        ],
    )
    def test_the_origin_is_written_as_browsers_do(self, house: Any, url: str, origin: str) -> None:
        s = house.services
        assert Passkeys(s.journal, s.accounts, url, False, "x").origin == origin

    def test_challenges_do_not_pile_up(self, house: Any, keys: Any) -> None:
        for _ in range(5):
            keys.ask()
        house.watch.move(seconds=timedelta(minutes=6).total_seconds())
        keys.ask()
        with house.services.database.read() as tx:
            count = tx.exec_driver_sql("SELECT count(*) FROM passkey_challenges").scalar_one()
        assert count == 1
