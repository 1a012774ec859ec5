"""A database put back to an older copy is noticed: nothing that was withdrawn comes into force."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit.entry import Kind
from primafacie.platform.errors import AccessError, InputError, SettingsError, UnavailableError
from primafacie.platform.memory import remember
from primafacie.platform.wiring import Services, _logbook
from primafacie.safeguards.errors import ConsentError


def copy(house: Any, to: Path) -> None:
    """A backup: the database as it stands now."""
    with house.services.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"VACUUM INTO '{to}'")


def put_back(house: Any, backup: Path) -> None:
    """The older copy in the place of the newest."""
    house.services.close()
    file = house.services.settings.data_dir / "primafacie.db"
    for name in ("-wal", "-shm"):
        file.with_name(file.name + name).unlink(missing_ok=True)
    shutil.copy(backup, file)


def test_a_copy_from_before_the_withdrawal_does_not_open(house: Any, tmp_path: Path) -> None:
    consent_id, token = house.active()
    copy(house, tmp_path / "backup.db")
    house.services.consents.withdraw(token)
    assert house.services.consents.show(house.steward, consent_id).state == "withdrawn"
    put_back(house, tmp_path / "backup.db")
    with pytest.raises(SettingsError, match="went back"):
        Services.open(house.services.settings, house.watch)


def test_a_copy_that_went_on_by_itself_does_not_open(house: Any, tmp_path: Path) -> None:
    _, token = house.active()
    copy(house, tmp_path / "backup.db")
    house.services.consents.withdraw(token)
    kept = house.services.settings.memory.read_bytes()
    put_back(house, tmp_path / "backup.db")
    house.services.settings.memory.unlink()
    with Services.open(house.services.settings, house.watch) as again:
        for number in range(20):
            again.note_http("GET", f"/{number}", 404)
    house.services.settings.memory.write_bytes(kept)
    with pytest.raises(SettingsError, match="does not extend"):
        Services.open(house.services.settings, house.watch)


def test_under_a_running_house_nothing_is_signed_and_it_says_so(house: Any, tmp_path: Path) -> None:
    _, token = house.active()
    copy(house, tmp_path / "backup.db")
    house.services.consents.withdraw(token)
    put_back(house, tmp_path / "backup.db")
    assert not house.services.journal.ready()
    assert not house.services.health().ok
    assert not house.services.logbook.verify(None).ok
    with pytest.raises(UnavailableError, match="not the one that was signed"):
        house.services.journal.publish()


def test_the_newest_copy_opens(house: Any, tmp_path: Path) -> None:
    _, token = house.active()
    house.services.consents.withdraw(token)
    copy(house, tmp_path / "backup.db")
    put_back(house, tmp_path / "backup.db")
    with Services.open(house.services.settings, house.watch) as again:
        assert again.health().ok


def test_a_damaged_memory_opens_nothing(house: Any) -> None:
    house.active()
    house.services.close()
    house.services.settings.memory.write_bytes(b"{")
    with pytest.raises(SettingsError, match="damaged"):
        Services.open(house.services.settings, house.watch)


def test_a_lost_memory_is_given_back_from_a_checkpoint_somebody_kept(house: Any) -> None:
    house.active()
    settings = house.services.settings
    proof = house.services.logbook.prove(house.auditor, 3)
    size = house.services.logbook.checkpoint().size
    settings.memory.unlink()
    assert remember(settings, proof).size == size
    with pytest.raises(InputError, match="already knows"):
        remember(settings, proof)


@pytest.mark.parametrize("text", ["", "primafacie.example/log\n5\nAAAA\n\n— nobody x\n"])
def test_what_our_log_did_not_sign_is_not_remembered(house: Any, text: str) -> None:
    house.services.settings.memory.unlink(missing_ok=True)
    with pytest.raises(InputError, match="no checkpoint of our log"):
        remember(house.services.settings, text)


def test_a_permit_spent_but_never_logged_is_a_finding(house: Any) -> None:
    ledger = house.services.settings.ledger
    ledger.parent.mkdir(parents=True)
    ledger.write_text(f"1800000000 {'ab' * 16}\n")
    report = house.services.logbook.verify(house.auditor)
    assert not report.ok
    assert "permit the log does not know" in report.problems[0]


def test_a_claim_signed_but_never_logged_is_a_finding(house: Any) -> None:
    book = house.services.settings.signatures
    book.parent.mkdir(parents=True, exist_ok=True)
    book.write_text('{"rid": "", "sha256": "' + "cd" * 32 + '"}\n')
    report = house.services.logbook.verify(house.auditor)
    assert "claim the log does not know" in report.problems[0]


def test_a_permit_spent_twice_is_a_finding(house: Any) -> None:
    ledger = house.services.settings.ledger
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.write_text(f"1800000000 {'ab' * 16}\n" * 2)
    report = house.services.logbook.verify(house.auditor)
    assert any("twice" in problem for problem in report.problems)


@pytest.mark.parametrize("book", ["ledger", "signatures"])
def test_a_release_that_stands_in_no_book_of_its_makers_is_a_finding(house: Any, book: str) -> None:
    """A book that is gone, or cut short, is no book without findings."""
    view, s = house.release(house.active()[0]), house.services
    nonce, claim = "ab" * 32, "cd" * 32
    for kind, fact in (
        (Kind.PERMIT_ISSUED, ("nonce", nonce)),
        (Kind.SIGNATURE_MADE, ("tbs_sha256", claim)),
    ):
        s.journal.record(s.journal.event(kind, "system", rid=view.rid, facts=(fact,)))
    books = {"ledger": f"1800000000 {nonce}\n",
             "signatures": json.dumps({"rid": view.rid, "sha256": claim}) + "\n"}  # fmt: skip
    for name, text in books.items():
        place = getattr(s.settings, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def missed() -> list[str]:
        return [p for p in s.logbook.verify(None).problems if f"nothing for it: {view.rid}" in p]

    assert missed() == []
    getattr(s.settings, book).unlink()
    assert len(missed()) == 1


@pytest.mark.parametrize("named", [False, True])
def test_a_signer_elsewhere_is_no_alarm_unless_its_book_is_named(
    house: Any, tmp_path: Path, named: bool
) -> None:
    s, book = house.services, tmp_path / "signer" / "signatures"
    view = house.release(house.active()[0])
    more = {"signer_socket": tmp_path / "socket"} | ({"signer_book": book} if named else {})
    settings = s.settings.model_copy(update=more)

    def verified() -> tuple[bool, bool]:
        report = _logbook(s.journal, settings).verify(None)
        found = any(f"signer signed nothing for it: {view.rid}" in p for p in report.problems)
        return found, bool(report.not_compared)

    assert verified() == ((True, False) if named else (False, True))
    claim = "cd" * 32
    s.journal.record(
        s.journal.event(Kind.SIGNATURE_MADE, "system", rid=view.rid,
                        facts=(("tbs_sha256", claim),))
    )  # fmt: skip
    place = book if named else s.settings.signatures
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"rid": view.rid, "sha256": claim}) + "\n")
    assert verified() == (False, False)


def test_a_withdrawal_stands_though_it_cannot_be_signed_at_once(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed: whoever withdrew is not told that it failed, and what follows is done."""
    consent_id, token = house.active()

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(type(house.services.journal.memory), "follow", full)
    house.services.consents.withdraw(token)
    assert house.services.consents.show(house.steward, consent_id).state == "withdrawn"
    assert not house.services.journal.ready(), "and nothing is made until it can be signed"


