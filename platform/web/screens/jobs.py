"""Requests: their list, one's progress live, its result, or its refusal in plain words."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from jinja2 import Template

from primafacie.platform.accounts import Account
from primafacie.platform.errors import InputError, PlatformError
from primafacie.platform.web import access, media, session, words
from primafacie.platform.web.services import services
from primafacie.platform.wiring import Services

blueprint = Blueprint("jobs", __name__, url_prefix="/requests")
READERS = ("researcher", "reviewer", "auditor", "admin")
STREAM_SECONDS = 300.0
STREAMS_A_PERSON = 4
POLL_SECONDS = 0.5
_streams: Counter[str] = Counter()
_lock = threading.Lock()


@blueprint.get("")
@access.role(*READERS)
def listed() -> ResponseReturnValue:
    """Requests, newest first; everybody's for those who review."""
    me = access.me()
    everyone = me.has("reviewer", "auditor", "admin") and request.args.get("whose") != "mine"
    found = services().requests.listed(
        me, state=request.args.get("state") or None, everyone=everyone, before=_before(), limit=50
    )
    names = services().accounts.names({r.requester_id for r in found})
    return render_template("requests.html", requests=found, names=names, everyone=everyone,
                           wanted=request.args.get("state", ""))  # fmt: skip


@blueprint.get("/<rid>")
@access.role(*READERS)
def show(rid: str) -> ResponseReturnValue:
    """One request: where it is, what came of it, and its whole story in the log."""
    view = services().requests.show(access.me(), rid)
    names = services().accounts.names({view.requester_id})
    progress = services().requests.progress(access.me(), rid)
    return render_template("request.html", r=view, names=names, progress=progress,
                           step=_step(progress.stage))  # fmt: skip


@blueprint.get("/<rid>/events")
@access.role(*READERS)
def events(rid: str) -> Response:
    """Progress as server-sent events. Ends after five minutes; the browser comes back."""
    me, found = access.me(), services()
    found.requests.show(me, rid)  # raises before the stream starts
    with _lock:
        full = _streams.total() >= found.settings.web_threads // 2  # each holds a thread
        if full or _streams[me.user_id] >= STREAMS_A_PERSON:
            abort(429)
        _streams[me.user_id] += 1
    try:
        after = int(request.headers.get("Last-Event-ID", "0"))
    except ValueError:
        after = 0
    template = _fragment()
    asker = session.standing(found)
    response = Response(_stream(found, asker, rid, after, template), mimetype="text/event-stream")
    response.call_on_close(lambda: _leave(me.user_id))
    response.headers["X-Accel-Buffering"] = "no"
    return response


@blueprint.post("/<rid>/cancel")
@access.role("researcher", "admin")
def cancel(rid: str) -> ResponseReturnValue:
    """Stop it; nothing made so far is kept."""
    services().requests.cancel(access.me(), rid)
    flash("Cancelling. Nothing made so far is kept.")
    return redirect(url_for("jobs.show", rid=rid))


@blueprint.get("/<rid>/video")
@access.role(*READERS)
def video(rid: str) -> Response:
    """The sealed video; the log has it before the first byte leaves."""
    save = request.args.get("save") == "1"
    how = "downloaded" if save else "viewed"
    return media.film(services().requests.deliver(access.me(), rid, how), save=save)


@blueprint.get("/<rid>/motion")
@access.role(*READERS)
def motion(rid: str) -> Response:
    """The movement as data; the log has it before the first byte leaves."""
    found = services().requests.motion(access.me(), rid)
    return media.download(found.read(), found.name, "application/octet-stream")


@blueprint.get("/<rid>/still.<any(png,jpg):form>")
@access.role(*READERS)
def still(rid: str, form: str) -> Response:
    """One frame of the sealed video, marked and signed by itself; logged before it leaves."""
    found = services().requests.companion(access.me(), rid, form)
    return media.download(found.data, found.name, media.PICTURES[form])


@blueprint.get("/<rid>/sound.wav")
@access.role(*READERS)
def sound(rid: str) -> Response:
    """The sound of the sealed video, marked and signed by itself; logged before it leaves."""
    found = services().requests.companion(access.me(), rid, "wav")
    return media.download(found.data, found.name, "audio/wav")


@blueprint.get("/<rid>/receipt.json")
@access.role(*READERS)
def receipt(rid: str) -> Response:
    """The proof that the release is in the log, to be checked offline."""
    data = services().requests.receipt(access.me(), rid)
    return media.download(data, f"primafacie-receipt-{rid[:8]}.json", "application/json")


@blueprint.get("/<rid>/photo")
@access.role("researcher")
def photo(rid: str) -> Response:
    """The photo that was sent."""
    return media.picture(services().requests.photo(access.me(), rid))


def _before() -> datetime | None:
    raw = request.args.get("before")
    if not raw:
        return None
    try:
        found = datetime.fromisoformat(raw)
    except ValueError as error:
        raise InputError("before: not a time.") from error
    if found.tzinfo is None:
        raise InputError("before: a time with its zone.")
    return found


def _step(stage: str) -> int:
    """How many of the steps shown are begun."""
    for number, key in enumerate(words.STAGES):
        if stage.startswith(key):
            return number
    return 0


def _fragment() -> Template:
    """The progress template, rendered outside the request's context."""
    return current_app.jinja_env.get_template("fragments/progress.html")


def _stream(
    found: Services, asker: Callable[[], Account | None], rid: str, after: int, template: Template
) -> Iterator[str]:
    end = time.monotonic() + STREAM_SECONDS
    shown: tuple[int, str, str] | None = None
    while time.monotonic() < end:
        me = asker()
        if me is None or not me.has(*READERS):  # signed out meanwhile, or changed
            return
        try:
            now = found.requests.progress(me, rid, after=0)
        except PlatformError:
            return
        last = now.events[-1].n if now.events else 0
        if shown != (last, now.state, now.stage) and not (shown is None and 0 < last <= after):
            html = template.render(progress=now, step=_step(now.stage), STAGES=words.STAGES,
                                   icon=_bare_icon)  # fmt: skip
            data = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
            yield f"id: {last}\n{data}\n"
        shown = (last, now.state, now.stage)
        if now.done:
            yield "event: done\ndata: done\n\n"
            return
        yield ": alive\n\n"
        time.sleep(POLL_SECONDS)


def _bare_icon(_name: str) -> str:
    return ""


def _leave(user_id: str) -> None:
    with _lock:
        _streams[user_id] -= 1
        if _streams[user_id] <= 0:
            del _streams[user_id]
