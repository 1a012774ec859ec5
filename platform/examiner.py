"""Examiner: where a found video comes from. Open to everybody; the file is never stored.

Each question is logged before it is answered, by the file's digest and nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_file, sha256_hex
from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.assets import Assets
from primafacie.platform.errors import InputError
from primafacie.platform.journal import Journal
from primafacie.platform.verdict_statement import Detector, sign_verdict
from primafacie.safeguards.asset import AssetRecord
from primafacie.safeguards.motion_file import MotionReading
from primafacie.safeguards.provenance.mark_keys import MarkKeys
from primafacie.safeguards.provenance.resolve import Revocations
from primafacie.safeguards.provenance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Examiner:
    """Examines with this installation's keys, trust and records."""

    journal: Journal
    assets: Assets
    keys: Sequence[MarkKeys] = field(repr=False)
    roots: tuple[bytes, bytes]  # PEM: claim root, time root
    most_bytes: int
    statement_key: Ed25519PrivateKey = field(repr=False)
    public_url: str
    revocations: Revocations | None = None
    motion_key: bytes = b""  # public; the one that signs permits, which is never rotated

    def examine(
        self,
        actor: Account | None,
        data: bytes | Path,
        *,
        name: str = "",
        source: str = "",
        deep: bool = False,
        offline: bool = False,
    ) -> Verdict:
        """The verdict; offline, without asking what we released or what was revoked.

        Raises InputError for a file that is too large or cannot be read.
        """
        from primafacie.safeguards.provenance.examine import examine
        from primafacie.safeguards.provenance.manifest import TrustList

        digest = self._digest(data)
        entry = self.journal.event(
            Kind.VERIFY_QUERY,
            actor.user_id if actor else "",
            facts=(("file_sha256", digest), ("source", self.journal.source(source))),
            out=Outcome.INFO,
        )
        self.journal.record(entry)
        return examine(
            data,
            trust=TrustList.of(*self.roots),
            keys=self.keys,
            resolver=None if offline else self.assets,
            log_vkeys=self.journal.log.vkeys,
            revocations=None if offline else self.revocations,
            deep=deep,
            now=self.journal.clock(),
        )

    def motion(self, data: bytes) -> tuple[MotionReading, AssetRecord | None]:
        """What a motion file says, and the release it belongs to. The question is logged first.

        Raises InputError for a file that is too large, EngineError for one of another kind.
        """
        from primafacie.safeguards.motion_file import read_motion

        facts = (("file_sha256", self._digest(data)), ("source", ""))
        entry = self.journal.event(Kind.VERIFY_QUERY, "", facts=facts, out=Outcome.INFO)
        self.journal.record(entry)
        reading = read_motion(data, {dsse.key_id(self.motion_key): self.motion_key})
        record = self.assets.by_motion(reading.sha256)
        if record is None and reading.claims is not None:
            record = self.assets.by_asset_number(int(reading.claims.asset, 16))
        return reading, record

    def statement(self, verdict: Verdict) -> bytes:
        """The verdict as a signed file that anybody can check offline, see `verdict_statement`."""
        detector = Detector("Primafacie", version("primafacie"), f"{self.public_url}/verify")
        return sign_verdict(verdict, self.statement_key, detector, self.journal.clock())

    def anchors(self) -> dict[str, Any]:
        """What it takes to check a file, a proof and a verdict elsewhere; all of it is public."""
        from primafacie.safeguards.provenance.manifest import TrustList, settings

        usages = settings(TrustList.of(*self.roots))["trust"]["trust_config"]
        return {
            "claimRoot": self.roots[0].decode(),
            "timeRoot": self.roots[1].decode(),
            "usages": usages.split("\n"),
            "logKeys": list(self.journal.log.vkeys),
            "verdictKey": base64.b64encode(dsse.public_bytes(self.statement_key)).decode(),
        }

    def feedback(self, source: str, answer: str, file_sha256: str, text: str) -> None:
        """Keep what somebody says about an answer: their words stay erasable, the rest does not."""
        entry = self.journal.event(
            Kind.VERIFY_FEEDBACK,
            "",
            facts=(
                ("answer", answer),
                ("file_sha256", file_sha256),
                ("source", self.journal.source(source)),
            ),
            payload={"text": text},
            out=Outcome.INFO,
        )
        self.journal.record(entry)

    def _digest(self, data: bytes | Path) -> str:
        try:
            size = len(data) if isinstance(data, bytes) else data.stat().st_size
            if size > self.most_bytes:
                raise InputError(f"the file has {size} bytes; at most {self.most_bytes} are read")
            return sha256_hex(data) if isinstance(data, bytes) else sha256_file(data)
        except OSError as error:
            raise InputError(f"the file cannot be read: {error.strerror}") from error
