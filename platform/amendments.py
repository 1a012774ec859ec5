"""Amendments: a subject changes what they allowed. Each change is a new, signed version.

What allows less than before is in force at once. What allows more is looked at like a first
consent: templates anew, a reviewer's four eyes; until then nothing can be made. Nothing goes beyond
what was offered. The version before stays in the chain, superseded; nobody can go back to it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit import dsse
from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.capture import MOST_PHOTOS, Prepared, least_photos, picture_size
from primafacie.platform.clock import rfc3339
from primafacie.platform.consent_book import (
    BOTH,
    HOUSE,
    SUBJECT,
    ConsentBook,
    Offer,
    PhotoView,
    ReceiptFile,
)
from primafacie.platform.countersign import countersigned
from primafacie.platform.errors import ConflictError, InputError
from primafacie.platform.notice import Notice
from primafacie.platform.outbox import tell
from primafacie.platform.receipts import write_receipt
from primafacie.platform.tables import (
    consent_files,
    consent_versions,
    consents,
    photo_offers,
    subject_keys,
)
from primafacie.safeguards.consent import (
    AUDIENCES,
    PAYLOAD_TYPE,
    ConsentRecord,
    ConsentState,
    SubjectKind,
    check_successor,
    is_within,
    parse_time,
)
from primafacie.safeguards.provenance.label import AI_GENERATED

SIGN_WITHIN: Final = timedelta(hours=1)  # from preparing a change to signing it
WITNESSED: Final = (
    "a reviewer saw you live, with the photos of that day; for other photos a new consent is needed"
)
_S = ConsentState
_C = consents.c
_F = consent_files.c
_P = photo_offers.c


@dataclass(frozen=True, slots=True)
class Change:
    """What the subject wants from now on. None: as it is. days: from today.

    photos: digests of the photos to keep or to approve; every other one is taken back.
    """

    purposes: tuple[str, ...] | None = None
    audience: str | None = None
    max_seconds: int | None = None
    max_outputs: int | None = None
    max_per_day: int | None = None
    days: int | None = None
    motion: bool | None = None
    strict: bool | None = None
    photos: tuple[str, ...] | None = None


class Amendments(ConsentBook):
    """What changes a consent that was given. With a dead token every method raises LinkError."""

    def offer_my_photo(self, token: str, data: bytes) -> PhotoView:
        """Add another photo of oneself; it counts once it is signed for."""
        with self._journal.writing() as tx:
            return self._offer_photo(tx, self._held(tx, token), data, SUBJECT)

    def offer_photo(self, actor: Account, consent_id: str, data: bytes) -> PhotoView:
        """Ask a subject for another photo; only their signature makes it usable."""
        actor.require("steward")
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            made = self._offer_photo(tx, row, data, actor.user_id)
            tell(tx, row.subject_id, row.id, "photo.offered", self._journal.clock())
        return made

    def decline_photo(self, token: str, sha256: str) -> None:
        """Say no to an offered photo; its bytes are deleted."""
        with self._journal.writing() as tx:
            row = self._held(tx, token)
            gone = tx.execute(
                photo_offers.delete().where(_P.consent_id == row.id, _P.sha256 == sha256)
            )
            if gone.rowcount != 1:
                raise InputError("there is no such photo")
            void = {"prepared": None, "prepared_public": None}  # it may name the photo
            tx.execute(consents.update().where(_C.id == row.id).values(void))
            self._log(tx, row, Kind.PHOTO_REMOVED, SUBJECT, why=("not_approved",),
                      payload={"sha256": sha256})  # fmt: skip
        self._tools.vault.drop([sha256])

    def my_photo(self, token: str, sha256: str) -> bytes:
        """One's own photo, registered or offered."""
        with self._journal.database.read() as tx:
            row = self._held(tx, token)
            known = self._photos(tx, row)
        if sha256 not in known:
            raise InputError("there is no such photo")
        return self._tools.vault.get(sha256)

    def prepare_change(self, token: str, change: Change) -> Prepared:
        """The new version, to be shown in full and signed with the key of the first one.

        Raises InputError for what goes beyond the offer, ConflictError where nothing can be
        changed now.
        """
        with self._journal.writing() as tx:
            row = self._changeable(tx, token)
            old, _ = self._tools.likenesses.record(tx, row)
            new = self._changed(tx, row, old, change)
            new.check()
            check_successor(new, old)
            _check_photos(old, new)
            if not changed(old, new):
                raise InputError("nothing is different from what you allow now")
            body = new.to_bytes()
            tx.execute(
                consents.update()
                .where(_C.id == row.id)
                .values(prepared=body, prepared_public=self._key(tx, old))
            )
            self._notice_now(old).keep(tx, self._journal.clock)
        text = told(old, new)
        return Prepared(body, dsse.pae(PAYLOAD_TYPE, body), new.subject_key, text)

    def sign_change(self, token: str, signature: bytes) -> ReceiptFile:
        """Take the signature over the new version; the receipt of what is now agreed.

        Raises ConsentError when the signature is not that of the subject's own key.
        """
        with self._journal.writing() as tx:
            row = self._changeable(tx, token)
            if row.prepared is None:
                raise ConflictError("there is nothing to sign; choose what to change first")
            old, _ = self._tools.likenesses.record(tx, row)
            new, envelope = countersigned(
                row.prepared, self._key(tx, old), signature, self._tools.platform_key
            )
            check_successor(new, old)
            self._check_still(tx, row, old, new)
            dropped = self._put_in_place(tx, row, old, new, envelope)
            narrower = is_within(new, old)
            moved = self._narrow(tx, row, old, new) if narrower else self._widen(tx, row, old, new)
            state = row.state if narrower else _S.CAPTURED.value
        self._tools.vault.drop(dropped)
        return write_receipt(self._tools, new, envelope, state, moved, token)

    # -------------------------------------------------------------------------------------------

    def _changeable(self, tx: sa.Connection, token: str) -> Any:
        row = self._held(tx, token)
        if row.state not in (_S.ACTIVE, _S.SUSPENDED):
            raise ConflictError(f"the consent is {row.state}; it can be changed while it is given")
        return row

    def _check_still(
        self, tx: sa.Connection, row: Any, old: ConsentRecord, new: ConsentRecord
    ) -> None:
        """Return if what was prepared can still be signed; raise ConflictError otherwise."""
        if self._journal.clock() - parse_time(new.not_before) > SIGN_WITHIN:
            raise ConflictError("what was prepared is too old; choose once more what to change")
        if not set(new.photos) <= self._photos(tx, row):
            raise ConflictError("a photo is no longer here; choose once more what to change")
        _check_photos(old, new)

    def _photos(self, tx: sa.Connection, row: Any) -> set[str]:
        """Photos that are registered, or wait for the subject's signature."""
        known = {f.sha256 for f in self._files(tx, row.id) if f.kind == "photo"}
        return known | {p.sha256 for p in self._offered(tx, row.id)}

    def _key(self, tx: sa.Connection, record: ConsentRecord) -> bytes:
        chosen = sa.select(subject_keys.c.public).where(subject_keys.c.id == record.subject_key)
        public: bytes = tx.execute(chosen).scalar_one()
        return public

    def _changed(
        self, tx: sa.Connection, row: Any, old: ConsentRecord, change: Change
    ) -> ConsentRecord:
        offer, now = Offer.kept(row.offer), self._journal.clock()
        notice = self._notice_now(old)
        given: dict[str, Any] = {
            f.name: getattr(change, f.name)
            for f in fields(change)
            if f.name != "days" and getattr(change, f.name) is not None
        }
        if change.purposes is not None:
            given["purposes"] = tuple(p for p in offer.purposes if p in change.purposes)
        strict = old.strict if change.strict is None else change.strict
        least = least_photos(offer.kind, strict or self._tools.settings.strict_faces)
        for broken, text in (
            *_beyond(offer, change, self._photos(tx, row), least),
            (change.strict is True and len(change.photos or old.photos) < least,
             f"register {least} photos first: a reviewer compares nothing with itself"),
        ):  # fmt: skip
            if broken:
                raise InputError(text)
        if old.subject_kind in (SubjectKind.SYNTHETIC, SubjectKind.ARTWORK):  # see `draft`
            given |= {"photo_mode": "registered", "label": old.label or AI_GENERATED}
        ends = parse_time(old.not_after) if change.days is None else now + timedelta(change.days)
        return replace(
            old,
            version=old.version + 1,
            prev_sha256=old.sha256,
            notice_sha256=notice.sha256,
            notice_language=notice.language,
            not_before=rfc3339(now),
            not_after=rfc3339(ends),
            **given,
        )

    def _notice_now(self, record: ConsentRecord) -> Notice:
        """The notice as it stands now, in the language the person read."""
        settings = self._tools.settings
        return Notice.of(settings, record.subject_kind, record.notice_language)

    def _put_in_place(
        self, tx: sa.Connection, row: Any, old: ConsentRecord, new: ConsentRecord, envelope: bytes
    ) -> list[str]:
        """Keep the new version and its photos; the digests of what is needed no more."""
        now = self._journal.clock()
        tx.execute(
            consent_versions.insert().values(
                consent_id=row.id, version=new.version, envelope=envelope,
                record_sha256=new.sha256, created_at=now,
                limits={"max_outputs": new.max_outputs, "max_per_day": new.max_per_day},
            )
        )  # fmt: skip
        gone = sorted(set(old.photos) - set(new.photos))
        for photo in self._offered(tx, row.id):
            if photo.sha256 in new.photos:
                tx.execute(
                    consent_files.insert().values(
                        consent_id=row.id, sha256=photo.sha256, kind="photo", width=photo.width,
                        height=photo.height, added_at=now,
                    )
                )  # fmt: skip
                tx.execute(
                    photo_offers.delete().where(_P.consent_id == row.id, _P.sha256 == photo.sha256)
                )
                self._log(tx, row, Kind.PHOTO_ADDED, SUBJECT, facts=(("kind", "photo"),),
                          payload={"sha256": photo.sha256})  # fmt: skip
        for digest in gone:
            tx.execute(
                consent_files.delete().where(
                    _F.consent_id == row.id, _F.sha256 == digest, _F.kind == "photo"
                )
            )
            self._log(tx, row, Kind.PHOTO_REMOVED, SUBJECT, payload={"sha256": digest})
        self._log(
            tx, row, Kind.CONSENT_SUPERSEDED, SUBJECT,
            facts=(("by_sha256", new.sha256), ("record_sha256", old.sha256),
                   ("version", old.version)),
        )  # fmt: skip
        return gone

    def _narrow(self, tx: sa.Connection, row: Any, old: ConsentRecord, new: ConsentRecord) -> int:
        """In force at once, as it stood; the template stays good and is sealed for the version."""
        self._tools.likenesses.carry(tx, row, new.version)
        kind = Kind.CONSENT_ACTIVATED if row.state == _S.ACTIVE else Kind.CONSENT_SUSPENDED
        receipt = self._step_on(
            tx, row, _S(row.state), kind, SUBJECT, out=Outcome.ALLOW, why=("narrowed",),
            facts=(("record_sha256", new.sha256), ("version", new.version)),
            version=new.version, prepared=None, prepared_public=None,
            not_after=parse_time(new.not_after),
        )  # fmt: skip
        return receipt.index

    def _widen(self, tx: sa.Connection, row: Any, old: ConsentRecord, new: ConsentRecord) -> int:
        """To be enrolled and reviewed anew; until then nothing is in force."""
        if row.held_by in (HOUSE, BOTH):
            raise ConflictError("the house holds this consent; you can allow less, but not more")
        self._tools.likenesses.unenrol(tx, row)
        receipt = self._move(
            tx, row, _S.CAPTURED, Kind.CONSENT_CAPTURED, SUBJECT, why=("widened",),
            facts=(("record_sha256", new.sha256), ("version", new.version)),
            version=new.version, prepared=None, prepared_public=None, held_by="", enrolment="",
            not_after=parse_time(new.not_after),
        )  # fmt: skip
        return receipt.index

    def _offer_photo(self, tx: sa.Connection, row: Any, data: bytes, who: str) -> PhotoView:
        if row.state not in (_S.ACTIVE, _S.SUSPENDED):
            raise ConflictError(f"the consent is {row.state}; no photo can be added")
        if _is_witnessed(self._tools.likenesses.record(tx, row)[0]):
            raise ConflictError(WITNESSED)
        if len(self._offered(tx, row.id)) >= MOST_PHOTOS:
            raise ConflictError(f"{MOST_PHOTOS} photos wait already; decide on those first")
        self._tools.vault.check("photo", data)
        width, height = picture_size(data)
        digest = self._tools.vault.put(tx, "photo", data)
        files = {f.sha256 for f in self._files(tx, row.id)}
        if digest in files | {p.sha256 for p in self._offered(tx, row.id)}:
            raise ConflictError("this very photo is here already")
        now = self._journal.clock()
        tx.execute(
            photo_offers.insert().values(
                consent_id=row.id, sha256=digest, width=width, height=height, offered_by=who,
                added_at=now,
            )
        )  # fmt: skip
        return PhotoView(digest, width, height, now)

    def _offered(self, tx: sa.Connection, consent_id: str) -> tuple[PhotoView, ...]:
        chosen = sa.select(photo_offers).where(_P.consent_id == consent_id)
        rows = tx.execute(chosen.order_by(_P.added_at, _P.sha256))
        return tuple(PhotoView(r.sha256, r.width, r.height, r.added_at) for r in rows)


