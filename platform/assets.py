"""Assets: what was released, found again by mark or digest. The examiner's Resolver over SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind, Outcome, read_leaf
from primafacie.audit.errors import AuditError
from primafacie.platform.errors import PlatformError
from primafacie.platform.journal import SYSTEM, Journal
from primafacie.platform.tables import (
    assets,
    companions,
    consent_moves,
    consents,
    motions,
    requests,
    subjects,
    takedowns,
    thumbnails,
)
from primafacie.platform.vault import Vault
from primafacie.safeguards.asset import COMPANIONS, AssetRecord, format_asset_number

_A = assets.c
LIVE: Final = "active"


@dataclass(frozen=True, slots=True)
class MotionView:
    """Movement as data that was released beside a video."""

    form: str
    sha256: str
    path: str
    size: int


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
    motion: MotionView | None = None
    beside: tuple[str, ...] = ()  # of COMPANIONS: what else may be handed out

    @property
    def name(self) -> str:
        """The number as 14 hex digits: what the log and the file name say."""
        return format_asset_number(self.asset_number)


class Assets:
    """The released videos of one installation."""

    def __init__(self, journal: Journal, vault: Vault) -> None:
        self._journal, self._vault = journal, vault

    # Resolver: what the safeguards' examiner asks -------------------------------------------------

    def by_asset_number(self, number: int) -> AssetRecord | None:
        """The video whose picture carries this number."""
        return self._one(_A.asset_number == number)

    def by_file(self, sha256: str) -> AssetRecord | None:
        """The video that is this very file, or whose still or sound it is."""
        beside = sa.select(companions.c.rid).where(companions.c.sha256 == sha256)
        found = self._one(sa.or_(_A.file_sha256 == sha256, _A.rid.in_(beside)))
        if found is None or found.file_sha256 == sha256:
            return found
        released = read_leaf(found.leaf)  # what the log does not name was not released
        named = (released.fact(f"{kind}_sha256") for kind in COMPANIONS)
        return found if sha256 in named else None

    def by_manifest(self, sha256: str) -> AssetRecord | None:
        """The video that carried this manifest."""
        return self._one(_A.manifest_sha256 == sha256)

    def by_motion(self, sha256: str) -> AssetRecord | None:
        """The video beside which this very motion file was released."""
        found = self._one(motions.c.sha256 == sha256)
        if found is None:
            return None  # what the log does not name was not released
        return found if read_leaf(found.leaf).fact("motion_sha256") == sha256 else None

    def by_sound_number(self, low32: int) -> Sequence[AssetRecord]:
        """The videos whose sound carries these 32 bits; seldom more than one."""
        return self._records(_A.sound_number == low32)

    # what people ask ---------------------------------------------------------------------------

    def view(self, tx: sa.Connection, rid: str) -> AssetView | None:
        """What came of a request, or None."""
        row = tx.execute(_joined(_A.rid == rid)).first()
        if row is None:
            return None
        chosen = sa.select(companions.c.kind).where(companions.c.rid == rid)
        kinds = tx.execute(chosen.order_by(companions.c.kind)).scalars()
        return replace(_view(row), beside=tuple(kinds))

    def companion(self, tx: sa.Connection, rid: str, kind: str) -> tuple[str, bytes] | None:
        """Digest and bytes of a still or the sound (one of COMPANIONS) beside a video, or None."""
        mine = companions.c
        chosen = sa.select(mine.sha256, mine.data).where(mine.rid == rid, mine.kind == kind)
        row = tx.execute(chosen).first()
        return None if row is None else (str(row.sha256), bytes(row.data))

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

    @staticmethod
    def consent_ended(tx: sa.Connection, asset_number: int) -> bool:
        """Was the consent behind this video withdrawn, revoked or erased?"""
        ended = sa.select(consents.c.id).where(
            consents.c.id == sa.select(_A.consent_id).where(_A.asset_number == asset_number)
            .scalar_subquery(),
            consents.c.state.in_(("withdrawn", "revoked", "erased")),
        )  # fmt: skip
        return tx.execute(ended).first() is not None

    def restore(self, tx: sa.Connection, asset_number: int) -> None:
        """Undo a quarantine that a person found unfounded. A deleted file stays deleted."""
        tx.execute(
            assets.update()
            .where(_A.asset_number == asset_number, _A.deleted_at.is_(None))
            .values(quarantined_at=None)
        )

    def delete(self, tx: sa.Connection, which: sa.ColumnElement[bool], why: str) -> tuple[str, ...]:
        """Say of the videos that `which` names that they are gone; the names of their files, to be
        deleted after the commit. A crash in between leaves a file without a living row, for the
        sweep."""
        rows = tx.execute(_joined(sa.and_(which, _A.deleted_at.is_(None)))).all()
        for row in rows:
            tx.execute(
                assets.update()
                .where(_A.asset_number == row.asset_number)
                .values(deleted_at=self._journal.clock(), fingerprint=b"")  # small pictures of them
            )
            tx.execute(companions.delete().where(companions.c.rid == row.rid))
            tx.execute(thumbnails.delete().where(thumbnails.c.asset_number == row.asset_number))
            self._log(tx, Kind.OUTPUT_DELETED, SYSTEM, row, why)
        numbers = [row.asset_number for row in rows]
        beside = sa.select(motions.c.path).where(motions.c.asset_number.in_(numbers))
        return (*(row.path for row in rows), *tx.execute(beside).scalars())

    def delete_due(self, before: datetime) -> int:
        """Delete the files of quarantined videos, and of those released before `before`. One that
        a takedown locked away waits until a person has decided."""
        undecided = sa.exists().where(
            takedowns.c.asset_number == _A.asset_number, takedowns.c.state == "received"
        )
        withdrawn = _A.consent_id.in_(
            sa.select(consents.c.id).where(consents.c.state.in_(("withdrawn", "revoked")))
        )
        locked = sa.and_(_A.quarantined_at.is_not(None), sa.or_(withdrawn, ~undecided))
        with self._journal.writing() as tx:
            files = self.delete(tx, locked, "quarantined")
            files += self.delete(tx, _A.released_at < before, "retention")
        for name in files:
            (self._vault.outputs / name).unlink(missing_ok=True)
        return len(files)

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
            consent_ended_at=row.ended_at,
            fingerprint=row.fingerprint,
        )

    def _log(self, tx: sa.Connection, kind: Kind, actor: str, row: Any, why: str) -> None:
        self._journal.append(
            tx,
            self._journal.event(
                kind,
                actor,
                rid=row.rid,
                subject="" if row.erased_at else row.subject_id,  # no new key for the forgotten
                out=Outcome.OK,
                why=(why,),
                facts=(("asset", format_asset_number(row.asset_number)),),
            ),
        )


def _joined(where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    moves = consent_moves.c
    ended = (
        sa.select(sa.func.min(moves.at))
        .where(moves.consent_id == _A.consent_id, moves.state.in_(("withdrawn", "revoked")))
        .scalar_subquery()
    )
    return (
        sa.select(
            assets,
            consents.c.state.label("consent_status"),
            consents.c.subject_id,
            subjects.c.erased_at,
            ended.label("ended_at"),
            motions.c.form.label("motion_form"),
            motions.c.sha256.label("motion_sha256"),
            motions.c.path.label("motion_path"),
            motions.c.size.label("motion_size"),
        )
        .join(consents, consents.c.id == _A.consent_id)
        .join(subjects, subjects.c.id == consents.c.subject_id)
        .outerjoin(motions, motions.c.asset_number == _A.asset_number)
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
        motion=MotionView(row.motion_form, row.motion_sha256, row.motion_path, row.motion_size)
        if row.motion_form
        else None,
    )


def released_by(user_id: str) -> sa.ColumnElement[bool]:
    """Names the videos released to one requester."""
    return _A.rid.in_(sa.select(requests.c.id).where(requests.c.requester == user_id))
