"""A log in a file, verified by a stranger; and every way of changing it that we could think of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primafacie.audit.bundle import export_bundle, verify_bundle
from primafacie.audit.canonical import decode_object, encode
from primafacie.audit.entry import Kind, Outcome
from primafacie.audit.errors import BundleError
from primafacie.audit.inspection import verify_log
from primafacie.audit.query import search
from primafacie.audit.standalone_verifier import Refused
from primafacie.audit.standalone_verifier import verify as verify_alone


@pytest.fixture
def told(room: Any) -> Any:
    """Three requests: one released, one refused, one still open; three checkpoints."""
    room.released("good")
    room.publish()
    room.refused("bad")
    room.publish()
    room.append(Kind.REQUEST_RECEIVED, "open")
    return room


@pytest.fixture
def bundle(told: Any, tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    told.receipt = export_bundle(told.engine, told.log, path, told.clock(), actor="auditor")
    return path


def test_a_stranger_verifies_a_bundle_with_public_keys_alone(told: Any, bundle: Path) -> None:
    report = verify_bundle(bundle, told.vkeys)
    assert (report.size, report.checkpoints, report.received) == (10, 3, 3)
    assert report.outcomes == (("decision.refused", 1), ("output.released", 1))
    assert [(o.rid, o.index) for o in report.open] == [("open", 9)]
    assert report.findings == () and report.unpublished == 0
    report.require_sound()
    assert dict(report.kinds)["request.received"] == 3
    assert report.first is not None and report.last is not None and report.first < report.last


def test_every_export_is_itself_on_record(told: Any, bundle: Path) -> None:
    rows = told.read(lambda tx: search(tx, told.log, "kind:log.exported actor:auditor")).rows
    assert [row.seq for row in rows] == [10] == [told.receipt.index]


def test_a_bundle_holds_no_payload_and_no_plain_id(bundle: Path) -> None:
    data = bundle.read_bytes()
    for word in (b"subject-1", b"actor-1", b"auditor", b"text of good"):
        assert word not in data


def test_a_log_that_moves_on_during_the_export_still_verifies(told: Any, tmp_path: Path) -> None:
    path = tmp_path / "busy.jsonl"
    receipt = export_bundle(told.engine, told.log, path, told.clock())
    told.fill(3)
    told.publish()
    second = export_bundle(told.engine, told.log, tmp_path / "again.jsonl", told.clock())
    assert second.index > receipt.index
    verify_bundle(path, told.vkeys)
    verify_bundle(tmp_path / "again.jsonl", told.vkeys)


def test_an_empty_log_makes_a_bundle(room: Any, tmp_path: Path) -> None:
    export_bundle(room.engine, room.log, tmp_path / "e.jsonl", room.clock())
    assert verify_bundle(tmp_path / "e.jsonl", room.vkeys).size == 0


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_every_single_flipped_bit_is_found(told: Any, bundle: Path, data: st.DataObject) -> None:
    whole = bytearray(bundle.read_bytes())
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << (bit % 8)
    changed = bundle.with_name("flipped.jsonl")
    changed.write_bytes(whole)
    with pytest.raises(BundleError):
        verify_bundle(changed, told.vkeys)
    if bit % 5 == 0:  # pure Python signatures are slow
        with pytest.raises(Refused):
            verify_alone(changed, told.vkeys[0], [])


@pytest.mark.slow
def test_every_bit_of_a_small_bundle_flipped_in_turn_is_found(room: Any, tmp_path: Path) -> None:
    room.fill(2)
    path = tmp_path / "small.jsonl"
    export_bundle(room.engine, room.log, path, room.clock())
    whole, changed = path.read_bytes(), tmp_path / "flipped.jsonl"
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << (bit % 8)
        changed.write_bytes(flipped)
        with pytest.raises(BundleError):
            verify_bundle(changed, room.vkeys)


Lines = list[bytes]
FIRST_LEAF = 4  # one header line, three checkpoints


def drop_leaf(lines: Lines) -> None:
    del lines[FIRST_LEAF + 2]


def swap_leaves(lines: Lines) -> None:
    lines[FIRST_LEAF], lines[FIRST_LEAF + 1] = lines[FIRST_LEAF + 1], lines[FIRST_LEAF]


def repeat_leaf(lines: Lines) -> None:
    lines.insert(FIRST_LEAF, lines[FIRST_LEAF])


def rewrite_outcome(lines: Lines) -> None:
    place = next(i for i, line in enumerate(lines) if b'"out":"deny"' in line)
    lines[place] = lines[place].replace(b'"out":"deny"', b'"out":"allow"')


def backdate_leaf(lines: Lines) -> None:
    lines[FIRST_LEAF + 5] = lines[FIRST_LEAF + 5].replace(b"2026-11-24", b"2026-11-23")


def truncate_file(lines: Lines) -> None:
    del lines[-3:]


def truncate_history(lines: Lines) -> None:
    """Back to the second checkpoint, with a header that says so: only the footer tells."""
    header = decode_object(lines[0])
    lines[0] = encode({**header, "size": 9, "checkpoints": 2})
    del lines[3]
    lines[:] = [*lines[:12], lines[-1]]


def drop_checkpoint(lines: Lines) -> None:
    header = decode_object(lines[0])
    lines[0] = encode({**header, "checkpoints": 2})
    del lines[1]


def drop_footer(lines: Lines) -> None:
    del lines[-1]


def append_line(lines: Lines) -> None:
    lines.append(b"{}")


def rename_log(lines: Lines) -> None:
    lines[0] = lines[0].replace(b"log.example", b"lag.example")


def shift_header(lines: Lines) -> None:
    lines[0] = lines[0].replace(b'"size":10', b'"size":true')


def strip_consistency(lines: Lines) -> None:
    lines[-1] = encode({**decode_object(lines[-1]), "consistency": []})


def swap_footer_leaf(lines: Lines) -> None:
    lines[-1] = encode({**decode_object(lines[-1]), "leaf": lines[FIRST_LEAF].decode()})


@pytest.mark.parametrize(
    "attack",
    [
        drop_leaf,
        swap_leaves,
        repeat_leaf,
        rewrite_outcome,
        backdate_leaf,
        truncate_file,
        truncate_history,
        drop_checkpoint,
        drop_footer,
        append_line,
        rename_log,
        shift_header,
        strip_consistency,
        swap_footer_leaf,
    ],
    ids=lambda attack: attack.__name__,
)
def test_an_attack_on_the_file_is_found(
    told: Any, bundle: Path, attack: Callable[[Lines], None]
) -> None:
    lines = bundle.read_bytes().split(b"\n")[:-1]
    attack(lines)
    bundle.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(BundleError):
        verify_bundle(bundle, told.vkeys)
    with pytest.raises(Refused):
        verify_alone(bundle, told.vkeys[0], [])


def test_a_bundle_by_another_key_is_refused(
    told: Any, bundle: Path, new_room: Any, tmp_path: Path
) -> None:
    rogue = new_room(seed=b"\x66" * 32)
    rogue.fill(3)
    export_bundle(rogue.engine, rogue.log, tmp_path / "rogue.jsonl", rogue.clock())
    with pytest.raises(BundleError, match="no key that we trust"):
        verify_bundle(tmp_path / "rogue.jsonl", told.vkeys)
    assert bundle.exists()


def test_a_resigned_fork_is_found_by_whoever_kept_one_checkpoint(
    told: Any, bundle: Path, new_room: Any, tmp_path: Path
) -> None:
    """The owner has the key: he rewrites the refusal and signs anew. Alone the file looks right."""
    kept = told.read(told.log.checkpoint).note
    fork = new_room()
    fork.released("good")
    fork.released("bad")
    fork.publish()
    path = tmp_path / "fork.jsonl"
    export_bundle(fork.engine, fork.log, path, fork.clock())
    verify_bundle(path, told.vkeys)
    verify_alone(path, told.vkeys[0], [])
    with pytest.raises(BundleError, match="not those that were signed"):
        verify_bundle(path, told.vkeys, seen=[kept])
    with pytest.raises(Refused, match="not those that were signed"):
        verify_alone(path, told.vkeys[0], [kept])
    verify_bundle(bundle, told.vkeys)


def test_an_older_bundle_is_found_by_whoever_kept_a_newer_checkpoint(
    told: Any, bundle: Path
) -> None:
    told.fill(5)
    newer = told.publish().note
    with pytest.raises(BundleError, match="leaves were signed, 10 are here"):
        verify_bundle(bundle, told.vkeys, seen=[newer])


def test_a_bundle_without_the_asked_witnesses_is_refused(told: Any, bundle: Path) -> None:
    with pytest.raises(BundleError, match="0 of 1"):
        verify_bundle(bundle, told.vkeys, witnesses=[], quorum=1)


def test_a_file_that_is_none_of_ours_is_a_bundle_error(told: Any, tmp_path: Path) -> None:
    for data in (b"", b"\n", b"{}\n", b"\x00" * 100, b"[" * 100_000 + b"\n", b"x" * (2 << 20)):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(BundleError):
            verify_bundle(tmp_path / "x", told.vkeys)
        with pytest.raises(Refused):
            verify_alone(tmp_path / "x", told.vkeys[0], [])
    with pytest.raises(BundleError, match="cannot be read"):
        verify_bundle(tmp_path / "missing", told.vkeys)


# --- what genuine leaves must tell together ---------------------------------------------------


def findings(room: Any, *kinds: Any) -> list[tuple[str, str]]:
    for kind in kinds:
        kind, out = kind if isinstance(kind, tuple) else (kind, Outcome.INFO)
        room.append(kind, "r", out=out)
    room.publish()
    report = room.read(lambda tx: verify_log(tx, room.log, room.vkeys))
    path = room.path.with_name("findings.jsonl")
    export_bundle(room.engine, room.log, path, room.clock())
    assert verify_bundle(path, room.vkeys).findings == report.findings
    assert len(verify_alone(path, room.vkeys[0], [])["findings"]) == len(report.findings)
    if report.findings:
        with pytest.raises(BundleError, match="request r"):
            report.require_sound()
    return [(f.rule, f.sentence) for f in report.findings]


ALLOW = (Kind.DECISION_GENERATE, Outcome.ALLOW)
RECEIVED = Kind.REQUEST_RECEIVED


def test_a_permit_without_a_decision_is_found(room: Any) -> None:
    assert findings(room, RECEIVED, Kind.PERMIT_ISSUED)[0][0] == "decided"


def test_a_permit_after_a_denial_is_found(room: Any) -> None:
    deny = (Kind.DECISION_GENERATE, Outcome.DENY)
    assert findings(room, RECEIVED, ALLOW, deny, Kind.PERMIT_ISSUED)[0][0] == "decided"


def test_a_video_without_a_permit_is_found(room: Any) -> None:
    assert findings(room, RECEIVED, ALLOW, Kind.OUTPUT_RELEASED)[0][0] == "permitted"


def test_a_generation_without_a_permit_is_found(room: Any) -> None:
    assert findings(room, RECEIVED, ALLOW, Kind.GENERATION_STARTED)[0][0] == "permitted"


def test_a_permit_borrowed_from_another_request_is_found(room: Any) -> None:
    room.append(RECEIVED, "other")
    room.append(Kind.DECISION_GENERATE, "other", out=Outcome.ALLOW)
    room.append(Kind.PERMIT_ISSUED, "other")
    assert findings(room, RECEIVED, Kind.OUTPUT_RELEASED)[0][0] == "permitted"


def test_a_release_against_the_second_decision_is_found(room: Any) -> None:
    deny = (Kind.DECISION_RELEASE, Outcome.DENY)
    road = (RECEIVED, ALLOW, Kind.PERMIT_ISSUED, deny, Kind.OUTPUT_RELEASED)
    assert findings(room, *road)[0][0] == "released"


def test_work_after_the_outcome_is_found(room: Any) -> None:
    road = (RECEIVED, ALLOW, Kind.PERMIT_ISSUED, Kind.REQUEST_CANCELLED, Kind.GENERATION_STARTED)
    assert findings(room, *road)[0][0] == "ended"


def test_an_outcome_without_a_request_is_found(room: Any) -> None:
    assert findings(room, Kind.REQUEST_FAILED)[0][0] == "complete"


def test_a_request_received_twice_is_found(room: Any) -> None:
    assert findings(room, RECEIVED, RECEIVED)[0][0] == "complete"


def test_a_second_outcome_smuggled_past_the_log_is_found() -> None:
    from datetime import UTC, datetime

    from primafacie.audit.entry import Leaf
    from primafacie.audit.story import Story

    story, at = Story(), datetime(2026, 1, 1, tzinfo=UTC)
    for i, kind in enumerate((RECEIVED, Kind.REQUEST_FAILED, Kind.OUTPUT_WITHHELD)):
        story.read(Leaf("l", i, at, kind, "r", "", "", Outcome.INFO, (), (), ""))
    assert [(f.index, f.rule) for f in story.findings] == [(2, "complete")]


def test_a_sound_log_has_no_findings(told: Any) -> None:
    told.read(lambda tx: verify_log(tx, told.log, told.vkeys)).require_sound()


# --- the live database ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE log_leaf SET body = replace(body, 'allow', 'deny') WHERE seq = 1", "."),
        ("DELETE FROM log_leaf WHERE seq = 3", "names itself leaf 4"),
        ("DELETE FROM log_leaf WHERE seq = 9", "tree or index is larger"),
        ("DELETE FROM log_leaf WHERE seq >= 8", "9 leaves were signed, 8 are here"),
        ("UPDATE log_leaf SET seq = CASE seq WHEN 1 THEN -2 ELSE -1 END WHERE seq IN (0, 1)", "."),
        ("UPDATE log_leaf SET at = at - 1 WHERE seq = 3", "stored times"),
        ("UPDATE log_node SET hash = zeroblob(32) WHERE id = 2", "stored tree"),
        ("INSERT INTO log_node VALUES (99, zeroblob(32))", "larger than the log"),
        ("UPDATE log_index SET kind = 'log.read' WHERE seq = 5", "search index"),
        ("DELETE FROM log_index WHERE seq = 5", "search index"),
        ("INSERT INTO log_index VALUES (50, 'a', 'b', 'c', '', '', 0, '')", "larger than"),
        ("DELETE FROM log_fact WHERE seq = 7", "searchable facts"),
        ("UPDATE log_checkpoint SET note = replace(note, 'log.example', 'lag.example')", "."),
        ("UPDATE log_checkpoint SET note = substr(note, 1, 90) WHERE size = 6", "."),
        ("UPDATE log_payload SET sealed = zeroblob(60) WHERE seq = 0", "does not open"),
        ("UPDATE log_payload SET seq = 3 WHERE seq = 0", "does not commit"),
    ],
)
def test_a_rewritten_database_is_found(told: Any, statement: str, sentence: str) -> None:
    told.read(lambda tx: verify_log(tx, told.log, told.vkeys))
    told.hack(statement)
    with pytest.raises(BundleError, match=sentence):
        told.read(lambda tx: verify_log(tx, told.log, told.vkeys))


def test_leaves_after_the_last_checkpoint_are_counted(told: Any) -> None:
    assert told.read(lambda tx: verify_log(tx, told.log, told.vkeys)).unpublished == 1
