"""Problem: errors of the JSON API as problem details (RFC 9457), with every reason of a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from flask import Response

from primafacie.safeguards.decision import Reason

MEDIA_TYPE = "application/problem+json"


def answer(status: int, detail: str, reasons: Iterable[Reason] = (), **more: Any) -> Response:
    """A problem document as a response. `reasons` are given as rule and sentence."""
    body: dict[str, Any] = {"type": "about:blank", "title": _title(status), "status": status,
                            "detail": detail, **more}  # fmt: skip
    told = [{"rule": r.rule, "sentence": r.sentence} for r in reasons]
    if told:
        body["reasons"] = told
    response = Response(json.dumps(body, ensure_ascii=False), status, content_type=MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="primafacie"'
    return response


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
