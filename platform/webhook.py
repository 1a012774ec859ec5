"""Webhook: one signed message to an address that a subject named.

The address is somebody's outside: https, port 443, and every address its name leads to is a public
one, looked up once and connected to as looked up, so that no name can change its mind in between.
Nothing is followed, of the answer only its first line is read, and the whole exchange has one
deadline, however slowly the other side drips.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import io
import ipaddress
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from primafacie.platform.errors import InputError, UnavailableError

SIGNATURE: Final = "X-Primafacie-Signature"
DEADLINE: Final = 10.0  # seconds for the whole exchange
LONGEST_LINE: Final = 1000
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z]){_LABEL}\Z")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r\n]")
#: For protocols and for relays that carry a message anywhere, though Python takes them for public.
_SPECIAL: Final = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24")))
Resolve = Callable[[str], Sequence[str]]


def check_address(url: str) -> SplitResult:
    """Return the address's parts if a message may ever go there; raise InputError otherwise."""
    parts = _parts(url)
    host = parts.hostname or ""
    if (
        parts.scheme != "https" or parts.port not in (None, 443) or parts.username
        or parts.password or not host or len(url) > 500 or not url.isascii()
        or not url.isprintable() or " " in url
    ):  # fmt: skip
        raise InputError("an address begins with https://, and has neither a port nor a password")
    if not _HOST.match(host) or host.endswith((".local", ".internal", ".localhost")):
        raise InputError("name a host that is known outside, not a number or an inner name")
    return parts


def public_address(host: str, resolve: Resolve | None = None) -> str:
    """One address of the host, if all of them are public. Raises UnavailableError otherwise."""
    try:
        found = list((resolve or _resolve)(host))
    except (OSError, UnicodeError) as error:  # the latter for a name no resolver can encode
        raise UnavailableError("the host has no address") from error
    if not found or not all(_is_public(text) for text in found):
        raise UnavailableError("the host leads to an address that is not public")
    return found[0]


def signed(secret: bytes, body: bytes) -> str:
    """`sha256=<hex>`: HMAC-SHA256 of the body under the secret the subject was shown."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def send(
    url: str, secret: bytes, message: Mapping[str, Any], resolve: Resolve | None = None
) -> None:
    """Send the message. Raises UnavailableError unless a 2xx comes back in time."""
    parts = check_address(url)
    host = parts.hostname or ""
    address = public_address(host, resolve)
    body = json.dumps(message, sort_keys=True, separators=(",", ":")).encode()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _Pinned(host, address)
    try:
        headers = {"Content-Type": "application/json", SIGNATURE: signed(secret, body)}
        connection.request("POST", path, body, headers)
        status = read_status(connection.sock, connection.deadline)
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError("the address does not answer") from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise UnavailableError(f"the address answers {status}")


def read_status(sock: socket.socket, deadline: float) -> int:
    """The status in an answer's first line. deadline: a moment of `time.monotonic()`.

    Raises TimeoutError when it has passed, HTTPException for what is no answer.
    """
    line = io.BufferedReader(_Until(sock, deadline)).readline(LONGEST_LINE)
    found = _STATUS.match(line)
    if found is None:
        raise http.client.BadStatusLine(repr(line[:80]))
    return int(found[1])


class _Until(io.RawIOBase):
    """Reads from a socket until a moment, however the bytes drip."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What has come."""
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


class _Pinned(http.client.HTTPSConnection):
    """TLS to an address that was checked; the certificate must still name the host."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(host, context=ssl.create_default_context())
        self._address = address
        self.deadline = time.monotonic() + DEADLINE

    def connect(self) -> None:
        """Connect to the checked address, whatever the name leads to by now."""
        plain = socket.create_connection((self._address, 443), _left(self.deadline))
        plain.settimeout(_left(self.deadline))  # of the whole handshake
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        self.sock.settimeout(_left(self.deadline))


def _left(deadline: float) -> float:
    """Seconds until then. Raises TimeoutError when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InputError("this is no address") from error
    return parts


def _resolve(host: str) -> list[str]:
    found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return all(
        one.is_global
        and not one.is_multicast
        and not one.is_reserved
        and not getattr(one, "is_site_local", False)
        and not any(one in special for special in _SPECIAL)
        for one in (address, inner or address)
    )
