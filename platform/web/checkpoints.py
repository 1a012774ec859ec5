"""Told: a signed checkpoint for pages and the API, with the time its signature states."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime

from primafacie.audit.checkpoint import Checkpoint
from primafacie.audit.errors import NoteError
from primafacie.audit.note import open_note, parse_vkey


@dataclass(frozen=True, slots=True)
class Told:
    """A checkpoint. at: when it was signed, None when no signature states a time."""

    origin: str
    size: int
    root_hex: str
    text: str
    at: datetime | None


def told(checkpoint: Checkpoint, vkeys: tuple[str, ...]) -> Told:
    """The checkpoint as it is shown."""
    return Told(checkpoint.origin, checkpoint.size, checkpoint.root.hex(), checkpoint.note,
                _signed_at(checkpoint.note, vkeys))  # fmt: skip


@functools.lru_cache(maxsize=256)
def _signed_at(note: str, vkeys: tuple[str, ...]) -> datetime | None:
    """The time in the newest valid signature; kept, because it never changes for one note."""
    try:
        _text, held = open_note(note, [parse_vkey(key) for key in vkeys])
    except NoteError:
        return None
    newest = max((one.timestamp for one in held), default=0)
    return datetime.fromtimestamp(newest, UTC) if newest else None
