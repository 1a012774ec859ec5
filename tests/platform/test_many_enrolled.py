"""A hundred thousand people enrolled: what a search costs with everything that belongs to it.

Seconds of processor, on SQLite. `safeguards/test_face.py` measures the search alone.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from primafacie.platform.subjects import _seal
from primafacie.platform.tables import consent_moves, consents, subjects, templates

MANY = 100_000
MODEL = "many@" + "0" * 64


def fill(house: Any, vectors: Any) -> list[tuple[str, str]]:
    """Everybody enrolled, each under a key of their own; (subject, consent) in order."""
    now, master = house.watch(), house.services.subjects._master
    rows: dict[Any, list[dict[str, Any]]] = {
        table: [] for table in (subjects, consents, templates, consent_moves)
    }
    people = [(uuid.uuid4().hex, uuid.uuid4().hex) for _ in vectors]
    for number, (subject, consent) in enumerate(people):
        key = AESGCM.generate_key(256)
        rows[subjects].append({
            "id": subject, "kind": "living", "created_at": now,
            "key_wrapped": _seal(master, key, f"key|{subject}"),
        })  # fmt: skip
        rows[consents].append({
            "id": consent, "subject_id": subject, "steward": house.steward.user_id,
            "state": "active", "version": 1, "epoch": 1, "offer": {}, "challenge": {},
            "held_by": "", "enrolment": "", "receipt_sha256": uuid.uuid4().hex * 2,
            "created_at": now,
        })  # fmt: skip
        rows[templates].append({
            "consent_id": consent, "version": 1, "model": MODEL, "frames": 5, "created_at": now,
            "vector_ct": _seal(AESGCM(key), vectors[number].tobytes(), f"{consent}|1|{MODEL}"),
        })  # fmt: skip
        rows[consent_moves].append({
            "consent_id": consent, "epoch": 1, "state": "active", "actor": "system",
            "log_index": number, "at": now,
        })  # fmt: skip
    with house.services.database.write() as tx:
        for table, some in rows.items():
            tx.execute(table.insert(), some)
    return people


def spent(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    found = work()
    return time.process_time() - begun, found


@pytest.mark.slow
def test_a_search_among_them_asks_first_whether_anybody_left(
    house: Any, record_property: Callable[[str, object], None]
) -> None:
    vectors = np.random.default_rng(1).normal(size=(MANY, 128)).astype(np.float32) / 9
    people = fill(house, vectors)
    likenesses = house.services.likenesses

    def search() -> Any:
        return likenesses.gallery(MODEL).nearest(vectors[5], people[5][0])

    first, _ = spent(lambda: likenesses.gallery(MODEL))
    each = min(spent(search)[0] for _ in range(5))
    with house.services.database.write() as tx:
        left = people[7][1]
        tx.execute(templates.delete().where(templates.c.consent_id == left))
        tx.execute(consents.update().where(consents.c.id == left).values(state="withdrawn"))
        tx.execute(consent_moves.insert().values(
            consent_id=left, epoch=2, state="withdrawn", actor="system", log_index=MANY,
            at=house.watch(),
        ))  # fmt: skip
    after, gallery = spent(lambda: likenesses.gallery(MODEL))
    assert len(gallery.rows) == MANY - 1 and search().best
    for name, seconds in (("first", first), ("each", each), ("after_a_move", after)):
        record_property(name, round(seconds, 3))
        print(f"{name}: {seconds:.3f} s of processor")
    assert each < 0.1 and first < 12 and after < 8
