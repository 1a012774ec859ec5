"""Log: search, entries, proofs, and the public checkpoint."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, jsonify, request

from primafacie.platform.errors import InputError
from primafacie.platform.logbook import LoggedEntry
from primafacie.platform.web import access, checkpoints
from primafacie.platform.web.api import described, shapes
from primafacie.platform.web.services import services
from primafacie.platform.web.words import stamp

blueprint = APIBlueprint("api_log", __name__, url_prefix="/api/v1/log", tag="Log")


@blueprint.get("")
@access.token("audit")
@blueprint.doc(
    summary="Search the log",
    description="Newest first, fifty a page. The search itself is logged.",
    responses=described.responses(200, shapes.PageShape),
)
def search() -> Response:
    """One page."""
    raw = request.args.get("before", "")
    if raw and (not raw.isdecimal() or len(raw) > 18):
        raise InputError("before: a whole number, please.")
    page = services().logbook.query(access.me(), request.args.get("q", "")[:500],
                                    before=int(raw) if raw else None, limit=50)  # fmt: skip
    return jsonify({"entries": [_of(entry) for entry in page.entries],
                    "next_before": page.next_before, "as_of": page.as_of})  # fmt: skip


@blueprint.get("/<int:index>")
@access.token("audit")
@blueprint.doc(summary="One entry", responses=described.responses(200, shapes.EntryShape, 404))
def show(index: int) -> Response:
    """As it stands in the log."""
    return jsonify(_of(services().logbook.show(access.me(), index)))


@blueprint.get("/<int:index>/proof")
@access.token("audit")
@blueprint.doc(
    summary="An entry's inclusion proof", responses=described.responses(200, shapes.ProofShape, 404)
)
def proof(index: int) -> Response:
    """To be checked offline, with public keys alone."""
    return jsonify({"index": index, "proof": services().logbook.prove(access.me(), index)})


@blueprint.get("/checkpoint")
@access.public("a checkpoint proves nothing unless strangers hold it too")
@blueprint.doc(
    summary="The newest signed checkpoint",
    responses=described.responses(200, shapes.CheckpointShape, 404),
)
def checkpoint() -> Response:
    """And the keys to check it with."""
    vkeys = tuple(services().log.vkeys)
    newest = checkpoints.told(services().logbook.checkpoint(), vkeys)
    return jsonify({"origin": newest.origin, "size": newest.size, "root": newest.root_hex,
                    "at": stamp(newest.at) if newest.at else None, "text": newest.text,
                    "keys": list(vkeys)})  # fmt: skip


def _of(entry: LoggedEntry) -> dict[str, Any]:
    return {"index": entry.index, "kind": str(entry.kind), "at": stamp(entry.at), "rid": entry.rid,
            "actor": entry.actor, "subject": entry.subject, "out": str(entry.out),
            "why": list(entry.why), "facts": dict(entry.facts),
            "leaf_hash": entry.leaf_hash}  # fmt: skip
