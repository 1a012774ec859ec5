"""Capture: the subject's side of a draft, behind a one-time link, without an account.

The order is fixed: read the notice, register photos and a recording, choose, see the record in
full, sign it with one's own key. Only then is it a consent, and only for the record that was shown.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind
from primafacie.platform.challenge import Challenge
from primafacie.platform.clock import rfc3339
from primafacie.platform.consent_book import (
    SUBJECT,
    ConsentView,
    Offer,
    PhotoView,
    ReceiptFile,
    fresh_token,
    is_measured,
    liveness_of,
    token_digest,
)
from primafacie.platform.countersign import countersigned
from primafacie.platform.errors import ConflictError, InputError, LinkError
from primafacie.platform.notice import Notice
from primafacie.platform.plain_words import sentence
from primafacie.platform.receipts import write_receipt
from primafacie.platform.recordings import LEAST_PHOTOS, Recordings
from primafacie.platform.tables import (
    challenge_checks,
    consent_files,
    consent_links,
    consent_versions,
    consents,
    subject_keys,
)
from primafacie.safeguards.consent import (
    AUDIENCES,
    PAYLOAD_TYPE,
    PROHIBITED,
    PURPOSES,
    RELATIONS,
    SELF_DECLARED_LABEL,
    ConsentRecord,
    ConsentState,
    SubjectKind,
    hides,
    parse_time,
)
from primafacie.safeguards.liveness import Finding

MOST_PHOTOS: Final = 20
MOST_VOICES: Final = 10
MOST_PIXELS: Final = 40_000_000
BASIS: Final = "GDPR-6.1.a+9.2.a"
LEAST_RIGHT: Final = 20  # characters in which somebody says why it is theirs to decide
#: What whoever speaks for an estate shows, each with what is told when it is missing.
DOCUMENTS: Final = {
    "death-record": "add a document that shows that the person has died",
    "estate-proof": "add a document that shows that it is yours to decide",
}


@dataclass(frozen=True, slots=True)
class Invitation:
    """Everything there is to know before saying yes."""

    view: ConsentView
    offer: Offer
    display_name: str
    notice: Notice
    notices: tuple[str, ...]  # the languages it can be read in
    purposes: dict[str, str]  # id -> the words beside its box
    prohibited: tuple[str, ...]
    expires_at: Any
    challenge: Challenge
    needs_video: bool
    recording: str  # "", waiting, photos, passed, open or failed
    findings: tuple[Finding, ...] = ()
    documents: tuple[str, ...] = ()  # kinds of those that whoever speaks for an estate has added


@dataclass(frozen=True, slots=True)
class Estate:
    """What whoever speaks for somebody who has died says about themselves.

    relation: one of RELATIONS. died: the year. right: what makes it theirs to decide, in words.
    honest: they state it as true. The steward's draft names the person who died, and as contact
    the representative's.
    """

    name: str
    relation: str
    died: int
    right: str
    honest: bool

    def statement(self, person: str, controller: str) -> str:
        """What is kept and signed, word for word."""
        return (
            f"I, {self.name.strip()}, speak for {person}, who died in {self.died}. I am their "
            f"{RELATIONS[self.relation]}. It is mine to decide because: {self.right.strip()} "
            f"{person} was an adult. I know of no word of theirs against it, and nobody with a "
            f"better right has said no. {controller} may make videos in which their face speaks, "
            "for the purposes I ticked and no others. I state this truthfully, in my own name.\n"
        )

    def missing(self, now: datetime) -> tuple[tuple[bool, str], ...]:
        """(is it missing, what to tell) of each part."""
        return (
            (not 1 <= len(self.name.strip()) <= 120, "say who you are"),
            (self.relation not in RELATIONS, "say how you are related to the person"),
            (not 1826 <= self.died <= now.year, "say in which year the person died"),
            (not LEAST_RIGHT <= len(self.right.strip()) <= 1000,
             f"say in {LEAST_RIGHT} to 1000 characters what makes it yours to decide"),
            (hides(self.name) or hides(self.right), "a text holds characters that nobody can see"),
            (not self.honest, "state that what you say is true"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choices:
    """What the subject chose. adult: `adult`, `unknown` or `minor`. notice_sha256: which notice was
    read, and so in which language. estate: for somebody who has died alone."""

    purposes: tuple[str, ...]
    adult: str
    notice_sha256: str
    days: int
    audience: str
    purpose_text: str | None = None
    motion: bool = False
    strict: bool = False
    estate: Estate | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The record as it will be signed. tbs: the DSSE pre-authentication bytes for Ed25519."""

    record: bytes
    tbs: bytes
    key_id: str
    text: str


