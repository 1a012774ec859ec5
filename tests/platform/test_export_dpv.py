"""The export in DPV terms: JSON-LD that a library understands, in words the vocabulary has."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from pyld import jsonld

from primafacie.platform.consents import Estate
from primafacie.platform.export import STATUS, page
from primafacie.platform.plain_words import plain_words

DPV, PD, DCT = "https://w3id.org/dpv#", "https://w3id.org/dpv/pd#", "http://purl.org/dc/terms/"
GDPR = "https://w3id.org/dpv/legal/eu/gdpr#"
#: As the vocabulary publishes them: core 2.3, extensions 2.0, looked up term by term in its files.
#: A term that is not here has to be looked up before it can be exported.
PUBLISHED = {
    DPV: set("""
        ConsentExpired ConsentGiven ConsentInvalidated ConsentNotice ConsentRecord ConsentRequested
        ConsentRevoked ConsentWithdrawn DataController DataSubject DataSubjectDataSource Entity
        Personalisation Purpose Representative ScientificResearch SpecialCategoryPersonalData
        StorageDeletion StorageDuration StorageLocation UntilTimeDuration hasAddress
        hasApplicableLaw hasConsentStatus hasContact hasDataController hasDataSource
        hasDataSubject hasDuration hasJurisdiction hasLegalBasis hasLocation hasName hasNotice
        hasPersonalData hasPurpose hasRecipient hasRepresentative hasRight hasStorageCondition
        isIndicatedAtTime isIndicatedBy
    """.split()),  # noqa: SIM905
    PD: {"Contact", "FacialPrint", "Name", "Picture", "VoiceCommunicationRecording"},
    GDPR: {"A6-1-a", "A7-3", "A9-2-a", "A15", "A16", "A17", "A20", "A77"},
    "https://w3id.org/dpv/legal/eu#": {"law-GDPR"},
    "https://w3id.org/dpv/schema/dpv-27560#": {"record"},
}  # fmt: skip
#: What a record of TS 27560 (table 7.2) must have: property -> how often at least.
SHAPE = {
    DCT + "conformsTo": 1, DCT + "identifier": 1, DPV + "hasDataSubject": 1, DPV + "hasNotice": 1,
    DCT + "language": 1, DPV + "hasPurpose": 1, DPV + "hasPersonalData": 3, DPV + "hasRecipient": 1,
    DPV + "hasDataController": 1, DPV + "hasStorageCondition": 2, DPV + "hasJurisdiction": 1,
    DPV + "hasLegalBasis": 1, DPV + "hasDuration": 1, DPV + "hasConsentStatus": 1,
    DPV + "isIndicatedAtTime": 1, DPV + "isIndicatedBy": 1,
    "urn:primafacie:consent:1#withdrawalMethod": 1, "urn:primafacie:consent:1#event": 3,
}  # fmt: skip


def _nothing_is_fetched(url: str, options: Any) -> Any:
    raise AssertionError(f"the context of a record is inlined; it asked for {url}")


@pytest.fixture
def expanded(house: Any) -> dict[str, Any]:
    consent_id, _ = house.active(motion=True)
    return expand(house, consent_id)


def expand(house: Any, consent_id: str) -> dict[str, Any]:
    record = house.services.consents.exported(house.steward, consent_id)
    options = {"documentLoader": _nothing_is_fetched}
    (found,) = jsonld.expand(record, options)
    quads = jsonld.normalize(
        record, {**options, "algorithm": "URDNA2015", "format": "application/n-quads"}
    )
    assert len(quads.splitlines()) > 80
    result: dict[str, Any] = found
    return result


def iris(node: Any) -> Iterator[str]:
    """Every property, type and reference of an expanded document."""
    if isinstance(node, list):
        for one in node:
            yield from iris(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "@type":
                yield from [value] if isinstance(value, str) else value
            elif key == "@id":
                yield value
            elif not key.startswith("@"):
                yield key
            yield from iris(value)


def names(node: Any) -> Iterator[str]:
    """Every key of the document as it is written."""
    if isinstance(node, list):
        for one in node:
            yield from names(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key != "@context":
                yield key
                yield from names(value)


def unknown(found: Any) -> set[str]:
    """Terms of the vocabulary's namespaces that it does not publish."""
    used = {iri for iri in iris(found) if iri.startswith("https://w3id.org/")}
    return {iri for iri in used if iri.rpartition("#")[2]
            not in PUBLISHED.get(iri.rpartition("#")[0] + "#", set())}  # fmt: skip


