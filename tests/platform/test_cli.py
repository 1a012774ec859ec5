"""The command line: exit codes, one JSON document, and nothing heavy at the start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from primafacie.generator.controls import PoseKey
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
    file = tmp_path / "password"
    file.write_text("a long and friendly password\n")
    code, out, _ = run(
        "user", "add", "--email", "n@example.org", "--name", "N", "--role", "auditor",
        "--password-file", str(file), "--json",
    )  # fmt: skip
    assert code == 0
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


def test_people_are_invited_at_the_machine(run: Any, house: Any) -> None:
    code, out, _ = run(
        "user", "add", "--email", "n@example.org", "--name", "N", "--role", "reviewer", "--json"
    )
    made = json.loads(out)
    assert code == 0 and made["link"].startswith("http://localhost:8000/join/")
    assert made["roles"] == ["reviewer"] and "password" not in made  # one admin: none to agree
    code, out, _ = run("user", "list", "--json")
    (new,) = [a for a in json.loads(out)["accounts"] if a["email"] == "n@example.org"]
    assert not new["joined"]
    code, out, _ = run("user", "again", "n@example.org", "--json")
    assert code == 0 and json.loads(out)["link"] != made["link"]
    assert run("user", "again", "nobody@example.org")[0] == 3


def test_an_admin_who_left_is_locked_out_at_the_machine(run: Any, house: Any) -> None:
    who = house.admin.user_id
    assert run("user", "close", who)[0] == 0
    assert house.kinds[-1] == "user.suspended"
    assert not house.services.accounts.get(who).active
    code, out, _ = run("user", "open", house.admin.email, "--json")
    assert code == 0 and json.loads(out)["active"] is True
    assert house.services.accounts.get(who).active
    assert run("user", "close", "nobody@example.org")[0] == 3
    assert house.kinds[-1] == "http.request"


@pytest.mark.parametrize("what", ["user list", "audit tiles"])
def test_what_the_operator_reads_is_logged_first(
    run: Any, house: Any, tmp_path: Path, what: str
) -> None:
    before = len(house.kinds)
    more = [str(tmp_path / "tiles")] if "tiles" in what else []
    assert run(*what.split(), *more)[0] == 0
    assert house.kinds[before] == "operator.acted"


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

    def test_one_of_a_person_who_lost_the_role_is_refused(
        self, run: Any, house: Any, token: Any
    ) -> None:
        file = token("auditor", "audit")
        house.services.accounts.set_roles(house.admin, house.auditor.user_id, ["researcher"])
        code, out, _ = run("audit", "query", "--token-file", file)
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
        code, out, _ = run("consent", "verify", str(file), "--json")
        assert code == 0 and json.loads(out)["state"] == "active"
        keys = [part for key in house.services.log.vkeys for part in ("--vkey", key)]
        assert run("consent", "verify", str(file), *keys)[0] == 0
        body = json.loads(file.read_text())
        file.write_text(json.dumps({**body, "leaf": body["leaf"].replace("active", "passive")}))
        code, out, _ = run("consent", "verify", str(file), "--json")
        assert code == 4 and json.loads(out)["ok"] is False

    def test_a_receipt_of_another_platform_does_not_hold_under_ours(
        self, run: Any, house: Any, token: Any, tmp_path: Path
    ) -> None:
        consent_id, _ = house.active()
        file = tmp_path / "receipt.json"
        who = token("steward")
        run("consent", "receipt", consent_id, "--out", str(file), "--token-file", who)
        own = json.loads(file.read_text())["platform_key"]
        assert run("consent", "verify", str(file), "--key", own)[0] == 0
        other = "A" + own[1:] if own[0] != "A" else "B" + own[1:]
        assert run("consent", "verify", str(file), "--key", other)[0] in (3, 4)
        assert run("consent", "verify", str(file), "--key", "no key")[0] == 3

    def test_the_record_is_exported_in_terms_others_know(
        self, run: Any, house: Any, token: Any
    ) -> None:
        consent_id, _ = house.active()
        code, out, _ = run("consent", "export", consent_id, "--token-file", token("steward"))
        assert code == 0 and json.loads(out)["@type"] == "dpv:ConsentRecord"


class TestOutsiders:
    def test_a_takedown_by_letter_is_filed_listed_and_decided(self, run: Any, house: Any) -> None:
        code, out, _ = run(
            "takedown", "file", "--sha256", "0" * 64, "--name", "Grace Seen", "--contact",
            "grace@example.net", "--signature", "Grace Seen", "--statement",
            "It shows me and I never agreed.", "--good-faith", "--json",
        )  # fmt: skip
        assert code == 0 and "/takedown/" in json.loads(out)["address"]
        who = ("--as", "reviewer@example.org")
        _, out, _ = run("takedown", "list", *who, "--json")
        ((one),) = json.loads(out)["takedowns"]
        takedown_id = one["takedown_id"]
        code, _, _ = run("takedown", "decide", takedown_id, "--decline", "--note", "no", *who)
        assert code == 0
        code, _, _ = run("takedown", "decide", takedown_id, "--uphold", "--note", "yes", *who)
        assert code == 3

    def test_somebody_asks_never_to_be_shown(
        self, run: Any, house: Any, tmp_path: Path, pictures: Any
    ) -> None:
        photo = tmp_path / "me.png"
        photo.write_bytes(pictures(1)[0])
        given = ("optout", "add", str(photo), "--name", "Nina", "--contact", "n@example.net")
        assert run(*given)[0] == 3
        assert run(*given, "--honest")[0] == 0
        who = ("--as", "reviewer@example.org")
        _, out, _ = run("optout", "list", *who, "--json")
        opt_out_id = json.loads(out)["opt_outs"][0]["opt_out_id"]
        assert run("optout", "decide", opt_out_id, "--no", *who)[0] == 0


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
    for secret in (ring.log_signer, ring.consent_key, *ring.mark_masters, ring.vault_master):
        assert secret.hex() not in out


def test_keys_are_rotated_and_the_log_says_so(run: Any, house: Any) -> None:
    before = json.loads(run("keys", "list", "--json")[1])
    for what in ("c2pa", "log", "mark"):
        assert run("keys", "rotate", what, "--json")[0] == 0
    after = json.loads(run("keys", "list", "--json")[1])
    assert after["claim_certificate_serial"] != before["claim_certificate_serial"]
    assert after["log_retired"] == before["log"] and not set(after["log"]) & set(before["log"])
    assert after["mark_epoch"] == before["mark_epoch"] + 1
    assert run("audit", "verify", "--json")[0] == 0, "what the old keys signed still verifies"
    with house.services.database.read() as tx:
        log = house.services.log
        leaves = [log.leaf(tx, i) for i in range(log.size(tx))]
    said = [leaf.why[0] for leaf in leaves if leaf.kind == "key.rotated"]
    assert said == ["claim_certificate", "claim_certificate_in_use", "log_signer",
                    "log_signer_in_use", "mark_epoch"]  # fmt: skip


def test_a_certificate_is_requested_checked_and_installed(
    run: Any, house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    from cryptography import x509

    from primafacie.safeguards.provenance.certificates import Subject, issue_claim_leaf, make_pki

    assert run("keys", "csr", "--out", str(tmp_path / "no.pem"))[0] == 3, "of which country?"
    monkeypatch.setenv("PRIMAFACIE_COUNTRY", "DE")
    asked = tmp_path / "request.pem"
    assert run("keys", "csr", "--out", str(asked))[0] == 0
    request = x509.load_pem_x509_csr(asked.read_bytes())
    pki = make_pki(datetime.now(UTC))
    chain, root, stranger = (tmp_path / name for name in ("chain.pem", "root.pem", "other.pem"))
    root.write_bytes(pki.root_pem)
    stranger.write_bytes(pki.claim.chain_pem)
    assert run("keys", "install", str(stranger), "--root", str(root))[0] == 1, "another key's"
    issued = issue_claim_leaf(
        pki.issuing_pem, pki.issuing_key_pem, datetime.now(UTC), Subject("A", "DE"),
        public=request.public_key(),
    )  # fmt: skip
    chain.write_bytes(issued.chain_pem)
    code, out, _ = run("keys", "install", str(chain), "--root", str(root), "--json")
    serial = json.loads(out)["claim_certificate_serial"]
    assert (
        code == 0
        and serial == json.loads(run("keys", "list", "--json")[1])["claim_certificate_serial"]
    )
    assert run("keys", "install", str(chain), "--root", str(root))[0] == 3, "nothing waits now"
    assert run("keys", "revoke", serial)[0] == 3, "it signs now"
    assert run("keys", "rotate", "c2pa")[0] == 0
    assert run("keys", "revoke", serial, "--json")[0] == 0
    assert house.services.revocations.revoked(serial) is not None
    assert run("keys", "revoke", serial)[0] == 3 and run("keys", "revoke", "ZZ")[0] == 3
    assert house.services.revocations.revoked("0") is None


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
        "--emotion", "happy", "--intensity", "0.8", "--amplitude", "1.2", "--distance", "0.9",
        "--gaze", "-8", "4", "--pose", "0.5", "10", "0", "0", "--pose", "2", "-10", "3", "1",
        "--region", "pose", "--region", "lips", "--fps", "30",
    )  # fmt: skip
    code, out, _ = run(*arguments)
    assert code == 0 and json.loads(out)["state"] == "queued"
    kept = house.services.requests.show(house.researcher, json.loads(out)["rid"]).controls
    assert (kept.emotion, kept.intensity, kept.amplitude, kept.distance, kept.gaze, kept.fps) == (
        "happy", 0.8, 1.2, 0.9, (-8, 4), 30)  # fmt: skip
    assert kept.pose == (PoseKey(0.5, 10, 0, 0), PoseKey(2, -10, 3, 1))
    assert kept.regions == ("pose", "lips")
    assert house.leaves(json.loads(out)["rid"]) == ["request.received"]
    before = len(house.kinds)
    assert run(*arguments, "--size", "7")[0] == 3
    assert house.kinds[before:] == ["http.request"] * 2  # asked, and refused
    assert run(*arguments, "--pose", "1", "90", "0", "0")[0] == 3
    assert run(*arguments, "--gaze", "nan", "0")[0] == 3
    assert run(*arguments, "--consent", "x")[0] == 3
