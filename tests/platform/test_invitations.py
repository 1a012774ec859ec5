"""How an account comes to its person, and why one admin cannot be several people."""

from __future__ import annotations

import importlib.util
import mailbox
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from primafacie.audit.entry import Kind
from primafacie.platform.accounts import DECISIVE
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    LinkError,
    SignInError,
)
from primafacie.platform.keys import create_keyring
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import Services

PASSWORD = "correct horse battery staple"
ORIGIN = "http://localhost:8000"
HOME, LAB = "a" * 32, "b" * 32  # marks of two browsers


def _load(name: str) -> ModuleType:
    if name not in sys.modules:
        file = Path(__file__).parents[1] / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


soft = _load("soft_key")


def _production(folder: Path) -> Settings:
    return Settings.read(
        mode="production", data_dir=folder / "data", key_file=folder / "unlock",
        public_url="https://faces.example.org", memory_file=folder / "elsewhere" / "checkpoints",
    )  # fmt: skip


@pytest.fixture
def invitations(house: Any) -> Any:
    return house.services.invitations


def invite(house: Any, name: str = "new", *roles: str, by: Any = "admin", **more: Any) -> Any:
    given = {"email": f"{name}@example.org", "name": name.title(), "roles": roles or ("auditor",)}
    actor = getattr(house, by) if isinstance(by, str) else by
    return house.services.invitations.invite(actor, **given | more)


def token(invited: Any) -> str:
    return invited.link.rpartition("/")[2]


def join(house: Any, invited: Any, browser: str) -> Any:
    return house.services.invitations.with_password(token(invited), PASSWORD, browser)


def join_with_key(house: Any, invited: Any, browser: str, key: Any) -> Any:
    s = house.services
    asked = s.passkeys.ask_new(s.invitations.open(token(invited)))
    return s.invitations.with_passkey(
        token(invited), key.make(asked.options), asked.challenge, browser
    )


@pytest.fixture
def second(house: Any) -> Any:
    """A second admin."""
    return join(house, invite(house, "second", "admin"), "c" * 32)


