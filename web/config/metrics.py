"""`/metrics` for Prometheus: the requests of this process, and gauges out of the database.

The gauges are computed at the scrape, so every portal process gives the same ones: take the
maximum, not the sum, over several.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from django.db import DatabaseError
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView
from prometheus_client.core import REGISTRY, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from web.core.models import OutboxMessage
from web.fleet.models import Agent
from web.fleet.queries import live_agents
from web.jobs.models import Job, JobKind, JobState

log = structlog.get_logger(__name__)


class Gauges(Collector):
    def describe(self) -> list[Metric]:
        # Without this the registry would ask the database when the process starts.
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            yield from [jobs(), agents(), *outbox()]
        except DatabaseError as error:
            log.warning("no gauges: the database does not answer", error=str(error))


def jobs() -> Metric:
    gauge = GaugeMetricFamily("syrinx_jobs", "Jobs by kind and state.", labels=["kind", "state"])
    rows = Job.objects.order_by().values_list("kind", "state").annotate(Count("pk"))
    counts = {(kind, state): count for kind, state, count in rows}
    for kind in JobKind.values:
        for state in JobState.values:
            gauge.add_metric([kind, state], counts.get((kind, state), 0))
    return gauge


def agents() -> Metric:
    gauge = GaugeMetricFamily("syrinx_agents", "Agents with a valid token.", labels=["state"])
    known = Agent.objects.filter(revoked__isnull=True)
    alive = live_agents().count()
    gauge.add_metric(["alive"], alive)
    gauge.add_metric(["silent"], known.count() - alive)
    return gauge


def outbox() -> Iterator[Metric]:
    waiting = OutboxMessage.objects.filter(published__isnull=True)
    found = waiting.aggregate(number=Count("pk"), oldest=Min("created"))
    yield GaugeMetricFamily(
        "syrinx_outbox_waiting", "Messages not yet in JetStream.", value=found["number"]
    )
    age = (timezone.now() - found["oldest"]).total_seconds() if found["oldest"] else 0
    yield GaugeMetricFamily(
        "syrinx_outbox_oldest_seconds", "How long the oldest of them has waited.", value=age
    )


REGISTRY.register(Gauges())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    response: HttpResponse = ExportToDjangoView(request)
    return response
