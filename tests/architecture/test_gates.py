"""Types, style and import rules: the same commands a person runs, run by the suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str) -> None:
    tool = str(Path(sys.executable).parent / command[0])
    done = subprocess.run(
        [tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_ruff_has_nothing_to_say() -> None:
    run("ruff", "check", ".")


def test_ruff_would_format_nothing_differently() -> None:
    run("ruff", "format", "--check", ".")


def test_the_import_rules_hold() -> None:
    run("lint-imports")


@pytest.mark.parametrize("package", ["audit", "safeguards", "generator"])
def test_types_are_complete(package: str) -> None:
    run("mypy", "--strict", "-p", f"primafacie.{package}")


def test_types_of_the_platform_hold() -> None:
    run("mypy", "-p", "primafacie.platform")
