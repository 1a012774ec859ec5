"""What auditors ask, and how a question that cannot be understood is answered."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primafacie.audit.entry import Kind, Outcome, to_millis
from primafacie.audit.errors import QueryError
from primafacie.audit.query import Term, days, facets, parse_query, search


@pytest.fixture
def full(room: Any) -> Any:
    """Eleven leaves of two requests and two days."""
    room.released("r-alpha", subject="sam", actor="ann")
    room.clock.now += timedelta(days=1)
    room.refused("r-beta", subject="tom", actor="bob")
    room.append(Kind.HTTP_REQUEST, "h1", facts=(("path", "/library"), ("status", 404)))
    room.append(Kind.CONSENT_WITHDRAWN, "c1", subject="sam", actor="sam", why=("Changed Mind",))
    return room


def found(room: Any, text: str, **rest: Any) -> list[int]:
    return [row.seq for row in room.read(lambda tx: search(tx, room.log, text, **rest)).rows]


@pytest.mark.parametrize(
    ("text", "seqs"),
    [
        ("", [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("kind:output.released", [5]),
        ("kind:output.released,decision.refused", [8, 5]),
        ("kind:consent.*", [10]),
        ("-kind:http.request -kind:consent.*", [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("rid:r-beta", [8, 7, 6]),
        ("out:deny", [8, 7]),
        ("actor:ann", [5, 4, 2, 1, 0]),
        ("subject:sam", [10, 5, 4, 2, 1, 0]),
        ("actor:sam", [10]),
        ("-subject:sam", [9, 8, 7, 6, 3]),
        ("subject:nobody", []),
        ("subject:sam,tom kind:decision.generate", [7, 1]),
        ("why:quota", [8, 7]),
        ('why:"Changed Mind"', [10]),
        ("-why:quota rid:r-beta", [6]),
        ("asset:7881299347898368", [5]),
        ("asset:7", []),
        ("path:/lib*", [9]),
        ("status:404", [9]),
        ("library", [9]),
        ("LIBRARY", [9]),
        ('"changed mind"', [10]),
        ("100%", []),
        ("_", [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("at:2026-11-24", [5, 4, 3, 2, 1, 0]),
        ("at:>2026-11-24", [10, 9, 8, 7, 6]),
        ("at:>=2026-11-25 out:deny", [8, 7]),
        ("at:<2026-11-25", [5, 4, 3, 2, 1, 0]),
        ("-at:<=2026-11-24", [10, 9, 8, 7, 6]),
        ("at:2026-11-24..2026-11-25 kind:request.received", [6, 0]),
        ("at:>=2026-11-25T21:00:00Z rid:r-beta", [8, 7, 6]),
    ],
)
def test_a_question_finds_exactly_these_leaves(full: Any, text: str, seqs: list[int]) -> None:
    if text == "_":
        seqs = []
    assert found(full, text) == seqs


def test_a_pseudonym_can_be_asked_for_as_it_stands(full: Any) -> None:
    leaf = full.read(lambda tx: full.log.leaf(tx, 0))
    assert found(full, f"subject:{leaf.subject}") == [10, 5, 4, 2, 1, 0]
    assert found(full, f"actor:{leaf.subject}") == []


def test_pages_meet_without_gap_or_double_while_the_log_grows(full: Any) -> None:
    seqs, before, size = [], None, None
    while True:
        page = full.read(
            lambda tx, b=before, s=size: search(tx, full.log, "", before=b, limit=4, size=s)
        )
        seqs += [row.seq for row in page.rows]
        before, size = page.before, page.size
        full.append()
        if before is None:
            break
    assert seqs == list(range(10, -1, -1)) and size == 11


def test_the_view_of_an_earlier_size_can_be_had_again(full: Any) -> None:
    assert found(full, "", size=3) == [2, 1, 0]
    assert found(full, "", size=99) == found(full, "")


@pytest.mark.parametrize("limit", [0, 501])
def test_a_page_has_bounds(full: Any, limit: int) -> None:
    with pytest.raises(QueryError):
        found(full, "", limit=limit)


def test_facets_count_what_the_question_finds(full: Any) -> None:
    counts = full.read(
        lambda tx: facets(tx, full.log, "out:deny,allow", names=("out", "why", "kind"))
    )
    assert counts["out"] == (("allow", 2), ("deny", 2))
    assert counts["why"] == (("quota", 2), ("base", 1))
    assert ("decision.generate", 2) in counts["kind"]
    by_reason = full.read(lambda tx: facets(tx, full.log, "why:quota -why:base"))
    assert by_reason["why"] == (("quota", 2),) and by_reason["project"] == ()
    with pytest.raises(QueryError):
        full.read(lambda tx: facets(tx, full.log, "", names=("body",)))


def test_days_count_what_the_question_finds(full: Any) -> None:
    assert full.read(lambda tx: days(tx, full.log, "-kind:http.request")) == (
        (date(2026, 11, 24), 6),
        (date(2026, 11, 25), 4),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("knd:http.request", "Did you mean kind:?"),
        ("http://x", "There is no http: to search by."),
        ("kind:output.relesed", "Did you mean output.released?"),
        ("out:maybe", "No entry is of out maybe."),
        ("at:yesterday", "write 2026-11-01"),
        ("at:>=2026-13-01", "is no time"),
        ("at:..", "nothing is no time"),
        ("-at:2026-11-01", "cannot be negated"),
        ("-at:2026-11-01..2026-11-02", "cannot be negated"),
        ('why:"open', "an open quote?"),
        ('"', "an open quote?"),
        ("kind:", "Say what to look for after kind:"),
        ('kind:""', "Say what to look for after kind:"),
        ("kind:,", "Say what to look for after kind:"),
        ("kind:*", "beginning"),
        ("subject:sa*", "cannot be searched by a beginning"),
        ("a " * 33, "at most 32"),
        ("a" * 1001, "at most 1000"),
    ],
)
def test_a_question_that_cannot_be_understood_is_answered_in_a_sentence(
    text: str, sentence: str
) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


def test_terms_are_read_as_they_are_meant() -> None:
    start = to_millis(datetime(2026, 11, 1, tzinfo=UTC))
    assert parse_query('-kind:http.request at:<2026-11-01 "a b" C') == (
        Term("kind", "is", ("http.request",), True),
        Term("at", "<", (start,)),
        Term("text", "has", ("a b",)),
        Term("text", "has", ("c",)),
    )


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60)
    | st.from_regex(r'(-?[a-z]{2,6}:)?["a-z0-9,.*<>=: -]{0,30}', fullmatch=True)
)
def test_any_text_is_a_question_or_a_query_error(text: str) -> None:
    with contextlib.suppress(QueryError):
        parse_query(text)


@pytest.mark.parametrize("text", ["'; DROP TABLE log_leaf; --", "rid:' OR '1'='1", "path:%* x"])
def test_a_question_is_never_sql(full: Any, text: str) -> None:
    found(full, text)
    assert len(found(full, "")) == 11
    assert Outcome.DENY in {row.out for row in full.read(lambda tx: search(tx, full.log, "")).rows}