class TestInvitation:
    def test_the_link_goes_to_the_address_of_the_account(self, house: Any) -> None:
        invited = invite(house)
        (mail,) = mailbox.Maildir(house.services.settings.data_dir / "mail")
        assert invited.mailed and mail["To"] == "new@example.org"
        assert invited.link in mail.get_payload().replace("=\n", "")
        assert not invited.account.joined

    def test_its_secret_is_not_stored(self, house: Any) -> None:
        invited = invite(house)
        assert invited.link not in repr(invited)
        for file in house.services.settings.data_dir.rglob("*"):
            stored = file.is_file() and "mail" not in file.parts
            assert not stored or token(invited).encode() not in file.read_bytes()

    def test_the_person_chooses_how_to_sign_in(self, house: Any) -> None:
        account = join(house, invite(house), HOME)
        assert account.joined and account.roles == {"auditor"}
        assert house.services.accounts.sign_in("new@example.org", PASSWORD) == account
        assert house.kinds.count("user.created") and "user.changed" in house.kinds

    def test_or_comes_in_with_a_passkey_and_no_password(self, house: Any) -> None:
        key = soft.SoftKey(origin=ORIGIN)
        account = join_with_key(house, invite(house), HOME, key)
        asked = house.services.passkeys.ask()
        assert house.services.passkeys.sign_in(key.sign(asked.options), asked.challenge) == account
        for password in ("", PASSWORD):
            with pytest.raises(SignInError):
                house.services.accounts.sign_in("new@example.org", password)

    def test_before_that_nobody_signs_in(self, house: Any) -> None:
        invite(house)
        for password in ("", PASSWORD):
            with pytest.raises(SignInError):
                house.services.accounts.sign_in("new@example.org", password)

    def test_it_works_once(self, house: Any, invitations: Any) -> None:
        invited = invite(house)
        join(house, invited, HOME)
        with pytest.raises(LinkError):
            join(house, invited, LAB)
        with pytest.raises(LinkError):
            invitations.open(token(invited))
        assert house.kinds[-1] == "user.sign_in_failed"

    def test_it_expires_and_a_newer_one_replaces_it(self, house: Any, invitations: Any) -> None:
        first = invite(house)
        again = invitations.again(house.admin, first.account.user_id)
        with pytest.raises(LinkError):
            join(house, first, HOME)
        house.watch.move(days=house.services.settings.link_days)
        with pytest.raises(LinkError):
            join(house, again, HOME)

    @pytest.mark.parametrize("text", ["", "x", "../etc", "0" * 500])
    def test_a_guess_opens_nothing_and_is_logged(
        self, house: Any, invitations: Any, text: str
    ) -> None:
        with pytest.raises(LinkError):
            invitations.with_password(text, PASSWORD, HOME)
        assert house.kinds[-1] == "user.sign_in_failed"

    def test_only_admins_and_the_operator_invite(self, house: Any) -> None:
        for role in ("researcher", "reviewer", "steward", "auditor"):
            with pytest.raises(AccessError):
                invite(house, by=role)
        assert invite(house, by=None).account.user_id
        with pytest.raises(ConflictError):
            invite(house)
        with pytest.raises(InputError):
            invite(house, "short", email="nonsense")

    def test_a_mail_server_that_is_gone_loses_nothing(
        self, house: Any, invitations: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from primafacie.platform import mail
        from primafacie.platform.errors import UnavailableError

        def gone(settings: Any, made: Any) -> None:
            raise UnavailableError("the mail server failed")

        with monkeypatch.context() as patch:
            patch.setattr(mail, "post", gone)
            invited = invite(house)
        assert not invited.mailed
        again = invitations.again(house.admin, invited.account.user_id)
        assert again.mailed and join(house, again, HOME).joined

    def test_a_new_link_ends_everything_the_old_owner_had(
        self, house: Any, invitations: Any
    ) -> None:
        s = house.services
        _, text = s.accounts.make_token(house.researcher, "t", ("read",), 1)
        cookie = s.sessions.begin(house.researcher)
        invitations.again(house.admin, house.researcher.user_id)
        now = s.accounts.get(house.researcher.user_id)
        assert not s.sessions.stands(cookie, now) and not now.joined
        with pytest.raises(SignInError):
            s.accounts.authenticate(text, "read")
        with pytest.raises(SignInError):
            s.accounts.sign_in("researcher@example.org", PASSWORD)


def test_a_guessed_link_costs_no_slow_hash_and_is_logged(
    house: Any, invitations: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_: str) -> str:
        raise AssertionError("hashed for a stranger")

    monkeypatch.setattr("primafacie.platform.invitations.hashed", slow)
    with pytest.raises(LinkError):
        invitations.with_password("guess", PASSWORD, HOME)
    assert house.kinds[-1] == "user.sign_in_failed"


def test_an_invitation_bears_a_date(house: Any) -> None:
    invite(house, "dated")
    (mail,) = [m for m in mailbox.Maildir(house.services.settings.data_dir / "mail")
               if m["To"] == "dated@example.org"]  # fmt: skip
    assert mail["Date"]


def test_browsers_are_forgotten_after_a_year_but_not_where_somebody_joined(
    house: Any, invitations: Any
) -> None:
    invitations.seen(house.admin, LAB)
    join(house, invite(house), HOME)
    house.watch.move(days=367)
    assert invitations.forget() == 1
    with house.services.database.read() as tx:
        assert tx.exec_driver_sql("SELECT joined FROM browsers").scalars().all() == [1]


class TestOneAdminAsSeveralPeople:
    """Each story is one admin who wants a second pair of eyes of his own."""

    def test_opens_the_link_where_he_signed_in(self, house: Any, invitations: Any) -> None:
        invitations.seen(house.admin, HOME)
        with pytest.raises(AccessError, match="administrator signed in here"):
            join(house, invite(house, "puppet"), HOME)
        assert house.kinds[-1] == "user.sign_in_failed"

    def test_opens_it_where_another_admin_signed_in(
        self, house: Any, invitations: Any, second: Any
    ) -> None:
        invitations.seen(second, LAB)
        with pytest.raises(AccessError):
            join_with_key(house, invite(house, "puppet"), LAB, soft.SoftKey(origin=ORIGIN))

    def test_invites_himself_twice_to_one_mailbox(self, house: Any) -> None:
        one = join(house, invite(house, "a", "reviewer", email="me@example.org"), HOME)
        other = join(house, invite(house, "b", "researcher", email="me+2@example.org"), LAB)
        with pytest.raises(AccessError, match="count as one"):
            house.services.accounts.grant(one, other.user_id, house.watch() + timedelta(days=1))

    def test_redeems_two_in_one_browser(self, house: Any) -> None:
        one = join(house, invite(house, "a", "reviewer"), HOME)
        other = join(house, invite(house, "b", "researcher"), HOME)
        with pytest.raises(AccessError, match="count as one"):
            house.services.accounts.grant(one, other.user_id, house.watch() + timedelta(days=1))

    def test_puts_his_own_rules_in_force(self, house: Any) -> None:
        policies, accounts = house.services.policies, house.services.accounts
        one = join(house, invite(house, "a", "admin", email="me@example.org"), HOME)
        made = invite(house, "b", "admin", by=None, email="me+2@example.org")
        assert made.account.roles == set()  # two admins there are: the role waits
        with pytest.raises(AccessError, match="administrator signed in here"):
            join(house, made, HOME)
        accounts.agree(house.admin, join(house, made, LAB).user_id)
        policies.propose(one)
        with pytest.raises(AccessError, match="count as one"):
            policies.activate(accounts.get(made.account.user_id))

    def test_gives_roles_that_decide_alone(self, house: Any, second: Any) -> None:
        accounts = house.services.accounts
        made = invite(house, "puppet", "reviewer", "researcher")
        assert made.account.roles == {"researcher"} and made.waiting == {"reviewer"}
        with pytest.raises(AccessError, match="second admin"):
            accounts.agree(house.admin, made.account.user_id)
        assert accounts.agree(second, made.account.user_id).roles == {"researcher", "reviewer"}

    def test_agrees_with_an_account_that_counts_as_him(self, house: Any) -> None:
        accounts = house.services.accounts
        twin = join(house, invite(house, "twin", "admin", email="admin+x@example.org"), LAB)
        made = invite(house, "puppet", "reviewer")
        with pytest.raises(AccessError, match="count as one"):
            accounts.agree(twin, made.account.user_id)

    def test_takes_over_an_account_by_a_new_link(
        self, house: Any, invitations: Any, second: Any
    ) -> None:
        invited = invitations.again(house.admin, house.reviewer.user_id)
        assert invited.waiting == {"reviewer"} and invited.account.roles == set()

    def test_receives_what_he_proposed(self, house: Any, second: Any) -> None:
        accounts = house.services.accounts
        accounts.set_roles(second, house.admin.user_id, ("admin", "reviewer"))
        with pytest.raises(AccessError, match="second admin"):
            accounts.agree(accounts.get(house.admin.user_id), house.admin.user_id)


class TestProposals:
    def test_one_of_two_admins_takes_a_role_away_alone(self, house: Any, second: Any) -> None:
        changed = house.services.accounts.set_roles(second, house.reviewer.user_id, ())
        assert changed.roles == set()

    def test_roles_that_do_not_decide_need_no_second(self, house: Any, second: Any) -> None:
        changed = house.services.accounts.set_roles(second, house.other.user_id, ("auditor",))
        assert changed.roles == {"auditor"}

    def test_a_new_link_forgets_no_role_that_waits(self, house: Any, second: Any) -> None:
        made = invite(house, "late", "steward")
        who = made.account.user_id
        assert house.services.accounts.waiting(who) == {"steward"}
        assert house.services.invitations.again(house.admin, who).waiting == {"steward"}
        assert house.services.accounts.waiting(who) == {"steward"}

    def test_saving_the_form_once_more_forgets_no_role_that_waits(
        self, house: Any, second: Any
    ) -> None:
        accounts, who = house.services.accounts, house.researcher.user_id
        accounts.set_roles(house.admin, who, ["researcher", "steward"])
        accounts.set_roles(second, who, ["researcher", "steward"])
        assert accounts.waiting(who) == {"steward"}
        assert accounts.proposals(house.admin)[who].proposed_by == house.admin.user_id
        accounts.set_roles(second, who, ["researcher", "steward", "reviewer"])
        assert accounts.proposals(house.admin)[who].proposed_by == second.user_id
        with pytest.raises(AccessError):
            accounts.agree(second, who)  # what he added to another's proposal is his own
        accounts.set_roles(second, who, ["researcher"])
        assert accounts.waiting(who) == frozenset()

    def test_they_are_listed_declined_and_gone(self, house: Any, second: Any) -> None:
        accounts = house.services.accounts
        accounts.set_roles(house.admin, house.auditor.user_id, ("auditor", "steward"))
        (waiting,) = accounts.proposals(second).values()
        assert waiting.roles == {"steward"} and waiting.proposed_by == house.admin.user_id
        accounts.decline(second, house.auditor.user_id)
        assert accounts.get(house.auditor.user_id).roles == {"auditor"}
        with pytest.raises(ConflictError):
            accounts.agree(second, house.auditor.user_id)

    def test_without_a_second_admin_one_suffices_in_development(self, house: Any) -> None:
        assert invite(house, "b", "steward").account.roles == {"steward"}

    def test_each_step_is_in_the_log(self, house: Any, second: Any) -> None:
        accounts = house.services.accounts
        accounts.set_roles(house.admin, house.auditor.user_id, ("steward",))
        accounts.agree(second, house.auditor.user_id)
        with house.services.database.read() as tx:
            log = house.services.log
            told = [log.leaf(tx, n) for n in range(log.size(tx) - 2, log.size(tx))]
        assert [leaf.kind for leaf in told] == [Kind.USER_CHANGED] * 2
        assert [leaf.why for leaf in told] == [("roles", "waits"), ("roles_agreed",)]
        assert dict(told[0].facts)["waiting"] == "steward"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A production installation to copy, with nobody in it."""
    folder = tmp_path_factory.mktemp("production")
    (folder / "unlock").write_bytes(bytes(range(32)))
    (folder / "unlock").chmod(0o600)
    create_keyring(_production(folder))
    Services.open(_production(folder)).close()
    return folder


@pytest.fixture
def real(empty: Path, tmp_path: Path, watch: Any) -> Iterator[Any]:
    shutil.copytree(empty, tmp_path / "real")
    with Services.open(_production(tmp_path / "real"), watch) as services:
        yield SimpleNamespace(services=services)


class TestProduction:
    """What only production asks for."""

    def admin(self, real: Any, name: str, browser: str) -> tuple[Any, Any]:
        key = soft.SoftKey(host="faces.example.org", origin="https://faces.example.org")
        made = invite(real, name, "admin", by=None)
        return join_with_key(real, made, browser, key), key

    def enter(self, real: Any, key: Any) -> Any:
        asked = real.services.passkeys.ask()
        return real.services.passkeys.sign_in(key.sign(asked.options), asked.challenge)

    def test_nobody_makes_an_account_with_a_password(self, real: Any) -> None:
        with pytest.raises(AccessError):
            real.services.accounts.add(
                None, email="x@example.org", name="X", password=PASSWORD, roles=("auditor",)
            )

    def test_the_first_two_admins_are_the_operators_and_no_more(self, real: Any) -> None:
        assert invite(real, "a", "admin", by=None).account.roles == {"admin"}
        assert invite(real, "b", "admin", by=None).account.roles == {"admin"}
        assert invite(real, "c", "admin", by=None).waiting == {"admin"}

    def test_an_admin_who_strips_the_others_is_undone_by_the_operator(self, real: Any) -> None:
        (rogue, _), (other, _) = self.admin(real, "a", HOME), self.admin(real, "b", LAB)
        s = real.services
        rogue = replace(s.accounts.get(rogue.user_id), proven=True)
        assert s.invitations.again(rogue, other.user_id).waiting == {"admin"}
        s.accounts.set_active(None, rogue.user_id, False)
        assert s.invitations.again(None, other.user_id).waiting == frozenset()
        assert s.accounts.get(other.user_id).roles == {"admin"}

    def test_roles_that_decide_wait_for_an_admin_even_before_there_are_two(self, real: Any) -> None:
        assert invite(real, "c", "reviewer", by=None).waiting == {"reviewer"}

    def test_roles_that_decide_sleep_without_a_passkey(self, real: Any) -> None:
        made = invite(real, "a", "admin", by=None)
        by_password = join(real, made, HOME)
        assert by_password.asleep == {"admin"} and not by_password.has("admin")
        with pytest.raises(AccessError, match="passkey"):
            invite(real, "puppet", by=by_password)
        with pytest.raises(AccessError, match="passkey"):
            real.services.policies.propose(by_password)
        key = soft.SoftKey(host="faces.example.org", origin="https://faces.example.org")
        asked = real.services.passkeys.ask_new(by_password)
        real.services.passkeys.add(by_password, key.make(asked.options), asked.challenge, "k")
        awake = self.enter(real, key)
        assert awake.asleep == set() and awake.has("admin")

    def test_a_stolen_password_wakes_nothing_and_adds_no_passkey(self, real: Any) -> None:
        made = invite(real, "a", "admin", by=None)
        first = join(real, made, HOME)
        key = soft.SoftKey(host="faces.example.org", origin="https://faces.example.org")
        asked = real.services.passkeys.ask_new(first)
        real.services.passkeys.add(first, key.make(asked.options), asked.challenge, "k")
        thief = real.services.accounts.sign_in("a@example.org", PASSWORD)
        assert thief.asleep == {"admin"}
        asked = real.services.passkeys.ask_new(thief)
        mine = soft.SoftKey(host="faces.example.org", origin="https://faces.example.org")
        with pytest.raises(SignInError, match="passkey you have"):
            real.services.passkeys.add(thief, mine.make(asked.options), asked.challenge, "mine")

    def test_a_token_made_behind_a_passkey_carries_the_role_and_no_other(self, real: Any) -> None:
        admin, key = self.admin(real, "a", HOME)
        accounts = real.services.accounts
        with pytest.raises(AccessError, match="passkey"):
            accounts.make_token(admin, "t", ("manage",), 1)
        _, text = accounts.make_token(self.enter(real, key), "t", ("manage",), 1)
        assert accounts.authenticate(text, "manage").has("admin")

    def test_the_last_passkey_of_whoever_decides_stays(self, real: Any) -> None:
        _, key = self.admin(real, "a", HOME)
        awake = self.enter(real, key)
        (mine,) = real.services.passkeys.listed(awake)
        with pytest.raises(ConflictError, match="another passkey first"):
            real.services.passkeys.remove(awake, mine.key_id)

    def test_two_removals_at_once_leave_whoever_decides_one(
        self, real: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, key = self.admin(real, "a", HOME)
        keys, spare = real.services.passkeys, soft.SoftKey(key.host, key.origin)
        awake, asked = self.enter(real, key), keys.ask_new(account)
        keys.add(awake, spare.make(asked.options), asked.challenge, "spare")
        both = keys.listed(awake)
        monkeypatch.setattr(keys, "listed", lambda _: both)  # as each of them saw it
        keys.remove(awake, both[0].key_id)
        with pytest.raises(ConflictError, match="another passkey first"):
            keys.remove(awake, both[1].key_id)

    def test_rules_need_two_admins_with_passkeys(self, real: Any) -> None:
        (_, one), (_, other) = self.admin(real, "a", HOME), self.admin(real, "b", LAB)
        policies = real.services.policies
        policies.propose(self.enter(real, one))
        with pytest.raises(AccessError):
            policies.activate(self.enter(real, one))
        policies.activate(self.enter(real, other))
        assert policies.activated() == policies.shipped.sha256

    def test_two_admins_give_a_reviewers_role(self, real: Any) -> None:
        (_, one), (_, other) = self.admin(real, "a", HOME), self.admin(real, "b", LAB)
        made = invite(real, "r", "reviewer", by=self.enter(real, one))
        assert made.waiting == {"reviewer"}
        given = real.services.accounts.agree(self.enter(real, other), made.account.user_id)
        assert given.roles == {"reviewer"} and given.roles <= DECISIVE


def test_a_link_in_an_address_never_reaches_the_log() -> None:
    from primafacie.platform.web.logged import _safe_path

    assert re.fullmatch(r"/join/…", _safe_path("/JOIN/secret-text"))
