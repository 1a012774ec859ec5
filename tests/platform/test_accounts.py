"""Who may sign in, with which roles, and by whose approval."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from primafacie.audit.entry import Kind
from primafacie.platform import accounts as module
from primafacie.platform.accounts import FAILURES, REST, ROLES
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    SignInError,
)
from primafacie.platform.tables import users

PASSWORD = "correct horse battery staple"


@pytest.fixture
def accounts(house: Any) -> Any:
    return house.services.accounts


class TestSignIn:
    def test_the_right_password_opens(self, house: Any, accounts: Any) -> None:
        account = accounts.sign_in(" Researcher@Example.org ", PASSWORD, source="192.0.2.7")
        assert account == house.researcher
        assert house.kinds[-1] == "user.signed_in"

    def test_every_failure_says_the_same_and_is_logged(self, house: Any, accounts: Any) -> None:
        accounts.set_active(house.admin, house.auditor.user_id, False)
        texts = set()
        for email, password in (
            ("researcher@example.org", "wrong"),
            ("nobody@example.org", PASSWORD),
            ("auditor@example.org", PASSWORD),
            ("", ""),
        ):
            with pytest.raises(SignInError) as error:
                accounts.sign_in(email, password)
            texts.add(str(error.value))
        assert len(texts) == 1
        assert house.kinds.count("user.sign_in_failed") == 4

    def test_an_account_rests_after_too_many_attempts(self, house: Any, accounts: Any) -> None:
        for _ in range(FAILURES):
            with pytest.raises(SignInError):
                accounts.sign_in("researcher@example.org", "wrong")
        with pytest.raises(SignInError):
            accounts.sign_in("researcher@example.org", PASSWORD)
        house.watch.move(seconds=REST.total_seconds() + 1)
        assert accounts.sign_in("researcher@example.org", PASSWORD)

    def test_the_address_of_the_client_is_not_in_the_log(self, house: Any, accounts: Any) -> None:
        accounts.sign_in("researcher@example.org", PASSWORD, source="192.0.2.7")
        for file in house.services.settings.data_dir.rglob("*"):
            assert not file.is_file() or b"192.0.2.7" not in file.read_bytes()

    def test_passwords_are_not_stored(self, house: Any, accounts: Any) -> None:
        for file in house.services.settings.data_dir.rglob("*"):
            assert not file.is_file() or PASSWORD.encode() not in file.read_bytes()

    def test_a_new_password_ends_every_session(self, house: Any, accounts: Any) -> None:
        new = "a new and longer password"
        changed = accounts.change_password(house.researcher, PASSWORD, new)
        assert changed.stamp != house.researcher.stamp
        with pytest.raises(SignInError):
            accounts.sign_in("researcher@example.org", PASSWORD)
        assert accounts.sign_in("researcher@example.org", new)
        with pytest.raises(SignInError):
            accounts.change_password(changed, "wrong", PASSWORD)
        with pytest.raises(InputError):
            accounts.change_password(changed, new, "short")

    def test_wrong_old_passwords_rest_the_account_and_are_logged(
        self, house: Any, accounts: Any
    ) -> None:
        """An open session is no place to guess the password that everything else asks for."""
        me = house.researcher
        for _ in range(FAILURES):
            with pytest.raises(SignInError):
                accounts.change_password(me, "a wrong old password", "a new and longer password")
        with pytest.raises(SignInError):
            accounts.change_password(me, PASSWORD, "a new and longer password")
        newest = house.services.log.size
        with house.services.database.read() as tx:
            kinds = [house.services.log.leaf(tx, i).kind for i in range(newest(tx))]
        assert kinds.count(Kind.USER_SIGN_IN_FAILED) == FAILURES + 1
        house.services.journal.clock.move(seconds=REST.total_seconds() + 1)
        assert accounts.change_password(me, PASSWORD, "a new and longer password")

    @pytest.mark.parametrize("what", ["password", "closed", "rest"])
    def test_what_ends_a_sign_in_ends_one_that_is_under_way(
        self, house: Any, accounts: Any, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        me, verify, done = house.researcher, module._verify, []

        def meanwhile(kept: str, given: str) -> bool:
            right = verify(kept, given)
            if not done:
                done.append(what)
                if what == "password":
                    accounts.change_password(me, PASSWORD, "another password entirely")
                elif what == "closed":
                    accounts.set_active(house.admin, me.user_id, False)
                else:
                    for _ in range(FAILURES):
                        with pytest.raises(SignInError):
                            accounts.sign_in(me.email, "wrong wrong wrong")
            return right

        monkeypatch.setattr(module, "_verify", meanwhile)
        with pytest.raises(SignInError):
            accounts.sign_in(me.email, PASSWORD)


class TestAccess:
    """Who may ask for videos stands in the log; a row put right by hand gives nobody anything."""

    def change(self, house: Any, **values: Any) -> None:
        with house.services.database.write() as tx:
            tx.execute(
                users.update().where(users.c.id == house.researcher.user_id).values(**values)
            )

    def approved(self, house: Any) -> bool:
        found = house.services.people.requester(house.researcher.user_id)
        return found is not None and bool(found.approved)

    def findings(self, house: Any) -> list[str]:
        found = house.services.logbook.verify(None).problems
        return [one for one in found if house.researcher.user_id in one]

    def test_what_was_granted_stands(self, house: Any) -> None:
        assert self.approved(house) and not self.findings(house)

    @pytest.mark.parametrize("forged", ["given back", "prolonged", "opened"])
    def test_access_by_hand_gives_nothing_and_is_named(
        self, house: Any, accounts: Any, forged: str
    ) -> None:
        me = house.researcher
        until = accounts.get(me.user_id).approved_until
        if forged == "given back":
            accounts.revoke_access(house.reviewer, me.user_id)
            self.change(house, approved_until=until)
        elif forged == "prolonged":
            self.change(house, approved_until=until + timedelta(days=99))
        else:
            accounts.set_active(house.admin, me.user_id, False)
            self.change(house, active=True)
        assert not self.approved(house)
        assert len(self.findings(house)) == 1

    def test_an_account_that_was_opened_again_may_ask_again(
        self, house: Any, accounts: Any
    ) -> None:
        for active in (False, True):
            accounts.set_active(house.admin, house.researcher.user_id, active)
        assert self.approved(house) and not self.findings(house)


class TestAdministration:
    def test_nobody_makes_an_account_whose_password_he_knows(
        self, house: Any, accounts: Any
    ) -> None:
        given = {"email": "n@example.org", "name": "N", "password": PASSWORD, "roles": ("auditor",)}
        for role in ROLES:
            with pytest.raises(AccessError, match="invited"):
                accounts.add(getattr(house, role), **given)
        assert accounts.add(None, **given).roles == {"auditor"}  # the operator, in development
        with pytest.raises(ConflictError):
            accounts.add(None, **{**given, "email": "N@EXAMPLE.ORG"})

    @pytest.mark.parametrize(
        "change",
        [{"email": "x"}, {"email": "a b@c"}, {"name": " "}, {"password": "short"},
         {"roles": ("root",)}],
    )  # fmt: skip
    def test_bad_accounts_are_bad_input(self, accounts: Any, change: Any) -> None:
        given = {"email": "n@example.org", "name": "N", "password": PASSWORD, "roles": ()}
        with pytest.raises(InputError):
            accounts.add(None, **{**given, **change})

    def test_nobody_changes_his_own_roles(self, house: Any, accounts: Any) -> None:
        with pytest.raises(AccessError):
            accounts.set_roles(house.admin, house.admin.user_id, ROLES)
        with pytest.raises(AccessError):
            accounts.set_active(house.admin, house.admin.user_id, False)
        changed = accounts.set_roles(house.admin, house.auditor.user_id, ("steward",))
        assert changed.roles == {"steward"} and changed.stamp != house.auditor.stamp

    def test_access_is_granted_by_a_second_person_and_lapses(
        self, house: Any, accounts: Any
    ) -> None:
        until = house.watch() + timedelta(days=10)
        with pytest.raises(AccessError, match="second person"):
            accounts.grant(house.other, house.other.user_id, until)
        with pytest.raises(AccessError):
            accounts.grant(house.researcher, house.other.user_id, until)
        with pytest.raises(InputError):
            accounts.grant(house.reviewer, house.other.user_id, until + timedelta(days=999))
        accounts.grant(house.reviewer, house.other.user_id, until)
        people = house.services.people
        assert people.requester(house.other.user_id).approved
        house.watch.move(days=11)
        assert not people.requester(house.other.user_id).approved

    def test_access_can_be_taken_away(self, house: Any, accounts: Any) -> None:
        accounts.revoke_access(house.reviewer, house.researcher.user_id)
        assert not house.services.people.requester(house.researcher.user_id).approved

    def test_a_closed_account_is_nobody(self, house: Any, accounts: Any) -> None:
        accounts.set_active(house.admin, house.researcher.user_id, False)
        assert house.services.people.requester(house.researcher.user_id) is None
        assert house.services.people.requester("0" * 32) is None


class TestTokens:
    def test_a_token_opens_its_scope_and_no_other(self, house: Any, accounts: Any) -> None:
        info, text = accounts.make_token(house.researcher, "script", ("read",), 10)
        assert accounts.authenticate(text, "read").user_id == house.researcher.user_id
        with pytest.raises(AccessError, match="generate"):
            accounts.authenticate(text, "generate")
        assert accounts.tokens(house.researcher)[0].last_used_at == house.watch()
        assert info.scopes == {"read"}

    @pytest.mark.parametrize("spoil", [
        lambda t: t[:-1] + ("0" if t[-1] != "0" else "1"), lambda t: t.upper(), lambda t: t[3:],
        lambda t: "", lambda t: "pf_" + "0" * 32 + t[35:], lambda t: t + "\n", lambda t: t * 9,
    ])  # fmt: skip
    def test_a_guessed_token_opens_nothing(self, house: Any, accounts: Any, spoil: Any) -> None:
        _, text = accounts.make_token(house.researcher, "script", ("read",), 10)
        with pytest.raises(SignInError):
            accounts.authenticate(spoil(text), "read")

    def test_it_dies_by_time_by_hand_and_with_its_account(self, house: Any, accounts: Any) -> None:
        def fresh() -> tuple[Any, str]:
            return accounts.make_token(house.researcher, "script", ("read",), 1)

        info, by_hand = fresh()
        accounts.revoke_token(house.researcher, info.token_id)
        with pytest.raises(SignInError):
            accounts.authenticate(by_hand, "read")
        _, by_time = fresh()
        house.watch.move(days=1)
        with pytest.raises(SignInError):
            accounts.authenticate(by_time, "read")
        _, by_account = fresh()
        accounts.set_active(house.admin, house.researcher.user_id, False)
        accounts.set_active(house.admin, house.researcher.user_id, True)
        with pytest.raises(SignInError):
            accounts.authenticate(by_account, "read")

    def test_it_carries_nothing_its_owner_may_not_do(self, house: Any, accounts: Any) -> None:
        for scope, nobody in (
            ("generate", house.steward), ("audit", house.researcher), ("manage", house.auditor),
        ):  # fmt: skip
            with pytest.raises(AccessError):
                accounts.make_token(nobody, "too much", [scope], 1)

    def test_it_loses_what_its_owner_loses(self, house: Any, accounts: Any) -> None:
        _, text = accounts.make_token(house.auditor, "night check", ["audit"], 1)
        assert accounts.authenticate(text, "audit")
        accounts.set_roles(house.admin, house.auditor.user_id, ["researcher"])
        with pytest.raises(AccessError):
            accounts.authenticate(text, "audit")

    def test_a_new_password_ends_it(self, house: Any, accounts: Any) -> None:
        _, text = accounts.make_token(house.researcher, "script", ["generate"], 1)
        accounts.change_password(house.researcher, PASSWORD, "a new and longer password")
        with pytest.raises(SignInError):
            accounts.authenticate(text, "generate")

    def test_others_cannot_revoke_it(self, house: Any, accounts: Any) -> None:
        info, text = accounts.make_token(house.researcher, "script", ("read",), 1)
        with pytest.raises(NotFoundError):
            accounts.revoke_token(house.other, info.token_id)
        assert accounts.authenticate(text, "read")
        accounts.revoke_token(house.admin, info.token_id)
        with pytest.raises(SignInError):
            accounts.authenticate(text, "read")

    def test_the_secret_is_not_stored(self, house: Any, accounts: Any) -> None:
        _, text = accounts.make_token(house.researcher, "script", ("read",), 1)
        secret = text.rsplit("_", 1)[1]
        for file in house.services.settings.data_dir.rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                assert secret.encode() not in data and bytes.fromhex(secret) not in data

    @pytest.mark.parametrize("given", [((), 1), (("root",), 1), (("read",), 0), (("read",), 999)])
    def test_bad_tokens_are_bad_input(self, house: Any, accounts: Any, given: Any) -> None:
        with pytest.raises(InputError):
            accounts.make_token(house.researcher, "script", *given)
