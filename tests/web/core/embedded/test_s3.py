"""Objects survive a restart, a crash, and a change of ports."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from minio import Minio

from web.core.embedded.console import Console
from web.core.embedded.ports import Ports
from web.core.embedded.process import Process
from web.core.embedded.s3 import ACCESS_KEY, BUCKET, S3

CONSOLE = Console(out=None)
CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[S3, Process]]:
    s3 = S3.on(tmp_path / "my s3", Ports(tmp_path / "ports.json"), "secret")
    process = Process(s3.service(), CONSOLE)
    process.wait_ready()
    yield s3, process
    process.kill()


def client(s3: S3) -> Minio:
    address = s3.endpoint.removeprefix("http://")
    return Minio(address, ACCESS_KEY, s3.secret_key, secure=False, region="us-east-1")


def test_an_object_survives_a_crash_and_a_change_of_ports(
    started: tuple[S3, Process], tmp_path: Path
) -> None:
    s3, process = started
    client(s3).put_object(BUCKET, "a/b", io.BytesIO(CONTENT), len(CONTENT))
    process.kill()

    moved = S3.on(s3.folder, Ports(tmp_path / "other-ports.json"), "secret")
    assert not set(moved.ports.values()) & set(s3.ports.values())
    again = Process(moved.service(), CONSOLE)
    try:
        again.wait_ready()
        assert client(moved).get_object(BUCKET, "a/b").read() == CONTENT
    finally:
        again.stop()
    assert again.exit_code == 0