class Capture(Recordings):
    """What a person with the link can do. Every method raises LinkError for a dead link."""

    def invitation(self, link: str, language: str = "") -> Invitation:
        """The offer and the notice, in this language or in that of the offer."""
        with self._journal.database.read() as tx:
            row = self._linked(tx, link)
            offer, view = Offer.kept(row.offer), self._view(tx, row)
            files = self._files(tx, row.id)
            recording = _recording(row, files)
            findings = self._found(tx, row, row.challenge.get("video", ""))
        controller = self._tools.settings.controller
        notices = Notice.all(self._tools.settings, offer.kind)
        return Invitation(
            view=view,
            offer=offer,
            display_name=view.display_name,
            notice=Notice.of(self._tools.settings, offer.kind, language or offer.language),
            notices=tuple(notices),
            purposes={p: PURPOSES[p] for p in offer.purposes},
            prohibited=PROHIBITED,
            expires_at=row.expires_at,
            challenge=Challenge.stored(row.challenge, view.display_name, controller),
            needs_video=offer.kind == SubjectKind.LIVING and not row.witness,
            recording=recording,
            findings=findings if recording != "waiting" else (),
            documents=tuple(f.kind for f in files if f.kind in DOCUMENTS),
        )

    def add_photo(self, link: str, data: bytes) -> PhotoView:
        """Register a photo: PNG, JPEG or WebP. Raises InputError for anything else."""
        self._tools.vault.check("photo", data)
        size = picture_size(data)
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            if sum(f.kind == "photo" for f in self._files(tx, row.id)) >= MOST_PHOTOS:
                raise ConflictError(f"at most {MOST_PHOTOS} photos can be registered")
            digest = self._add_file(tx, row, "photo", data, SUBJECT, size=size)
        return PhotoView(digest, *size, self._journal.clock())

    def remove_photo(self, link: str, sha256: str) -> None:
        """Take a photo back; its bytes are deleted."""
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            gone = tx.execute(
                consent_files.delete().where(
                    consent_files.c.consent_id == row.id,
                    consent_files.c.sha256 == sha256,
                    consent_files.c.kind == "photo",
                )
            )
            if gone.rowcount != 1:
                raise InputError("there is no such photo")
            self._void(tx, row.id)
            self._log(tx, row, Kind.PHOTO_REMOVED, SUBJECT, payload={"sha256": sha256})
        self._tools.vault.drop([sha256])

    def link_photo(self, link: str, sha256: str) -> bytes:
        """One's own photo."""
        with self._journal.database.read() as tx:
            row = self._linked(tx, link)
            photos = {f.sha256 for f in self._files(tx, row.id) if f.kind == "photo"}
        if sha256 not in photos:
            raise InputError("there is no such photo")
        return self._tools.vault.get(sha256)

    def begin(self, link: str) -> Challenge:
        """New words and movements, shown now; the clock runs. One recording answers them, and an
        earlier one is dropped. Raises ConflictError when no try is left or none is needed."""
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            if Offer.kept(row.offer).kind != SubjectKind.LIVING or row.witness:
                raise ConflictError("no recording is needed")
            old = Challenge.stored(row.challenge, "", "")
            if not old.tries_left:
                raise ConflictError(
                    "no try is left; ask for a live call with a reviewer, or for a new link"
                )
            dropped = [f.sha256 for f in self._files(tx, row.id) if f.kind == "video"]
            tx.execute(
                consent_files.delete().where(
                    consent_files.c.consent_id == row.id, consent_files.c.kind == "video"
                )
            )
            name = self._tools.subjects.name(tx, row.subject_id)
            controller, now = self._tools.settings.controller, self._journal.clock()
            challenge = Challenge.fresh(name, controller, now, old.tries + 1)
            self._void(tx, row.id)
            self._keep_challenge(tx, row, challenge.kept())
            self._log(
                tx, row, Kind.CONSENT_DRAFT, SUBJECT, why=("challenge_shown",),
                facts=(("try", challenge.tries),),
            )  # fmt: skip
        self._tools.vault.drop(dropped)
        return challenge

    def add_video(self, link: str, data: bytes) -> str:
        """The recording that answers the words shown last. Raises InputError when none were shown,
        when it comes too late, or when it was handed in before."""
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            challenge = Challenge.stored(row.challenge, "", "")
            if not challenge.in_time(self._journal.clock()):
                raise InputError("the words have expired; begin the recording once more")
            seen = challenge_checks.c.video_sha256 == sha256_hex(data)
            if tx.execute(sa.select(challenge_checks.c.at).where(seen).limit(1)).first():
                raise InputError("this is an earlier recording; record yourself now")
            digest = self._add_file(tx, row, "video", data, SUBJECT, replace=True)
            self._keep_challenge(tx, row, {**row.challenge, "issued_at": ""})  # answered
            return digest

    def _keep_challenge(self, tx: sa.Connection, row: Any, kept: dict[str, Any]) -> None:
        tx.execute(consents.update().where(consents.c.id == row.id).values(challenge=kept))

    def add_voice(self, link: str, data: bytes) -> str:
        """Register a clip of one's voice."""
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            if sum(f.kind == "voice" for f in self._files(tx, row.id)) >= MOST_VOICES:
                raise ConflictError(f"at most {MOST_VOICES} clips can be registered")
            return self._add_file(tx, row, "voice", data, SUBJECT)

    def add_document(self, link: str, kind: str, data: bytes) -> str:
        """Show that somebody has died, or that it is one's own to decide for them."""
        if kind not in DOCUMENTS or not data:
            raise InputError(f"a document is one of {', '.join(DOCUMENTS)}")
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            if Offer.kept(row.offer).kind != SubjectKind.DECEASED:
                raise ConflictError("no document is needed")
            return self._add_file(tx, row, kind, data, SUBJECT, replace=True)

    def prepare(self, link: str, choices: Choices, public_key: bytes) -> Prepared:
        """Write the record these choices make, to be shown in full and signed.

        Raises InputError or ConflictError for what is missing, ConsentError for a record that
        nobody could give. Somebody under age is turned away, and what they gave is deleted.
        """
        if choices.adult == "minor":
            self.decline(link, why="minor")
            raise InputError("Only adults can take part. What you gave so far was deleted.")
        key = _public_key(public_key)
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            self._state(tx, row, choices)
            record = self._write(tx, row, choices, dsse.key_id(key))
            record.check()
            body = record.to_bytes()
            tx.execute(
                consents.update()
                .where(consents.c.id == row.id)
                .values(prepared=body, prepared_public=key)
            )
        return Prepared(body, dsse.pae(PAYLOAD_TYPE, body), record.subject_key, sentence(record))

    def confirm(self, link: str, signature: bytes) -> ReceiptFile:
        """Take the subject's signature over the prepared record. The link is used up.

        Raises ConsentError when the signature does not hold. What comes back is shown once.
        """
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            if row.prepared is None:
                raise ConflictError("the record changed; look at it once more before you sign")
            record, envelope = countersigned(
                row.prepared, row.prepared_public, signature, self._tools.platform_key
            )
            token, digest = fresh_token()
            self._keep(tx, row, record, envelope)
            tx.execute(
                consent_links.update()
                .where(consent_links.c.token_sha256 == token_digest(link))
                .values(used_at=self._journal.clock())
            )
            receipt = self._move(
                tx, row, ConsentState.CAPTURED, Kind.CONSENT_CAPTURED, SUBJECT,
                facts=(("record_sha256", record.sha256), ("version", record.version)),
                version=record.version, receipt_sha256=digest, prepared=None,
                prepared_public=None, not_after=parse_time(record.not_after),
            )  # fmt: skip
        return write_receipt(self._tools, record, envelope, "captured", receipt.index, token)

    def decline(self, link: str, why: str = "declined") -> None:
        """Say no: everything given so far is deleted, name and contact too."""
        with self._journal.writing() as tx:
            row = self._linked(tx, link)
            files = [f.sha256 for f in self._files(tx, row.id)]
            self._move(tx, row, ConsentState.WITHDRAWN, Kind.CONSENT_WITHDRAWN, SUBJECT, why=(why,))
            tx.execute(consent_files.delete().where(consent_files.c.consent_id == row.id))
            self._tools.subjects.erase(tx, row.subject_id)
        self._tools.vault.drop(files)

    # -------------------------------------------------------------------------------------------

    def _linked(self, tx: sa.Connection, link: str) -> Any:
        """The draft a link leads to, with the link's `expires_at`."""
        row = tx.execute(
            sa.select(consents, consent_links.c.expires_at, consent_links.c.used_at)
            .join(consent_links, consent_links.c.consent_id == consents.c.id)
            .where(consent_links.c.token_sha256 == token_digest(link))
        ).first()
        if row is None or row.used_at is not None or row.expires_at <= self._journal.clock():
            raise LinkError("this link was used, has expired, or never existed")
        if row.state != ConsentState.DRAFT:
            raise LinkError("this link has done its work")
        return row

    def _write(self, tx: sa.Connection, row: Any, choices: Choices, key_id: str) -> ConsentRecord:
        offer, files = Offer.kept(row.offer), self._files(tx, row.id)
        settings, notice = self._tools.settings, self._notice_read(offer, choices)
        photos = tuple(f.sha256 for f in files if f.kind == "photo")
        liveness = liveness_of(row, files, offer.kind)
        sourced = any(f.kind == "provenance" for f in files)
        strict = offer.strict or choices.strict
        least = least_photos(offer.kind, strict or settings.strict_faces)
        rules = _missing(offer, choices, photos, least, liveness, sourced)
        problems = [text for broken, text in rules if broken]
        if problems:
            raise InputError("; ".join(problems))
        notice.keep(tx, self._journal.clock)
        begins = self._journal.clock()
        declared = offer.kind == SubjectKind.SELF_DECLARED
        return ConsentRecord(
            consent_id=row.id,
            version=1,
            prev_sha256="",
            subject_id=row.subject_id,
            subject_kind=offer.kind,
            adult=choices.adult,
            jurisdiction=offer.jurisdiction,
            subject_key=key_id,
            controller=settings.controller,
            notice_sha256=notice.sha256,
            notice_language=notice.language,
            lawful_basis=BASIS,
            purposes=tuple(p for p in offer.purposes if p in choices.purposes),
            purpose_text=(choices.purpose_text or offer.purpose_text).strip(),
            prohibited=PROHIBITED,
            requesters=offer.requesters,
            projects=offer.projects,
            audience=choices.audience,
            max_seconds=offer.max_seconds,
            max_side=offer.max_side,
            max_outputs=offer.max_outputs,
            max_per_day=offer.max_per_day,
            languages=offer.languages,
            photo_mode=offer.photo_mode,
            photos=photos,
            voice_source=offer.voice_source,
            voices=tuple(f.sha256 for f in files if f.kind == "voice"),
            label=SELF_DECLARED_LABEL if declared else offer.label,
            not_before=rfc3339(begins),
            not_after=rfc3339(begins + timedelta(days=choices.days)),
            liveness=liveness,
            evidence=tuple(
                f"{f.kind}:{f.sha256}" for f in files if f.kind not in ("photo", "voice")
            ),
            motion=choices.motion,
            label_position=offer.label_position,
            caption=offer.caption,
            strict=strict,
            estate=choices.estate.relation if choices.estate else "",
        )

    def _notice_read(self, offer: Offer, choices: Choices) -> Notice:
        """The one that was read, if it still stands like that. Raises InputError."""
        for notice in Notice.all(self._tools.settings, offer.kind).values():
            if notice.sha256 == choices.notice_sha256:
                return notice
        raise InputError("read the notice as it stands now")

    def _state(self, tx: sa.Connection, row: Any, choices: Choices) -> None:
        """Keep what whoever speaks for an estate states, as evidence that the record names. Raises
        InputError naming what is missing."""
        estate, dead = choices.estate, Offer.kept(row.offer).kind == SubjectKind.DECEASED
        if dead != (estate is not None):
            raise InputError("say who you are, and why you may decide" if dead
                             else "an estate speaks for somebody who has died alone")  # fmt: skip
        if estate is None:
            return
        files = {f.kind for f in self._files(tx, row.id)}
        rules = (
            *estate.missing(self._journal.clock()),
            *((kind not in files, text) for kind, text in DOCUMENTS.items()),
        )
        if problems := [text for broken, text in rules if broken]:
            raise InputError("; ".join(problems))
        person = self._tools.subjects.name(tx, row.subject_id)
        text = estate.statement(person, self._tools.settings.controller)
        self._add_file(tx, row, "estate-statement", text.encode(), SUBJECT, replace=True)

    def _keep(self, tx: sa.Connection, row: Any, record: ConsentRecord, envelope: bytes) -> None:
        now = self._journal.clock()
        tx.execute(
            subject_keys.insert().values(
                id=record.subject_key, subject_id=row.subject_id, public=row.prepared_public,
                created_at=now,
            )
        )  # fmt: skip
        tx.execute(
            consent_versions.insert().values(
                consent_id=row.id,
                version=record.version,
                envelope=envelope,
                record_sha256=record.sha256,
                limits={"max_outputs": record.max_outputs, "max_per_day": record.max_per_day},
                created_at=now,
            )
        )


