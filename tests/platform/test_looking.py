"""Who may look at a person, when, and that the log says who looked at whom."""

from __future__ import annotations

from typing import Any

import pytest

from primafacie.audit.entry import Kind
from primafacie.platform.cli import main
from primafacie.platform.errors import NotFoundError


def newest(house: Any, kind: str) -> Any:
    """The newest leaf of this kind."""
    with house.services.database.read() as tx:
        log = house.services.log
        return log.leaf(tx, max(i for i, one in enumerate(house.kinds) if one == kind))


def pseudonym(house: Any, person: str, role: str) -> Any:
    with house.services.database.read() as tx:
        return house.services.log.pseudonym(tx, person, role)


def sees(house: Any, consent_id: str) -> tuple[bool, bool]:
    """(the consent, a photo of it) as a researcher of its project sees them."""
    s = house.services.consents
    photos = s.show(house.steward, consent_id).photos
    found = []
    for look in (
        lambda: s.show(house.researcher, consent_id),
        lambda: s.photo(house.researcher, consent_id, photos[0].sha256 if photos else ""),
    ):
        try:
            look()
            found.append(True)
        except NotFoundError:
            found.append(False)
    listed = consent_id in {v.consent_id for v in s.listed(house.researcher)}
    assert listed == found[0]
    return found[0], found[1]


class TestAResearcherSeesAPersonOnlyWhileTheyAgree:
    def test_not_as_a_draft_nor_signed_nor_under_review_but_in_force(self, house: Any) -> None:
        s = house.services.consents
        view, link = house.draft()
        house.fill(link)
        assert sees(house, view.consent_id) == (False, False)
        house.sign(link)
        assert sees(house, view.consent_id) == (False, False)
        s.enrol(view.consent_id, house.faces())
        assert sees(house, view.consent_id) == (False, False)
        s.activate(house.reviewer, view.consent_id, watched=True)
        assert sees(house, view.consent_id) == (True, True)

    @pytest.mark.parametrize(
        ("end", "seen"),
        [("pause", (True, False)), ("withdraw", (False, False)), ("erase", (False, False))],
    )
    def test_not_when_it_is_over_and_no_photo_in_between(
        self, house: Any, end: str, seen: tuple[bool, bool]
    ) -> None:
        consent_id, token = house.active()
        getattr(house.services.consents, end)(token)
        assert sees(house, consent_id) == seen

    def test_nor_one_that_was_rejected(self, house: Any) -> None:
        consent_id, _ = house.captured()
        house.services.consents.enrol(consent_id, house.faces())
        house.services.consents.reject(house.reviewer, consent_id, "not the same person")
        assert sees(house, consent_id) == (False, False)


class TestTheLogSaysWhoLookedAtWhom:
    def test_a_reviewer_at_a_registered_photo(self, house: Any) -> None:
        consent_id, _ = house.captured()
        s = house.services.consents
        view = s.show(house.reviewer, consent_id)
        s.photo(house.reviewer, consent_id, view.photos[0].sha256)
        told = newest(house, Kind.LOG_READ)
        assert told.why == ("photo",)
        assert told.actor == pseudonym(house, house.reviewer.user_id, "actor")
        assert told.subject == pseudonym(house, view.subject_id, "subject")

    def test_a_requester_at_the_photo_they_uploaded(self, house: Any) -> None:
        rid = house.submit(house.active()[0]).rid
        house.services.requests.photo(house.researcher, rid)
        told = newest(house, Kind.LOG_READ)
        assert (told.why, told.rid) == (("photo",), rid)

    @pytest.mark.parametrize("what", ["list", "show", "receipt", "export"])
    def test_whoever_reads_consents_at_the_command_line(
        self, house: Any, what: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        consent_id, _ = house.active()
        monkeypatch.setenv("PRIMAFACIE_DATA_DIR", str(house.services.settings.data_dir))
        before = len(house.kinds)
        assert main(["consent", what, *([] if what == "list" else [consent_id])]) == 0
        assert capsys.readouterr().out
        told = newest(house, Kind.HTTP_REQUEST)
        assert len(house.kinds) > before
        assert (told.fact("method"), told.fact("path")) == ("CLI", f"consent {what}")
        assert "status" not in dict(told.facts), "how it ends is not known before it begins"
        assert told.actor == pseudonym(house, "operator", "actor")
        with house.services.database.read() as tx:
            payload = house.services.log.payload(tx, told.index)
        assert payload == (None if what == "list" else {"consent_id": consent_id})
