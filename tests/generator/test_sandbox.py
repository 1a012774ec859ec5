"""The box: what it holds is tried from inside, in a process of its own."""

from __future__ import annotations

import json
import platform
import signal
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
#: The call filter alone: Landlock, too, holds signals, but not on every kernel.
AT_OTHERS = """
import ctypes, json, os, resource
from primafacie.generator import sandbox
assert sandbox._loaded(sandbox._call_filter())
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.argtypes = [ctypes.c_long] * 5
NUMBERS = {"tkill": 200, "tgkill": 234, "rt_tgsigqueueinfo": 297, "kill": 62}
def refused(name, *arguments):
    ctypes.set_errno(0)
    libc.syscall(NUMBERS[name], *arguments, *[0] * (4 - len(arguments)))
    return ctypes.get_errno() == 1
other = os.getppid()
told = {
    "kill": refused("kill", other, 0),
    "tkill": refused("tkill", other, 0),
    "tgkill": refused("tgkill", other, other, 0),
    "tgkill, disguised": refused("tgkill", (1 << 32) | other, other, 0),
    "rt_tgsigqueueinfo": refused("rt_tgsigqueueinfo", other, other, 0),
    "its own": not refused("tgkill", os.getpid(), os.getpid(), 0),
}
try:
    resource.prlimit(other, resource.RLIMIT_CPU)
    told["prlimit64"] = False
except PermissionError:
    told["prlimit64"] = True
resource.getrlimit(resource.RLIMIT_CPU)
print(json.dumps(told), flush=True)
"""
ABORTS = """
import os, signal, threading
from primafacie.generator import sandbox
sandbox.enter()
stay = threading.Event()
thread = threading.Thread(target=stay.wait)
thread.start()
signal.signal(signal.SIGUSR1, lambda *_: stay.set())
signal.pthread_kill(thread.ident, signal.SIGUSR1)
for _ in range(400):  # a handler runs in this thread, which a signal to that one does not wake
    thread.join(0.05)
    if stay.is_set():
        break
assert stay.is_set()
os.abort()
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


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the calls are x86-64's")
def test_a_child_that_was_taken_over_ends_no_other_process() -> None:
    assert all(json.loads(run(AT_OTHERS)).values()), run(AT_OTHERS)


def test_threads_inside_signal_each_other_and_a_failed_assertion_still_aborts() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", ABORTS], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGABRT, done.stderr
