"""Assets: what was released, found again by mark or digest. The examiner's Resolver over SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind, Outcome
from primafacie.audit.errors import AuditError
from primafacie.platform.accounts import Account
from primafacie.platform.errors import NotFoundError, PlatformError
from primafacie.platform.journal import SYSTEM, Journal
from primafacie.platform.tables import assets, consents, requests
from primafacie.platform.vault import Vault
from primafacie.safeguards.asset import AssetRecord, SealedAsset, format_asset_number

_A = assets.c
LIVE: Final = "active"


@dataclass(frozen=True, slots=True)
class AssetView:
    """A released video as people see it. available: it may be handed out now."""

    asset_number: int
    asset_uuid: str
    file_sha256: str
    manifest_sha256: str
    size: int
    duration: float
    width: int
    height: int
    fps: float
    released_at: datetime
    quarantined_at: datetime | None
    deleted_at: datetime | None
    consent_status: str
    log_index: int
    path: str
    available: bool

    @property
    def name(self) -> str:
        """The number as 14 hex digits: what the log and the file name say."""
        return format_asset_number(self.asset_number)


@dataclass(frozen=True, slots=True)
class AssetStatus:
    """The public word on one video. consent: the consent's state now. revoked: called back."""

    asset: str
    consent: str
    revoked: bool


