"""The box: what it holds is tried from inside, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json
from primafacie.generator import sandbox
level = sandbox.enter()
print(json.dumps({"level": level, "blocked": sandbox.probe()}), flush=True)
"""
STILL_WORKS = """
from primafacie.generator import sandbox
sandbox.enter()
import torch, cv2, dlib, av
from facenet_pytorch import MTCNN
MTCNN(keep_all=True, device="cpu")
assert float(torch.ones(4, 4).matmul(torch.ones(4, 4)).sum()) == 64.0
print("works", flush=True)
"""


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_it_says_it_holds_it_holds() -> None:
    told = json.loads(run(PROGRAM))
    if told["level"] == "enforced":
        assert all(told["blocked"].values()), told
    elif told["level"] == "partial":
        assert any(told["blocked"].values()), told
        pytest.skip("this kernel or machine has only one of Landlock and seccomp")
    else:
        pytest.skip("this kernel has neither Landlock nor seccomp; the level says so")


def test_engines_still_work_inside() -> None:
    assert run(STILL_WORKS).strip() == "works"
