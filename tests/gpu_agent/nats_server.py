"""A NATS server of one test's own, configured as the portal's, to be restarted and wiped."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import nats
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, RetentionPolicy, StreamConfig
from nats.js.errors import NotFoundError

from tests.eventually import assert_eventually
from tests.gpu_agent.fake_portal import CONSUMER, STREAM
from web.core.embedded.nats import Nats

T = TypeVar("T")


class NatsServer:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._nats = Nats(folder, port, "portal-word", "agent-word", durable=False)
        self.agent_url = self._nats.agent_url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        service = self._nats.service()
        service.prepare()
        self._process = subprocess.Popen(
            service.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert_eventually(service.is_ready)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def make_stream(self) -> None:
        async def make(client: Client) -> None:
            context = client.jetstream()
            await context.add_stream(
                StreamConfig(
                    name=STREAM, subjects=["syrinx.jobs.*"], retention=RetentionPolicy.WORK_QUEUE
                )
            )
            await context.add_consumer(
                STREAM, ConsumerConfig(durable_name=CONSUMER, ack_wait=2.0, max_deliver=-1)
            )

        self.do(make)

    def wipe(self) -> None:
        async def delete(client: Client) -> None:
            await client.jetstream().delete_stream(STREAM)

        self.do(delete)

    def ring(self, job_id: str, kind: str = "import_base") -> None:
        body = json.dumps({"job_id": job_id, "attempt": 0, "kind": kind}).encode()

        async def publish(client: Client) -> None:
            await client.jetstream().publish(f"syrinx.jobs.{kind}", body)

        self.do(publish)

    def waiting(self) -> int:
        """Messages that nobody has acknowledged."""

        async def count(client: Client) -> int:
            try:
                return (await client.jetstream().stream_info(STREAM)).state.messages
            except NotFoundError:
                return -1

        return self.do(count)

    def do(self, work: Callable[[Client], Awaitable[T]]) -> T:
        async def run() -> T:
            client = await nats.connect(self._nats.url, allow_reconnect=False)
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(run())
