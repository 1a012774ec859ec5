"""Examiner: where a found video comes from. Open to everybody; the file is never stored.

Each question is logged before it is answered, by the file's digest and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from primafacie.audit.digest import sha256_file, sha256_hex
from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.assets import Assets
from primafacie.platform.errors import InputError
from primafacie.platform.journal import Journal
from primafacie.safeguards.provenance.mark_keys import MarkKeys
from primafacie.safeguards.provenance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Examiner:
    """Examines with this installation's keys, trust and records."""

    journal: Journal
    assets: Assets
    keys: Sequence[MarkKeys] = field(repr=False)
    roots: tuple[bytes, bytes]  # PEM: claim root, time root
    most_bytes: int

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
        """The verdict; offline, without asking what we released.

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
            deep=deep,
            now=self.journal.clock(),
        )

    def _digest(self, data: bytes | Path) -> str:
        try:
            size = len(data) if isinstance(data, bytes) else data.stat().st_size
            if size > self.most_bytes:
                raise InputError(f"the file has {size} bytes; at most {self.most_bytes} are read")
            return sha256_hex(data) if isinstance(data, bytes) else sha256_file(data)
        except OSError as error:
            raise InputError(f"the file cannot be read: {error.strerror}") from error
