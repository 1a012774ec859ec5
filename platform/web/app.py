"""The web console and the JSON API as one Flask app: `create_app(services)`.

What every answer carries is decided here and nowhere else: a strict Content-Security-Policy with a
fresh nonce and Trusted Types, no sniffing, no referrer, no framing, no caching of what is personal;
an anti-forgery token on every form; an entry in the log before the answer leaves (logged.py); and
a declared role on every route (access.py).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, Final

from apiflask import APIFlask
from flask import Flask, Response, g, render_template, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException

from primafacie.generator.errors import GeneratorError
from primafacie.platform.errors import PlatformError
from primafacie.platform.web import access, problem, words
from primafacie.platform.web.api import all_blueprints as api_blueprints
from primafacie.platform.web.logged import Logged, because, watch
from primafacie.platform.web.screens import all_blueprints as screen_blueprints
from primafacie.platform.wiring import Services
from primafacie.safeguards.errors import SafeguardError

API_PREFIX: Final = "/api/"
POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types htmx"
)
#: Uploaded pictures, sealed videos and exports are shown or saved, never run.
SANDBOX: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
_FORM_SLACK: Final = 256 * 1024  # what the fields of a form may weigh beside its files


def create_app(services: Services) -> Flask:
    """The app over `services`. Raises AccessUndeclared when a route names nobody who may call it."""
    app = APIFlask(
        __name__, title="Prima Facie", version="1", json_errors=False, docs_path=None,
        spec_path=None, static_folder="static", static_url_path="/static",
    )  # fmt: skip
    _configure(app, services)
    watch(app)
    CSRFProtect(app)
    words.register(app)
    for blueprint in screen_blueprints():
        app.register_blueprint(blueprint)
    for blueprint in api_blueprints():
        app.extensions["csrf"].exempt(blueprint)
        app.register_blueprint(blueprint)
    access.public("style, scripts and icons: the same bytes for everybody")(
        app.view_functions["static"]
    )
    access.seal(app)
    _register_errors(app)
    app.after_request(_headers)
    app.wsgi_app = Logged(app.wsgi_app, services)  # type: ignore[method-assign]
    return app


def _configure(app: APIFlask, services: Services) -> None:
    settings = services.settings
    app.extensions["primafacie"] = services
    app.config.update(
        SECRET_KEY=services.keys.session_secret,
        SESSION_COOKIE_NAME="pf_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https:"),
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        MAX_CONTENT_LENGTH=settings.max_video_bytes + _FORM_SLACK,
        MAX_FORM_MEMORY_SIZE=_FORM_SLACK,
        MAX_FORM_PARTS=200,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        WTF_CSRF_SSL_STRICT=False,  # no referrer is sent, by our own policy
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),
        OPENAPI_VERSION="3.1.0",
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def _headers(response: Response) -> Response:
    """What every answer carries; a view may have set a stricter Content-Security-Policy itself."""
    fixed = {
        "Content-Security-Policy": POLICY.format(nonce=nonce()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=()",
    }
    for name, value in fixed.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.add("Vary", "Cookie")
    return response


def nonce() -> str:
    """This answer's nonce, made when first asked for (a hook that refuses may come first)."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def _register_errors(app: Flask) -> None:
    for family in (PlatformError, SafeguardError, GeneratorError):
        app.register_error_handler(family, _known)
    app.register_error_handler(CSRFError, _forged)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _crash)


def _known(error: Exception) -> Any:
    """An error our own code raised: its text is fit to be shown."""
    status = int(getattr(error, "status", 0)) or (400 if isinstance(error, GeneratorError) else 409)
    because(type(error).__name__)
    return _answer(status, str(error))


def _forged(_error: CSRFError) -> Any:
    because("csrf")
    return _answer(400, "This form was open for too long or came from elsewhere. Load it again.")


def _http(error: HTTPException) -> Any:
    if error.code is not None and 300 <= error.code < 400:
        return error
    return _answer(error.code or 500, words.STATUS.get(error.code or 500, error.description or ""))


def _crash(error: Exception) -> Any:
    """A fault of ours: told to the operator's log, not to the visitor."""
    from flask import current_app

    current_app.logger.error("unhandled: %s", type(error).__name__, exc_info=error)
    because("crash")
    return _answer(500, words.STATUS[500])


def _answer(status: int, text: str) -> Any:
    if request.path.startswith(API_PREFIX):
        return problem.answer(status, text)
    if "HX-Request" in request.headers:
        return render_template("fragments/error.html", status=status, text=text), status
    return render_template("error.html", status=status, text=text), status
