"""Audit: search the log, open an entry, take its proof away."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.errors import InputError
from primafacie.platform.web import access, media
from primafacie.platform.web.services import services

blueprint = Blueprint("audit", __name__, url_prefix="/log")
READERS = ("auditor", "reviewer", "admin")
#: Every page call and every look into the log is in it; few searches are about them.
USUAL = "-kind:http.request -kind:log.read"
PRESETS = (
    ("What happened", USUAL),
    ("Everything", ""),
    ("Refusals", "kind:decision.refused"),
    ("Releases", "kind:output.released"),
    ("Consents in force", "kind:consent.activated"),
    ("Withdrawals", "kind:consent.withdrawn"),
    ("Failed sign-ins", "kind:user.sign_in_failed"),
    ("Files checked", "kind:verify.query"),
    ("Who read the log", "kind:log.read"),
)


@blueprint.get("")
@access.role(*READERS)
def search() -> ResponseReturnValue:
    """Entries, newest first. The search itself is logged."""
    text = request.args.get("q", USUAL).strip()[:500]
    page, error = None, ""
    facets: Mapping[str, Mapping[str, int]] = {}
    names: Mapping[str, str] = {}
    try:
        page = services().logbook.query(access.me(), text, before=_before(), limit=50)
        facets = services().logbook.facets(access.me(), text)
        names = services().accounts.names({e.actor_id for e in page.entries if e.actor_id})
    except InputError as problem:
        error = str(problem)
    status = 400 if error else 200
    return render_template("log.html", q=text, page=page, facets=facets, error=error,
                           names=names, presets=PRESETS), status  # fmt: skip


@blueprint.get("/<int:index>")
@access.role(*READERS)
def show(index: int) -> ResponseReturnValue:
    """One entry, at an address that stays."""
    entry = services().logbook.show(access.me(), index)
    names = services().accounts.names({entry.actor_id} - {""})
    return render_template("log_entry.html", e=entry, names=names,
                           rules=services().policies.shipped.reasons,
                           permalink=services().settings.public_url
                           + url_for("audit.show", index=index))  # fmt: skip


@blueprint.get("/<int:index>/proof")
@access.role(*READERS)
def proof(index: int) -> Response:
    """The entry's inclusion proof (C2SP tlog-proof), to be checked offline."""
    text = services().logbook.prove(access.me(), index)
    return media.download(text.encode(), f"entry-{index}.tlog-proof", "text/plain; charset=utf-8")


@blueprint.get("/export")
@access.role("auditor", "admin")
def export() -> Response:
    """A range of entries as JSON lines."""
    first, last = _number("first", 0), min(_number("last", 0), 10_000_000)
    parts = services().logbook.export(access.me(), first, last)
    response = Response(stream_with_context(parts), content_type="application/jsonl")
    response.headers["Content-Disposition"] = f'attachment; filename="log-{first}-{last}.jsonl"'
    response.headers["Content-Security-Policy"] = media.SANDBOX
    return response


def _before() -> int | None:
    return _number("before", 0) or None


def _number(name: str, default: int) -> int:
    raw = request.args.get(name, "")
    if not raw:
        return default
    if not raw.isdecimal() or len(raw) > 18:
        raise InputError(f"{name}: a whole number, please.")
    return int(raw)