def _is_witnessed(record: ConsentRecord) -> bool:
    return record.subject_kind == SubjectKind.LIVING and record.liveness == 2


def _check_photos(old: ConsentRecord, new: ConsentRecord) -> None:
    """A reviewer attested that these very photos show the person; of others nobody did."""
    if _is_witnessed(new) and not set(new.photos) <= set(old.photos):
        raise ConflictError(WITNESSED)


def changed(old: ConsentRecord, new: ConsentRecord) -> list[str]:
    """What is different, in words."""
    names = {
        "purposes": "the purposes", "audience": "who may see the videos",
        "max_seconds": "how long a video may be", "max_outputs": "how many videos",
        "max_per_day": "how many a day", "not_after": "the last day", "photos": "the photos",
        "motion": "whether the movement may leave as data",
        "strict": "how sure it must be that a photo shows you",
        "photo_mode": "which photos may be used", "label": "the words in the picture",
        "notice_sha256": "the notice, which was written anew",
    }  # fmt: skip
    return [words for name, words in names.items() if getattr(old, name) != getattr(new, name)]


def told(old: ConsentRecord, new: ConsentRecord) -> str:
    """What changes and what follows from it; the record itself is shown beside it."""
    what = ", ".join(changed(old, new))
    if is_within(new, old):
        return f"You change {what}. You allow less than before: it holds as soon as you sign."
    return (
        f"You change {what}. You allow more than before: a reviewer looks at it once more, and "
        "until then no video can be made."
    )


