"""What subjects are told: written with the event, sent later, and never to where it could harm."""

from __future__ import annotations

import mailbox
import socket
import threading
import time
from email import message_from_bytes
from http.client import HTTPException
from typing import Any

import pytest
import sqlalchemy as sa

from primafacie.platform.errors import InputError, UnavailableError
from primafacie.platform.notifications import ATTEMPTS, EACH, Notifications, is_mail
from primafacie.platform.outbox import EVENTS, tell
from primafacie.platform.tables import outbox
from primafacie.platform.webhook import check_address, public_address, read_status, signed


def events(house: Any) -> list[str]:
    with house.services.database.read() as tx:
        chosen = sa.select(outbox.c.event).order_by(outbox.c.created_at, outbox.c.event)
        return list(tx.execute(chosen).scalars())


def mails(house: Any) -> list[Any]:
    box = mailbox.Maildir(house.services.settings.data_dir / "mail")
    return [message_from_bytes(mail.as_bytes()) for mail in box]


def post(house: Any, answer: Any) -> tuple[Notifications, list[Any]]:
    sent: list[Any] = []

    def fake(url: str, secret: bytes, message: dict[str, Any]) -> None:
        sent.append((url, secret, message))
        if isinstance(answer, Exception):
            raise answer

    s = house.services
    return Notifications(s.journal, s.subjects, s.settings, fake), sent


class TestOutbox:
    def test_each_step_of_a_consent_is_told(self, house: Any) -> None:
        _, token = house.active()
        house.services.consents.pause(token)
        house.services.consents.resume(token)
        house.services.consents.withdraw(token)
        assert sorted(events(house)) == sorted(
            ["consent.captured", "consent.activated", "consent.suspended", "consent.resumed",
             "consent.withdrawn"]
        )  # fmt: skip

    def test_an_event_that_is_rolled_back_is_told_to_nobody(self, house: Any) -> None:
        consent_id, _ = house.active()
        subject = house.services.likenesses.find(consent_id).record.subject_id
        before = events(house)
        with pytest.raises(ZeroDivisionError), house.services.database.write() as tx:
            tell(tx, subject, consent_id, "output.released", house.watch())
            raise ZeroDivisionError
        assert events(house) == before

    def test_a_refused_attempt_is_told(self, house: Any) -> None:
        from primafacie.audit.entry import Kind, LogEntry, Outcome

        consent_id, _ = house.active()
        view = house.submit(consent_id)
        request = house.services.queue.claim("w", "cpu")
        entry = LogEntry(Kind.DECISION_REFUSED, view.rid, house.watch(), out=Outcome.DENY,
                         why=("purpose_in_scope",))  # fmt: skip
        house.services.queue.finish(request, "refused", entry)
        assert "decision.refused" in events(house)

    def test_a_row_names_nobody(self, house: Any) -> None:
        _, token = house.active()
        with house.services.database.read() as tx:
            told = repr(tx.execute(sa.select(outbox)).all())
        assert "Ada" not in told and "ada@" not in told and token not in told


class TestMail:
    def test_a_mail_says_what_happened_and_gives_no_key_away(self, house: Any) -> None:
        _, token = house.active()
        assert house.services.notifications.deliver() == 2
        for mail in mails(house):
            text = mail.get_payload()
            assert mail["To"] == "ada@example.org"
            assert token not in mail.as_string() and "/me/" not in text
            assert any(sentence in text.replace("\n", " ") for sentence in EVENTS.values())

    def test_nothing_is_sent_twice(self, house: Any) -> None:
        house.active()
        house.services.notifications.deliver()
        house.watch.move(days=2)
        assert house.services.notifications.deliver() == 0
        assert len(mails(house)) == 2

    @pytest.mark.parametrize(
        "contact",
        ["", "030 1234", "a@b", "a b@example.org", "a@example.org\nBcc: x@example.org",
         "a@example.org, b@example.org", "<a@example.org>", "ä@example.org", "@example.org"],
    )  # fmt: skip
    def test_what_is_no_plain_address_gets_no_mail(self, contact: str) -> None:
        assert not is_mail(contact)

    def test_whose_consent_ends_soon_is_told_once(self, house: Any) -> None:
        _, _link = house.draft()
        house.fill(_link)
        house.sign(_link, days=60)
        (consent_id,) = house.services.consents.captured()
        house.services.consents.enrol(consent_id, house.faces())
        house.services.consents.activate(house.reviewer, consent_id, watched=True)
        assert house.services.notifications.remind() == 0
        house.watch.move(days=31)
        assert house.services.notifications.remind() == 1
        assert house.services.notifications.remind() == 0
        assert "consent.ends_soon" in events(house)


