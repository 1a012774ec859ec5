"""The log as people read it, and that reading it is itself on record."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit.bundle import verify_bundle
from primafacie.audit.entry import Kind
from primafacie.audit.proof import verify_leaf
from primafacie.platform.errors import AccessError, InputError, NotFoundError, UnavailableError


class TestReading:
    def test_searching_showing_and_exporting_are_logged(self, house: Any) -> None:
        book = house.services.logbook
        before = len(house.kinds)
        book.query(house.auditor, "kind:user.created")
        book.show(house.auditor, 0)
        list(book.export(house.auditor, 0, 3))
        assert house.kinds[before:] == ["log.read", "log.read", "log.exported"]

    def test_only_those_who_audit_may_read(self, house: Any) -> None:
        book = house.services.logbook
        for look in (
            lambda: book.query(house.researcher, ""),
            lambda: book.show(house.steward, 0),
            lambda: book.export(house.researcher, 0, 1),
            lambda: book.verify(house.researcher),
        ):
            with pytest.raises(AccessError):
                look()

    def test_a_person_is_found_by_account_and_shown_by_pseudonym(self, house: Any) -> None:
        page = house.services.logbook.query(
            house.auditor, f"actor:{house.reviewer.user_id} kind:user.approved"
        )
        (entry,) = page.entries
        assert entry.actor_id == house.reviewer.user_id != entry.actor
        assert entry.kind == "user.approved"

    def test_a_bad_word_is_named(self, house: Any) -> None:
        with pytest.raises(InputError, match="nonsense"):
            house.services.logbook.query(house.auditor, "kind:nonsense")

    def test_reviewers_see_leaves_without_payloads(self, house: Any) -> None:
        house.services.logbook.query(house.auditor, "hello")
        index = len(house.kinds) - 1
        assert house.services.logbook.show(house.auditor, index).payload == {"query": "hello"}
        assert house.services.logbook.show(house.reviewer, index).payload is None

    def test_no_entry_beyond_the_end(self, house: Any) -> None:
        with pytest.raises(NotFoundError):
            house.services.logbook.show(house.auditor, 10**6)
        with pytest.raises(NotFoundError):
            house.services.logbook.prove(house.auditor, 10**6)

    def test_an_export_is_json_lines_and_ends(self, house: Any) -> None:
        lines = list(house.services.logbook.export(house.auditor, 0, 2**62))
        entries = [json.loads(line) for line in lines]
        assert [e["index"] for e in entries] == list(range(len(entries)))
        assert entries[-1]["kind"] == "log.exported"


class TestProving:
    def test_every_entry_can_be_proved_with_public_keys_alone(self, house: Any) -> None:
        keys = house.services.log.vkeys
        for index in range(len(house.kinds)):
            text = house.services.logbook.prove(house.auditor, index)
            with house.services.database.read() as tx:
                body = house.services.log.leaf_bytes(tx, index)
            leaf, _ = verify_leaf(text, body, keys)
            assert leaf.index == index

    def test_checkpoints_are_signed_by_both_keys(self, house: Any) -> None:
        head = house.services.logbook.checkpoint()
        assert len(head.note.rstrip("\n").split("\n\n")[1].splitlines()) == 2
        assert house.services.logbook.history()[0].note == head.note

    def test_a_bundle_verifies_offline(self, house: Any, tmp_path: Path) -> None:
        file = tmp_path / "log.bundle"
        house.services.logbook.bundle(house.auditor, file)
        report = verify_bundle(file, house.services.log.vkeys)
        report.require_sound()
        assert report.size == len(house.kinds) - 1

    def test_an_entry_changed_in_the_database_is_noticed(self, house: Any) -> None:
        house.services.journal.publish()
        assert house.services.logbook.verify(house.auditor).ok
        raw = sqlite3.connect(house.services.settings.data_dir / "primafacie.db")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute("UPDATE log_leaf SET body = x'00' WHERE seq = 1")
        raw.execute("DROP TRIGGER log_leaf_no_update")
        (body,) = raw.execute("SELECT body FROM log_leaf WHERE seq = 1").fetchone()
        raw.execute(
            "UPDATE log_leaf SET body = ? WHERE seq = 1", (body.replace(b'"ok"', b'"deny"'),)
        )
        raw.commit()
        raw.close()
        report = house.services.logbook.verify(house.auditor)
        assert not report.ok and report.problems


class TestHttp:
    def test_every_attempt_leaves_an_entry(self, house: Any) -> None:
        receipt = house.services.note_http(
            "GET", "/nowhere", 404, actor=house.other, why=("not_found",), source="192.0.2.1"
        )
        entry = house.services.logbook.show(house.auditor, receipt.index)
        assert entry.kind == Kind.HTTP_REQUEST and entry.out == "deny"
        assert entry.facts["status"] == 404 and entry.facts["path"] == "/nowhere"
        assert "192.0.2.1" not in json.dumps(dict(entry.facts))

    @pytest.mark.parametrize(
        ("method", "path"), [("G" * 999, "/" + "x" * 9999), ("", ""), ("GET", "/\0\n\ud800é" * 50)]
    )
    def test_hostile_requests_can_be_logged(self, house: Any, method: str, path: str) -> None:
        house.services.note_http(method, path, 400, why=("",) * 3 + ("x" * 500,))
        assert house.kinds[-1] == "http.request"

    def test_what_cannot_be_logged_is_not_answered(
        self, house: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from primafacie.audit.errors import StoreError
        from primafacie.audit.log import Log

        def broken(*args: Any) -> None:
            raise StoreError("full")

        monkeypatch.setattr(Log, "append_many", broken)
        with pytest.raises(UnavailableError):
            house.services.note_http("GET", "/", 200)
        assert not house.services.journal.ready()
        assert not house.services.health().ok
