"""`manage.py up` as a person uses it: one folder, started, hurt, stopped and started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import assert_eventually
from tests.stack import Stack, command
from tests.web.core.embedded.test_supervisor import is_running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Not the session's `stack`: this one gets hurt. The path has spaces."""
    data_dir = tmp_path_factory.mktemp("up") / "my data"
    stack = Stack(data_dir, agents=1, options=("--no-demo-voice",))
    try:
        yield stack.start()
    finally:
        stack.stop()


def get(url: str, token: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def try_up(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command("up", *options), capture_output=True, text=True, timeout=60)


def test_the_first_user_can_use_the_api(own_stack: Stack) -> None:
    assert set(own_stack.credentials) == {"url", "username", "password", "token"}
    me = json.loads(get(f"{own_stack.url}/api/v1/me", own_stack.token))
    assert own_stack.credentials["username"] == "admin"
    assert "admin" in json.dumps(me)


@pytest.mark.parametrize("name", ["credentials.json", "env", "nats/nats.conf", "secrets/s3"])
def test_files_with_secrets_are_private(own_stack: Stack, name: str) -> None:
    assert stat.S_IMODE((own_stack.data_dir / name).stat().st_mode) == 0o600


def test_no_secret_is_logged(own_stack: Stack) -> None:
    logged = own_stack.log.read_text() + "".join(
        each.read_text() for each in (own_stack.data_dir / "logs").iterdir()
    )
    secrets = [own_stack.token, own_stack.credentials["password"]]
    secrets += [
        each.read_text()
        for each in (own_stack.data_dir / "secrets").iterdir()
        if each.stat().st_size
    ]
    assert not any(secret in logged for secret in secrets)


def test_other_commands_work_with_its_env_file(own_stack: Stack) -> None:
    made = json.loads(own_stack.manage("create_user", "dora", "--team", "Home", "--role", "viewer"))
    assert set(made) == {"url", "username", "password", "token"}
    assert made["url"] == own_stack.url
    get(f"{made['url']}/api/v1/me", made["token"])


def test_agents_know_no_secret_of_the_portal(own_stack: Stack) -> None:
    pid = own_stack.children()["agent"]
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert "SYRINX_GRPC_TARGET" in environment
    for name in ("DATABASE_URL", "S3_SECRET_KEY", "SECRET_KEY"):
        assert f"SYRINX_{name}" not in environment


def listening_addresses(pid: int) -> list[str]:
    """Local addresses, in the kernel's hexadecimal, of the sockets on which a process listens."""
    sockets = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return [
        row[1].partition(":")[0]
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in sockets
    ]


def test_every_server_listens_on_loopback_only(own_stack: Stack) -> None:
    children = own_stack.children()
    for name in ("postgres", "nats", "s3", "grpc", "web"):
        addresses = listening_addresses(children[name])
        assert addresses, name
        # 127.0.0.1 ends so, as IPv4 and as IPv6.
        assert all(each.endswith("0100007F") for each in addresses), name


def test_a_second_up_on_the_same_folder_is_refused(own_stack: Stack) -> None:
    second = try_up("--data", str(own_stack.data_dir), "--port", "0")
    assert second.returncode == 2
    assert f"already (process {own_stack.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("name", ["postgres", "nats", "s3", "grpc", "relay", "web", "agent"])
def test_a_killed_child_comes_back(own_stack: Stack, name: str) -> None:
    before = own_stack.children()[name]
    os.kill(before, signal.SIGKILL)
    assert_eventually(lambda: own_stack.children().get(name, before) != before, timeout=20)
    own_stack.wait_for_line(f"{name} ended by SIGKILL; it is started again in")
    own_stack.wait_for_line(f"{name} was started again")
    assert_eventually(lambda: get(f"{own_stack.url}/readyz"), timeout=30)


def test_no_child_outlives_a_killed_supervisor_and_a_restart_finds_everything(
    own_stack: Stack,
) -> None:
    children = own_stack.children()
    assert {"postgres", "nats", "s3", "grpc", "relay", "web", "agent"} <= set(children)
    before = own_stack.credentials
    own_stack.kill()
    for pid in children.values():
        assert_eventually(lambda pid=pid: not is_running(pid))

    own_stack.start()
    assert own_stack.credentials == before
    get(f"{own_stack.url}/api/v1/me", own_stack.token)


def test_it_stops_cleanly(own_stack: Stack) -> None:
    children = own_stack.children()
    assert own_stack.stop(seconds=20) == 0
    assert "Stopped. All data is in" in own_stack.said()
    assert not any(is_running(pid) for pid in children.values())


def test_a_stop_while_it_starts_is_clean(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data")
    stack.launch()
    stack.wait_for_line("Starting in")
    assert stack.stop() == 0
    assert "Traceback" not in stack.said()


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = try_up("--data", str(tmp_path / "data"), "--port", port)
    assert answer.returncode == 2
    assert f"Port {port} on 127.0.0.1 is in use by another program." in answer.stderr
    assert "--port" in answer.stderr


def test_help_lists_it() -> None:
    answer = subprocess.run(command("help"), capture_output=True, text=True)
    assert "    up\n" in answer.stdout


def as_nobody() -> list[str]:
    """How root runs this Python as a user without rights; skips where that can't read it."""
    path = f"PYTHONPATH={os.pathsep.join(filter(None, sys.path))}"
    programs = f"PATH={sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    who = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", path, programs]
    same_version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{same_version}"):
        try:
            subprocess.run([*who, python, "-c", "import django"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return [*who, python]
    pytest.skip("no Python here that an unprivileged user may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_needs_no_root() -> None:
    with tempfile.TemporaryDirectory(prefix="syrinx-tests-") as folder:
        os.chown(folder, 65534, 65534)
        stack = Stack(Path(folder) / "data", agents=0, run=as_nobody())
        try:
            stack.start()
            assert Path(f"/proc/{stack.children()['postgres']}").stat().st_uid == 65534
        finally:
            assert stack.stop() == 0
