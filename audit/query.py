"""What auditors ask: one line of text that picks leaves.

    kind:output.released,output.withheld project:p7 at:>=2026-11-01 -actor:u12 "look alike"

Words are joined by AND. `key:a,b` means a or b, `key:pre*` a beginning, a leading `-` means not,
quotes keep spaces together. Keys: actor, subject (plain ids; they are turned into pseudonyms before
anything is searched), rid, kind, out, why, at, and the facts of `INDEXED_FACTS`. Any other word is
looked for in the leaf's own words. Every page names the size of the log it was read at, so the same
page can be had again when the log has grown.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from primafacie.audit import store
from primafacie.audit.entry import INDEXED_FACTS, PSEUDONYM_CHARS, Kind, Outcome, to_millis
from primafacie.audit.errors import QueryError
from primafacie.audit.log import Log
from primafacie.audit.store import Filter, IndexRow, Tx

MAX_QUERY_CHARS = 1000
MAX_TERMS = 32
MAX_LIMIT = 500
FACETS = ("kind", "out", "why", "project")
KEYS = frozenset({"actor", "subject", "rid", "kind", "out", "why", "at"}) | INDEXED_FACTS

_TOKEN = re.compile(r'\s*(-?)(?:([A-Za-z_]+):)?(?:"([^"]*)"|([^\s"]+))(?=\s|\Z)')
_KEY_ALONE = re.compile(r"[A-Za-z_]+:\Z")
_ORDER = re.compile(r"(>=|<=|>|<)?(.*)\Z", re.DOTALL)
_PSEUDONYM = re.compile(rf"[0-9a-f]{{{PSEUDONYM_CHARS}}}\Z")
_NOBODY = "-"  # stands in no leaf: what an unknown person is searched as


@dataclass(frozen=True, slots=True)
class Term:
    """One condition as it was written: `op` is `is`, `prefix`, `has`, `>=`, `>`, `<=` or `<`.

    For `at` the values are milliseconds since 1970; for all else they are text.
    """

    key: str
    op: str
    values: tuple[str | int, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """The newest rows first. `before` asks for the next page; None on the last one.

    `size` is the size of the log that was searched: give it again for the same view.
    """

    rows: tuple[IndexRow, ...]
    before: int | None
    size: int


def parse_query(text: str) -> tuple[Term, ...]:
    """The conditions of a search text; none for an empty one.

    Raises QueryError, whose message is one sentence for the person who typed.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise QueryError(f"A search has at most {MAX_QUERY_CHARS} characters.")
    terms, place = list[Term](), 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise QueryError(f"This cannot be read: {text[place:].strip()[:40]} (an open quote?).")
        terms += _terms(match[1] == "-", match[2], match[3], match[4])
        place = match.end()
    if len(terms) > MAX_TERMS:
        raise QueryError(f"A search has at most {MAX_TERMS} conditions.")
    return tuple(terms)


