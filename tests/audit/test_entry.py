"""What may be written, and how it stands in the log for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primafacie.audit.entry import (
    MAX_LEAF_BYTES,
    TERMINAL,
    Kind,
    Leaf,
    LogEntry,
    Outcome,
    format_time,
    from_millis,
    parse_time,
    read_leaf,
    to_millis,
)
from primafacie.audit.errors import AuditError, EntryError

AT = datetime(2026, 11, 24, 21, 35, 0, 123456, tzinfo=UTC)


def leaf(**rest: Any) -> Leaf:
    base: dict[str, Any] = {
        "log": "log.example/primafacie",
        "index": 5,
        "at": datetime(2026, 11, 24, 21, 35, 0, 123000, tzinfo=UTC),
        "kind": Kind.OUTPUT_RELEASED,
        "rid": "0" * 32,
        "actor": "a" * 32,
        "subject": "b" * 32,
        "out": Outcome.OK,
        "why": ("rule_1", "rule_2"),
        "facts": (("asset", 2**55 + 1), ("policy", "c" * 64)),
        "commitment": "d" * 64,
    }
    return Leaf(**{**base, **rest})


def test_a_leaf_is_written_exactly_so() -> None:
    assert leaf().encode() == (
        b'{"actor":"' + b"a" * 32 + b'","e":"output.released","facts":{"asset":36028797018963969,'
        b'"policy":"'
        + b"c" * 64
        + b'"},"log":"log.example/primafacie","n":5,"out":"ok","pc":"'
        + b"d" * 64
        + b'","rid":"'
        + b"0" * 32
        + b'","subj":"'
        + b"b" * 32
        + b'","t":"2026-11-24T21:35:00.123Z","v":1,"why":["rule_1","rule_2"]}'
    )


@pytest.mark.parametrize("told", [None, datetime(2026, 11, 24, 21, tzinfo=UTC)])
def test_a_leaf_reads_back_the_same(told: datetime | None) -> None:
    assert read_leaf(leaf(told=told).encode()) == leaf(told=told)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(leaf().encode()) * 8 - 1))
def test_a_flipped_bit_gives_another_leaf_or_none(bit: int) -> None:
    data = bytearray(leaf().encode())
    data[bit // 8] ^= 1 << (bit % 8)
    try:
        other = read_leaf(bytes(data))
    except EntryError:
        return
    assert other != leaf() and other.encode() == bytes(data)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_foreign_bytes_raise_nothing_but_entry_errors(data: bytes) -> None:
    with pytest.raises(EntryError):
        read_leaf(data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":true'),
        (b'"n":5', b'"n":-5'),
        (b'"n":5', b'"n":true'),
        (b'"n":5', b'"n":"5"'),
        (b"output.released", b"output.unknown"),
        (b'"out":"ok"', b'"out":"fine"'),
        (b'"why":["rule_1","rule_2"]', b'"why":["rule_1",2]'),
        (b'"why":["rule_1","rule_2"]', b'"why":"rule_1"'),
        (b'"rid":"' + b"0" * 32, b'"rid":"'),
        (b"2026-11-24T21:35:00.123Z", b"2026-11-24T21:35:00.123+"),
        (b"2026-11-24T21:35:00.123Z", b"2026-11-31T21:35:00.123Z"),
        (b'"actor":"a', b'"actor":"A'),
        (b'"v":1,', b'"v":1,"w":1,'),
        (b'"asset":36028797018963969', b'"asset":[1]'),
        (b'"asset":36028797018963969', b'"Asset":1'),
    ],
)
def test_a_leaf_with_an_unknown_value_is_refused(old: bytes, new: bytes) -> None:
    data = leaf().encode()
    assert old in data
    with pytest.raises(EntryError):
        read_leaf(data.replace(old, new))


def test_a_leaf_never_exceeds_4096_bytes() -> None:
    room = MAX_LEAF_BYTES - len(leaf(why=("",)).encode())
    assert len(leaf(why=("x" * room,)).encode()) == MAX_LEAF_BYTES
    with pytest.raises(EntryError, match="4097"):
        leaf(why=("x" * (room + 1),)).encode()
    with pytest.raises(EntryError):
        read_leaf(b"x" * 5000)


@pytest.mark.parametrize(
    "rest",
    [
        {"rid": ""},
        {"rid": "a b"},
        {"rid": "x" * 65},
        {"rid": "r\n"},
        {"at": datetime(2026, 1, 1)},
        {"facts": (("Name", 1),)},
        {"facts": (("a", 1), ("a", 2))},
        {"facts": (("a", 1.5),)},
        {"facts": (("a", None),)},
        {"why": ("",)},
        {"why": (3,)},
        {"kind": "http.request"},
        {"out": "ok"},
    ],
)
def test_an_entry_that_cannot_be_written_is_refused_at_once(rest: dict[str, Any]) -> None:
    base: dict[str, Any] = {"kind": Kind.HTTP_REQUEST, "rid": "r", "at": AT}
    with pytest.raises(EntryError):
        LogEntry(**{**base, **rest})


def test_six_kinds_end_a_request() -> None:
    assert {kind.value for kind in TERMINAL} == {
        "decision.refused",
        "output.released",
        "output.withheld",
        "request.failed",
        "request.aborted",
        "request.cancelled",
    }


def test_times_keep_milliseconds_and_nothing_below() -> None:
    assert format_time(AT) == "2026-11-24T21:35:00.123Z"
    east = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert format_time(east) == format_time(AT) and to_millis(east) == to_millis(AT)
    assert parse_time(format_time(AT)) == from_millis(to_millis(AT))


@given(st.integers(0, 4_102_444_800_000))
def test_every_millisecond_survives_text_and_number(millis: int) -> None:
    at = from_millis(millis)
    assert to_millis(at) == millis == to_millis(parse_time(format_time(at)))


def test_all_errors_of_the_log_are_one_family() -> None:
    from primafacie.audit import errors

    family = [e for e in vars(errors).values() if isinstance(e, type)]
    assert len(family) >= 15 and all(issubclass(e, AuditError) for e in family)
    assert all(f"── {e.__name__}" in (errors.__doc__ or "") for e in family if e is not AuditError)
