"""The shape of the tree: traps that were paid for once, and promises the files themselves keep."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("audit", "generator", "safeguards", "platform", "migrations")


def committed() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("this tree is not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in committed():
        if path.is_file() and not path.is_symlink() and path.suffix not in BINARY:
            found.append((path, path.read_text(encoding="utf-8")))
    return found


BINARY = {
    ".png", ".jpg", ".npz", ".npy", ".mp4", ".wav", ".woff2", ".wasm", ".gz", ".ogg", ".ico",
    ".safetensors", ".otf",
}  # fmt: skip
#: Drawn and synthesised by our own code, and pinned by digest: test_mark_golden.
GOLDEN = ROOT / "tests" / "safeguards" / "golden"


def test_no_init_file_shadows_the_standard_library() -> None:
    for folder in ("platform", "src/primafacie", "tests"):
        assert not (ROOT / folder / "__init__.py").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_the_standard_platform_module_works_from_the_root() -> None:
    program = "import platform, torch, flask, sqlalchemy; print(platform.system())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_the_namespace_is_five_links() -> None:
    namespace = ROOT / "src" / "primafacie"
    assert {p.name for p in namespace.iterdir()} == {*FOLDERS, "py.typed"}
    for folder in FOLDERS:
        assert (namespace / folder).resolve() == ROOT / folder


REGISTRIES = ("py" + "pi.org", "pythonhosted" + ".org", "npm" + "js.org", "npmjs" + ".com",
              "download.py" + "torch.org")  # fmt: skip


def test_no_file_names_a_package_registry() -> None:
    found = [f"{p}: {host}" for p, text in texts() for host in REGISTRIES if host in text]
    assert not found


def test_no_file_names_a_path_of_some_machine() -> None:
    pattern = re.compile(r"(?<![\w.])/(?:home|Users|root|work)/\w")
    found = [f"{p}: {m.group()}" for p, text in texts() for m in pattern.finditer(text)]
    assert not found


def test_no_photograph_or_recording_is_committed() -> None:
    """Pictures are drawn by our own code; sound stands nowhere but among the golden files."""
    sound = {".wav", ".mp3", ".ogg", ".opus", ".m4a", ".flac", ".aac", ".webm"}
    pinned = (GOLDEN / "golden.toml").read_text("utf-8")
    for path in committed():
        if path.parent == GOLDEN and hashlib.sha256(path.read_bytes()).hexdigest() in pinned:
            continue
        assert path.suffix.lower() not in sound, path
        if path.suffix.lower() in {".jpg", ".jpeg", ".heic"}:
            pytest.fail(f"{path} looks like a photograph")


def test_every_pin_has_a_hash() -> None:
    for name in ("run.txt", "test.txt"):
        text = (ROOT / "requirements" / name).read_text()
        pins = [block for block in re.split(r"\n(?=\S)", text) if "==" in block]
        assert len(pins) > 50
        assert all("--hash=sha256:" in block for block in pins)
        assert "://" not in text


def test_the_wheel_ships_what_the_program_reads() -> None:
    """Package data lies inside the five folders, so the wheel has it; this names the essentials."""
    for needed in ("safeguards/policies/schema.cedarschema", "platform/web/templates"):
        assert (ROOT / needed).exists(), needed
