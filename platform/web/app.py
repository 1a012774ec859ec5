"""The web console and the JSON API as one Flask app: `create_app(services)`.

What every answer carries is decided here and nowhere else: a strict Content-Security-Policy with a
fresh nonce and Trusted Types, no sniffing, no referrer, no framing, no caching of what is personal;
an anti-forgery token on every form; an entry in the log before the answer leaves (logged.py); and
a declared role on every route (access.py).
"""

from __future__ import annotations

import io
from datetime import timedelta
from typing import IO, Any, Final

from apiflask import APIFlask
from flask import Flask, Request, current_app, make_response, render_template
from flask import request as flask_request
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from primafacie.generator.errors import GeneratorError
from primafacie.platform.errors import PlatformError
from primafacie.platform.web import access, headers, problem, uploads, words
from primafacie.platform.web.api import assets as api_assets
from primafacie.platform.web.api import consents as api_consents
from primafacie.platform.web.api import health as api_health
from primafacie.platform.web.api import log as api_log
from primafacie.platform.web.api import requests as api_requests
from primafacie.platform.web.api import softbinding as api_softbinding
from primafacie.platform.web.api import spec as api_spec
from primafacie.platform.web.api import verify as api_verify
from primafacie.platform.web.logged import Logged, because, watch
from primafacie.platform.web.screens import (
    account,
    appeals,
    approvals,
    audit,
    capture,
    consents,
    home,
    integrity,
    jobs,
    join,
    likeness,
    matches,
    never_me,
    people,
    policies,
    projects,
    request,
    rights,
    signin,
    takedown,
    verify,
)
from primafacie.platform.wiring import Services
from primafacie.safeguards.errors import SafeguardError

SCREENS: Final = (
    signin, home, request, jobs, projects, approvals, consents, capture, likeness, people, account,
    audit, integrity, join, verify, policies, takedown, never_me, rights, appeals,
    matches,
)  # fmt: skip
RESOURCES: Final = (
    api_requests, api_consents, api_log, api_verify, api_assets, api_health, api_spec,
    api_softbinding,
)  # fmt: skip
API_PREFIX: Final = "/api/"
_FORM_SLACK: Final = 256 * 1024  # what the fields of a form may weigh beside its files


class Asked(Request):
    """A request whose files stay in memory, where nobody finds them later, and whose body is as
    small as its route allows."""

    @property  # type: ignore[misc]  # nothing may set it
    def max_content_length(self) -> int:  # type: ignore[override]
        """Bytes of the whole body."""
        most: int = current_app.config["UPLOADS"].get(self.endpoint, 0)
        return most + _FORM_SLACK

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return io.BytesIO()  # werkzeug's own goes to the disk, in clear, beyond half a megabyte


def create_app(services: Services) -> Flask:
    """The app over `services`. Raises AccessUndeclared when a route says not who may call it."""
    app = APIFlask(
        __name__, title="Prima Facie", version="1", json_errors=False, docs_path=None,
        spec_path=None, static_folder="static", static_url_path="/static",
    )  # fmt: skip
    app.request_class = Asked
    _configure(app, services)
    watch(app)
    csrf = CSRFProtect()
    words.register(app)
    for screen in SCREENS:
        app.register_blueprint(screen.blueprint)
    for resource in RESOURCES:
        csrf.exempt(resource.blueprint)
        app.register_blueprint(resource.blueprint)
    access.public("style, scripts and icons: the same bytes for everybody")(
        app.view_functions["static"]
    )
    access.seal(app)
    uploads.watch(app)
    csrf.init_app(app)  # reads the form: after those who say whether it is read at all
    _register_errors(app)
    app.after_request(headers.carry)
    app.wsgi_app = _behind(Logged(app.wsgi_app, services), services.settings.proxies)
    return app


def _behind(app: Any, proxies: int) -> Any:
    """The app as it is behind so many trusted proxies: whoever calls is whom they name. Outermost,
    so that the log and every limit see the same address."""
    return ProxyFix(app, x_for=proxies, x_proto=proxies) if proxies else app


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
        UPLOADS=uploads.limits(settings),
        MAX_FORM_MEMORY_SIZE=_FORM_SLACK,
        MAX_FORM_PARTS=200,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        WTF_CSRF_SSL_STRICT=False,  # no referrer is sent, by our own policy
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),
        OPENAPI_VERSION="3.1.0",
        AUTO_404_RESPONSE=False,  # every operation says itself what it answers
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


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
    code = error.code or 500
    answer = make_response(_answer(code, words.STATUS.get(code, error.description or "")))
    if getattr(error, "retry_after", None):
        answer.headers["Retry-After"] = str(error.retry_after)  # type: ignore[attr-defined]
    return answer


def _crash(error: Exception) -> Any:
    """A fault of ours: told to the operator's log, not to the visitor."""
    current_app.logger.error("unhandled: %s", type(error).__name__, exc_info=error)
    because("crash")
    return _answer(500, words.STATUS[500])


def _answer(status: int, text: str) -> Any:
    if flask_request.path.startswith(API_PREFIX):
        return problem.answer(status, text)
    if "HX-Request" in flask_request.headers:
        return render_template("fragments/error.html", status=status, text=text), status
    return render_template("error.html", status=status, text=text), status