class Assets:
    """The released videos of one installation."""

    def __init__(self, journal: Journal, vault: Vault) -> None:
        self._journal, self._vault = journal, vault

    # Resolver: what the safeguards' examiner asks -------------------------------------------------

    def by_asset_number(self, number: int) -> AssetRecord | None:
        """The video whose picture carries this number."""
        return self._one(_A.asset_number == number)

    def by_file(self, sha256: str) -> AssetRecord | None:
        """The video that is this very file."""
        return self._one(_A.file_sha256 == sha256)

    def by_manifest(self, sha256: str) -> AssetRecord | None:
        """The video that carried this manifest."""
        return self._one(_A.manifest_sha256 == sha256)

    def by_sound_number(self, low32: int) -> Sequence[AssetRecord]:
        """The videos whose sound carries these 32 bits; seldom more than one."""
        return self._records(_A.sound_number == low32)

    def status(self, number: int) -> AssetStatus:
        """What anybody may know about a video's consent: the address stands in its credential.

        Raises NotFoundError for a number that was never given out.
        """
        with self._journal.database.read() as tx:
            row = tx.execute(_joined(_A.asset_number == number)).first()
        if row is None:
            raise NotFoundError("there is no such video")
        revoked = row.quarantined_at is not None
        return AssetStatus(format_asset_number(number), row.consent_status, revoked)

    # what people ask ---------------------------------------------------------------------------

    def view(self, tx: sa.Connection, rid: str) -> AssetView | None:
        """What came of a request, or None."""
        row = tx.execute(_joined(_A.rid == rid)).first()
        return _view(row) if row else None

    def describe(self, sealed: SealedAsset) -> None:
        """Note what the seal told of a released file: for people to read, nothing decides on it."""
        with self._journal.database.write() as tx:
            tx.execute(
                assets.update()
                .where(_A.asset_number == sealed.asset_number)
                .values(
                    asset_uuid=sealed.asset_uuid,
                    manifest_label=sealed.manifest_label,
                    milliseconds=round(sealed.duration * 1000),
                    width=sealed.width,
                    height=sealed.height,
                    millifps=round(sealed.fps * 1000),
                )
            )

    def quarantine(
        self, tx: sa.Connection, which: sa.ColumnElement[bool], actor: str, why: str
    ) -> int:
        """Stop handing out the videos that `which` names, in the caller's transaction."""
        now = self._journal.clock()
        chosen = _joined(sa.and_(which, _A.quarantined_at.is_(None)))
        rows = tx.execute(chosen).all()
        for row in rows:
            tx.execute(
                assets.update()
                .where(_A.asset_number == row.asset_number)
                .values(quarantined_at=now)
            )
            self._log(tx, Kind.OUTPUT_QUARANTINED, actor, row, why)
        return len(rows)

    def take_down(self, actor: Account, asset_number: int, why: str) -> None:
        """Call one video back: quarantined at once, answered as revoked from now on."""
        actor.require("reviewer", "steward", "admin")
        with self._journal.writing() as tx:
            if not tx.execute(_joined(_A.asset_number == asset_number)).first():
                raise NotFoundError("there is no such video")
            self._journal.append(
                tx,
                self._journal.event(
                    Kind.TAKEDOWN_RECEIVED, actor.user_id,
                    facts=(("asset", format_asset_number(asset_number)),),
                    payload={"reason": why[:2000]},
                ),
            )  # fmt: skip
            self.quarantine(tx, _A.asset_number == asset_number, actor.user_id, "takedown")

    def delete_due(self, before: datetime) -> int:
        """Delete the files of quarantined videos, and of those released before `before`."""
        due = sa.and_(
            _A.deleted_at.is_(None),
            sa.or_(_A.quarantined_at.is_not(None), _A.released_at < before),
        )
        with self._journal.writing() as tx:
            rows = tx.execute(_joined(due)).all()
            for row in rows:
                tx.execute(
                    assets.update()
                    .where(_A.asset_number == row.asset_number)
                    .values(deleted_at=self._journal.clock())
                )
                why = "quarantined" if row.quarantined_at else "retention"
                self._log(tx, Kind.OUTPUT_DELETED, SYSTEM, row, why)
        for row in rows:  # a crash before this leaves a file without a living row, for the sweep
            (self._vault.outputs / row.path).unlink(missing_ok=True)
        return len(rows)

    # -------------------------------------------------------------------------------------------

    def _one(self, where: sa.ColumnElement[bool]) -> AssetRecord | None:
        found = self._records(where)
        return found[0] if found else None

    def _records(self, where: sa.ColumnElement[bool]) -> tuple[AssetRecord, ...]:
        with self._journal.database.read() as tx:
            rows = tx.execute(_joined(where).order_by(_A.released_at).limit(16)).all()
        return tuple(self._record(row) for row in rows)

    def _record(self, row: Any) -> AssetRecord:
        try:
            proof = self._journal.proof_of(row.log_index)
        except (AuditError, PlatformError):
            proof = ""  # the examiner then says that no proof could be had
        return AssetRecord(
            asset_number=row.asset_number,
            rid=row.rid,
            file_sha256=row.file_sha256,
            manifest_sha256=row.manifest_sha256,
            consent_id=row.consent_id,
            consent_status=row.consent_status,
            log_index=row.log_index,
            leaf=row.leaf,
            proof=proof,
            revoked_at=row.quarantined_at,
            fingerprint=row.fingerprint,
        )

    def _log(self, tx: sa.Connection, kind: Kind, actor: str, row: Any, why: str) -> None:
        self._journal.append(
            tx,
            self._journal.event(
                kind,
                actor,
                rid=row.rid,
                subject=row.subject_id,
                out=Outcome.OK,
                why=(why,),
                facts=(("asset", format_asset_number(row.asset_number)),),
            ),
        )


def _joined(where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(assets, consents.c.state.label("consent_status"), consents.c.subject_id)
        .join(consents, consents.c.id == _A.consent_id)
        .where(where)
    )


def _view(row: Any) -> AssetView:
    return AssetView(
        asset_number=row.asset_number,
        asset_uuid=row.asset_uuid,
        file_sha256=row.file_sha256,
        manifest_sha256=row.manifest_sha256,
        size=row.size,
        duration=row.milliseconds / 1000,
        width=row.width,
        height=row.height,
        fps=row.millifps / 1000,
        released_at=row.released_at,
        quarantined_at=row.quarantined_at,
        deleted_at=row.deleted_at,
        consent_status=row.consent_status,
        log_index=row.log_index,
        path=row.path,
        available=row.consent_status == LIVE and not row.quarantined_at and not row.deleted_at,
    )


def released_by(user_id: str) -> sa.ColumnElement[bool]:
    """Names the videos released to one requester."""
    return _A.rid.in_(sa.select(requests.c.id).where(requests.c.requester == user_id))
