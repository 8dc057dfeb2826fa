"""Free loopback ports, remembered in a file so that a restart finds the same ones."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from web.core.embedded import CannotStart
from web.core.embedded.secret_files import write_private

# Below the range that Linux hands out to outgoing connections (32768 and up), and with room
# for SeaweedFS, whose gRPC ports are always the port + 10,000.
FIRST, LAST = 10_240, 22_000
GRPC_OFFSET = 10_000


class Ports:
    """Hands out one free port a name; the same one as last time where that is still free."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        self._taken: set[int] = set()

    def get(self, name: str, *, with_grpc: bool = False) -> int:
        """`with_grpc`: the port 10,000 above must be free too."""
        wanted = [self._known[name]] if name in self._known else []
        for port in (*wanted, *random.sample(range(FIRST, LAST), 500)):
            group = {port, port + GRPC_OFFSET} if with_grpc else {port}
            if group & self._taken or not all(is_free("127.0.0.1", each) for each in group):
                continue
            self._taken |= group
            if self._known.get(name) != port:
                self._known[name] = port
                write_private(self._file, json.dumps(self._known, indent=2) + "\n")
            return port
        raise CannotStart("No free port was found on 127.0.0.1.")


def is_free(host: str, port: int) -> bool:
    try:
        probe_bind(host, port)
    except OSError:
        return False
    return True


def probe_bind(host: str, port: int) -> None:
    """Raises OSError where a server could not listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a server that has just ended don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
