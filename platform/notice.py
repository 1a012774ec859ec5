"""Notice: what a person reads before saying yes, word for word. The consent names its digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from primafacie.audit.digest import sha256_hex
from primafacie.platform.clock import Clock
from primafacie.platform.settings import Settings
from primafacie.platform.tables import notices

TITLE: Final = "Your face, your voice, your decision"
TEXT: Final = """\
Who asks. {controller} makes videos in which a photo of a person moves and speaks. They are used
only for the purposes you tick on this page. Questions and complaints: {contact}. You may also
complain to your data protection authority.

What is made. From your registered photos and a sound recording, a computer draws a video of you
speaking. It can show you saying words you never said. Every video carries an invisible mark in
picture and sound and a signed note that it was made by a computer, and its making is written into
a log that cannot be changed in silence.

What is kept. Your photos and recordings, encrypted. A set of 128 numbers that describes your face,
which is biometric data; it serves only to make sure that a photo shows you and nobody else. Your
name and contact, encrypted. What you sign on this page. All of it is deleted when you ask for it,
and the numbers that describe your face as soon as you withdraw, or when your consent ends, or three
years after your last contact with us at the latest. The rest is kept for {kept} days after your
consent has ended, to answer for what was made, unless you have it erased before. Nothing is sold or
passed on to others. The whole schedule stands at {public_url}/retention.

How long. Until the date shown below, at most {days} days, unless you end it sooner.

What is never allowed. Sexual content, political persuasion, fraud, endorsement, medical or legal
advice, and content for children, whatever you tick.

Your rights. You may say no; nothing bad follows from it. After a yes you may look at every use and
every refused attempt, pause, change what you allow, complain, or withdraw at any time with the link
on your receipt: two clicks, no reason, no account. From that moment nothing more can be made, and
the videos made before are locked away and deleted within two days. You may ask for a copy or for
the erasure of all your data. What was lawful before you withdrew stays lawful.

The log. It keeps for ever that something happened and when, under made-up names. Once your data are
erased, nobody can tell any more that those entries were about you.
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice in one language."""

    sha256: str
    language: str
    title: str
    text: str

    @classmethod
    def of(cls, settings: Settings) -> Notice:
        """The notice this installation shows."""
        text = TEXT.format(
            controller=settings.controller,
            contact=settings.controller_contact,
            days=settings.consent_days,
            kept=settings.record_days,
            public_url=settings.public_url,
        )
        return cls(sha256_hex(f"{TITLE}\n\n{text}".encode()), "en", TITLE, text)

    def keep(self, tx: sa.Connection, clock: Clock) -> None:
        """Store it for as long as a consent names it."""
        if not tx.execute(
            sa.select(notices.c.sha256).where(notices.c.sha256 == self.sha256)
        ).first():
            tx.execute(
                notices.insert().values(
                    sha256=self.sha256,
                    language=self.language,
                    title=self.title,
                    text=self.text,
                    added_at=clock(),
                )
            )