def _recording(row: Any, files: Sequence[Any]) -> str:
    """How the recording stands, for the subject."""
    verdict = str(row.challenge.get("verdict", ""))
    if not any(f.kind == "video" for f in files):
        return "failed" if verdict == "failed" else ""
    if is_measured(row, files):
        return "photos" if verdict == "failed" else verdict
    few = sum(f.kind == "photo" for f in files) < LEAST_PHOTOS
    return "photos" if few else "waiting"


def picture_size(data: bytes) -> tuple[int, int]:
    """(width, height) from the header alone; nothing is decoded. Raises InputError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as picture:
                width, height = picture.size
    except (
        UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:  # fmt: skip
        raise InputError("a photo is a PNG, JPEG or WebP file of at most 40 megapixels") from error
    if width * height > MOST_PIXELS:
        raise InputError("a photo has at most 40 megapixels")
    return width, height


def least_photos(kind: str, strict: bool = False) -> int:
    """Self-declared subjects, artworks and the dead show one picture, and no other is matched. A
    strict consent needs a second one: a reviewer compares nothing with itself."""
    single = kind in (SubjectKind.SELF_DECLARED, SubjectKind.ARTWORK, SubjectKind.DECEASED)
    return (2 if strict else 1) if single else LEAST_PHOTOS


def _missing(
    offer: Offer,
    choices: Choices,
    photos: tuple[str, ...],
    least: int,
    liveness: int,
    sourced: bool,
) -> tuple[tuple[bool, str], ...]:
    audiences = AUDIENCES[: AUDIENCES.index(offer.audience) + 1]
    return (
        (not choices.purposes, "tick at least one purpose"),
        (not set(choices.purposes) <= set(offer.purposes), "only offered purposes can be ticked"),
        (choices.adult != "adult", "say that you are an adult; only adults can take part"),
        (choices.motion and not offer.motion, "movement as data was not asked for"),
        (choices.audience not in audiences, "the audience cannot be wider than offered"),
        (not 1 <= choices.days <= offer.days, f"a consent lasts 1 to {offer.days} days"),
        (len(photos) < least, f"register at least {least} photos"),
        (offer.kind == SubjectKind.LIVING and liveness < 1,
         "record the statement and wait until it was checked, or have a reviewer see you live"),
        (offer.kind in (SubjectKind.SYNTHETIC, SubjectKind.ARTWORK) and not sourced,
         "the steward must add where the picture comes from"),
        (choices.purpose_text is not None and not 20 <= len(choices.purpose_text.strip()) <= 2000,
         "describe the purpose in 20 to 2000 characters"),
    )  # fmt: skip


def _public_key(raw: bytes) -> bytes:
    try:
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise InputError("this is not an Ed25519 public key") from error
    if dsse.is_weak(raw):
        raise InputError("under this public key anybody could sign; make another")
    return raw
