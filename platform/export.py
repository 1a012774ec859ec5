"""Export: everything about a consent, for its giver to take away.

The record in DPV terms (W3C Data Privacy Vocabulary 2, profile dpv-27560#record, which implements
ISO/IEC TS 27560:2023) with its context inlined, a page for people that prints, the signed versions
as they are, the receipt, every use and every refused attempt, and the photos.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup, escape

from primafacie.platform.clock import rfc3339
from primafacie.platform.consent_book import Transition
from primafacie.platform.plain_words import plain_words
from primafacie.platform.portal import Use
from primafacie.platform.settings import Settings
from primafacie.safeguards.consent import PURPOSES, RELATIONS, ConsentRecord

CONTEXT: Final[Mapping[str, str]] = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "loc": "https://w3id.org/dpv/loc#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "legal-eu": "https://w3id.org/dpv/legal/eu#",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "pf": "urn:primafacie:consent:1#",
}
PROFILE: Final = "https://w3id.org/dpv/schema/dpv-27560#record"
#: Our purposes under the nearest of DPV's; the words themselves stand beside it.
DPV_PURPOSES: Final[Mapping[str, str]] = {
    "research": "dpv:ScientificResearch", "perception-study": "dpv:ScientificResearch",
    "education": "dpv:Purpose", "accessibility": "dpv:Personalisation",
    "demonstration": "dpv:Purpose", "publication": "dpv:ScientificResearch",
    "dubbing": "dpv:Purpose",
}  # fmt: skip
STATUS: Final[Mapping[str, str]] = {
    "draft": "dpv:ConsentRequested", "captured": "dpv:ConsentGiven",
    "under_review": "dpv:ConsentGiven", "active": "dpv:ConsentGiven",
    "suspended": "dpv:ConsentGiven", "withdrawn": "dpv:ConsentWithdrawn",
    "revoked": "dpv:ConsentRevoked", "expired": "dpv:ConsentExpired",
    "rejected": "dpv:ConsentInvalidated", "superseded": "dpv:ConsentInvalidated",
    "erased": "dpv:ConsentWithdrawn",
}  # fmt: skip
RIGHTS: Final = ("A7-3", "A15", "A16", "A17", "A20", "A77")
MANDATORY: Final = (
    "dct:conformsTo", "dct:identifier", "dpv:hasDataSubject", "dpv:hasNotice", "dct:language",
    "dpv:hasPurpose", "dpv:hasPersonalData", "dpv:hasDataController", "dpv:hasStorageCondition",
    "dpv:hasJurisdiction", "dpv:hasRecipient", "pf:withdrawalMethod", "dpv:hasConsentStatus",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """What there is to export about one consent. versions: signed envelopes, the oldest first."""

    record: ConsentRecord
    state: str
    history: Sequence[Transition]
    notice: str
    versions: Sequence[bytes]
    receipt: bytes
    uses: Sequence[Use]
    files: Sequence[tuple[str, bytes]]
    name: str
    contact: str
    complaints: Sequence[tuple[datetime, str, str]]


def dpv_record(held: Held, settings: Settings) -> dict[str, Any]:
    """The record as JSON-LD. Every field that ISO/IEC TS 27560 calls mandatory is in it."""
    record = held.record
    return {
        "@context": dict(CONTEXT),
        "@id": f"urn:uuid:{record.consent_id}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": {"@id": PROFILE},
        "dct:identifier": record.consent_id,
        "dct:hasVersion": record.version,
        "dct:created": _time(record.not_before),
        "dct:language": record.notice_language,
        "pf:recordSha256": record.sha256,
        "pf:previousSha256": record.prev_sha256,
        "dpv:hasDataSubject": _subject(record),
        "dpv:hasDataController": _controller(record, settings),
        "dpv:hasRecipient": [
            {"@id": f"urn:uuid:{r}"} for r in (*record.projects, *record.requesters)
        ] or [_controller(record, settings)],
        "dpv:hasJurisdiction": record.jurisdiction or settings.country,
        "dpv:hasApplicableLaw": {"@id": "legal-eu:law-GDPR"},
        "dpv:hasLegalBasis": [
            {"@id": "eu-gdpr:A6-1-a"}, {"@id": "eu-gdpr:A9-2-a"},
        ],
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice", "dct:language": record.notice_language,
            "pf:sha256": record.notice_sha256, "dct:description": held.notice,
        },
        "dpv:hasPurpose": [
            {"@type": DPV_PURPOSES[p], "dct:identifier": p, "dct:description": PURPOSES[p]}
            for p in record.purposes
        ],
        "dct:description": record.purpose_text,
        "dpv:hasPersonalData": _personal_data(record),
        "dpv:hasStorageCondition": _storage(record, settings),
        "dpv:hasDuration": {
            "@type": "dpv:UntilTimeDuration", "dct:valid": _time(record.not_after),
        },
        "dpv:hasConsentStatus": {"@id": STATUS[held.state]},
        "dpv:isIndicatedBy": {"@id": f"urn:uuid:{record.subject_id}"},
        "dpv:isIndicatedAtTime": _time(record.not_before),
        "dpv:hasRight": [{"@id": f"eu-gdpr:{right}"} for right in RIGHTS],
        "pf:withdrawalMethod": "the page whose address stands in the receipt: two clicks, no "
        f"account; or a letter to {settings.controller_contact}",
        "pf:prohibited": list(record.prohibited),
        "pf:limits": {
            "maxSeconds": record.max_seconds, "maxSide": record.max_side,
            "maxOutputs": record.max_outputs, "maxPerDay": record.max_per_day,
            "audience": record.audience, "languages": list(record.languages),
            "photoMode": record.photo_mode, "voiceSource": record.voice_source,
            "label": record.label, "label_position": record.label_position,
            "caption": record.caption, "motion": record.motion, "strict": record.strict,
        },
        "pf:liveness": record.liveness,
        "pf:evidence": list(record.evidence),
        "pf:event": [
            {
                "pf:state": step.state, "dct:date": _time(rfc3339(step.at)),
                "pf:by": step.who if step.who in ("subject", "system") else "controller",
                "pf:logIndex": step.log_index,
            }
            for step in held.history
        ],
    }  # fmt: skip


def bundle(held: Held, settings: Settings) -> bytes:
    """Everything in one ZIP."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("consent.html", page(held, settings))
        archive.writestr("consent.jsonld", _json(dpv_record(held, settings)))
        archive.writestr("receipt.json", held.receipt)
        archive.writestr("uses.json", _json([_use(use) for use in held.uses]))
        archive.writestr("me.json", _json({"name": held.name, "contact": held.contact}))
        archive.writestr(
            "complaints.json",
            _json([
                {"received": rfc3339(at), "text": text, "answer": answer}
                for at, text, answer in held.complaints
            ]),
        )  # fmt: skip
        for number, envelope in enumerate(held.versions, 1):
            archive.writestr(f"record/version-{number}.dsse.json", envelope)
        for name, data in held.files:
            archive.writestr(f"files/{name}", data)
        archive.writestr("README.txt", README)
    return stream.getvalue()


