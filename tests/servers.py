"""An early pytest plug-in (`-p tests.servers`): real Postgres, NATS and S3 for one session.

Started by the same code as `manage.py up`, before Django's settings are read. They come up while
pytest collects. Workers of pytest-xdist inherit the environment and start nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from web.core.embedded.console import Console
from web.core.embedded.ports import Ports
from web.core.embedded.process import Process
from web.core.embedded.secret_files import SecretFiles
from web.core.embedded.servers import Servers

RUNNING = "SYRINX_TEST_SERVERS"  # set in the environment once they are started
PORTAL = {
    "SYRINX_SECRET_KEY": "only-for-tests, which nobody attacks",
    "SYRINX_PUBLIC_URL": "http://testserver",
    "SYRINX_GRPC_LISTEN": "127.0.0.1:0",
}


class TestServers:
    """The servers of this session, in a temporary folder that goes with them."""

    __test__ = False

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="syrinx-tests-"))
        self._processes: list[Process] = []
        self._console = Console(self.folder / "logs", out=None)
        ports = Ports(self.folder / "ports.json")
        secrets = SecretFiles(self.folder / "secrets")
        self.servers = Servers.in_folder(self.folder, ports, secrets, durable=False)

    def start(self) -> None:
        # Postgres may have to leave root, and must then find its way here.
        self.folder.chmod(0o711)
        self.servers.postgres.initialise(self._console)
        for service in self.servers.services():
            self._processes.append(Process(service, self._console))

    def wait_ready(self) -> None:
        for process in self._processes:
            process.wait_ready()

    def stop(self) -> None:
        for process in self._processes:
            # SeaweedFS takes two seconds to say goodbye, and nothing of it is kept. Postgres is
            # asked: killed, it leaves children to a process 1 that may not look after them.
            process.stop(seconds=0 if process.service.name == "s3" else 5)
        self._processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


_session = pytest.StashKey[TestServers]()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """A wrapper, so that it runs before pytest-django reads the settings."""
    if RUNNING not in os.environ:
        servers = TestServers()
        settings = PORTAL | servers.servers.settings()
        settings["SYRINX_TEST_NATS_AGENT_URL"] = servers.servers.nats.agent_url
        for name in settings:
            os.environ.pop(f"{name}_FILE", None)
        os.environ.update(settings)
        if not early_config.known_args_namespace.collectonly:
            os.environ[RUNNING] = str(servers.folder)
            early_config.stash[_session] = servers
            try:
                servers.start()
            except BaseException:
                servers.stop()
                raise
    return (yield)


def pytest_collection_finish(session: pytest.Session) -> None:
    servers = session.config.stash.get(_session, None)
    if servers is not None:
        servers.wait_ready()


def pytest_unconfigure(config: pytest.Config) -> None:
    servers = config.stash.get(_session, None)
    if servers is not None:
        servers.stop()
        os.environ.pop(RUNNING, None)
