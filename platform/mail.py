"""Mail: where letters leave the house.

Into a Maildir in the data folder, where an operator's own system fetches them, or to an SMTP server
where the settings name one.
"""

from __future__ import annotations

import mailbox
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from typing import Final

from primafacie.platform.clock import now
from primafacie.platform.errors import UnavailableError
from primafacie.platform.settings import Settings

TIMEOUT: Final = 20.0  # seconds for each step of the exchange


def mail_folder(settings: Settings) -> Path:
    """Where mails lie until somebody fetches them."""
    return settings.data_dir / "mail"


def letter(settings: Settings, to: str, subject: str, text: str) -> EmailMessage:
    """A plain mail from this installation."""
    made = EmailMessage()
    made["From"] = settings.mail_from
    made["To"] = to
    made["Subject"] = subject
    made["Date"] = now()
    made["Message-ID"] = make_msgid(domain=settings.mail_from.rpartition("@")[2] or None)
    made.set_content(text)
    return made


def post(settings: Settings, made: EmailMessage) -> None:
    """Send it. Raises UnavailableError when the server cannot be reached, cannot be trusted, or
    does not take it; with TLS wanted nothing is said before the server proved its name."""
    if not settings.smtp_host:
        folder = mail_folder(settings)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mailbox.Maildir(folder).add(made)
        return
    try:
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT) as server:
            if settings.smtp_tls:
                server.starttls(context=ssl.create_default_context())
            if settings.smtp_user:
                server.login(settings.smtp_user, _password(settings))
            server.send_message(made)
    except (OSError, smtplib.SMTPException) as error:
        raise UnavailableError(f"the mail server failed: {type(error).__name__}") from error


def _password(settings: Settings) -> str:
    if settings.smtp_password_file is None:
        return ""
    return settings.smtp_password_file.read_text().partition("\n")[0]