README: Final = """\
What is in here

consent.html      what you agreed to, and everything that was asked of it, to read or print
consent.jsonld    the same for programs: W3C Data Privacy Vocabulary, after ISO/IEC TS 27560
receipt.json      your receipt; anybody can check it offline: primafacie consent verify receipt.json
                  It holds the address of your page. Whoever has it can withdraw in your name.
record/           every version you signed, as it was signed (DSSE, Ed25519)
uses.json         every use and every refused attempt
files/            the photos and recordings you gave
me.json           your name and contact as we keep them
complaints.json   what you complained about, and the answers

What the system knows of your face (128 numbers) is not in here: it is of no use elsewhere, and
whoever found it could misuse it. You can have it destroyed on your page at any time.
"""


def page(held: Held, settings: Settings) -> str:
    """The record for people: one HTML page without any script, that prints on paper."""
    r = held.record
    rows = [
        ("Given to", f"{r.controller}, {settings.controller_contact}"),
        ("Given by", held.name),
        ("State", held.state.replace("_", " ")),
        *plain_words(r),
        ("Record", f"{r.consent_id}, version {r.version}, SHA-256 {r.sha256}"),
    ]  # fmt: skip
    told = Markup("").join(
        Markup("<tr><th scope=row>{}</th><td>{}</td></tr>").format(name, value)
        for name, value in rows
    )
    steps = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td><td>log entry {}</td></tr>").format(
            rfc3339(step.at), step.state.replace("_", " "), step.log_index
        )
        for step in held.history
    )
    uses = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            rfc3339(use.at), use.what, use.who, use.purpose, " ".join(use.reasons)
        )
        for use in held.uses
    )
    notice = Markup("").join(
        Markup("<p>{}</p>").format(part) for part in held.notice.split("\n\n") if part.strip()
    )
    return str(PAGE.format(name=escape(held.name), told=told, steps=steps, uses=uses,
                           notice=notice))  # fmt: skip


