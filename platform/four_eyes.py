"""Four eyes: when two accounts count as two people.

Every account is invited, and redeemed by the person themselves. That one person sits behind two of
them cannot be ruled out; what gives it away counts: one mailbox under two spellings, or two
invitations redeemed in one browser. Admins who conspire, and whoever has a shell, are not stopped.
"""

from __future__ import annotations

from itertools import combinations

import sqlalchemy as sa

from primafacie.platform.errors import AccessError
from primafacie.platform.tables import browsers, users


def require_apart(tx: sa.Connection, *user_ids: str) -> None:
    """Return if these accounts are as many people; raise AccessError otherwise."""
    chosen = set(user_ids)
    mails = sa.select(users.c.id, users.c.email).where(users.c.id.in_(chosen))
    marks = sa.select(browsers.c.user_id, browsers.c.mark_sha256).where(
        browsers.c.user_id.in_(chosen), browsers.c.joined
    )
    boxes = [(row.id, _mailbox(row.email)) for row in tx.execute(mails)]
    joined = [(row.user_id, row.mark_sha256) for row in tx.execute(marks)]
    for (one, here), (other, there) in combinations(boxes + joined, 2):
        if one != other and here == there:
            raise AccessError(
                "two different people must do this: these accounts share a mailbox or were "
                "joined in one browser, and count as one. If they are two people, have a new link "
                "sent to one of them, to be opened in a browser of their own"
            )


def _mailbox(address: str) -> str:
    """The box behind an address: what stands after a plus sign leads to the same."""
    name, _, host = address.rpartition("@")
    return f"{name.partition('+')[0]}@{host}"
