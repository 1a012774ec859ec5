"""The notice: in the language that was read, and that very text is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.platform.consents import Change
from primafacie.platform.errors import InputError, SettingsError
from primafacie.platform.notice import SHIPPED, Notice
from primafacie.platform.settings import Settings
from primafacie.platform.tables import notices


def test_the_record_names_language_and_digest_of_the_notice_that_was_read(house: Any) -> None:
    consents = house.services.consents
    view, link = house.draft(language="de")
    house.fill(link)
    read = consents.invitation(link).notice
    assert read.language == "de" and read.title.startswith("Ihr Gesicht")
    house.sign(link)
    record = house.services.likenesses.find(view.consent_id).record
    assert (record.notice_language, record.notice_sha256) == ("de", read.sha256)
    with house.services.database.read() as tx:
        kept = tx.execute(sa.select(notices).where(notices.c.sha256 == read.sha256)).one()
    assert (kept.language, kept.text) == ("de", read.text)


def test_a_person_may_read_another_language_than_was_offered(house: Any) -> None:
    view, link = house.draft(language="en")
    house.fill(link)
    german = house.services.consents.invitation(link, "de").notice
    house.sign(link, notice_sha256=german.sha256)
    assert house.services.likenesses.find(view.consent_id).record.notice_language == "de"


def test_a_language_that_is_not_there_is_english(house: Any) -> None:
    _, link = house.draft()
    assert house.services.consents.invitation(link, "../../etc").notice.language == "en"


def test_a_notice_of_another_wording_or_of_an_estate_cannot_be_signed(house: Any) -> None:
    _, link = house.draft()
    house.fill(link)
    estate = Notice.of(house.services.settings, "deceased")
    for digest in ("0" * 64, estate.sha256):
        with pytest.raises(InputError, match="as it stands now"):
            house.sign(link, notice_sha256=digest)


@pytest.mark.parametrize("kind", ["living", "deceased"])
def test_every_language_says_the_same_number_of_things(kind: str) -> None:
    found = Notice.all(Settings(), kind)
    assert set(found) >= {"en", "de"}
    parts = {language: notice.text.count("\n\n") for language, notice in found.items()}
    assert len(set(parts.values())) == 1, parts
    for notice in found.values():
        for told in ("Example Research Group", "privacy@example.org", "/retention", "1095", "128"):
            assert told in notice.text, (notice.language, told)


class TestAnOperatorsOwn:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "living.en.txt").write_text("Ours\n\nAsked by {controller}.\n", "utf-8")
        (tmp_path / "living.fr.txt").write_text("Le nôtre\n\nPar {controller}.\n", "utf-8")
        return tmp_path

    def test_takes_the_place_of_ours(self, folder: Path) -> None:
        settings = Settings(notices_dir=folder)
        assert set(Notice.all(settings)) == {"en", "fr"}
        assert Notice.of(settings, language="fr").text == "Par Example Research Group.\n"
        assert Notice.of(settings).sha256 != Notice.of(Settings()).sha256

    def test_without_an_english_one_nobody_is_asked(self, folder: Path) -> None:
        (folder / "living.en.txt").unlink()
        with pytest.raises(SettingsError, match=r"living\.en\.txt"):
            Notice.all(Settings(notices_dir=folder))
        with pytest.raises(SettingsError, match=r"estate\.en\.txt"):
            Notice.all(Settings(notices_dir=folder), "deceased")

    @pytest.mark.parametrize("text", ["", "only a title", "T\n\n", "T\n\n{unknown}", "T\n\n{"])
    def test_a_file_that_is_no_notice_is_named(self, folder: Path, text: str) -> None:
        (folder / "living.fr.txt").write_text(text, "utf-8")
        with pytest.raises(SettingsError, match=r"living\.fr\.txt"):
            Notice.all(Settings(notices_dir=folder))


def test_the_shipped_words_are_in_the_package() -> None:
    assert {p.name for p in SHIPPED.glob("*.txt")} == {
        f"{who}.{language}.txt" for who in ("living", "estate") for language in ("en", "de")
    }


def test_a_change_is_signed_over_the_notice_in_the_same_language(house: Any) -> None:
    view, link = house.draft(language="de")
    house.fill(link)
    key = Ed25519PrivateKey.generate()
    consents = house.services.consents
    prepared = consents.prepare(
        link, house.choices(link, purposes=("research", "education")), dsse.public_bytes(key)
    )
    token = consents.confirm(link, key.sign(prepared.tbs)).token
    consents.enrol(view.consent_id, house.faces())
    consents.activate(house.reviewer, view.consent_id, watched=True)
    prepared = consents.prepare_change(token, Change(purposes=("research",)))
    consents.sign_change(token, key.sign(prepared.tbs))
    record = house.services.likenesses.find(view.consent_id).record
    assert record.version == 2 and record.notice_language == "de"
