"""Server-sent events: what changed, as it happens, and from where a reader left off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse

from web.core.connections import own_connection
from web.core.events import listener
from web.jobs.models import ACTIVE, Job, MetricPoint
from web.jobs.queries import (
    checkpoint_out,
    job_out,
    log_out,
    sample_out,
    stages_out,
    with_places,
)

T = TypeVar("T")
# Also the longest that a lost notification can delay an event.
IDLE_SECONDS = 5.0
# Quick enough to feel live, slow enough that 100 log lines are one event.
SETTLE_SECONDS = 0.2
BATCH = 500


@dataclass
class Seen:
    """How far a reader has come; travels as the event id, so that a reconnect goes on there."""

    step: int = -1
    log: int = 0
    sample: int = 0
    checkpoint: int = 0
    last_point: dict[str, Any] | None = None

    @classmethod
    def parse(cls, text: str | None) -> Seen:
        try:
            step, log, sample, checkpoint = map(int, (text or "").split("."))
        except ValueError:
            return cls()
        return cls(step, log, sample, checkpoint)

    def __str__(self) -> str:
        return f"{self.step}.{self.log}.{self.sample}.{self.checkpoint}"


def stream(events: AsyncIterator[str]) -> StreamingHttpResponse:
    """A response that no proxy should hold back."""
    return StreamingHttpResponse(
        events,
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def job_events(job_id: UUID, seen: Seen) -> AsyncIterator[str]:
    """Events of one job until it has ended; the first is its present state."""
    before: dict[str, Any] = {}
    async with listener().watch(f"job:{job_id}") as changed:
        while True:
            changed.clear()
            news, is_all = await _in_thread(lambda: _news(job_id, seen))
            for name, data in news:
                if name == "job":
                    if data == before:
                        continue
                    before = data
                yield _event(name, data, seen)
            if not is_all:
                continue
            if before.get("state") not in ACTIVE:
                yield _event("end", {}, seen)
                return
            if not await _wait(changed):
                yield ": still here\n\n"


async def topic_events(topics: list[str]) -> AsyncIterator[str]:
    """`changed` whenever one of the topics was announced, for lists that reload themselves."""
    async with listener().watch(*topics) as changed:
        yield _event("changed", {}, "")
        while True:
            changed.clear()
            if await _wait(changed):
                yield _event("changed", {}, "")
            else:
                yield ": still here\n\n"


async def _wait(changed: asyncio.Event) -> bool:
    try:
        await asyncio.wait_for(changed.wait(), IDLE_SECONDS)
    except TimeoutError:
        return False
    await asyncio.sleep(SETTLE_SECONDS)
    return True


def _news(job_id: UUID, seen: Seen) -> tuple[list[tuple[str, Any]], bool]:
    """What the reader has not seen, and whether that is all of it; moves `seen` on."""
    job = with_places(Job.objects.filter(pk=job_id)).first()
    if job is None:
        return [], True
    news: list[tuple[str, Any]] = []
    # From the last step on, not after it: its validation may have joined it meanwhile.
    rows = MetricPoint.objects.filter(job=job, step__gte=seen.step).order_by("step")[:BATCH]
    points = [{"step": row.step, "values": row.values} for row in rows]
    if points and points != [seen.last_point]:
        seen.step, seen.last_point = points[-1]["step"], points[-1]
        news.append(("metrics", points))
    lines = list(job.log_lines.filter(pk__gt=seen.log).order_by("pk")[:BATCH])
    if lines:
        seen.log = lines[-1].pk
        news.append(("log", [log_out(line) for line in lines]))
    samples = list(job.samples.filter(pk__gt=seen.sample).order_by("pk")[:BATCH])
    for sample in samples:
        seen.sample = sample.pk
        news.append(("sample", sample_out(sample)))
    for checkpoint in job.checkpoints.filter(pk__gt=seen.checkpoint).order_by("pk")[:BATCH]:
        seen.checkpoint = checkpoint.pk
        news.append(("checkpoint", checkpoint_out(checkpoint)))
    if BATCH in (len(points), len(lines), len(samples)):
        return news, False
    # Last, so that a reader who sees the end has seen all that came before it.
    news.append(("job", {**job_out(job), "stages": _without_clock(stages_out(job))}))
    return news, True


def _without_clock(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Running seconds change at every look and would make each one an event."""
    return [{k: v for k, v in stage.items() if k != "seconds"} for stage in stages]


def _event(name: str, data: Any, seen: Seen | str) -> str:
    return f"event: {name}\nid: {seen}\ndata: {json.dumps(data, cls=DjangoJSONEncoder)}\n\n"


async def _in_thread(work: Callable[[], T]) -> T:
    def unit() -> T:
        with own_connection():
            return work()

    return await asyncio.to_thread(unit)
