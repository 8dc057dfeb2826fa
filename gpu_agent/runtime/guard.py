"""Stands between the agent and a child, so that no process of a job outlives the agent.

    agent ── guard ── child ── loaders, ffmpeg, ...
                      └──────── one process group

The kernel tells the guard when the agent dies (SIGTERM), and the child when the
guard dies (SIGKILL). The guard kills the child's whole group when it is told to
end and when the child has ended, then ends in the same way as the child did. It
is a program of its own because a trainer deep in native code answers nothing,
and because nothing may run between fork and exec in the agent, which has threads.

Run as `python -I -S guard.py PID_OF_AGENT -- COMMAND...`; needs the standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1
# Of 1000: the kernel takes a trainer before the agent when memory runs out.
OOM_SCORE = "500"

libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    agent, command = int(arguments[0]), arguments[2:]
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    guard = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        become(command, guard)

    def kill_group(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(child, child)  # in both, as either may come first
    signal.signal(signal.SIGTERM, kill_group)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if os.getppid() != agent:  # it died before the kernel was asked to tell
        kill_group()
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # so that the agent sees the child's pipes end
        os.dup2(silence, descriptor)
    status = wait_for_exit(child)
    # The group still exists while its leader is a zombie: nobody else can have its number.
    kill_group()
    os.waitpid(child, 0)
    end_like(status)


def wait_for_exit(child: int) -> tuple[int, int]:
    """(`CLD_*` code, exit status or signal) of the child, which is left a zombie."""
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_code, ended.si_status


def end_like(status: tuple[int, int]) -> None:
    code, value = status
    if code == os.CLD_EXITED:
        os._exit(value)
    if value not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(value, signal.SIG_DFL)
    os.kill(os.getpid(), value)
    os._exit(128 + value)


def become(command: list[str], guard: int) -> None:
    """In the child: everything that has to hold before untrusted input is touched."""
    try:
        os.setpgid(0, 0)
        os.umask(0o077)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(OOM_SCORE)
        leave_network()
        # After `leave_network`: a change of credentials clears it.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guard:
            os.execv(command[0], command)  # noqa: S606 - a shell is what we don't want
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def leave_network() -> None:
    """A network of its own with nothing but loopback, where the kernel permits it."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET) != 0:
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            return
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_one:
        fcntl.ioctl(any_one, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", IFF_UP, b""))


if __name__ == "__main__":
    main(sys.argv[1:])
