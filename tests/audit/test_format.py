"""FORMAT.md is a test vector: what it shows must verify, with this release and every later one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from primafacie.audit.bundle import verify_bundle
from primafacie.audit.entry import TERMINAL, Kind, read_leaf
from primafacie.audit.proof import verify_leaf

FOLDER = Path(__file__).resolve().parents[2] / "audit"
TEXT = (FOLDER / "FORMAT.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    return re.findall(r"```(?:json)?\n(.*?)\n```", TEXT, re.DOTALL)


def test_the_leaf_proof_and_key_shown_belong_together(blocks: list[str]) -> None:
    leaf, proof, vkey = blocks[:3]
    said, head = verify_leaf(proof + "\n", leaf.encode(), [vkey])
    assert said == read_leaf(leaf.encode())
    assert (said.index, said.kind, head.size) == (1, Kind.DECISION_GENERATE, 3)


def test_the_bundle_shown_verifies(blocks: list[str], tmp_path: Path) -> None:
    path = tmp_path / "example.jsonl"
    path.write_text(blocks[3] + "\n", encoding="utf-8")
    report = verify_bundle(path, [blocks[2]])
    assert (report.size, report.received, report.findings) == (3, 1, ())


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_described(kind: Kind) -> None:
    line = next(line for line in TEXT.splitlines() if line.startswith(f"| `{kind.value}` |"))
    assert ("**ends**" in line) == (kind in TERMINAL)


def test_every_file_of_the_log_is_named_in_its_readme() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for file in FOLDER.glob("*.py"):
        assert file.name == "__init__.py" or f"`{file.name}`" in readme