def _beyond(
    offer: Offer, change: Change, known: set[str], least: int
) -> tuple[tuple[bool, str], ...]:
    def outside(value: int | None, most: int) -> bool:
        return value is not None and not 1 <= value <= most

    photos = change.photos
    audiences = AUDIENCES[: AUDIENCES.index(offer.audience) + 1]
    return (
        (change.purposes is not None and not change.purposes,
         "without a purpose nothing is allowed: withdraw instead"),
        (not set(change.purposes or ()) <= set(offer.purposes),
         "only offered purposes can be ticked"),
        (bool(change.motion) and not offer.motion, "movement as data was not asked for"),
        (change.strict is False and offer.strict, "a reviewer confirms each match here"),
        (change.audience is not None and change.audience not in audiences,
         "the audience cannot be wider than offered"),
        (outside(change.max_seconds, offer.max_seconds),
         f"a video lasts 1 to {offer.max_seconds} seconds"),
        (outside(change.max_outputs, offer.max_outputs), f"1 to {offer.max_outputs} videos"),
        (outside(change.max_per_day, offer.max_per_day), f"1 to {offer.max_per_day} a day"),
        (outside(change.days, offer.days), f"a consent lasts 1 to {offer.days} days"),
        (photos is not None and not set(photos) <= known, "there is no such photo"),
        (photos is not None and not least <= len(set(photos)) <= MOST_PHOTOS,
         f"keep {least} to {MOST_PHOTOS} photos; with fewer the system cannot tell you from "
         "others: withdraw instead"),
    )  # fmt: skip