def test_a_row_put_back_by_hand_is_not_believed(house: Any) -> None:
    consent_id, token = house.active()
    house.services.consents.withdraw(token)
    with house.services.database.write() as tx:
        tx.exec_driver_sql(f"UPDATE consents SET state = 'active' WHERE id = '{consent_id}'")
    with pytest.raises(ConsentError, match="not that of the log"):
        house.services.likenesses.find(consent_id)


def test_one_consent_whose_record_was_changed_hides_no_other(house: Any) -> None:
    s = house.services.consents
    sound, _ = house.active()
    hurt, _ = house.active()
    with house.services.database.write() as tx:
        tx.exec_driver_sql(
            f"UPDATE consent_versions SET envelope = x'7b7d' WHERE consent_id = '{hurt}'"
        )
    assert [view.consent_id for view in s.listed(house.reviewer)] == [sound]
    assert s.surveyed(house.reviewer)[1] == (hurt,)
    with pytest.raises(AccessError):
        s.surveyed(house.researcher)
    with pytest.raises(ConsentError):
        house.services.likenesses.find(hurt)


REVIVED = ("consents", "consent_versions", "consent_moves", "templates", "subjects",
           "challenge_checks")  # fmt: skip


def require_not_revived(house: Any, consent_id: str) -> None:
    """Nobody believes the rows, and the audit says so."""
    with pytest.raises(ConsentError, match="not that of the log"):
        house.services.likenesses.find(consent_id)
    report = house.services.logbook.verify(None)
    assert not report.ok
    assert f"the state of consent {consent_id} is not the one" in report.problems[0]


def test_only_the_rows_of_a_withdrawn_consent_put_back_revive_nothing(house: Any) -> None:
    consent_id, token = house.active()
    with house.services.database.read() as tx:
        kept = {name: tx.exec_driver_sql(f"SELECT * FROM {name}").all() for name in REVIVED}
    house.services.consents.withdraw(token)
    with house.services.database.write() as tx:
        tx.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        for name, rows in kept.items():
            tx.exec_driver_sql(f"DELETE FROM {name}")
            for row in rows:
                marks = ", ".join("?" * len(row))
                tx.exec_driver_sql(f"INSERT INTO {name} VALUES ({marks})", tuple(row))
    require_not_revived(house, consent_id)


def test_a_pause_undone_by_deleting_its_move_revives_nothing(house: Any) -> None:
    consent_id, token = house.active()
    house.services.consents.pause(token)
    with house.services.database.write() as tx:
        tx.exec_driver_sql(
            "DELETE FROM consent_moves WHERE epoch = (SELECT max(epoch) FROM consent_moves)"
        )
        tx.exec_driver_sql("UPDATE consents SET state = 'active', epoch = epoch - 1, held_by = ''")
    require_not_revived(house, consent_id)
