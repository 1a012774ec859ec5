"""Manifests: from a mark back to the credential that a copy lost.

A manifest is given out for a mark only if its own soft binding names exactly that mark; and for a
file only if, besides, the file shows what the video showed (the fingerprint of the content). So a
mark that was copied onto another video leads nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.assets import Assets
from primafacie.platform.errors import NotFoundError
from primafacie.platform.examiner import Examiner
from primafacie.platform.journal import Journal
from primafacie.platform.tables import manifests
from primafacie.safeguards.errors import MarkError

if TYPE_CHECKING:
    from primafacie.safeguards.asset import AssetRecord
    from primafacie.safeguards.provenance.verdict import Verdict

MOST: Final = 10
_M = manifests.c


@dataclass(frozen=True, slots=True)
class Match:
    """A manifest, and how far the content agrees: 0 to 100; None where no content was seen."""

    label: str
    score: int | None


@dataclass(frozen=True, slots=True)
class Manifests:
    """The manifest repository of one installation."""

    journal: Journal
    assets: Assets
    examiner: Examiner

    def by_binding(self, alg: str, value: bytes, source: str = "") -> tuple[Match, ...]:
        """Manifests whose own soft binding is this. The question is logged first."""
        self._note("binding", source)
        return tuple(Match(label, None) for label in self._naming(alg, value))

    def by_content(
        self, data: bytes, alg: str = "", hint: tuple[str, bytes] | None = None, source: str = ""
    ) -> tuple[Match, ...]:
        """Manifests whose mark the file carries and whose content it shows, best first.

        alg: only that scheme's mark. hint: a binding to try where no mark can be read; the content
        must agree all the more. The question is logged first; the file is not kept.
        """
        verdict = self.examiner.examine(None, data, source=source)
        found = self._by_mark(verdict, alg)
        if not found and hint is not None and alg in ("", hint[0]):
            found = self._by_hint(data, *hint)
        return found

    def store(self, label: str) -> bytes:
        """A manifest store. Raises NotFoundError, also when it is not what was signed."""
        row = self._row(label)
        if sha256_hex(row.store) != row.sha256:
            raise NotFoundError("the manifest was damaged")
        return bytes(row.store)

    def record(self, label: str) -> AssetRecord:
        """The video a manifest belongs to. Raises NotFoundError."""
        found = self.assets.by_asset_number(self._row(label).asset_number)
        if found is None:
            raise NotFoundError("there is no such manifest")
        return found

    # -------------------------------------------------------------------------------------------

    def _by_mark(self, verdict: Verdict, alg: str) -> tuple[Match, ...]:
        from primafacie.safeguards.provenance.watermark import SCHEME, soft_binding_value

        asset, picture = verdict.asset, verdict.marks.picture
        if asset is None or alg not in ("", SCHEME) or picture.asset_number != asset.asset_number:
            return ()  # a sound alone has no content that could be compared
        if asset.by in ("file", "manifest"):
            score = 100
        elif asset.content_percent is not None and asset.content_percent >= _least():
            score = min(100, asset.content_percent)
        else:
            return ()
        if picture.epoch is None:
            return ()
        value = soft_binding_value(asset.asset_number, picture.epoch)
        return tuple(Match(label, score) for label in self._naming(SCHEME, value))

    def _by_hint(self, data: bytes, alg: str, value: bytes) -> tuple[Match, ...]:
        from primafacie.safeguards.errors import MediaError
        from primafacie.safeguards.provenance.fingerprint import Fingerprint
        from primafacie.safeguards.provenance.manifest import TrustList
        from primafacie.safeguards.provenance.media import FilmLimits
        from primafacie.safeguards.provenance.quarantine import inspect

        labels = self._naming(alg, value)
        if not labels:
            return ()
        try:
            film = inspect(data, TrustList.of(*self.examiner.roots), FilmLimits(), 20.0).film
            known = Fingerprint.from_bytes(self.record(labels[0]).fingerprint)
        except (MediaError, MarkError):
            return ()
        score = round(known.agreement(film.frames) * 100) if film and film.frames else 0
        return tuple(Match(label, score) for label in labels) if score >= _least() else ()

    def _naming(self, alg: str, value: bytes) -> tuple[str, ...]:
        """Labels of stored manifests that name this binding, newest first."""
        from primafacie.safeguards.errors import ManifestError
        from primafacie.safeguards.provenance.jumbf import read_bindings
        from primafacie.safeguards.provenance.watermark import parse_soft_binding

        try:
            number, _ = parse_soft_binding(value)
        except MarkError:
            return ()
        chosen = sa.select(manifests).where(_M.asset_number == number)
        with self.journal.database.read() as tx:
            rows = tx.execute(chosen.order_by(_M.stored_at.desc()).limit(MOST)).all()
        named = []
        for row in rows:
            try:
                if (alg, value) in read_bindings(bytes(row.store)):
                    named.append(str(row.label))
            except ManifestError:
                continue  # damaged in the store: it names nothing
        return tuple(named)

    def _row(self, label: str) -> Any:
        with self.journal.database.read() as tx:
            row = tx.execute(sa.select(manifests).where(_M.label == label[:200])).first()
        if row is None:
            raise NotFoundError("there is no such manifest")
        return row

    def _note(self, by: str, source: str) -> None:
        facts = (("by", by), ("source", self.journal.source(source)))
        entry = self.journal.event(Kind.VERIFY_QUERY, "", facts=facts, out=Outcome.INFO)
        self.journal.record(entry)


def _least() -> int:
    from primafacie.safeguards.provenance.fingerprint import THRESHOLD

    return round(THRESHOLD * 100)
