"""One text for one value."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primafacie.audit import canonical, digest
from primafacie.audit.errors import CanonicalError

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=126), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(values)
def test_what_is_written_reads_back_the_same(value: canonical.Json) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"b":1,"a":2}',
        b'{ "a":1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":-0}',
        b'{"a":"\\u0041"}',
        b'{"a":NaN}',
        b"[1,]",
        b'"\\ud800"',
        b"\xef\xbb\xbf1",
        b"1\n",
        b"",
        b"9223372036854775808",
        b"[" * 100_000,
        '{"\u00e9":1}'.encode(),
        b"\xff",
    ],
)
def test_bytes_with_another_spelling_are_refused(data: bytes) -> None:
    with pytest.raises(CanonicalError):
        canonical.decode(data)


@pytest.mark.parametrize("value", [1.5, {1: 2}, {"a": b"x"}, {"a": {1, 2}}, 2**63, "\ud800"])
def test_values_without_a_canonical_form_are_refused(value: canonical.Json) -> None:
    with pytest.raises(CanonicalError):
        canonical.encode(value)


def test_an_object_is_asked_for_by_name() -> None:
    with pytest.raises(CanonicalError):
        canonical.decode_object(b"[1]")


@pytest.mark.parametrize("text", ["AA", "AB==", "AA==\n", "A A=", "_-==", "AAAA AAAA", "é"])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(CanonicalError):
        canonical.decode_base64(text)


@pytest.mark.parametrize(
    "text", ["", "01", "+1", "-1", " 1", "1 ", "1\n", "\u0661", "9" * 19, "1" * 99]
)
def test_decimals_have_one_spelling(text: str) -> None:
    with pytest.raises(CanonicalError):
        canonical.decode_decimal(text)


def test_decimals_reach_63_bits() -> None:
    assert canonical.decode_decimal(str(2**63 - 1)) == 2**63 - 1
    assert canonical.decode_decimal("0") == 0


def test_a_digest_is_the_same_from_bytes_stream_and_file(tmp_path: Path) -> None:
    data = b"x" * (digest.CHUNK_BYTES + 3)
    (tmp_path / "f").write_bytes(data)
    whole = digest.sha256_hex(data)
    assert digest.sha256_stream(io.BytesIO(data)) == digest.sha256_file(tmp_path / "f") == whole
