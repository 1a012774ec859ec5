"""Uploads: how much each route takes, and how many large bodies are in memory at once.

What is uploaded never touches the disk in clear, so it costs memory while its request lasts: twice
its size while it is taken in. Who may send it, and whether a link leads anywhere, is settled before
the body is read.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from flask import Flask, current_app, g, request
from werkzeug.exceptions import ServiceUnavailable

from primafacie.platform.opt_outs import MOST_PHOTOS
from primafacie.platform.settings import Settings
from primafacie.platform.web.logged import because
from primafacie.platform.web.services import services

SMALL: Final = 1_000_000  # bytes of a body that needs no turn
TURNS: Final = 4  # large bodies at once of people who signed in or hold a link
STRANGERS: Final = 2  # and of everybody else: they never keep the others out
LATER: Final = 10  # seconds after which to try again
_TURNS, _TURN = "upload_turns", "upload_turn"


def limits(settings: Settings) -> Mapping[str, int]:
    """Route -> bytes of the files it takes. A route that is not named takes none."""
    photo, film = settings.max_photo_bytes, settings.max_video_bytes
    order = photo + settings.max_voice_bytes
    return {
        "capture.add_photo": photo, "capture.add_document": photo, "consents.offer_photo": photo,
        "consents.attach": photo, "likeness.add_photo": photo,
        "never_me.ask": photo * MOST_PHOTOS, "never_me.renew": photo * MOST_PHOTOS,
        "capture.add_voice": settings.max_voice_bytes,
        "request.send": order, "api_requests.create": order,
        "capture.add_video": film, "takedown.send": film, "verify.check": film,
        "api_verify.check": film, "api_softbinding.by_content": film,
    }  # fmt: skip


def watch(app: Flask) -> None:
    """Give large bodies their turn. To be called when the guard is in place, and before anything
    that reads a form."""
    app.extensions[_TURNS] = {
        True: threading.BoundedSemaphore(TURNS), False: threading.BoundedSemaphore(STRANGERS)
    }  # fmt: skip
    app.before_request(_enter)
    app.teardown_request(_leave)


def _enter() -> None:
    if request.method != "POST" or request.endpoint not in current_app.config["UPLOADS"]:
        return
    known = _leads_somewhere() or g.get("account") is not None
    length = request.content_length
    if length is not None and length <= SMALL:
        return
    turn = current_app.extensions[_TURNS][known]
    if not turn.acquire(blocking=False):
        because("busy")
        raise ServiceUnavailable(retry_after=LATER)
    setattr(g, _TURN, turn)


def _leads_somewhere() -> bool:
    """Is there a link that stands? Raises LinkError for one that does not."""
    given, s = request.view_args or {}, services()
    if "link" in given:
        s.consents.invitation(given["link"])
    elif "receipt" in given:
        s.consents.mine(given["receipt"])
    elif "reference" in given:
        s.opt_outs.status(given["reference"])
    else:
        return False
    return True


def _leave(_error: BaseException | None) -> None:
    turn = g.pop(_TURN, None)
    if turn is not None:
        turn.release()