def search(
    tx: Tx,
    log: Log,
    text: str,
    *,
    before: int | None = None,
    limit: int = 50,
    size: int | None = None,
) -> Page:
    """The newest leaves that meet `text`, at most `limit` (1 … 500), all below `before`.

    Raises QueryError. Who searches leaves a `log.read` entry: that is the caller's to write.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise QueryError(f"A page has 1 to {MAX_LIMIT} rows.")
    size = _size(tx, log, size)
    filters = _filters(tx, log, parse_query(text))
    rows = store.search(tx, filters, size=size, before=before, limit=limit + 1)
    more = len(rows) > limit
    return Page(tuple(rows[:limit]), rows[limit - 1].seq if more else None, size)


def facets(
    tx: Tx,
    log: Log,
    text: str,
    *,
    names: Iterable[str] = FACETS,
    size: int | None = None,
    limit: int = 20,
) -> dict[str, tuple[tuple[str, int], ...]]:
    """For each name the most frequent values among the leaves that meet `text`, with counts."""
    size = _size(tx, log, size)
    filters = _filters(tx, log, parse_query(text))
    return {
        name: tuple(store.count_by(tx, _key(name), filters, size=size, limit=limit))
        for name in names
    }


def days(tx: Tx, log: Log, text: str, *, size: int | None = None) -> tuple[tuple[date, int], ...]:
    """How many leaves meet `text` on each UTC day that has any, oldest first."""
    size = _size(tx, log, size)
    filters = _filters(tx, log, parse_query(text))
    first = date(1970, 1, 1)
    return tuple(
        (first + timedelta(days=day), many)
        for day, many in store.count_by_day(tx, filters, size=size)
    )


def _size(tx: Tx, log: Log, asked: int | None) -> int:
    size = log.size(tx)
    return size if asked is None else min(asked, size)


def _terms(negated: bool, key: str | None, quoted: str | None, bare: str | None) -> list[Term]:
    value = quoted if quoted is not None else bare or ""
    if key is None:
        if bare and _KEY_ALONE.match(bare):
            raise QueryError(f"Say what to look for after {bare} (or put it in quotes).")
        return [Term("text", "has", (value.lower(),), negated)]
    name = _key(key.lower())
    if not value:
        raise QueryError(f"Say what to look for after {name}: (or put it in quotes).")
    if name == "at":
        return _times(value, negated)
    if quoted is None and value.endswith("*"):
        return [Term(name, "prefix", (_require_beginning(value[:-1], name),), negated)]
    values = [value] if quoted is not None else [v for v in value.split(",") if v]
    if not values:
        raise QueryError(f"Say what to look for after {name}:.")
    return [Term(name, "is", tuple(_known(name, v) for v in values), negated)]


def _key(name: str) -> str:
    if name in KEYS:
        return name
    near = difflib.get_close_matches(name, KEYS, 1)
    hint = f"Did you mean {near[0]}:?" if near else f"There are {', '.join(sorted(KEYS))}."
    raise QueryError(f"There is no {name}: to search by. {hint} Put plain text in quotes.")


def _require_beginning(value: str, name: str) -> str:
    if not value or name in ("actor", "subject"):
        raise QueryError(f"{name}: cannot be searched by a beginning.")
    return value


def _known(name: str, value: str) -> str:
    """`value`, for keys that have a fixed vocabulary only if it is in it."""
    words: type[StrEnum] | None = {"kind": Kind, "out": Outcome}.get(name)
    if words is None or value in {word.value for word in words}:
        return value
    near = difflib.get_close_matches(value, [word.value for word in words], 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise QueryError(f"No entry is of {name} {value}.{hint}")


def _times(value: str, negated: bool) -> list[Term]:
    """A day or an instant, with >= > <= < before it or not, or two with `..` between."""
    if ".." in value:
        if negated:
            raise QueryError("A span of time cannot be negated; use at:< and at:> instead.")
        first, _, last = value.partition("..")
        return [*_compare(">=", first, False), *_compare("<=", last, False)]
    match = _ORDER.match(value)
    op, moment = (match[1], match[2]) if match else (None, value)
    if op:
        return _compare(op, moment, negated)
    if negated:
        raise QueryError("A day cannot be negated; use at:< and at:> instead.")
    return [*_compare(">=", moment, False), *_compare("<=", moment, False)]


def _compare(op: str, moment: str, negated: bool) -> list[Term]:
    """A day counts whole: `<=` and `>` look at its end, `>=` and `<` at its beginning."""
    start, end = _span(moment)
    late = op in ("<=", ">")
    return [Term("at", op, (end if late else start,), negated)]


def _span(moment: str) -> tuple[int, int]:
    """(first, last) millisecond of the day or instant that `moment` names, UTC if it says none."""
    try:
        if len(moment) == len("2026-11-01"):
            start = datetime.combine(date.fromisoformat(moment), time(), UTC)
            return to_millis(start), to_millis(start + timedelta(days=1)) - 1
        at = datetime.fromisoformat(moment)
    except (ValueError, OverflowError) as error:
        raise QueryError(
            f"{moment or 'nothing'} is no time; write 2026-11-01 or 2026-11-01T10:30Z."
        ) from error
    millis = to_millis(at if at.tzinfo else at.replace(tzinfo=UTC))
    return millis, millis


def _filters(tx: Tx, log: Log, terms: Iterable[Term]) -> list[Filter]:
    return [_filter(tx, log, term) for term in terms]


def _filter(tx: Tx, log: Log, term: Term) -> Filter:
    values = term.values
    if term.key in ("actor", "subject"):
        values = tuple(p for v in values for p in _pseudonyms(tx, log, str(v), term.key))
    return Filter(term.key, term.op, values, term.negated)


def _pseudonyms(tx: Tx, log: Log, person: str, role: str) -> list[str]:
    """What the person stands as; a text that may itself be a pseudonym counts as one too."""
    found = log.pseudonym(tx, person, role) or _NOBODY
    return [found, person] if _PSEUDONYM.match(person) else [found]
