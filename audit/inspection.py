"""Inspection: the live database against everything that was ever signed over it.

What a bundle shows an outsider, this shows the operator, and what only he can see: that the stored
tree, the search index and the erasable payloads are still what the leaves make them.
"""

from __future__ import annotations

from collections.abc import Sequence

from primafacie.audit import store
from primafacie.audit.entry import Kind, Leaf, to_millis
from primafacie.audit.errors import AuditError, BundleError, StoreError
from primafacie.audit.log import Log, fact_rows, index_row
from primafacie.audit.replay import BundleReport, Replay, open_heads
from primafacie.audit.store import Tx


def verify_log(
    tx: Tx,
    log: Log,
    vkeys: Sequence[str],
    *,
    witnesses: Sequence[str] = (),
    quorum: int = 0,
    seen: Sequence[str] = (),
    payloads: bool = True,
) -> BundleReport:
    """Read the whole log again, in one transaction, and compare all that is stored beside it.

    1. Every checkpoint is signed, the newest cosigned by `quorum` witnesses.
    2. Every leaf is genuine, against those checkpoints and the notes in `seen`: see `Replay`.
       Leaves after the last checkpoint are allowed and counted: `unpublished`.
    3. The stored nodes, times, index rows and facts are those that the leaves make.
    4. Payloads: each one that is there opens and matches its leaf (unless `payloads` is False);
       as many are gone as the `erasure.done` leaves say.
    Raises BundleError. What the leaves tell is in the report.
    """
    try:
        return _verify(tx, log, vkeys, witnesses, quorum, seen, payloads)
    except StoreError as error:
        raise BundleError(f"the database is damaged: {error}") from error


def _verify(
    tx: Tx,
    log: Log,
    vkeys: Sequence[str],
    witnesses: Sequence[str],
    quorum: int,
    seen: Sequence[str],
    payloads: bool,
) -> BundleReport:
    notes = [note + "".join(store.cosignatures(tx, size)) for size, note in store.checkpoints(tx)]
    heads = open_heads(notes, vkeys, log.origin, witnesses=witnesses, quorum=quorum)  # 1
    replay = Replay(log.origin, [*heads, *open_heads(seen, vkeys, log.origin)])
    nodes, kept = store.all_nodes(tx), store.payload_seqs(tx)
    page, erased, missing = list[Leaf](), 0, 0
    for seq, body in store.leaves(tx):
        leaf, new = replay.read(body)  # 2
        for node in new:  # 3
            if next(nodes, (0, b""))[1] != node:
                raise BundleError("the stored tree is not that of the leaves", seq)
        page.append(leaf)
        if len(page) == store.PAGE:
            _require_index(tx, page)
            page.clear()
        erased += _erased(leaf)
        missing += bool(leaf.commitment) and seq not in kept
        if payloads and seq in kept:
            _require_payload(tx, log, leaf)  # 4
    _require_index(tx, page)
    report = replay.finish(tail=True)
    if next(nodes, None) is not None or store.index_size(tx) != report.size:
        raise BundleError("the stored tree or index is larger than the log")
    if erased != missing:
        raise BundleError(f"{missing} payloads are gone, {erased} were erased on record")
    return report


def _require_index(tx: Tx, page: Sequence[Leaf]) -> None:
    """Return if these leaves can be found by exactly what they say."""
    if not page:
        return
    start, end = page[0].index, page[-1].index + 1
    rows, times = store.index_rows(tx, start, end), store.leaf_times(tx, start, end)
    if rows != [index_row(leaf) for leaf in page]:
        raise BundleError("the search index is not that of the leaves", start)
    if times != [to_millis(leaf.at) for leaf in page]:
        raise BundleError("the stored times are not those of the leaves", start)
    if store.fact_rows(tx, start, end) != {row for leaf in page for row in fact_rows(leaf)}:
        raise BundleError("the searchable facts are not those of the leaves", start)


def _require_payload(tx: Tx, log: Log, leaf: Leaf) -> None:
    if not leaf.commitment:
        raise BundleError("there is a payload that the leaf does not commit to", leaf.index)
    try:
        log.payload(tx, leaf.index)
    except AuditError as error:
        raise BundleError(f"the payload does not open: {error}", leaf.index) from error


def _erased(leaf: Leaf) -> int:
    """How many payloads this leaf says were erased."""
    many = leaf.fact("payloads") if leaf.kind is Kind.ERASURE_DONE else 0
    return many if isinstance(many, int) else 0
