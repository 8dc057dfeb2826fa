"""The outbox and the doorbell, against a real JetStream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import nats
import pytest
from django.db import transaction

from web.core import outbox
from web.core.bus import Bus, NoAnswer, bus
from web.core.models import OutboxMessage
from web.jobs.queue import CONSUMER_CONFIG, STREAM, STREAM_CONFIG


def enqueue(name: str, attempt: int = 1) -> None:
    with transaction.atomic():
        outbox.enqueue(f"syrinx.jobs.train.{name}", f"{name}:{attempt}", {"job_id": name})


def stored(url: str) -> list[dict[str, Any]]:
    """What hangs in the stream."""

    async def look() -> list[dict[str, Any]]:
        client = await nats.connect(url)
        context = client.jetstream()
        info = await context.stream_info(STREAM)
        found = []
        for sequence in range(info.state.first_seq, info.state.last_seq + 1):
            try:
                message = await context.get_msg(STREAM, sequence)
            except nats.js.errors.NotFoundError:
                continue
            found.append(json.loads(message.data or b""))
        await client.close()
        return found

    return asyncio.run(look())


@pytest.fixture
def bells(nats_url: str) -> str:
    bus().ensure_stream(STREAM_CONFIG, CONSUMER_CONFIG)
    return nats_url


@pytest.mark.django_db(transaction=True)
def test_a_message_outside_the_change_it_announces_is_refused() -> None:
    with pytest.raises(RuntimeError, match="share the transaction"):
        outbox.enqueue("a", "b", {})


@pytest.mark.django_db(transaction=True)
def test_what_waits_goes_out_once_and_in_order(bells: str) -> None:
    enqueue("one")
    enqueue("two")
    assert outbox.relay_once(bus().publish_stored) == 2
    assert outbox.relay_once(bus().publish_stored) == 0
    assert [message["job_id"] for message in stored(bells)] == ["one", "two"]


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_rings_nothing(bells: str) -> None:
    with transaction.atomic():
        outbox.enqueue("syrinx.jobs.train.x", "x:1", {"job_id": "x"})
        transaction.set_rollback(True)
    assert outbox.relay_once(bus().publish_stored) == 0


@pytest.mark.django_db(transaction=True)
def test_a_crash_between_publishing_and_noting_it_rings_once(bells: str) -> None:
    enqueue("one")
    assert outbox.relay_once(bus().publish_stored) == 1
    OutboxMessage.objects.update(published=None)
    assert outbox.relay_once(bus().publish_stored) == 1
    assert len(stored(bells)) == 1


@pytest.mark.django_db(transaction=True)
def test_ringing_again_replaces_the_bell_that_hangs_there(bells: str) -> None:
    enqueue("one", 1)
    enqueue("one", 2)
    outbox.relay_once(bus().publish_stored)
    assert len(stored(bells)) == 1


@pytest.mark.django_db(transaction=True)
def test_without_nats_a_message_waits(nats_url: str) -> None:
    enqueue("one")

    def refuse(subject: str, message_id: str, payload: dict[str, Any]) -> None:
        raise NoAnswer("no stream")

    with pytest.raises(NoAnswer):
        outbox.relay_once(refuse)
    assert OutboxMessage.objects.get().published is None
    # The stream was wiped: publishing fails, the reconciler makes it, publishing goes on.
    with pytest.raises(NoAnswer):
        outbox.relay_once(bus().publish_stored)
    bus().ensure_stream(STREAM_CONFIG, CONSUMER_CONFIG)
    assert outbox.relay_once(bus().publish_stored) == 1


@pytest.mark.django_db(transaction=True)
def test_what_went_out_before_a_failure_stays_out(nats_url: str) -> None:
    enqueue("one")
    enqueue("two")
    asked: list[str] = []

    def lose_the_second(subject: str, message_id: str, payload: dict[str, Any]) -> None:
        asked.append(message_id)
        if len(asked) > 1:
            raise NoAnswer("gone")

    with pytest.raises(NoAnswer):
        outbox.relay_once(lose_the_second)
    left = OutboxMessage.objects.filter(published=None)
    assert [row.message_id for row in left] == ["two:1"]


def test_nobody_who_listens_is_an_answer_too(nats_url: str) -> None:
    with pytest.raises(NoAnswer):
        bus().ask("syrinx.nobody", {}, timeout=5)


def test_a_server_that_is_not_there_is_said_quickly(settings: Any) -> None:
    settings.SYRINX_NATS_URL = "nats://127.0.0.1:1"
    assert not Bus().is_reachable()
