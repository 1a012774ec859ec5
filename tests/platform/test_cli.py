"""The command line: exit codes, one JSON document, and nothing heavy at the start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform import cli
from primafacie.platform.errors import (
    AccessError,
    InputError,
    LinkError,
    NotFoundError,
    SignInError,
    UnavailableError,
)
from primafacie.safeguards.errors import ConsentError


@pytest.fixture
def run(house: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in the house; (exit code, stdout, stderr)."""
    monkeypatch.setenv("PRIMAFACIE_DATA_DIR", str(house.services.settings.data_dir))

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def token(house: Any, tmp_path: Path) -> Any:
    """A file with a token of the named person."""

    def write(person: str, *scopes: str) -> str:
        account = getattr(house, person)
        _, text = house.services.accounts.make_token(account, "test", scopes or ("read",), 1)
        file = tmp_path / f"{person}.token"
        file.write_text(text + "\n")
        return str(file)

    return write


def test_starting_imports_nothing_heavy() -> None:
    script = (
        "import sys; from primafacie.platform import cli; cli.main(['--help']);"
        "import primafacie.platform.wiring;"
        "heavy = {'torch', 'cv2', 'dlib', 'c2pa', 'av', 'flask', 'scipy'} & set(sys.modules);"
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.endswith("heavy: []\n"), done.stdout + done.stderr


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_every_command_explains_itself(command: str, capsys: Any) -> None:
    assert cli.main([command, "--help"]) == 0
    assert "Usage:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x"), 3), (NotFoundError("x"), 3), (LinkError("x"), 3), (SignInError("x"), 3),
        (AccessError("x"), 2), (UnavailableError("x"), 1), (ConsentError("x"), 1),
        (RuntimeError("x"), 1),
    ],
)  # fmt: skip
def test_every_error_has_its_exit_code(error: Exception, code: int, capsys: Any) -> None:
    from primafacie.platform.cli import answer

    assert answer.explain(error) == code


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("generate",), ("verify", "/nowhere"), ("audit", "show", "x"),
                  ("doctor", "--nonsense")],
)  # fmt: skip
def test_bad_usage_is_bad_input(run: Any, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == 3 and out == "" and err


def test_a_bad_setting_says_which(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMAFACIE_SKIP_GATE", "1")
    code, _, err = run("doctor")
    assert code == 1 and "PRIMAFACIE_SKIP_GATE" in err


def test_doctor_answers_in_one_json_document(run: Any) -> None:
    code, out, _ = run("doctor", "--json")
    assert code == 0
    assert json.loads(out)["ok"] is True


def test_users_and_tokens_are_made_at_the_machine(run: Any, tmp_path: Path) -> None:
    code, out, _ = run(
        "user", "add", "--email", "n@example.org", "--name", "N", "--role", "auditor", "--json"
    )
    password = json.loads(out)["password"]
    file = tmp_path / "password"
    file.write_text(password + "\n")
    code, out, _ = run(
        "user", "token", "--email", "n@example.org", "--scope", "audit",
        "--password-file", str(file), "--json",
    )  # fmt: skip
    assert code == 0
    (tmp_path / "token").write_text(json.loads(out)["token"])
    code, out, _ = run("audit", "query", "--token-file", str(tmp_path / "token"), "--json")
    assert code == 0 and json.loads(out)["entries"]
    file.write_text("wrong\n")
    code, out, _ = run("user", "token", "--email", "n@example.org", "--scope", "audit",
                       "--password-file", str(file))  # fmt: skip
    assert code == 3 and out == ""


class TestTokens:
    def test_without_one_the_operator_reads_and_the_log_says_so(self, run: Any, house: Any) -> None:
        code, out, _ = run("audit", "query", "--json")
        assert code == 0 and json.loads(out)["entries"]
        assert house.kinds[-1] == "log.read"

    def test_an_unknown_name_is_refused_and_logged(self, run: Any, house: Any) -> None:
        code, out, _ = run("audit", "query", "--as", "nobody@example.org")
        assert code == 3 and out == ""
        assert house.kinds[-1] == "http.request"

    def test_a_wrong_one_is_refused_and_logged(self, run: Any, house: Any, tmp_path: Any) -> None:
        (tmp_path / "token").write_text("pf_wrong")
        code, out, _ = run("audit", "query", "--token-file", str(tmp_path / "token"))
        assert code == 3 and out == ""
        assert house.kinds[-1] == "http.request"

    def test_one_without_the_scope_is_refused(self, run: Any, token: Any) -> None:
        code, out, _ = run("audit", "query", "--token-file", token("auditor", "read"))
        assert code == 2 and out == ""

    def test_one_of_a_person_without_the_role_is_refused(self, run: Any, token: Any) -> None:
        code, out, _ = run("audit", "query", "--token-file", token("researcher", "audit"))
        assert code == 2 and out == ""


class TestConsents:
    def test_list_show_withdraw(self, run: Any, house: Any, token: Any) -> None:
        consent_id, _ = house.active()
        file = token("steward", "read", "manage")
        _, out, _ = run("consent", "list", "--token-file", file, "--json")
        assert [c["consent_id"] for c in json.loads(out)["consents"]] == [consent_id]
        code, out, _ = run(
            "consent", "withdraw", consent_id, "--note", "a letter", "--token-file", file, "--json"
        )
        assert code == 0 and json.loads(out)["consent"]["state"] == "withdrawn"
        code, _, err = run(
            "consent", "withdraw", consent_id, "--note", "again", "--token-file", file
        )
        assert code == 3 and "withdrawn" in err
        code, _, _ = run("consent", "show", "0" * 32, "--token-file", file)
        assert code == 3

    def test_a_receipt_is_checked_offline(
        self, run: Any, house: Any, token: Any, tmp_path: Path
    ) -> None:
        consent_id, _ = house.active()
        file = tmp_path / "receipt.json"
        code, _, _ = run(
            "consent", "receipt", consent_id, "--out", str(file), "--token-file", token("steward")
        )
        assert code == 0
        code, out, _ = run("consent", "check", str(file), "--json")
        assert code == 0 and json.loads(out)["state"] == "active"
        keys = [part for key in house.services.log.vkeys for part in ("--vkey", key)]
        assert run("consent", "check", str(file), *keys)[0] == 0
        body = json.loads(file.read_text())
        file.write_text(json.dumps({**body, "leaf": body["leaf"].replace("active", "passive")}))
        code, out, _ = run("consent", "check", str(file), "--json")
        assert code == 4 and json.loads(out)["ok"] is False


class TestAudit:
    def test_verify_says_sound_and_then_not(self, run: Any, house: Any) -> None:
        import sqlite3

        code, out, _ = run("audit", "verify", "--json")
        assert code == 0 and json.loads(out)["ok"] is True
        raw = sqlite3.connect(house.services.settings.data_dir / "primafacie.db")
        raw.execute("DROP TRIGGER log_index_no_update")
        raw.execute("UPDATE log_index SET kind = 'user.deleted' WHERE seq = 1")
        raw.commit()
        raw.close()
        code, out, _ = run("audit", "verify", "--json")
        assert code == 4 and json.loads(out)["problems"]

    def test_export_and_verify_offline(
        self, run: Any, house: Any, token: Any, tmp_path: Path
    ) -> None:
        bundle = tmp_path / "log.bundle"
        arguments = ("audit", "export", "--out", str(bundle), "--token-file",
                     token("auditor", "audit"), "--json")  # fmt: skip
        code, out, _ = run(*arguments)
        assert code == 0
        keys = [part for key in json.loads(out)["log_keys"] for part in ("--vkey", key)]
        assert run("audit", "verify", "--bundle", str(bundle), *keys)[0] == 0
        assert run("audit", "verify", "--bundle", str(bundle))[0] == 3
        assert run(*arguments)[0] == 3  # it is there already
        data = bytearray(bundle.read_bytes())
        data[len(data) // 2] ^= 1
        bundle.write_bytes(bytes(data))
        assert run("audit", "verify", "--bundle", str(bundle), *keys)[0] == 4

    def test_show_and_prove(self, run: Any, token: Any, house: Any, tmp_path: Path) -> None:
        from primafacie.audit.proof import verify_leaf

        file, leaf = token("auditor", "audit"), tmp_path / "leaf"
        code, out, _ = run("audit", "show", "0", "--token-file", file, "--json")
        assert code == 0 and json.loads(out)["entry"]["index"] == 0
        code, out, _ = run(
            "audit", "prove", "0", "--leaf-out", str(leaf), "--token-file", file, "--json"
        )
        verify_leaf(json.loads(out)["proof"], leaf.read_bytes(), house.services.log.vkeys)
        assert run("audit", "show", "99999", "--token-file", file)[0] == 3


def test_keys_are_listed_without_a_secret(run: Any, house: Any) -> None:
    code, out, _ = run("keys", "list", "--json")
    ring = house.services.keys
    assert code == 0
    for secret in (ring.log_signer, ring.permit_key, ring.consent_key, ring.mark_master):
        assert secret.hex() not in out
    before = json.loads(out)["claim_certificate_ends"]
    code, out, _ = run("keys", "renew", "--json")
    assert code == 0 and json.loads(out)["claim_certificate_ends"] >= before


def test_anchors_are_public_and_written_once(run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "anchors"
    assert run("keys", "anchors", "--out", str(folder))[0] == 0
    for file in folder.iterdir():
        assert b"PRIVATE" not in file.read_bytes()
    assert run("keys", "anchors", "--out", str(folder))[0] == 3


def test_migrate_says_where_it_stands(run: Any) -> None:
    code, out, _ = run("migrate", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["before"] == answer["after"] != ""


def test_the_rules_are_shown(run: Any) -> None:
    code, out, _ = run("policy", "show", "--json")
    shown = json.loads(out)
    assert code == 0 and shown["in_force"] and len(shown["rules"]) > 10


def test_a_file_that_is_not_ours_does_not_verify(run: Any, house: Any, tmp_path: Path) -> None:
    file = tmp_path / "found.mp4"
    file.write_bytes(b"this is no video")
    code, out, _ = run("verify", str(file), "--json")
    assert code == 4 and json.loads(out)["verdict"] == "NO_CREDENTIAL"
    assert house.kinds[-1] == "verify.query"


def test_a_request_from_the_command_line_waits_in_the_queue(
    run: Any, house: Any, token: Any, tmp_path: Path, pictures: Any
) -> None:
    consent_id, _ = house.active()
    asked = house.submission(consent_id)
    (tmp_path / "photo.png").write_bytes(asked.photo)
    (tmp_path / "voice.wav").write_bytes(asked.voice)
    arguments = (
        "generate", "--photo", str(tmp_path / "photo.png"), "--voice", str(tmp_path / "voice.wav"),
        "--consent", consent_id, "--project", asked.project_id, "--purpose", "research",
        "--queue", "--no-wait", "--token-file", token("researcher", "generate"), "--json",
    )  # fmt: skip
    code, out, _ = run(*arguments)
    assert code == 0 and json.loads(out)["state"] == "queued"
    assert house.leaves(json.loads(out)["rid"]) == ["request.received"]
    before = len(house.kinds)
    assert run(*arguments, "--size", "7")[0] == 3
    assert house.kinds[before:] == ["http.request"]
    assert run(*arguments, "--consent", "x")[0] == 3
