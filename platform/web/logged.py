"""Logged: no answer leaves this app before the log holds that it was asked for.

A WSGI wrapper round the whole app, so that it sees what Flask itself answers too: unknown paths,
malformed bodies, bodies that are too large, failed sign-ins, crashes. It holds the status line
back, appends one `http.request` entry, and only then lets the status and the body go. When the
entry cannot be written it answers 503 with nothing else. What is no HTTP at all never gets here:
the server in front of this app answers that with 400, unlogged.

What is written: method, path, status, who (when known), the rules broken, and the client's address
as a keyed daily hash. Never a query string, and never a path segment that is itself a secret (the
consent links and receipt tokens): there the route's pattern stands instead.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Flask, request

from primafacie.platform.accounts import Account
from primafacie.platform.wiring import Services

SECRET_ARGUMENTS: Final = frozenset({"link", "receipt", "manifest", "reference"})
SECRET_PREFIXES: Final = ("/join/", "/c/", "/me/", "/takedown/", "/never-me/")
_SECRETS: Final = re.compile("|".join(SECRET_PREFIXES), re.IGNORECASE)
_NAMES: Final = re.compile(r"[0-9a-fA-F]{14,}|[^/@]+@[^/@]+")
_NOTE: Final = "primafacie.note"
_UNAVAILABLE: Final = b"The log cannot be written, so nothing is answered. Try again later.\n"
_BROKEN: Final = b"Something is broken here, and the page that would say so is too.\n"
_BARE: Final = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
]
_LOG: Final = logging.getLogger(__name__)


class Logged:
    """WSGI: `app`, with each answer logged through `services.note_http` before it leaves."""

    def __init__(self, app: Callable[..., Iterable[bytes]], services: Services) -> None:
        self._app = app
        self._services = services

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        held: list[tuple[str, Any]] = []

        def hold(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
            held[:] = [(status, headers)]
            return _no_write

        try:
            body = self._app(environ, hold)
        except Exception:  # the page that tells of a failure failed too
            _LOG.exception("no page could be made")
            held[:], body = [("500 Internal Server Error", _BARE)], [_BROKEN]
        try:
            self._note(environ, held[0][0])
        except Exception:  # whatever the cause: unlogged means unanswered
            getattr(body, "close", lambda: None)()
            held[:], body = [("503 Service Unavailable", _BARE)], [_UNAVAILABLE]
        start_response(*held[0])
        return body

    def _note(self, environ: dict[str, Any], status: str) -> None:
        note = environ.get(_NOTE, {})
        self._services.note_http(
            str(environ.get("REQUEST_METHOD", ""))[:16],
            note.get("path") or _safe_path(str(environ.get("PATH_INFO", ""))),
            int(status[:3]),
            actor=note.get("account"),
            why=tuple(note.get("why", ())),
            source=str(environ.get("REMOTE_ADDR", "")),
        )


def watch(app: Flask) -> None:
    """Leave for the entry what only the app knows: the route, and later who asked and why not.

    To be called before any other hook is registered, so that it also sees what those refuse.
    """

    @app.before_request
    def path() -> None:
        request.environ[_NOTE] = {"path": _path()}


def acts_for(account: Account | None) -> None:
    """Say in this request's log entry whose request it is."""
    request.environ.setdefault(_NOTE, {})["account"] = account


def because(*rules: str) -> None:
    """Say in this request's log entry which rules it broke."""
    note = request.environ.setdefault(_NOTE, {})
    note["why"] = (*note.get("why", ()), *rules)


def _path() -> str:
    secret = SECRET_ARGUMENTS & set(request.view_args or {})
    if secret and request.url_rule is not None:
        return request.url_rule.rule
    return _safe_path(request.path)


def _safe_path(path: str) -> str:
    """The path, cut where a secret could stand and after 200 characters. Ids, addresses and digests
    are left out: an entry is kept for ever, and the digest of a photo would name it to whoever has
    it.
    """
    if secret := _SECRETS.search(path):  # wherever it stands: links are mistyped too
        path = path[: secret.start()] + secret[0].lower() + "…"
    plain = "".join(c if c.isprintable() else "?" for c in path)
    return _NAMES.sub("…", plain)[:200]


def _no_write(_data: bytes) -> object:
    raise RuntimeError("answers are returned, not written")
