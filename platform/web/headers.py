"""Headers: what every answer carries. Decided here and nowhere else.

Scripts run only with the answer's own nonce, styles come only from this server, nothing may be
framed, sniffed or referred to, and the DOM's dangerous sinks take Trusted Types alone. Only the
page that checks files in the browser may also compile WebAssembly and start a worker.
"""

from __future__ import annotations

import secrets
from typing import Final

from flask import Response, current_app, g, request

POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'{wasm}; style-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types htmx{types}"
)
_CHECKER: Final = {"wasm": " 'wasm-unsafe-eval'", "types": " c2pa-worker; worker-src 'self' blob:"}
_PLAIN: Final = {"wasm": "", "types": ""}


def carry(response: Response) -> Response:
    """What every answer carries; a view may have set a stricter Content-Security-Policy itself."""
    fixed = {
        "Content-Security-Policy": POLICY.format(
            nonce=nonce(), **(_CHECKER if g.get("checks_files") else _PLAIN)
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=()",
    }
    for name, value in fixed.items():
        response.headers.setdefault(name, value)
    if current_app.config["SESSION_COOKIE_SECURE"]:  # the public address is https
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.add("Vary", "Cookie")
    return response


def checks_files() -> None:
    """This answer is the page that checks files in the browser."""
    g.checks_files = True


def nonce() -> str:
    """This answer's nonce, made when first asked for (a hook that refuses may come first)."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)
