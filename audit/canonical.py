"""One text for one value: canonical JSON, base64 and decimals.

A value that has two spellings can be signed in one and read in the other. So what is written here
has exactly one spelling, and what is read is written again and compared, which also ends duplicate
keys, odd spacing and escaped characters. The JSON is the subset of RFC 8785 without floats and with
ASCII keys, for which Python's sorted output is the canonical one.

Integers beyond 2**53 are written as they are: a reader in a language whose numbers are doubles
must read them exactly.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence

from primafacie.audit.errors import CanonicalError

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]

MAX_INT = 2**63 - 1
MAX_DEPTH = 16

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,18})\Z", re.ASCII)


def encode(value: Json) -> bytes:
    """The canonical JSON of `value`, UTF-8.

    Raises CanonicalError for floats, integers beyond 63 bits, keys that are not ASCII text, lone
    surrogates, other types, and nesting deeper than 16.
    """
    _check(value, MAX_DEPTH)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CanonicalError("the text holds half a character") from error


def decode(data: bytes) -> Json:
    """The value whose canonical JSON is exactly `data`; CanonicalError for any other bytes."""
    value = parse(data)
    if encode(value) != data:
        raise CanonicalError("this JSON is not in its canonical form")
    return value


def parse(data: bytes) -> Json:
    """The value that `data` spells in any form: only for a caller that writes it again to compare.

    Raises CanonicalError for what is not JSON at all.
    """
    try:
        value: Json = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise CanonicalError("this is not JSON") from error
    return value


def decode_object(data: bytes) -> dict[str, Json]:
    """As `decode`, for bytes that must be a JSON object."""
    value = decode(data)
    if not isinstance(value, dict):
        raise CanonicalError("this is not a JSON object")
    return value


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding, RFC 4648 section 4."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """The bytes whose standard base64 is exactly `text`; CanonicalError otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CanonicalError("this is not base64") from error
    if encode_base64(data) != text:
        raise CanonicalError("this base64 is not in its canonical form")
    return data


def decode_decimal(text: str) -> int:
    """The integer 0 … 2**63-1 that `text` spells without sign, spaces or leading zeros."""
    if not _DECIMAL.match(text) or int(text) > MAX_INT:
        raise CanonicalError("this is not a plain decimal number")
    return int(text)


def _check(value: object, depth: int) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if depth < 0:
        raise CanonicalError("the value is nested too deeply")
    if isinstance(value, int):
        if abs(value) > MAX_INT:
            raise CanonicalError("the number does not fit in 63 bits")
    elif isinstance(value, dict):
        _check_keys(value)
        for item in value.values():
            _check(item, depth - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth - 1)
    else:
        raise CanonicalError(f"a {type(value).__name__} has no canonical form")


def _check_keys(value: dict[object, object]) -> None:
    for key in value:
        if not isinstance(key, str) or not key.isascii():
            raise CanonicalError("keys must be ASCII text")
