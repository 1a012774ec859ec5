"""From a mark or a digest back to the asset: what an examiner asks of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from primafacie.safeguards.asset import AssetRecord


class Resolver(Protocol):
    """The registry of released videos, as an examiner sees it.

    Promises: read-only, safe from any thread, the consent's state as of now (a withdrawal is seen
    at once), None for what was never released. Erased assets answer without a fingerprint.
    """

    def by_asset_number(self, number: int) -> AssetRecord | None:
        """The asset whose picture carries these 56 bits."""

    def by_sound_number(self, low32: int) -> Sequence[AssetRecord]:
        """All assets whose sound carries these 32 bits; more than one is possible, if unlikely."""

    def by_file(self, sha256: str) -> AssetRecord | None:
        """The asset issued as exactly these bytes."""

    def by_manifest(self, sha256: str) -> AssetRecord | None:
        """The asset whose manifest store has this digest."""


class Revocations(Protocol):
    """The list of revoked certificates, as an examiner sees it.

    Promises: safe from any thread; the list as of now, and what an authority elsewhere says of its
    certificates as of at most a minute ago. Raises RevocationError where it gives no answer.
    """

    def revoked(self, serial: str) -> datetime | None:
        """From when on signatures under this serial number (hex) are worthless; None: in force."""