class TestWebhook:
    def test_it_is_signed_and_tried_again_until_it_is_taken(self, house: Any) -> None:
        _, token = house.active()
        house.services.notifications.deliver()
        secret = house.services.consents.tell_me_at(token, "https://hooks.example.org/me?a=b")
        house.services.consents.pause(token)
        failing, tried = post(house, UnavailableError("no"))
        assert failing.deliver() == 1  # the mail
        assert len(tried) == 1
        assert failing.deliver() == 0 and len(tried) == 1  # not before its time
        house.watch.move(minutes=2)
        working, taken = post(house, None)
        assert working.deliver() == 1
        ((url, key, message),) = taken
        assert url == "https://hooks.example.org/me?a=b" and key.decode() == secret
        assert message["event"] == "consent.suspended" and message["id"] == tried[0][2]["id"]
        assert token not in repr(message) and "Ada" not in repr(message)

    def test_it_is_given_up_in_the_end(self, house: Any) -> None:
        _, token = house.active()
        house.services.consents.tell_me_at(token, "https://hooks.example.org/")
        house.services.consents.pause(token)
        failing, tried = post(house, UnavailableError("no"))
        for _ in range(ATTEMPTS + 3):
            failing.deliver()
            house.watch.move(days=3)
        assert len(tried) == ATTEMPTS

    def test_the_signature_is_an_hmac_of_the_body(self) -> None:
        import hashlib
        import hmac

        expected = hmac.new(b"key", b"body", hashlib.sha256).hexdigest()
        assert signed(b"key", b"body") == f"sha256={expected}"

    @pytest.mark.parametrize(
        "url",
        [
            "http://example.org/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/",
            "https://intranet/", "https://example.org:8443/", "https://a:b@example.org/",
            "ftp://example.org/", "https://2130706433/", "https://printer.local/", "//example.org",
            "https://exa mple.org/", "https://ex\u0430mple.org/", "https://example.org/\r\nX: y",
            "javascript:alert(1)", "https://", "https://a..b.com/", "https://.example.com/",
            "https://exa%6dple.com/", f"https://{'a' * 64}.example.com/", "https://127.1/",
            "https://0x7f.0x1/", "https://-a.example.com/", "https://169.254.169.254/latest/meta-data",
        ],
    )  # fmt: skip
    def test_an_address_that_leads_inside_is_refused(self, url: str) -> None:
        with pytest.raises(InputError):
            check_address(url)

    @pytest.mark.parametrize(
        "address",
        ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",
         "::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "224.0.0.1",
         "100.64.0.1", "2002:7f00:1::", "nonsense", "fec0::1", "192.0.0.8", "::ffff:192.0.0.8",
         "192.88.99.1"],
    )  # fmt: skip
    def test_a_name_that_leads_inside_is_refused(self, address: str) -> None:
        with pytest.raises(UnavailableError):
            public_address("hooks.example.org", lambda host: [address])
        with pytest.raises(UnavailableError):  # one public address beside it does not help
            public_address("hooks.example.org", lambda host: ["93.184.216.34", address])

    def test_a_public_name_is_connected_to_as_it_was_looked_up(self) -> None:
        assert public_address("x.org", lambda host: ["93.184.216.34"]) == "93.184.216.34"

    def test_a_name_no_resolver_can_encode_is_only_not_reached(self) -> None:
        with pytest.raises(UnavailableError):
            public_address("a..b.com")

    def test_an_address_that_breaks_everything_keeps_nobody_elses_message(self, house: Any) -> None:
        _, token = house.active()
        house.services.notifications.deliver()
        house.services.consents.tell_me_at(token, "https://hooks.example.org/")
        house.services.consents.pause(token)
        broken, tried = post(house, UnicodeError("label empty or too long"))
        assert broken.deliver() == 1 and len(tried) == 1  # the mail went out all the same

    def test_one_persons_messages_leave_room_for_the_others(self, house: Any) -> None:
        (_, mine), (_, other) = house.active(), house.active()
        while house.services.notifications.deliver():
            pass
        for token in (mine, other):
            house.services.consents.tell_me_at(token, f"https://hooks.example.org/{token[:4]}")
        for _ in range(EACH):
            house.services.consents.pause(mine)
            house.services.consents.resume(mine)
        house.watch.move(seconds=1)
        house.services.consents.pause(other)
        working, taken = post(house, None)
        assert working.deliver() == EACH + 2
        assert f"https://hooks.example.org/{other[:4]}" in [url for url, _, _ in taken]

    def test_a_server_that_drips_is_left_at_the_deadline(self) -> None:
        ours, theirs = socket.socketpair()
        over = threading.Event()

        def drip() -> None:
            theirs.sendall(b"HTTP/1.1 200")
            while not over.wait(0.02):
                theirs.sendall(b" ")

        thread = threading.Thread(target=drip, daemon=True)
        with ours, theirs:
            thread.start()
            with pytest.raises(TimeoutError):
                read_status(ours, time.monotonic() + 0.3)
            over.set()
            thread.join()

    @pytest.mark.parametrize(
        ("said", "status"),
        [(b"HTTP/1.1 204 No Content\r\n\r\n", 204), (b"HTTP/1.0 500\r\n", 500),
         (b"SSH-2.0-x\r\n", None), (b"A" * 5000, None), (b"", None)],
    )  # fmt: skip
    def test_of_an_answer_the_first_line_is_read(self, said: bytes, status: int | None) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(said)
            theirs.shutdown(socket.SHUT_WR)
            if status is None:
                with pytest.raises(HTTPException):
                    read_status(ours, time.monotonic() + 5)
            else:
                assert read_status(ours, time.monotonic() + 5) == status
