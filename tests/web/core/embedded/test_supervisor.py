"""The supervisor, with small real children: `sleep`, `sh`, and a supervisor in its own process."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import assert_eventually
from web.core.embedded import CannotStart
from web.core.embedded.console import Console
from web.core.embedded.process import Process, Service
from web.core.embedded.supervisor import Supervisor

SLEEP = ["/bin/sleep", "1000"]


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(out: io.StringIO) -> Iterator[Supervisor]:
    supervisor = Supervisor(Console(out=out))
    yield supervisor
    supervisor.stop()


def shell(name: str, script: str, **options: object) -> Service:
    return Service(name=name, command=["/bin/sh", "-c", script], **options)  # type: ignore[arg-type]


def is_running(pid: int) -> bool:
    """A zombie has ended: whoever should look after it is of no interest."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def watch_until(supervisor: Supervisor, done: object) -> None:
    """Lets it watch until `done()` is true; `done` is called between its looks."""

    def every() -> None:
        if done():  # type: ignore[operator]
            os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, supervisor._on_signal)
    try:
        supervisor.watch(every)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_lines_carry_the_name_of_the_child(out: io.StringIO) -> None:
    process = Process(shell("nats", "echo hello"), Console(out=out))
    assert_eventually(lambda: process.exit_code is not None)
    process.check_success()
    assert out.getvalue() == "nats     | hello\n"


def test_a_child_that_died_is_started_again_and_said_so(
    supervisor: Supervisor, out: io.StringIO
) -> None:
    supervisor.start([Service(name="relay", command=SLEEP)])
    child = supervisor._layers[0][0]
    first = child.process.id
    os.kill(first, signal.SIGKILL)
    watch_until(supervisor, lambda: child.process.id != first)
    assert is_running(child.process.id)
    assert "relay ended by SIGKILL; it is started again in 1 s." in out.getvalue()
    assert f"relay was started again (process {child.process.id})." in out.getvalue()


def test_a_child_that_ends_at_its_start_shows_its_last_lines(supervisor: Supervisor) -> None:
    supervisor.start([shell("web", "echo no such setting; exit 3", is_ready=lambda: False)])
    with pytest.raises(CannotStart, match=r"web ended with code 3.*\n  no such setting"):
        supervisor.wait_ready()


def test_a_child_that_never_gets_ready_is_said(supervisor: Supervisor) -> None:
    slow = Service(name="s3", command=SLEEP, is_ready=lambda: False, ready_seconds=0.1)
    supervisor.start([slow])
    with pytest.raises(CannotStart, match="s3 did not answer within"):
        supervisor.wait_ready()


def test_stop_goes_backwards_and_ends_grandchildren(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"

    def service(name: str) -> Service:
        script = (
            f"trap 'echo {name} >> {order}; exit' TERM; sleep 1000 & echo $! > {tmp_path}/{name}"
        )
        return shell(name, f"{script}; wait", is_ready=(tmp_path / name).exists)

    for name in ("database", "web", "agent"):
        supervisor.start([service(name)])
        supervisor.wait_ready()
    grandchildren = [int((tmp_path / name).read_text()) for name in ("database", "web", "agent")]
    supervisor.stop()
    assert order.read_text().split() == ["agent", "web", "database"]
    assert not any(is_running(each) for each in grandchildren)


def test_a_child_that_ignores_the_signal_is_ended(
    supervisor: Supervisor, out: io.StringIO, tmp_path: Path
) -> None:
    script = f"trap '' TERM; touch {tmp_path}/up; while :; do sleep 1; done"
    deaf = shell("agent", script, stop_seconds=0.2, is_ready=(tmp_path / "up").exists)
    supervisor.start([deaf])
    supervisor.wait_ready()
    process = supervisor._layers[0][0].process
    supervisor.stop()
    assert process.exit_code == -signal.SIGKILL
    assert "agent does not stop; ending it." in out.getvalue()


def test_no_child_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    script = tmp_path / "supervise.py"
    script.write_text(
        "from web.core.embedded.console import Console\n"
        "from web.core.embedded.process import Service\n"
        "from web.core.embedded.supervisor import Supervisor\n"
        "supervisor = Supervisor(Console(out=None))\n"
        f"supervisor.start([Service(name=str(n), command={SLEEP}) for n in range(5)])\n"
        "print(*[child.process.id for child in supervisor._layers[0]], flush=True)\n"
        "supervisor.watch(lambda: None)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(each) for each in parent.stdout.readline().split()]
        assert len(children) == 5
        # Each has become `sleep` by then, so the signal has been asked for.
        for child in children:
            comm = Path(f"/proc/{child}/comm")
            assert_eventually(lambda comm=comm: comm.read_text().strip() == "sleep")
        parent.kill()
    for child in children:
        assert_eventually(lambda child=child: not is_running(child))
