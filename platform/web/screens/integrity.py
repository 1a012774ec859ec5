"""Integrity: the log's checkpoints, and a full check on request."""

from __future__ import annotations

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue

from primafacie.platform.logbook import LogReport
from primafacie.platform.web import access, checkpoints, media
from primafacie.platform.web.services import services

blueprint = Blueprint("integrity", __name__, url_prefix="/integrity")


@blueprint.get("")
@access.public("a checkpoint proves nothing unless strangers hold it too")
def show() -> ResponseReturnValue:
    """Checkpoints, newest first, and the keys to check them with."""
    return _page()


@blueprint.get("/checkpoint")
@access.public("a checkpoint proves nothing unless strangers hold it too")
def checkpoint() -> Response:
    """The newest signed checkpoint, as C2SP tlog-checkpoint text."""
    text = services().logbook.checkpoint().note
    return media.download(text.encode(), "checkpoint", "text/plain; charset=utf-8")


@blueprint.post("")
@access.role("auditor", "reviewer", "admin")
def verify() -> ResponseReturnValue:
    """Read the whole log and recompute it."""
    return _page(report=services().logbook.verify(access.me()))


def _page(report: LogReport | None = None) -> str:
    s, vkeys = services(), tuple(services().log.vkeys)
    history = [checkpoints.told(c, vkeys) for c in s.logbook.history(20)]
    newest = checkpoints.told(s.logbook.checkpoint(), vkeys)
    return render_template("integrity.html", newest=newest, report=report, history=history,
                           vkeys=vkeys, witnesses=s.witnesses.seen(),
                           quorum=s.witnesses.quorum, enough=s.witnesses.enough())  # fmt: skip
