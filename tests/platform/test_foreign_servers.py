"""Mail and webhooks against real servers: SMTP with STARTTLS and a login, HTTPS under a private CA.

What is moved is the last hop alone: a public address is connected to as a port of this machine.
"""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import smtplib
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from primafacie.platform import mail, webhook
from primafacie.platform.errors import InputError, UnavailableError
from primafacie.platform.notifications import Notifications
from primafacie.platform.settings import Settings
from primafacie.platform.webhook import SIGNATURE, send, signed

HOST, PUBLIC = "hooks.example.org", "93.184.216.34"


@dataclass
class Authority:
    """A private CA, and server certificates by it."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        self.root = self._signed("Test CA", self.key, ca=True)
        self.file = self.folder / "ca.pem"
        self.file.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))

    def server(self, name: str) -> ssl.SSLContext:
        """The TLS side of a server that proves to be `name`."""
        key = ec.generate_private_key(ec.SECP256R1())
        file = self.folder / f"{name}.pem"
        file.write_bytes(
            self._signed(name, key).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(self, name: str, key: Any, ca: bool = False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        alternative: list[x509.GeneralName] = (
            [x509.IPAddress(ipaddress.ip_address(name))] if name[0].isdigit()
            else [x509.DNSName(name)]
        )  # fmt: skip
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False
            )
        )
        if ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            made = made.add_extension(usage, critical=True)
        else:
            made = made.add_extension(x509.SubjectAlternativeName(alternative), False)
        return made.sign(self.key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts the private CA, as an operator's would: through OpenSSL's variable."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


# mail --------------------------------------------------------------------------------------------


@dataclass
class Post:
    """What a mail server got, and how it answers."""

    taken: list[Any] = field(default_factory=list)
    answer: str = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.taken.append((session.authenticated, session.ssl is not None, envelope))
        return self.answer


@contextmanager
def smtp(tls: ssl.SSLContext, answer: str = "250 OK") -> Iterator[tuple[Post, int]]:
    """A mail server that talks to nobody before STARTTLS and a login."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = (data.login, data.password) == (b"house", b"sesame")
        return AuthResult(success=right, handled=False)

    post = Post(answer=answer)
    made = Controller(
        post, hostname="127.0.0.1", port=0, tls_context=tls, require_starttls=True,
        authenticator=check, auth_required=True, auth_require_tls=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made.port = free.getsockname()[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own event loop
        made.start()
        try:
            yield post, made.port
        finally:
            made.stop()


def mailing(tmp_path: Path, port: int, password: str = "sesame", **more: Any) -> Settings:
    file = tmp_path / "password"
    file.write_text(password + "\n")
    given = {"smtp_host": "localhost", "smtp_user": "house", "smtp_password_file": file}
    return Settings.read(data_dir=tmp_path, smtp_port=port, **given | more)


def note(settings: Settings) -> Any:
    return mail.letter(settings, "ada@example.org", "Hello", "It happened.\n")


class TestMailServer:
    def test_a_mail_arrives_over_tls_and_behind_the_login(
        self, authority: Authority, trusted: None, tmp_path: Path
    ) -> None:
        with smtp(authority.server("localhost")) as (post, port):
            settings = mailing(tmp_path, port)
            mail.post(settings, note(settings))
        ((who, over_tls, envelope),) = post.taken
        assert who and over_tls and envelope.rcpt_tos == ["ada@example.org"]
        assert b"It happened." in envelope.content

    @pytest.mark.parametrize("answer", ["451 later", "554 never", "550 no such box"])
    def test_what_the_server_does_not_take_is_said(
        self, authority: Authority, trusted: None, tmp_path: Path, answer: str
    ) -> None:
        with smtp(authority.server("localhost"), answer) as (post, port):
            settings = mailing(tmp_path, port)
            with pytest.raises(UnavailableError, match="mail server failed"):
                mail.post(settings, note(settings))
        assert post.taken == []

    def test_a_wrong_password_is_refused(
        self, authority: Authority, trusted: None, tmp_path: Path
    ) -> None:
        with smtp(authority.server("localhost")) as (post, port):
            settings = mailing(tmp_path, port, "wrong")
            with pytest.raises(UnavailableError, match="SMTPAuthenticationError"):
                mail.post(settings, note(settings))
        assert post.taken == []

    def test_without_tls_nothing_is_taken_and_no_password_is_sent(
        self, authority: Authority, trusted: None, tmp_path: Path
    ) -> None:
        with smtp(authority.server("localhost")) as (post, port):
            settings = mailing(tmp_path, port, smtp_user="", smtp_tls=False)
            with pytest.raises(UnavailableError):
                mail.post(settings, note(settings))
        assert post.taken == []

    def test_a_server_of_another_name_hears_no_password(
        self, authority: Authority, trusted: None, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        said: list[Any] = []
        monkeypatch.setattr(smtplib.SMTP, "login", lambda *given: said.append(given))
        with smtp(authority.server("mail.example.org")) as (post, port):
            settings = mailing(tmp_path, port)
            with pytest.raises(UnavailableError, match="SSLCertVerificationError"):
                mail.post(settings, note(settings))
        assert post.taken == [] and said == []

    def test_a_server_nobody_vouches_for_hears_nothing(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        with smtp(authority.server("localhost")) as (post, port):
            settings = mailing(tmp_path, port)
            with pytest.raises(UnavailableError, match="SSLCertVerificationError"):
                mail.post(settings, note(settings))
        assert post.taken == []

    def test_nobody_there_and_somebody_silent_are_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mail, "TIMEOUT", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for port in (silent.getsockname()[1], 1):
                settings = mailing(tmp_path, port)
                begun = time.monotonic()
                with pytest.raises(UnavailableError):
                    mail.post(settings, note(settings))
                assert time.monotonic() - begun < 5

    def test_a_subject_is_told_when_the_server_is_back(
        self, house: Any, authority: Authority, trusted: None, tmp_path: Path
    ) -> None:
        house.active()
        s = house.services
        with smtp(authority.server("localhost"), "451 later") as (post, port):
            sender = Notifications(s.journal, s.subjects, mailing(tmp_path, port))
            assert sender.deliver() == 0
            post.answer = "250 OK"
            assert sender.deliver() == 0  # not before its time
            house.watch.move(minutes=2)
            assert sender.deliver() == 2
            assert sender.deliver() == 0
        assert len(post.taken) == 2


# webhooks ----------------------------------------------------------------------------------------


class Hook(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent and answers as it is told."""

    status, pause = 204, 0.0
    got: list[Any] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((self.path, dict(self.headers), body))
        time.sleep(self.pause)
        self.send_response(self.status)
        if 300 <= self.status < 400:
            self.send_header("Location", f"https://{HOST}/elsewhere")
        self.end_headers()

    def log_message(self, *given: Any) -> None:
        """Nothing."""


@pytest.fixture
def hook(
    authority: Authority, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., list[Any]]]:
    """Begin to serve; what arrives. The public address leads there."""
    running: list[Any] = []
    real = socket.create_connection

    def serve(status: int = 204, pause: float = 0.0, name: str = HOST) -> list[Any]:
        handler = type("_Hook", (Hook,), {"status": status, "pause": pause, "got": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *given: None  # type: ignore[method-assign]
        server.socket = authority.server(name).wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        reached: list[Any] = handler.got  # type: ignore[attr-defined]

        def redirected(address: Any, *more: Any, **named: Any) -> socket.socket:
            assert address == (PUBLIC, 443), "connected to as it was looked up, and nowhere else"
            return real(server.server_address[:2], *more, **named)

        monkeypatch.setattr(socket, "create_connection", redirected)
        return reached

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


def knock(url: str = f"https://{HOST}/me?a=b", address: str = PUBLIC) -> None:
    send(url, b"secret", {"event": "consent.withdrawn", "id": "1"}, lambda host: [address])


class TestWebhookServer:
    def test_a_message_arrives_signed(self, hook: Any) -> None:
        got = hook()
        knock()
        ((path, headers, body),) = got
        assert path == "/me?a=b" and json.loads(body)["event"] == "consent.withdrawn"
        assert headers[SIGNATURE] == signed(b"secret", body) and headers["Host"] == HOST

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, hook: Any, status: int) -> None:
        got = hook(status)
        with pytest.raises(UnavailableError, match=str(status)):
            knock()
        assert [path for path, _, _ in got] == ["/me?a=b"]

    @pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 502, 503])
    def test_a_refusal_is_no_delivery(self, hook: Any, status: int) -> None:
        hook(status)
        with pytest.raises(UnavailableError, match=str(status)):
            knock()

    def test_a_server_that_takes_too_long_is_left(
        self, hook: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook(pause=20.0)
        monkeypatch.setattr(webhook, "DEADLINE", 0.5)
        begun = time.monotonic()
        with pytest.raises(UnavailableError, match="does not answer"):
            knock()
        assert time.monotonic() - begun < 10

    def test_a_server_of_another_name_gets_nothing(self, hook: Any) -> None:
        got = hook(name="evil.example.org")
        with pytest.raises(UnavailableError, match="does not answer"):
            knock()
        assert got == []

    def test_a_server_nobody_vouches_for_gets_nothing(
        self, hook: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        got = hook()
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(UnavailableError, match="does not answer"):
            knock()
        assert got == []

    @pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1"])
    def test_a_name_that_leads_inside_is_not_even_knocked_at(self, hook: Any, address: str) -> None:
        got = hook()
        with pytest.raises(UnavailableError, match="not public"):
            knock(address=address)
        with pytest.raises(InputError):
            knock(f"https://{address}/")
        assert got == []

    def test_a_subject_is_told_in_the_end(
        self, house: Any, hook: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, token = house.active()
        s = house.services
        s.notifications.deliver()
        s.consents.tell_me_at(token, f"https://{HOST}/me")
        s.consents.pause(token)
        monkeypatch.setattr(webhook, "_resolve", lambda host: [PUBLIC])
        hook(503)
        assert s.notifications.deliver() == 1  # the mail alone
        got = hook(204)
        house.watch.move(minutes=2)
        assert s.notifications.deliver() == 1
        assert [json.loads(body)["event"] for _, _, body in got] == ["consent.suspended"]
