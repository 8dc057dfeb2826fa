"""Fixtures that every test may use. The servers themselves come from `tests/servers.py`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from types import ModuleType

import nats
import pytest

from tests.eventually import assert_eventually as assert_eventually
from tests.stack import Stack

pytest_plugins = ["tests.cast", "tests.gpu_agent.voices"]


@pytest.fixture
def nats_url() -> str:
    """NATS as the portal's user, with no stream in it."""
    url = os.environ["SYRINX_NATS_URL"]
    asyncio.run(delete_all_streams(url))
    return url


@pytest.fixture(scope="session")
def nats_agent_url() -> str:
    """NATS as the agents' user, who may do little."""
    return os.environ["SYRINX_TEST_NATS_AGENT_URL"]


@pytest.fixture
def s3() -> ModuleType:
    """The portal's object storage, with nothing in it."""
    from web.core import storage

    bucket = os.environ["SYRINX_S3_BUCKET"]
    found = storage.client().list_objects(bucket, recursive=True)
    storage.delete(each.object_name or "" for each in found)
    return storage


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole portal with two agents, started once; for tests marked `slow`."""
    stack = Stack(tmp_path_factory.mktemp("stack") / "var", agents=2)
    try:
        yield stack.start()
    finally:
        stack.stop()


async def delete_all_streams(url: str) -> None:
    connection = await nats.connect(url)
    try:
        stream = connection.jetstream()
        for info in await stream.streams_info():
            await stream.delete_stream(info.config.name or "")
    finally:
        await connection.close()


def pytest_sessionfinish() -> None:
    """Hang up before the servers stop: a reconnecting client would talk into the closing line."""
    from web.core.bus import bus

    if bus.cache_info().currsize:
        bus().close()
