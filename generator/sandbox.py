"""The box the studio works in: no network, no new programs, no files but the ones it reads.

Landlock (file system, TCP, abstract sockets, signals) and seccomp (system calls) where the kernel
has them. The level reached is reported, never assumed, and stands in every receipt.
Sources: Linux Documentation/userspace-api/landlock.rst, seccomp_filter.rst.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import errno
import os
import resource
import site
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

#: Calls that would open the box from inside; each answers "not permitted".
FORBIDDEN_CALLS: Final = (
    "socket", "connect", "bind", "listen", "accept", "accept4", "execve", "execveat", "ptrace",
    "process_vm_readv", "process_vm_writev", "mount", "umount2", "pivot_root", "chroot", "bpf",
    "keyctl", "add_key", "request_key", "unshare", "setns", "io_uring_setup", "kexec_load",
    "init_module", "finit_module", "delete_module", "open_by_handle_at", "perf_event_open",
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
    "setxattr", "lsetxattr", "fsetxattr", "removexattr", "utime", "utimes", "utimensat",
    "futimesat", "truncate", "ftruncate", "fallocate", "link", "linkat", "symlink", "symlinkat",
    "rename", "renameat", "renameat2", "unlink", "unlinkat", "mknod", "mknodat", "mkdir", "mkdirat",
    "rmdir", "personality", "userfaultfd", "swapon", "swapoff", "reboot", "sethostname",
    "settimeofday", "clock_settime", "kill", "pidfd_send_signal", "rt_sigqueueinfo", "tkill",
    "rt_tgsigqueueinfo", "pidfd_getfd",
)  # fmt: skip


class Level(StrEnum):
    """How much of the box stands."""

    ENFORCED = "enforced"  # files, network and calls are all held by the kernel
    PARTIAL = "partial"  # one of the two mechanisms is missing
    NONE = "none"  # separate process and resource limits only


def enter(extra: tuple[Path, ...] = ()) -> Level:
    """Shut this process in, for good. Call before any thread is started.

    Readable afterwards: the interpreter, its packages, system libraries, and `extra` (weights
    an operator registered). Writable: nothing but file descriptors already open.
    """
    _limits()
    calls = _call_filter()  # before Landlock: finding the library reads files and runs ldconfig
    tempfile.tempdir = "/nowhere"  # some packages ask where temporary files would go
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = sys.prefix  # torch insists on a folder that exists
    # Looking for a library, ctypes may write a file and run gcc; in the box it must not even try.
    setattr(ctypes.util, "_findLib_gcc", lambda name: None)  # noqa: B010
    held = [_landlock(extra), _loaded(calls)]
    return Level.ENFORCED if all(held) else Level.PARTIAL if any(held) else Level.NONE


def readable() -> tuple[Path, ...]:
    """The folders a Python process needs to read in order to import and compute."""
    packages = [*site.getsitepackages(), *(p for p in sys.path if p)]
    roots = [
        sys.prefix, sys.base_prefix, sys.exec_prefix, sysconfig.get_paths()["stdlib"], *packages,
        *(str(Path(p).resolve()) for p in packages),
        *_editable(packages),
        "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
        "/etc/alternatives", "/etc/localtime", "/proc/self", "/proc/cpuinfo", "/proc/meminfo",
        "/proc/stat", "/sys/devices/system", "/sys/fs/cgroup", "/dev/null", "/dev/urandom",
        "/dev/zero",
    ]  # fmt: skip
    return tuple(dict.fromkeys(Path(r) for r in roots if Path(r).exists()))


def _editable(packages: list[str]) -> list[str]:
    """Where our own code really lies: an editable install reaches it through symbolic links."""
    here = Path(__file__).resolve().parent.parent
    folders = ("audit", "generator", "safeguards")
    return [str(here / name) for name in folders if (here / name).is_dir()]


def _limits() -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**26, 2**26))


def _landlock(extra: tuple[Path, ...]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        from landlockpy import AccessFS, Ruleset, Scope
    except ImportError:
        return False
    read = AccessFS.READ_FILE | AccessFS.READ_DIR
    try:
        with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
            for path in (*readable(), *extra):
                rules.allow_path(path, read if path.is_dir() else AccessFS.READ_FILE)
            rules.restrict()
            return bool(rules.abi_version >= 4)  # from 4 on, TCP is held as well
    except OSError:
        return False


def _call_filter() -> Any:
    """The system call filter, not yet in force; None where libseccomp is missing."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import pyseccomp

        rules = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
        for name in FORBIDDEN_CALLS:
            if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:  # there is such a call
                rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
        # Threads signal each other and abort() with tgkill, and glibc asks for its own limits with
        # prlimit64; on another process the one ends it, and so does the other (a limit of 0 s).
        for name, own in (("tgkill", os.getpid()), ("prlimit64", 0)):
            foreign = pyseccomp.Arg(0, pyseccomp.NE, own)
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name, foreign)
    except (ImportError, OSError, RuntimeError, ValueError):
        return None  # a filter with a hole is none
    return rules


def _loaded(rules: Any) -> bool:
    if rules is None:
        return False
    try:
        rules.load()
    except (OSError, RuntimeError):
        return False
    return True


def probe() -> dict[str, bool]:
    """What the box still lets through, tried from inside: name -> was it blocked?"""
    return {
        "network": _blocked(_open_socket),
        "other files": _blocked(lambda: os.listdir("/root" if os.geteuid() == 0 else "/home")),
        "passwords": _blocked(lambda: Path("/etc/passwd").read_bytes()),
        "writing": _blocked(lambda: Path("/tmp/primafacie-probe").write_bytes(b"x")),
        "changing modes": _blocked(lambda: os.chmod(sys.prefix, os.stat(sys.prefix).st_mode)),
        "truncating": _blocked(lambda: os.ftruncate(1, 0)),
        "programs": _blocked(lambda: os.execv("/bin/true", ["true"])),
    }


def _open_socket() -> None:
    import socket

    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def _blocked(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False
