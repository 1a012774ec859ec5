"""The command line's stable promises, on a real installation: what it prints and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(world: Any, tmp_path: Path) -> Run:
    """primafacie … --json in this installation; returns (exit code, the one JSON document)."""
    (tmp_path / "photo.png").write_bytes(world.portrait)
    (tmp_path / "voice.wav").write_bytes(world.voice)
    environment = {**os.environ, "PRIMAFACIE_DATA_DIR": str(world.folder / "data")}

    def command(*words: str) -> tuple[int, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "primafacie.platform.cli", *words, "--json"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr

    return command


def generate(world: Any, **changes: str) -> list[str]:
    words = {
        "--photo": "photo.png",
        "--voice": "voice.wav",
        "--consent": world.consent_id,
        "--purpose": "demonstration",
        "--audience": "public",
        "--as": "researcher@example.org",
        "--size": "256",
        **{f"--{name}": value for name, value in changes.items()},
    }
    return ["generate", "--synthetic-voice", *(w for pair in words.items() for w in pair)]


@pytest.mark.slow
def test_generate_verify_prove_and_withdraw(world: Any, run: Run, tmp_path: Path) -> None:
    code, made = run(*generate(world, out="film.mp4"))
    assert (code, made["state"]) == (0, "released"), made
    code, found = run("verify", "film.mp4")
    assert (code, found["verdict"]) == (0, "EXACT")
    assert {"manifest", "watermark", "asset", "log", "consent", "sentence"} <= set(found)
    code, found = run("verify", "film.mp4", "--offline")
    assert (code, found["verdict"]) == (0, "AUTHENTIC")
    index = next(e["index"] for e in made["log"] if e["kind"] == "output.released")
    code, proven = run("audit", "prove", str(index))
    assert code == 0 and proven["proof"].startswith("c2sp.org/tlog-proof@v1")
    assert run("audit", "verify")[0] == 0
    code, listed = run("consent", "list")
    assert code == 0 and [c["state"] for c in listed["consents"]] == ["active"]
    assert run("consent", "withdraw", world.consent_id, "--note", "by letter")[0] == 0
    code, found = run("verify", "film.mp4")
    assert (code, found["verdict"]) == (4, "REVOKED")
    code, refused = run(*generate(world))
    assert (code, refused["state"]) == (2, "refused")


@pytest.mark.slow
def test_bad_material_ends_with_three_and_policy_with_two(
    world: Any, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "noise.png").write_bytes(b"not a picture")
    code, answer = run(*generate(world, photo="noise.png"))
    assert code == 3, answer
    assert any("must be a complete PNG" in r["sentence"] for r in answer["reasons"])
    (tmp_path / "mute.wav").write_bytes(b"not a sound")
    code, answer = run(*generate(world, voice="mute.wav"))
    assert code == 3 and [r["rule"] for r in answer["reasons"]] == ["voice_usable"]
    code, answer = run(*generate(world, purpose="dubbing"))
    assert code == 2 and "purpose_in_scope" in [r["rule"] for r in answer["reasons"]]
    assert run(*generate(world, **{"as": "nobody@example.org"}))[0] == 3
    assert run(*generate(world, size="255"))[0] == 3


def test_doctor_tells_what_there_is(run: Run) -> None:
    code, told = run("doctor")
    assert code == 0
    names = {check["name"] for check in told["checks"]}
    assert {"database", "log", "keys", "sandbox", "codec libx264", "landmarks", "disk"} <= names
