"""Memory: what the installation remembers of its log outside the database, and giving it back."""

from __future__ import annotations

from primafacie.audit.checkpoint import Checkpoint, open_checkpoint
from primafacie.audit.errors import AuditError
from primafacie.audit.memory import Memory
from primafacie.platform.errors import InputError
from primafacie.platform.keys import open_keyring
from primafacie.platform.settings import Settings


def remember(settings: Settings, text: str) -> Checkpoint:
    """Put a signed checkpoint that somebody kept into the memory, which must know no newer one.

    text: the checkpoint's note, or a tlog-proof that ends with it. Raises InputError.
    """
    origin = settings.log_origin
    note = text[text.find(f"{origin}\n") :]
    memory = Memory(settings.memory)
    settings.memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        head = open_checkpoint(note, open_keyring(settings).log_keys(origin).vkeys, origin=origin)
        with memory.locked():
            known = memory.known(origin)
            if known is not None and known.size >= head.size:
                raise InputError(f"the memory already knows {known.size} entries")
            memory.keep(head)
    except AuditError as error:
        raise InputError(f"this is no checkpoint of our log: {error}") from error
    return head
