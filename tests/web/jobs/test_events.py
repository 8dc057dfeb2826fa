"""Live events: everything so far, then what happens, then the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient, Client
from django.utils import timezone

from tests.factories import claimed, host, ready_base, ready_dataset
from web.accounts.actions import create_token
from web.accounts.models import Team, User
from web.jobs import agent_actions as agents
from web.jobs import live
from web.jobs.actions import cancel_job, submit_train
from web.jobs.agent_actions import Holder
from web.jobs.live import Seen
from web.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)
Event = tuple[str, str, Any]


@pytest.fixture
def job(alice: User, alpha: Team) -> Job:
    return submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base())


@pytest.fixture
def holder(job: Job) -> Holder:
    agent, _ = host()
    return claimed(agent)[1]


async def events(user: User, path: str, **headers: str) -> AsyncIterator[Event]:
    _, token = await sync_to_async(create_token)(user, "events")
    sent = {"Authorization": f"Bearer {token}", **headers}
    response = await AsyncClient().get(path, headers=sent)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    async for block in response.streaming_content:  # type: ignore[attr-defined]
        text = block.decode()
        if not text.startswith(":"):
            fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
            yield fields["event"], fields["id"], json.loads(fields["data"])


async def until(source: AsyncIterator[Event], name: str) -> list[Event]:
    seen = []
    async for event in source:
        seen.append(event)
        if event[0] == name:
            break
    return seen


def run(work: Any) -> Any:
    async def bounded() -> Any:
        try:
            return await asyncio.wait_for(work, 30)
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(bounded())


def test_a_reader_hears_of_progress_and_of_the_end(alice: User, job: Job, holder: Holder) -> None:
    agents.store_metrics(holder, [(1, {"mel": 1.5})])

    async def story() -> list[Event]:
        source = events(alice, f"/api/v1/jobs/{job.pk}/events")
        heard = await until(source, "job")
        assert [name for name, _, _ in heard] == ["metrics", "job"]
        assert heard[0][2] == [{"step": 1, "values": {"mel": 1.5}}]
        await sync_to_async(agents.report_progress)(holder, 0.5, 60.0, "half way")
        heard = await until(source, "job")
        assert heard[-1][2]["progress"] == 0.5
        lines = [(timezone.now(), "info", "hello")]
        await sync_to_async(agents.store_log)(holder, lines, 0)
        heard = await until(source, "log")
        assert heard[-1][2][0]["text"] == "hello"
        await sync_to_async(cancel_job)(alice, job)
        return await until(source, "end")

    heard = run(story())
    assert heard[-2][0] == "job"
    assert heard[-2][2]["state"] == "cancelled"


def test_a_reader_who_comes_back_gets_only_what_is_new(
    alice: User, job: Job, holder: Holder
) -> None:
    agents.store_metrics(holder, [(1, {"mel": 1.5})])

    async def story() -> list[Event]:
        path = f"/api/v1/jobs/{job.pk}/events"
        first = await until(events(alice, path), "job")
        last_id = first[-1][1]
        await sync_to_async(agents.store_metrics)(holder, [(2, {"mel": 1.4})])
        return await until(events(alice, path, **{"Last-Event-ID": last_id}), "job")

    heard = run(story())
    assert heard[0][2][-1] == {"step": 2, "values": {"mel": 1.4}}


def test_a_reader_who_comes_late_gets_all_before_the_end(
    alice: User, job: Job, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BATCH", 2)
    agents.store_metrics(holder, [(step, {"mel": 1.0}) for step in range(5)])
    agents.store_log(holder, [(timezone.now(), "info", f"line {n}") for n in range(5)], 0)
    cancel_job(alice, job)
    heard = run(until(events(alice, f"/api/v1/jobs/{job.pk}/events"), "end"))
    assert [name for name, _, _ in heard].count("job") == 1
    steps = [point["step"] for name, _, data in heard if name == "metrics" for point in data]
    assert sorted(set(steps)) == list(range(5))
    lines = [line["text"] for name, _, data in heard if name == "log" for line in data]
    assert lines == [f"line {n}" for n in range(5)]


def test_lists_hear_that_something_of_their_team_changed(alice: User, job: Job) -> None:
    async def story() -> None:
        source = events(alice, "/api/v1/events")
        await until(source, "changed")
        waiting = asyncio.create_task(until(source, "changed"))
        await sync_to_async(cancel_job)(alice, job)
        await waiting

    run(story())


def test_an_outsider_hears_nothing(as_charlie: Client, job: Job) -> None:
    assert as_charlie.get(f"/api/v1/jobs/{job.pk}/events").status_code == 404


@pytest.mark.parametrize("text", [None, "", "nonsense", "1.2", "1.2.3.4.5"])
def test_a_strange_event_id_starts_from_the_beginning(text: str | None) -> None:
    assert Seen.parse(text) == Seen()