def test_every_term_is_one_the_vocabulary_publishes(expanded: dict[str, Any]) -> None:
    assert unknown(expanded) == set()


def test_a_term_that_is_not_published_would_be_noticed(expanded: dict[str, Any]) -> None:
    assert unknown({**expanded, DPV + "hasFace": [{"@id": GDPR + "GDPR"}]}) == {
        DPV + "hasFace", GDPR + "GDPR",
    }  # fmt: skip


def test_a_library_drops_nothing_of_it(house: Any) -> None:
    """A key without a known prefix would vanish in silence when it is expanded."""
    consent_id, _ = house.active()
    record = house.services.consents.exported(house.steward, consent_id)
    written = {name for name in names(record) if not name.startswith("@")}
    context = record["@context"]
    kept = set(iris(expand(house, consent_id)))
    for name in written:
        prefix, colon, rest = name.partition(":")
        inside = not colon  # plain keys stand in the limits, which are JSON of ours
        assert inside or context[prefix] + rest in kept, name


def test_the_shape_of_the_record(expanded: dict[str, Any]) -> None:
    for name, least in SHAPE.items():
        assert len(expanded.get(name, [])) >= least, name
    assert expanded["@type"] == [DPV + "ConsentRecord"]
    (status,) = expanded[DPV + "hasConsentStatus"]
    assert status == {"@id": DPV + "ConsentGiven"}
    (when,) = expanded[DPV + "isIndicatedAtTime"]
    assert when["@type"].endswith("#dateTime")
    kinds = {kind for one in expanded[DPV + "hasPersonalData"] for kind in one["@type"]}
    assert {PD + "FacialPrint", DPV + "SpecialCategoryPersonalData"} <= kinds


def test_every_state_has_a_published_status() -> None:
    assert {status.removeprefix("dpv:") for status in STATUS.values()} <= PUBLISHED[DPV]


def test_an_estate_is_the_representative_of_the_person(house: Any) -> None:
    view, link = house.draft(kind="deceased", voice_source="synthetic")
    house.fill(link, photos=1)
    for kind in ("death-record", "estate-proof"):
        house.services.consents.add_document(link, kind, b"%PDF-1.7")
    who = Estate("Bea Drawn", "child", 2011, "I am the only heir, says the court.", True)
    house.sign(link, estate=who)
    house.services.consents.enrol(view.consent_id, house.faces(vector=np.ones(128, np.float32)))
    found = expand(house, view.consent_id)
    (subject,) = found[DPV + "hasDataSubject"]
    (speaks,) = subject[DPV + "hasRepresentative"]
    assert speaks["@type"] == [DPV + "Representative"]
    assert unknown(found) == set()


class _Balance(HTMLParser):
    """Every element that opens closes, in order; nothing runs and nothing is loaded."""

    VOID = ("meta", "br", "img", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_for_people_is_whole_and_says_the_same(house: Any) -> None:
    consent_id, token = house.active(strict=True)
    s = house.services.consents
    with house.services.database.read() as tx:
        held = s._everything(tx, s._row(tx, consent_id), s.mine(token), b"")
    text = page(held, house.services.settings)
    reader = _Balance()
    reader.feed(text)
    assert reader.open == [] and "script" not in reader.seen
    for what, how in plain_words(held.record):
        assert str(escape(what)) in text and str(escape(how)) in text
    assert held.record.sha256 in text
