"""primafacie verify: many files, one answer each, and a verdict that can be handed on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform import cli
from primafacie.platform.cli import verify as command


@pytest.fixture
def run(house: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `primafacie verify` in the house; (exit code, stdout, stderr)."""
    monkeypatch.setenv("PRIMAFACIE_DATA_DIR", str(house.services.settings.data_dir))

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(["verify", *(str(a) for a in arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three small files, one of them deeper, one of no known kind, one link out of the folder."""
    (tmp_path / "found" / "deeper").mkdir(parents=True)
    (tmp_path / "secret.mp4").write_bytes(b"not in the folder")
    (tmp_path / "found" / "a.mp4").write_bytes(b"this is no video")
    (tmp_path / "found" / "deeper" / "b.png").write_bytes(b"nor is this a picture")
    (tmp_path / "found" / "notes.txt").write_bytes(b"not looked at")
    (tmp_path / "found" / "c.mp4").symlink_to(tmp_path / "secret.mp4")
    return tmp_path / "found"


def test_a_folder_gets_one_answer_for_each_file(run: Any, house: Any, folder: Path) -> None:
    before = len(house.kinds)
    code, out, _ = run(folder, "--jobs", "1", "--json")
    told = json.loads(out)
    assert code == 4 and told["counts"] == {"NO_CREDENTIAL": 2}
    assert [Path(row["path"]).name for row in told["files"]] == ["a.mp4", "b.png"]
    assert house.kinds[before:].count("verify.query") == 2


def test_an_unreadable_file_is_told_of_and_stops_nothing(
    run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = command._by_installation

    def failing(services: Any, question: Any) -> Any:
        if question.file.name == "a.mp4":
            raise OSError("Input/output error")
        return read(services, question)

    monkeypatch.setattr(command, "_by_installation", failing)
    code, out, _ = run(folder, "--jobs", "1")
    assert code == 4
    assert "unreadable" in out and "Input/output error" in out and "b.png" in out
    assert run(folder / "a.mp4")[0] == 3


@pytest.mark.slow
def test_workers_of_their_own_give_the_same_answers(run: Any, folder: Path) -> None:
    alone, together = (json.loads(run(folder, "--jobs", n, "--json")[1]) for n in (1, 2))
    for told in (alone, together):
        for row in told["files"]:
            row["verdict"].pop("examinedAt")
    assert alone == together


def test_with_public_keys_alone_no_installation_is_asked(
    run: Any, house: Any, newsroom: Any, tmp_path: Path
) -> None:
    (tmp_path / "claim-root.pem").write_bytes(newsroom.pki.root_pem)
    (tmp_path / "time-root.pem").write_bytes(newsroom.pki.time_root_pem)
    (tmp_path / "log-keys.txt").write_text("\n".join([*newsroom.log.vkeys, ""]))
    before = len(house.kinds)
    code, out, _ = run(newsroom.film[0].path, "--anchors", tmp_path, "--json")
    told = json.loads(out)
    assert code == 0 and told["verdict"] == "AUTHENTIC"
    assert told["log"]["authorisation"] == "proven"
    unasked = " ".join(told["notChecked"])
    assert "registry" in unasked and "keys" in unasked and "revoked" in unasked
    assert len(house.kinds) == before


def test_nothing_to_examine_is_bad_input_and_an_empty_folder_no_success(
    run: Any, tmp_path: Path
) -> None:
    assert run()[0] == 3
    assert run(tmp_path)[0] == 4
    assert run("/nowhere")[0] == 3


def test_a_signed_verdict_holds_until_a_byte_is_changed(
    run: Any, house: Any, tmp_path: Path
) -> None:
    examiner = house.services.examiner
    found = examiner.examine(None, b"this is no video")
    file = tmp_path / "verdict.json"
    file.write_bytes(examiner.statement(found))
    key = examiner.anchors()["verdictKey"]
    for more in ((), ("--key", key)):  # ours by default; anybody's with the published key
        code, out, _ = run("--verdict", file, "--json", *more)
        told = json.loads(out)
        assert code == 0 and told["holds"] and told["verdict"]["verdict"] == "NO_CREDENTIAL"
    before = len(house.kinds)
    assert run("--verdict", file, "--key", key)[0] == 0
    assert len(house.kinds) == before  # with the key named, no installation is opened
    for forged in (
        file.read_bytes().replace(b'"payload":"e', b'"payload":"f'),
        file.read_bytes().replace(b"verdict.v1", b"verdict.v2"),
        b"{}",
    ):
        file.write_bytes(forged)
        code, out, _ = run("--verdict", file, "--key", key, "--json")
        assert code == 4 and not json.loads(out)["holds"]


def test_a_verdict_cannot_stand_for_another_kind_of_statement(house: Any) -> None:
    """Its key signs nothing else, and its type is part of what is signed."""
    from primafacie.audit import dsse
    from primafacie.generator.permit import PAYLOAD_TYPE

    examiner = house.services.examiner
    public = dsse.public_bytes(examiner.statement_key)
    held = {dsse.key_id(public): public}
    envelope = examiner.statement(examiner.examine(None, b"x"))
    with pytest.raises(dsse.EnvelopeError):
        dsse.verify(envelope, PAYLOAD_TYPE, held)
    assert public != dsse.public_bytes(house.services.keys.signer("consent_key"))
