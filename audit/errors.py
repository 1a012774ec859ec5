"""The family of errors of the log.

    AuditError
    ├── CanonicalError     bytes that are not the one canonical form of their value
    ├── EntryError         an entry that cannot be written as it stands
    ├── OutcomeError       a second outcome for a request that already has one
    ├── NoteError          a signed note, key or signature that does not hold
    ├── MerkleError        a proof, size or index that cannot be true
    ├── CheckpointError    a checkpoint that is malformed, unsigned or goes back
    ├── ProofError         an inclusion proof that does not hold
    │   └── NotPublished   the leaf is written, but no checkpoint covers it yet
    ├── StoreError         the database does not hold what a log must hold
    ├── ErasedError        the payload, or the key that opens it, was erased
    ├── QueryError         a search that cannot be understood; its text is for the person who typed
    ├── TilesError         a directory that is not the log it claims to be
    ├── WitnessError       a checkpoint that a witness will not cosign
    └── BundleError        an exported log that does not verify

Each parser of foreign bytes raises its own error and no other.
"""

from __future__ import annotations


class AuditError(Exception):
    """Something about the log does not hold. Whoever catches it must not go on as if it did."""


class CanonicalError(AuditError):
    """The bytes or the value have no, or not this, canonical form."""


class EntryError(AuditError):
    """The entry or leaf is malformed."""


class OutcomeError(AuditError):
    """The request already has its outcome; a second one is never written."""


class NoteError(AuditError):
    """A signed note is malformed, or no trusted key signed it."""


class MerkleError(AuditError):
    """A Merkle proof does not hold, or asks for what the tree does not have."""


class CheckpointError(AuditError):
    """A checkpoint is malformed, not signed by the log, or not an extension of an earlier one."""


class ProofError(AuditError):
    """A proof text is malformed or does not prove what it is shown for."""


class NotPublished(ProofError):
    """No signed checkpoint covers the leaf yet: publish first."""


class StoreError(AuditError):
    """A row that must exist is missing or malformed: the database was changed from outside."""


class ErasedError(AuditError):
    """The payload was erased, as it may be; the leaf and its proof stand."""


class QueryError(AuditError):
    """The search text cannot be understood; the message is one sentence for its author."""


class TilesError(AuditError):
    """The exported directory is incomplete, malformed, or does not match its checkpoint."""


class WitnessError(AuditError):
    """The witness refuses; `status` is the HTTP status of C2SP tlog-witness."""

    def __init__(self, status: int, sentence: str, known_size: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.known_size = known_size


class BundleError(AuditError):
    """The exported log is not the one its keys signed; `index` names the leaf where it shows."""

    def __init__(self, sentence: str, index: int | None = None) -> None:
        super().__init__(sentence if index is None else f"leaf {index}: {sentence}")
        self.index = index
