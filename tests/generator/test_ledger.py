"""The studio's ledger: a permit is spent once, whoever races and whoever is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from primafacie.generator.errors import PermitError
from primafacie.generator.ledger import Ledger

RACER = """
import sys
from pathlib import Path
from primafacie.generator.ledger import Ledger
from primafacie.generator.errors import PermitError
ledger = Ledger(Path(sys.argv[1]))
sys.stdin.readline()
won = 0
for n in range(16):
    try:
        ledger.burn(f"{n:064x}", 1)
        won += 1
    except PermitError:
        pass
print(won)
"""


def test_a_nonce_burns_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.burn("a" * 64, 1)
    with pytest.raises(PermitError):
        ledger.burn("a" * 64, 1)
    ledger.burn("b" * 64, 1)


def test_it_is_remembered_after_a_restart(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger").burn("a" * 64, 1)
    with pytest.raises(PermitError):
        Ledger(tmp_path / "ledger").burn("a" * 64, 1)


def test_a_torn_last_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"1 " + b"c" * 20)
    ledger = Ledger(tmp_path / "ledger")
    ledger.burn("a" * 64, 1)
    with pytest.raises(PermitError):
        Ledger(tmp_path / "ledger").burn("a" * 64, 1)


def test_racing_studios_admit_each_permit_exactly_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path / "ledger")]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    assert sum(won) == 16


def test_a_ledger_that_cannot_be_written_admits_nobody(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.close()
    with pytest.raises(PermitError):
        ledger.burn("a" * 64, 1)