PAGE: Final = Markup("""\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Consent of {name}</title>
<style>
body{{font:16px/1.5 Georgia,serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#111}}
h1{{font-size:1.6rem}}h2{{font-size:1.15rem;margin-top:2rem}}
table{{border-collapse:collapse;width:100%}}
th,td{{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;overflow-wrap:anywhere;
border-bottom:1px solid #ccc}}
th{{width:12rem;font-weight:600}}@media print{{body{{margin:0;font-size:11pt}}}}
</style></head><body>
<h1>Consent of {name}</h1><table>{told}</table>
<h2>What happened to it</h2><table>{steps}</table>
<h2>What was asked of it</h2><table>{uses}</table>
<h2>The notice, as it was read</h2>{notice}
</body></html>
""")


def _subject(record: ConsentRecord) -> dict[str, Any]:
    """The data subject; for one who has died, with who speaks for them."""
    found: dict[str, Any] = {
        "@id": f"urn:uuid:{record.subject_id}",
        "@type": "dpv:DataSubject",
    }
    if record.estate:
        found["dpv:hasRepresentative"] = {
            "@type": "dpv:Representative", "pf:relation": RELATIONS[record.estate],
        }  # fmt: skip
    return found


def _controller(record: ConsentRecord, settings: Settings) -> dict[str, Any]:
    return {
        "@type": "dpv:DataController",
        "dpv:hasName": record.controller,
        "dpv:hasContact": settings.controller_contact,
        "dpv:hasAddress": settings.country,
    }


def _personal_data(record: ConsentRecord) -> list[dict[str, Any]]:
    """Photos, voice and what is computed from them; that is biometric data."""
    who = "dpv:Entity" if record.estate else "dpv:DataSubjectDataSource"
    source = {"dpv:hasDataSource": {"@id": who}}
    found: list[dict[str, Any]] = [
        {"@type": "pd:Picture", "pf:sha256": list(record.photos), **source},
        {"@type": ["pd:FacialPrint", "dpv:SpecialCategoryPersonalData"],
         "dct:description": "a template of the face; it serves only to tell whether a photo shows "
         "this person"},
        {"@type": "pd:Name"},
        {"@type": "pd:Contact"},
    ]  # fmt: skip
    if record.voices:
        found.append({"@type": "pd:VoiceCommunicationRecording", "pf:sha256": list(record.voices),
                      **source})  # fmt: skip
    return found


def _storage(record: ConsentRecord, settings: Settings) -> list[dict[str, Any]]:
    return [
        {"@type": "dpv:StorageLocation", "dpv:hasLocation": settings.country},
        {"@type": "dpv:StorageDuration", "dpv:hasDuration": "templates: until the consent ends, at "
         "most 3 years after the last contact"},
        {"@type": "dpv:StorageDuration", "dpv:hasDuration": f"videos: {settings.output_days} days; "
         "after a withdrawal at most 48 hours"},
        {"@type": "dpv:StorageDuration", "dpv:hasDuration": "record and evidence: "
         f"{settings.record_days} days after the consent ended, or until erasure is asked for"},
        {"@type": "dpv:StorageDeletion", "dct:description": "by destroying the key of the person"},
    ]  # fmt: skip


def _use(use: Use) -> dict[str, Any]:
    return {
        "at": rfc3339(use.at),
        "what": use.what,
        "who": use.who,
        "project": use.project,
        "purpose": use.purpose,
        "audience": use.audience,
        "reasons": list(use.reasons),
        "asset": use.asset_number,
        "log_index": use.log_index,
    }


def _time(text: str) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": text}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
