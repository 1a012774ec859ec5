"""Passkey: what passes between a page and the browser's keys. static/passkey.js is the other half.

The challenge lies in the session meanwhile, so that an answer counts in the browser that asked.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from flask import Response, request, session

from primafacie.platform.errors import SignInError
from primafacie.platform.passkeys import Asked

_ASKED: Final = "asked"


def ask(asked: Asked) -> Response:
    """The options as JSON."""
    session[_ASKED] = urlsafe_b64encode(asked.challenge).decode()
    return Response(asked.options, content_type="application/json")


def answered() -> tuple[str, bytes]:
    """(the browser's answer, the challenge this browser was asked). Raises SignInError."""
    challenge = session.pop(_ASKED, "")
    if not isinstance(challenge, str) or not challenge:
        raise SignInError("this browser was asked nothing, or answered already; try again")
    return request.form.get("answer", "")[:20_000], urlsafe_b64decode(challenge)
