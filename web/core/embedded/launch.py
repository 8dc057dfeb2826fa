"""Becomes another program that cannot outlive whoever started it.

Run by path, before exec: `python -I -S launch.py PARENT SIGNAL USER FOLDER -- PROGRAM ARGS…`.

* PARENT is the id of the starter; when it dies, even by `kill -9`, the kernel sends SIGNAL.
* USER is `same`, or for Postgres, which refuses to run as root, `userns` (a user namespace
  in which this user has the id 65534), `setuid` (really become 65534, FOLDER being handed over
  to it first), or `auto`: the namespace, or where a container forbids it, the other.

A shim rather than `preexec_fn`, which is unsafe in a process that has threads. It imports only
what an isolated interpreter has at hand, and takes about 15 ms.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

NOBODY = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
EXIT_CANNOT_LAUNCH = 97

libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    parent, death_signal, user, folder, _, *command = arguments
    # The starter may have blocked signals around its own waiting.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        leave_root(user, folder, command[0])
        die_with(int(parent), int(death_signal))
        os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(1, f"{command[0]} cannot be started: {error}\n".encode())
    except Unreachable as error:
        os.write(1, f"{error}\n".encode())
    sys.exit(EXIT_CANNOT_LAUNCH)


class Unreachable(Exception):
    """The unprivileged user cannot get at a folder that it needs."""


def die_with(parent: int, death_signal: int) -> None:
    """After any change of user: that clears the setting."""
    libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(EXIT_CANNOT_LAUNCH)


def leave_root(user: str, folder: str, program: str) -> None:
    if user == "same" or os.geteuid() != 0:
        return
    if user in {"auto", "userns"} and user_namespace_works():
        enter_user_namespace()
        return
    if user == "userns":
        raise Unreachable("This system does not allow user namespaces.")
    hand_over(folder)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    check_reachable(folder)
    check_reachable(os.path.dirname(program))


def user_namespace_works() -> bool:
    """Tried in a child first: half a namespace cannot be left again."""
    child = os.fork()
    if child == 0:
        try:
            enter_user_namespace()
            os._exit(0 if os.geteuid() == NOBODY else 1)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def enter_user_namespace() -> None:
    """Files stay root's outside; inside, this process is the user 65534."""
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} 0 1"),
        ("gid_map", f"{NOBODY} 0 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def hand_over(folder: str) -> None:
    os.chown(folder, NOBODY, NOBODY)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), NOBODY, NOBODY, follow_symlinks=False)


def check_reachable(folder: str) -> None:
    path = "/"
    for part in os.path.abspath(folder).split("/"):
        path = os.path.join(path, part)
        if not os.access(path, os.X_OK):
            raise Unreachable(
                f"Postgres does not run as root, and the user 65534 may not enter {path}. "
                f"Choose a folder below one that everybody may enter with --data, "
                f"or run Syrinx as an ordinary user."
            )


if __name__ == "__main__":
    main(sys.argv[1:])
