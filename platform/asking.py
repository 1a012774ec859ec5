"""Asking: one question to a server that the operator, or a certificate of ours, named.

Nothing is followed, and neither a long answer nor one that drips keeps anybody waiting. Addresses
that strangers name are asked by `webhook.py` alone, which guards more.
"""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit


def post(
    url: str, body: bytes, content_type: str, *, deadline: float, longest: int
) -> tuple[int, bytes]:
    """(status, answer) of one POST to the path of `url`. deadline: seconds for a whole answer.
    longest: bytes of it.

    Raises OSError, which a TimeoutError is, or http.client.HTTPException.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    over = time.monotonic() + deadline
    connection = kind(parts.netloc, timeout=deadline)
    try:
        connection.request("POST", parts.path or "/", body, {"Content-Type": content_type})
        reply = connection.getresponse()
        got = b""
        while part := reply.read1(longest):
            got += part
            if len(got) > longest or time.monotonic() > over:
                raise TimeoutError("too long an answer")
        return reply.status, got
    finally:
        connection.close()
