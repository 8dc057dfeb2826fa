"""What NATS lets the portal and an agent do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, RetentionPolicy

from web.core.embedded.nats import CONSUMER, STREAM

TIMEOUT = 5


async def connect_agent(url: str) -> Client:
    return await nats.connect(url, inbox_prefix="_INBOX_agent")


async def refusal(url: str, act: Callable[[Client], Awaitable[object]]) -> str:
    """What the server says to `act`; fails when it says nothing."""
    said: asyncio.Queue[str] = asyncio.Queue()

    async def on_error(error: Exception) -> None:
        said.put_nowait(str(error).lower())

    client = await nats.connect(url, error_cb=on_error)
    try:
        await act(client)
        return await asyncio.wait_for(said.get(), TIMEOUT)
    finally:
        await client.close()


@pytest.mark.parametrize(
    "subject",
    [
        "syrinx.jobs.train",
        "syrinx.speak",
        "$JS.API.STREAM.DELETE.SYRINX_JOBS",
        "$JS.API.STREAM.PURGE.SYRINX_JOBS",
        "$JS.API.CONSUMER.CREATE.SYRINX_JOBS",
        "_INBOX.somebody.else",
    ],
)
def test_an_agent_may_not_publish_to_other_subjects(nats_agent_url: str, subject: str) -> None:
    answer = asyncio.run(refusal(nats_agent_url, lambda nc: nc.publish(subject, b"x")))
    assert "permissions violation" in answer


@pytest.mark.parametrize("subject", ["syrinx.jobs.>", ">", "_INBOX.>", "syrinx.speak"])
def test_an_agent_may_not_listen_to_other_subjects(nats_agent_url: str, subject: str) -> None:
    answer = asyncio.run(refusal(nats_agent_url, lambda nc: nc.subscribe(subject)))
    assert "permissions violation" in answer


def test_nobody_comes_in_without_a_password(nats_url: str) -> None:
    address = nats_url.rpartition("@")[2]
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
        asyncio.run(nats.connect(f"nats://{address}", allow_reconnect=False))


def test_an_agent_pulls_a_job_and_acknowledges_it(nats_url: str, nats_agent_url: str) -> None:
    async def scenario() -> None:
        portal, agent = await nats.connect(nats_url), await connect_agent(nats_agent_url)
        try:
            stream = portal.jetstream()
            await stream.add_stream(
                name=STREAM, subjects=["syrinx.jobs.>"], retention=RetentionPolicy.WORK_QUEUE
            )
            await stream.add_consumer(STREAM, ConsumerConfig(durable_name=CONSUMER))
            await stream.publish("syrinx.jobs.train", b"job")
            pull = await agent.jetstream().pull_subscribe_bind(CONSUMER, STREAM)
            (message,) = await pull.fetch(1, timeout=TIMEOUT)
            assert message.data == b"job"
            await message.ack()
            await agent.flush(timeout=TIMEOUT)
            for _ in range(100):
                if (await stream.stream_info(STREAM)).state.messages == 0:
                    break
            else:
                pytest.fail("the acknowledged message is still there")
        finally:
            await agent.close()
            await portal.close()

    asyncio.run(scenario())


def test_an_agent_answers_a_request_to_speak_in_several_messages(
    nats_url: str, nats_agent_url: str
) -> None:
    async def scenario() -> None:
        portal, agent = await nats.connect(nats_url), await nats.connect(nats_agent_url)
        try:
            asked = await agent.subscribe("syrinx.speak", queue="speak")
            await agent.flush(timeout=TIMEOUT)
            inbox = portal.new_inbox()
            answers = await portal.subscribe(inbox)
            await portal.publish("syrinx.speak", b"hello", reply=inbox)
            request = await asked.next_msg(timeout=TIMEOUT)
            for number in range(20):
                await agent.publish(request.reply, b"%d" % number)
            heard = [(await answers.next_msg(timeout=TIMEOUT)).data for _ in range(20)]
            assert heard == [b"%d" % number for number in range(20)]
        finally:
            await agent.close()
            await portal.close()

    asyncio.run(scenario())
