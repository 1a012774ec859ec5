"""Fields: reading form fields strictly. Anything unreadable raises InputError naming the field."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from flask import request

from primafacie.platform.errors import InputError, TooLargeError


def text(name: str, label: str, *, most: int = 200, least: int = 1) -> str:
    """A trimmed text of `least` to `most` characters."""
    value = request.form.get(name, "").strip()
    if len(value) < least:
        raise InputError(f"{label}: please fill this in.")
    if len(value) > most:
        raise InputError(f"{label}: at most {most} characters.")
    return value


def whole(name: str, label: str, least: int, most: int, default: int | None = None) -> int:
    """A whole number within limits."""
    raw = request.form.get(name, "").strip()
    if not raw and default is not None:
        return default
    try:
        value = int(raw)
    except ValueError as error:
        raise InputError(f"{label}: a whole number, please.") from error
    if not least <= value <= most:
        raise InputError(f"{label}: between {least} and {most}.")
    return value


def encoded(name: str, label: str, length: int | None = None) -> bytes:
    """Bytes that came as base64, `length` of them where that is known."""
    try:
        data = base64.b64decode(request.form.get(name, ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{label}: unreadable.") from error
    if not data or (length is not None and len(data) != length):
        raise InputError(f"{label}: unreadable.")
    return data


def decimal(name: str, label: str, default: float) -> float:
    """A finite number; its range is checked by what it is for."""
    raw = request.form.get(name, "").strip()
    try:
        value = float(raw) if raw else default
    except ValueError as error:
        raise InputError(f"{label}: a number, please.") from error
    if value != value or value in (float("inf"), float("-inf")):
        raise InputError(f"{label}: a number, please.")
    return value


def one_of(name: str, label: str, allowed: Iterable[str], default: str = "") -> str:
    """One of a closed list."""
    value = request.form.get(name, default)
    if value not in set(allowed):
        raise InputError(f"{label}: choose one of the list.")
    return value


def some_of(name: str, label: str, allowed: Iterable[str], *, least: int = 0) -> tuple[str, ...]:
    """Ticked boxes of a closed list, at least `least` of them."""
    values, known = tuple(dict.fromkeys(request.form.getlist(name))), set(allowed)
    if not set(values) <= known:
        raise InputError(f"{label}: choose from the list.")
    if len(values) < least:
        raise InputError(f"{label}: tick at least one.")
    return values


def day(name: str, label: str) -> datetime:
    """A day, as its midnight UTC."""
    try:
        return datetime.combine(date.fromisoformat(request.form.get(name, "")), time(), UTC)
    except ValueError as error:
        raise InputError(f"{label}: a date, please.") from error


def ticked(name: str) -> bool:
    """Was the box ticked?"""
    return request.form.get(name) in ("1", "on", "true")


def upload(name: str, label: str, most: int) -> bytes:
    """The uploaded file's bytes, 1 to `most` of them."""
    given = request.files.get(name)
    data = given.stream.read(most + 1) if given is not None else b""
    if not data:
        raise InputError(f"{label}: choose a file.")
    if len(data) > most:
        raise TooLargeError(f"{label}: at most {most // 1_000_000} MB.")
    return data
