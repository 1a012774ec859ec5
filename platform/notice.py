"""Notice: what a person reads before saying yes, word for word. The consent names its digest and
its language.

The words stand in `notices/`, one file a language: `living.LANGUAGE.txt` for whoever speaks for
themselves, `estate.LANGUAGE.txt` for whoever speaks for somebody who has died. Title, blank line,
text; what stands in braces is filled in. An operator's folder of such files takes their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from primafacie.audit.digest import sha256_hex
from primafacie.platform.clock import Clock
from primafacie.platform.errors import SettingsError
from primafacie.platform.settings import Settings
from primafacie.platform.tables import notices
from primafacie.safeguards.consent import SubjectKind

SHIPPED: Final = Path(__file__).parent / "notices"
FIRST: Final = "en"  # the language where another was not asked for, or is not there


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice in one language."""

    sha256: str
    language: str
    title: str
    text: str

    @classmethod
    def all(cls, settings: Settings, kind: str = SubjectKind.LIVING) -> Mapping[str, Notice]:
        """language -> the notice this installation shows for this kind of subject.

        Raises SettingsError for a folder without an English one, or for a file that is no notice.
        """
        name = "estate" if kind == SubjectKind.DECEASED else "living"
        folder = settings.notices_dir or SHIPPED
        found = {}
        for path in sorted(folder.glob(f"{name}.*.txt")):
            language = path.name.split(".")[1]
            found[language] = cls._read(path, language, settings)
        if FIRST not in found:
            raise SettingsError(f"the folder of notices lacks {name}.{FIRST}.txt")
        return found

    @classmethod
    def of(
        cls, settings: Settings, kind: str = SubjectKind.LIVING, language: str = FIRST
    ) -> Notice:
        """The notice in this language, or in English."""
        found = cls.all(settings, kind)
        return found.get(language, found[FIRST])

    @classmethod
    def _read(cls, path: Path, language: str, settings: Settings) -> Notice:
        try:
            title, _, text = path.read_text(encoding="utf-8").partition("\n\n")
            text = text.format(
                controller=settings.controller,
                contact=settings.controller_contact,
                days=settings.consent_days,
                kept=settings.record_days,
                public_url=settings.public_url,
            )
        except (OSError, ValueError, LookupError) as error:
            raise SettingsError(f"{path.name} is no notice: {error}") from error
        if not title.strip() or not text.strip() or not language.isalnum():
            raise SettingsError(f"{path.name} is no notice: title, text or language is missing")
        return cls(sha256_hex(f"{title}\n\n{text}".encode()), language, title, text)

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
